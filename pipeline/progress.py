"""Long work on a terminal: one line on stderr with what is under way, how fast, and what is left; gone when it is done.

It is drawn by a thread of its own some times a second; telling it costs the work next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

A_SECOND = 8
"""So often is the line drawn."""
STAGES = {
    "wait": ("waiting for the box office's files", "s"),
    "fetch": ("downloading", "B"),
    "read": ("reading", "lines"),
    "record": ("recording", "lines"),
    "look": ("looking at the platform", ""),
    "plan": ("planning", "contacts"),
    "push": ("sending", "contacts"),
    "receive": ("reading back what arrived", "contacts"),
    "compare": ("comparing consents", "contacts"),
    "rebuild": ("reading the archive", "files"),
}
"""Stage -> what people read, and what is counted."""


class Bar:
    """The line: told what is `done` of how many in `total` (0: nobody knows) of a stage.  `account` stands before it."""

    def __init__(self, drawn: Progress) -> None:
        self._drawn = drawn
        self._task = drawn.add_task("", total=None, told="", visible=False)
        self._stage = ""
        self._done = 0
        self._began = 0.0
        self._next = 0.0
        self.account = ""

    @property
    def shown(self) -> float:
        """How much is drawn as done."""
        return self._drawn.tasks[0].completed

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show it, at most so often as the line is drawn; a new stage, or another file, at once."""
        now = perf_counter()
        if stage != self._stage or done < self._done:
            self._stage, self._began = stage, now
            label = STAGES.get(stage, (stage, ""))[0]
            words = f"{self.account}: {label}" if self.account else label
            self._drawn.reset(self._task, description=words, total=total or None, told="", visible=True)
        elif now < self._next:
            self._done = done
            return
        self._done, self._next = done, now + 1 / A_SECOND
        unit = STAGES.get(stage, (stage, ""))[1]
        told = amounts(unit, (done, total), now - self._began)
        self._drawn.update(self._task, completed=done, total=total or None, told=told)


def amounts(unit: str, counted: tuple[int, int], seconds: float) -> str:
    """What is done of how much, how fast, and how long it still takes; what nobody knows is left out."""
    done, total = counted
    if unit == "s":
        return f"{_time(max(total - done, 0))} at most"
    if not done and not total:
        return ""
    said = [f"{_many(done, unit).split(' ')[0]} of {_many(total, unit)}" if total else _many(done, unit)]
    if seconds >= 0.5 and done:
        rate = done / seconds
        said.append(f"{_many(rate, unit)}/s")
        if total > done:
            said.append(f"{_time((total - done) / rate)} left")
    return ", ".join(said)


def _many(count: float, unit: str) -> str:
    if unit == "B":
        return f"{count / 1e6:.1f} MB"
    number = f"{count:.1f}" if 0 < count < 10 and count != int(count) else f"{count:,.0f}"
    return f"{number} {unit}".rstrip()


def _time(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 100 else f"{round(whole / 60)} min" if whole < 6000 else f"{whole / 3600:.1f} h"


@contextmanager
def line(stream: TextIO) -> Iterator[Bar]:
    """The line, for as long as the work takes."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        TextColumn("{task.fields[told]}"),
    )
    console = Console(file=stream, highlight=False)
    with Progress(*columns, console=console, transient=True, refresh_per_second=A_SECOND) as drawn:
        yield Bar(drawn)
