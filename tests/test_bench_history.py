"""The history that the benchmarks measure with: the same at every call, and one that the program reads."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from program import shell

LINES = 5_000


@pytest.fixture(scope="module")
def history() -> ModuleType:
    path = Path(__file__).parent.parent / "benchmarks" / "history.py"
    spec = importlib.util.spec_from_file_location("history", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["history"] = module
    spec.loader.exec_module(module)
    return module


def test_the_same_size_and_seed_give_the_same_history(history: ModuleType, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("one.csv", "two.csv", "other.csv")]
    for file, seed in zip(files, (1, 1, 2), strict=True):
        assert history.write(history.Size(LINES, seed), file) == LINES
    one, two, other = (file.read_bytes() for file in files)
    assert one == two != other
    assert one.count(b"\n") == LINES + 1


def test_the_program_reads_it(history: ModuleType, tmp_path: Path) -> None:
    history.write(history.Size(LINES), tmp_path / "history.csv")
    told = shell("check", str(tmp_path / "history.csv"), "--json").json
    assert told["lines"] == LINES
    assert {reject["reason"] for reject in told["rejected"]} == {"bad_email"}
    assert 0 < len(told["rejected"]) < LINES / 100
