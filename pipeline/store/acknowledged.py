"""The acknowledged state: what the platform has accepted from us so far, and what is in flight."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, Table, and_, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import Insert

from pipeline.contact import Acknowledged, Flight, KnownGroup, Membership, SentBatch, Stamp, Suppression
from pipeline.forgotten import PREFIX, Forgotten
from pipeline.store.audit import Act, Audit, departures
from pipeline.store.ledger import chunks
from pipeline.store.many import insert_many, upsert
from pipeline.store.tables import (
    batches,
    groups,
    in_flight,
    keys,
    marks,
    members,
    memberships,
    suppressions,
    tombstones,
)

_MEMBER = tuple(field.name for field in fields(Acknowledged))
_FLIGHT = ("email", "values", "consent_date", "consent_proof", "known_at", "group_keys", "as_of")


class State:
    """One account's acknowledged state, within the caller's transaction."""

    def __init__(self, connection: Connection, account: str) -> None:
        self._db = connection
        self._account = account
        self._audit = Audit(connection, account)

    # Members and memberships

    def members(self, emails: Iterable[str]) -> dict[str, Acknowledged]:
        """What is acknowledged of these addresses."""
        return {row[0]: Acknowledged(*row) for row in self._of(members, _MEMBER, emails)}

    def all_members(self) -> list[Acknowledged]:
        """Everybody that was ever acknowledged, by address."""
        query = (
            select(*(members.c[name] for name in _MEMBER))
            .where(members.c.account == self._account)
            .order_by(members.c.email)
        )
        return [Acknowledged(*row) for row in self._db.execute(query)]

    def newest_members(self, count: int) -> list[str]:
        """Those that were sent last, suppressed people aside: if anybody is on the platform, they are."""
        gone = select(suppressions.c.email).where(suppressions.c.account == self._account)
        query = select(members.c.email).where(members.c.account == self._account, members.c.email.not_in(gone))
        newest = query.order_by(members.c.sent_on.desc(), members.c.known_at.desc(), members.c.email).limit(count)
        return list(self._db.execute(newest).scalars())

    def memberships(self, emails: Iterable[str]) -> dict[str, dict[str, Membership]]:
        """The acknowledged seats of these addresses: address -> group key -> seat."""
        names = ("email", "group_key", "state", "given_on", "settled")
        found: dict[str, dict[str, Membership]] = {}
        for row in self._of(memberships, names, emails):
            found.setdefault(row[0], {})[row[1]] = Membership(*row)
        return found

    def count_memberships(self) -> int:
        """How many seats are taken in the account."""
        query = select(func.count()).where(memberships.c.account == self._account, memberships.c.state == "in")
        return self._db.execute(query.select_from(memberships)).scalar_one()

    def acknowledge(self, received: Sequence[Acknowledged], seats: Sequence[Membership], stamp: Stamp) -> None:
        """Note receipts, and the acts of consent that they are."""
        self._audit.receipts(self.members(item.email for item in received), received, stamp)
        own = {"account": self._account}
        insert_many(self._db, self._upsert(members), received, own)
        insert_many(self._db, self._upsert(memberships), seats, own)

    def land(self, emails: Iterable[str]) -> None:
        """Take these addresses out of flight."""
        for chunk in chunks(emails):
            self._db.execute(
                delete(in_flight).where(in_flight.c.account == self._account, in_flight.c.email.in_(chunk))
            )

    def forget_members(self, emails: Iterable[str]) -> None:
        """Staff deleted these members: nothing of them is acknowledged any more."""
        for chunk in chunks(emails):
            for table in (members, memberships):
                self._db.execute(delete(table).where(table.c.account == self._account, table.c.email.in_(chunk)))

    # In flight

    def depart(self, flights: Sequence[Flight]) -> None:
        """Note what is about to be sent."""
        insert_many(self._db, self._upsert(in_flight), flights, {"account": self._account})

    def flights(self, after: str = "", count: int | None = None) -> list[Flight]:
        """What was sent, or was about to be, and never acknowledged: all, or the next ones by address."""
        query = select(*(in_flight.c[name] for name in _FLIGHT)).where(in_flight.c.account == self._account)
        query = query.where(in_flight.c.email > after).order_by(in_flight.c.email).limit(count)
        return [_flight(row) for row in self._db.execute(query)]

    def flights_of(self, emails: Iterable[str]) -> dict[str, Flight]:
        """The flights of these addresses."""
        return {row[0]: _flight(row) for row in self._of(in_flight, _FLIGHT, emails)}

    def open_batch(self, emails: Sequence[str], group_ids: Sequence[int], on: date) -> int:
        """Note a batch that is about to be sent; its id here."""
        row = {"numbers": [], "emails": list(emails), "group_ids": list(group_ids), "sent_on": on, "late": False}
        query = insert(batches).values(account=self._account, **row).returning(batches.c.id)
        return int(self._db.execute(query).scalar_one())

    def number_batch(self, batch_id: int, number: int) -> None:
        """The platform took a batch, or a part of it, under this number."""
        numbers = self._db.execute(select(batches.c.numbers).where(batches.c.id == batch_id)).scalar_one()
        self._db.execute(update(batches).where(batches.c.id == batch_id).values(numbers=[*numbers, number]))

    def batches(self) -> list[SentBatch]:
        """The batches whose end is not known, oldest first."""
        names = ("id", "numbers", "emails", "group_ids", "sent_on", "late")
        query = select(*(batches.c[name] for name in names)).where(batches.c.account == self._account)
        return [
            SentBatch(row.id, tuple(row.numbers), tuple(row.emails), tuple(row.group_ids), row.sent_on, row.late)
            for row in self._db.execute(query.order_by(batches.c.id))
        ]

    def close_batch(self, batch_id: int) -> None:
        """The batch has ended, or is not looked for any longer."""
        self._db.execute(delete(batches).where(batches.c.id == batch_id))

    def go_on_without(self, batch_id: int) -> None:
        """The run goes on before the batch has ended."""
        self._db.execute(update(batches).where(batches.c.id == batch_id).values(late=True))

    def pending(self) -> int:
        """How many contacts wait to be looked at or sent."""
        return self._db.execute(
            select(func.count()).select_from(marks).where(marks.c.account == self._account)
        ).scalar_one()

    # Groups

    def groups(self) -> dict[str, KnownGroup]:
        """The groups that Placier looks after, by key."""
        names = ("group_key", "platform_id", "title", "deleted")
        query = select(*(groups.c[name] for name in names)).where(groups.c.account == self._account)
        return {row[0]: KnownGroup(*row) for row in self._db.execute(query)}

    def know_group(self, group: KnownGroup) -> None:
        """Remember a group that was created, adopted or found again."""
        insert_many(self._db, self._upsert(groups), [group], {"account": self._account})

    def lose_groups(self, group_keys: Iterable[str]) -> None:
        """Staff deleted these groups: their seats are gone with them."""
        for chunk in chunks(group_keys):
            self._db.execute(
                update(groups)
                .where(groups.c.account == self._account, groups.c.group_key.in_(chunk))
                .values(deleted=True)
            )
            self._db.execute(
                update(memberships)
                .where(
                    and_(
                        memberships.c.account == self._account,
                        memberships.c.group_key.in_(chunk),
                        memberships.c.state == "in",
                    )
                )
                .values(state="gone")
            )

    # Suppressions

    def suppressions(self) -> dict[str, Suppression]:
        """Every suppressed address."""
        names = ("email", "reason", "since", "seen_on", "back_on")
        query = select(*(suppressions.c[name] for name in names)).where(suppressions.c.account == self._account)
        return {row[0]: Suppression(*row) for row in self._db.execute(query)}

    def suppressed_contact_ids(self) -> dict[str, str]:
        """Contact ids of purged bookings of unsubscribed addresses -> the address."""
        query = select(suppressions.c.email, suppressions.c.contact_ids).where(
            suppressions.c.account == self._account, suppressions.c.reason == "unsubscribed"
        )
        return {contact_id: email for email, ids in self._db.execute(query) for contact_id in ids}

    def suppress(
        self, found: Mapping[str, tuple[str, date | None]], seen_on: date, stamp: Stamp, *, kept_from: date = date.min
    ) -> int:
        """Remember suppressed addresses for good; returns how many are new.  Unsubscribed outweighs bounced.

        One that had come back and left again is no longer back.  `kept_from`: who last bought before that day is known to
        the ledger no more (rule 12), and stays known by the contact id that was sent.
        """
        names = self.forgotten()
        found = {names.name(email) if names.day(email) else email: why for email, why in found.items()}
        known = self.suppressions()
        fresh = [email for email in found if email not in known]
        row = {"seen_on": seen_on, "account": self._account}
        if fresh:
            ids = self._ids_of_purged(fresh, kept_from)
            values = [
                {"email": email, "reason": found[email][0], "since": found[email][1], "contact_ids": ids.get(email, [])}
                for email in fresh
            ]
            self._db.execute(insert(suppressions), [{**row, **value} for value in values])
        worse = [
            email
            for email, (reason, _) in found.items()
            if email in known and reason == "unsubscribed" and known[email].reason != reason
        ]
        for email in worse:
            self._suppression(email, reason="unsubscribed", since=found[email][1])
        again = [email for email in found if email in known and known[email].back_on is not None]
        for email in again:
            self._suppression(email, back_on=None)
        self._audit.append(departures(found, dict.fromkeys([*fresh, *worse, *again]), seen_on), stamp)
        return len(fresh)

    def _ids_of_purged(self, emails: Iterable[str], kept_from: date) -> dict[str, list[str]]:
        """The contact ids of those of these addresses whose latest booking lies before a day."""
        start = (kept_from - date(1970, 1, 1)) // timedelta(microseconds=1)
        known = self.members(emails).values()
        found = {member.email: member.values.get("contact_id") for member in known if member.known_at < start}
        return {email: [str(name)] for email, name in found.items() if name}

    def come_back(self, emails: Iterable[str], seen_on: date, stamp: Stamp) -> None:
        """These suppressed addresses are members of the platform again: noted, and still never written to."""
        listed = sorted(emails)
        for email in listed:
            self._suppression(email, back_on=seen_on)
        self._audit.append([Act(email, "came_back", seen_on) for email in listed], stamp)

    def unlisted(self, found: Collection[str]) -> list[str]:
        """The suppressed addresses that are not `found` on the platform's lists, nor known to have come back."""
        return [
            entry.email
            for entry in self.suppressions().values()
            if entry.email not in found and entry.back_on is None and not entry.email.startswith(PREFIX)
        ]

    def _suppression(self, email: str, **values: object) -> None:
        mine = and_(suppressions.c.account == self._account, suppressions.c.email == email)
        self._db.execute(update(suppressions).where(mine).values(**values))

    # Forgotten people

    def forgotten(self) -> Forgotten:
        """Those who were forgotten."""
        key = self._db.execute(select(keys.c.key).where(keys.c.account == self._account)).scalar()
        if key is None:
            return Forgotten()
        query = select(tombstones.c.digest, tombstones.c.forgotten_on).where(tombstones.c.account == self._account)
        return Forgotten(key, {row.digest: row.forgotten_on for row in self._db.execute(query)})

    def forget(self, email: str, alone: Collection[str], on: date, stamp: Stamp) -> dict[str, int]:
        """Erase what is acknowledged of an address and leave its hash; a suppression stays, under the hash alone.

        `alone`: the transactions that were this person's alone, of which hashes stay as well.
        """
        if self._db.execute(select(keys.c.key).where(keys.c.account == self._account)).scalar() is None:
            self._put(keys, [{"key": secrets.token_hex(32)}])
        names = self.forgotten()
        left = (names.name(email), *(names.transaction(number) for number in alone))
        self._put(tombstones, [{"digest": digest, "forgotten_on": on} for digest in left])
        erased = {}
        for table in (members, memberships, in_flight, marks):
            gone = delete(table).where(table.c.account == self._account, table.c.email == email)
            erased[table.name] = self._db.execute(gone).rowcount
        for batch in self.batches():
            if email in batch.emails:
                others = [other for other in batch.emails if other != email]
                self._db.execute(update(batches).where(batches.c.id == batch.id).values(emails=others))
        mine = and_(suppressions.c.account == self._account, suppressions.c.email == email)
        held = self._db.execute(select(suppressions).where(mine)).first()
        if held is not None:
            ids = [names.name(contact_id) for contact_id in held.contact_ids]
            self._db.execute(delete(suppressions).where(mine))
            row = {
                "reason": held.reason,
                "since": held.since,
                "seen_on": held.seen_on,
                "contact_ids": ids,
                "back_on": None,
            }
            self._put(suppressions, [{"email": names.name(email), **row}])
        erased["suppressions"] = int(held is not None)
        erased["acts"] = self._audit.forget(email, names.name(email), on, stamp)
        return erased

    # Both databases

    def _of(self, table: Table, names: Sequence[str], emails: Iterable[str]) -> Iterable[tuple[Any, ...]]:
        for chunk in chunks(emails):
            query = select(*(table.c[name] for name in names)).where(
                table.c.account == self._account, table.c.email.in_(chunk)
            )
            yield from (tuple(row) for row in self._db.execute(query))

    def _put(self, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
        """Insert, or update what has the same key."""
        self._db.execute(self._upsert(table), [{**row, "account": self._account} for row in rows])

    def _upsert(self, table: Table) -> Insert:
        statement = upsert(self._db, table)
        keys = [column.name for column in table.primary_key]
        changed = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
        return statement.on_conflict_do_update(index_elements=keys, set_=changed)


def _flight(row: Sequence[Any]) -> Flight:
    return Flight(row[0], row[1], row[2], row[3], row[4], tuple(row[5]), row[6])
