"""One stand-in of the platform for all the nights of a worker, new again before each test; and the world around it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from attacks.fuzzed import Fuzzed
from machine.tally import Figures
from world import World

from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.serve import PlatformServer


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
