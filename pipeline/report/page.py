"""The page of a run: one self-contained HTML file, `REPORTS/ACCOUNT/DATE.html`; addresses are masked."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from pipeline.errors import StateError
from pipeline.log import mask
from pipeline.plan import GENERAL, Change, Counts
from pipeline.run import Run

STYLE = """
body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1d2430;background:#fff}
h1{margin-bottom:0}
h2{margin-top:2rem;border-bottom:1px solid #ccd3dd}
table{border-collapse:collapse;width:100%;margin:.5rem 0}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #e3e8ef;vertical-align:top}
th{background:#f2f5f9}
td.n{text-align:right}
code{background:#f2f5f9;padding:0 .2rem;word-break:break-all}
.status{padding:.1rem .6rem;border-radius:.3rem;background:#e6f2e8;color:#14532d;font-weight:600}
.status.bad{background:#fdeaea;color:#7f1d1d}
.quiet{color:#526071}
"""
WORDS = {
    "groups_created": "Groups created",
    "contacts_created": "Contacts created",
    "contacts_updated": "Contacts updated",
    "joins": "Joined a group",
    "leaves": "Left a group",
}
MOST_ROWS = 2000


def write_page(reports: Path, run: Run) -> Path:
    """Write the page of a run and return its path; a later run of the same date takes its place."""
    folder = reports / run.account
    path = folder / f"{(run.date or run.as_of).isoformat()}.html"
    part = path.with_suffix(".part")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(page(run))
        part.replace(path)
    except OSError as error:
        raise StateError(
            f"the report {path} cannot be written ({error.strerror})", "check the folder's owner and the disk"
        ) from error
    return path


def page(run: Run) -> str:
    """The page as HTML; everything that came from outside is escaped."""
    good = run.status in {"done", "dry_run"}
    body = [
        f"<h1>{_text(run.account)}: {_text((run.date or run.as_of).isoformat())}</h1>",
        f"<p class=quiet>{_text(run.kind)} {_text(run.run_id)}, as of {run.as_of}</p>",
        f"<p><span class='status{'' if good else ' bad'}'>{_text(run.status)}</span> {_lines(run.message)}</p>",
        _held(run),
        "<h2>What came in</h2>",
        _table(
            ("File", "Version", "Lines", "Accepted", "Set aside", "SHA-256"),
            [(f.name, f.version, f.lines, f.accepted, f.rejected, f.sha256[:16]) for f in run.files],
        ),
        "<h2>What was set aside</h2>",
        _table(
            ("File", "Line", "Reason"), [(name, reject.line, reject.reason) for name, reject in run.rejects[:MOST_ROWS]]
        ),
        "<h2>What changed</h2>",
        _counts(run),
        _table(("Contact", "Change", "Joins", "Leaves"), [_change(change) for change in _changes(run)[:MOST_ROWS]]),
        "<h2>Who was left alone</h2>",
        _table(("Reason", "Contacts"), list((run.plan.skips if run.plan else {}).items())),
        "<h2>What the platform refused</h2>",
        _table(("Refused by the platform", "Why"), [(mask(email), why) for email, why in sorted(run.refused.items())]),
    ]
    title = f"<title>Placier {_text(run.account)} {run.date or run.as_of}</title>"
    head = f"<meta charset=utf-8><meta name=viewport content='width=device-width'>{title}<style>{STYLE}</style>"
    main = f"<body><main>{''.join(body)}</main></body>"
    return f"<!doctype html><html lang=en><head>{head}</head>{main}</html>\n"


def _changes(run: Run) -> Sequence[Change]:
    return () if run.plan is None else run.plan.changes


def _change(change: Change) -> tuple[str, str, str, str]:
    leaves = ", ".join(f"{_group(leave.group_key)} ({leave.reason})" for leave in change.leaves)
    return mask(change.email), ", ".join(change.reasons), ", ".join(_group(key) for key in change.joins), leaves


def _group(key: str) -> str:
    return "general group" if key == GENERAL else key.split(":", 2)[-1]


def _held(run: Run) -> str:
    if not run.held:
        return ""
    account = _text(run.account)
    mend = f"<code>placier status {account}</code>, then <code>placier approve {account} RUN</code>"
    return f"<h2>What is held</h2>{_table(('Reason', 'Operations'), run.held)}<p>See {mend}.</p>"


def _counts(run: Run) -> str:
    planned = asdict(Counts() if run.plan is None else run.plan.counts)
    pushed = asdict(run.pushed)
    return _table(("", "Planned", "Done"), [(WORDS[key], planned[key], pushed[key]) for key in WORDS])


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    listed = list(rows)
    if not listed:
        return "<p class=quiet>Nothing.</p>"
    titles = "".join(f"<th scope=col>{_text(title)}</th>" for title in head)
    body = "".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in listed)
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    return f"<td class=n>{value:,}</td>" if isinstance(value, int) else f"<td>{_text(value)}</td>"


def _lines(text: str) -> str:
    return "<br>".join(_text(line) for line in text.splitlines())


def _text(value: object) -> str:
    return html.escape(str(value))
