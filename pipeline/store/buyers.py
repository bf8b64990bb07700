"""What the ledger tells of many contacts at once, for planning: part by part, or in one pass over narrow columns."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    case,
    exists,
    func,
    select,
    union_all,
)

from pipeline.schema import BOOKING, CANCELLATION, OWNER, TOUCHED, Row
from pipeline.store.bulk import translated
from pipeline.store.hints import unindexed
from pipeline.store.tables import bookings, cancellations, marks, members, memberships, suppressions

IN_ONE = 800
"""Databases limit the number of values in one statement."""
BLOCK = 5_000
"""Rows that are fetched at once."""
Seated = tuple[str, str, int | None, int | None]
"""Of one contact's bookings of one show or performance: address, key, time of the latest that gives a seat, time of the latest
for a performance that is over."""


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

    def bookings(self, emails: Iterable[str], columns: Collection[str] = BOOKING) -> list[Row]:
        """The current bookings of these contacts."""
        return self._rows(bookings, columns, bookings.c.email, emails)

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

    # In one pass

    def pending(self) -> int:
        """How many contacts are marked."""
        return self._count(marks)

    def known(self) -> int:
        """How many contacts are acknowledged; all of them are looked at."""
        return self._count(members)

    def _count(self, table: Table) -> int:
        query = select(func.count()).select_from(table).where(table.c.account == self._account)
        return self._db.execute(query).scalar_one()

    def all_marked(self) -> Generator[tuple[str, bool], None, None]:
        """Every marked address by address, each with whether it is to be sent again."""
        query = select(marks.c.email, marks.c.resend).where(marks.c.account == self._account)
        return self._stream(query.order_by(marks.c.email))

    def days(self, *, untouched: bool) -> Generator[tuple[str, str], None, None]:
        """By address, the day of everybody's latest booking; if `untouched`, of those of which nothing was cancelled.

        The index `bookings_by_email` has all that is asked for, sorted.
        """
        email = bookings.c.email
        query = select(email, func.max(bookings.c.booked_on)).where(*self._all_current())
        if untouched:
            query = query.where(self._untouched())
        return self._stream(query.group_by(email).order_by(email))

    def coming(self, groups: str, first: str) -> set[str]:
        """The shows or performances, as `groups` is the policy, of which a booking ends from the day `first` on."""
        if groups == "general-only":
            return set()
        key = self._key(groups)
        query = select(key).distinct().where(*self._of_shows(), bookings.c.performance_end_on >= first)
        return set(self._db.execute(query).scalars())

    def seats(self, groups: str, first: str, coming: Collection[str]) -> Generator[Seated, None, None]:
        """What was bought of the shows or performances that are `coming`, by address; see `Seated`.

        A booking gives a seat if it has a show and ends from the day `first` on.  The table is read from end to end
        and sorted: by an index, each row would be looked for at random.
        """
        if not coming:
            yield from ()
            return
        key = self._key(groups)
        comes, theirs = bookings.c.performance_end_on >= first, self._of_shows()
        email = unindexed(self._db, bookings.c.email)
        latest = [func.max(case((which, bookings.c.booked_at))) for which in (comes, comes.is_not(True))]
        known = key.in_(coming if len(coming) <= IN_ONE else select(key).where(*theirs, comes))
        query = select(email, key, *latest).where(*theirs, known)
        yield from self._stream(query.group_by(email, key).order_by(email, key))

    def _key(self, groups: str) -> ColumnElement[str]:
        return bookings.c.performance_key if groups == "per-performance" else bookings.c.show_key

    def _of_shows(self) -> tuple[ColumnElement[bool], ...]:
        return *self._all_current(), bookings.c.show_key.is_not(None)

    def _all_current(self) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
        return unindexed(self._db, bookings.c.account) == self._account, bookings.c.current

    def _untouched(self) -> ColumnElement[bool]:
        """Nothing of the booking's transaction was cancelled."""
        if self._db.dialect.name == "sqlite":  # which finds a number sooner than a text
            return bookings.c.id.not_in(self._ids_of_cancelled())
        return ~exists(self._cancelled().where(cancellations.c.transaction_id == bookings.c.transaction_id))

    def _touched(self) -> ColumnElement[bool]:
        """Something of the booking's transaction was cancelled."""
        if self._db.dialect.name == "sqlite":  # which then reads the rows in the order in which they lie
            return bookings.c.id.in_(self._ids_of_cancelled())
        return bookings.c.transaction_id.in_(self._cancelled())

    def _ids_of_cancelled(self) -> Select[Any]:
        """The bookings of those transactions: the index by transaction has all that is asked for."""
        other = bookings.alias("other")
        mine = (other.c.account == self._account, other.c.transaction_id.in_(self._cancelled()))
        return select(other.c.id).where(*mine)

    def _cancelled(self) -> Select[Any]:
        """The transactions of which something was cancelled."""
        acts = [cancellations.c.account == self._account, cancellations.c.current]
        return select(cancellations.c.transaction_id).where(*acts)

    def acts(self) -> Generator[tuple[Any, ...], None, None]:
        """The columns CANCELLATION of all current cancellations, by transaction."""
        transaction = cancellations.c.transaction_id
        query = select(*(cancellations.c[name] for name in CANCELLATION))
        query = query.where(cancellations.c.account == self._account, cancellations.c.current)
        return self._stream(query.order_by(transaction))

    def touched(self) -> Generator[tuple[Any, ...], None, None]:
        """The columns TOUCHED of all current bookings in transactions of which something was cancelled, by transaction."""
        transaction = bookings.c.transaction_id
        query = select(*(bookings.c[name] for name in TOUCHED)).where(*self._all_current(), self._touched())
        return self._stream(query.order_by(transaction))

    def odd(self, contact_ids: Collection[str]) -> Generator[tuple[str], None, None]:
        """All about whom more is known than the ledger: acknowledged, suppressed, to be sent again; some several times.

        Sorted by address; `contact_ids`: those of suppressed people whose bookings were purged.
        """
        suppressed = select(suppressions.c.email).where(suppressions.c.account == self._account)
        mine = bookings.c.account == self._account
        theirs = select(bookings.c.contact_id).where(mine, bookings.c.email.in_(suppressed))
        queries = [
            *(
                select(table.c.email).where(table.c.account == self._account)
                for table in (members, memberships, suppressions)
            ),
            select(marks.c.email).where(marks.c.account == self._account, marks.c.resend),
            select(bookings.c.email).where(mine, bookings.c.contact_id.in_(theirs)),
            *(select(bookings.c.email).where(mine, bookings.c.contact_id.in_(chunk)) for chunk in chunks(contact_ids)),
        ]
        found = union_all(*queries).subquery()
        email = found.c.email
        return self._stream(select(email).order_by(email))

    def _stream(self, query: Select[Any]) -> Generator[Any, None, None]:
        """The rows, a block at a time."""
        return self._unwrapped(query) if self._db.dialect.name == "sqlite" else self._fetched(query)

    def _fetched(self, query: Select[Any]) -> Generator[Any, None, None]:
        with self._db.execute(query, execution_options={"yield_per": BLOCK}) as result:
            for block in result.partitions():
                yield from block

    def _unwrapped(self, query: Select[Any]) -> Generator[Any, None, None]:
        """The rows as SQLite's driver has them, which never holds many: wrapping each one takes longer than all else."""
        with self._db.execute(query) as result:
            cursor: Any = result.cursor
            while True:
                with translated(self._db.dialect.loaded_dbapi.Error):
                    block = cursor.fetchmany(BLOCK)
                if not block:
                    return
                yield from block

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
