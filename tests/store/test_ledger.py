"""The ledger on both databases: what is recorded, what counts, whom it touches, what is forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date, timedelta
from itertools import permutations

import pytest
from sqlalchemy import func, select

from pipeline.contact import Membership
from pipeline.schema import Reject
from pipeline.store import tables
from pipeline.store.acknowledged import State
from pipeline.store.database import Database
from pipeline.store.erasing import Eraser
from pipeline.store.ledger import Ledger, Slot, chunks

from .rows import FIRST, NOW, SECOND, STAMP, booking, cancellation, load

ANNE, BENOIT, CHLOE = "anne@exemple.test", "benoit@exemple.test", "chloe@exemple.test"
Open = Callable[..., AbstractContextManager[Ledger]]


@pytest.fixture
def ledger(database: Database) -> Open:
    """The account's ledger in a transaction of its own: `with ledger() as it`."""

    @contextmanager
    def opened(account: str = "demo") -> Iterator[Ledger]:
        with database.transaction() as connection:
            yield Ledger(connection, account)

    return opened


def count(database: Database, table: str) -> int:
    with database.transaction() as connection:
        return connection.execute(select(func.count()).select_from(tables.metadata.tables[table])).scalar_one()


def transactions(ledger: Open, email: str) -> list[tuple[object, object]]:
    with ledger() as it:
        return sorted((row["transaction_id"], row["tickets"]) for row in it.bookings_of(email))


# Recording


def test_a_load_is_recorded_with_its_buyers_marked(ledger: Open) -> None:
    with ledger() as it:
        receipt = it.record(load(FIRST, [booking("T1", ANNE), booking("T2", BENOIT)]), NOW)
    assert receipt.changed
    assert receipt.versions == (1,)
    with ledger() as it:
        assert it.marked() == {ANNE: False, BENOIT: False}
        assert it.recorded_days(FIRST) == {FIRST: 2}
        [row] = it.bookings_of(ANNE)
    assert row == {key: value for key, value in booking("T1", ANNE).items() if key not in {"file", "lines"}}


def test_the_same_load_again_changes_nothing_and_marks_nobody(ledger: Open) -> None:
    first = load(FIRST, [booking("T1", ANNE)])
    with ledger() as it:
        it.record(first, NOW)
        it.unmark([ANNE])
    with ledger() as it:
        again = it.record(first, NOW + timedelta(days=1))
        assert not again.changed
        assert again.versions == (1,)
        assert it.marked() == {}


def test_a_reissued_load_replaces_its_earlier_version_as_a_whole(ledger: Open, database: Database) -> None:
    with ledger() as it:
        it.record(load(FIRST, [booking("T1", ANNE), booking("T2", BENOIT)], rejects=[Reject(4, "no_email", ";")]), NOW)
        it.unmark([ANNE, BENOIT])
    with ledger() as it:
        receipt = it.record(load(FIRST, [booking("T2", BENOIT), booking("T3", CHLOE)]), NOW)
        assert receipt.changed
        assert receipt.versions == (2,)
        assert set(it.marked()) == {ANNE, BENOIT, CHLOE}, "the old version's contacts and the new one's"
    assert transactions(ledger, ANNE) == []
    assert transactions(ledger, CHLOE) == [("T3", 2)]
    assert count(database, "bookings") == 2
    assert count(database, "rejects") == 0
    assert count(database, "loads") == 1
    assert count(database, "files") == 2, "every version of a file is remembered"


def test_a_file_that_comes_back_to_its_first_content_is_a_third_version(ledger: Open) -> None:
    versions = [
        load(FIRST, [booking("T1", ANNE)]),
        load(FIRST, [booking("T2", ANNE)]),
        load(FIRST, [booking("T1", ANNE)]),
    ]
    with ledger() as it:
        assert [it.record(version, NOW).versions for version in versions] == [(1,), (2,), (3,)]
    assert transactions(ledger, ANNE) == [("T1", 2)]


