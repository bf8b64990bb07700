"""What a plan comes to: the kind of each contact's change on the side, the rest counted; and what is allowed of a change.

A plan of millions of contacts is decided part by part, and each part is forgotten but for this.  The changes of a part
are decided again when it is sent: by then the outline knows which groups cannot be used, which leaves are held, and who
is left alone after all.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from pipeline.config import Policy
from pipeline.contact import Acknowledged, Flight, Kept
from pipeline.naming import Groups, open_groups
from pipeline.pack import Packed, Part, pack_sets
from pipeline.plan import RESEND, Blocked, Change, Counts, Decided, Leave, NewGroup, Preview, Reason, leaves_alone, need
from pipeline.project import Seat
from pipeline.spool import listed, spool, told

SHOWN = 2_000
"""So many changes are kept to be shown."""
SETTLED, SKIPPED = -1, -2
STRANGER, KNOWN, BACK = 0, 1, 2
"""Nothing was acknowledged of a contact; something was; and it bought since, or is to be sent again."""
Pair = tuple[str, str]
"""An address and a group's key."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What happens to many contacts alike, their leaves aside; see `Change`."""

    created: bool
    updated: bool
    upsert: bool
    joins: tuple[str, ...]


class Outline:
    """A plan in the making: `note` every part, `settle` the groups, then hold back what may not be done."""

    def __init__(self, as_of: date) -> None:
        self.as_of = as_of
        self.leaves: dict[Pair, Reason] = {}
        self.needed: dict[str, Seat | None] = {}
        self.new_groups: tuple[NewGroup, ...] = ()
        self.blocked: tuple[Blocked, ...] = ()
        self._titles: dict[str, str] = {}
        self._db = spool(
            "people (email TEXT PRIMARY KEY, kind INTEGER, known INTEGER) WITHOUT ROWID",
            "better (email TEXT PRIMARY KEY, relation TEXT, day TEXT, until TEXT, proof TEXT) WITHOUT ROWID",
            "sets (kind INTEGER PRIMARY KEY, number INTEGER)",
            "queue (place INTEGER PRIMARY KEY, email TEXT, number INTEGER)",
        )
        self._numbers: dict[Kind, int] = {}
        self._kinds: list[Kind] = []
        self._counts: Counter[int] = Counter()
        self._skips: Counter[str] = Counter()
        self._first: list[Change] = []
        self._forbidden: set[str] = set()
        self._waiting_kinds: set[int] = set()
        self._waiting: set[str] = set()
        self._held: set[Pair] = set()
        self._leaves_only = False
        self._base: dict[frozenset[str], int] = {}

    # Noting

    @property
    def noted(self) -> int:
        """Of how many contacts it is known what is to happen."""
        return self._counts.total()

    def note(self, decided: Decided, known: Mapping[str, Acknowledged] | None = None) -> None:
        """Take in what was decided of some contacts; `known`: what is acknowledged of them."""
        found = known or {}
        alike: dict[tuple[int, int], list[str]] = {}
        for change in decided.changes:
            alike.setdefault((self.number(_kind(change)), _standing(change, found)), []).append(change.email)
        sent = {change.email for change in decided.changes}
        alike[SKIPPED, STRANGER] = [email for email in decided.skipped if email not in sent]
        alike[SETTLED, STRANGER] = list(decided.settled)
        for (kind, standing), emails in alike.items():
            self.add(emails, kind, standing)
        self.skip(Counter(decided.skipped.values()))
        for change in decided.changes:
            self.leaves.update({(change.email, leave.group_key): leave.reason for leave in change.leaves})
        for key, seat in decided.needed.items():
            need(self.needed, key, seat)
        self.show(decided.changes)

    def add(self, emails: Sequence[str], kind: int, standing: int = STRANGER) -> None:
        """Addresses of one kind, by its number (or SETTLED, SKIPPED), and of one standing (STRANGER, KNOWN, BACK)."""
        with told():
            self._db.execute(
                "INSERT INTO people SELECT value, ?, ? FROM json_each(?)", (kind, standing, *listed(emails))
            )
        self._counts[kind] += len(emails)

    def number(self, kind: Kind) -> int:
        """The number of a kind."""
        if kind not in self._numbers:
            self._numbers[kind] = len(self._kinds)
            self._kinds.append(kind)
        return self._numbers[kind]

    def skip(self, reasons: Counter[str]) -> None:
        """So many were left alone, by reason."""
        self._skips.update(reasons)

    def show(self, changes: Iterable[Change]) -> None:
        """Changes that may be among the first by address: what is shown of them is kept."""
        self._first += (shown(change) for change in changes)
        self._first = sorted(self._first, key=lambda change: change.email)[:SHOWN]

    def settle(self, groups: Groups, rules: Policy) -> None:
        """All is noted: which groups are to be made or adopted, and who waits for one that cannot be used."""
        self.new_groups, blocked = open_groups(self.needed, groups, rules)
        self._titles = {key: group.title for key, group in groups.known.items()}
        self._titles |= {new.group_key: new.title for new in self.new_groups}
        self.block(blocked)

    # Holding back

    def block(self, keys: Mapping[str, Blocked]) -> None:
        """Leave these groups alone; who was to join (or leave) one of them waits."""
        waiting = dict.fromkeys(keys, 0)
        for number, kind in enumerate(self._kinds):
            for key in waiting.keys() & self._joins(kind):
                waiting[key] += self._counts[number]
                self._waiting_kinds.add(number)
        for email, key in [pair for pair in self.leaves if pair[1] in waiting]:
            waiting[key] += 1
            self._waiting.add(email)
            del self.leaves[email, key]
        self._forbidden |= keys.keys()
        self.blocked += tuple(replace(keys[key], waiting=count) for key, count in waiting.items() if count)
        self._need_again()

    def leave_out(self, emails: Collection[str], reason: str) -> None:
        """Leave these contacts alone for `reason`."""
        if not emails:
            return
        self._waiting |= {email for email in emails if self.waits(email)}
        for email in emails:
            self._counts[self._number_of(email)] -= 1
        self._db.executemany(f"UPDATE people SET kind = {SKIPPED} WHERE email = ?", ((email,) for email in emails))
        self._skips[reason] += len(emails)
        self.leaves = {pair: why for pair, why in self.leaves.items() if pair[0] not in emails}
        self._first = [change for change in self._first if change.email not in emails]
        self._need_again()

    def hold(self, pairs: Collection[Pair]) -> None:
        """Hold these leaves back; their contacts stay marked."""
        self._held |= set(pairs)
        self._waiting |= {email for email, _ in pairs}

    def only(self, pairs: Collection[Pair]) -> None:
        """Of the plan, only these leaves: what an approval lets through."""
        self._waiting |= {email for email, _ in pairs if self._sent(self._number_of(email))}
        self._leaves_only = True
        self.leaves = {pair: why for pair, why in self.leaves.items() if pair in pairs}
        self.new_groups, self.blocked = (), ()
        self._skips.clear()

    def wait(self, emails: Iterable[str]) -> None:
        """These stay marked whatever is sent."""
        self._waiting.update(emails)

    def allowed(self, change: Change) -> Change | None:
        """What may be sent of a change; None when nothing remains."""
        pairs = {(change.email, leave.group_key): leave for leave in change.leaves}
        leaves = tuple(leave for pair, leave in pairs.items() if pair in self.leaves and pair not in self._held)
        kind = _kind(change)
        if self._sent(self.number(kind)):
            joins = self._joins(kind)
            unchanged = joins == change.joins and leaves == change.leaves  # as a rule
            return change if unchanged else replace(change, joins=joins, leaves=leaves)
        return replace(leaves_alone(change.email, leaves, None), known_at=change.known_at) if leaves else None

    # Telling

    @property
    def adopted(self) -> dict[str, int]:
        """The groups that are on the platform and become ours: key -> id."""
        return {new.group_key: new.adopt for new in self.new_groups if new.adopt is not None}

    def preview(self) -> Preview:
        """What the plan comes to, for people."""
        kinds = [(kind, self._counts[number]) for number, kind in enumerate(self._kinds) if self._sent(number)]
        leavers = {email for email, _ in self.leaves if not self._sent(self._number_of(email))}
        allowed = (self.allowed(change) for change in self._first)
        return Preview(
            counts=Counts(
                groups_created=sum(group.adopt is None for group in self.new_groups),
                contacts_created=sum(count for kind, count in kinds if kind.created),
                contacts_updated=sum(count for kind, count in kinds if kind.updated),
                joins=sum(count * len(self._joins(kind)) for kind, count in kinds),
                leaves=len(self.leaves),
            ),
            skips=dict(sorted((+self._skips).items())),
            contacts=sum(count for _, count in kinds) + len(leavers),
            changes=tuple(change for change in allowed if change is not None),
            new_groups=self.new_groups,
            blocked=self.blocked,
            titles=self._titles,
        )

    def fingerprint(self) -> str:
        """The same for the same plan alone: whom it concerns, what happens to each, what is held, who is left alone."""
        seen = hashlib.sha256()
        sent = {
            number: repr(replace(self._kinds[number], joins=self._joins(self._kinds[number])))
            for number in self._sent_numbers()
        }
        for email, number in self._db.execute("SELECT email, kind FROM people ORDER BY email"):
            if number in sent:
                seen.update(f"{email} {sent[number]}\n".encode())
        rest = (
            sorted(self.leaves.items()),
            sorted(self._held),
            self.new_groups,
            self.blocked,
            sorted((+self._skips).items()),
        )
        words = [(change.email, change.reasons) for change in self._first]
        seen.update(repr((self.as_of, rest, words)).encode())
        return seen.hexdigest()

    def upserts(self) -> Iterator[str]:
        """Who is to be sent."""
        sent = self._sent_numbers()
        return (email for email, kind in self._db.execute("SELECT email, kind FROM people") if kind in sent)

    def joiners(self) -> Iterator[str]:
        """Who is to join a group."""
        sent = {number for number in self._sent_numbers() if self._joins(self._kinds[number])}
        return (email for email, kind in self._db.execute("SELECT email, kind FROM people") if kind in sent)

    def expected(self) -> Iterator[tuple[str, bool]]:
        """Who is to be sent and was acknowledged before; and whether one that staff deleted comes back."""
        sent = self._sent_numbers()
        query = f"SELECT email, kind, known FROM people WHERE known > {STRANGER}"
        return ((email, known == BACK) for email, kind, known in self._db.execute(query) if kind in sent)

    def leavers(self) -> list[str]:
        """Who is to leave a group, by address."""
        return sorted({email for email, key in self.leaves if (email, key) not in self._held})

    def joined(self) -> set[str]:
        """The groups that somebody is to join."""
        return {key for number in self._sent_numbers() for key in self._joins(self._kinds[number])}

    def quiet(self) -> Iterator[str]:
        """Whom nothing is sent for, and whose mark may go."""
        if self._leaves_only:
            return
        sent, leavers = self._sent_numbers() | self._waiting_kinds, {email for email, _ in self.leaves}
        for email, kind in self._db.execute("SELECT email, kind FROM people"):
            if kind not in sent and email not in leavers and email not in self._waiting:
                yield email

    def flown(self, flights: Collection[Flight]) -> list[Change]:
        """The changes that these flights were noted for."""
        query = "SELECT email, kind FROM people WHERE email IN (SELECT value FROM json_each(?))"
        numbers = dict(self._db.execute(query, listed(flight.email for flight in flights)))
        return [self._flown(flight, numbers.get(flight.email, SETTLED)) for flight in flights]

    def _flown(self, flight: Flight, number: int) -> Change:
        pairs = [(flight.email, key) for key in flight.group_keys]
        upsert = flight.consent_date is not None
        return Change(
            email=flight.email,
            created=upsert and self._kinds[number].created,
            upsert=upsert,
            updated=upsert and self._kinds[number].updated,
            values=flight.values,
            cleared=frozenset(),
            consent_date=flight.consent_date,
            consent_proof=flight.consent_proof,
            known_at=flight.known_at,
            joins=tuple(key for email, key in pairs if (email, key) not in self.leaves),
            leaves=tuple(Leave(pair[1], self.leaves[pair]) for pair in pairs if pair in self.leaves),
            reasons=(),
        )

    def waits(self, email: str) -> bool:
        """Whether a contact stays marked whatever is sent."""
        return email in self._waiting or (bool(self._waiting_kinds) and self._number_of(email) in self._waiting_kinds)

    # Packing

    def set_aside(self, people: Iterable[tuple[str, Kept]]) -> None:
        """Whose own consent is better, and what that is: they go into no batch."""
        rows = ((email, kept.relation, _iso(kept.on), _iso(kept.until), kept.proof) for email, kept in people)
        with told():
            self._db.executemany("INSERT INTO better VALUES (?, ?, ?, ?, ?)", rows)

    def better(self, emails: Collection[str] | None = None) -> dict[str, Kept]:
        """The better consents of these contacts, or of all."""
        all_of_them = "SELECT * FROM better"
        if emails is None:
            rows = self._db.execute(all_of_them)
        else:
            rows = self._db.execute(f"{all_of_them} WHERE email IN (SELECT value FROM json_each(?))", listed(emails))
        return {email: Kept(relation, _day(on), _day(until), proof) for email, relation, on, until, proof in rows}

    def packed(self, size: int) -> list[Packed]:
        """The batches of those to be sent, but for those set aside; `people` tells who is in a part of one."""
        sent = self._sent_numbers()
        sets = {keys: n for n, keys in enumerate(sorted({self._set(number) for number in sent}, key=sorted))}
        self._db.executescript("DELETE FROM sets; DELETE FROM queue")
        self._db.executemany("INSERT INTO sets VALUES (?, ?)", ((number, sets[self._set(number)]) for number in sent))
        with told():
            self._db.execute(
                "INSERT INTO queue (email, number) SELECT email, number FROM people JOIN sets USING (kind) "
                "WHERE email NOT IN (SELECT email FROM better) ORDER BY number, email"
            )
        counts = dict(self._db.execute("SELECT number, count(*) FROM queue GROUP BY number"))
        self._base, place = {}, 1
        for keys, number in sets.items():
            self._base[keys] = place
            place += counts.get(number, 0)
        return pack_sets({keys: counts[number] for keys, number in sets.items() if number in counts}, size)

    def people(self, part: Part) -> list[str]:
        """Who is in a part of a batch."""
        first = self._base[part.groups] + part.start
        query = "SELECT email FROM queue WHERE place >= ? AND place < ?"
        return [email for (email,) in self._db.execute(query, (first, first + part.people))]

    def _set(self, number: int) -> frozenset[str]:
        return frozenset(self._joins(self._kinds[number]))

    def _joins(self, kind: Kind) -> tuple[str, ...]:
        return tuple(key for key in kind.joins if key not in self._forbidden)

    def _sent(self, number: int) -> bool:
        """Whether what remains of a kind of change is worth sending."""
        if number < 0 or self._leaves_only:
            return False
        kind = self._kinds[number]
        return kind.upsert and (kind.created or kind.updated or bool(self._joins(kind)))

    def _sent_numbers(self) -> set[int]:
        return {number for number in range(len(self._kinds)) if self._sent(number) and self._counts[number]}

    def _number_of(self, email: str) -> int:
        row = self._db.execute("SELECT kind FROM people WHERE email = ?", (email,)).fetchone()
        return SETTLED if row is None else int(row[0])

    def _need_again(self) -> None:
        joined = self.joined()
        self.new_groups = tuple(group for group in self.new_groups if group.group_key in joined)


def shown(change: Change) -> Change:
    """What is shown of a change."""
    return replace(change, values={}, consent_date=None, consent_proof="", known_at=0, shortened=0)


def _kind(change: Change) -> Kind:
    return Kind(change.created, change.updated, change.upsert, change.joins)


def _standing(change: Change, known: Mapping[str, Acknowledged]) -> int:
    before = known.get(change.email)
    if before is None:
        return STRANGER
    return BACK if change.known_at > before.known_at or RESEND in change.reasons else KNOWN


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
