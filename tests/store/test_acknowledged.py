"""The acknowledged state on both databases: receipts, flights, groups, suppressed people; and the runs with their holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import date, timedelta

import pytest

from pipeline.contact import Acknowledged, Flight, KnownGroup, Membership, Suppression
from pipeline.store.acknowledged import State
from pipeline.store.database import Database
from pipeline.store.history import History, Hold

from .rows import FIRST, NOW, SECOND, STAMP

ANNE, BENOIT = "anne@exemple.test", "benoit@exemple.test"
VALUES = {"first_name": "Zoé", "tickets": 4, "net_amount": 160.05, "show_title": "L'Été « fou » 🎭"}
RECEIPT = Acknowledged(ANNE, VALUES, FIRST, "Le Songe 2026-04-01 T1", "", 1_772_359_200_000_000, SECOND)
Open = Callable[..., AbstractContextManager[State]]


@pytest.fixture
def state(database: Database) -> Open:
    """The account's acknowledged state in a transaction of its own: `with state() as it`."""

    @contextmanager
    def opened(account: str = "demo") -> Iterator[State]:
        with database.transaction() as connection:
            yield State(connection, account)

    return opened


def test_a_receipt_comes_back_as_it_was_noted(state: Open) -> None:
    seats = [Membership(ANNE, "general", "in", FIRST), Membership(ANNE, "show:id:S1", "out", SECOND)]
    with state() as it:
        it.acknowledge([RECEIPT], seats, STAMP)
    with state() as it:
        assert it.members([ANNE, BENOIT]) == {ANNE: RECEIPT}
        assert it.memberships([ANNE, BENOIT]) == {ANNE: {seat.group_key: seat for seat in seats}}
        assert it.count_memberships() == 1
    with state("autre") as it:
        assert it.all_members() == []
        assert it.count_memberships() == 0


def test_a_later_receipt_takes_the_place_of_the_earlier_one(state: Open) -> None:
    later = replace(RECEIPT, values={"first_name": "Anne"}, consent_date=None, consent_kept="express-consent")
    with state() as it:
        it.acknowledge([RECEIPT], [Membership(ANNE, "general", "in", FIRST)], STAMP)
        it.acknowledge([later], [Membership(ANNE, "general", "gone", SECOND, settled=True)], STAMP)
        assert it.all_members() == [later]
        assert it.memberships([ANNE])[ANNE]["general"] == Membership(ANNE, "general", "gone", SECOND, settled=True)


def test_more_contacts_than_a_statement_takes_are_read(state: Open) -> None:
    people = [replace(RECEIPT, email=f"a{number:04}@exemple.test") for number in range(1_700)]
    with state() as it:
        it.acknowledge(people, [], STAMP)
        assert len(it.members(person.email for person in people)) == 1_700
        assert it.all_members() == people
        it.forget_members(person.email for person in people[1:])
        assert it.all_members() == people[:1]


def test_what_is_in_flight_stays_so_until_it_lands(state: Open) -> None:
    flight = Flight(ANNE, VALUES, FIRST, "preuve", 7, ("general", "show:id:S1"), SECOND)
    empty = Flight(BENOIT, {}, None, "", 0, (), SECOND)
    with state() as it:
        it.depart([flight, empty])
        it.depart([replace(flight, known_at=8)])
    with state() as it:
        assert sorted(it.flights(), key=lambda found: found.email) == [replace(flight, known_at=8), empty]
        it.land([ANNE])
        assert it.flights() == [empty]


def test_who_was_deleted_by_staff_is_unknown_again(state: Open) -> None:
    with state() as it:
        it.acknowledge([RECEIPT], [Membership(ANNE, "general", "in", FIRST)], STAMP)
        it.forget_members([ANNE])
        assert it.all_members() == []
        assert it.memberships([ANNE]) == {}


