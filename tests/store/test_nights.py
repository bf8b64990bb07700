"""Whole nights on both databases: the platform cannot tell on which one the state is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from program import killed, wait_until
from world import Answer, Line, World, buy, cancel, text

from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.serve import PlatformServer
from pipeline.sandbox.switches import Fault

ANNE, BENOIT, CHLOE = "anne@exemple.test", "benoit@exemple.test", "chloe@exemple.test"
SONGE = {"id_spectacle": "S1", "titre_spectacle": "Le Songe", "id_representation": "R1"}
CYRANO = {"id_spectacle": "S2", "titre_spectacle": "Cyrano « de » Bergerac", "id_representation": "R2"}
PAST = [
    buy("T1", "2025-06-01 10:00:00", ANNE, **CYRANO),
    buy("T0", "2023-11-02 10:00:00", "fini@exemple.test", date_evenement="2023-12-01 20:00:00", **SONGE),
]
FIRST = [
    buy("T2", "2026-03-01 10:00:00", BENOIT, prenom="Benoît", **SONGE),
    buy("T3", "2026-03-01 11:00:00", CHLOE, nom="L'Écuyer 🎭", montant_net="160,05", **SONGE),
    buy("T3", "2026-03-01 11:00:00", CHLOE, categorie_tarif="Enfant", montant_net="60,00", **SONGE),
    buy("T4", "2026-03-01 12:00:00", ANNE, **SONGE),
    buy("T9", "pas une date", "david@exemple.test", **SONGE),
]
REISSUED = [line for line in FIRST if line["id_reservation"] != "T4"]
SECOND = [cancel("T2", "2026-03-02 09:00:00", "", **SONGE), buy("T5", "2026-03-02 10:00:00", CHLOE, **CYRANO)]


def drop(world: World, day: str, lines: list[Line]) -> None:
    """A day in one file."""
    name = f"Theatre_{day.replace('-', '')}.csv"
    (world.drop / name).write_text(text(lines), encoding="utf-8")


def told(answer: Answer) -> object:
    """What a run says, but for its name and its times."""
    assert answer.err == "" or answer.code, answer.err
    keys = ("status", "files", "plan", "pushed", "refused", "unmatched_cancellations", "requests", "held")
    return answer.code, [{key: run.get(key) for key in keys} for run in answer.json["runs"]]


def story(world: World) -> list[object]:
    """Backfill, night, replay, dry run, correction, cancellation that is held, approval, questions: what each gave."""
    world.set(
        source={"transactions": "{organisation}_{date:%Y%m%d}.csv"}, guard={"max_leaves": 0, "max_leave_ratio": 0.0}
    )
    control, pages = world.control, []

    def page(answer: Answer) -> None:
        pages.append((told(answer), control.state().content(), control.state().titles()))

    page(world.placier("backfill", "demo", str(world.history(PAST)), "--as-of", "2026-03-01"))
    drop(world, "2026-03-01", FIRST)
    page(world.night("2026-03-02", "--dry-run"))
    page(world.night("2026-03-02"))
    page(world.placier("replay", "demo", "2026-03-01", "--as-of", "2026-03-02"))
    drop(world, "2026-03-01", REISSUED)
    page(world.placier("replay", "demo", "2026-03-01", "--refetch", "--as-of", "2026-03-02"))
    held = world.placier("status", "demo").json["accounts"][0]["held"]
    page(world.placier("approve", "demo", held[0]["run_id"]))
    control.unsubscribe(CHLOE)
    drop(world, "2026-03-02", SECOND)
    page(world.night("2026-03-03"))
    [held] = world.placier("status", "demo").json["accounts"][0]["held"]
    page(world.placier("approve", "demo", held["run_id"]))
    page(world.placier("push", "demo", "--as-of", "2026-03-03"))
    pages += [world.placier("why", "demo", email, "--on", "2026-03-03").json for email in (ANNE, BENOIT, CHLOE)]
    pages.append(world.placier("verify", "demo", "--as-of", "2026-03-03").json)
    pages.append(world.placier("expiring", "demo", "--within", "700", "--as-of", "2026-03-03").json)
    return pages


def test_both_databases_lead_the_platform_to_the_same_state_step_by_step(
    tmp_path: Path, night_server: PlatformServer, night_control: SandboxControl, sqlite_url: str, postgres_url: str
) -> None:
    stories = []
    for number, url in enumerate((sqlite_url, postgres_url)):
        night_control.reset()
        stories.append(story(World(tmp_path / str(number), night_server, night_control, state_url=url)))
    ours, theirs = stories
    for number, (page, other) in enumerate(zip(ours, theirs, strict=True)):
        assert page == other, f"page {number}"
    codes = [page[0][0] for page in ours[:9]]
    assert codes == [0, 0, 0, 0, 5, 0, 5, 0, 0]
    assert ours[2][0][1][0]["plan"]["contacts_created"] == 2
    benoit = night_control.state().members[BENOIT]
    assert benoit.groups == ("Clients Tuxedo",), "the cancellation was approved in the end"


@pytest.fixture
def kept(tmp_path: Path, night_server: PlatformServer, night_control: SandboxControl, state_url: str) -> World:
    """A world whose state is on either database."""
    night_control.reset()
    one_file = {"transactions": "{organisation}_{date:%Y%m%d}.csv"}
    return World(tmp_path, night_server, night_control, state_url=state_url, source=one_file)


def test_a_dry_run_tells_the_plan_and_keeps_nothing(kept: World) -> None:
    drop(kept, "2026-03-01", FIRST)
    for _ in range(2):
        answer = kept.night("2026-03-02", "--dry-run")
        assert (answer.code, answer.run["status"]) == (0, "dry_run")
        assert answer.run["plan"]["contacts_created"] == 3
        assert answer.run["pushed"]["contacts_created"] == 0
    assert kept.content() == {}
    assert kept.control.writes() == 0
    status = kept.placier("status", "demo").json["accounts"][0]
    assert (status["runs"], status["pending"], status["last_success"]) == ([], 0, None)
    assert kept.night("2026-03-02").run["pushed"]["contacts_created"] == 3


def test_the_purge_of_a_night_takes_nobody_out_of_a_group(kept: World) -> None:
    kept.set(policy={"retention_months": 26, "consent_months": 120})
    drop(kept, "2026-03-01", FIRST)
    assert kept.night("2026-03-02").code == 0
    before = kept.content()
    assert kept.placier("push", "demo", "--as-of", "2028-06-01").code == 0
    assert kept.placier("why", "demo", BENOIT).json["sources"] == []
    drop(kept, "2026-03-01", [])
    assert kept.placier("replay", "demo", "2026-03-01", "--refetch", "--as-of", "2028-06-01").code == 0
    assert kept.content() == before


def test_odd_characters_of_a_name_stop_no_night(kept: World) -> None:
    drop(kept, "2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE, prenom="Zo\x0bé 😀\x7f"), *FIRST[:1]])
    answer = kept.night("2026-03-02")
    assert answer.code == 0, answer.out + answer.err
    assert set(kept.content()) == {ANNE, BENOIT}


def test_killed_with_a_batch_under_way_the_next_night_is_as_if_nothing_had_been(kept: World) -> None:
    drop(kept, "2026-03-01", FIRST)
    kept.control.add_fault(Fault("hang_after", "POST", "/batches"))
    words = ("run", "demo", "--as-of", "2026-03-02", "--config", str(kept.config))
    with killed(*words, once=lambda: any(entry.fault for entry in kept.control.log())):
        kept.control.clear_faults()
    wait_until(lambda: kept.placier("push", "demo", "--as-of", "2026-03-02", "--dry-run").code == 0)
    drop(kept, "2026-03-01", REISSUED)
    assert kept.placier("run", "demo", "--date", "2026-03-01", "--as-of", "2026-03-02").code == 0
    assert kept.groups_of(ANNE) == ("Clients Tuxedo",), "her booking was taken back while it was in flight"
    assert kept.groups_of(BENOIT) == kept.groups_of(CHLOE) == ("Clients Tuxedo", "Le Songe")
    assert kept.placier("verify", "demo", "--as-of", "2026-03-02").json["differences"] == []
