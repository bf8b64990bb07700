"""Waiting for a day: a file that is late, or still being written, is looked for again; not for ever."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
import structlog
from world import World, buy

from pipeline.bring import bring_day
from pipeline.config import load
from pipeline.doors import Outside, open_state, setting
from pipeline.errors import Failure, MissingFile, SourceUnavailable, StillChanging
from pipeline.setting import Setting
from pipeline.sources import Fetched, Source

DAY = date(2026, 3, 1)


class Nap:
    """A clock that sleeps at once, and does something at the nth nap."""

    def __init__(self, at: int = 0, act: Callable[[], None] = lambda: None) -> None:
        self.naps: list[float] = []
        self._at, self._act = at, act

    def __call__(self, seconds: float) -> None:
        self.naps.append(seconds)
        if len(self.naps) == self._at:
            self._act()


def stage(world: World, nap: Nap) -> Setting:
    configuration = load(world.config)
    outside = Outside({}, lambda: datetime(2026, 3, 2, tzinfo=UTC), nap, structlog.get_logger())
    return setting(configuration, configuration.account("demo"), open_state(configuration), outside)


def test_a_late_file_is_waited_for_with_growing_pauses(world: World, tmp_path: Path) -> None:
    world.set(source={"wait_minutes": 10})
    nap = Nap(4, lambda: world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", "anne@exemple.ca")]))
    work = stage(world, nap)
    brought = bring_day(work, DAY, tmp_path, wait=True)
    work.database.close()
    assert [file.role for file in brought] == ["purchases", "cancellations"]
    waits = [pause for pause in nap.naps if pause]
    assert waits == [5.0, 7.5, 11.25, 16.875]


def test_waiting_ends_when_its_time_is_up(world: World, tmp_path: Path) -> None:
    world.set(source={"wait_minutes": 3})
    nap = Nap()
    work = stage(world, nap)
    with pytest.raises(MissingFile):
        bring_day(work, DAY, tmp_path, wait=True)
    assert sum(nap.naps) == 180
    assert max(nap.naps) <= 60
    with pytest.raises(MissingFile):
        bring_day(work, DAY, tmp_path, wait=False)
    work.database.close()
    assert sum(nap.naps) == 180


class Growing:
    """A source whose first file is still being written at the first `times` looks."""

    def __init__(self, source: Source, times: list[int]) -> None:
        self._source, self._times = source, times

    def names(self) -> list[str]:
        return self._source.names()

    def fetch(self, name: str, into: Path) -> Fetched:
        if self._times[0] > 0:
            self._times[0] -= 1
            raise StillChanging(f"{name} is growing")
        return self._source.fetch(name, into)

    def close(self) -> None:
        self._source.close()


class OutOfReach(Growing):
    """A source that cannot be reached at the first `times` looks."""

    def names(self) -> list[str]:
        if self._times[0] > 0:
            self._times[0] -= 1
            raise SourceUnavailable("nothing listens there")
        return self._source.names()


@pytest.mark.parametrize("minutes", [10, 0])
@pytest.mark.parametrize(("kind", "fault"), [(Growing, StillChanging), (OutOfReach, SourceUnavailable)])
def test_a_file_that_is_being_written_and_a_server_out_of_reach_are_waited_for_too(
    world: World, tmp_path: Path, kind: type[Growing], fault: type[Failure], minutes: int
) -> None:
    world.set(source={"wait_minutes": minutes})
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", "anne@exemple.ca")])
    work = stage(world, Nap())
    times = [2]
    passing = replace(work, open_source=lambda: kind(work.open_source(), times))
    if minutes:
        assert len(bring_day(passing, DAY, tmp_path, wait=True)) == 2
    else:
        with pytest.raises(fault):
            bring_day(passing, DAY, tmp_path, wait=True)
    work.database.close()


def test_looks_that_take_long_do_not_prolong_the_waiting(world: World, tmp_path: Path) -> None:
    world.set(source={"wait_minutes": 3})
    nap = Nap()
    work = stage(world, nap)
    hours = (datetime(2026, 3, 2, tzinfo=UTC) + timedelta(minutes=2 * n) for n in count())
    slow = replace(work, now=lambda: next(hours))
    with pytest.raises(MissingFile):
        bring_day(slow, DAY, tmp_path, wait=True)
    work.database.close()
    assert sum(nap.naps) == 5.0
