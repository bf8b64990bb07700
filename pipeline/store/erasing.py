"""What leaves the ledger for good: what is too old, and people who are to be forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)

from pipeline.store.ledger import chunks
from pipeline.store.tables import bookings, cancellations, files, loads, memberships, rejects, suppressions


class Eraser:
    """Erases from one account's ledger, within the caller's transaction."""

    def __init__(self, connection: Connection, account: str) -> None:
        self._db = connection
        self._account = account

    # Forgetting

    def keep_contact_ids(self, email: str) -> None:
        """Before a person is forgotten: a suppressed one stays known by the contact ids."""
        self._keep_contact_ids([bookings.c.account == self._account, bookings.c.email == email])

    def alone(self, email: str) -> set[str]:
        """The transactions in which nobody else bought: whatever was cancelled of them is about this person (rule 7)."""
        mine = bookings.c.account == self._account
        bought = select(bookings.c.transaction_id).where(mine, bookings.c.email == email)
        theirs = set(self._db.execute(bought.distinct()).scalars())
        for chunk in chunks(theirs):
            others = select(bookings.c.transaction_id).where(
                mine, bookings.c.transaction_id.in_(chunk), bookings.c.email != email
            )
            theirs -= set(self._db.execute(others).scalars())
        return theirs

    def erase(self, email: str, alone: Iterable[str], tells: Callable[[str], bool]) -> dict[str, int]:
        """Erase a person's bookings, cancellations and the rejected lines that name them (`tells`), in every version.

        `alone`: the transactions that are this person's alone, whose cancellations go too.
        """
        erased = {}
        for table in (bookings, cancellations):
            gone = delete(table).where(table.c.account == self._account, table.c.email == email)
            erased[table.name] = self._db.execute(gone).rowcount
        for chunk in chunks(alone):
            acts = delete(cancellations).where(
                cancellations.c.account == self._account, cancellations.c.transaction_id.in_(chunk)
            )
            erased["cancellations"] += self._db.execute(acts).rowcount
        query = select(rejects.c.id, rejects.c.text).where(rejects.c.account == self._account)
        ids = [row.id for row in self._db.execute(query) if tells(row.text)]
        for chunk in chunks(ids):
            self._db.execute(delete(rejects).where(rejects.c.id.in_(chunk)))
        return {**erased, "rejects": len(ids)}

    def files(self) -> set[tuple[str, str]]:
        """Role and digest of all files of the account, in every version."""
        query = select(files.c.role, files.c.sha256).where(files.c.account == self._account).distinct()
        return {(role, digest) for role, digest in self._db.execute(query)}

    def rename_file(self, old: str, new: str) -> None:
        """An archived file was rewritten: it has another digest now."""
        self._db.execute(
            update(files).where(files.c.account == self._account, files.c.sha256 == old).values(sha256=new)
        )

    # Retention

    def count_before(self, start: date) -> int:
        """How many bookings and cancellations are older than the day `start`."""
        days = bookings.c.booked_on, cancellations.c.cancelled_on
        return sum(self._count(day.table, *self._before(day, start)) for day in days)

    def count(self) -> int:
        """How many bookings and cancellations there are."""
        return self._count(bookings) + self._count(cancellations)

    def _count(self, table: Table, *which: ColumnElement[bool]) -> int:
        query = select(func.count()).select_from(table).where(table.c.account == self._account, *which)
        return self._db.execute(query).scalar_one()

    def purge(self, start: date) -> int:
        """Rule 12: delete what is older than the day `start`; nobody leaves a group for it.  Gives the rows deleted."""
        self._keep_what_is_purged(start)
        gone = 0
        for day in (bookings.c.booked_on, cancellations.c.cancelled_on):
            gone += self._db.execute(delete(day.table).where(*self._before(day, start))).rowcount
        stale = select(loads.c.id).where(loads.c.account == self._account, loads.c.business_date < start)
        self._db.execute(delete(rejects).where(rejects.c.load_id.in_(stale)))
        return gone

    def _before(self, day: Column[str], start: date) -> list[ColumnElement[bool]]:
        """What is older than the day `start`, load by load: within a load, an index has the days."""
        mine = select(loads.c.id).where(loads.c.account == self._account)
        return [day.table.c.load_id.in_(mine), day < start.isoformat()]

    def _keep_what_is_purged(self, start: date) -> None:
        """Before a purge: the seats that rest on it are settled, suppressed people stay known by their contact id."""
        old = self._before(bookings.c.booked_on, start)
        theirs = select(bookings.c.email).where(*old)
        rests = exists().where(
            bookings.c.account == self._account,
            bookings.c.email == memberships.c.email,
            bookings.c.booked_on < start.isoformat(),
            or_(
                memberships.c.group_key == literal("show:") + bookings.c.show_key,
                memberships.c.group_key == literal("performance:") + bookings.c.performance_key,
            ),
        )
        mine = and_(memberships.c.account == self._account, memberships.c.email.in_(theirs))
        self._db.execute(update(memberships).where(mine, rests).values(settled=True))
        self._keep_contact_ids(old)

    def _keep_contact_ids(self, which: Sequence[ColumnElement[bool]]) -> None:
        query = select(bookings.c.email, bookings.c.contact_id).where(*which, bookings.c.contact_id.is_not(None))
        bought = list(self._db.execute(query.distinct()))
        suppressed = select(suppressions.c.email, suppressions.c.contact_ids).where(
            suppressions.c.account == self._account
        )
        before = {row.email: row.contact_ids for row in self._db.execute(suppressed)} if bought else {}
        ids: dict[str, set[str]] = {}
        for email, contact_id in bought:
            if email in before:
                ids.setdefault(email, set(before[email])).add(contact_id)
        for email, known in ids.items():
            self._db.execute(
                update(suppressions)
                .where(suppressions.c.account == self._account, suppressions.c.email == email)
                .values(contact_ids=sorted(known))
            )
