"""A night onto import files, for a platform that is fed by hand."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from world import World, buy, cancel


def onto_files(world: World, dialect: str) -> Path:
    """Let the account write import files instead of calling the platform."""
    path = world.config / "accounts" / "demo.toml"
    source = path.read_text().partition("[platform]")[0]
    path.write_text(f'{source}[platform]\nkind = "csv"\npath = "import"\ndialect = "{dialect}"\n')
    return world.root / "import"


def rows(folder: Path) -> list[dict[str, str]]:
    found = []
    for path in sorted(folder.glob("*.csv")):
        if "retraits" not in path.name:
            with path.open(encoding="utf-8-sig", newline="") as file:
                dialect = csv.Sniffer().sniff(file.readline(), delimiters=",;")
                file.seek(0)
                found += list(csv.DictReader(file, dialect=dialect))
    return found


@pytest.mark.parametrize("dialect", ["cyberimpact", "mailchimp"])
def test_a_night_writes_files_once_and_nothing_the_second_time(world: World, dialect: str) -> None:
    folder = onto_files(world, dialect)
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", "anne@exemple.ca", ville="=cmd()")])
    first = world.night("2026-03-02")
    assert (first.code, first.run["pushed"]["contacts_created"], first.run["requests"]) == (0, 1, 0)
    [anne] = rows(folder)
    assert "anne@exemple.ca" in anne.values()
    assert "=cmd()" not in anne.values()
    written = sorted(path.name for path in folder.glob("*.csv"))
    second = world.night("2026-03-02")
    assert second.run["plan"]["contacts_updated"] == 0
    assert sorted(path.name for path in folder.glob("*.csv")) == written


def test_a_cancellation_becomes_a_leave_for_a_person_to_apply(world: World) -> None:
    folder = onto_files(world, "cyberimpact")
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", "anne@exemple.ca")])
    world.night("2026-03-02")
    world.day("2026-03-02", [cancel("T1", "2026-03-02 10:00:00")])
    assert world.night("2026-03-03").run["pushed"]["leaves"] == 1
    [leaves] = folder.glob("*retraits*.csv")
    assert "anne@exemple.ca" in leaves.read_text(encoding="utf-8-sig")


def test_who_left_is_left_out_of_the_files(world: World) -> None:
    folder = onto_files(world, "cyberimpact")
    folder.mkdir()
    (folder / "desabonnes.csv").write_text("Courriel\nanne@exemple.ca\n", encoding="utf-8")
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", "anne@exemple.ca")])
    assert world.night("2026-03-02").run["plan"]["skipped"] == {"unsubscribed": 1}


def test_files_cannot_be_verified(world: World) -> None:
    onto_files(world, "cyberimpact")
    answer = world.placier("verify", "demo")
    assert answer.code == 2
    assert "read back" in answer.json["error"]["message"]
