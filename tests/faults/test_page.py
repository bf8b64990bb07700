"""docs/faults.md and the tests know of each other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from . import page

ROOT = Path(__file__).parent.parent.parent


def collected() -> set[str]:
    """All tests of this folder, with their parameters."""
    words = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "tests/faults"]
    found = subprocess.run(words, capture_output=True, text=True, check=True, cwd=ROOT, timeout=120).stdout
    return {line for line in found.splitlines() if "::" in line}


def test_every_test_of_faults_is_on_the_page_and_every_test_of_the_page_exists() -> None:
    named = {test for row in page.rows() for test in row.tests}
    here = {test for test in named if test.startswith("tests/faults/")}
    there = {test for test in collected() if "test_page.py" not in test}
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
