"""docs/faults.md as the tests read it: a test that makes a fault finds there what must be said, and with which exit code."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parent.parent.parent / "docs" / "faults.md"
HEADER = ["call", "what can fail", "what is seen", "exit", "tried again", "test"]
STANDS_FOR_YOURS = re.compile(r"…|\b(?:HOST:PORT|FOLDER|FILE|DATABASE|USER|KEY|PINS|ARCHIVE)\b")
"""What stands for something of the reader's in a sentence of the page."""


@dataclass(frozen=True)
class Row:
    """A row of the page: `sentence` as a pattern (empty when nothing is seen), `code`, and the tests that it names."""

    sentence: str
    code: str
    tests: tuple[str, ...]

    def says(self, message: str) -> bool:
        """Whether the first line of a message is the row's sentence."""
        return re.fullmatch(self.sentence, message.split("\n", 1)[0]) is not None


def rows() -> list[Row]:
    """All rows of all tables."""
    found = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("| ") and not line.startswith("|--"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if cells != HEADER:
                assert len(cells) == len(HEADER), line
                found.append(_row(cells))
    return found


def row(test: str) -> Row:
    """The row that names `test` (`test_x.py::test_name`, with its parameter)."""
    [found] = [each for each in rows() if f"tests/faults/{test}" in each.tests]
    return found


def _row(cells: list[str]) -> Row:
    sentence = " ".join(re.findall(r"`([^`]+)`", cells[2])[:1])
    pattern = ".*".join(re.escape(part) for part in STANDS_FOR_YOURS.split(sentence))
    return Row(pattern, cells[3], tuple(re.findall(r"`(tests/[^`]+)`", cells[5])))
