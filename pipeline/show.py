"""What people read on the terminal: what a run did, how an account stands, why somebody gets e-mails."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from pipeline.checkup import Check, lines
from pipeline.contact import Suppression
from pipeline.fields import PERSONAL
from pipeline.held import Holding
from pipeline.log import mask
from pipeline.plan import Change, Preview
from pipeline.run import Run
from pipeline.screen import Page

Json = Mapping[str, object]
COUNTS = (
    ("groups_created", "group created", "groups created"),
    ("contacts_created", "contact created", "contacts created"),
    ("contacts_updated", "contact updated", "contacts updated"),
    ("joins", "joined a group", "joined a group"),
    ("leaves", "left a group", "left a group"),
)
"""The five counts, of one and of many."""
PREVIEW = 40
"""Changes that a dry run lists one by one."""
CHANGED = " changed"
"""How the plan ends a reason that is a field."""


def runs(page: Page, told: Sequence[Run]) -> None:
    """What each run did, or would do."""
    for run in told:
        style = "bold green" if run.status in {"done", "dry_run"} else "bold red"
        day = "" if run.date is None else f" {run.date}"
        page.say(
            f"{run.account}: {run.kind}{day} as of {run.as_of}: {run.status.replace('_', ' ')} (run {run.run_id})",
            style,
        )
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
            if run.status == "dry_run":  # nothing is held, nothing can be approved
                page.say(f"  a real run would say: {first}", "red")
                continue
            for line in (first, *(f"→ {each}" for each in more)):
                page.say(f"  {line}", "red")


def _plan(page: Page, run: Run) -> None:
    if run.plan is None:
        return
    dry = run.status == "dry_run"
    planned, done = run.plan.counts, run.pushed
    counted = [(getattr(planned if dry else done, key), one, many) for key, one, many in COUNTS]
    words = [f"{count} {one if count == 1 else many}" for count, one, many in counted if count]
    page.say(f"  {'would be' if dry else 'done'}: {', '.join(words) or 'nothing to send'}")
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
    return mask(change.email), _reasons(change.reasons) or "-", joins or "-", leaves or "-"


def _reasons(given: Sequence[str]) -> str:
    """Why a contact changes; the many fields of a purchase as one."""
    fields = [reason.removesuffix(CHANGED) for reason in given if reason.endswith(CHANGED)]
    said = [reason for reason in given if not reason.endswith(CHANGED)]
    said += [f"last purchase{CHANGED}"] if any(field not in PERSONAL for field in fields) else []
    return ", ".join([*said, *(f"{field}{CHANGED}" for field in fields if field in PERSONAL)])


def why(page: Page, answer: Json, acts: Sequence[Json] = ()) -> None:
    """May we write to this person, on what basis, and who said so; what happened to the consent, oldest first."""
    verdict = "yes" if answer["may_send"] else "no"
    page.say(f"{answer['email']}: may we write? {verdict}", "bold green" if answer["may_send"] else "bold red")
    if answer["suppressed"]:
        reason = str(answer["suppressed"])
        page.say(f"  never written to: {NEVER.get(reason, reason)}", "red")
    if answer["basis"]:
        start, until = answer["consent_date"], answer["consent_until"]
        since = f", from {start}" if start else ""
        page.say(f"  consent: {answer['basis']}{since}{f' through {until}' if until else ', without end'}")
        if answer["proof"]:
            page.say(f"  proof: {answer['proof']}")
        if not answer["may_send"] and not answer["suppressed"]:
            page.say(f"  it ended on {answer['consent_until']}: nothing is sent until they buy again", "red")
    else:
        page.say("  no consent is known")
    sources = _rows(answer["sources"])
    if sources:
        page.say("  said by: " + "; ".join(_said(sources)))
    else:
        page.say("  no file has ever told of this person")
    groups = _rows(answer["groups"])
    if groups:
        page.table(
            ("group", "member", "why"), [(g["title"], "yes" if g["member"] else "no", g["reason"]) for g in groups]
        )
    fields = answer["fields"]
    if isinstance(fields, Mapping) and fields:
        page.table(("field", "value"), [(key, written(value)) for key, value in fields.items()])
    if acts:
        page.say()
        page.say("  what happened to the consent:")
        page.table(("on", "consent", "proof, and the line that said so"), [_act(act) for act in acts])


NEVER = {
    "unsubscribed": "unsubscribed on the platform",
    "bounced": "their mail bounced",
    "unsubscribed_as": "the same person unsubscribed under another address",
}
"""Why somebody is never written to."""
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
    words = f"{words}, from {act['consent_date']}" if act["consent_date"] else words
    told = [str(act["proof"])] if act["proof"] else []
    if act["file"]:
        told.append(_lines(str(act["file"]), str(act["lines"]).split(",")))
    return act["day"], words, "; ".join(told) or "-"


def _said(sources: Sequence[Json]) -> list[str]:
    """Each file with its lines, in the order in which they were told."""
    lines: dict[str, list[str]] = {}
    for source in sources:
        lines.setdefault(str(source["file"]), []).append(str(source["line"]))
    return [_lines(file, numbers) for file, numbers in lines.items()]


def _lines(file: str, numbers: Sequence[str]) -> str:
    return f"{file} line{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}"


def written(value: object) -> str:
    """A field's value as people write it: amounts with two decimals."""
    return f"{value:.2f}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands, for people: its `status` as `--json` tells it, and what that leaves out.

    `back`: the suppressed people who are members again.  Times are told on the account's clock, in `zone`.
    """

    status: Json
    held: Sequence[Holding]
    back: Sequence[Suppression]
    zone: ZoneInfo

    def local(self, moment: object) -> str:
        """An instant as the account's clock shows it; what is none is a dash."""
        if not isinstance(moment, str):
            return "-"
        return datetime.fromisoformat(moment).astimezone(self.zone).strftime("%Y-%m-%d %H:%M")


