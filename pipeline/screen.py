"""What a terminal shows: lines that wrap, tables that fit, nothing that it would obey; plain columns elsewhere.

Nothing is cut off: what is too long is folded.  No line ends in blanks: it is fit to paste.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from pipeline.log import plain

INDENT, GAP = 2, 2
"""Blanks before a table, and between its columns."""
SHORT = 16
"""A column of no more characters (a day and an hour) is not wrapped while there is room."""
LEAST = 6
"""So many characters wide a column stays, if it has them."""


class Page:
    """A console that wraps lines and draws tables where there is a terminal, and writes plain columns elsewhere."""

    def __init__(self, console: Console, *, terminal: bool | None = None) -> None:
        self._console = console
        self._terminal = console.is_terminal if terminal is None else terminal

    def say(self, text: str = "", style: str = "") -> None:
        """One line of text; on a terminal it wraps below its first word, which blanks or an arrow may precede."""
        words = plain(text)
        if not self._terminal:
            self._console.print(Text(words, style=style), soft_wrap=True)
            return
        bare = words.lstrip(" ")
        indent = len(words) - len(bare)
        hang = indent + (2 if bare.startswith(("→ ", "▸ ")) else INDENT)
        width = max(self._console.width - hang, 20)
        first, *more = Text(bare, style=style).wrap(self._console, width + hang - indent) or [Text()]
        rest = Text(bare[len(first.plain) :].lstrip(" "), style=style)
        lines = [first, *(rest.wrap(self._console, width) if more else [])]
        for number, line in enumerate(lines):
            line.rstrip()
            self._console.print(Text(" " * (hang if number else indent)) + line, soft_wrap=True)

    def table(self, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Rows under a header; without rows, nothing."""
        listed = [[plain(str(cell)) for cell in row] for row in rows]
        if not listed:
            return
        if self._terminal:
            self._draw(head, listed)
            return
        widths = [max(len(cell) for cell in column) for column in zip(head, *listed, strict=True)]
        for row in [list(head), *listed]:
            self.say("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def _draw(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        room = self._console.width - INDENT - GAP * (len(head) - 1)
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), collapse_padding=True, header_style="bold")
        for title, width in zip(head, widths([head, *rows], room), strict=True):
            table.add_column(title, width=width, overflow="fold")
        for row in rows:
            table.add_row(*(Text(cell, overflow="fold") for cell in row))
        self._console.print()
        for line in self._console.render_lines(Padding(table, (0, 0, 0, INDENT)), pad=False):
            self._console.print(_Line(_trimmed(line)), end="", soft_wrap=True)


def widths(rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """Widths of columns that fit into `room` characters: short ones and single words stay whole, long texts wrap."""
    columns = list(zip(*rows, strict=True))
    natural = [max(cell_len(cell) for cell in column) for column in columns]
    whole = [max((cell_len(word) for cell in column for word in cell.split()), default=1) for column in columns]
    found = [wide if wide <= SHORT else min(wide, word) for wide, word in zip(natural, whole, strict=True)]
    while sum(found) > room and max(found) > LEAST:  # not even the words fit: the longest are folded
        found[found.index(max(found))] -= 1
    while sum(found) < room and found != natural:  # what is left over goes where a text is most cramped
        cramped = max(range(len(found)), key=lambda number: natural[number] / found[number])
        found[cramped] += 1
    return found


class _Line:
    """Segments of one line, ready to be printed."""

    def __init__(self, segments: Sequence[Segment]) -> None:
        self._segments = segments

    def __rich_console__(self, _console: Console, _options: object) -> Iterator[Segment]:
        """As they are, on a line of their own."""
        yield from self._segments
        yield Segment.line()


def _trimmed(line: Sequence[Segment]) -> list[Segment]:
    """A line without the blanks at its end."""
    kept = list(line)
    while kept and not kept[-1].text.strip():
        kept.pop()
    if kept:
        kept[-1] = Segment(kept[-1].text.rstrip(), kept[-1].style)
    return kept
