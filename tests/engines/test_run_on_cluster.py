"""A night of many accounts over a cluster: what it says and does is what one machine says and does."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from program import shell, wait_until
from sources.depot import free_port
from world import Answer, buy, text

from .cluster import Cluster

NAMES = ("alma", "beloeil", "chambly", "dorval")
LOST = "dorval"
"""The account whose day is not there."""


class Town:
    """Some accounts with a folder each, import files as their platform, and a state that they share."""

    def __init__(self, root: Path, url: str, engine: str = "", settle: float = 0.0) -> None:
        self.root = root
        self.url = url
        accounts = root / "config" / "accounts"
        accounts.mkdir(parents=True)
        (root / "config" / "placier.toml").write_text(f'[state]\nurl = "{url}"\n[engine]\n{engine}')
        for number, name in enumerate(NAMES):
            (root / "depot" / name).mkdir(parents=True)
            (accounts / f"{name}.toml").write_text(
                f'organisation = "{name}"\n[source]\nkind = "folder"\npath = "depot/{name}"\n'
                f'transactions = "{{organisation}}_{{date:%Y%m%d}}.csv"\nsettle_seconds = {settle}\n'
                f'[platform]\nkind = "csv"\npath = "envois/{name}"\n'
            )
            lines = [buy(f"T{n}", "2026-03-01 10:00:00", f"p{n}@exemple.test") for n in range(number + 1)]
            if name != LOST:
                (root / "depot" / name / f"{name}_20260301.csv").write_text(text(lines), encoding="utf-8")

    def night(self, *words: str) -> Answer:
        options = ("--config", str(self.root / "config"), "--as-of", "2026-03-02", "--json", *words)
        return shell("run", *options, cwd=self.root)

    def history(self) -> list[tuple[Any, ...]]:
        """The runs that the state knows of, as (account, status)."""
        with psycopg.connect(self.url.replace("+psycopg", "")) as connection:
            return connection.execute("SELECT account, status FROM runs ORDER BY account, status").fetchall()

    def locks(self) -> int:
        """How many accounts are locked."""
        with psycopg.connect(self.url.replace("+psycopg", "")) as connection:
            held = "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database WHERE locktype = 'advisory'"
            row = connection.execute(f"{held} AND datname = current_database()").fetchone()
        return int(row[0]) if row else 0


def said(answer: Answer) -> list[Any]:
    """What the runs say, but for their names and times."""
    return [{key: run[key] for key in run if key not in {"run_id", "seconds"}} for run in answer.json["runs"]]


def on(cluster: Cluster, storage: Path) -> str:
    return f'kind = "dask"\nscheduler = "{cluster.address}"\nstorage = "{storage}"\n'


@pytest.fixture
def here(tmp_path: Path) -> list[Any]:
    """What one machine says of the night."""
    answer = Town(tmp_path / "ici", f"sqlite:///{tmp_path}/ici.db").night()
    assert answer.code == 4
    return said(answer)


def test_accounts_over_two_workers_say_what_one_machine_says(
    cluster: Cluster, postgres_url: str, here: list[Any], tmp_path: Path
) -> None:
    town = Town(tmp_path / "la", postgres_url, on(cluster, tmp_path / "partage"))
    answer = town.night("--log-format", "json")
    assert (answer.code, said(answer)) == (4, here)
    assert town.history() == [(name, "missing" if name == LOST else "done") for name in NAMES]
    logged = [json.loads(line) for line in answer.err.splitlines()]
    assert sorted(line["account"] for line in logged if line["event"] == "run ended") == sorted(NAMES)
    assert {path.name for path in (town.root / "var" / "reports").iterdir()} == {
        *NAMES,
        *(f"{name}-nights.html" for name in NAMES),
        "index.html",
    }
    assert "@exemple.test" not in answer.out + answer.err
    again = town.night()
    assert {run["pushed"]["contacts_created"] for run in again.json["runs"]} == {0}


def test_a_worker_killed_in_the_middle_of_an_account_loses_nothing(
    cluster: Cluster, postgres_url: str, here: list[Any], tmp_path: Path
) -> None:
    town = Town(tmp_path / "la", postgres_url, on(cluster, tmp_path / "partage"), settle=1.2)
    with ThreadPoolExecutor(1) as aside:
        coming = aside.submit(town.night)
        wait_until(lambda: [status for _, status in running(town)].count("running") == 2)
        cluster.workers[0].kill()
        answer = coming.result(90)
    assert (answer.code, said(answer)) == (4, here)
    ended = [row for row in town.history() if row[1] != "failed"]
    assert ended == [(name, "missing" if name == LOST else "done") for name in NAMES]
    assert len(town.history()) == len(NAMES) + 1, "one run was cut short, and done again"
    assert town.locks() == 0, "no account stays locked"


def running(town: Town) -> list[tuple[Any, ...]]:
    try:
        return town.history()
    except psycopg.errors.UndefinedTable:  # the state is not made yet
        return []


def test_a_scheduler_that_is_away_fails_every_account_and_says_what_to_type(postgres_url: str, tmp_path: Path) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    town = Town(tmp_path / "la", postgres_url, f'kind = "dask"\nscheduler = "{address}"\nstorage = "partage"\n')
    answer = town.night()
    assert (answer.code, [run["status"] for run in answer.json["runs"]]) == (1, ["failed"] * len(NAMES))
    assert address in answer.run["message"]
    assert "dask scheduler" in answer.run["message"]
    assert "Traceback" not in answer.err


def test_without_a_scheduler_one_file_as_state_is_enough(here: list[Any], tmp_path: Path) -> None:
    answer = Town(tmp_path / "la", f"sqlite:///{tmp_path}/la.db", 'kind = "dask"\n').night()
    assert (answer.code, said(answer)) == (4, here)
