"""The ledger anew from the archive alone: every file that the catalogue lists is read again, in the order of old.

The state may be lost or kept.  What was acknowledged stays as it is; then the same subtraction as ever is planned and sent.
A day that the archive lacks holds the rebuild before anything is recorded or sent.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from pipeline import inbound, policy
from pipeline.errors import Held, UsageError
from pipeline.record import changed, reader
from pipeline.run import FileLine, Run
from pipeline.scratch import scratch
from pipeline.send import send
from pipeline.setting import Setting, at_work, list_recorded, running
from pipeline.store.acknowledged import State
from pipeline.store.erasing import Eraser
from pipeline.store.history import History, Hold
from pipeline.store.ledger import Ledger, Load, Slot
from pipeline.store.recordings import Recording, Recordings

TOLD = 10
"""So many gaps are told in a message; `placier status` shows all."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A day that the archive lacks: no file was ever recorded, or the file `name` is gone or damaged."""

    day: date
    why: str
    name: str = ""

    def __str__(self) -> str:
        what = f"{self.name} is {self.why}" if self.name else self.why
        return f"{self.day} ({what})"


@dataclass(frozen=True, slots=True)
class Survey:
    """What there is to rebuild from: every recording, those to read again, and what is lacking."""

    history: Sequence[Recording]
    readable: Sequence[Recording]
    gaps: Sequence[Gap]
    lost: frozenset[Slot]
    start: date

    @property
    def fingerprint(self) -> str:
        """What tells whether the catalogue, or what the archive lacks, is still the same."""
        listed = [[str(item.slot), item.fingerprint, [file.sha256 for file in item.files]] for item in self.history]
        return hashlib.sha256(json.dumps([listed, [str(gap) for gap in self.gaps]]).encode()).hexdigest()


def rebuild(setting: Setting, as_of: date) -> list[Run]:
    """Rebuild the account's ledger, then plan and send; Held, with nothing changed, if the archive lacks a day."""
    with at_work(setting) as work, running(work, "rebuild", None, as_of) as told:
        with told.stage("survey"):
            found = survey(work, as_of)
            hold = _hold(work, told, found)
        if hold is not None:
            raise _lacking(work, hold, found.gaps)
        _put_back(work, told, found, None)
        send(work, told)
    return [told]


def approve_rebuild(work: Setting, told: Run, hold: Hold) -> None:
    """Rebuild without what the archive lacks; Held if that, or the catalogue, has changed since.

    An approval that was cut off is finished by the next one.
    """
    if hold.state == "superseded":
        raise changed(work, hold)
    if hold.state == "open":
        found = survey(work, hold.as_of)
        if found.fingerprint != hold.fingerprint:
            raise changed(work, hold)
        _put_back(work, told, found, hold)
    send(work, told)


def survey(work: Setting, as_of: date) -> Survey:
    """Look at the catalogue and at every file that it lists and that is not too old; nothing is read yet."""
    listing = work.catalogue.read()
    name = work.account.name
    if not listing.recordings:
        raise UsageError(
            f"{name}: the archive lists no file of this account",
            "check state.archive in placier.toml; without an archive, `placier backfill` begins anew",
        )
    start = policy.retention_start(as_of, work.account.file.policy.retention_months)
    wanted = [item for item in listing.current().values() if item.slot.business_date >= listing.kept_since]
    window = max(start, listing.kept_since)
    gaps = [Gap(day, "nothing was recorded") for day in _missing(work, listing.recordings, window)]
    lost = set()
    for item in wanted:
        for file in item.files:
            if why := work.archive.trouble(file.sha256):
                lost.add(item.slot)
                if item.slot.business_date >= start:
                    gaps.append(Gap(item.slot.business_date, why, file.name))
    readable = [item for item in wanted if item.slot not in lost]
    gaps.sort(key=lambda gap: (gap.day, gap.name))
    return Survey(listing.history(), readable, gaps, frozenset(lost), start)


