"""What the ledger tells of many contacts at once, for planning: part by part, or in one pass over narrow columns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, select

from pipeline.schema import BOOKING, CANCELLATION, OWNER, Row
from pipeline.store.tables import bookings, cancellations, marks

IN_ONE = 800
"""Databases limit the number of values in one statement."""


class Buyers:
    """One account's marked contacts and what the ledger holds of them, within the caller's transaction."""

    def __init__(self, connection: Connection, account: str) -> None:
        self._db = connection
        self._account = account

    def marked(self, after: str, count: int) -> dict[str, bool]:
        """The next marked addresses, each with whether it is to be sent again whatever was acknowledged."""
        query = select(marks.c.email, marks.c.resend).where(marks.c.account == self._account, marks.c.email > after)
        return {row[0]: row[1] for row in self._db.execute(query.order_by(marks.c.email).limit(count))}

    def marks_of(self, emails: Iterable[str]) -> dict[str, bool]:
        """The marks of these addresses."""
        query = select(marks.c.email, marks.c.resend).where(marks.c.account == self._account)
        rows = (row for chunk in chunks(emails) for row in self._db.execute(query.where(marks.c.email.in_(chunk))))
        return {row[0]: row[1] for row in rows}

    def bookings(self, emails: Iterable[str]) -> list[Row]:
        """The current bookings of these contacts."""
        return self._rows(bookings, BOOKING, bookings.c.email, emails)

    def cancellations(self, emails: Iterable[str], bought: Sequence[Row]) -> list[Row]:
        """The current cancellations that may concern them: by a transaction that they `bought`, or by their address."""
        of_theirs = self._rows(
            cancellations,
            (*CANCELLATION, "id"),
            cancellations.c.transaction_id,
            {row["transaction_id"] for row in bought},
        )
        named = self._rows(cancellations, (*CANCELLATION, "id"), cancellations.c.email, emails)
        return list({row.pop("id"): row for row in (*of_theirs, *named)}.values())

    def owners(self, transactions: Iterable[object]) -> list[Row]:
        """The columns OWNER of the current bookings of these transactions."""
        return self._rows(bookings, OWNER, bookings.c.transaction_id, set(transactions))

    def _rows(
        self, table: Table, names: Collection[str], column: ColumnElement[Any], values: Iterable[object]
    ) -> list[Row]:
        query = select(*(table.c[name] for name in names)).where(table.c.account == self._account, table.c.current)
        return [
            dict(zip(names, row, strict=True))
            for chunk in chunks(values)
            for row in self._db.execute(query.where(column.in_(chunk))).fetchall()
        ]


def chunks(values: Iterable[object]) -> Iterator[list[object]]:
    """So many values at a time as one statement takes."""
    listed = list(values)
    return (listed[start : start + IN_ONE] for start in range(0, len(listed), IN_ONE))