def test_accounts_do_not_see_each_other(ledger: Open) -> None:
    with ledger() as it:
        it.record(load(FIRST, [booking("T1", ANNE)]), NOW)
    with ledger("autre") as it:
        it.record(load(FIRST, [booking("T1", BENOIT, tickets=9)]), NOW)
        assert set(it.marked()) == {BENOIT}
        assert it.bookings_of(ANNE) == []
        assert it.owners(["T1"])[0]["email"] == BENOIT
        eraser(it).purge(date(2027, 1, 1))
    assert transactions(ledger, ANNE) == [("T1", 2)]
    with ledger() as it:
        assert set(it.marked()) == {ANNE}


def test_more_rows_than_a_statement_takes_are_recorded_and_read(ledger: Open) -> None:
    rows = [booking(f"T{number}", f"a{number}@exemple.test") for number in range(5_050)]
    with ledger() as it:
        it.record(load(FIRST, rows, content="many"), NOW)
        assert len(it.marked()) == 5_050
        assert len(it.owners(row["transaction_id"] for row in rows)) == 5_050
        it.unmark([f"a{number}@exemple.test" for number in range(5_000)])
        assert len(it.marked()) == 50


def test_text_of_any_alphabet_comes_back_as_it_went_in(ledger: Open) -> None:
    odd = {
        "first_name": "Zoë 🎭",
        "last_name": 'L\'Écuyer "dit" Bóg; DROP TABLE',
        "city": "Trois\nRivières",
        "company": "100 %",
    }
    with ledger() as it:
        it.record(load(FIRST, [booking("T1", ANNE, **odd)]), NOW)
        [row] = it.bookings_of(ANNE)
    assert {key: row[key] for key in odd} == odd


# Which version of a booking counts


TELLERS = (
    (Slot("day", FIRST), 1),
    (Slot("backfill", SECOND, "Theatre_historique.csv"), 2),
    (Slot("day", SECOND), 3),
)


@pytest.mark.parametrize("order", list(permutations(TELLERS)), ids=lambda order: "-".join(str(n) for _, n in order))
def test_the_newest_business_date_wins_and_a_day_beats_a_backfill_in_any_order(
    ledger: Open, order: tuple[tuple[Slot, int], ...]
) -> None:
    for slot, tickets in order:
        with ledger() as it:
            it.record(load(slot, [booking("T1", ANNE, tickets=tickets)]), NOW)
    assert transactions(ledger, ANNE) == [("T1", 3)]


def test_of_two_backfills_of_one_date_the_later_recorded_wins(ledger: Open) -> None:
    for name, tickets in (("b.csv", 1), ("a.csv", 2)):
        with ledger() as it:
            it.record(load(Slot("backfill", FIRST, name), [booking("T1", ANNE, tickets=tickets)]), NOW)
    assert transactions(ledger, ANNE) == [("T1", 2)]


def test_when_the_winner_is_taken_back_the_version_below_it_counts_again(ledger: Open) -> None:
    with ledger() as it:
        it.record(load(FIRST, [booking("T1", ANNE, tickets=1)]), NOW)
        it.record(load(SECOND, [booking("T1", BENOIT, tickets=3)]), NOW)
        it.unmark([ANNE, BENOIT])
    assert transactions(ledger, ANNE) == []
    with ledger() as it:
        it.record(load(SECOND), NOW)
        assert set(it.marked()) == {ANNE, BENOIT}
    assert transactions(ledger, ANNE) == [("T1", 1)]
    assert transactions(ledger, BENOIT) == []


def test_a_cancellation_that_two_files_tell_counts_once_and_two_moments_count_twice(ledger: Open) -> None:
    with ledger() as it:
        it.record(load(FIRST, [booking("T1", ANNE)], [cancellation("T1", ANNE, "2026-03-01 12:00:00", tickets=1)]), NOW)
        it.record(
            load(
                SECOND,
                [],
                [
                    cancellation("T1", ANNE, "2026-03-01 12:00:00", tickets=2),
                    cancellation("T1", ANNE, "2026-03-02 12:00:00", tickets=1),
                ],
            ),
            NOW,
        )
        found = it.cancellations_for(ANNE)
    assert sorted((row["cancelled_on"], row["tickets"]) for row in found) == [("2026-03-01", 2), ("2026-03-02", 1)]


# Whom it touches


