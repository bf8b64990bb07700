"""What the pages tell, kept so that they can be written again: the run without people, and the people a row each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import Connection, delete, func, insert, select, update

from pipeline.store.ledger import chunks
from pipeline.store.tables import page_people, pages, runs

Json = Mapping[str, object]
What = Literal["changed", "refused", "expiring"]
NIGHTS = 1_000
"""So many runs, the newest, are looked at for a list of the nights."""
RECENT = 30
"""So many runs, the newest, are looked at for some that came to no end."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A run as lists of nights show it: the `day` of its page, its status and its counts; `told_at`: when that was noted."""

    run_id: str
    day: date
    kind: str
    status: str
    started_at: datetime
    told_at: datetime
    lines: int
    rejected: int
    changed: int
    refused: int


@dataclass(frozen=True, slots=True)
class Told:
    """Somebody whom a page tells of: changed (reasons, joins, leaves), refused (why), or expiring (until, show)."""

    what: What
    email: str
    detail: Json


ENTRY = tuple(Entry.__dataclass_fields__)


def last_entries(connection: Connection) -> list[tuple[str, Entry, int]]:
    """Of each account that has pages, its name, the last run of its newest page, and how many runs that tells of."""
    newest = select(pages.c.account, func.max(pages.c.day)).group_by(pages.c.account).order_by(pages.c.account)
    found = []
    for account, day in connection.execute(newest).all():
        runs_of = Pages(connection, account).of_day(day, NIGHTS)
        found.append((account, runs_of[0][0], len(runs_of)))
    return found


class Pages:
    """One account's pages, within the caller's transaction."""

    def __init__(self, connection: Connection, account: str) -> None:
        self._db = connection
        self._account = account

    def keep(self, entry: Entry, story: Json, people: Sequence[Told]) -> None:
        """Keep what the page of a run tells, in place of what was kept of it."""
        for table in (pages, page_people):
            mine = table.c.account == self._account, table.c.run_id == entry.run_id
            self._db.execute(delete(table).where(*mine))
        self._db.execute(insert(pages).values(account=self._account, **asdict(entry), story=dict(story)))
        rows = [{"what": each.what, "email": each.email, "detail": dict(each.detail)} for each in people]
        if rows:
            common = {"account": self._account, "run_id": entry.run_id}
            self._db.execute(insert(page_people), [{**common, **row} for row in rows])

    def entries(self) -> list[Entry]:
        """The runs that pages tell of, newest page first, and of a page the newest run first."""
        query = select(*(pages.c[name] for name in ENTRY)).where(pages.c.account == self._account)
        order = pages.c.day.desc(), pages.c.started_at.desc(), pages.c.run_id.desc()
        return [Entry(*row) for row in self._db.execute(query.order_by(*order).limit(NIGHTS))]

    def days(self) -> dict[date, datetime]:
        """The days that have a page, all of them, and when what each of them tells was noted last."""
        query = select(pages.c.day, func.max(pages.c.told_at).label("told_at")).where(pages.c.account == self._account)
        return {row.day: row.told_at for row in self._db.execute(query.group_by(pages.c.day))}

    def of_day(self, day: date, count: int) -> list[tuple[Entry, Json]]:
        """The last `count` runs that the page of a day tells of, newest first, each with its story."""
        query = select(*(pages.c[name] for name in ENTRY), pages.c.story)
        query = query.where(pages.c.account == self._account, pages.c.day == day)
        query = query.order_by(pages.c.started_at.desc(), pages.c.run_id.desc()).limit(count)
        return [(Entry(*row[:-1]), row[-1]) for row in self._db.execute(query)]

    def people(self, run_id: str, count: int) -> list[Told]:
        """Whom the page of a run tells of, the first `count` of each kind by address."""
        names = ("what", "email", "detail")
        found: list[Told] = []
        for what in ("changed", "refused", "expiring"):
            query = select(*(page_people.c[name] for name in names)).where(
                page_people.c.account == self._account, page_people.c.run_id == run_id, page_people.c.what == what
            )
            found += [Told(*row) for row in self._db.execute(query.order_by(page_people.c.email).limit(count))]
        return sorted(found, key=lambda told: (told.what, told.email))

    def untold(self) -> list[Any]:
        """The recent runs that came to no end (killed, or the machine went down) and that no page tells of."""
        recent = select(runs).where(runs.c.account == self._account).order_by(runs.c.started_at.desc()).limit(RECENT)
        dead = [row for row in self._db.execute(recent) if row.status == "failed" and row.finished_at is None]
        told = select(pages.c.run_id).where(pages.c.account == self._account)
        known = (
            set(self._db.execute(told.where(pages.c.run_id.in_([row.id for row in dead]))).scalars()) if dead else ()
        )
        return [row for row in dead if row.id not in known]

    def started(self, run_id: str) -> datetime | None:
        """When a run began."""
        return self._db.execute(select(runs.c.started_at).where(runs.c.id == run_id)).scalar()

    # Retention, and people who are forgotten

    def purge(self, start: date) -> None:
        """What is older than the day `start` is kept no longer."""
        old = select(pages.c.run_id).where(pages.c.account == self._account, pages.c.day < start)
        gone = list(self._db.execute(old).scalars())
        for chunk in chunks(gone):
            for table in (page_people, pages):
                mine = table.c.account == self._account, table.c.run_id.in_(chunk)
                self._db.execute(delete(table).where(*mine))

    def of(self, email: str) -> list[tuple[str, What, Json]]:
        """All that pages tell of a person: the run, what, and its details."""
        names = ("run_id", "what", "detail")
        query = select(*(page_people.c[name] for name in names)).where(
            page_people.c.account == self._account, page_people.c.email == email
        )
        rows = self._db.execute(query.order_by(page_people.c.run_id, page_people.c.what))
        return [(row.run_id, row.what, row.detail) for row in rows]

    def forget(self, email: str, now: datetime) -> tuple[int, set[date]]:
        """No page tells of this person any more, once it is written again: in how many places one did, on which days."""
        mine = page_people.c.account == self._account, page_people.c.email == email
        told = set(self._db.execute(select(page_people.c.run_id).where(*mine)).scalars())
        for chunk in chunks(told):
            stale = update(pages).where(pages.c.account == self._account, pages.c.run_id.in_(chunk))
            self._db.execute(stale.values(told_at=now))
        days = select(pages.c.day).where(pages.c.account == self._account, pages.c.run_id.in_(sorted(told)))
        stale_days = set(self._db.execute(days).scalars())
        return self._db.execute(delete(page_people).where(*mine)).rowcount, stale_days
