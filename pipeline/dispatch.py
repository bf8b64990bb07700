"""A prepared plan -> the platform -> receipts, some thousands of contacts at a time.

What is about to be sent is noted as in flight first; when all is sent the platform is read once, and what is in flight is
held against it.  A run that is cut short loses nothing: what is in flight is read back by the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pipeline import push as pushing
from pipeline.contact import Flight, Membership, Stamp
from pipeline.outline import Outline
from pipeline.pack import Packed, Part
from pipeline.plan import Change, Counts
from pipeline.platforms import Person
from pipeline.push import After, Before, Delivery
from pipeline.sighting import Sighting
from pipeline.spool import parts
from pipeline.store.acknowledged import State
from pipeline.store.database import Database
from pipeline.store.ledger import Ledger

Progress = Callable[[str, int, int], None]
PORTION = 4_000
"""Contacts that are looked at at once: some tens of megabytes of them."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """On whose behalf the platform is visited: the run's id, its clock (UTC), and who hears of progress.

    `portion`: so many contacts are looked at at once.
    """

    run_id: str
    now: Callable[[], datetime]
    progress: Progress = field(default=lambda stage, done, total: None)
    portion: int = PORTION

    @property
    def stamp(self) -> Stamp:
        """What is noted now is signed with this."""
        return Stamp(self.run_id, self.now())


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan in outline, and what the platform held when it was made.

    `changes` gives the changes of some contacts, before anything was held back; `absent`: who was looked for in a group
    and is not in it.
    """

    outline: Outline
    seen: Sighting
    changes: Callable[[Collection[str]], list[Change]]
    absent: tuple[Membership, ...] = ()

    def allowed(self, emails: Collection[str]) -> list[Change]:
        """What may be sent of the changes of these contacts."""
        found = (self.outline.allowed(change) for change in self.changes(emails))
        return [change for change in found if change is not None]