def test_a_cancellation_marks_the_buyer_of_its_transaction_whatever_address_it_carries(ledger: Open) -> None:
    with ledger() as it:
        it.record(load(FIRST, [booking("T1", ANNE)]), NOW)
        it.unmark([ANNE])
        it.record(load(SECOND, [], [cancellation("T1", CHLOE, "2026-03-02 09:00:00")]), NOW)
        assert set(it.marked()) == {ANNE, CHLOE}
        assert [row["email"] for row in it.cancellations_for(ANNE)] == [CHLOE]
        it.unmark([ANNE, CHLOE])
        it.record(load(SECOND, [], [cancellation("T1", None, "2026-03-02 10:00:00")]), NOW)
        assert set(it.marked()) == {ANNE, CHLOE}, "the one whom the earlier version named is looked at again"


def test_a_day_is_marked_to_be_sent_again_and_everybody_for_a_rebuild(ledger: Open, database: Database) -> None:
    with ledger() as it:
        it.record(load(FIRST, [booking("T1", ANNE)]), NOW)
        it.record(load(SECOND, [booking("T2", BENOIT)], [cancellation("T9", CHLOE, "2026-03-02 09:00:00")]), NOW)
        it.unmark([ANNE, BENOIT, CHLOE])
        it.mark_day(SECOND)
        assert it.marked() == {BENOIT: True, CHLOE: True}
        it.mark_all()
        assert it.marked() == {ANNE: False, BENOIT: True, CHLOE: True}, "a mark that is there stays as it is"


def test_a_day_that_cancels_is_a_day_of_the_buyer(ledger: Open) -> None:
    with ledger() as it:
        it.record(load(FIRST, [booking("T1", ANNE)]), NOW)
        it.record(load(SECOND, [], [cancellation("T1", None, "2026-03-02 09:00:00")]), NOW)
        it.unmark([ANNE])
        it.mark_day(SECOND)
        assert it.marked() == {ANNE: True}


def test_owners_are_those_of_the_current_versions(ledger: Open) -> None:
    with ledger() as it:
        it.record(load(FIRST, [booking("T1", ANNE)]), NOW)
        it.record(load(SECOND, [booking("T1", BENOIT)]), NOW)
        assert [row["email"] for row in it.owners(["T1", "T9"])] == [BENOIT]


def test_an_address_is_linked_to_the_others_of_its_contact_id(ledger: Open) -> None:
    with ledger() as it:
        rows = [booking("T1", ANNE, contact_id="C1"), booking("T2", BENOIT, contact_id="C1"), booking("T3", CHLOE)]
        nameless = [booking("T4", "d@exemple.test", contact_id=None), booking("T5", "e@exemple.test", contact_id=None)]
        it.record(load(FIRST, rows + nameless), NOW)
        assert it.linked([ANNE, CHLOE, "d@exemple.test"]) == {ANNE: {BENOIT}}


def test_a_cancellation_is_unmatched_until_its_booking_is_known(ledger: Open) -> None:
    with ledger() as it:
        first = it.record(load(FIRST, [], [cancellation("T1", ANNE, "2026-03-01 12:00:00")]), NOW)
        assert it.unmatched([first.load_id]) == 1
        it.record(load(SECOND, [booking("T9", ANNE, show="S2")]), NOW)
        assert it.unmatched([first.load_id]) == 1, "a booking of another show is no match"
        it.record(load(date(2026, 3, 3), [booking("T8", ANNE)]), NOW)
        assert it.unmatched([first.load_id]) == 0, "the address holds a booking for the show"
        it.record(load(date(2026, 3, 3), [booking("T1", BENOIT, show="S3")]), NOW)
        assert it.unmatched([first.load_id]) == 0, "the transaction is known"


def test_sources_name_the_file_and_the_lines_until_the_day_asked_about(ledger: Open) -> None:
    with ledger() as it:
        it.record(load(FIRST, [booking("T1", ANNE, lines="2,3")]), NOW)
        it.record(load(SECOND, [], [cancellation("T1", None, "2026-03-02 09:00:00")]), NOW)
        assert it.sources(ANNE, "2026-03-01") == [("Theatre_20260301.csv", "2,3", "bookings")]
        assert it.sources(ANNE, "2026-03-02") == [
            ("Theatre_20260301.csv", "2,3", "bookings"),
            ("Theatre_20260302.csv", "3", "cancellations"),
        ]


