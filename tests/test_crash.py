"""The program killed in the middle of a night: the next one leads the platform to where one good run leads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from program import killed
from world import Line, World, buy, cancel, text

from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.serve import PlatformServer
from pipeline.sandbox.switches import Fault

ANNE, BENOIT, CHLOE, DENIS = (f"{name}@exemple.test" for name in ("anne", "benoit", "chloe", "denis"))
SONGE = {"id_spectacle": "S1", "titre_spectacle": "Le Songe", "id_representation": "R1"}
CYRANO = {"id_spectacle": "S2", "titre_spectacle": "Cyrano", "id_representation": "R2"}
PHEDRE = {"id_spectacle": "S3", "titre_spectacle": "Phèdre", "id_representation": "R3"}

PAST = [
    buy("T1", "2026-03-01 10:00:00", ANNE, **SONGE),
    buy("T2", "2026-03-01 11:00:00", BENOIT, **SONGE),
    buy("T3", "2026-03-01 12:00:00", CHLOE, **CYRANO),
]
BENOITS = buy("T5", "2026-03-02 11:00:00", BENOIT, **PHEDRE)
DAY = [
    cancel("T1", "2026-03-02 09:00:00", ANNE, **SONGE),
    buy("T4", "2026-03-02 10:00:00", DENIS, **PHEDRE),
    BENOITS,
]
CORRECTED = [BENOITS]
"""The day without Anne's cancellation and without Denis's purchase: neither of them should have been in it."""

POINTS = {
    "before-anything": Fault("hang", "GET", "/customfields"),
    "before-the-group-is-made": Fault("hang", "POST", "/groups"),
    "after-the-group-is-made": Fault("hang_after", "POST", "/groups"),
    "before-a-batch-is-sent": Fault("hang", "POST", "/batches"),
    "after-a-batch-is-taken": Fault("hang_after", "POST", "/batches"),
    "between-two-batches": Fault("hang", "POST", "/batches", nth=2),
    "after-the-last-batch-is-taken": Fault("hang_after", "POST", "/batches", nth=2),
    "before-the-last-batch-is-polled": Fault("hang", "GET", "/batches/*", nth=2),
    "before-the-leave": Fault("hang", "DELETE", "/members/*/groups/*"),
    "after-the-leave": Fault("hang_after", "DELETE", "/members/*/groups/*"),
    "before-the-read-back": Fault("hang", "GET", "/groups/*/members"),
    "after-the-receipts": Fault("hang", "GET", "/members/unsubscribed", nth=2),
}
points = pytest.mark.parametrize("fault", POINTS.values(), ids=POINTS)


def drop(world: World, day: str, lines: Sequence[Line]) -> Path:
    """A day in one file."""
    file = world.drop / f"Theatre_{day.replace('-', '')}.csv"
    file.write_text(text(lines), encoding="utf-8")
    return file


def struck(control: SandboxControl) -> bool:
    """Whether a fault has met its request."""
    return any(entry.fault for entry in control.log())


def one_night(world: World) -> None:
    drop(world, "2026-03-02", DAY)
    answer = world.night("2026-03-03")
    assert answer.code == 0, answer.out


def corrected_night(world: World) -> None:
    file = drop(world, "2026-03-02", CORRECTED)
    answer = world.placier("replay", "demo", "2026-03-02", "--file", str(file), "--as-of", "2026-03-03")
    assert answer.code == 0, answer.out


@dataclass(frozen=True)
class Good:
    """What good runs give: everybody's state, and the groups' titles."""

    content: dict[str, object]
    titles: list[str]


@pytest.fixture(scope="module")
def good(
    tmp_path_factory: pytest.TempPathFactory, night_server: PlatformServer, night_control: SandboxControl
) -> dict[str, Good]:
    """The night; its corrected file alone; the night, then its corrected file."""
    walks = {
        "as it is": (one_night,),
        "corrected": (corrected_night,),
        "corrected later": (one_night, corrected_night),
    }
    found = {}
    for name, walk in walks.items():
        world = begun(tmp_path_factory.mktemp("good"), night_server, night_control)
        for step in walk:
            step(world)
        found[name] = Good(world.content(), sorted(night_control.state().titles()))
    return found


def begun(root: Path, server: PlatformServer, control: SandboxControl) -> World:
    """A new world, with its past on the platform."""
    control.reset()
    world = World(root, server, control, source={"transactions": "{organisation}_{date:%Y%m%d}.csv"})
    answer = world.placier("backfill", "demo", str(world.history(PAST)), "--as-of", "2026-03-02")
    assert answer.code == 0, answer.out
    control.reset_log()
    return world


@pytest.fixture
def crashed(
    good: dict[str, Good], fault: Fault, tmp_path: Path, night_server: PlatformServer, night_control: SandboxControl
) -> World:
    """A world whose night was killed while it waited for an answer."""
    world = begun(tmp_path, night_server, night_control)
    drop(world, "2026-03-02", DAY)
    night_control.add_fault(fault)
    words = ("run", "demo", "--as-of", "2026-03-03", "--config", str(world.config))
    with killed(*words, once=lambda: struck(night_control)):
        night_control.clear_faults()
    return world


def nothing_is_left(world: World) -> None:
    """The platform is as it was acknowledged, and nothing more is to be sent."""
    world.control.reset_log()
    assert world.placier("push", "demo", "--as-of", "2026-03-03").code == 0
    assert world.control.writes() == 0
    verified = world.placier("verify", "demo", "--as-of", "2026-03-03")
    assert (verified.code, verified.json["differences"]) == (0, [])
    statuses = [run["status"] for run in world.placier("status", "demo").json["accounts"][0]["runs"]]
    assert statuses == ["done", "done", "failed", "done"]


@points
def test_killed_anywhere_the_next_run_ends_where_one_good_run_does(crashed: World, good: dict[str, Good]) -> None:
    answer = crashed.night("2026-03-03")
    assert answer.code == 0, answer.out
    assert crashed.content() == good["as it is"].content
    assert sorted(crashed.control.state().titles()) == good["as it is"].titles
    nothing_is_left(crashed)


@points
def test_killed_anywhere_then_corrected_nobody_strays(crashed: World, good: dict[str, Good]) -> None:
    arrived = DENIS in crashed.content()  # a member is never deleted: who arrived stays, in the general group alone
    expected = good["corrected later" if arrived else "corrected"]
    corrected_night(crashed)
    assert crashed.content() == expected.content
    assert sorted(crashed.control.state().titles()) == expected.titles
    nothing_is_left(crashed)


def test_a_lost_answer_makes_no_second_group_of_one_title(
    tmp_path: Path, night_server: PlatformServer, night_control: SandboxControl, good: dict[str, Good]
) -> None:
    world = begun(tmp_path, night_server, night_control)
    night_control.add_fault(Fault("drop_after", "POST", "/groups"))
    one_night(world)
    assert sorted(night_control.state().titles()) == good["as it is"].titles
    assert world.content() == good["as it is"].content


# Batches that end later than their run

UNANSWERED = {
    "its-number-is-known": Fault("hang", "GET", "/batches/*"),
    "its-number-never-came": Fault("hang_after", "POST", "/batches"),
}
ONE_BATCH = DAY[:2]
NEVER = 1_000_000
"""More polls than anybody makes."""


def test_a_batch_that_outlives_a_killed_run_is_waited_for(
    good: dict[str, Good], tmp_path: Path, night_server: PlatformServer, night_control: SandboxControl
) -> None:
    world = killed_night(tmp_path, night_server, night_control, UNANSWERED["its-number-is-known"])
    night_control.set_switches(batch_polls=3)
    corrected_night(world)
    night_control.settle()
    assert world.content() == good["corrected later"].content
    nothing_is_left(world)


@pytest.mark.parametrize("fault", UNANSWERED.values(), ids=UNANSWERED)
def test_a_batch_that_ends_after_a_later_run_is_taken_back(
    good: dict[str, Good], fault: Fault, tmp_path: Path, night_server: PlatformServer, night_control: SandboxControl
) -> None:
    world = killed_night(tmp_path, night_server, night_control, fault)
    world.set(platform={"batch_deadline": 0.05})
    drop(world, "2026-03-02", CORRECTED)
    assert world.placier("replay", "demo", "2026-03-02", "--refetch", "--as-of", "2026-03-03").code == 3
    night_control.settle()
    assert "Phèdre" in world.groups_of(DENIS)
    night_control.set_switches(batch_polls=0)
    assert world.placier("push", "demo", "--as-of", "2026-03-03").code == 0
    assert world.content() == good["corrected later"].content


def test_a_batch_that_never_ended_and_then_did_overwrites_nothing_for_long(
    good: dict[str, Good], tmp_path: Path, night_server: PlatformServer, night_control: SandboxControl
) -> None:
    world = begun(tmp_path, night_server, night_control)
    world.set(platform={"batch_deadline": 0.05})
    night_control.set_switches(batch_polls=NEVER)
    drop(world, "2026-03-02", ONE_BATCH)
    assert world.night("2026-03-03").code == 3
    assert DENIS not in night_control.state().members
    night_control.settle()
    night_control.set_switches(batch_polls=0)
    corrected_night(world)
    assert world.content() == good["corrected later"].content


def killed_night(root: Path, server: PlatformServer, control: SandboxControl, fault: Fault) -> World:
    """A night that was killed while the platform had its batch and had not begun it."""
    world = begun(root, server, control)
    control.set_switches(batch_polls=NEVER)
    drop(world, "2026-03-02", ONE_BATCH)
    control.add_fault(fault)
    words = ("run", "demo", "--as-of", "2026-03-03", "--config", str(world.config))
    with killed(*words, once=lambda: struck(control)):
        control.clear_faults()
    return world
