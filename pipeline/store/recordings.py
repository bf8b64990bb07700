"""What the ledger was recorded from: loads and their files, told in order, and put back from that."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from pipeline.schema import Reject
from pipeline.store.ledger import ASIDE, Ledger, Load, Slot
from pipeline.store.tables import bookings, cancellations, files, loads, rejects


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """One file of a recording, with the version that it was and its counts."""

    role: str
    name: str
    sha256: str
    version: int
    lines: int
    accepted: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Recording:
    """A load as it was recorded; `as_of` is the day it was read for, which judges dates that lie ahead."""

    slot: Slot
    as_of: date
    fingerprint: str
    lines: int
    recorded_at: datetime
    files: tuple[RecordedFile, ...]


class Recordings:
    """One account's recordings, within the caller's transaction."""

    def __init__(self, connection: Connection, account: str) -> None:
        self._db = connection
        self._account = account

    def current(self) -> list[Recording]:
        """What counts now, in the order in which it was recorded."""
        names = ("load_id", "role", "name", "sha256", "version", "lines", "accepted", "rejected")
        query = select(*(files.c[name] for name in names)).where(
            files.c.account == self._account, files.c.load_id.is_not(None)
        )
        parts: dict[int, list[RecordedFile]] = {}
        for load_id, *facts in self._db.execute(query.order_by(files.c.id)):
            parts.setdefault(load_id, []).append(RecordedFile(*facts))
        rows = self._db.execute(select(loads).where(loads.c.account == self._account).order_by(loads.c.id))
        return [
            Recording(
                Slot(row.kind, row.business_date, row.name),
                row.as_of,
                row.fingerprint,
                row.lines,
                row.recorded_at,
                tuple(parts.get(row.id, ())),
            )
            for row in rows
        ]

    def of_day(self, business_date: date) -> list[RecordedFile]:
        """The files that a business date is recorded with: its day files, and backfills of that date."""
        names = ("role", "name", "sha256", "version", "lines", "accepted", "rejected")
        query = select(*(files.c[name] for name in names)).where(
            files.c.account == self._account, files.c.business_date == business_date, files.c.load_id.is_not(None)
        )
        return [RecordedFile(*facts) for facts in self._db.execute(query.order_by(files.c.id))]

    def set_aside(self, business_date: date, most: int) -> list[tuple[str, Reject]]:
        """The lines of these files that were set aside, each with its file's name: the first `most` of them."""
        query = (
            select(files.c.name, rejects.c.line, rejects.c.reason, rejects.c.text)
            .join(files, files.c.id == rejects.c.file_id)
            .where(
                files.c.account == self._account, files.c.business_date == business_date, files.c.load_id.is_not(None)
            )
            .order_by(files.c.id, rejects.c.line)
            .limit(most)
        )
        return [(name, Reject(*facts)) for name, *facts in self._db.execute(query)]

    # Putting back

    def put_back(self, history: Sequence[Recording], again: Mapping[Slot, Load], lost: Collection[Slot]) -> list[int]:
        """Replace the ledger by `history`, in its order; `again` are the loads that were read anew.

        What was not read anew keeps the rows that the ledger has of it.  Of what is `lost`, unless the ledger has it, the
        files alone stay known: its day is missing.  Everybody is marked.  Gives the ids of the loads.
        """
        before = self._step_aside()
        last_file = self._db.execute(select(func.max(files.c.id)).where(files.c.account == self._account)).scalar() or 0
        newest = {recording.slot: number for number, recording in enumerate(history)}
        ledger, made = Ledger(self._db, self._account), []
        for number, recording in enumerate(history):
            slot = recording.slot
            if newest[slot] != number or (slot in lost and slot not in before):
                self._insert_files(recording, None, None)
                continue
            load = again.get(slot)
            load_id = self._insert_load(recording, load)
            file_ids = self._insert_files(recording, load, load_id)
            if load is not None:
                ledger.insert_entries(load, load_id, file_ids)
            elif slot in before:
                self._move(before[slot], load_id, file_ids)
            made.append(load_id)
        self._drop(last_file)
        ledger.choose(select(loads.c.id).where(loads.c.account == self._account))
        ledger.mark_all()
        return made

    def _step_aside(self) -> dict[Slot, int]:
        """The loads that the ledger has, by slot; they get names that no file can have, for a slot is unique."""
        query = select(loads.c.id, loads.c.kind, loads.c.business_date, loads.c.name)
        found = list(self._db.execute(query.where(loads.c.account == self._account)))
        for row in found:
            self._db.execute(update(loads).where(loads.c.id == row.id).values(name=f"{ASIDE}{row.id}"))
        return {Slot(row.kind, row.business_date, row.name): row.id for row in found}

    def _insert_load(self, recording: Recording, load: Load | None) -> int:
        values = {
            "account": self._account,
            "kind": recording.slot.kind,
            "business_date": recording.slot.business_date,
            "name": recording.slot.name,
            "as_of": recording.as_of,
            "fingerprint": recording.fingerprint if load is None else load.fingerprint,
            "lines": recording.lines if load is None else sum(file.lines for file in load.files),
            "recorded_at": recording.recorded_at,
        }
        load_id: int = self._db.execute(insert(loads).values(values).returning(loads.c.id)).scalar_one()
        return load_id

    def _insert_files(self, recording: Recording, load: Load | None, load_id: int | None) -> list[int]:
        ids = []
        for number, file in enumerate(recording.files):
            counts = (file.lines, file.accepted, file.rejected)
            if load is not None:
                told = load.files[number]
                counts = (told.lines, told.accepted, len(told.rejects))
            values = {
                "account": self._account,
                "load_id": load_id,
                "kind": recording.slot.kind,
                "business_date": recording.slot.business_date,
                "role": file.role,
                "name": file.name,
                "sha256": file.sha256 if load is None else load.files[number].sha256,
                "version": file.version,
                **dict(zip(("lines", "accepted", "rejected"), counts, strict=True)),
                "recorded_at": recording.recorded_at,
            }
            ids.append(self._db.execute(insert(files).values(values).returning(files.c.id)).scalar_one())
        return ids

    def _move(self, old: int, new: int, file_ids: Sequence[int]) -> None:
        """The rows of a load that was not read anew, under its new ids."""
        query = select(files.c.id).where(files.c.load_id == old).order_by(files.c.id)
        theirs = list(self._db.execute(query).scalars())
        for table in (bookings, cancellations, rejects):
            for was, now in zip(theirs, file_ids, strict=True):
                self._db.execute(
                    update(table).where(table.c.load_id == old, table.c.file_id == was).values(load_id=new, file_id=now)
                )

    def _drop(self, last_file: int) -> None:
        """What stepped aside, with whatever belongs to no load."""
        ours = loads.c.account == self._account
        self._db.execute(delete(loads).where(ours, loads.c.name.startswith(ASIDE, autoescape=True)))
        kept = select(loads.c.id).where(ours)
        for table in (bookings, cancellations, rejects):
            self._db.execute(delete(table).where(table.c.account == self._account, table.c.load_id.not_in(kept)))
        self._db.execute(delete(files).where(files.c.account == self._account, files.c.id <= last_file))
