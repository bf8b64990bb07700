"""One stand-in of the platform for all the nights of a worker, new again before each test; and the world around it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from attacks.fuzzed import Fuzzed
from hypothesis import settings
from machine.tally import Figures
from world import World

from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.serve import PlatformServer

EXAMPLES = int(os.environ.get("PLACIER_EXAMPLES") or 60)
"""Of each law, unless it says something else; most laws about nights take a tenth of that."""
settings.register_profile("placier", settings(), max_examples=EXAMPLES)
settings.load_profile("placier")


@pytest.fixture(scope="session")
def night_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformServer]:
    with PlatformServer(tmp_path_factory.mktemp("platform") / "platform.db") as server:
        yield server


@pytest.fixture(scope="session")
def night_control(night_server: PlatformServer) -> Iterator[SandboxControl]:
    with SandboxControl(night_server.url) as control:
        yield control


@pytest.fixture
def world(tmp_path: Path, night_server: PlatformServer, night_control: SandboxControl) -> World:
    night_control.reset()
    return World(tmp_path, night_server, night_control)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Figures(), "crash machine")
        config.pluginmanager.register(Fuzzed(), "fuzzing")
