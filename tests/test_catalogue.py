"""The archive knows what its files are: whatever was recorded is listed beside them, over crashes, corrections, erasures."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from world import World, buy

from pipeline.catalogue import Catalogue
from pipeline.store.ledger import Slot

ANNE, BENOIT = "anne@exemple.test", "benoit@exemple.test"
DAY, NEXT = "2026-03-01", "2026-03-02"
FIRST = [buy("T1", f"{DAY} 10:00:00", ANNE), buy("T2", f"{DAY} 11:00:00", BENOIT)]


@pytest.fixture
def catalogue(world: World) -> Path:
    """Where the catalogue of the account is."""
    return world.root / "var" / "archive" / "catalogue" / "demo.jsonl"


def night(world: World, day: str = DAY, lines=FIRST, as_of: str = NEXT) -> None:
    world.day(day, lines)
    answer = world.placier("run", "demo", "--date", day, "--as-of", as_of)
    assert answer.code == 0, answer.out


def listed(path: Path) -> list[dict[str, object]]:
    """The recordings that are listed."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if "kind" in line]


def archived(world: World) -> set[str]:
    return {path.stem for path in (world.root / "var" / "archive").rglob("*.gz")}


def digests(path: Path) -> set[str]:
    """The digests of all files that a catalogue still wants."""
    return Catalogue(path.parent, path.stem).read().wanted()


def test_whatever_is_recorded_is_listed_with_what_a_rebuild_needs(world: World, catalogue: Path) -> None:
    night(world)
    [line] = listed(catalogue)
    facts = {key: line[key] for key in ("kind", "business_date", "name", "as_of", "mapping", "lines")}
    assert facts == {
        "kind": "day", "business_date": DAY, "name": "", "as_of": NEXT, "mapping": "tuxedo", "lines": 2,
    }  # fmt: skip
    assert [(file["role"], file["name"], file["version"], file["accepted"]) for file in line["files"]] == [
        ("purchases", "Theatre_achats_20260301.csv", 1, 2),
        ("cancellations", "Theatre_annulations_20260301.csv", 1, 0),
    ]
    assert {file["sha256"] for file in line["files"]} == archived(world)
    assert b"@" not in catalogue.read_bytes()


def test_corrections_and_histories_are_listed_in_order_and_the_same_again_is_not(world: World, catalogue: Path) -> None:
    night(world)
    night(world)
    assert len(listed(catalogue)) == 1
    before = catalogue.read_bytes()
    night(world, lines=FIRST[:1])
    history = world.history([buy("T0", "2026-01-01 10:00:00", ANNE)])
    assert world.placier("backfill", "demo", str(history), "--as-of", DAY).code == 0
    assert catalogue.read_bytes().startswith(before)
    told = [(line["kind"], line["name"], line["files"][0]["version"]) for line in listed(catalogue)]
    assert told == [("day", "", 1), ("day", "", 2), ("backfill", "Theatre_historique.csv", 1)]
    current = Catalogue(catalogue.parent, "demo").read().current()
    assert [slot.kind for slot in current] == ["day", "backfill"]
    assert current[next(iter(current))].files[0].version == 2


