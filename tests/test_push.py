"""Operations -> platform -> receipts, against a platform that is a plain object."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, MutableSet, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import count

import pytest

from pipeline.aftermath import land, living
from pipeline.contact import Acknowledged, Flight, Group, Kept, KnownGroup, Membership
from pipeline.dispatch import Dispatch, Occasion, Prepared
from pipeline.outline import Outline
from pipeline.plan import Change, Counts, Decided, Leave
from pipeline.platforms import Batch, Consent, Member, Outcome, Person, Value
from pipeline.push import Delivery, better_consents, flights, is_better, same
from pipeline.sighting import Sighting
from pipeline.store.acknowledged import State
from pipeline.store.database import Database, open_database

ACCOUNTS = count()
ANNE, BOB = "anne@exemple.ca", "bob@exemple.ca"
AS_OF, SOLD = date(2026, 3, 10), date(2026, 3, 1)
SHOW = "show:id:S1"
GROUPS = {
    "general": KnownGroup("general", 1, "Clients Tuxedo", deleted=False),
    SHOW: KnownGroup(SHOW, 2, "Le Songe", deleted=False),
}


@dataclass
class Shelf:
    """A platform that keeps members and seats in memory; `refuses` and `keeps_out` are what it does not do."""

    reads_back: bool = True
    requests: int = 0
    members: dict[str, Member] = field(default_factory=dict)
    consents: dict[str, Consent] = field(default_factory=dict)
    seats: set[tuple[str, int]] = field(default_factory=set)
    refuses: Mapping[str, str] = field(default_factory=dict)
    keeps_out: Collection[str] = ()
    ignores: Collection[str] = ()
    batches: list[Batch] = field(default_factory=list)
    amended: list[str] = field(default_factory=list)

    def check_fields(self) -> list[str]:
        return []

    def groups(self) -> list[Group]:
        return [Group(group.platform_id, group.title, dynamic=False, size=0) for group in GROUPS.values()]

    def create_group(self, title: str) -> Group:
        raise NotImplementedError

    def suppressed(self, known: Collection[str]) -> dict[str, tuple[str, date | None]]:
        return {}

    def read(self, emails: Sequence[str]) -> dict[str, Member]:
        return {email: self.members[email] for email in emails if email in self.members}

    def find(self, wanted: MutableSet[str]) -> Iterator[Member]:
        for there in self.read(list(wanted)).values():
            wanted.discard(there.email)
            yield there

    def inside(self, wanted: Collection[str], groups: Collection[Group]) -> Iterator[tuple[str, int]]:
        yield from self.memberships(list(wanted), groups)

    def consent(self, email: str) -> Consent | None:
        return self.consents.get(email)

    def memberships(self, emails: Sequence[str], groups: Collection[Group]) -> set[tuple[str, int]]:
        return {(email, group.id) for email in emails for group in groups} & self.seats

    def upsert(self, batch: Batch) -> Outcome:
        self.batches.append(batch)
        for person in batch.people:
            if person.email not in self.refuses:
                self._write(person)
                if person.email not in self.keeps_out:
                    self.seats |= {(person.email, group) for group in batch.groups}
        return Outcome(finished=True, refused=dict(self.refuses))

    def amend(self, member: Member, person: Person, groups: Sequence[int]) -> str:
        self.amended.append(person.email)
        self._write(person)
        self.seats |= {(person.email, group) for group in groups}
        return ""

    def leave(self, email: str, group: int) -> str:
        self.seats.discard((email, group))
        return ""

    def close(self) -> None: ...

    def _write(self, person: Person) -> None:
        before = self.members.get(person.email, Member(1, person.email, express=False, values={}))
        new = {key: value for key, value in person.values.items() if key not in self.ignores}
        kept = {key: value for key, value in before.values.items() if key not in person.clear}
        self.members[person.email] = replace(before, values={**kept, **new})


def change(email: str = ANNE, *joins: str, leaves: tuple[str, ...] = (), **more: object) -> Change:
    """A contact to be sent, or that only leaves."""
    whole: dict[str, object] = {
        "email": email, "created": True, "upsert": True, "updated": False, "values": {"city": "Québec"},
        "cleared": frozenset(), "consent_date": SOLD, "consent_proof": "proof", "known_at": 10, "joins": joins or ("general",),
        "leaves": tuple(Leave(key, "cancelled") for key in leaves), "reasons": (),
    }  # fmt: skip
    return Change(**{**whole, **more})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Sent:
    """What came of sending some changes: what was noted, whom the platform refused and why, the counts."""

    accepted: tuple[Acknowledged, ...]
    seats: frozenset[tuple[str, str, date]]
    refused: Mapping[str, str]
    pushed: Counts


Send = Callable[..., Sent]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """One state for all; each sending has an account of its own."""
    opened = open_database(f"sqlite:///{tmp_path_factory.mktemp('push') / 'state.db'}")
    yield opened
    opened.close()


@pytest.fixture
def sent(database: Database) -> Send:
    """Sends changes to a shelf."""

    def send(shelf: Shelf, *changes: Change, size: int = 500) -> Sent:
        account = f"demo{next(ACCOUNTS)}"
        outline, seen = Outline(AS_OF), Sighting(shelf)
        outline.note(Decided(changes, {}, (), {}))
        seen.look(outline.upserts())
        by_email = {each.email: each for each in changes}
        ours = [(email, each.consent_date) for email, each in by_email.items() if email in set(seen.members())]
        outline.set_aside(better_consents(ours, seen.read(by_email), shelf, 24).items())
        prepared = Prepared(outline, seen, lambda emails: [by_email[email] for email in emails])
        delivery = Delivery(shelf, shelf.upsert, lambda emails: {}, GROUPS, "fr_ca")
        dispatch = Dispatch(account, database, prepared, delivery, Occasion("run", lambda: datetime(2026, 3, 10)))
        dispatch.send(size)
        pushed, refused = dispatch.receive()
        with database.transaction() as connection:
            state = State(connection, account)
            assert state.flights() == []
            seats = {
                (key, seat.state, seat.given_on)
                for held in state.memberships(by_email).values()
                for key, seat in held.items()
            }
            return Sent(tuple(state.all_members()), frozenset(seats), refused, pushed)

    return send


def member(email: str = ANNE, **values: Value) -> Member:
    """Somebody on the platform."""
    return Member(1, email, express=False, values=values)


# Consents and values


@pytest.mark.parametrize(
    ("theirs", "better"),
    [
        (Consent(True, "express-consent", None, None), True),
        (Consent(True, "", date(2010, 1, 1), None), True),
        (Consent(False, "active-clients", SOLD, date(2028, 3, 1)), False),
        (Consent(False, "active-clients", date(2026, 2, 28), date(2028, 2, 28)), False),
        (Consent(False, "active-clients", date(2026, 3, 2), date(2028, 3, 2)), True),
        (Consent(False, "active-clients", date(2024, 1, 1), date(2026, 1, 1)), False),
        (Consent(False, "information-request", date(2025, 9, 1), date(2026, 3, 1)), False),
        (Consent(False, "contract", date(2025, 1, 1), date(2030, 1, 1)), True),
        (Consent(False, "published-address", date(2020, 1, 1), None), True),
        (Consent(False, "active-clients", None, None), False),
        (Consent(False, "", None, None), False),
    ],
)
def test_a_consent_is_better_when_it_is_express_or_lasts_longer(theirs: Consent, better: bool) -> None:
    assert is_better(theirs, SOLD, 24) is better


@pytest.mark.parametrize(
    ("ours", "theirs", "equal"),
    [
        ("Québec", " Québec ", True),
        ("Québec", "quebec", False),
        ("", None, True),
        (None, None, True),
        (None, "x", False),
        (0, None, False),
        (2, "2", True),
        (2, 2.0, True),
        (160.0, 160, True),
        (160.0, 160.004, True),
        (160.0, 160.01, False),
        ("2026-04-01", "2026-04-01", True),
    ],
)
def test_values_are_the_same_by_what_they_mean(ours: Value | None, theirs: Value | None, equal: bool) -> None:
    assert same(ours, theirs) is equal
    assert same(theirs, ours) is equal


# Sending


def test_what_was_read_back_is_acknowledged(sent: Send) -> None:
    shelf = Shelf()
    receipts = sent(shelf, change(ANNE, "general", SHOW))
    (accepted,) = receipts.accepted
    assert (accepted.email, accepted.values, accepted.consent_date, accepted.known_at) == (
        ANNE,
        {"city": "Québec"},
        SOLD,
        10,
    )
    assert receipts.seats == {("general", "in", AS_OF), (SHOW, "in", AS_OF)}
    assert (receipts.pushed.contacts_created, receipts.pushed.joins) == (1, 2)
    assert receipts.refused == {}


def test_a_refused_contact_is_not_acknowledged_and_the_others_are(sent: Send) -> None:
    receipts = sent(Shelf(refuses={ANNE: "bad address"}), change(ANNE), change(BOB))
    assert [each.email for each in receipts.accepted] == [BOB]
    assert receipts.refused == {ANNE: "bad address"}


def test_who_is_not_in_all_of_its_groups_is_refused_but_keeps_the_seats_it_got(sent: Send) -> None:
    shelf = Shelf(keeps_out={ANNE}, seats={(ANNE, 1)})
    receipts = sent(shelf, change(ANNE, "general", SHOW))
    assert receipts.accepted == ()
    assert list(receipts.refused) == [ANNE]
    assert receipts.seats == {("general", "in", AS_OF)}


def test_a_field_that_was_not_written_is_a_refusal(sent: Send) -> None:
    receipts = sent(Shelf(ignores={"city"}), change())
    assert receipts.refused == {ANNE: "the field city was not written"}


def test_a_better_consent_is_left_alone_and_fields_and_groups_are_written(sent: Send) -> None:
    shelf = Shelf(members={ANNE: member()}, consents={ANNE: Consent(True, "express-consent", None, None)})
    receipts = sent(shelf, change(ANNE, "general", SHOW))
    assert (shelf.batches, shelf.amended) == ([], [ANNE])
    assert receipts.accepted[0].consent_kept == "express-consent"
    assert shelf.seats == {(ANNE, 1), (ANNE, 2)}
    assert shelf.members[ANNE].values == {"city": "Québec"}


@pytest.mark.parametrize(
    ("theirs", "kept"),
    [
        (Consent(True, "", None, None), Kept("express-consent")),
        (Consent(False, "active-clients", date(2027, 2, 28), None, "Guichet"),
         Kept("active-clients", date(2027, 2, 28), date(2029, 2, 28), "Guichet")),
        (Consent(False, "prospects", date(2027, 1, 1), date(2030, 1, 1)),
         Kept("prospects", date(2027, 1, 1), date(2030, 1, 1))),
    ],
)  # fmt: skip
def test_what_was_kept_is_noted_with_its_day_its_end_and_its_proof(sent: Send, theirs: Consent, kept: Kept) -> None:
    receipts = sent(
        Shelf(members={ANNE: member()}, consents={ANNE: theirs}), change(ANNE, consent_date=date(2026, 3, 1))
    )
    assert receipts.accepted[0].kept == kept


def test_only_the_purchases_fields_that_are_there_are_cleared(sent: Send) -> None:
    shelf = Shelf(members={ANNE: member(sales_channel="Web", city="Lévis", phone="418")})
    sent(shelf, change(values={"city": "Québec"}))
    (person,) = shelf.batches[0].people
    assert person.clear == {"sales_channel"}
    assert shelf.members[ANNE].values == {"city": "Québec", "phone": "418"}


def test_the_language_is_sent_for_new_members_only(sent: Send) -> None:
    shelf = Shelf(members={BOB: member(BOB)})
    sent(shelf, change(ANNE), change(BOB))
    assert {person.email: person.language for batch in shelf.batches for person in batch.people} == {
        ANNE: "fr_ca",
        BOB: "",
    }


def test_every_row_of_every_batch_carries_the_consent(sent: Send) -> None:
    shelf = Shelf()
    sent(shelf, change(ANNE, "general", SHOW), change(BOB, "general"), change("c@exemple.ca", SHOW), size=2)
    people = [person for batch in shelf.batches for person in batch.people]
    assert {(person.consent_date, person.consent_proof) for person in people} == {(SOLD, "proof")}


def test_leaving_sends_no_batch_and_a_deleted_group_needs_no_request(sent: Send) -> None:
    shelf = Shelf(seats={(ANNE, 2)})
    receipts = sent(
        shelf, change(upsert=False, created=False, consent_date=None, joins=(), leaves=(SHOW, "show:id:GONE"))
    )
    assert (shelf.batches, shelf.seats) == ([], set())
    assert receipts.seats == {(SHOW, "out", AS_OF), ("show:id:GONE", "out", AS_OF)}
    assert receipts.pushed.leaves == 2


def test_where_nothing_can_be_read_back_what_was_written_counts(sent: Send) -> None:
    receipts = sent(Shelf(reads_back=False), change(ANNE, "general", SHOW))
    assert len(receipts.accepted) == 1
    assert len(receipts.seats) == 2


def test_whom_an_import_file_refuses_is_not_acknowledged(sent: Send) -> None:
    receipts = sent(Shelf(reads_back=False, refuses={ANNE: "like a formula"}), change(ANNE), change(BOB))
    assert [each.email for each in receipts.accepted] == [BOB]
    assert receipts.refused == {ANNE: "like a formula"}
    again = sent(
        Shelf(reads_back=False, refuses={ANNE: "like a formula"}), change(created=False, updated=True, joins=())
    )
    assert (again.accepted, again.refused) == ((), {ANNE: "like a formula"})


# Contacts that staff deleted


def known(email: str = ANNE, known_at: int = 10, consent: date | None = SOLD, **values: Value) -> Acknowledged:
    """What was acknowledged of somebody."""
    return Acknowledged(email, values, consent, "proof", "", known_at, SOLD)


@pytest.mark.parametrize(
    ("known_at", "reasons", "back"), [(10, (), False), (11, (), True), (10, ("sent again on request",), True)]
)
def test_who_was_deleted_comes_back_only_by_buying(known_at: int, reasons: tuple[str, ...], back: bool) -> None:
    outline = Outline(AS_OF)
    outline.note(Decided((change(known_at=known_at, reasons=reasons),), {}, (), {}), {ANNE: known()})
    assert list(outline.expected()) == [(ANNE, back)]


def test_who_was_never_sent_is_not_expected_on_the_platform() -> None:
    outline = Outline(AS_OF)
    outline.note(Decided((change(),), {}, (), {}), {})
    assert list(outline.expected()) == []


# In flight


def flight(*keys: str, consent: date | None = SOLD, **values: Value) -> Flight:
    """What was about to be sent for Anne."""
    return Flight(ANNE, values, consent, "proof", 20, keys, AS_OF)


def test_what_is_noted_before_sending_is_what_will_be_sent() -> None:
    planned = (change(ANNE, "general", SHOW), change(BOB, upsert=False, joins=(), leaves=(SHOW,)))
    assert [(each.email, each.values, each.consent_date, each.group_keys) for each in flights(planned, AS_OF)] == [
        (ANNE, {"city": "Québec"}, SOLD, ("general", SHOW)),
        (BOB, {}, None, (SHOW,)),
    ]


def landed(
    shelf: Shelf, made: Flight, before: Acknowledged | None = None, *seats: Membership
) -> tuple[list[Acknowledged], list[Membership]]:
    """What of a flight arrived."""
    acknowledged = {} if before is None else {ANNE: before}
    seen = Sighting(shelf)
    seen.look([ANNE])
    seen.look_in([ANNE], [GROUPS[key] for key in sorted(living([made], GROUPS))])
    return land([made], acknowledged, {ANNE: {seat.group_key: seat for seat in seats}}, GROUPS, seen)


def test_a_flight_that_arrived_is_acknowledged_with_its_consent() -> None:
    shelf = Shelf(members={ANNE: member(city="Québec")}, seats={(ANNE, 1), (ANNE, 2)})
    (arrived,), found = landed(shelf, flight("general", SHOW, city="Québec"))
    assert (arrived.consent_date, arrived.known_at, arrived.values) == (SOLD, 20, {"city": "Québec"})
    assert {(seat.group_key, seat.state) for seat in found} == {("general", "in"), (SHOW, "in")}


def test_a_flight_that_never_arrived_is_nothing() -> None:
    assert landed(Shelf(), flight("general", city="Québec")) == ([], [])


def test_a_flight_that_arrived_in_part_leaves_the_consent_as_it_was() -> None:
    shelf = Shelf(members={ANNE: member(city="Lévis")}, seats={(ANNE, 1)})
    (arrived,), found = landed(
        shelf, flight("general", SHOW, city="Québec"), known(known_at=5, consent=date(2026, 1, 1))
    )
    assert (arrived.consent_date, arrived.known_at, arrived.values) == (date(2026, 1, 1), 5, {"city": "Lévis"})
    assert [(seat.group_key, seat.state) for seat in found] == [("general", "in")]


def test_a_leave_that_arrived_is_noted() -> None:
    shelf = Shelf(members={ANNE: member()})
    _, found = landed(shelf, flight(SHOW, consent=None), known(), Membership(ANNE, SHOW, "in", SOLD))
    assert [(seat.group_key, seat.state) for seat in found] == [(SHOW, "out")]


def test_a_seat_that_is_known_already_keeps_the_day_on_which_it_was_given() -> None:
    shelf = Shelf(members={ANNE: member()}, seats={(ANNE, 2)})
    _, found = landed(shelf, flight(SHOW), known(), Membership(ANNE, SHOW, "in", SOLD))
    assert found == []


def test_an_import_folder_has_nothing_to_read_back() -> None:
    assert landed(Shelf(reads_back=False), flight("general")) == ([], [])
