"""What a run has at hand is its own, and is gone when it ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from program import killed
from world import World, buy

from pipeline.desk import own_desk
from pipeline.errors import StateError
from pipeline.sandbox.switches import Fault

ANNE = "anne@exemple.test"


@pytest.fixture
def desks(tmp_path: Path) -> Path:
    return tmp_path / "var" / "work"


def files(folder: Path) -> list[Path]:
    """Every file below a folder."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_desk_is_private_and_gone_at_the_end(desks: Path) -> None:
    before = os.umask(0)
    try:
        with own_desk(desks) as desk:
            (desk / "jour.csv").write_text("courriel")
            assert {stat.S_IMODE(folder.stat().st_mode) for folder in (desk, desks, desks.parent)} == {0o700}
    finally:
        os.umask(before)
    assert list(desks.iterdir()) == []


def test_two_at_work_keep_what_each_has_at_hand(desks: Path) -> None:
    with own_desk(desks) as one, own_desk(desks, leave_no_trace=True) as other:
        (one / "jour.csv").write_text("un")
        (other / "jour.csv").write_text("deux")
        with own_desk(desks) as third:
            assert len({one, other, third}) == 3
        assert [(desk / "jour.csv").read_text() for desk in (one, other)] == ["un", "deux"]
    assert list(desks.iterdir()) == []


def test_a_rehearsal_before_the_first_night_leaves_no_folder(desks: Path) -> None:
    with own_desk(desks, leave_no_trace=True):
        assert desks.is_dir()
    assert not desks.parent.exists()


def test_a_rehearsal_does_not_take_the_folder_away_from_a_run(desks: Path) -> None:
    with own_desk(desks, leave_no_trace=True) as rehearsal:
        run = own_desk(desks)
        desk = run.__enter__()
    assert desk.is_dir()
    assert not rehearsal.exists()
    run.__exit__(None, None, None)


def test_a_folder_that_is_taken_away_at_the_last_moment_is_made_again(desks: Path) -> None:
    def work() -> bool:
        with own_desk(desks) as desk:
            return desk.is_dir()

    desks.mkdir(parents=True)
    rehearsal = os.open(desks, os.O_RDONLY)
    fcntl.flock(rehearsal, fcntl.LOCK_EX)
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(work)
        time.sleep(0.2)  # it waits for the lock by now
        desks.rmdir()
        os.close(rehearsal)
        assert run.result(timeout=30)


def test_a_desk_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file where the folder should be")
    with pytest.raises(StateError, match="cannot be used"), own_desk(tmp_path / "var" / "work"):
        pass


def test_the_day_s_file_that_a_killed_run_had_at_hand_is_cleared_by_the_next(world: World, desks: Path) -> None:
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    world.set(source={"settle_seconds": 2.0})  # the first file is here while the second one is looked at
    words = ("run", "demo", "--as-of", "2026-03-02", "--config", str(world.config))
    with killed(*words, once=lambda: any(path.suffix == ".csv" for path in files(desks))):
        world.set(source={"settle_seconds": 0.0})
    assert any(ANNE in path.read_text() for path in files(desks))
    assert world.night("2026-03-02").code == 0
    assert list(desks.iterdir()) == []


def test_the_copy_that_a_killed_rehearsal_worked_on_is_cleared_by_the_next_run(world: World, desks: Path) -> None:
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    world.control.add_fault(Fault("hang", "GET", "/customfields"))
    words = ("run", "demo", "--as-of", "2026-03-02", "--dry-run", "--config", str(world.config))
    with killed(*words, once=lambda: any(entry.fault for entry in world.control.log())):
        world.control.clear_faults()
    assert files(desks)
    assert world.night("2026-03-02").code == 0
    assert list(desks.iterdir()) == []


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """A folder that is the system's for temporary files meanwhile."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    yield folder
    tempfile.tempdir = before


def test_nothing_of_a_run_comes_into_the_system_s_temporary_folder(world: World, shared: Path) -> None:
    untouched = shared.stat().st_mtime_ns
    day = [buy("T1", "2026-03-01 10:00:00", ANNE)]
    world.day("2026-03-01", day)
    for words in (
        ("run", "demo", "--dry-run"),
        ("run", "demo"),
        ("replay", "demo", "2026-03-01"),
        ("backfill", "demo", str(world.history(day))),
    ):
        assert world.placier(*words, "--as-of", "2026-03-02").code == 0
    world.day("2026-03-02", [buy("T2", "2026-03-02 10:00:00", ANNE), *(buy(f"B{n}", "?", ANNE) for n in range(30))])
    held = world.night("2026-03-03")
    assert world.placier("approve", "demo", held.run["run_id"]).code == 0
    assert world.placier("forget", "demo", ANNE).code == 0
    assert world.placier("replay", "demo", "2026-03-01", "--refetch", "--as-of", "2026-03-02").code == 0
    assert shared.stat().st_mtime_ns == untouched