def status(page: Page, accounts: Iterable[Standing]) -> None:
    """How each account stands: the last success, what is missing, held, waiting; the last runs."""
    for number, standing in enumerate(accounts):
        if number:
            page.say()
        _status(page, standing)


def _status(page: Page, standing: Standing) -> None:
    account = standing.status
    name, success = str(account["account"]), account["last_success"]
    when = "never"
    if isinstance(success, Mapping):
        day = f", for {success['date']}" if success["date"] else ""
        when = f"{standing.local(success['finished_at'])} ({standing.zone.key}){day}"
    page.say(f"{name}: last success {when}", "bold")
    runs = _rows(account["runs"])
    if not runs:
        begin(page, name, unused=True)
        return
    missing = account["missing_days"]
    days = [str(day) for day in missing] if isinstance(missing, list) else []
    page.say(f"  missing days: {', '.join(days) or 'none'}", "red" if days else "")
    if days:
        page.say(f"  → ask the box office for the files, then: placier run {name} --date {days[0]}")
    for hold in standing.held:
        page.say(f"  held by {hold.what}", "red")
        for detail in hold.details:
            page.say(f"      {detail}")
        for remedy in hold.remedies:
            page.say(f"    → {remedy}")
    page.say(f"  contacts waiting to be sent: {account['pending']}")
    for entry in standing.back:
        page.say(
            f"  {NEVER.get(entry.reason, entry.reason)}, and a member of the platform again (seen on {entry.back_on}): "
            f"{entry.email}",
            "red",
        )
        page.say("  → never written to; unless they asked for it there, unsubscribe them there again", "red")
    _last(page, runs)
    page.table(("started", "run", "kind", "for", "status"), [_run(standing, run) for run in runs])


def begin(page: Page, account: str, *, unused: bool) -> None:
    """What to type first, if nothing was ever recorded."""
    if unused:
        page.say(f"  nothing has been recorded yet for {account}", "red")
        page.say(f"  → placier doctor {account}; then the history: placier backfill {account} --dry-run")


def _last(page: Page, runs: Sequence[Json]) -> None:
    """What the last run has to say, unless it went well."""
    if runs and runs[0]["status"] != "done" and runs[0]["message"]:
        page.say(f"  the last run says ({runs[0]['status']}):", "red")
        first, *more = str(runs[0]["message"]).split("\n")
        for line in (first, *(f"→ {each}" for each in more)):
            page.say(f"    {line}")


def _run(standing: Standing, run: Json) -> tuple[object, ...]:
    """A row of the last runs; the as-of day is told when it is neither the day after nor the day of the run."""
    started, day, as_of = standing.local(run["started_at"]), str(run["date"] or "-"), str(run["as_of"])
    usual = {started[:10], *([str(date.fromisoformat(day) + timedelta(days=1))] if run["date"] else [])}
    return started, run["run_id"], run["kind"], day if as_of in usual else f"{day} as of {as_of}", run["status"]


def checks(page: Page, found: Sequence[Check]) -> None:
    """What doctor saw."""
    for line, style in lines(found):
        page.say(line, style)


def _rows(value: object) -> list[Mapping[str, object]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []
