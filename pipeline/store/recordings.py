"""What the ledger was recorded from: loads and their files, told in order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, select

from pipeline.store.ledger import Slot
from pipeline.store.tables import files, loads


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
