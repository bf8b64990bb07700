"""The night of the second of March, that something happens to; and the one that finishes it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from program import wait_until
from world import Line, World, buy

from pipeline.sandbox.switches import Fault

from .conftest import ANNE, BENOIT

NIGHT = "2026-03-03"
CHLOE = "chloe@exemple.test"


def bought(count: int = 1) -> list[Line]:
    """The day of the second of March: Chloé, and others."""
    others = [f"invite{number}@exemple.test" for number in range(1, count)]
    return [buy(f"T{n}", "2026-03-02 10:00:00", email) for n, email in enumerate([CHLOE, *others], 3)]


def begun(world: World, url: str = "sqlite:///state/placier.db") -> World:
    """A world with one good night behind it, and the next day's files at the door."""
    world.state_url = url
    world.write_config()
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE), buy("T2", "2026-03-01 11:00:00", BENOIT)])
    assert world.night("2026-03-02").code == 0
    world.day("2026-03-02", bought())
    world.control.reset_log()
    return world


def impatient(world: World, seconds: float = 0.2) -> None:
    """A database in use is waited for a moment only."""
    file = world.config / "placier.toml"
    file.write_text(file.read_text() + f"patience = {seconds}\n")


def finished(world: World, emails: frozenset[str] = frozenset({ANNE, BENOIT, CHLOE})) -> None:
    """The next night does all that is left, and then nothing is."""
    night = world.night(NIGHT)
    assert (night.code, night.run["status"]) == (0, "done"), night.out
    assert set(world.content()) == emails
    assert all(world.groups_of(email) == ("Clients Tuxedo", "Le Songe") for email in (ANNE, CHLOE))
    world.control.reset_log()
    assert world.placier("push", "demo", "--as-of", NIGHT).code == 0
    assert world.control.writes() == 0


@contextmanager
def struck(world: World, fault: Fault, strike: Callable[[], None]) -> Iterator[None]:
    """`strike` while the platform keeps the run waiting."""

    def lie_in_wait() -> None:
        wait_until(lambda: any(entry.fault for entry in world.control.log()))
        strike()

    world.control.add_fault(fault)
    thread = threading.Thread(target=lie_in_wait)
    thread.start()
    yield
    thread.join()
