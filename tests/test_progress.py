"""Long work on a terminal says what is under way, how fast and what is left; it leaves nothing, and is silent elsewhere."""

from __future__ import annotations

import io
import re
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest
from program import on_terminal
from structlog import get_logger
from world import World, buy

from pipeline import nightly
from pipeline.config import load
from pipeline.doors import Outside, open_state, setting
from pipeline.progress import STAGES, amounts, line

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def slow(world: World) -> World:
    """A night whose sending takes a second."""
    world.set(platform={"requests_per_second": 12.0, "batch_size": 2})
    world.day("2026-03-01", [buy(f"T{n}", "2026-03-01 10:00:00", f"a{n}@exemple.ca") for n in range(8)])
    return world


def test_a_long_run_tells_how_it_goes_and_leaves_nothing(slow: World) -> None:
    code, text = on_terminal("run", "demo", "--as-of", "2026-03-02", "--config", str(slow.config))
    assert code == 0
    before, _, after = text.rpartition("\x1b[2K")
    shown = ANSI.sub("", before)
    assert "sending" in shown
    assert re.search(r"[246] of 8 contacts", shown)
    assert shown.count("of 8 contacts") < 60, "drawn some times a second"
    assert ANSI.sub("", after).lstrip("\r").startswith("demo: run 2026-03-01 as of 2026-03-02: done")
    assert "sending" not in after


@pytest.mark.parametrize("more", [{"words": ("--json",)}, {"environment": {"TERM": "dumb"}}], ids=["json", "dumb"])
def test_a_script_and_a_dumb_terminal_see_nothing_of_it(world: World, more: dict[str, object]) -> None:
    world.day("2026-03-01", [])
    words = ("run", "demo", "--as-of", "2026-03-02", "--config", str(world.config), *more.get("words", ()))
    code, text = on_terminal(*words, environment=more.get("environment"))
    assert code == 0
    assert "\x1b[?25l" not in text
    assert "sending" not in text


@pytest.mark.parametrize(
    ("unit", "counted", "seconds", "told"),
    [
        ("B", (12_300_000, 40_000_000), 3.0, "12.3 of 40.0 MB, 4.1 MB/s, 7 s left"),
        ("lines", (1_234_567, 0), 2.0, "1,234,567 lines, 617,284 lines/s"),
        ("contacts", (30, 9_000), 10.0, "30 of 9,000 contacts, 3 contacts/s, 50 min left"),
        ("contacts", (5, 90_000), 10.0, "5 of 90,000 contacts, 0.5 contacts/s, 50.0 h left"),
        ("contacts", (4, 8), 0.1, "4 of 8 contacts"),
        ("s", (600, 5_400), 0.0, "80 min at most"),
        ("", (0, 0), 4.0, ""),
    ],
)
def test_what_is_told_of_the_work(unit: str, counted: tuple[int, int], seconds: float, told: str) -> None:
    assert amounts(unit, counted, seconds) == told


def test_a_hundred_thousand_steps_are_not_so_many_drawings() -> None:
    with line(io.StringIO()) as bar:
        drawn = set()
        for number in range(100_000):
            bar("fetch", number, 100_000)
            drawn.add(bar.shown)
        bar("read", 0, 0)
        assert bar.shown == 0
    assert 1 <= len(drawn) < 100


def test_every_stage_that_is_told_has_its_words() -> None:
    root = Path(__file__).parent.parent / "pipeline"
    told = {
        stage
        for path in root.rglob("*.py")
        for stage in re.findall(r'progress\("(\w+)"', path.read_text(encoding="utf-8"))
    }
    assert told == set(STAGES)


def test_what_is_read_recorded_and_planned_is_told_with_what_is_left(world: World) -> None:
    lines = [buy(f"T{n}", "2026-03-01 10:00:00", f"a{n}@exemple.ca") for n in range(30)]
    world.day("2026-03-01", lines)
    told: list[tuple[str, int, int]] = []
    outside = Outside(
        {},
        lambda: datetime(2026, 3, 2, 12),
        lambda seconds: None,
        get_logger(),
        progress=lambda *step: told.append(step),
    )
    configuration = load(world.config)
    account = configuration.account("demo")
    with closing(open_state(configuration)) as database:
        work = replace(setting(configuration, account, database, outside), portion=7)
        assert [run.status for run in nightly.run(work, date(2026, 3, 1), date(2026, 3, 2), alone=True)] == ["done"]
    steps = {stage: [(done, total) for each, done, total in told if each == stage] for stage in STAGES}
    assert (30, 30) in steps["read"]
    assert steps["record"][-1] == (30, 30)
    assert steps["plan"][0] == (0, 30)
    assert steps["plan"][-1] == (30, 30)
    assert all(done <= total for stage in ("read", "plan") for done, total in steps[stage])
