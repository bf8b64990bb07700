"""The state under a run that goes wrong: its disks full or read-only, its database in use, damaged or gone astray."""

from __future__ import annotations

import gzip
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from program import clean_environment
from world import World

from pipeline.sandbox.switches import Fault

from . import page
from .conftest import ANNE, BENOIT, Judge
from .disk import disk, only_root
from .nights import CHLOE, NIGHT, begun, bought, finished, impatient, struck

FOLDERS = {
    "database": "state",
    "locks": "var/locks",
    "desk": "var/work",
    "archive": "var/archive",
    "page": "var/reports",
}


def database(world: World) -> Path:
    return world.root / "state" / "placier.db"


# Disks


@pytest.mark.parametrize("place", ["database", "desk", "archive", "page"])
def test_a_full_disk(place: str, world: World, as_told: Judge) -> None:
    only_root()
    with disk(world.root / FOLDERS[place]) as small:
        begun(world)
        world.day("2026-03-02", bought(100))
        small.fill()
        answer = world.night(NIGHT)
        as_told(answer)
        assert (place == "page") == (CHLOE in world.content())
        assert ("page not written" in answer.err) == (place == "page")
        small.empty()
        finished(world, frozenset({ANNE, BENOIT, *(line["courriel"] for line in bought(100))}))


@pytest.mark.parametrize("place", list(FOLDERS))
def test_a_folder_that_cannot_be_written(place: str, world: World, as_told: Judge) -> None:
    with disk(world.root / FOLDERS[place]) as small:
        begun(world)
        with small.read_only():
            answer = world.night(NIGHT)
            as_told(answer)
            assert (place == "page") == (CHLOE in world.content())
        finished(world)


def test_a_first_night_without_a_folder_for_its_state(world: World, as_told: Judge) -> None:
    world.state_url = "sqlite:///state/placier.db"
    world.write_config()
    world.day("2026-03-02", bought())
    with disk(database(world).parent) as small:
        with small.read_only():
            as_told(world.night(NIGHT))
            assert world.content() == {}
        assert world.night(NIGHT).code == 0
        assert set(world.content()) == {CHLOE}


def test_a_disk_that_fills_up_while_a_day_is_recorded(world: World, as_told: Judge) -> None:
    only_root()
    with disk(database(world).parent) as small:
        begun(world)
        world.day("2026-03-02", bought(200))
        small.fill(leave=100_000)
        as_told(world.night(NIGHT))
        assert set(world.content()) == {ANNE, BENOIT}
        small.empty()
        finished(world, frozenset({ANNE, BENOIT, *(line["courriel"] for line in bought(200))}))


def test_a_disk_that_fills_up_while_contacts_are_sent(world: World, as_told: Judge) -> None:
    only_root()
    with disk(database(world).parent) as small:
        begun(world)
        with struck(world, Fault("hang_after", "POST", "/batches", seconds=1.0), small.fill):
            as_told(world.night(NIGHT))
        assert CHLOE in world.content()
        small.empty()
        finished(world)


# The database


@contextmanager
def in_use(path: Path) -> Iterator[None]:
    """Another program is writing to the database."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_a_database_in_use(world: World, as_told: Judge) -> None:
    begun(world)
    impatient(world)
    with in_use(database(world)):
        as_told(world.night(NIGHT))
    assert world.control.writes() == 0
    finished(world)


def test_a_database_that_is_used_while_contacts_are_sent(world: World, as_told: Judge) -> None:
    begun(world)
    impatient(world)
    with closing(sqlite3.connect(database(world), isolation_level=None, check_same_thread=False)) as other:
        with struck(
            world, Fault("hang_after", "POST", "/batches", seconds=1.0), lambda: other.execute("BEGIN IMMEDIATE")
        ):
            as_told(world.night(NIGHT))
    assert CHLOE in world.content()
    finished(world)


def test_a_database_that_is_in_use_for_a_moment(world: World, as_told: Judge) -> None:
    begun(world)
    with closing(sqlite3.connect(database(world), isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        end = threading.Timer(0.5, lambda: other.execute("ROLLBACK"))
        end.start()
        as_told(world.night(NIGHT))
        end.join()
    finished(world)


@pytest.mark.parametrize("damage", ["no database", "damaged", "newer"])
def test_a_database_that_is_none_of_ours(damage: str, world: World, as_told: Judge) -> None:
    begun(world)
    path = database(world)
    kept = world.root / "kept.db"
    shutil.copy(path, kept)
    if damage == "newer":
        with closing(sqlite3.connect(path)) as other, other:
            other.execute("UPDATE alembic_version SET version_num = '9999'")
    elif damage == "damaged":
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (path.stat().st_size - 4096))
    else:
        path.write_text("courriel;nom\n" * 1000)
    as_told(world.night(NIGHT))
    assert world.control.writes() == 0
    shutil.copy(kept, path)
    finished(world)


# The archive


@pytest.mark.parametrize("damage", ["another", "gone"])
def test_an_archived_file(damage: str, world: World, as_told: Judge) -> None:
    begun(world)
    [file, *_] = (world.root / "var" / "archive").rglob("*.gz")
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(gzip.compress(b"autre chose"))
    as_told(world.placier("replay", "demo", "2026-03-01", "--as-of", NIGHT))
    assert world.placier("replay", "demo", "2026-03-01", "--refetch", "--as-of", NIGHT).code == 0
    assert world.placier("replay", "demo", "2026-03-01", "--as-of", NIGHT).code == 0
    assert world.control.writes() == 0
    finished(world)


# Where it speaks


def test_a_log_that_cannot_be_written_fails_no_night(world: World) -> None:
    begun(world)
    done = spoken("run", "demo", "--as-of", NIGHT, "--log-format", "json", world=world, full="stderr")
    assert done.returncode == 0
    assert CHLOE in world.content()


def test_an_answer_that_cannot_be_written_is_told(world: World) -> None:
    done = spoken("status", "--json", world=world, full="stdout")
    assert done.returncode == 1
    assert page.row("test_state_faults.py::test_an_answer_that_cannot_be_written_is_told").says(
        done.stderr.removeprefix("placier: ")
    )
    assert "Traceback" not in done.stderr


def spoken(*words: str, world: World, full: str) -> subprocess.CompletedProcess[str]:
    """The program as cron runs it, with a full disk behind one of its two outputs."""
    command = [sys.executable, "-m", "pipeline", *words, "--config", str(world.config)]
    with Path("/dev/full").open("w") as nowhere:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, full: nowhere}
        return subprocess.run(command, **streams, text=True, env=clean_environment(), timeout=120, check=False)
