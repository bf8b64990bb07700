"""The text of a day file -> its records, block by block: what must hold before a single value is looked at.

Where records start is found by columns: the line ends that stand outside quotes.  A quote opens where a value starts and
nowhere else (RFC 4180), so one in the middle of an unquoted value is text.  Looking at every quote costs as much as reading
the values, so a reader may first try a block as if each of its lines were a record, and prove it by the rows that it finds.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn, cast

import numpy as np
import numpy.typing as npt

from pipeline.content import MAX_LINE, Content, open_file, refuse

DELIMITERS = (";", ",", "\t", "|")
MAX_RECORDS = 20_000_000
"""Records of the longest file: a large venue's history of many years."""
BLOCK = 4 * MAX_LINE
"""Bytes of a file that are looked at together."""

_QUOTE, _LF, _CR = 34, 10, 13
_HEADER = 65536
_SHORT = 32
"""Bytes of a line that is much shorter than any of a box office."""
_FEW = 2**18

Integers = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a block that are not empty: where each starts and ends in `data`, and its physical line number.

    `offset` is where the block starts in the whole text.
    """

    data: bytes
    offset: int
    starts: Integers
    ends: Integers
    lines: Integers
    quoted: bool = True

    def text(self, place: int) -> str:
        """The record as it stands in the file, without its line end."""
        return self.data[int(self.starts[place]) : int(self.ends[place])].decode("utf-8")


@dataclass(frozen=True, slots=True)
class Lines:
    """A block in which each line may be a record: it ends with a line end, and no CR is one by itself."""

    data: memoryview
    offset: int
    line: int
    number: int

    def records(self) -> Records:
        """Where they are."""
        view = np.frombuffer(self.data, dtype=np.uint8)
        ends = np.flatnonzero(view == _LF)
        starts = np.concatenate([[0], ends[:-1] + 1])
        lines = np.arange(self.line, self.line + len(ends), dtype=np.int64)
        return Records(cast(bytes, self.data.obj), self.offset, starts, _without_cr(view, starts, ends), lines)


def header(content: Content, delimiter: str) -> list[str]:
    """The names in the header, if `delimiter` is what stands between them."""
    head = content.head.decode("utf-8", errors="ignore")
    try:
        return next(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter), [])
    except csv.Error:
        return []


def delimiter_of(content: Content) -> str:
    """What most likely stands between the values: the mark that the header's first line holds most of."""
    line = content.head.split(b"\n", 1)[0]
    return max(DELIMITERS, key=lambda delimiter: line.count(delimiter.encode()))


def split(content: Content, delimiter: str) -> Iterator[Records]:
    """The records after the header, block by block.

    UntrustedFile if a quote is never closed, if a record is far too long, or if there are too many.
    """
    cutter = Cutter(content, delimiter)
    cutter.skip_header()
    yield from cutter.rest()


def check_number(content: Content, delimiter: str) -> None:
    """UntrustedFile, before any of them is looked at, if there are too many records."""
    if content.line_ends > MAX_RECORDS + 1:  # the header is no record
        for _ in split(content, delimiter):
            pass


def count(content: Content) -> int:
    """How many records follow the header, blank ones not counted."""
    return sum(
        sum(1 for start, end in zip(found.starts, found.ends, strict=True) if found.data[start:end].strip())
        for found in split(content, delimiter_of(content))
    )


def spans(path: Path, delimiter: str, numbers: Collection[int]) -> list[tuple[int, int]]:
    """The spans in the text of a file of the records that start on these lines, the header not among them."""
    wanted = np.array(sorted(numbers), dtype=np.int64)
    told: list[tuple[int, int]] = []
    for found in split(open_file(path), delimiter):
        chosen = np.isin(found.lines, wanted)
        starts, ends = found.starts[chosen] + found.offset, found.ends[chosen] + found.offset
        told.extend(zip(starts.tolist(), ends.tolist(), strict=True))
    return told


