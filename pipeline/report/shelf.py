"""The pages of an account on the disk: written after a run, written again when the state knows more, and listed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pipeline import policy
from pipeline.errors import StateError, UsageError
from pipeline.report import gather
from pipeline.report import page as pages
from pipeline.report.page import Reader
from pipeline.report.words import language_of
from pipeline.run import Run
from pipeline.setting import Setting
from pipeline.store.pages import Entry, Pages, last_entries

MOST_RUNS = 20
CLOCKS = 1.0
"""Seconds by which the clock of a file system may lag behind."""
NAMED = 5
"""So many of the days that have a page are named to whoever asks for another one."""


@dataclass(frozen=True, slots=True)
class Night:
    """A line of a list of nights: the last run of a page, how many runs it tells of, and where it is."""

    account: str
    last: Entry
    runs: int
    link: str


def put(work: Setting, run: Run) -> Path:
    """Keep what there is to tell of a run that ended, and write the page of its day: `REPORTS/ACCOUNT/DATE.html`.

    The lists of nights are written anew, and pages whose runs are no longer known are let go.  Without a state that can
    be written the page tells of this run alone.  StateError when the page cannot be written.
    """
    told = gather.telling(work, run)
    day = told.story.day
    try:
        days = gather.keep_killed(work)
        gather.keep(work, told)
    except StateError:
        return _write(_path(work, day), pages.page([told], _reader(work)))
    for each in sorted(days | {day}):
        write(work, each)
    _tidy(work, run.as_of)
    return _path(work, day)


def write(work: Setting, day: date) -> Path:
    """Write the page of a day from the state alone."""
    with work.database.transaction(reading=True) as connection:
        told = gather.again(connection, work.account.name, day, MOST_RUNS + 1)
    text = pages.page(told[:MOST_RUNS], _reader(work), more=len(told) > MOST_RUNS)
    return _write(_path(work, day), text)


def found(settings: Sequence[Setting], day: date | None) -> list[tuple[str, date, Path]]:
    """The pages of some accounts, each with its account and its day; UsageError when none of them has one."""
    pages_found, missing = [], []
    for work in settings:
        try:
            pages_found.append((work.account.name, *find(work, day)))
        except UsageError as error:
            missing.append(error)
    if missing and not pages_found:
        raise missing[0]
    if not settings:
        raise UsageError("no account is configured", "`placier init` writes an example")
    return pages_found


def find(work: Setting, day: date | None) -> tuple[date, Path]:
    """The newest page, or that of a day; written again where it is missing or the state knows more.

    UsageError, with the days that there are, when there is none.
    """
    with work.database.transaction(reading=True) as connection:
        known = Pages(connection, work.account.name).days()
    name = work.account.name
    if not known:
        raise UsageError(f"{name}: no run has a page yet", f"`placier run {name}` makes the first")
    wanted = max(known) if day is None else day
    path = _path(work, wanted)
    if wanted not in known:
        if path.exists():  # the state was lost, the page was not
            return wanted, path
        named = ", ".join(str(each) for each in sorted(known, reverse=True)[:NAMED])
        raise UsageError(
            f"{name}: no run was for {wanted}; there are {len(known)} pages, from {min(known)} to {max(known)}",
            f"the newest: {named}",
        )
    if not path.exists() or _stale(path, known[wanted]):
        write(work, wanted)
        list_nights(work)
    return wanted, path


def rewrite(work: Setting, days: Iterable[date]) -> None:
    """Write the pages of these days again, and those that an earlier time failed to; those that are there."""
    with work.database.transaction(reading=True) as connection:
        known = Pages(connection, work.account.name).days()
    wanted = set(days)
    for day, told_at in sorted(known.items()):
        path = _path(work, day)
        if path.exists() and (day in wanted or _stale(path, told_at)):
            write(work, day)


def list_nights(work: Setting) -> None:
    """Write the list of the account's nights, and the list of accounts above it."""
    with work.database.transaction(reading=True) as connection:
        entries = Pages(connection, work.account.name).entries()
        newest = last_entries(connection)
    name = work.account.name
    nights = [Night(name, runs[0], len(runs), f"{name}/{runs[0].day}.html") for runs in _by_day(entries)]
    folder, part = work.shelf.folder, work.shelf.folder / f"{name}.part"
    _write(folder / list_of(name), _listed(work, nights, name), part)
    others = [Night(each, last, count, f"{each}/{last.day}.html") for each, last, count in newest]
    _write(folder / "index.html", _listed(work, others, ""), part)


def list_of(account: str) -> str:
    """The list of an account's nights: beside its folder, in which there is nothing but the pages of days."""
    return f"{account}-nights.html"


def _listed(work: Setting, nights: Sequence[Night], account: str) -> str:
    language = language_of(work.account.file.language) if account else work.shelf.language
    return pages.look_of(language).render("index.html", account=account, nights=nights, policy=pages.policy())


def _by_day(entries: Sequence[Entry]) -> list[list[Entry]]:
    found: dict[date, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.day, []).append(entry)
    return list(found.values())


def _tidy(work: Setting, as_of: date) -> None:
    """Write the lists anew; a page older than the retention whose runs were purged is let go."""
    start = policy.retention_start(as_of, work.account.file.policy.retention_months)
    with work.database.transaction(reading=True) as connection:
        known = Pages(connection, work.account.name).days()
    for path in (work.shelf.folder / work.account.name).glob("????-??-??.html"):
        day = date.fromisoformat(path.stem)
        if day < start and day not in known:
            path.unlink(missing_ok=True)
    list_nights(work)


def _path(work: Setting, day: date) -> Path:
    return work.shelf.folder / work.account.name / f"{day}.html"


def _reader(work: Setting) -> Reader:
    return Reader(language_of(work.account.file.language), work.account.zone, work.shelf.addresses)


def _stale(path: Path, told_at: datetime) -> bool:
    """Whether the state has learnt more since the page was written."""
    return path.stat().st_mtime + CLOCKS < told_at.replace(tzinfo=UTC).timestamp()


def _write(path: Path, text: str, part: Path | None = None) -> Path:
    """Write a page for its owner alone, whole or not at all."""
    part = part or path.parent / "page.part"  # of one name, so that what a killed run leaves is gone with the next page
    try:
        for each in (path.parent.parent, path.parent):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        part.replace(path)
    except OSError as error:
        message = f"the report {path} cannot be written ({error.strerror})"
        raise StateError(message, "check the folder's owner and the disk, then the same command again") from error
    return path