def test_the_coverage_is_the_first_date_and_the_last_backfill(ledger: Open) -> None:
    with ledger() as it:
        assert it.coverage() == (None, None)
        it.record(load(SECOND, [booking("T1", ANNE)]), NOW)
        assert it.coverage() == (SECOND, None)
        it.record(load(Slot("backfill", FIRST, "h.csv"), [booking("T0", ANNE)]), NOW)
        assert it.coverage() == (FIRST, FIRST)
        assert it.current_files(SECOND)[0][:2] == ("transactions", "Theatre_20260302.csv")
        assert it.current_files(FIRST) == [], "a backfill is no day"


# Retention


OLD, START = date(2024, 1, 5), date(2024, 1, 6)


def eraser(it: Ledger) -> Eraser:
    """An eraser within the same transaction."""
    return Eraser(it._db, it._account)


def test_a_purge_forgets_what_is_older_and_nothing_else(ledger: Open, database: Database) -> None:
    old_rows = [booking("T1", ANNE, "2024-01-05 10:00:00")]
    gone = [cancellation("T1", ANNE, "2024-01-05 12:00:00")]
    with ledger() as it:
        it.record(load(OLD, old_rows, gone, rejects=[Reject(9, "bad_date", "x")]), NOW)
        it.record(load(FIRST, [booking("T2", ANNE)], rejects=[Reject(8, "bad_date", "y")]), NOW)
        it.unmark([ANNE])
        assert eraser(it).purge(START) == 2
        assert eraser(it).purge(START) == 0
        assert it.marked() == {}, "a purge is no correction"
        assert it.cancellations_for(ANNE) == []
    assert transactions(ledger, ANNE) == [("T2", 2)]
    assert count(database, "rejects") == 1


def test_a_purge_forgets_the_bad_lines_of_an_old_backfill_too(ledger: Open, database: Database) -> None:
    with ledger() as it:
        it.record(load(Slot("backfill", OLD, "h.csv"), [], rejects=[Reject(9, "bad_date", "x")]), NOW)
        eraser(it).purge(START)
    assert count(database, "rejects") == 0


def test_a_purge_settles_the_seats_that_rested_on_what_it_takes(ledger: Open, database: Database) -> None:
    seats = ["general", "show:id:S1", "show:id:S2", "performance:id:S1-1"]
    with database.transaction() as connection:
        it, state = Ledger(connection, "demo"), State(connection, "demo")
        it.record(load(OLD, [booking("T1", ANNE, "2024-01-05 10:00:00")]), NOW)
        it.record(load(FIRST, [booking("T2", ANNE, show="S2")]), NOW)
        state.acknowledge([], [Membership(ANNE, key, "in", OLD) for key in seats], STAMP)
        state.acknowledge([], [Membership(BENOIT, "show:id:S1", "in", OLD)], STAMP)
        eraser(it).purge(START)
        found = {key: seat.settled for key, seat in state.memberships([ANNE])[ANNE].items()}
        assert found == {"general": False, "show:id:S1": True, "show:id:S2": False, "performance:id:S1-1": True}
        assert not state.memberships([BENOIT])[BENOIT]["show:id:S1"].settled


def test_a_purge_keeps_the_contact_ids_of_suppressed_people(database: Database) -> None:
    with database.transaction() as connection:
        it, state = Ledger(connection, "demo"), State(connection, "demo")
        state.suppress({ANNE: ("unsubscribed", OLD), BENOIT: ("bounced", OLD)}, OLD, STAMP)
        it.record(
            load(
                OLD,
                [
                    booking("T1", ANNE, "2024-01-05 10:00:00", contact_id="C1"),
                    booking("T2", ANNE, "2024-01-05 11:00:00", contact_id="C2"),
                    booking("T3", BENOIT, "2024-01-05 11:00:00", contact_id="C3"),
                    booking("T4", CHLOE, "2024-01-05 11:00:00", contact_id="C4"),
                ],
            ),
            NOW,
        )
        assert state.suppressed_contact_ids() == {}
        eraser(it).purge(START)
        assert state.suppressed_contact_ids() == {"C1": ANNE, "C2": ANNE}


def test_chunks_lose_and_repeat_nothing() -> None:
    assert [len(part) for part in chunks(range(1_601))] == [800, 800, 1]
    assert list(chunks([])) == []