class Cutter:
    """The text of a file from its header on, cut where records end.

    A block is asked for by `lines` first and, where that gives none or `took` was not called, by `records`.
    """

    def __init__(self, content: Content, delimiter: str, size: int = BLOCK) -> None:
        self._name = content.name
        self._widened = content.encoding != "utf-8"
        self._delimiter = ord(delimiter)
        self._coming = content.text(size)
        self._data = b""  # what is at hand: it begins with a record
        self._ended = False
        self._offset = 0
        self._line = content.line
        self._total = 0
        self._lines_may_do = True
        while self._offset < content.start and (self._data or self._more()):
            self._drop(min(len(self._data), content.start - self._offset))

    def skip_header(self) -> None:
        """Leave out the first record."""
        if (self._data or self._more()) and self._find(1, _HEADER) is None:
            self.records(1)
        self._total = 0

    def lines(self) -> Lines | None:
        """The next block as if every line were a record, where that is worth trying."""
        if not self._lines_may_do:
            return None
        self._more()
        end = self._data.rfind(b"\n") + 1
        data = memoryview(self._data)[:end]
        view = np.frombuffer(data, dtype=np.uint8)
        line_ends = view == _LF
        if end == 0 or (b"\r" in self._data and np.any((view[:-1] == _CR) > line_ends[1:])):
            return None
        return Lines(data, self._offset, self._line, int(np.count_nonzero(line_ends)))

    def took(self, block: Lines) -> None:
        """Go on behind a block of lines that proved right."""
        number = block.number
        if self._widened and len(block.data) > MAX_LINE:
            _check_lengths(self._name, block.records())
        self._drop(len(block.data))
        self._line += number
        self._count(number)

    def records(self, most: int | None = None) -> Records | None:
        """The next block, or only so many records of it, cut with an eye on every quote; None when nothing is left."""
        while self._data or self._more():
            found = self._find(most)
            if found is not None:
                return found
            if len(self._data) > MAX_LINE:
                self._refuse_long()
            self._more()
        return None

    def rest(self) -> Iterator[Records]:
        """All that is left, cut with an eye on every quote."""
        while (found := self.records()) is not None:
            yield found

    def _more(self) -> bool:
        piece = next(self._coming, None)
        if piece is None:
            self._ended = True
            return False
        self._data = self._data + piece if self._data else piece
        return True

    def _drop(self, size: int) -> None:
        self._data = self._data[size:]
        self._offset += size

    def _count(self, number: int) -> None:
        self._total += number
        if self._total > MAX_RECORDS:
            refuse(self._name, f"it has more than {MAX_RECORDS} lines; no box office sells so much")

    def _end(self, within: int | None = None) -> int:
        """Where the last line at hand ends, so that neither a line end nor a doubled quote is torn; 0 if none does."""
        if self._ended and within is None:
            return len(self._data)
        size = len(self._data) if within is None else min(within, len(self._data))
        last = self._data.rfind(b"\n", 0, size)
        # the byte after a CR must be in sight: it is no LF then
        return (last if last >= 0 else self._data.rfind(b"\r", 0, size - 1)) + 1

    def _find(self, most: int | None, within: int | None = None) -> Records | None:
        """The records that end in what is at hand; None if none does."""
        end = self._end(within)
        if most is None and within is None and self._data.count(b"\n") * _SHORT > len(self._data) > _FEW:
            found = self._find(None, _FEW)  # the places of so many line ends take more memory than the text
            if found is not None:
                return found
        view = np.frombuffer(self._data, dtype=np.uint8, count=end) if end else np.zeros(0, dtype=np.uint8)
        line_ends, quotes = _line_ends(view), _structural(view, self._delimiter, inside=False)
        outside = np.flatnonzero(np.searchsorted(quotes, line_ends) % 2 == 0)
        last = self._ended and within is None
        if not len(outside) and not last:
            return None
        ends = line_ends[outside]
        starts = np.concatenate([[0], ends + 1]).astype(np.int64)
        lines = np.concatenate([[0], outside + 1]).astype(np.int64) + self._line
        if last:
            self._check_closed(line_ends, quotes, _filled(self._data, starts[:-1], ends, lines[:-1]))
            ends = np.append(ends, end)
        number = len(ends) if most is None else min(most, len(ends))
        found = _filled(self._data, starts[:number], ends[:number], lines[:number])
        found = replace(found, offset=self._offset, quoted=len(quotes) > 0)
        _check_lengths(self._name, found)
        self._count(len(found.starts))
        if most is None:
            self._lines_may_do = len(found.starts) >= len(line_ends) == self._data.count(b"\n", 0, end)
        self._line += int(outside[number - 1]) + 1 if number <= len(outside) else 0
        self._drop(min(int(ends[number - 1]) + 1, len(self._data)))
        return found

    def _check_closed(self, line_ends: Integers, quotes: Integers, before: Records) -> None:
        """UntrustedFile if the text ends inside quotes, unless a record before that is worse."""
        if len(quotes) % 2 == 1:
            _check_lengths(self._name, before)
            self._count(len(before.starts))
            self._refuse_open(self._line + int(np.searchsorted(line_ends, quotes[-1])))

    def _refuse_open(self, line: int) -> NoReturn:
        refuse(self._name, f"the file is truncated: the quote opened in line {line} is never closed")

    def _refuse_long(self) -> NoReturn:
        """Tell of a record that does not end in what is at hand: too long, or open to the end of the file."""
        start, line, opened, inside = self._line, self._line, 0, False
        while self._data or self._more():
            end = self._end()
            if end == 0:
                self._more()
                continue
            view = np.frombuffer(self._data[:end], dtype=np.uint8)
            line_ends, quotes = _line_ends(view), _structural(view, self._delimiter, inside=inside)
            if np.any((np.searchsorted(quotes, line_ends) + inside) % 2 == 0):
                _refuse_length(self._name, start)
            if len(quotes):
                opened = line + int(np.searchsorted(line_ends, quotes[-1]))
                inside ^= len(quotes) % 2 == 1
            line += len(line_ends)
            self._drop(end)
        if inside:
            self._refuse_open(opened)
        _refuse_length(self._name, start)


