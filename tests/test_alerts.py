"""Who is told: the healthcheck hears start and end, people hear of trouble, nobody's address is in it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from world import World, buy


class Ear(ThreadingHTTPServer):
    """A server that remembers what it was told."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        super().__init__(("127.0.0.1", 0), _Listen)

    @property
    def port(self) -> int:
        return self.server_address[1]


class _Listen(BaseHTTPRequestHandler):
    def _hear(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.server.heard.append((self.path, body))  # type: ignore[attr-defined]
        self.send_response(500 if "broken" in self.path else 200)
        self.end_headers()

    do_GET = do_POST = _hear

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@pytest.fixture
def ear() -> Iterator[Ear]:
    with Ear() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def alerts(world: World, table: str) -> None:
    path = world.config / "placier.toml"
    path.write_text(f"{path.read_text()}[alerts]\n{table}\n")


def test_a_good_night_pings_start_and_success(world: World, ear: Ear) -> None:
    alerts(world, f'healthcheck_url = "http://127.0.0.1:{ear.port}/check"')
    world.day("2026-03-01", [])
    assert world.night("2026-03-02").code == 0
    assert [path for path, _ in ear.heard] == ["/check/start", "/check"]


def test_a_bad_night_pings_fail_and_a_dry_run_is_silent(world: World, ear: Ear) -> None:
    alerts(world, f'healthcheck_url = "http://127.0.0.1:{ear.port}/check"')
    assert world.night("2026-03-02", "--dry-run").code == 4
    assert ear.heard == []
    assert world.night("2026-03-02").code == 4
    assert [path for path, _ in ear.heard] == ["/check/start", "/check/fail"]


def test_a_healthcheck_that_is_down_does_not_fail_the_night(world: World, ear: Ear) -> None:
    alerts(world, f'healthcheck_url = "http://127.0.0.1:{ear.port}/broken"')
    world.day("2026-03-01", [])
    answer = world.night("2026-03-02")
    assert answer.code == 0
    assert "healthcheck failed" in answer.err


def test_people_hear_of_trouble_without_addresses(world: World, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERTS", f"json://127.0.0.1:{ear.port}/people")
    alerts(world, 'urls_env = "ALERTS"')
    world.control.add_group("Le Songe", dynamic=True)
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", "anne@exemple.ca")])
    assert world.night("2026-03-02").code == 3
    [(path, body)] = ear.heard
    assert path == "/people"
    assert "dynamic" in json.loads(body)["message"]
    assert "anne" not in body
    world.day("2026-03-02", [])
    assert world.placier("run", "demo", "--date", "2026-03-02", "--as-of", "2026-04-30").code in {0, 3}


def test_people_hear_once_of_somebody_who_came_back(world: World, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERTS", f"json://127.0.0.1:{ear.port}/people")
    alerts(world, 'urls_env = "ALERTS"')
    world.control.unsubscribe("anne@exemple.ca")
    for day, code in (("2026-03-01", 0), ("2026-03-02", 0), ("2026-03-03", 0)):
        world.day(day, [])
        assert world.placier("run", "demo", "--date", day, "--as-of", "2026-03-04").code == code
        world.control.resubscribe("anne@exemple.ca")
    [(_, body)] = ear.heard
    assert "members of the platform again" in json.loads(body)["message"]
    assert "anne" not in body
