"""Crash anywhere: whatever goes wrong, one good run leads the platform to where the files and the rules say it must be.

`PLACIER_HISTORIES` says how many histories are played, in blocks of 20 (fewer when they are few), on SQLite and PostgreSQL in turn.  A block draws the
same histories every time: the id of one that failed, given to pytest, plays it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from functools import cache

import pytest
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from store import conftest as databases

from machine.history import History, histories
from machine.player import Player, Tally
from machine.tally import PROPERTY, promised
from machine.venue import Place, place

postgres = databases.postgres
BLOCK = min(20, -(-promised() // 2))
BLOCKS = range(-(-promised() // BLOCK))
Record = Callable[[str, object], None]


Opened = Callable[[], Place]


@pytest.fixture(scope="module")
def opened(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """The servers of this worker, once a test asks for them: threads that are started before it would be measured."""
    with ExitStack() as stack:
        yield cache(lambda: stack.enter_context(place(tmp_path_factory.mktemp("machine"), postgres)))


@pytest.mark.no_cover  # measuring would take more time than the histories
@pytest.mark.timeout(1800)  # a history that fails is made small first
@pytest.mark.parametrize("block", BLOCKS)
def test_killed_anywhere_nothing_is_lost_nobody_wronged(block: int, opened: Opened, record_property: Record) -> None:
    database, tally = ("sqlite", "postgresql")[block % 2], Tally()

    @seed(block)
    @settings(
        max_examples=min(BLOCK, promised() - block * BLOCK),
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(history=histories())
    def survives(history: History) -> None:
        Player(history, opened().venue(database, history), tally, note).play()

    try:
        survives()
    finally:
        record_property(PROPERTY, {**asdict(tally), database: tally.histories})
