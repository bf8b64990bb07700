"""Operations -> platform -> receipts, against a platform that is a plain object."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import pytest

from pipeline.aftermath import land
from pipeline.contact import Acknowledged, Flight, Group, KnownGroup, Membership
from pipeline.plan import Change, Leave, Plan
from pipeline.platforms import Batch, Consent, Member, Outcome, Person, Value
from pipeline.push import Delivery, Receipts, Survey, flights, is_better, push, same, survey, vanished

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


def sent(shelf: Shelf, *changes: Change, size: int = 500) -> Receipts:
    """The receipts of these changes."""
    planned = Plan(AS_OF, changes)
    return push(planned, survey(planned, shelf, 24), Delivery(shelf, shelf.upsert, GROUPS, size, "fr_ca", 24))


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


def test_what_was_read_back_is_acknowledged() -> None:
    shelf = Shelf()
    receipts = sent(shelf, change(ANNE, "general", SHOW))
    (accepted,) = receipts.accepted
    assert (accepted.email, accepted.values, accepted.consent_date, accepted.known_at) == (
        ANNE,
        {"city": "Québec"},
        SOLD,
        10,
    )
    assert {(seat.group_key, seat.state, seat.given_on) for seat in receipts.seats} == {
        ("general", "in", AS_OF),
        (SHOW, "in", AS_OF),
    }
    assert (receipts.pushed.contacts_created, receipts.pushed.joins) == (1, 2)
    assert receipts.refused == {}


def test_a_refused_contact_is_not_acknowledged_and_the_others_are() -> None:
    receipts = sent(Shelf(refuses={ANNE: "bad address"}), change(ANNE), change(BOB))
    assert [each.email for each in receipts.accepted] == [BOB]
    assert receipts.refused == {ANNE: "bad address"}


def test_who_is_not_in_all_of_its_groups_is_refused_but_keeps_the_seats_it_got() -> None:
    shelf = Shelf(keeps_out={ANNE}, seats={(ANNE, 1)})
    receipts = sent(shelf, change(ANNE, "general", SHOW))
    assert receipts.accepted == ()
    assert list(receipts.refused) == [ANNE]
    assert [(seat.group_key, seat.state) for seat in receipts.seats] == [("general", "in")]


def test_a_field_that_was_not_written_is_a_refusal() -> None:
    receipts = sent(Shelf(ignores={"city"}), change())
    assert receipts.refused == {ANNE: "the field city was not written"}


def test_a_better_consent_is_left_alone_and_fields_and_groups_are_written() -> None:
    shelf = Shelf(members={ANNE: member()}, consents={ANNE: Consent(True, "express-consent", None, None)})
    receipts = sent(shelf, change(ANNE, "general", SHOW))
    assert (shelf.batches, shelf.amended) == ([], [ANNE])
    assert receipts.accepted[0].consent_kept == "express-consent"
    assert shelf.seats == {(ANNE, 1), (ANNE, 2)}
    assert shelf.members[ANNE].values == {"city": "Québec"}


def test_only_the_purchases_fields_that_are_there_are_cleared() -> None:
    shelf = Shelf(members={ANNE: member(sales_channel="Web", city="Lévis", phone="418")})
    sent(shelf, change(values={"city": "Québec"}))
    (person,) = shelf.batches[0].people
    assert person.clear == {"sales_channel"}
    assert shelf.members[ANNE].values == {"city": "Québec", "phone": "418"}


def test_the_language_is_sent_for_new_members_only() -> None:
    shelf = Shelf(members={BOB: member(BOB)})
    sent(shelf, change(ANNE), change(BOB))
    assert {person.email: person.language for batch in shelf.batches for person in batch.people} == {
        ANNE: "fr_ca",
        BOB: "",
    }


def test_every_row_of_every_batch_carries_the_consent() -> None:
    shelf = Shelf()
    sent(shelf, change(ANNE, "general", SHOW), change(BOB, "general"), change("c@exemple.ca", SHOW), size=2)
    people = [person for batch in shelf.batches for person in batch.people]
    assert {(person.consent_date, person.consent_proof) for person in people} == {(SOLD, "proof")}


def test_leaving_sends_no_batch_and_a_deleted_group_needs_no_request() -> None:
    shelf = Shelf(seats={(ANNE, 2)})
    receipts = sent(
        shelf, change(upsert=False, created=False, consent_date=None, joins=(), leaves=(SHOW, "show:id:GONE"))
    )
    assert (shelf.batches, shelf.seats) == ([], set())
    assert {(seat.group_key, seat.state) for seat in receipts.seats} == {(SHOW, "out"), ("show:id:GONE", "out")}
    assert receipts.pushed.leaves == 2


def test_where_nothing_can_be_read_back_what_was_written_counts() -> None:
    receipts = sent(Shelf(reads_back=False), change(ANNE, "general", SHOW))
    assert len(receipts.accepted) == 1
    assert len(receipts.seats) == 2


# Contacts that staff deleted


def known(email: str = ANNE, known_at: int = 10, consent: date | None = SOLD, **values: Value) -> Acknowledged:
    """What was acknowledged of somebody."""
    return Acknowledged(email, values, consent, "proof", "", known_at, SOLD)


@pytest.mark.parametrize(
    ("known_at", "reasons", "alone", "back"),
    [(10, (), {ANNE}, set()), (11, (), set(), {ANNE}), (10, ("sent again on request",), set(), {ANNE})],
)
def test_who_was_deleted_comes_back_only_by_buying(
    known_at: int, reasons: tuple[str, ...], alone: set[str], back: set[str]
) -> None:
    planned = Plan(AS_OF, (change(known_at=known_at, reasons=reasons),))
    assert vanished(planned, {ANNE: known()}, Survey({}, {}), Shelf()) == (alone, back)


def test_who_is_there_or_was_never_sent_has_not_vanished() -> None:
    planned = Plan(AS_OF, (change(),))
    assert vanished(planned, {ANNE: known()}, Survey({ANNE: member()}, {}), Shelf()) == (set(), set())
    assert vanished(planned, {}, Survey({}, {}), Shelf()) == (set(), set())


# In flight


def flight(*keys: str, consent: date | None = SOLD, **values: Value) -> Flight:
    """What was about to be sent for Anne."""
    return Flight(ANNE, values, consent, "proof", 20, keys, AS_OF)


def test_what_is_noted_before_sending_is_what_will_be_sent() -> None:
    planned = Plan(AS_OF, (change(ANNE, "general", SHOW), change(BOB, upsert=False, joins=(), leaves=(SHOW,))))
    assert [(each.email, each.values, each.consent_date, each.group_keys) for each in flights(planned)] == [
        (ANNE, {"city": "Québec"}, SOLD, ("general", SHOW)),
        (BOB, {}, None, (SHOW,)),
    ]


def landed(
    shelf: Shelf, made: Flight, before: Acknowledged | None = None, *seats: Membership
) -> tuple[list[Acknowledged], list[Membership]]:
    """What of a flight arrived."""
    acknowledged = {} if before is None else {ANNE: before}
    return land([made], acknowledged, {ANNE: {seat.group_key: seat for seat in seats}}, GROUPS, shelf)


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
