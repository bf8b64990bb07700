"""docs/faults.md and the tests know of each other."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

from . import page

ROOT = Path(__file__).parent.parent.parent


def in_this_folder() -> set[str]:
    """The tests of this folder, with their parameters."""
    found = set()
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(f".{path.stem}", __package__)
        for name, test in vars(module).items():
            if name.startswith("test_") and path.name != "test_page.py":
                found |= {f"tests/faults/{path.name}::{name}{each}" for each in parameters(test)}
    return found


def parameters(test: object) -> list[str]:
    """`[id]` of each parameter, when they are told by their own text; else nothing."""
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    values = [*(marks[0].kwargs.get("ids") or marks[0].args[1])] if len(marks) == 1 else []
    return [f"[{value}]" for value in values] if values and all(isinstance(value, str) for value in values) else [""]


def test_every_test_of_faults_is_on_the_page_and_every_test_of_the_page_exists() -> None:
    named = {test for row in page.rows() for test in row.tests}
    here = {test for test in named if test.startswith("tests/faults/")}
    there = in_this_folder()
    whole = {test for test in here if "[" not in test}
    assert {test for test in there if test.partition("[")[0] not in whole} == here - whole
    assert whole <= {test.partition("[")[0] for test in there}
    for test in named - here:
        path, _, name = test.partition("::")
        assert re.search(rf"^def {name}\(", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE), test


def test_every_row_has_a_sentence_an_exit_code_and_a_test() -> None:
    for row in page.rows():
        assert row.tests
        assert row.code in {"0", "1", "2", "3", "4", "5", "75"}
        assert bool(row.sentence) or row.code == "0", row
