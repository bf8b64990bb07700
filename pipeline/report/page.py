"""The page of a run: one self-contained HTML file, `REPORTS/ACCOUNT/DATE.html`; addresses are masked."""

from __future__ import annotations

import base64
import hashlib
import html
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from pipeline.errors import StateError
from pipeline.log import CONTROL, mask
from pipeline.plan import Counts
from pipeline.run import Run

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1d2430;background:#fff}
h1{margin-bottom:0}
h2{margin-top:2rem;border-bottom:2px solid #ccd3dd}
h3{margin:1.2rem 0 0;font-size:1rem}
table{border-collapse:collapse;width:100%;margin:.5rem 0}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #e3e8ef;vertical-align:top}
th{background:#f2f5f9}
td.n,th.n{text-align:right}
code{background:#f2f5f9;padding:0 .2rem;word-break:break-all}
.status{font-size:1rem;padding:.1rem .6rem;border-radius:.3rem;background:#e6f2e8;color:#14532d;font-weight:600}
.status.bad{background:#fdeaea;color:#7f1d1d}
.quiet{color:#526071}
"""
ALLOWED = f"default-src 'none'; style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
"""What a browser may load or run for the page: its own style, nothing else."""
WORDS = {
    "groups_created": "Groups created",
    "contacts_created": "Contacts created",
    "contacts_updated": "Contacts updated",
    "joins": "Joined a group",
    "leaves": "Left a group",
}
MOST_ROWS = 2000
MOST_RUNS = 20


def write_page(reports: Path, run: Run) -> Path:
    """Write a run into the page of its date and return the path; earlier runs of that date stay below it."""
    folder = reports / run.account
    path = folder / f"{_day(run)}.html"
    part = folder / "page.part"  # of one name, so that what a killed run leaves is gone with the next page
    try:
        for each in (reports, folder):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        earlier = _articles(path.read_text(encoding="utf-8")) if path.exists() else []
        with os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(page(run, earlier))
        part.replace(path)
    except OSError as error:
        message = f"the report {path} cannot be written ({error.strerror})"
        raise StateError(message, "check the folder's owner and the disk") from error
    return path


def page(run: Run, earlier: Sequence[str] = ()) -> str:
    """The page as HTML: this run, then the articles of `earlier` ones; everything from outside is escaped."""
    title = f"Placier {_text(run.account)} {_day(run)}"
    policy = f"<meta http-equiv=Content-Security-Policy content=\"{ALLOWED}; base-uri 'none'; form-action 'none'\">"
    head = f"<meta charset=utf-8>{policy}<meta name=viewport content='width=device-width'><title>{title}</title>"
    articles = "\n".join([article(run), *earlier[: MOST_RUNS - 1]])
    main = f"<main><h1>{_text(run.account)}: {_day(run)}</h1>\n{articles}\n</main>"
    return f"<!doctype html><html lang=en><head>{head}<style>{STYLE}</style></head><body>{main}</body></html>\n"


def article(run: Run) -> str:
    """One run, on one line of HTML."""
    good = run.status in {"done", "dry_run"}
    body = [
        f"<h2>{_text(run.kind)} as of {run.as_of} <span class='status{'' if good else ' bad'}'>{_text(run.status)}</span></h2>",
        f"<p class=quiet>run {_text(run.run_id)}</p>",
        f"<p>{_lines(run.message)}</p>" if run.message else "",
        _held(run),
        "<h3>What came in</h3>",
        _table(
            ("File", "Version", "Lines", "Accepted", "Set aside", "SHA-256"),
            [(f.name, f.version, f.lines, f.accepted, f.rejected, f.sha256[:16]) for f in run.files],
        ),
        "<h3>What was set aside</h3>",
        _table(
            ("File", "Line", "Reason"),
            [(name, reject.line, reject.reason) for name, reject in run.rejects[:MOST_ROWS]],
        ),
        "<h3>What changed</h3>",
        _counts(run),
        _table(("Contact", "Change", "Joins", "Leaves"), _changes(run)),
        "<h3>Who was left alone</h3>",
        _table(("Reason", "Contacts"), list((run.plan.skips if run.plan else {}).items())),
        "<h3>What the platform refused</h3>",
        _table(("Contact", "Why"), [(mask(email), mask(why)) for email, why in sorted(run.refused.items())]),
    ]
    return f"<article>{''.join(body)}</article>"


def _articles(html_page: str) -> list[str]:
    """The articles of a page that was written before: one a line."""
    return [line for line in html_page.splitlines() if line.startswith("<article>")]


def _day(run: Run) -> str:
    return (run.date or run.as_of).isoformat()


def _changes(run: Run) -> list[tuple[str, str, str, str]]:
    if run.plan is None:
        return []
    title = run.plan.title
    return [
        (
            mask(change.email),
            ", ".join(change.reasons),
            ", ".join(title(key) for key in change.joins),
            ", ".join(f"{title(leave.group_key)} ({leave.reason})" for leave in change.leaves),
        )
        for change in run.plan.changes[:MOST_ROWS]
    ]


def _held(run: Run) -> str:
    if not run.held:
        return ""
    account = _text(run.account)
    mend = f"<code>placier status {account}</code>, then <code>placier approve {account} RUN</code>"
    return f"<h3>What is held</h3>{_table(('Reason', 'Operations'), run.held)}<p>See {mend}.</p>"


def _counts(run: Run) -> str:
    planned = asdict(Counts() if run.plan is None else run.plan.counts)
    pushed = asdict(run.pushed)
    return _table(("", "Planned", "Done"), [(WORDS[key], planned[key], pushed[key]) for key in WORDS])


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    listed = list(rows)
    if not listed:
        return "<p class=quiet>Nothing.</p>"
    numbers = [isinstance(cell, int) for cell in listed[0]]
    titles = "".join(
        f"<th scope=col{' class=n' if number else ''}>{_text(title)}</th>"
        for title, number in zip(head, numbers, strict=True)
    )
    body = "".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in listed)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    return f"<td class=n>{value:,}</td>" if isinstance(value, int) else f"<td>{_text(value)}</td>"


def _lines(text: str) -> str:
    return "<br>".join(_text(line) for line in text.splitlines())


def _text(value: object) -> str:
    return html.escape(" ".join(CONTROL.sub(" ", str(value)).split()))
