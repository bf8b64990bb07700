"""Ledger rows for the tests, as merge gives them: everything has a value, what is given replaces it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa

from pipeline.contact import Stamp
from pipeline.merge import Entries, Part
from pipeline.schema import BOOKING, CANCELLATION, Reject, Row
from pipeline.store.ledger import FileRecord, Load, Slot

NOW = datetime(2026, 3, 2, 11, 15)
STAMP = Stamp("r1", NOW)
FIRST = date(2026, 3, 1)
SECOND = date(2026, 3, 2)


def instant(at: str) -> int:
    """Microseconds since 1970 of a UTC time."""
    return int(datetime.fromisoformat(f"{at}+00:00").timestamp()) * 1_000_000


def booking(transaction: str, email: str, at: str = "2026-03-01 10:00:00", show: str = "S1", **more: object) -> Row:
    """A booking of one line, the second of its file."""
    row: Row = dict.fromkeys((*BOOKING, "file", "lines"))
    row.update(
        transaction_id=transaction,
        performance_key=f"id:{show}-1",
        show_key=f"id:{show}",
        booked_at=instant(at),
        booked_on=at[:10],
        email=email,
        contact_id=f"C-{email}",
        show_title=f"Le Songe {show}",
        tickets=2,
        net_cents=10_000,
        file=0,
        lines="2",
    )
    return {**row, **more}


def cancellation(transaction: str, email: str | None, at: str, show: str = "S1", **more: object) -> Row:
    """A cancellation of one line."""
    row: Row = dict.fromkeys((*CANCELLATION, "file", "lines"))
    row.update(
        transaction_id=transaction,
        performance_key=f"id:{show}-1",
        show_key=f"id:{show}",
        cancelled_at=instant(at),
        cancelled_on=at[:10],
        email=email,
        tickets=2,
        file=0,
        lines="3",
    )
    return {**row, **more}


def entries(bookings: Sequence[Row], cancellations: Sequence[Row]) -> Entries:
    """These ledger rows, in one part."""
    tables = (
        pa.Table.from_pylist(list(bookings), pa.schema([*map(_field, BOOKING), *PLACE])),
        pa.Table.from_pylist(list(cancellations), pa.schema([*map(_field, CANCELLATION), *PLACE])),
    )
    return Entries(lambda: iter([Part(*tables)]))


PLACE = [pa.field("file", pa.int64()), pa.field("lines", pa.string())]


def _field(name: str) -> pa.Field[Any]:
    return pa.field(name, pa.int64() if name in ("booked_at", "cancelled_at", "tickets", "net_cents") else pa.string())


def load(
    slot: Slot | date,
    bookings: Sequence[Row] = (),
    cancellations: Sequence[Row] = (),
    *,
    rejects: Sequence[Reject] = (),
    content: str | None = None,
) -> Load:
    """A load of one file; other rows give another fingerprint and another digest, unless `content` names them."""
    where = Slot("day", slot) if isinstance(slot, date) else slot
    told = content if content is not None else repr((bookings, cancellations, rejects))
    digest = hashlib.sha256(told.encode()).hexdigest()
    lines = len(bookings) + len(cancellations) + len(rejects)
    name = where.name or f"Theatre_{where.business_date:%Y%m%d}.csv"
    file = FileRecord("transactions", name, digest, lines, lines - len(rejects), tuple(rejects))
    return Load(where, where.business_date + timedelta(days=1), digest, (file,), entries(bookings, cancellations))
