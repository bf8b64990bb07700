"""What people read on the terminal: plain lines everywhere, tables where there is a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.checkup import Check, lines
from pipeline.contact import Suppression
from pipeline.held import Holding
from pipeline.log import mask, plain
from pipeline.plan import Change, Preview
from pipeline.run import Run

Json = Mapping[str, object]
COUNTS = (
    ("groups_created", "groups created"),
    ("contacts_created", "contacts created"),
    ("contacts_updated", "contacts updated"),
    ("joins", "joined a group"),
    ("leaves", "left a group"),
)
PREVIEW = 40
"""Changes that a dry run lists one by one."""


class Page:
    """A console that draws tables on a terminal and writes plain columns elsewhere."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def say(self, text: str = "", style: str = "") -> None:
        """One line of text as it is, but for what a terminal would obey."""
        self._console.print(Text(plain(text), style=style if self._console.is_terminal else ""), soft_wrap=True)

    def table(self, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Rows under a header."""
        listed = [[plain(str(cell)) for cell in row] for row in rows]
        if self._console.is_terminal:
            table = Table(*head, box=box.SIMPLE_HEAD, pad_edge=False)
            for row in listed:
                table.add_row(*(Text(cell) for cell in row))
            self._console.print(table)
            return
        widths = [max(len(cell) for cell in column) for column in zip(head, *listed, strict=True)]
        for row in [list(head), *listed]:
            self.say("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def runs(page: Page, told: Sequence[Run]) -> None:
    """What each run did, or would do."""
    for run in told:
        style = "bold green" if run.status in {"done", "dry_run"} else "bold red"
        day = "" if run.date is None else f" {run.date}"
        page.say(f"{run.account}: {run.kind}{day} as of {run.as_of}: {run.status} (run {run.run_id})", style)
        for file in run.files:
            version = f", version {file.version}" if file.version > 1 else ""
            page.say(f"  {file.name}: {file.lines} lines, {file.accepted} accepted, {file.rejected} set aside{version}")
        if run.ignored_columns:
            page.say(f"  columns ignored: {', '.join(run.ignored_columns)}")
        for name, reject in run.rejects[:10]:
            page.say(f"  set aside: {name} line {reject.line}: {reject.reason}")
        if len(run.rejects) > 10:
            page.say(f"  … and {len(run.rejects) - 10} more: the page of the run lists them")
        if run.unmatched:
            page.say(f"  cancellations that match no booking (kept, they may match later): {run.unmatched}")
        if run.plan is not None:
            _plan(page, run)
        if run.message:
            first, *more = run.message.split("\n")
            for line in (first, *(f"→ {each}" for each in more)):
                page.say(f"  {line}", "red")


def _plan(page: Page, run: Run) -> None:
    if run.plan is None:
        return
    dry = run.status == "dry_run"
    planned, done = run.plan.counts, run.pushed
    words = [f"{getattr(planned if dry else done, key)} {label}" for key, label in COUNTS]
    page.say(f"  {'would be' if dry else 'done'}: {', '.join(words)}")
    if run.plan.skips:
        page.say("  left alone: " + ", ".join(f"{n} {reason}" for reason, n in run.plan.skips.items()))
    if run.refused:
        page.say(f"  refused by the platform: {len(run.refused)}")
    if dry:
        page.table(
            ("contact", "why", "joins", "leaves"), [_change(run.plan, change) for change in run.plan.changes[:PREVIEW]]
        )
        if run.plan.contacts > PREVIEW:
            page.say(f"  … and {run.plan.contacts - PREVIEW} more contacts")
        page.say("  nothing was sent, nothing was kept: this was a dry run")


def _change(plan: Preview, change: Change) -> tuple[str, str, str, str]:
    leaves = ", ".join(f"{plan.title(leave.group_key)} ({leave.reason})" for leave in change.leaves)
    joins = ", ".join(plan.title(key) for key in change.joins)
    return mask(change.email), ", ".join(change.reasons), joins or "-", leaves or "-"


def why(page: Page, answer: Json, acts: Sequence[Json] = ()) -> None:
    """May we write to this person, on what basis, and who said so; what happened to the consent, oldest first."""
    verdict = "yes" if answer["may_send"] else "no"
    page.say(f"{answer['email']}: may we write? {verdict}", "bold green" if answer["may_send"] else "bold red")
    if answer["suppressed"]:
        page.say(f"  suppressed: {answer['suppressed']}")
    if answer["basis"]:
        page.say(f"  consent: {answer['basis']}, from {answer['consent_date']} through {answer['consent_until']}")
        page.say(f"  proof: {answer['proof']}")
    else:
        page.say("  no consent is known")
    groups = _rows(answer["groups"])
    if groups:
        page.table(
            ("group", "member", "why"), [(g["title"], "yes" if g["member"] else "no", g["reason"]) for g in groups]
        )
    fields = answer["fields"]
    if isinstance(fields, Mapping) and fields:
        page.table(("field", "value"), [(key, written(value)) for key, value in fields.items()])
    sources = _rows(answer["sources"])
    if sources:
        page.say("  said by: " + ", ".join(f"{s['file']} line {s['line']}" for s in sources))
    else:
        page.say("  no file has ever told of this person")
    if acts:
        page.table(("on", "consent", "from", "proof", "said by"), [_act(act) for act in acts])


ACTS = {
    "given": "given",
    "renewed": "renewed",
    "kept": "the platform's own was kept",
    "unsubscribed": "unsubscribed",
    "bounced": "mail bounced",
    "came_back": "a member again: left alone",
    "forgotten": "forgotten",
}


def _act(act: Json) -> tuple[object, ...]:
    words = ACTS[str(act["act"])]
    words = f"{words} ({act['basis']})" if act["basis"] else words
    lines = str(act["lines"]).replace(",", ", ")
    said = f"{act['file']} line {lines}" if act["file"] else "-"
    return act["day"], words, act["consent_date"] or "-", act["proof"] or "-", said


def written(value: object) -> str:
    """A field's value as people write it: amounts with two decimals."""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def status(
    page: Page,
    accounts: Iterable[Json],
    held: Mapping[str, Sequence[Holding]],
    back: Mapping[str, Sequence[Suppression]],
) -> None:
    """How each account stands; by account, what is held, and which suppressed people are members again (`back`)."""
    for account in accounts:
        success = account["last_success"]
        when = f"{success['finished_at']} (run {success['run_id']})" if isinstance(success, Mapping) else "never"
        page.say(f"{account['account']}: last success {when}", "bold")
        missing = account["missing_days"]
        days = ", ".join(str(day) for day in missing) if isinstance(missing, list) else ""
        page.say(f"  missing days: {days or 'none'}")
        for hold in held.get(str(account["account"]), ()):
            page.say(f"  held by {hold.what}", "red")
            for detail in hold.details:
                page.say(f"      {detail}")
            for remedy in hold.remedies:
                page.say(f"    → {remedy}")
        page.say(f"  contacts waiting: {account['pending']}")
        for entry in back.get(str(account["account"]), ()):
            page.say(
                f"  {entry.reason}, and a member of the platform again (seen on {entry.back_on}): {entry.email}", "red"
            )
            page.say("  → never written to; unless they asked for it there, unsubscribe them there again", "red")
        rows = [
            (run["run_id"], run["kind"], run["date"] or "-", run["as_of"], run["status"])
            for run in _rows(account["runs"])
        ]
        if rows:
            page.table(("run", "kind", "date", "as of", "status"), rows)


def checks(page: Page, found: Sequence[Check]) -> None:
    """What doctor saw."""
    for line, style in lines(found):
        page.say(line, style)


def _rows(value: object) -> list[Mapping[str, object]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []
