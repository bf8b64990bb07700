"""Many rows at once: whichever way they go, the same rows arrive, all of them or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from ledgers import Rows, ledger_of
from sqlalchemy import Engine, inspect, text

from pipeline.errors import StateError
from pipeline.merge import Part
from pipeline.schema import Reject, Row
from pipeline.store import bulk
from pipeline.store.database import Database, open_database
from pipeline.store.ledger import Ledger, Load
from pipeline.store.tables import bookings

from .rows import FIRST, NOW, SECOND, booking, cancellation, load

ANNE, BENOIT = "anne@exemple.ca", "benoit@exemple.ca"
ODD = ["", "NULL", "\\N", "\\.", '"', "a;b,c\td", "l'Été", "ligne\nligne\r\n", "🎭", "  ", "%s?:x", "0", None]


def many(of: Load, desk: Path) -> Load:
    """The load, said to be of so many lines that it goes by columns; its texts are dictionaries, in several parts."""

    def coded(table: pa.Table) -> pa.Table:
        columns = [c.dictionary_encode() if pa.types.is_string(c.type) else c for c in table.columns]
        return pa.table(columns, names=table.column_names)

    def slices() -> list[Part]:
        (part,) = of.entries.parts()
        two = [
            Part(part.bookings.slice(0, 2), part.cancellations),
            Part(part.bookings.slice(2), part.cancellations[:0]),
        ]
        return [Part(coded(each.bookings), coded(each.cancellations)) for each in two]

    files = tuple(replace(file, accepted=bulk.MANY) for file in of.files)
    return replace(of, files=files, entries=replace(of.entries, parts=lambda: iter(slices()), desk=desk))


def history() -> list[Load]:
    """A day with odd texts, its correction, and another day that cancels."""
    rows: list[Row] = [
        booking(f"T{n}", f"p{n}@exemple.ca", city=text, price_category=text, tickets=n - 3, net_cents=10**13 + n)
        for n, text in enumerate(ODD)
    ]
    return [
        load(FIRST, rows, rejects=[Reject(9, "bad_date", 'a;"b"\n')]),
        load(FIRST, [booking("T1", ANNE, city=None), booking("T2", BENOIT, city="Québec")]),
        load(SECOND, [booking("T2", ANNE)], [cancellation("T1", None, "2026-03-02 09:00:00")]),
    ]


def recorded(database: Database, loads: Sequence[Load]) -> list[Rows]:
    """The ledger after each of these loads (but for how many lines their files are said to hold)."""
    found = []
    for each in loads:
        with database.transaction() as connection:
            ledger = Ledger(connection, "demo")
            assert ledger.record(each, NOW).changed
            marked = [(email,) for email in sorted(ledger.marked())]
            found.append({**ledger_of(connection), "files": [], "loads": [], "marked": marked})
    return found


def indexes(engine: Engine) -> set[str | None]:
    return {index["name"] for index in inspect(engine).get_indexes("bookings")}


def test_every_way_records_the_same_rows(database: Database, engine: Engine, tmp_path: Path) -> None:
    one_by_one = open_database(f"sqlite:///{tmp_path}/other.db")
    expected = recorded(one_by_one, history())
    one_by_one.close()
    assert recorded(database, [many(each, tmp_path) for each in history()]) == expected
    assert [len(each["bookings"]) for each in expected] == [len(ODD), 2, 3]
    assert indexes(engine) == {index.name for index in bookings.indexes}


def test_many_rows_are_sorted_in_a_small_cache(sqlite_url: str, tmp_path: Path) -> None:
    database = open_database(sqlite_url)
    with database.transaction() as connection:
        Ledger(connection, "demo").record(many(history()[0], tmp_path), NOW)
        assert connection.execute(text("PRAGMA cache_size")).scalar() == -2_000
    database.close()


def test_postgresql_knows_of_many_rows_before_it_is_asked_about_them(postgres_url: str, tmp_path: Path) -> None:
    database = open_database(postgres_url)
    with database.transaction() as connection:
        Ledger(connection, "demo").record(many(history()[0], tmp_path), NOW)
        known = "SELECT attname FROM pg_stats WHERE tablename = 'bookings'"
        assert {"email", "transaction_id", "contact_id", "load_id"} <= set(connection.execute(text(known)).scalars())
    database.close()


def test_on_postgresql_a_long_history_does_not_wait_for_that_of_another_account(
    postgres_url: str, tmp_path: Path
) -> None:
    """Who has had the rows looked at keeps others from looking until the end, which a dry run's is late."""
    one, other = open_database(postgres_url), open_database(postgres_url, patience=0.5)
    with one.transaction() as connection:
        Ledger(connection, "first").record(history()[2], NOW)  # both tables have rows
    with one.transaction() as connection, other.transaction() as beside:
        Ledger(connection, "demo").record(many(history()[0], tmp_path), NOW)
        Ledger(beside, "other").record(many(history()[0], tmp_path), NOW)
    one.close()
    other.close()


def test_several_loads_of_one_transaction_all_arrive(database: Database, tmp_path: Path) -> None:
    days = [FIRST.replace(day=n) for n in range(1, 12)]  # more than SQLite attaches files
    with database.transaction() as connection:
        ledger = Ledger(connection, "demo")
        for day in days:
            ledger.record(many(load(day, [booking(f"T{day.day}", ANNE)]), tmp_path), NOW)
        assert len(ledger.bookings_of(ANNE)) == len(days)
    with database.transaction() as connection:
        assert len(Ledger(connection, "demo").bookings_of(ANNE)) == len(days)


def test_a_recording_that_breaks_off_leaves_nothing_and_takes_no_index_away(
    database: Database, engine: Engine, tmp_path: Path
) -> None:
    with pytest.raises(ZeroDivisionError), database.transaction() as connection:
        Ledger(connection, "demo").record(many(history()[0], tmp_path), NOW)
        raise ZeroDivisionError
    with database.transaction() as connection:
        assert not any(ledger_of(connection).values())
    assert indexes(engine) == {index.name for index in bookings.indexes}
    assert recorded(database, [many(history()[1], tmp_path)])[0]["bookings"]


def test_an_account_that_comes_second_keeps_the_rows_of_the_first(database: Database, tmp_path: Path) -> None:
    for account in ("demo", "quai"):
        with database.transaction() as connection:
            Ledger(connection, account).record(many(history()[0], tmp_path), NOW)
    with database.transaction() as connection:
        assert len(ledger_of(connection)["bookings"]) == 2 * len(ODD)
        assert sorted(Ledger(connection, "demo").marked()) == sorted(Ledger(connection, "quai").marked())


def test_a_folder_that_takes_no_rows_is_told_and_nothing_is_recorded(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/placier.db")
    with pytest.raises(StateError, match="cannot be used") as caught, database.transaction() as connection:
        Ledger(connection, "demo").record(many(history()[0], tmp_path / "gone"), NOW)
    assert "exemple" not in str(caught.value)
    with database.transaction() as connection:
        assert not any(ledger_of(connection).values())
    database.close()
