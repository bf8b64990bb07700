"""The database itself, on both kinds: migrations, rehearsals, errors, locks; and an SQLite file's own manners."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from pathlib import Path
from threading import Barrier, Thread

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

import pipeline.store
from pipeline.contact import KnownGroup
from pipeline.errors import Busy, PlacierError, StateError
from pipeline.store.acknowledged import State
from pipeline.store.database import HEAD, Database, open_database
from pipeline.store.history import History
from pipeline.store.ledger import Ledger
from pipeline.store.tables import marks, metadata

from .rows import FIRST, NOW, booking, load

ANNE = "anne@exemple.test"
ONE, TWO = "Le Songe", "L'Été"


def note(database: Database, title: str) -> None:
    """Something to be kept."""
    with database.transaction() as connection:
        State(connection, "demo").know_group(group(title))


def noted(database: Database) -> set[str]:
    """What was kept."""
    with database.transaction() as connection:
        return set(State(connection, "demo").groups())


def group(title: str) -> KnownGroup:
    return KnownGroup(title, 1001, title, deleted=False)


# Migrations


def test_the_migrations_give_exactly_the_tables_of_the_program(database: Database, engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_the_program_knows_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(pipeline.store.__path__[0]) / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_opening_again_keeps_what_is_there(state_url: str) -> None:
    for email in (ONE, TWO):
        database = open_database(state_url)
        note(database, email)
        database.close()
    database = open_database(state_url)
    assert noted(database) == {ONE, TWO}
    database.close()


def test_a_state_of_a_newer_program_is_refused(database: Database, engine: Engine, state_url: str) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StateError, match="newer version"):
        open_database(state_url)


OPEN = "import sys; from pipeline.store.database import open_database; open_database(sys.argv[1]).close()"


def test_programs_that_start_together_make_the_tables_once(state_url: str, engine: Engine) -> None:
    starting = [subprocess.Popen([sys.executable, "-c", OPEN, state_url], stderr=subprocess.PIPE) for _ in range(3)]
    told = [process.communicate(timeout=120)[1].decode() for process in starting]
    assert [process.returncode for process in starting] == [0, 0, 0], told
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [HEAD]


# Rehearsals


def test_a_rehearsal_leaves_no_trace_of_the_transactions_inside(database: Database) -> None:
    note(database, ONE)
    with database.rehearsal():
        note(database, TWO)
        with database.transaction() as connection:
            Ledger(connection, "demo").record(load(FIRST, [booking("T1", ANNE)]), NOW)
        assert noted(database) == {ONE, TWO}
    assert noted(database) == {ONE}
    with database.transaction() as connection:
        assert Ledger(connection, "demo").recorded_days(FIRST) == {}
    note(database, TWO)
    assert noted(database) == {ONE, TWO}, "after a rehearsal, things are kept again"


def test_in_a_rehearsal_a_failed_transaction_undoes_itself_alone(database: Database) -> None:
    with database.rehearsal():
        note(database, ONE)
        with pytest.raises(StateError), database.transaction() as connection:
            State(connection, "demo").know_group(group(TWO))
            connection.execute(text("SELECT * FROM nothing_of_that_name"))
        assert noted(database) == {ONE}
    assert noted(database) == set()


def test_a_rehearsal_that_fails_leaves_no_trace_either(database: Database) -> None:
    with pytest.raises(Busy), database.rehearsal():
        note(database, ONE)
        raise Busy("stop")
    assert noted(database) == set()


def test_a_rehearsal_holds_nobody_up_and_sees_nobody_come(database: Database, state_url: str) -> None:
    other = open_database(state_url)
    with database.rehearsal():
        note(database, ONE)
        start = time.monotonic()
        note(other, TWO)
        assert time.monotonic() - start < 5
        assert noted(other) == {TWO}
    assert noted(database) == {TWO}
    with other.transaction() as connection:
        State(connection, "demo").know_group(group(ONE))
        with database.rehearsal():
            assert noted(database) == {TWO}, "what is not committed is not there"
    other.close()


def test_a_transaction_that_fails_is_undone(database: Database) -> None:
    with pytest.raises(Busy), database.transaction() as connection:
        State(connection, "demo").know_group(group(ONE))
        raise Busy("stop")
    assert noted(database) == set()


# Errors


def test_an_error_of_the_database_tells_neither_statement_nor_values(database: Database) -> None:
    with pytest.raises(StateError) as told, database.transaction() as connection:
        for _ in range(2):
            connection.execute(marks.insert(), {"account": "demo", "email": ANNE, "resend": False})
    words = f"{told.value.message} {told.value.remedy}"
    assert ANNE not in words
    assert "INSERT" not in words
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://placier:tres-secret@127.0.0.1:1/placier",
        "postgresql+psycopg://placier:tres-secret@/placier?host=/nulle/part",
    ],
)
def test_a_server_that_is_not_there_is_told_without_the_password(url: str) -> None:
    with pytest.raises(StateError, match="cannot be used") as told:
        open_database(url)
    assert "tres-secret" not in f"{told.value.message} {told.value.remedy}"


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    path = tmp_path / "placier.db"
    path.write_bytes(b"courriel;nom\n" * 1000)
    with pytest.raises(StateError, match=r"placier\.db cannot be used \(file is not a database\)"):
        open_database(f"sqlite:///{path}")


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "var").touch()
    with pytest.raises(StateError, match="cannot be made"):
        open_database(f"sqlite:///{tmp_path}/var/placier.db")
    database = open_database(f"sqlite:///{tmp_path}/other.db")
    with pytest.raises(StateError, match="lock .* cannot be made"), database.lock("demo", tmp_path / "var" / "locks"):
        pass
    database.close()


# Locks


def test_a_second_run_of_an_account_is_told_at_once_that_it_is_busy(state_url: str, tmp_path: Path) -> None:
    first, second = open_database(state_url), open_database(state_url)
    with first.lock("demo", tmp_path):
        start = time.monotonic()
        with pytest.raises(Busy, match="another run of the account demo"), second.lock("demo", tmp_path):
            pass
        assert time.monotonic() - start < 2
        with second.lock("autre", tmp_path):
            note(second, ONE)
    with second.lock("demo", tmp_path):
        pass
    first.close()
    second.close()


def test_the_lock_is_given_back_after_an_error(database: Database, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(StateError), database.lock("demo", tmp_path):
            raise StateError("stop")


HOLD = """
import sys, time
from pathlib import Path
from pipeline.store.database import open_database
database = open_database(sys.argv[1])
with database.lock("demo", Path(sys.argv[2])), database.transaction() as connection:
    connection.exec_driver_sql("UPDATE groups SET title = 'half'")
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_killed_run_leaves_neither_a_lock_nor_half_a_transaction(
    database: Database, state_url: str, tmp_path: Path
) -> None:
    note(database, ONE)
    holder = subprocess.Popen([sys.executable, "-c", HOLD, state_url, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Busy), database.lock("demo", tmp_path):
            pass
    finally:
        os.kill(holder.pid, signal.SIGKILL)
        holder.communicate()
    assert locked_within(database, tmp_path, seconds=10)
    with database.transaction() as connection:
        assert State(connection, "demo").groups() == {ONE: group(ONE)}


def locked_within(database: Database, folder: Path, seconds: float) -> bool:
    """Whether the lock is to be had; a server takes a moment to see that its client died."""
    end = time.monotonic() + seconds
    while True:
        try:
            with database.lock("demo", folder):
                return True
        except PlacierError:
            if time.monotonic() > end:
                return False
            time.sleep(0.05)


# The manners of PostgreSQL


def test_postgresql_sorts_and_looks_up_texts_by_their_code_points(postgres_url: str) -> None:
    """Whatever the language of the database: people are walked through in the order in which Python sorts them."""
    database = open_database(postgres_url)
    asked = (
        "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'"
        " AND column_name IN ('account', 'email', 'transaction_id', 'contact_id', 'show_key', 'group_key', 'booked_on')"
    )
    with database.transaction() as connection:
        every = set(connection.execute(text(asked)).scalars())
        sorted_so = set(connection.execute(text(f"{asked} AND collation_name = 'C'")).scalars())
    database.close()
    assert {"bookings.email", "bookings.transaction_id", "marks.email", "memberships.group_key"} < every
    assert sorted_so == every


def test_postgresql_is_told_that_all_rows_are_wanted(postgres_url: str) -> None:
    database = open_database(postgres_url)
    with database.transaction() as connection:
        assert connection.execute(text("SHOW cursor_tuple_fraction")).scalar() == "1"
    database.close()


# The manners of an SQLite file


def test_an_sqlite_file_is_tuned_for_a_night_and_its_readers(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    with database.transaction() as connection:
        told = {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "secure_delete")}
        assert told == {"journal_mode": "wal", "secure_delete": 1}
        assert connection.execute(text("PRAGMA busy_timeout")).scalar() == 60_000
        assert connection.execute(text("PRAGMA cache_size")).scalar() == -16_384
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2, "a commit outlives a power cut"
    database.close()


def test_an_sqlite_file_is_its_owners_alone(sqlite_url: str) -> None:
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    before = os.umask(0)
    try:
        database = open_database(sqlite_url)
        with database.transaction() as connection, database.lock("demo", path.parent / "locks"):
            State(connection, "demo").know_group(group(ONE))
            modes = {found.name: stat.S_IMODE(found.stat().st_mode) for found in path.parent.rglob("*")}
    finally:
        os.umask(before)
    database.close()
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert modes == {
        "placier.db": 0o600,
        "placier.db-wal": 0o600,
        "placier.db-shm": 0o600,
        "locks": 0o700,
        "demo.lock": 0o600,
    }


def test_a_state_that_is_only_imagined_is_not_made(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path}/var/placier.db", create=False)
    note(database, ONE)
    with database.rehearsal():
        note(database, TWO)
    assert noted(database) == {ONE}
    database.close()
    assert list(tmp_path.iterdir()) == []


def test_readers_of_an_sqlite_file_are_not_held_up_by_a_writer(sqlite_url: str) -> None:
    database = open_database(sqlite_url)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    with database.transaction() as connection:
        State(connection, "demo").know_group(group(ONE))
        assert other.execute("SELECT count(*) FROM groups").fetchone() == (0,)
    assert other.execute("SELECT count(*) FROM groups").fetchone() == (1,)
    other.close()
    database.close()


def test_a_rehearsal_on_sqlite_does_not_hold_up_a_night(sqlite_url: str) -> None:
    rehearsing, at_night = open_database(sqlite_url), open_database(sqlite_url)
    with rehearsing.rehearsal():
        note(rehearsing, ONE)
        note(at_night, TWO)
        assert noted(rehearsing) == {ONE}
    assert noted(rehearsing) == noted(at_night) == {TWO}
    rehearsing.close()
    at_night.close()


def test_who_only_reads_keeps_no_writer_waiting_and_sees_one_moment(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/placier.db"
    reader, writer = open_database(url, patience=0.1), open_database(url, patience=0.1)
    with reader.transaction(reading=True) as connection:
        state = State(connection, "demo")
        assert state.groups() == {}
        note(writer, ONE)
        assert state.groups() == {}
    assert noted(reader) == {ONE}
    with reader.transaction(), pytest.raises(StateError, match="cannot be used"):
        note(writer, TWO)
    reader.close()
    writer.close()


def test_threads_may_open_states_that_do_not_exist_yet_all_at_once(tmp_path):
    ready, told = Barrier(4), []

    def opened(number):
        ready.wait()
        database = open_database(f"sqlite:///{tmp_path / str(number)}.db", create=False)
        with database.transaction() as connection:
            told.append(History(connection, "demo").last(1))
        database.close()

    threads = [Thread(target=opened, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [[], [], [], []]