def test_only_its_owner_reads_it(world: World, catalogue: Path) -> None:
    night(world)
    assert stat.S_IMODE(catalogue.stat().st_mode) == 0o600
    assert stat.S_IMODE(catalogue.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("left", ["nothing", "half a line", "the line before"])
def test_what_a_killed_run_did_not_list_is_listed_by_the_next(world: World, catalogue: Path, left: str) -> None:
    night(world)
    night(world, NEXT, [], "2026-03-03")
    whole, it = catalogue.read_bytes(), Catalogue(catalogue.parent, "demo")
    lines, told = whole.splitlines(keepends=True), it.read()
    assert len(told.groups) == 2
    catalogue.write_bytes({"nothing": b"", "half a line": whole[:-40], "the line before": lines[0]}[left])
    assert world.placier("push", "demo", "--as-of", "2026-03-03").code == 0
    assert it.read() == told


def test_a_held_file_is_listed_when_it_is_approved(world: World, catalogue: Path) -> None:
    world.day(DAY, [*FIRST, *(buy(f"B{n}", "?", ANNE) for n in range(30))])
    held = world.night(NEXT)
    assert held.code == 5
    assert listed(catalogue) == []
    assert world.placier("approve", "demo", held.run["run_id"]).code == 0
    assert len(listed(catalogue)) == 1


def test_a_dry_run_lists_nothing(world: World, catalogue: Path) -> None:
    night(world)
    before = catalogue.read_bytes()
    world.day(NEXT, [])
    assert world.night("2026-03-03", "--dry-run").code == 0
    assert catalogue.read_bytes() == before


def test_a_catalogue_that_cannot_be_read_stops_the_account_and_says_what_to_do(world: World, catalogue: Path) -> None:
    night(world)
    catalogue.write_text('{"kind": "day"}\n')
    answer = world.night(NEXT)
    assert answer.code == 1
    assert "demo.jsonl" in answer.run["message"]
    catalogue.unlink()
    assert world.night(NEXT).code == 0
    assert len(listed(catalogue)) == 1


# People who were forgotten


def test_a_rewritten_file_bears_its_new_name_in_what_was_listed_before(world: World, catalogue: Path) -> None:
    night(world)
    night(world, lines=FIRST[:1])
    before = archived(world)
    assert world.placier("forget", "demo", ANNE).json["erased"]["archived_lines"] == 2
    assert digests(catalogue) == archived(world) != before
    assert world.placier("replay", "demo", DAY, "--as-of", NEXT).code == 0


def test_forgetting_that_was_cut_off_is_finished_by_the_next_run(world: World, catalogue: Path, tmp_path: Path) -> None:
    night(world)
    old = next(file["sha256"] for file in listed(catalogue)[0]["files"] if file["accepted"])
    assert world.placier("forget", "demo", "personne@exemple.test").code == 0
    rewritten = tmp_path / "rewritten.csv"
    rewritten.write_text((world.drop / "Theatre_achats_20260301.csv").read_text().replace("anne@", "@"))
    from pipeline.archive import Archive

    new = Archive(world.root / "var" / "archive").keep(rewritten)
    Catalogue(catalogue.parent, "demo").rewrite(old, new)  # here it was cut off
    assert world.placier("push", "demo", "--as-of", NEXT).code == 0
    assert old not in archived(world)
    assert digests(catalogue) == archived(world)
    again = world.placier("replay", "demo", DAY, "--as-of", NEXT)
    assert new in {file["sha256"] for file in again.run["files"]}


def test_what_comes_back_under_its_old_name_after_a_recording_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "catalogue"
    folder.mkdir()
    it = Catalogue(folder, "demo")
    line = {
        "recorded_at": "2026-03-02T12:00:00", "kind": "day", "business_date": DAY, "name": "", "as_of": NEXT,
        "mapping": "tuxedo", "fingerprint": "f", "lines": 0,
        "files": [{"role": "x", "name": "x.csv", "sha256": "a", "version": 1, "lines": 0, "accepted": 0, "rejected": 0}],
    }  # fmt: skip
    told = [line, {"rewritten": "a", "now": "b"}, {"rewritten": "b", "now": "c"}, {**line, "business_date": NEXT}]
    (folder / "demo.jsonl").write_text("".join(json.dumps(item) + "\n" for item in told))
    listing = it.read()
    assert [item.files[0].sha256 for item in listing.recordings] == ["c", "a"]
    assert listing.fresh == ()
    assert {slot.business_date.isoformat() for slot in listing.current()} == {DAY, NEXT}
    assert all(isinstance(slot, Slot) for slot in listing.current())


def test_a_clock_that_is_years_ahead_empties_no_archive_though_the_state_is_lost(world: World, catalogue: Path) -> None:
    line = {"recorded_at": "2026-03-02T12:00:00", "kind": "backfill", "business_date": DAY, "as_of": NEXT}
    counts = {"version": 1, "lines": 0, "accepted": 0, "rejected": 0}
    catalogue.parent.mkdir(parents=True)
    with catalogue.open("w", encoding="utf-8") as told:
        for number in range(101):
            digest = f"{number:064x}"
            file = {"role": "backfill", "name": f"{number}.csv", "sha256": digest, **counts}
            more = {"name": f"{number}.csv", "mapping": "tuxedo", "fingerprint": "f", "lines": 0, "files": [file]}
            told.write(json.dumps({**line, **more}) + "\n")
            path = world.root / "var" / "archive" / digest[:2] / f"{digest}.gz"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"")
    for words in (("push", "demo"), ("rebuild", "demo")):
        answer = world.placier(*words, "--as-of", "2036-03-02")
        assert answer.code == 5, answer.out
        assert len(archived(world)) == 101
    [hold] = world.placier("status", "demo").json["accounts"][0]["held"]
    assert (hold["reason"], hold["operations"]) == ("purge", 101)
    assert world.placier("approve", "demo", hold["run_id"]).code == 0
    assert archived(world) == set()


# Two accounts, one file


@pytest.fixture
def shared(world: World) -> World:
    """Another account, `quai`, that takes the same files and keeps them longer."""
    world.set(policy={"retention_months": 1}, source={"catch_up_days": 0})
    content = (world.config / "accounts" / "demo.toml").read_text(encoding="utf-8")
    content = content.replace("retention_months = 1", "retention_months = 3")
    (world.config / "accounts" / "quai.toml").write_text(content, encoding="utf-8")
    world.day(DAY, FIRST)
    assert world.placier("run", "--as-of", NEXT).code == 0
    return world


def test_an_archived_file_stays_until_the_last_account_lets_go_of_it(shared: World) -> None:
    whole = archived(shared)
    assert shared.placier("push", "demo", "--as-of", "2026-04-02").code == 0
    assert shared.placier("push", "demo", "--as-of", "2026-04-02").code == 0
    assert archived(shared) == whole
    assert shared.placier("replay", "quai", DAY, "--as-of", "2026-04-02").code == 0
    assert shared.placier("push", "quai", "--as-of", "2026-06-02").code == 0
    assert archived(shared) == set()


def test_forgetting_in_one_account_takes_no_file_from_another(shared: World) -> None:
    assert shared.placier("forget", "demo", ANNE).code == 0
    for words in (("quai",), ("demo",), ("demo", "--refetch"), ("quai",)):
        assert shared.placier("replay", words[0], DAY, *words[1:], "--as-of", NEXT).code == 0
    assert shared.placier("why", "quai", ANNE).json["sources"]
    assert shared.placier("forget", "quai", ANNE).code == 0
    for account in ("demo", "quai"):
        assert shared.placier("replay", account, DAY, "--as-of", NEXT).code == 0
    assert len(archived(shared)) == 2
