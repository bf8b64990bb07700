"""The ledger: every booking and cancellation accepted so far, partitioned by load (a day, or a backfill's file).

Recording a load replaces its earlier version in one transaction and marks the contacts that either version touches.
Of the versions of one booking that several loads tell, the one of the greatest precedence is `current`: the newest
business date, a day before a backfill of the same date, the later recorded of two backfills.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    Table,
    and_,
    delete,
    exists,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    union,
    update,
)

from pipeline.project import same_show
from pipeline.schema import BOOKING, CANCELLATION, OWNER, Reject
from pipeline.schema import Row as Record
from pipeline.store import bulk
from pipeline.store.hints import unindexed
from pipeline.store.many import upsert
from pipeline.store.tables import (
    bookings,
    cancellations,
    files,
    loads,
    marks,
    members,
    rejects,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.merge import Entries

ASIDE = "/replaced/"
"""What the name of a load that is being replaced begins with; no file can have it."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file of a load: its role, base name, digest, counts and the lines set aside."""

    role: str
    name: str
    sha256: str
    lines: int
    accepted: int
    rejects: tuple[Reject, ...]


@dataclass(frozen=True, slots=True)
class Slot:
    """What a load is recorded under: one day, or one file name of the backfills of one date."""

    kind: str
    business_date: date
    name: str = ""

    @property
    def precedence(self) -> int:
        """Greater wins: newer business dates, and of one date the day file over a backfill."""
        return self.business_date.toordinal() * 2 + (self.kind == "day")


@dataclass(frozen=True, slots=True)
class Load:
    """A day or a backfill's file, read for the day `as_of` and aggregated, ready to be recorded."""

    slot: Slot
    as_of: date
    fingerprint: str
    files: tuple[FileRecord, ...]
    entries: Entries

    @property
    def accepted(self) -> int:
        """How many lines were taken: the ledger has no more rows of it."""
        return sum(file.accepted for file in self.files)


@dataclass(frozen=True, slots=True)
class Recorded:
    """The receipt of a recording: its load, whether anything changed, the version of each file in order."""

    load_id: int
    changed: bool
    versions: tuple[int, ...]


