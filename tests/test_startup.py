"""`placier --help` is quick: what is heavy waits until it is needed."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import pytest
from program import PATIENCE, clean_environment
from world import World, buy

HEAVY = (
    "pandas",
    "pyarrow",
    "paramiko",
    "sqlalchemy",
    "httpx",
    "pydantic",
    "rich",
    "alembic",
    "numpy",
    "cryptography",
    "jinja2",
    "babel",
    "pygal",
)
SPARED = {
    "alembic",
    "paramiko",
    "adbc_driver_sqlite",
    "apprise",
    "psycopg",
    "prometheus_client",
    "pandas",
    "structlog",
    "email_validator",
}
"""What a quiet night of ordinary addresses has no use for."""
SPARED_PARTS = {f"pipeline.{name}" for name in ("answers", "problems", "messages", "rebuild", "textfile")}
"""Modules of our own for which it has none either."""
SPARED_BY_FILES = {"httpx", "tenacity", "rich", "jsonschema_rs"}
"""What it has no use for when the platform takes import files."""
MOST_OBJECTS = 10_000
"""Far less than a night makes."""
ASK = """
import atexit, gc, json, runpy, sys
atexit.register(lambda: print(gc.get_freeze_count(), file=sys.stderr))
sys.argv = ["placier", *json.loads(sys.argv[1])]
try:
    runpy.run_module("pipeline", run_name="__main__", alter_sys=True)
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def ended(*words: str) -> tuple[set[str], int]:
    """The modules that the program has loaded by its end; how many objects the collector has been told to leave alone."""
    asked = [sys.executable, "-c", ASK, json.dumps(words)]
    done = subprocess.run(asked, capture_output=True, text=True, env=clean_environment(), timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    *_, modules, left_alone = done.stderr.splitlines()
    return set(json.loads(modules)), int(left_alone)


@pytest.mark.parametrize("words", [("--help",), ("run", "--help"), ("sandbox", "--help"), ("--version",)], ids=" ".join)
def test_help_loads_nothing_heavy(words: tuple[str, ...]) -> None:
    found, _ = ended(*words)
    assert found.isdisjoint(HEAVY), sorted(found & set(HEAVY))
    assert {"pipeline", "click"} <= found


@pytest.mark.parametrize("kind", ["cyberimpact", "csv"])
def test_a_night_loads_no_library_that_it_does_not_need(world: World, kind: str) -> None:
    lines = [buy(f"T{number}", "2026-03-01 10:00:00", f"anne{number}@exemple.test") for number in range(30)]
    world.day("2026-03-01", [*lines, buy("T99", "2026-03-01 10:00:00", "anne chez exemple.test")])
    spared = SPARED
    if kind == "csv":
        path = world.config / "accounts" / "demo.toml"
        source, _ = path.read_text().split("[platform]")
        path.write_text(f'{source}[platform]\nkind = "csv"\npath = "import"\n')
        spared = SPARED | SPARED_BY_FILES
    words = ("run", "demo", "--as-of", "2026-03-02", "--config", str(world.config))
    assert world.placier("push", "demo").code == 0  # the state is made
    found, left_alone = ended(*words)
    assert found & (spared | SPARED_PARTS) == set()
    assert left_alone > MOST_OBJECTS  # else the interpreter searches them all once more when it ends


def test_help_costs_little(capsys: pytest.CaptureFixture[str]) -> None:
    """The figure is told, not judged: machines differ; what keeps it low is the list above."""

    def seconds() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    costs = []
    for _ in range(5):
        before = seconds()
        words = [sys.executable, "-m", "pipeline", "--help"]
        done = subprocess.run(words, capture_output=True, env=clean_environment(), timeout=PATIENCE, check=True)
        assert b"Exit codes" in done.stdout
        costs.append(seconds() - before)
    with capsys.disabled():
        print(f"\nplacier --help: {min(costs):.3f} s of processor time, best of 5")