def test_a_lost_group_takes_the_seats_in_it_along(state: Open) -> None:
    general = KnownGroup("general", 1001, "Clients Tuxedo", deleted=False)
    show = KnownGroup("show:id:S1", 1002, "Le Songe", deleted=False)
    with state() as it:
        for group in (general, show):
            it.know_group(group)
        seats = [Membership(ANNE, "general", "in", FIRST), Membership(ANNE, "show:id:S1", "in", FIRST)]
        it.acknowledge([], [*seats, Membership(BENOIT, "show:id:S1", "out", FIRST)], STAMP)
        it.lose_groups(["show:id:S1"])
        assert it.groups() == {"general": general, "show:id:S1": replace(show, deleted=True)}
        assert {key: seat.state for key, seat in it.memberships([ANNE])[ANNE].items()} == {
            "general": "in",
            "show:id:S1": "gone",
        }
        assert it.memberships([BENOIT])[BENOIT]["show:id:S1"].state == "out"
        it.know_group(replace(show, platform_id=2001))
        assert it.groups()["show:id:S1"] == replace(show, platform_id=2001)


def test_who_is_suppressed_stays_so_and_unsubscribed_outweighs_bounced(state: Open) -> None:
    with state() as it:
        assert it.suppress({ANNE: ("unsubscribed", FIRST), BENOIT: ("bounced", None)}, SECOND, STAMP) == 2
        assert (
            it.suppress({ANNE: ("bounced", SECOND), BENOIT: ("unsubscribed", SECOND)}, SECOND + timedelta(1), STAMP)
            == 0
        )
        assert it.suppress({}, SECOND, STAMP) == 0
    with state() as it:
        assert it.suppressions() == {
            ANNE: Suppression(ANNE, "unsubscribed", FIRST, SECOND),
            BENOIT: Suppression(BENOIT, "unsubscribed", SECOND, SECOND),
        }


# Runs and holds


def test_a_run_is_remembered_from_its_beginning_to_its_end(database: Database) -> None:
    with database.transaction() as connection:
        history = History(connection, "demo")
        history.begin("r1", "run", (FIRST, SECOND), NOW)
        [running] = history.last(5)
        assert (running.status, running.finished_at) == ("running", None)
        history.finish("r1", "done", "", {"pushed": {"joins": 2}}, NOW + timedelta(seconds=9))
        [done] = history.last(5)
        assert (done.status, done.date, done.as_of, done.summary) == ("done", FIRST, SECOND, {"pushed": {"joins": 2}})
        assert History(connection, "autre").last(5) == []


def test_a_run_that_was_killed_is_told_as_failed_once_the_next_begins(database: Database) -> None:
    with database.transaction() as connection:
        history = History(connection, "demo")
        History(connection, "autre").begin("other", "run", (FIRST, SECOND), NOW)
        history.begin("r1", "run", (FIRST, SECOND), NOW)
        history.begin("r2", "run", (FIRST, SECOND), NOW + timedelta(hours=1))
        assert [(run.id, run.status) for run in history.last(5)] == [("r2", "running"), ("r1", "failed")]
        assert "ended before it was done" in history.last(5)[1].message
        assert History(connection, "autre").last(5)[0].status == "running"


@pytest.mark.parametrize(
    ("ends", "success"),
    [
        (["done", "failed"], "r0"),
        (["partial", "held", "missing"], "r0"),
        (["done", "done"], "r1"),
        (["failed"], None),
        ([], None),
    ],
)
def test_the_last_success_is_the_last_run_that_reached_the_platform(
    database: Database, ends: list[str], success: str | None
) -> None:
    with database.transaction() as connection:
        history = History(connection, "demo")
        for number, status in enumerate(ends):
            history.begin(f"r{number}", "run", (FIRST, SECOND), NOW + timedelta(hours=number))
            history.finish(f"r{number}", status, "", {}, NOW + timedelta(hours=number, minutes=1))
        found = history.last_success()
        assert (None if found is None else found.id) == success


def test_what_is_held_stays_open_until_it_is_closed(database: Database) -> None:
    leaves = Hold("r1", "leaves", FIRST, SECOND, 60, "f" * 64, {"leaves": [[ANNE, "show:id:S1"]]})
    volume = Hold(
        "r2", "volume", date(2026, 3, 3), date(2026, 3, 4), 900, "e" * 64, {"slot": ["day", "2026-03-03", ""]}
    )
    with database.transaction() as connection:
        history = History(connection, "demo")
        history.hold(volume)
        history.hold(leaves)
    with database.transaction() as connection:
        history = History(connection, "demo")
        assert (found := history.open_holds()) == [leaves, volume]
        assert History(connection, "autre").open_holds() == []
        history.close_hold(found[0], "approved")
        assert history.open_holds() == [volume]
        assert history.held_by("r1") == [replace(leaves, state="approved")]