def _missing(work: Setting, recordings: Sequence[Recording], start: date) -> list[date]:
    """The days between the first and the last recorded that are neither there nor covered by a backfill nor held."""
    with work.database.transaction() as connection:
        held = {hold.date for hold in History(connection, work.account.name).open_holds()}
    dates = {item.slot.business_date for item in recordings}
    days = {item.slot.business_date for item in recordings if item.slot.kind == "day"} | held
    covered = [item.slot.business_date for item in recordings if item.slot.kind == "backfill"]
    first = max([min(dates), start - timedelta(days=1), *covered])
    between = (first + timedelta(days=number) for number in range(1, (max(dates) - first).days))
    return [day for day in between if day not in days]


def _hold(work: Setting, told: Run, found: Survey) -> Hold | None:
    """Hold the rebuild if the archive lacks anything; earlier holds of other gaps are overtaken."""
    with work.database.transaction() as connection:
        history = History(connection, work.account.name)
        kept = None
        for hold in history.open_holds():
            if hold.reason == "gap" and found.gaps and hold.fingerprint == found.fingerprint:
                kept = hold
            elif hold.reason == "gap":
                history.close_hold(hold, "superseded")
        if kept is None and found.gaps:
            detail = {"gaps": [str(gap) for gap in found.gaps]}
            kept = Hold(told.run_id, "gap", None, told.as_of, len(found.gaps), found.fingerprint, detail)
            history.hold(kept)
    return kept


def _lacking(work: Setting, hold: Hold, gaps: Sequence[Gap]) -> Held:
    name = work.account.name
    more = f", and {len(gaps) - TOLD} more" if len(gaps) > TOLD else ""
    return Held(
        f"{name}: the archive lacks {', '.join(str(gap) for gap in gaps[:TOLD])}{more}; nothing was rebuilt",
        f"`placier replay {name} DAY --refetch` brings a day again; "
        f"`placier approve {name} {hold.run_id}` rebuilds without what is lacking",
    )


def _put_back(work: Setting, told: Run, found: Survey, hold: Hold | None) -> None:
    """Read everything again, then replace the ledger in one transaction."""
    with told.stage("read"):
        again = _read(work, told, found.readable)
    with told.stage("record"), work.database.transaction() as connection:
        ids = Recordings(connection, work.account.name).put_back(found.history, again, found.lost)
        told.unmatched += Ledger(connection, work.account.name).unmatched(ids)
        eraser = Eraser(connection, work.account.name)
        if not policy.too_much_to_purge(eraser.count_before(found.start), eraser.count):
            eraser.purge(found.start)  # before anything is planned; what is too much is held when all is sent
        state = State(connection, work.account.name)
        known = state.groups()
        for group in work.catalogue.read().groups.values():
            if group.group_key not in known:
                state.know_group(group)
        if hold is not None:
            History(connection, work.account.name).close_hold(hold, "approved")
    list_recorded(work)


def _read(work: Setting, told: Run, recordings: Sequence[Recording]) -> dict[Slot, Load]:
    how = reader(work, told.as_of)
    again: dict[Slot, Load] = {}
    for number, item in enumerate(recordings):
        work.progress("rebuild", number, len(recordings))
        with scratch(work.desk) as folder:
            files = [(file.role, file.name, file.sha256) for file in item.files]
            brought = inbound.from_archive(files, work.archive, folder)
            load, ignored = inbound.make_load(brought, item.slot, replace(how, as_of=item.as_of), handful=0)
        again[item.slot] = load
        told.ignored_columns = tuple(dict.fromkeys((*told.ignored_columns, *ignored)))
        for file, recorded in zip(load.files, item.files, strict=True):
            told.rejects.extend((file.name, reject) for reject in file.rejects)
            counts = file.lines, file.accepted, len(file.rejects)
            told.files.append(FileLine(file.name, file.sha256, *counts, recorded.version))
    return again