class Ledger:
    """One account's ledger, within the caller's transaction."""

    def __init__(self, connection: Connection, account: str) -> None:
        self._db = connection
        self._account = account

    # Recording

    def record(self, load: Load, now: datetime) -> Recorded:
        """Record a load in place of its earlier version; the same content again changes nothing."""
        old = self._load(load.slot)
        if old is not None and old[1] == load.fingerprint:
            versions = self._db.execute(
                select(files.c.version).where(files.c.load_id == old[0]).order_by(files.c.id)
            ).scalars()
            return Recorded(old[0], changed=False, versions=tuple(versions))
        if old is not None:
            # The slot is unique; the old version steps aside under a name that no file can have.
            self._db.execute(update(loads).where(loads.c.id == old[0]).values(name=f"{ASIDE}{old[0]}"))
        load_id = self._insert_load(load, now)
        versions_made, file_ids = self._insert_files(load, load_id, now)
        self.insert_entries(load, load_id, file_ids)
        self._settle([load_id] if old is None else [old[0], load_id], gone=None if old is None else old[0])
        if old is not None:
            self._delete_load(old[0])
        return Recorded(load_id, changed=True, versions=tuple(versions_made))

    def _load(self, slot: Slot) -> tuple[int, str] | None:
        query = select(loads.c.id, loads.c.fingerprint).where(
            loads.c.account == self._account,
            loads.c.kind == slot.kind,
            loads.c.business_date == slot.business_date,
            loads.c.name == slot.name,
        )
        found = self._db.execute(query).first()
        return None if found is None else (found.id, found.fingerprint)

    def _insert_load(self, load: Load, now: datetime) -> int:
        values = {
            "account": self._account,
            "kind": load.slot.kind,
            "business_date": load.slot.business_date,
            "name": load.slot.name,
            "as_of": load.as_of,
            "fingerprint": load.fingerprint,
            "lines": sum(file.lines for file in load.files),
            "recorded_at": now,
        }
        load_id: int = self._db.execute(insert(loads).values(values).returning(loads.c.id)).scalar_one()
        return load_id

    def _insert_files(self, load: Load, load_id: int, now: datetime) -> tuple[list[int], list[int]]:
        versions, ids = [], []
        for file in load.files:
            same = [
                files.c.account == self._account,
                files.c.kind == load.slot.kind,
                files.c.business_date == load.slot.business_date,
                files.c.role == file.role,
            ]
            if load.slot.kind == "backfill":
                same.append(files.c.name == file.name)
            newest = select(files.c.version, files.c.sha256).where(*same).order_by(files.c.id.desc()).limit(1)
            last = self._db.execute(newest).first()
            version = 1 if last is None else last.version + (last.sha256 != file.sha256)
            values = {
                "account": self._account,
                "load_id": load_id,
                "kind": load.slot.kind,
                "business_date": load.slot.business_date,
                "role": file.role,
                "name": file.name,
                "sha256": file.sha256,
                "version": version,
                "lines": file.lines,
                "accepted": file.accepted,
                "rejected": len(file.rejects),
                "recorded_at": now,
            }
            ids.append(self._db.execute(insert(files).values(values).returning(files.c.id)).scalar_one())
            versions.append(version)
        return versions, ids

    def insert_entries(self, load: Load, load_id: int, file_ids: Sequence[int]) -> None:
        """The bookings, cancellations and rejects of a load whose own rows are there already."""
        tables = (bookings, cancellations)
        with bulk.appending(self._db, tables, load.accepted, load.entries.desk) as coming:
            for part in load.entries.parts():
                for table, rows in zip(tables, (part.bookings, part.cancellations), strict=True):
                    coming.append(table, self._stamped(rows, load, load_id, file_ids))
        aside = [
            {
                "account": self._account,
                "load_id": load_id,
                "file_id": file_id,
                "line": r.line,
                "reason": r.reason,
                "text": r.text,
            }
            for file, file_id in zip(load.files, file_ids, strict=True)
            for r in file.rejects
        ]
        if aside:
            self._db.execute(insert(rejects), aside)

    def _stamped(self, rows: pa.Table, load: Load, load_id: int, file_ids: Sequence[int]) -> pa.Table:
        """The rows with what they have in common, and the file's id in place of its position."""
        import pyarrow as pa

        common: dict[str, Any] = {
            "account": self._account,
            "load_id": load_id,
            "precedence": load.slot.precedence,
            "current": True,
        }
        files_of = pa.array(file_ids, pa.int64()).take(rows.column("file").combine_chunks())
        stamped = rows.drop_columns("file").append_column("file_id", files_of)
        alike = pa.repeat(0, rows.num_rows)
        for name, value in common.items():
            stamped = stamped.append_column(name, pa.array([value]).take(alike))
        return stamped

    # Which version counts, and whom that touches

    def _settle(self, load_ids: Sequence[int], gone: int | None) -> None:
        """Mark the contacts that these loads touch, and choose the current versions anew; `gone` no longer counts."""
        others = select(loads.c.id).where(loads.c.account == self._account, loads.c.id.not_in(load_ids)).limit(1)
        if gone is None and self._db.execute(others).first() is None:  # all that there is, as it was written
            self.mark(select(bookings.c.email).where(self._all_of(bookings)))
            theirs = select(cancellations.c.email).where(self._all_of(cancellations))
            self.mark(theirs.where(cancellations.c.email.is_not(None)))
            return
        self.mark(self._touched_by(load_ids))
        self.choose(load_ids, gone)

    def _touched_by(self, load_ids: Sequence[int] | Select[Any]) -> CompoundSelect[Any]:
        """The addresses that these loads tell something of: who bought or cancelled in their transactions."""
        touched = union(
            select(bookings.c.transaction_id).where(bookings.c.load_id.in_(load_ids)),
            select(cancellations.c.transaction_id).where(cancellations.c.load_id.in_(load_ids)),
        ).subquery()
        return union(
            select(bookings.c.email).where(
                bookings.c.account == self._account, bookings.c.transaction_id.in_(select(touched.c.transaction_id))
            ),
            select(cancellations.c.email).where(
                cancellations.c.account == self._account,
                cancellations.c.transaction_id.in_(select(touched.c.transaction_id)),
                cancellations.c.email.is_not(None),
            ),
        )

    def choose(self, load_ids: Sequence[int] | Select[Any], gone: int | None = None) -> None:
        """Choose anew which versions are current of the bookings and cancellations that these loads tell."""
        self._choose(bookings, (bookings.c.performance_key,), load_ids, gone)
        self._choose(cancellations, (cancellations.c.performance_key, cancellations.c.cancelled_at), load_ids, gone)

    def _choose(
        self,
        table: Table,
        key: Iterable[ColumnElement[Any]],
        load_ids: Sequence[int] | Select[Any],
        gone: int | None,
    ) -> None:
        other = table.alias("other")
        better = [
            other.c.account == table.c.account,
            other.c.transaction_id == table.c.transaction_id,
            *(other.c[column.key or ""] == column for column in key),
            or_(
                other.c.precedence > table.c.precedence,
                and_(other.c.precedence == table.c.precedence, other.c.load_id > table.c.load_id),
            ),
        ]
        if gone is not None:
            better.append(other.c.load_id != gone)
        touched = select(table.c.transaction_id).where(table.c.load_id.in_(load_ids))
        current = ~exists().where(*better)
        theirs = (table.c.account == self._account, table.c.transaction_id.in_(touched))
        # Of most rows it stays what it was: none of those is written anew, nor its place in the indexes.
        self._db.execute(update(table).where(*theirs, table.c.current != current).values(current=current))

    def _all_of(self, table: Table) -> ColumnElement[bool]:
        return unindexed(self._db, table.c.account) == self._account

    def mark(self, emails: Select[Any] | CompoundSelect[Any]) -> None:
        """Mark the addresses of a query; those that are marked already stay so."""
        chosen = emails.subquery()
        # Grouped, not distinct, and without a look at the marks: SQLite would put all rows aside first.
        rows = select(literal(self._account), chosen.c.email, false()).group_by(chosen.c.email)
        new = upsert(self._db, marks).from_select(["account", "email", "resend"], rows)
        self._db.execute(new.on_conflict_do_nothing())

    # Reading

    def marked(self) -> dict[str, bool]:
        """The marked addresses, each with whether it is to be sent again whatever was acknowledged."""
        query = select(marks.c.email, marks.c.resend).where(marks.c.account == self._account)
        return {row.email: row.resend for row in self._db.execute(query)}

    def mark_all(self) -> None:
        """Mark everybody that the ledger or the acknowledged state knows: the full rebuild."""
        self.mark(
            union(
                select(bookings.c.email).where(self._all_of(bookings)),
                select(members.c.email).where(members.c.account == self._account),
            )
        )

    def mark_day(self, business_date: date) -> None:
        """Mark the contacts of a day, who bought or cancelled, to be sent again."""
        ids = select(loads.c.id).where(
            loads.c.account == self._account, loads.c.kind == "day", loads.c.business_date == business_date
        )
        people = self._touched_by(ids)
        self.mark(people)
        self._db.execute(
            update(marks).where(marks.c.account == self._account, marks.c.email.in_(people)).values(resend=True)
        )

    def mark_cancelled(self, group_keys: Collection[str]) -> None:
        """Mark those who bought for these groups and cancelled something: by their transaction, or by their address."""
        shows = [key.removeprefix("show:") for key in group_keys if key.startswith("show:")]
        nights = [key.removeprefix("performance:") for key in group_keys if key.startswith("performance:")]
        acts = select(cancellations.c.id).where(
            cancellations.c.account == bookings.c.account,
            or_(
                cancellations.c.transaction_id == bookings.c.transaction_id,
                cancellations.c.email == bookings.c.email,
            ),
        )
        self.mark(
            select(bookings.c.email).where(
                bookings.c.account == self._account,
                or_(bookings.c.show_key.in_(shows), bookings.c.performance_key.in_(nights)),
                acts.exists(),
            )
        )

    def mark_people(self, emails: Collection[str]) -> None:
        """Mark these addresses to be sent again."""
        self.unmark(emails)
        rows = [{"account": self._account, "email": email, "resend": True} for email in sorted(emails)]
        if rows:
            self._db.execute(insert(marks), rows)

    def unmark(self, emails: Iterable[str]) -> None:
        """Take the marks of these addresses away."""
        for chunk in chunks(emails):
            self._db.execute(delete(marks).where(marks.c.account == self._account, marks.c.email.in_(chunk)))

    def bookings_of(self, email: str) -> list[Record]:
        """The current bookings of one contact."""
        mine = (bookings.c.account == self._account, bookings.c.current, bookings.c.email == email)
        return self._records(select(*(bookings.c[name] for name in BOOKING)).where(*mine))

    def cancellations_for(self, email: str) -> list[Record]:
        """The current cancellations that may concern one contact: by transaction, or by address."""
        bought = select(bookings.c.transaction_id).where(
            bookings.c.account == self._account, bookings.c.current, bookings.c.email == email
        )
        query = select(*(cancellations.c[name] for name in CANCELLATION)).where(
            cancellations.c.account == self._account,
            cancellations.c.current,
            or_(cancellations.c.email == email, cancellations.c.transaction_id.in_(bought)),
        )
        return self._records(query)

    def sources(self, email: str, on: str) -> list[tuple[str, str, str]]:
        """Where a contact's bookings and cancellations until the day `on` stand: file name, line numbers, what."""
        found: list[tuple[str, str, str]] = []
        bought = select(bookings.c.transaction_id).where(
            bookings.c.account == self._account, bookings.c.current, bookings.c.email == email
        )
        for table, day, mine in (
            (bookings, bookings.c.booked_on, bookings.c.email == email),
            (
                cancellations,
                cancellations.c.cancelled_on,
                or_(cancellations.c.email == email, cancellations.c.transaction_id.in_(bought)),
            ),
        ):
            query = (
                select(files.c.name, table.c.lines)
                .join(files, files.c.id == table.c.file_id)
                .where(table.c.account == self._account, table.c.current, mine, day <= on)
                .order_by(day, files.c.id, table.c.id)
            )
            found.extend((name, lines, table.name) for name, lines in self._db.execute(query))
        return found

    def owners(self, transactions: Iterable[object]) -> list[Record]:
        """The columns OWNER of the current bookings of these transactions."""
        columns = [bookings.c[name] for name in OWNER]
        found: list[Record] = []
        for chunk in chunks(set(transactions)):
            query = select(*columns).where(
                bookings.c.account == self._account, bookings.c.current, bookings.c.transaction_id.in_(chunk)
            )
            found.extend(self._records(query))
        return found

    def linked(self, emails: Iterable[str]) -> dict[str, set[str]]:
        """For each address, the other addresses that share a contact id with it in the ledger."""
        mine, other = bookings.alias("mine"), bookings.alias("other")
        links: dict[str, set[str]] = {}
        for chunk in chunks(emails):
            query = (
                select(mine.c.email, other.c.email.label("linked"))
                .join(other, and_(other.c.account == mine.c.account, other.c.contact_id == mine.c.contact_id))
                .where(mine.c.account == self._account, mine.c.email.in_(chunk), mine.c.email != other.c.email)
                .distinct()
            )
            for email, linked in self._db.execute(query):
                links.setdefault(email, set()).add(linked)
        return links

    def unmatched(self, load_ids: Sequence[int]) -> int:
        """How many cancellations of these loads concern nobody yet: unknown transaction, no booking of the address."""
        known = exists().where(
            bookings.c.account == cancellations.c.account,
            bookings.c.transaction_id == cancellations.c.transaction_id,
            bookings.c.current,
        )
        names = ("email", "show_key", "show_title")
        query = select(*(cancellations.c[name] for name in names)).where(cancellations.c.load_id.in_(load_ids), ~known)
        strays = self._records(query)
        held: dict[object, list[Record]] = {}
        for chunk in chunks({stray["email"] for stray in strays}):
            query = select(*(bookings.c[name] for name in names)).where(
                bookings.c.account == self._account, bookings.c.current, bookings.c.email.in_(chunk)
            )
            for row in self._records(query):
                held.setdefault(row["email"], []).append(row)
        return sum(not any(same_show(stray, row) for row in held.get(stray["email"], ())) for stray in strays)

    def _records(self, query: Select[Any]) -> list[Record]:
        result = self._db.execute(query)
        names = list(result.keys())
        return [dict(zip(names, row, strict=True)) for row in result]

    # Days and files

    def recorded_days(self, since: date) -> dict[date, int]:
        """The days recorded since `since`, each with its number of lines."""
        query = select(loads.c.business_date, loads.c.lines).where(
            loads.c.account == self._account, loads.c.kind == "day", loads.c.business_date >= since
        )
        return {row.business_date: row.lines for row in self._db.execute(query)}

    def coverage(self) -> tuple[date | None, date | None]:
        """The first date that was ever recorded, and the last one that a backfill covers."""
        query = select(func.min(files.c.business_date)).where(files.c.account == self._account)
        backfills = select(func.max(files.c.business_date)).where(
            files.c.account == self._account, files.c.kind == "backfill"
        )
        return self._db.execute(query).scalar(), self._db.execute(backfills).scalar()

    def unrecorded_days(self, until: date) -> list[date]:
        """The days after the first success and before `until` that are neither recorded nor covered by a backfill."""
        first, covered = self.coverage()
        if first is None:
            return []
        start = max(first, covered or first) + timedelta(days=1)
        recorded = self.recorded_days(start)
        days = (start + timedelta(days=number) for number in range((until - start).days))
        return [day for day in days if day not in recorded]

    def digests_of(self, slot: Slot) -> set[str]:
        """The digests of the files that a slot is recorded with."""
        query = (
            select(files.c.sha256)
            .join(loads, loads.c.id == files.c.load_id)
            .where(
                loads.c.account == self._account,
                loads.c.kind == slot.kind,
                loads.c.business_date == slot.business_date,
                loads.c.name == slot.name,
            )
        )
        return set(self._db.execute(query).scalars())

    def current_files(self, business_date: date) -> list[tuple[str, str, str]]:
        """Role, name and digest of the files that a day is recorded with."""
        query = (
            select(files.c.role, files.c.name, files.c.sha256)
            .join(loads, loads.c.id == files.c.load_id)
            .where(loads.c.account == self._account, loads.c.kind == "day", loads.c.business_date == business_date)
            .order_by(files.c.id)
        )
        return [(role, name, sha256) for role, name, sha256 in self._db.execute(query)]

    def _delete_load(self, load_id: int) -> None:
        for table in (bookings, cancellations, rejects):
            self._db.execute(delete(table).where(table.c.load_id == load_id))
        self._db.execute(update(files).where(files.c.load_id == load_id).values(load_id=None))
        self._db.execute(delete(loads).where(loads.c.id == load_id))


def chunks(values: Iterable[object], size: int = 800) -> Iterable[list[object]]:
    """Lists of at most `size`: databases limit the number of values in one statement."""
    listed = list(values)
    return (listed[start : start + size] for start in range(0, len(listed), size))