def _filled(data: bytes, starts: Integers, ends: Integers, lines: Integers) -> Records:
    """Those records that are not empty, each without the CR of its CR LF."""
    ends = _without_cr(np.frombuffer(data, dtype=np.uint8), starts, ends)
    filled = ends > starts
    return Records(data, 0, starts[filled], ends[filled], lines[filled])


def _without_cr(view: Bytes, starts: Integers, ends: Integers) -> Integers:
    if not len(view):
        return ends
    returns = (ends > starts) & (view[ends - 1] == _CR) & (view[np.minimum(ends, len(view) - 1)] == _LF)
    return np.where(returns, ends - 1, ends)


def _check_lengths(name: str, found: Records) -> None:
    lengths = found.ends - found.starts
    if len(lengths) and int(lengths.max()) > MAX_LINE:
        _refuse_length(name, int(found.lines[np.argmax(lengths)]))


def _refuse_length(name: str, line: int) -> NoReturn:
    refuse(name, f"the record of line {line} is longer than {MAX_LINE} bytes: a quote may have been left open")


def _line_ends(view: Bytes) -> Integers:
    """Where lines end: at LF, or at a CR that no LF follows."""
    ends = np.flatnonzero(view == _LF)
    returns = np.flatnonzero(view == _CR)
    if len(returns):
        following = view[np.minimum(returns + 1, len(view) - 1)]
        ends = np.union1d(ends, returns[following != _LF])
    return ends.astype(np.int64)


def _structural(view: Bytes, delimiter: int, *, inside: bool) -> Integers:
    """The quotes that open and close values, in turn (the first closes if `inside`); those that are text are left out."""
    quotes = np.flatnonzero(view == _QUOTE).astype(np.int64)
    if not len(quotes):
        return quotes
    edges = np.array([delimiter, _LF, _CR], dtype=np.uint8)
    before = np.where(quotes > 0, view[np.maximum(quotes - 1, 0)], _LF)
    after = np.where(quotes < len(view) - 1, view[np.minimum(quotes + 1, len(view) - 1)], _LF)
    opens = np.isin(before, edges)
    closes = np.isin(after, edges)
    if np.all((opens | (before == _QUOTE))[int(inside) :: 2]) and np.all((closes | (after == _QUOTE))[1 - inside :: 2]):
        return quotes
    return _walk(quotes.tolist(), opens.tolist(), inside=inside)


def _walk(quotes: list[int], opens: list[bool], *, inside: bool) -> Integers:
    """The same, quote by quote, for a block in which some quotes are text."""
    kept: list[int] = []
    escaped = False
    for place, quote in enumerate(quotes):
        if escaped:
            escaped = False
        elif not inside:
            if opens[place]:
                kept.append(quote)
                inside = True
        elif place + 1 < len(quotes) and quotes[place + 1] == quote + 1:
            escaped = True
        else:
            kept.append(quote)
            inside = False
    return np.array(kept, dtype=np.int64)
