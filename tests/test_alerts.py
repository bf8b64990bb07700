"""Who is told: the healthcheck hears start and end; people hear of a problem once, and once when it is over."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from world import World, buy, cancel

from pipeline import messages
from pipeline.store.database import open_database
from pipeline.store.problems import Problems
from pipeline.store.tables import problems

ANNE = "anne@exemple.ca"


class Ear(ThreadingHTTPServer):
    """A server that remembers what it was told; `deaf`: it takes no message."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.deaf = False
        super().__init__(("127.0.0.1", 0), _Listen)

    @property
    def port(self) -> int:
        return self.server_address[1]

    def messages(self) -> list[dict[str, str]]:
        """The messages to people since the last look."""
        found = [json.loads(body) for path, body in self.heard if path == "/people"]
        self.heard.clear()
        return found


class _Listen(BaseHTTPRequestHandler):
    def _hear(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        deaf = self.server.deaf  # type: ignore[attr-defined]
        if not deaf:
            self.server.heard.append((self.path, body))  # type: ignore[attr-defined]
        self.send_response(500 if deaf or "broken" in self.path else 200)
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


@pytest.fixture
def told(world: World, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose people are told; its account speaks English."""
    monkeypatch.setenv("ALERTS", f"json://127.0.0.1:{ear.port}/people")
    change(world)
    return world


def change(world: World, language: str = "en_ca", **tables: dict[str, object]) -> None:
    """Change tables of the account, whose people are told in this language."""
    world.set(**tables)
    alerts(world, 'urls_env = "ALERTS"')
    speak(world, language)


def speak(world: World, language: str, account: str = "demo") -> None:
    path = world.config / "accounts" / f"{account}.toml"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("language")]
    path.write_text("\n".join([f'language = "{language}"', *lines]) + "\n")


def elapse(world: World, days: int) -> None:
    """The problems were noted so many days earlier than they were."""
    from datetime import timedelta

    database = open_database(f"sqlite:///{world.root}/var/placier.db")
    with database.transaction() as connection:
        for row in connection.execute(problems.select()).all():
            earlier = {"told_at": row.told_at - timedelta(days=days), "since": row.since - timedelta(days=days)}
            connection.execute(problems.update().where(problems.c.about == row.about).values(**earlier))
    database.close()


# The healthcheck


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


def test_a_night_that_is_interrupted_pings_fail(world: World, ear: Ear) -> None:
    world.set(source={"wait_minutes": 1})
    alerts(world, f'healthcheck_url = "http://127.0.0.1:{ear.port}/check"')

    def interrupt() -> None:
        while not ear.heard:
            time.sleep(0.01)
        time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGINT)

    watcher = threading.Thread(target=interrupt, daemon=True)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # background shells take it away
    try:
        watcher.start()
        answer = world.night("2026-03-02")
        watcher.join(5)
    finally:
        signal.signal(signal.SIGINT, before)
    assert answer.code == 130
    assert [path for path, _ in ear.heard] == ["/check/start", "/check/fail"]


def test_a_healthcheck_that_is_down_does_not_fail_the_night(world: World, ear: Ear) -> None:
    alerts(world, f'healthcheck_url = "http://127.0.0.1:{ear.port}/broken"')
    world.day("2026-03-01", [])
    answer = world.night("2026-03-02")
    assert answer.code == 0
    assert "healthcheck failed" in answer.err


# People


def test_people_hear_of_trouble_without_addresses(told: World, ear: Ear) -> None:
    told.control.add_group("Le Songe", dynamic=True)
    told.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    assert told.night("2026-03-02").code == 3
    [message] = ear.messages()
    assert message["title"] == "Placier: demo needs a look"
    assert 'the group "Le Songe" cannot be used (the group of that title is dynamic)' in message["message"]
    assert message["type"] == "warning"
    assert "anne" not in json.dumps(message)


def test_people_hear_once_of_somebody_who_came_back_and_once_that_they_left(told: World, ear: Ear) -> None:
    told.control.unsubscribe(ANNE)
    for day in ("2026-03-01", "2026-03-02", "2026-03-03"):
        told.day(day, [])
        assert told.placier("run", "demo", "--date", day, "--as-of", "2026-03-04").code == 0
        told.control.resubscribe(ANNE)
    [message] = ear.messages()
    assert "members of the platform again: 1" in message["message"]
    assert "anne" not in json.dumps(message)
    told.control.unsubscribe(ANNE)
    assert told.placier("push", "demo").code == 0
    [message] = ear.messages()
    assert "well again" in message["message"]


def test_a_late_file_is_told_once_and_once_when_it_has_come(told: World, ear: Ear) -> None:
    told.day("2026-03-01", [])
    assert told.night("2026-03-02").code == 0
    assert ear.messages() == []
    for night in ("2026-03-03", "2026-03-04", "2026-03-05"):  # one day late, then two, then three
        assert told.night(night).code == 4
    [message] = ear.messages()
    assert "demo: the files of 2026-03-02 are late: Theatre_achats_20260302.csv" in message["message"]
    assert "placier run demo --date 2026-03-02" in message["message"]
    for day in ("2026-03-02", "2026-03-03", "2026-03-04"):
        told.day(day, [])
    assert told.night("2026-03-05").code == 0
    [message] = ear.messages()
    assert message["title"] == "Placier: demo is well again"
    assert message["type"] == "success"
    assert "the day 2026-03-02 is not missing any more" in message["message"]
    assert told.night("2026-03-05").code == 0
    assert ear.messages() == []


def test_a_problem_that_lasts_is_told_again_after_a_week(told: World, ear: Ear) -> None:
    assert told.night("2026-03-02").code == 4
    assert len(ear.messages()) == 1
    elapse(told, 6)
    assert told.night("2026-03-02").code == 4
    assert ear.messages() == []
    elapse(told, 1)
    assert told.night("2026-03-02").code == 4
    [message] = ear.messages()
    assert "demo: still, since 20" in message["message"]
    assert told.night("2026-03-02").code == 4
    assert ear.messages() == []


def test_another_problem_is_told_though_one_lasts(told: World, ear: Ear) -> None:
    assert told.night("2026-03-02").code == 4
    assert len(ear.messages()) == 1
    change(told, source={"path": "ailleurs"})
    assert told.night("2026-03-02").code == 1
    [message] = ear.messages()
    assert "the run failed (run 2026-03-01)" in message["message"]
    assert "are late" not in message["message"]
    change(told, source={"path": "depot"})
    assert told.night("2026-03-02").code == 4
    assert ear.messages() == [], "a night without its files does not show that all works again"
    told.day("2026-03-01", [])
    assert told.night("2026-03-02").code == 0
    [message] = ear.messages()
    assert message["message"].count("well again") == 2


def test_a_hold_is_told_once_with_its_command_and_once_when_it_is_approved(told: World, ear: Ear) -> None:
    change(told, guard={"max_leaves": 0, "max_leave_ratio": 0.0})
    told.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    assert told.night("2026-03-02").code == 0
    told.day("2026-03-02", [cancel("T1", "2026-03-02 10:00:00", ANNE)])
    held = told.night("2026-03-03")
    assert held.code == 5
    assert told.night("2026-03-03").code == 5
    [message] = ear.messages()
    command = f"placier approve demo {held.run['run_id']}"
    assert command in message["message"]
    assert told.placier(*command.split()[1:]).code == 0
    [message] = ear.messages()
    assert "nothing of this is held any more: leaves of groups" in message["message"]


def test_what_could_not_be_delivered_is_told_by_the_next_run(told: World, ear: Ear) -> None:
    ear.deaf = True
    answer = told.night("2026-03-02")
    assert answer.code == 4
    assert "a message was not taken" in answer.err
    ear.deaf = False
    assert told.night("2026-03-02").code == 4
    assert len(ear.messages()) == 1
    ear.deaf = True
    told.day("2026-03-01", [])
    assert told.night("2026-03-02").code == 0
    ear.deaf = False
    assert told.placier("push", "demo").code == 0
    [message] = ear.messages()
    assert "well again" in message["message"]


def test_one_address_that_takes_it_is_enough(told: World, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALERTS", f"json://127.0.0.1:{ear.port}/broken json://127.0.0.1:{ear.port}/people")
    assert "a message was not taken" in told.night("2026-03-02").err
    assert len(ear.messages()) == 1
    told.night("2026-03-02")
    assert ear.messages() == []


def test_with_the_state_out_of_reach_people_hear_all_the_same_once_a_run(told: World, ear: Ear) -> None:
    (told.root / "var").mkdir()
    (told.root / "var" / "placier.db").write_text("this is no database" * 100)
    for _ in range(2):
        assert told.night("2026-03-02").code == 1
        [message] = ear.messages()
        assert "the run failed" in message["message"]
        assert "→" in message["message"]


def test_what_is_typed_wrong_is_told_to_who_typed_it_alone(told: World, ear: Ear) -> None:
    told.day("2026-03-01", [])
    assert told.night("2026-03-02").code == 0
    assert told.placier("replay", "demo", "2026-03-09", "--as-of", "2026-03-02").code == 2
    assert told.placier("replay", "demo", "2026-02-09", "--as-of", "2026-03-02").code == 4
    assert ear.messages() == []


def test_several_accounts_make_one_message_in_their_language(told: World, ear: Ear) -> None:
    text = (told.config / "accounts" / "demo.toml").read_text()
    (told.config / "accounts" / "autre.toml").write_text(text)
    speak(told, "fr_ca", "autre")
    assert told.placier("run", "--as-of", "2026-03-02").code == 4
    [message] = ear.messages()
    assert message["title"] == "Placier: autre, demo needs a look"
    assert message["message"].count("are late") == 2
    assert "\n\n" in message["message"]
    change(told, "fr_ca", source={"path": "ailleurs"})
    assert told.night("2026-03-02").code == 1
    [message] = ear.messages()
    assert message["title"] == "Placier\u00a0: demo demande un coup d'œil"
    assert message["message"].startswith("demo\u00a0: l'exécution a échoué (run 2026-03-01), rien n'est fait à moitié")


def test_who_was_not_alerted_has_no_problems_noted(world: World) -> None:
    assert world.night("2026-03-02").code == 4
    database = open_database(f"sqlite:///{world.root}/var/placier.db")
    with database.transaction() as connection:
        assert Problems(connection, "demo").noted() == {}
    database.close()


def test_every_kind_of_problem_has_its_words_in_both_languages() -> None:
    assert set(messages.BEGINS) == set(messages.TODO) == set(messages.ENDS)
    for table in (messages.BEGINS, messages.TODO, messages.ENDS, messages.HOLDS, messages.TITLES):
        assert all(len(pair) == 2 and all(pair) for pair in table.values())