@dataclass(slots=True)
class Dispatch:
    """One delivery under way: `send` everything, then `receive` the receipts."""

    account: str
    database: Database
    prepared: Prepared
    delivery: Delivery
    occasion: Occasion
    refusals: dict[str, str] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    left: set[tuple[str, str]] = field(default_factory=set)

    # Sending

    def send(self, batch_size: int) -> None:
        """Batches, then those whose own consent is better, then the leaves."""
        batches = self.prepared.outline.packed(batch_size)
        if not self.delivery.platform.reads_back:
            batches = [piece for packed in batches for piece in _pieces(packed, self.occasion.portion)]
        better, leavers = sorted(self.prepared.outline.better()), self.prepared.outline.leavers()
        done, total = 0, sum(packed.people for packed in batches) + len(better) + len(leavers)
        self.occasion.progress("push", done, total)
        for portion in _portions(batches, self.occasion.portion):
            for packed, people in self._people(portion):
                self.refusals.update(pushing.send_batch(packed.groups, people, self.delivery))
                done += packed.people
                self.occasion.progress("push", done, total)
        for emails in parts(better, self.occasion.portion):
            suppressed = self.delivery.left(emails)
            self.refusals.update(suppressed)
            changes = [change for change in self._depart(emails) if change.email not in suppressed]
            self.refusals.update(pushing.amend(changes, self._before(emails), self.delivery))
            done += len(emails)
            self.occasion.progress("push", done, total)
        for emails in parts(leavers, self.occasion.portion):
            changes = self.prepared.allowed(emails)
            self._note(change for change in changes if not change.upsert)
            left, stayed = pushing.leave(changes, self.delivery)
            self.left |= left
            self.refusals.update(stayed)
            done += len(emails)
            self.occasion.progress("push", done, total)

    def _people(self, portion: Iterable[Packed]) -> Iterator[tuple[Packed, list[Person]]]:
        """The batches of a portion with the people in them, once all of them are noted as in flight."""
        listed = list(portion)
        outline = self.prepared.outline
        emails = {part: outline.people(part) for packed in listed for part in (*packed.first, *packed.again)}
        first = [email for packed in listed for part in packed.first for email in emails[part]]
        changes = {change.email: change for change in self._depart(first)}
        members = self.prepared.seen.read(first)
        again = [email for packed in listed for part in packed.again for email in emails[part]]
        with self.database.transaction() as connection:
            flights = State(connection, self.account).flights_of(again)
        for packed in listed:
            people = [
                pushing.person(changes[email], members.get(email), self.delivery)
                for part in packed.first
                for email in emails[part]
                if email in changes
            ]
            people += [
                pushing.only_consent(flights[email])
                for part in packed.again
                for email in emails[part]
                if email in flights
            ]
            yield packed, people

    def _depart(self, emails: Collection[str]) -> list[Change]:
        """The changes of these contacts, noted as in flight."""
        changes = self.prepared.allowed(emails)
        self._note(changes)
        gone = set(emails) - {change.email for change in changes}
        self.gone.update(dict.fromkeys(gone, "changed while the run was under way"))
        return changes

    def _note(self, changes: Iterable[Change]) -> None:
        flights = pushing.flights(changes, self.prepared.outline.as_of)
        with self.database.transaction() as connection:
            State(connection, self.account).depart(flights)

    def _before(self, emails: Collection[str]) -> Before:
        return Before(self.prepared.seen.read(emails), self.prepared.outline.better(emails))

    # Receiving

    def receive(self) -> tuple[Counts, dict[str, str]]:
        """Read the platform once, note the receipts; the counts, and whom the platform refused and why."""
        outline, groups = self.prepared.outline, self.delivery.groups
        self.occasion.progress("receive", 0, 0)
        after = Sighting(self.delivery.platform)
        after.look(outline.upserts())
        after.look_in(outline.joiners(), [groups[key] for key in sorted(outline.joined())])
        self._acknowledge_absent()
        counts, refused = Counts(), dict(self.gone)
        while flights := self._flights():
            emails = [flight.email for flight in flights]
            found = After(after.read(emails), after.seats(emails), self.refusals, self.left)
            changes = outline.flown(flights)
            receipts = pushing.receipts(changes, self._before(emails), found, outline.as_of, self.delivery.platform)
            self._acknowledge(receipts, emails)
            counts = counts.plus(receipts.pushed)
            refused.update(receipts.refused)
        for quiet in parts(outline.quiet(), self.occasion.portion):
            with self.database.transaction() as connection:
                Ledger(connection, self.account).unmark(quiet)
        return counts, refused

    def _flights(self) -> list[Flight]:
        with self.database.transaction() as connection:
            return State(connection, self.account).flights(count=self.occasion.portion)

    def _acknowledge_absent(self) -> None:
        with self.database.transaction() as connection:
            State(connection, self.account).acknowledge((), self.prepared.absent, self.occasion.stamp)

    def _acknowledge(self, receipts: pushing.Receipts, emails: Collection[str]) -> None:
        """Note receipts in one transaction; who was accepted loses the mark."""
        done = {email for email in emails if not self.prepared.outline.waits(email)} - receipts.refused.keys()
        with self.database.transaction() as connection:
            state = State(connection, self.account)
            before = state.memberships({seat.email for seat in receipts.seats})
            seats = [_continued(seat, before) for seat in receipts.seats]
            state.acknowledge(receipts.accepted, seats, self.occasion.stamp)
            state.land(emails)
            Ledger(connection, self.account).unmark(done)


def _portions(batches: Iterable[Packed], size: int) -> Iterator[list[Packed]]:
    """Batches in a row that are looked at together."""
    portion: list[Packed] = []
    for packed in batches:
        if portion and sum(each.people for each in portion) + packed.people > size:
            yield portion
            portion = []
        portion.append(packed)
    if portion:
        yield portion


def _pieces(packed: Packed, size: int) -> list[Packed]:
    """An import file has no size: it is written in pieces of a portion."""
    return [
        *(Packed(packed.groups, (piece,), ()) for part in packed.first for piece in _cut(part, size)),
        *(Packed(packed.groups, (), (piece,)) for part in packed.again for piece in _cut(part, size)),
    ]


def _cut(part: Part, size: int) -> list[Part]:
    ends = range(part.start, part.start + part.people, size)
    return [Part(part.groups, start, min(size, part.start + part.people - start)) for start in ends]


def _continued(seat: Membership, before: Mapping[str, Mapping[str, Membership]]) -> Membership:
    """A seat that was taken already keeps the day on which it was given."""
    held = before.get(seat.email, {}).get(seat.group_key)
    return held if held is not None and held.state == seat.state == "in" else seat
