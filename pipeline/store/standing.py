"""How an account stands: its contacts and their consents by day, its newest groups, what was bought and cancelled of late.

Each question is answered from an index alone, or by a bounded number of rows.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, Select, Table, and_, delete, func, insert, select

from pipeline.store.tables import (
    bookings,
    cancellations,
    groups,
    loads,
    members,
    memberships,
    runs,
    standings,
    suppressions,
)

GENERAL = "general"


@dataclass(frozen=True, slots=True)
class Standing:
    """On a day, how many contacts there were, and how many of them could be written to."""

    day: date
    contacts: int
    valid: int


@dataclass(frozen=True, slots=True)
class Consents:
    """How many contacts there are; how many of them can be written to; and the consents of some days, by day.

    `valid` counts who is not suppressed and has a consent that lasts, or the platform's own, which does not end.
    """

    contacts: int
    valid: int
    by_day: Counter[date]


class Figures:
    """One account's figures, within the caller's transaction."""

    def __init__(self, connection: Connection, account: str) -> None:
        self._db = connection
        self._account = account

    def consents(self, first: date, last: date) -> Consents:
        """The acknowledged consents, of which those last that were given from the day `first` on; told by day until `last`.

        Counted over their index; of those that last, which are most, one by one only those of the days until `last`.
        """
        day, kept, mine = members.c.consent_date, members.c.consent_kept, members.c.account == self._account
        contacts = self._db.execute(select(func.count()).where(mine)).scalar_one()
        counted: Counter[tuple[date | None, str]] = Counter()
        for which in (day.is_(None), day <= last):  # one after the other: each is a range of the index
            query = select(day, kept, func.count()).where(mine, which).group_by(day, kept)
            counted.update({(on, own): count for on, own, count in self._db.execute(query)})
        # Looked up by themselves: to leave them out, SQLite would go through everybody.
        theirs = select(day, kept).where(mine, members.c.email.in_(self._gone()))
        gone = Counter((on, own) for on, own in self._db.execute(theirs))

        def ended(on: date | None, own: str) -> bool:
            return not own and (on is None or on < first)

        lost = sum(count for each, count in counted.items() if ended(*each))
        lost += sum(count for each, count in gone.items() if not ended(*each))
        by_day = {on: count - gone[on, own] for (on, own), count in counted.items() if on and on >= first and not own}
        return Consents(contacts, contacts - lost, +Counter(by_day))

    def consents_from(self, first: date, last: date, count: int) -> list[tuple[str, date, str]]:
        """Some whose consent is of these days, oldest first: address, day, last show; suppressed people left out."""
        query = select(members.c.email, members.c.consent_date, members.c["values"]).where(
            members.c.account == self._account,
            members.c.consent_date.between(first, last),
            members.c.consent_kept == "",
            members.c.email.not_in(self._gone()),
        )
        ordered = query.order_by(members.c.consent_date, members.c.email).limit(count)
        return [(email, day, str(values.get("show_title", ""))) for email, day, values in self._db.execute(ordered)]

    def _gone(self) -> Select[tuple[str]]:
        """The suppressed people."""
        return select(suppressions.c.email).where(suppressions.c.account == self._account)

    def note(self, standing: Standing) -> None:
        """Note how the account stands on a day, in place of what was noted of it; a past day stays as it was."""
        later = select(standings.c.day).where(standings.c.account == self._account, standings.c.day > standing.day)
        if self._db.execute(later.limit(1)).first() is not None:
            return
        mine = and_(standings.c.account == self._account, standings.c.day == standing.day)
        self._db.execute(delete(standings).where(mine))
        row = {"day": standing.day, "contacts": standing.contacts, "valid": standing.valid}
        self._db.execute(insert(standings).values(account=self._account, **row))

    def standings(self, until: date, count: int) -> list[Standing]:
        """The last `count` days through `until` on which it was noted, oldest first."""
        names = ("day", "contacts", "valid")
        query = select(*(standings.c[name] for name in names)).where(
            standings.c.account == self._account, standings.c.day <= until
        )
        rows = self._db.execute(query.order_by(standings.c.day.desc()).limit(count))
        return [Standing(*row) for row in rows][::-1]

    def bought(self, first: date, last: date) -> dict[str, int]:
        """Bookings that count, by the day (ISO) on which they were made, of the days from `first` to `last`."""
        return self._by_day(bookings, "booked_on", (first, last))

    def cancelled(self, first: date, last: date) -> dict[str, int]:
        """Cancellations that count, by day."""
        return self._by_day(cancellations, "cancelled_on", (first, last))

    def _by_day(self, table: Table, name: str, days: tuple[date, date]) -> dict[str, int]:
        column = table.c[name]
        between = column.between(days[0].isoformat(), days[1].isoformat())
        mine = table.c.load_id.in_(select(loads.c.id).where(loads.c.account == self._account))
        query = select(column, func.count()).where(mine, between, table.c.current)
        return {row[0]: row[1] for row in self._db.execute(query.group_by(column))}

    def newest_groups(self, count: int) -> list[tuple[str, int]]:
        """The newest groups of shows, newest first: title and how many are in it."""
        newest = select(groups.c.group_key, groups.c.title).where(
            groups.c.account == self._account, groups.c.deleted.is_(False), groups.c.group_key != GENERAL
        )
        found = list(self._db.execute(newest.order_by(groups.c.platform_id.desc()).limit(count)))
        return [(title, self._size(key)) for key, title in found]

    def _size(self, group_key: str) -> int:
        query = select(func.count()).where(
            memberships.c.account == self._account, memberships.c.group_key == group_key, memberships.c.state == "in"
        )
        return self._db.execute(query.select_from(memberships)).scalar_one()

    def nights(self, count: int) -> list[tuple[date, float]]:
        """The last nightly runs that came to an end, oldest first: their business date, and how many seconds they took."""
        query = select(runs.c.date, runs.c.as_of, runs.c.started_at, runs.c.finished_at).where(
            runs.c.account == self._account, runs.c.kind == "run", runs.c.finished_at.is_not(None)
        )
        rows = self._db.execute(query.order_by(runs.c.started_at.desc()).limit(count))
        took = [(row.date or row.as_of, (row.finished_at - row.started_at).total_seconds()) for row in rows]
        return took[::-1]

    def purge(self, start: date) -> None:
        """What was noted before the day `start` is kept no longer."""
        self._db.execute(delete(standings).where(standings.c.account == self._account, standings.c.day < start))
