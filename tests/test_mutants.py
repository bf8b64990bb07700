"""The rules that `make mutants` breaks on purpose are still where it looks for them, and so are the tests that notice."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "mutants.py"))
MUTANTS = SCRIPT["MUTANTS"]


def test_there_are_mutants_of_policy_plan_push_and_store() -> None:
    broken = {mutant.file for mutant in MUTANTS}
    assert {
        f"pipeline/{room}.py" for room in ("policy", "plan", "push", "store/ledger", "store/acknowledged")
    } <= broken
    assert len(MUTANTS) >= 16
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_mutant_finds_its_text_once_and_names_a_test(mutant) -> None:
    assert SCRIPT["occurrences"](mutant) == 1
    assert mutant.old != mutant.new
    file, name = re.fullmatch(r"(tests/[\w/]+\.py)::(\w+)(?:\[[\w-]+\])?", mutant.test).groups()
    assert f"\ndef {name}(" in (ROOT / file).read_text(encoding="utf-8")
