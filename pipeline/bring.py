"""Bringing files: a day, a history, a day again; from the source, from the command line, from the archive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pipeline import inbound
from pipeline.errors import MissingFile, SourceUnavailable, StillChanging
from pipeline.inbound import Brought
from pipeline.setting import Setting
from pipeline.sources.names import matching
from pipeline.store.history import History
from pipeline.store.ledger import Ledger

FIRST_WAIT, LONGEST_WAIT = 5.0, 60.0
"""Seconds between two looks for a late file: short at first, then once a minute."""


@dataclass(frozen=True, slots=True)
class Replay:
    """How a day is replayed: from `files` given, else from the source (`refetch`), else from the archive."""

    files: tuple[Path, ...] = ()
    refetch: bool = False
    resend: bool = False


def bring_day(work: Setting, day: date, folder: Path, *, wait: bool) -> list[Brought]:
    """The day's files; one that is late or still being written is waited for, and so is a server out of reach."""
    pause = FIRST_WAIT
    left = work.account.file.source.wait_minutes * 60.0 if wait and not work.dry else 0.0
    end = work.now() + timedelta(seconds=left)  # a look may itself take minutes
    while True:
        source = work.open_source()
        try:
            found = inbound.find_day(source, work.account, day)
            return inbound.fetch(source, found, folder, work.archive)
        except (MissingFile, StillChanging, SourceUnavailable):
            if left <= 0 or work.now() >= end:
                raise
            whole = work.account.file.source.wait_minutes * 60
            work.progress("wait", whole - round(left), whole)
        finally:
            source.close()
        work.sleep(min(pause, left))
        left -= pause
        pause = min(pause * 1.5, LONGEST_WAIT)


def bring_history(work: Setting, files: Sequence[Path], folder: Path) -> list[Brought]:
    """The files given, else those at the source that fit the backfill pattern; MissingFile if none does."""
    if files:
        return inbound.at_hand([("backfill", path) for path in files], work.archive)
    pattern = work.account.file.source.backfill.format(
        organisation=work.account.file.organisation, date=work.now().date()
    )
    source = work.open_source()
    try:
        names = matching(source.names(), pattern)
        if not names:
            raise MissingFile(
                f"{work.account.name}: no file fits {pattern}",
                f"name the files: `placier backfill {work.account.name} FILE...`",
            )
        return [file for name in names for file in inbound.fetch(source, {"backfill": name}, folder, work.archive)]
    finally:
        source.close()


def bring_again(work: Setting, day: date, how: Replay, folder: Path) -> list[Brought]:
    """A day again, as `how` says; a file that is given takes the place of the archive's of the same role."""
    if how.refetch:
        return bring_day(work, day, folder, wait=False)
    with work.database.transaction() as connection:
        recorded = Ledger(connection, work.account.name).current_files(day)
        held = [hold for hold in History(connection, work.account.name).open_holds() if hold.date == day]
    given = [(inbound.role_of(work.account, path, day), path) for path in how.files]
    brought = inbound.at_hand(given, work.archive)
    roles = {role for role, _ in given}
    if not recorded and not how.files:
        recorded = [file for hold in held for file in hold.files()]
    brought += inbound.from_archive([file for file in recorded if file[0] not in roles], work.archive, folder)
    missing = sorted(set(work.account.file.source.patterns()) - {file.role for file in brought})
    if missing:
        name = work.account.name
        raise MissingFile(
            f"{name}: the archive holds no {' and no '.join(missing)} for {day}",
            f"`placier replay {name} {day} --refetch` brings the day from the source, `--file F` takes a file",
        )
    return sorted(brought, key=lambda file: list(work.account.file.source.patterns()).index(file.role))
