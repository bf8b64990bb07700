"""The ledger rebuilt from the archive alone is the ledger that was, on both databases; what the archive lacks holds it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from ledgers import Rows, ledger_of
from program import killed
from sqlalchemy import Connection, delete, select, update
from world import Answer, Line, World, buy, cancel

from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.serve import PlatformServer
from pipeline.sandbox.switches import Fault
from pipeline.store.database import open_database
from pipeline.store.tables import (
    bookings,
    cancellations,
    files,
    in_flight,
    members,
    memberships,
    metadata,
    rejects,
    suppressions,
)

ANNE, BENOIT, CHLOE = (f"{name}@exemple.test" for name in ("anne", "benoit", "chloe"))
CYRANO = {"id_spectacle": "S2", "titre_spectacle": "Cyrano", "id_representation": "R2"}
AS_OF = "2026-03-06"


def tell(world: World) -> None:
    """Give a past: a history, a correction, a cancellation, bad lines, a day that tells an older booking anew."""
    past = [
        buy("T0", "2026-01-10 10:00:00", ANNE, nb_billets="3"),
        buy("T9", "2026-01-11 10:00:00", CHLOE),
        buy("T8", "2026-03-02 10:00:00", BENOIT),  # ahead of the day on which it was read
    ]
    # Two files of one date: the later recorded wins.
    histories = [str(world.history(past[n:], f"Theatre_historique_{n}.csv")) for n in (0, 1)]
    assert world.placier("backfill", "demo", *histories, "--as-of", "2026-03-01").code == 0
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", BENOIT), buy("T1", "2026-03-01 10:00:00", BENOIT)])
    world.day("2026-03-02", [cancel("T0", "2026-03-02 09:00:00"), buy("T2", "demain", ANNE), *cyrano("T3", CHLOE)])
    world.day("2026-03-03", [*cyrano("T4", ANNE, "2026-03-03"), {**past[1], "nb_billets": "7"}])
    world.day("2026-03-04", [])
    assert world.night("2026-03-05").code == 0
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", BENOIT)])
    assert world.placier("replay", "demo", "2026-03-01", "--refetch", "--as-of", "2026-03-05").code == 0


@pytest.fixture(scope="module")
def past(
    tmp_path_factory: pytest.TempPathFactory, night_server: PlatformServer, night_control: SandboxControl
) -> tuple[Path, Path]:
    """A world with that past, told once: its folder, and what the platform stores then."""
    folder = tmp_path_factory.mktemp("past")
    night_control.reset()
    tell(World(folder / "world", night_server, night_control))
    copy(night_server._data, folder / "platform.db")
    return folder / "world", folder / "platform.db"


def copy(source: Path, target: Path) -> None:
    with closing(sqlite3.connect(source)) as here, closing(sqlite3.connect(target)) as there:
        here.backup(there)


@pytest.fixture
def told(past: tuple[Path, Path], world: World) -> World:
    """A world with that past, on SQLite."""
    shutil.copytree(past[0], world.root, dirs_exist_ok=True)
    copy(past[1], world.server._data)
    return world


@pytest.fixture(params=["sqlite", "postgresql"])
def kept(request: pytest.FixtureRequest) -> World:
    """A world with that past, on each database."""
    found: World = request.getfixturevalue("told" if request.param == "sqlite" else "world")
    if request.param == "postgresql":
        found.state_url = request.getfixturevalue("postgres_url")
        found.write_config()
        tell(found)
    return found


def cyrano(transaction: str, email: str, on: str = "2026-03-02") -> list[Line]:
    return [buy(transaction, f"{on} 12:00:00", email, **CYRANO)]


def day(world: World, on: str, lines: Sequence[Line]) -> Answer:
    """A day alone, as of the next."""
    world.day(on, lines)
    return world.placier("run", "demo", "--date", on, "--as-of", f"2026-03-{int(on[-2:]) + 1:02}")


def rebuild(world: World, *words: str) -> Answer:
    return world.placier("rebuild", "demo", "--as-of", AS_OF, *words)


# What the state holds


@contextmanager
def opened(world: World) -> Iterator[Connection]:
    url = world.state_url if "postgres" in world.state_url else f"sqlite:///{world.root}/var/placier.db"
    with closing(open_database(url)) as database, database.transaction() as connection:
        yield connection


def ledger(world: World) -> Rows:
    with opened(world) as connection:
        return ledger_of(connection)


def acknowledged(world: World) -> Rows:
    with opened(world) as connection:
        tables = (members, memberships, suppressions, in_flight)
        return {table.name: sorted(map(tuple, connection.execute(select(table))), key=repr) for table in tables}


def lose_the_state(world: World) -> None:
    if "postgres" in world.state_url:
        with opened(world) as connection:
            for table in metadata.tables.values():
                connection.execute(delete(table))
    else:
        for file in (world.root / "var").glob("placier.db*"):
            file.unlink()


def archived(world: World, name: str) -> Path:
    """The archived file of this name, as its newest version is."""
    with opened(world) as connection:
        query = select(files.c.sha256).where(files.c.name == name).order_by(files.c.id.desc())
        digest = connection.execute(query).scalars().first()
    return world.root / "var" / "archive" / digest[:2] / f"{digest}.gz"


def nothing_more_is_sent(world: World) -> None:
    writes = world.control.writes()
    assert rebuild(world).code == 0
    assert world.control.writes() == writes


# The same ledger


def test_with_the_state_lost_the_ledger_is_the_one_that_was_and_the_platform_stays_right(kept: World) -> None:
    before, content, known = ledger(kept), kept.content(), acknowledged(kept)
    shutil.rmtree(kept.drop)  # the archive alone
    lose_the_state(kept)
    answer = rebuild(kept)
    assert answer.code == 0, answer.out
    assert (answer.run["kind"], answer.run["date"], answer.run["status"]) == ("rebuild", None, "done")
    assert ("Theatre_achats_20260301.csv", 2) in {(file["name"], file["version"]) for file in answer.run["files"]}
    assert ledger(kept) == before
    assert kept.content() == content
    assert {row[:4] for row in acknowledged(kept)["memberships"]} == {row[:4] for row in known["memberships"]}
    nothing_more_is_sent(kept)


def test_with_the_state_kept_the_ledger_is_mended_and_nothing_is_sent(kept: World) -> None:
    before, known, writes = ledger(kept), acknowledged(kept), kept.control.writes()
    with opened(kept) as connection:
        connection.execute(delete(bookings).where(bookings.c.email == ANNE))
        connection.execute(update(bookings).values(tickets=99, current=False))
        connection.execute(update(cancellations).values(load_id=4242))
        connection.execute(delete(rejects))
    assert rebuild(kept).code == 0
    assert ledger(kept) == before
    assert acknowledged(kept) == known
    assert kept.control.writes() == writes


def test_after_a_rebuild_the_nights_go_on(told: World) -> None:
    lose_the_state(told)
    assert rebuild(told).code == 0
    cancelled = cancel("T4", "2026-03-05 10:00:00", **CYRANO)
    assert day(told, "2026-03-05", [cancelled, buy("T5", "2026-03-05 11:00:00", BENOIT)]).code == 0
    assert told.groups_of(ANNE) == ("Clients Tuxedo",)
    told.day("2026-03-03", [])
    corrected = told.placier("replay", "demo", "2026-03-03", "--refetch", "--as-of", AS_OF)
    assert [file["version"] for file in corrected.run["files"]] == [2, 1]
    before = ledger(told)
    lose_the_state(told)
    assert rebuild(told).code == 0
    assert ledger(told) == before


def test_an_older_state_that_was_restored_is_brought_up_to_date_by_the_archive(told: World, tmp_path: Path) -> None:
    backup, state = tmp_path / "copie.db", tmp_path / "var" / "placier.db"
    assert told.placier("backup", str(backup)).code == 0
    fifth = cyrano("T5", BENOIT, "2026-03-05")
    assert day(told, "2026-03-05", fifth).code == 0
    before, content = ledger(told), told.content()
    lose_the_state(told)
    shutil.copy(backup, state)
    assert rebuild(told).code == 0
    assert (ledger(told), told.content()) == (before, content)
    lose_the_state(told)
    shutil.copy(backup, state)
    assert day(told, "2026-03-05", fifth).code == 0  # recorded, and listed, once more
    before = ledger(told)
    assert rebuild(told).code == 0
    assert ledger(told) == before


def test_with_the_state_lost_every_show_keeps_its_group_whatever_it_is_called(told: World) -> None:
    # The later show of one title had its buyers first, staff gave a group another name, and both shows are near.
    twin = {"id_spectacle": "S3", "titre_spectacle": "Cyrano", "id_representation": "R3"}
    assert day(told, "2026-03-05", [buy("T7", "2026-03-05 09:00:00", BENOIT, **twin)]).code == 0
    corrected = [*cyrano("T6", ANNE, "2026-03-01"), buy("T1", "2026-03-01 10:00:00", BENOIT)]
    assert day(told, "2026-03-01", corrected).code == 0
    told.control.rename_group("Cyrano", "Cyrano de Bergerac")
    content = told.content()
    assert told.groups_of(BENOIT) == ("Clients Tuxedo", "Cyrano #S3", "Le Songe")
    lose_the_state(told)
    assert rebuild(told).code == 0
    assert told.content() == content


def test_a_dry_run_tells_what_would_be_sent_and_changes_nothing(told: World) -> None:
    before, writes = ledger(told), told.control.writes()
    answer = rebuild(told, "--dry-run")
    assert (answer.code, answer.run["status"], len(answer.run["files"])) == (0, "dry_run", 10)
    assert ledger(told) == before
    lose_the_state(told)
    answer = rebuild(told, "--dry-run")
    assert (answer.code, answer.run["plan"]["contacts_created"]) == (0, 3)
    assert told.control.writes() == writes
    assert not (told.root / "var" / "placier.db").exists()


def test_a_rebuild_that_was_killed_is_done_by_the_next(told: World) -> None:
    before, content = ledger(told), told.content()
    lose_the_state(told)
    told.control.add_fault(Fault("hang_after", "POST", "/batches"))
    words = ("rebuild", "demo", "--as-of", AS_OF, "--config", str(told.config))
    with killed(*words, once=lambda: any(entry.fault for entry in told.control.log())):
        told.control.clear_faults()
    assert rebuild(told).code == 0
    assert ledger(told) == before
    assert told.content() == content
    nothing_more_is_sent(told)


# What has changed since


def test_a_mapping_that_changed_is_honoured_and_one_that_fits_no_more_changes_nothing(told: World) -> None:
    before = ledger(told)
    mapping = told.root / "mappings" / "tuxedo.toml"
    mapping.parent.mkdir()
    content = (Path(__file__).parents[2] / "mappings" / mapping.name).read_text(encoding="utf-8")
    mapping.write_text(content.replace('"courriel"', '"adresse"'), encoding="utf-8")
    assert rebuild(told).code == 1
    assert ledger(told) == before
    mapping.write_text(content.replace('"canal_vente"', '"prenom"'), encoding="utf-8")
    assert rebuild(told).code == 0
    assert told.member(ANNE).fields["Canal de vente du dernier achat"] == "Anne"
    assert told.groups_of(ANNE) == ("Clients Tuxedo", "Cyrano")


def test_a_forgotten_person_does_not_come_back(told: World) -> None:
    # Her line alone was of the day's own date: what is left of that file was trusted once, and still is.
    lines = [*cyrano("T6", ANNE, "2026-03-05"), *cyrano("T7", BENOIT, "2026-03-04")]
    assert day(told, "2026-03-05", lines).code == 0
    assert told.placier("forget", "demo", ANNE).code == 0
    rows, writes = {name: len(found) for name, found in ledger(told).items()}, told.control.writes()
    for state in ("kept", "lost"):
        if state == "lost":
            lose_the_state(told)
        assert rebuild(told).code == 0
        with opened(told) as connection:
            assert set(connection.execute(select(bookings.c.email)).scalars()) == {BENOIT, CHLOE}
        assert {name: len(found) for name, found in ledger(told).items()} == rows
        assert state == "lost" or told.control.writes() == writes


def test_nothing_comes_back_that_is_older_than_the_retention(told: World) -> None:
    told.set(policy={"retention_months": 1})
    words = ("rebuild", "demo", "--as-of", "2026-04-03")
    assert told.placier("push", *words[1:]).code == 0
    before, writes = ledger(told), told.control.writes()
    assert len(before["files"]) == 12
    assert len(before["bookings"]) == 1
    answer = told.placier(*words)
    assert (ledger(told), told.control.writes()) == (before, writes)
    assert {file["name"] for file in answer.run["files"]} == {
        f"Theatre_{what}_202603{day}.csv" for what in ("achats", "annulations") for day in ("03", "04")
    }
    lose_the_state(told)
    assert told.placier(*words).code == 0
    assert ledger(told) == before


# What the archive lacks


def test_a_file_that_is_gone_or_damaged_holds_the_rebuild_until_it_is_approved(told: World) -> None:
    archived(told, "Theatre_achats_20260303.csv").unlink()
    archived(told, "Theatre_achats_20260301.csv").write_bytes(b"something else")
    before, content, writes = ledger(told), told.content(), told.control.writes()
    held = rebuild(told)
    assert (held.code, held.run["status"]) == (5, "held")
    assert "2026-03-01 (Theatre_achats_20260301.csv is damaged)" in held.run["message"]
    assert "2026-03-03 (Theatre_achats_20260303.csv is gone)" in held.run["message"]
    assert ledger(told) == before
    run_id = held.run["run_id"]
    [hold] = told.placier("status", "demo").json["accounts"][0]["held"]
    days = ["2026-03-01", "2026-03-03"]
    assert hold == {"run_id": run_id, "date": None, "reason": "gap", "operations": 2, "days": days}
    shown = told.placier("status", "demo", json_too=False).out
    assert "2026-03-03 (Theatre_achats_20260303.csv is gone)" in shown
    assert f"placier approve demo {run_id}" in shown
    assert rebuild(told).code == told.placier("push", "demo", "--as-of", AS_OF).code == 5
    approved = told.placier("approve", "demo", run_id)
    assert approved.code == 0, approved.out
    assert ledger(told) == before, "what cannot be read again is kept as it was"
    assert (told.content(), told.control.writes()) == (content, writes)
    assert told.placier("status", "demo").json["accounts"][0]["held"] == []
    assert told.placier("approve", "demo", run_id).code == 0


def test_with_the_state_lost_too_the_rest_is_rebuilt_and_the_day_is_missing(told: World) -> None:
    archived(told, "Theatre_achats_20260303.csv").unlink()
    before, content = ledger(told), told.content()
    lose_the_state(told)
    held = rebuild(told)
    assert held.code == 5
    assert sum(map(len, ledger(told).values())) == 0
    assert told.placier("approve", "demo", held.run["run_id"]).code == 0
    assert len(ledger(told)["loads"]) == len(before["loads"]) - 1
    assert len(ledger(told)["files"]) == len(before["files"])
    told.day("2026-03-05", [])
    assert told.night(AS_OF).code == 0
    assert told.placier("status", "demo").json["accounts"][0]["missing_days"] == [], "it was caught up"
    assert told.content() == content
    assert rebuild(told).code == 0


def test_a_day_that_was_never_there_holds_the_rebuild(told: World) -> None:
    assert day(told, "2026-03-06", []).code == 0
    words = ("rebuild", "demo", "--as-of", "2026-03-07")
    held = told.placier(*words)
    assert held.code == 5
    assert "2026-03-05 (nothing was recorded)" in held.run["message"]
    assert day(told, "2026-03-05", []).code == 5, "it is held until somebody decides"
    refused = told.placier("approve", "demo", held.run["run_id"])
    assert refused.code == 5, "the catalogue has changed since"
    assert told.placier(*words).code == 0
    assert told.placier("status", "demo").json["accounts"][0]["held"] == []
    assert told.placier("approve", "demo", held.run["run_id"]).code == 5


def test_a_day_that_a_guard_holds_is_no_gap_and_stays_held(told: World) -> None:
    assert day(told, "2026-03-05", [buy(f"B{n}", "?", ANNE) for n in range(30)]).code == 5
    assert day(told, "2026-03-06", []).code == 5
    answer = told.placier("rebuild", "demo", "--as-of", "2026-03-07")
    assert answer.code == 5
    assert len(answer.run["files"]) == 12, "it went on"
    assert [hold["reason"] for hold in told.placier("status", "demo").json["accounts"][0]["held"]] == ["rejects"]


def test_an_archive_that_lists_nothing_is_told(world: World) -> None:
    answer = world.placier("rebuild", "demo")
    assert answer.code == 2
    assert "placier backfill" in answer.run["message"]
