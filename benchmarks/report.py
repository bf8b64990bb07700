"""The figures as RESULTS.md tells them: ratios first, then each case with its machine, versions, date and command.

What stands between `<!-- NAME -->` and `<!-- /NAME -->` is written by the case of that name; a case that was not run
leaves its part as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from measure import HERE

RESULTS = HERE / "RESULTS.md"


@dataclass(frozen=True, slots=True)
class Mark:
    """A figure that something is asked of: what it is, what is asked, what was seen."""

    what: str
    asked: str
    seen: str


@dataclass(frozen=True, slots=True)
class Section:
    """One case: its name, its title, its text, and the figures that something is asked of."""

    name: str
    title: str
    body: str
    marks: Sequence[Mark] = ()


@dataclass(frozen=True, slots=True)
class Circumstances:
    """When, where, with what and by which command figures were made."""

    command: str
    day: str
    machine: str
    versions: str
    load: str

    def __str__(self) -> str:
        lines = (
            f"Command: `{self.command}`, on {self.day}; {self.load}",
            f"Machine: {self.machine}",
            f"Versions: {self.versions}",
        )
        return "".join(f"- {line}.\n" for line in lines)


def table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table in Markdown."""
    names = list(header)
    lines = [names, ["---"] * len(names), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def figure(value: float) -> str:
    """A number with the digits that it deserves."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def case(section: Section, how: Circumstances) -> str:
    """The part of a case."""
    return f"## {section.title}\n{how}\n{section.body}"


def ratios(sections: Sequence[Section], how: Circumstances) -> dict[str, str]:
    """The first part: what is asked of the cases of this run, and what was seen."""
    rows = [(mark.what, mark.asked, mark.seen) for each in sections for mark in each.marks]
    return {"ratios": f"## Ratios\n{how}\n{table(('what', 'asked', 'seen'), rows)}"} if rows else {}


def write(found: dict[str, str], path: Path = RESULTS) -> None:
    """Put the parts where they belong."""
    text = path.read_text(encoding="utf-8")
    for name, body in found.items():
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not place.search(text):
            raise SystemExit(f"{path.name} has no place for {name}: it needs <!-- {name} --> and <!-- /{name} -->")
        text = place.sub(lambda found, body=body: f"{found[1]}{body}\n{found[2]}", text)
    path.write_text(text, encoding="utf-8")
