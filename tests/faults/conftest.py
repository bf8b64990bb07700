"""A night that meets a fault, and what the page of faults says of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sources.depot import Depot
from venue import Venue, over_sftp
from world import Answer, buy

from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.serve import PlatformServer

from . import page

ANNE, BENOIT = "anne@exemple.test", "benoit@exemple.test"
DAY = [buy("T1", "2026-03-01 10:00:00", ANNE), buy("T2", "2026-03-01 11:00:00", BENOIT)]

Judge = Callable[[Answer], None]


@pytest.fixture
def as_told(request: pytest.FixtureRequest) -> Judge:
    """Holds an answer against the row of the page that names this test."""

    def judge(answer: Answer) -> None:
        wanted = page.row(f"{request.path.name}::{request.node.name}")
        said = answer.run.get("message", "")
        assert wanted.says(said), (said, wanted.sentence)
        assert str(answer.code) == wanted.code
        if answer.code:
            assert said.partition("\n")[2], "what to type next"
        for word in ("Traceback", "unforeseen", "defect"):
            assert word not in answer.out + answer.err

    return judge


@pytest.fixture
def depot(tmp_path: Path) -> Depot:
    """The box office's folder with the day of the first of March."""
    return Depot(tmp_path / "depot", tmp_path)


@pytest.fixture
def venue(depot: Depot, tmp_path: Path, night_server: PlatformServer, night_control: SandboxControl) -> Venue:
    """A world whose files come over SFTP, from nowhere yet, without a pause between two tries; its day is dropped."""
    night_control.reset()
    source = over_sftp(1, key_file=str(depot.key), known_hosts=str(depot.known_hosts), first_pause=0.0)
    found = Venue(tmp_path, night_server, night_control, source=source)
    found.day("2026-03-01", DAY)
    return found
