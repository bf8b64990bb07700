"""A clock that jumps: back, ahead, over midnight."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytest
from world import Answer, World, buy

from pipeline import nightly
from pipeline.config import load
from pipeline.doors import Outside
from pipeline.log import set_up
from pipeline.run import Run
from pipeline.setting import Setting
from pipeline.walks import Way, walk_accounts

from .conftest import ANNE, BENOIT, Judge
from .nights import CHLOE, NIGHT, begun, bought, finished


def run(world: World, clock: Iterator[datetime], as_of: str = NIGHT, wait: list[float] | None = None) -> Run:
    """The nightly run under a clock of our own; `wait` is told of every pause."""
    today = date.fromisoformat(as_of)

    def walk(setting: Setting) -> list[Run]:
        return nightly.run(setting, today - timedelta(days=1), today, alone=False)

    def pause(seconds: float) -> None:
        if wait is not None and seconds > 1:
            wait.append(seconds)
            world.day("2026-03-02", bought())

    configuration = load(world.config)
    outside = Outside({}, clock.__next__, pause, set_up("console", verbose=False))
    [told] = walk_accounts(
        configuration, list(configuration.accounts.values()), walk, outside, Way("run", False, False)
    )
    return told


def ticking(start: str, step: timedelta = timedelta(seconds=1)) -> Iterator[datetime]:
    """A clock that goes on by `step` at every look."""
    now = datetime.fromisoformat(start)
    while True:
        yield now
        now += step


def test_a_clock_that_is_set_back_between_two_nights(world: World) -> None:
    begun(world)
    first = run(world, ticking("2026-03-09T12:00:00"))
    world.day("2026-03-03", [buy("T9", "2026-03-03 10:00:00", "denis@exemple.test")])
    second = run(world, ticking("2026-03-04T12:00:00"), "2026-03-04")
    assert (first.status, second.status) == ("done", "done")
    status = world.placier("status", "demo").json["accounts"][0]
    assert {each["run_id"] for each in status["runs"]} >= {first.run_id, second.run_id}
    assert set(world.content()) == {ANNE, BENOIT, CHLOE, "denis@exemple.test"}
    finished(world, frozenset(world.content()))


def test_a_clock_that_runs_backwards_during_a_night(world: World) -> None:
    begun(world)
    assert run(world, ticking("2026-03-03T12:00:00", -timedelta(hours=7))).status == "done"
    finished(world)


def test_a_night_over_midnight_stays_the_night_it_was(world: World) -> None:
    begun(world)
    for file in world.drop.glob("*20260302*"):
        file.unlink()
    world.set(source={"wait_minutes": 10})
    waited: list[float] = []
    told = run(world, ticking("2026-03-03T23:59:00", timedelta(minutes=1)), wait=waited)
    assert told.message == ""
    assert (told.status, told.date, told.as_of) == ("done", date(2026, 3, 2), date(2026, 3, 3))
    assert len(waited) == 1
    finished(world)


def test_a_day_that_is_long_past(world: World, as_told: Judge) -> None:
    begun(world)
    before = world.content()
    as_told(world.night("2026-01-10"))
    assert (world.content(), world.control.writes()) == (before, 0)
    finished(world)


def test_a_day_that_is_far_ahead(world: World, as_told: Judge) -> None:
    begun(world)
    before = world.content()
    as_told(world.night("2031-01-01"))
    assert (world.content(), world.control.writes()) == (before, 0)
    assert world.night(NIGHT).code == 0
    assert set(world.content()) == {ANNE, BENOIT, CHLOE}
    assert {email: world.groups_of(email) for email in (ANNE, BENOIT)} == {
        email: ("Clients Tuxedo", "Le Songe") for email in (ANNE, BENOIT)
    }


@pytest.mark.parametrize("command", ["run", "replay"])
def test_a_day_after_the_as_of_day(command: str, world: World, as_told: Judge) -> None:
    begun(world)
    assert world.night(NIGHT).code == 0
    before = world.content()
    words = ("run", "demo", "--date", "2026-03-02") if command == "run" else ("replay", "demo", "2026-03-02")
    answer: Answer = world.placier(*words, "--as-of", "2026-02-20")
    as_told(answer)
    assert world.content() == before
    finished(world)
