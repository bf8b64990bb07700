"""The night, as it goes: bring the day, record it, plan, push, report; and its shorter walks.

    run       for each day that is missing, oldest first, and for yesterday:   bring -> record -> send -> purge
    backfill  files of the past instead of a day:                              bring -> record -> send -> purge
    replay    a day again, from the archive, the source or a file:             bring -> record -> send -> purge
    push      what is still to be sent:                                                            send -> purge
    approve   what a guard held:                               (record what was held) -> send what was held
    rebuild   everything that the archive has (rebuild.py):               the ledger anew -> send -> purge

Each is the same subtraction, desired - acknowledged, called again.  A dry run is the same walk inside a transaction
that is rolled back, and stops before it sends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from pipeline.bring import Replay, bring_again, bring_day, bring_history
from pipeline.errors import MissingFile, UsageError
from pipeline.record import read, slots, take
from pipeline.run import Run
from pipeline.scratch import scratch
from pipeline.send import approve_holds, purge, send
from pipeline.setting import Setting, at_work, pending, running
from pipeline.store.history import History
from pipeline.store.ledger import Ledger, Slot

# The walks


@dataclass(frozen=True, slots=True)
class Night:
    """The nightly job as it was asked for at the instant `now`: for `day`, or the day before as-of; as of that day, or today.

    It can travel to another process.
    """

    now: datetime
    day: date | None
    as_of: date | None

    def __call__(self, setting: Setting) -> list[Run]:
        """One account's part of it."""
        today = self.as_of or self.now.astimezone(setting.account.zone).date()
        return run(setting, self.day or today - timedelta(days=1), today, alone=self.day is not None)


def run(setting: Setting, day: date, as_of: date, *, alone: bool) -> list[Run]:
    """The nightly job for the business date `day`; unless `alone`, the days missed before it are done first."""
    with at_work(setting) as work:
        with work.database.transaction() as connection:
            days = [] if alone else missed_days(work, day, connection)
        return [_day(work, each, as_of, last=each == day) for each in [*days, day]]


def backfill(setting: Setting, files: Sequence[Path], as_of: date) -> list[Run]:
    """The history: these files, or those at the source that fit the backfill pattern."""
    with at_work(setting) as work, running(work, "backfill", as_of - timedelta(days=1), as_of) as told:
        with scratch(work.desk) as folder:
            with told.stage("fetch"):
                brought = bring_history(work, files, folder)
            # All are read before the first is recorded: one that cannot be trusted leaves nothing behind.
            loads = [read(work, told, [file], slot) for file, slot in slots(brought, as_of)]
            for load in loads:
                take(work, told, load)
        send(work, told)
    return [told]


def replay(setting: Setting, day: date, how: Replay, as_of: date) -> list[Run]:
    """A day again; the same file changes nothing, `resend` pushes its contacts even if they are acknowledged."""
    with at_work(setting) as work, running(work, "replay", day, as_of) as told:
        _not_ahead(work, day, as_of)
        with scratch(work.desk) as folder:
            with told.stage("fetch"):
                brought = bring_again(work, day, how, folder)
            take(work, told, read(work, told, brought, Slot("day", day)))
        if how.resend:
            with work.database.transaction() as connection:
                Ledger(connection, work.account.name).mark_day(day)
        send(work, told)
    return [told]


def push(setting: Setting, as_of: date) -> list[Run]:
    """What is still to be sent, without reading a file."""
    with at_work(setting) as work, running(work, "push", None, as_of) as told:
        send(work, told)
    return [told]


def approve(setting: Setting, run_id: str) -> list[Run]:
    """What a run holds, as of that run's day; Held if the plan has changed since."""
    with at_work(setting) as work:
        with work.database.transaction() as connection:
            holds = History(connection, work.account.name).held_by(run_id)
        if not holds:
            name = work.account.name
            raise UsageError(f"{name}: the run {run_id} holds nothing", f"`placier status {name}` shows what is held")
        with running(work, "approve", holds[0].date, holds[0].as_of) as told:
            if holds[0].reason == "gap":
                from pipeline.rebuild import approve_rebuild

                approve_rebuild(work, told, holds[0])
            else:
                approve_holds(work, told, holds)
    return [told]


def missed_days(work: Setting, day: date, connection: Connection) -> list[date]:
    """The days before `day`, within the catch-up window and since the first success, that are not recorded yet."""
    since = day - timedelta(days=work.account.file.source.catch_up_days)
    return [d for d in Ledger(connection, work.account.name).unrecorded_days(day) if d >= since]


# One day


def _day(work: Setting, day: date, as_of: date, *, last: bool) -> Run:
    with running(work, "run", day, as_of) as told:
        _not_ahead(work, day, as_of)
        with scratch(work.desk) as folder:
            with told.stage("fetch"):
                try:
                    brought = bring_day(work, day, folder, wait=last)
                except MissingFile:
                    if last and pending(work):
                        send(work, told)
                    elif last:
                        purge(work, told)
                    raise
            take(work, told, read(work, told, brought, Slot("day", day)))
        send(work, told)
    return told


def _not_ahead(work: Setting, day: date, as_of: date) -> None:
    """A day after the as-of day would be read as a day without lines, and what it gave would be taken back."""
    if day > as_of:
        raise UsageError(
            f"{work.account.name}: {day} is after the as-of day {as_of}",
            f"is the clock right? `date` shows it; or give a later day: --as-of {day + timedelta(days=1)}",
        )
