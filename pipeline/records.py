"""The text of a day file -> its records: what must hold before a single value is looked at.

Where records start is found by columns, block by block: the line ends that stand outside quotes.  A quote opens where a
value starts and nowhere else (RFC 4180), so one in the middle of an unquoted value is text.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.content import MAX_LINE, Content, refuse

DELIMITERS = (";", ",", "\t", "|")
MAX_RECORDS = 20_000_000
"""Records of the longest file: several times what 2 GiB of honest ones come to."""

_QUOTE, _LF, _CR = 34, 10, 13
_BLOCK = 4 * MAX_LINE

Integers = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Found = tuple[Integers, Integers, Integers]


@dataclass(frozen=True, slots=True)
class Records:
    """The records that are not empty, header first: where each starts and ends, and its physical line number."""

    data: bytes
    starts: Integers
    ends: Integers
    lines: Integers
    quoted: bool

    @property
    def body(self) -> int:
        """Where the first record after the header starts."""
        return int(self.starts[1]) if len(self.starts) > 1 else len(self.data)

    def text(self, place: int) -> str:
        """The record as it stands in the file, without its line end; the header is at place 0."""
        return self.data[int(self.starts[place]) : int(self.ends[place])].decode("utf-8")


def header(content: Content, delimiter: str) -> list[str]:
    """The names in the header, if `delimiter` is what stands between them."""
    head = content.data[content.start : content.start + MAX_LINE].decode("utf-8", errors="ignore")
    try:
        return next(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter), [])
    except csv.Error:
        return []


def split(content: Content, delimiter: str) -> Records:
    """Find the records; UntrustedFile if a quote is never closed, if one is far too long, or if there are too many."""
    view = np.frombuffer(content.data, dtype=np.uint8)
    line = start_line = 1 + len(_line_ends(view[: content.start]))
    start, inside, quoted, opened, total = content.start, False, False, 0, 0
    found: list[Found] = []
    for begin, end in _blocks(content.data, content.start):
        line_ends = _line_ends(view[begin:end])
        quotes = _structural(view[begin:end], ord(delimiter), inside=inside)
        outside = np.flatnonzero((np.searchsorted(quotes, line_ends) + inside) % 2 == 0)
        if len(outside):
            ends = line_ends[outside] + begin
            starts = np.concatenate([[start], ends[:-1] + 1])
            lines = np.concatenate([[start_line], line + outside[:-1] + 1])
            found.append(_filled(content.name, view, (starts, ends, lines)))
            total += len(found[-1][0])
            if total > MAX_RECORDS:
                refuse(content.name, f"it has more than {MAX_RECORDS} lines; no box office sells so much")
            start, start_line = int(ends[-1]) + 1, line + int(outside[-1]) + 1
        if len(quotes):
            quoted, opened = True, line + int(np.searchsorted(line_ends, quotes[-1]))
            inside ^= len(quotes) % 2 == 1
        line += len(line_ends)
    if inside:
        refuse(content.name, f"the file is truncated: the quote opened in line {opened} is never closed")
    last = (np.array([start]), np.array([len(view)]), np.array([start_line]))
    found.append(_filled(content.name, view, last))
    starts, ends, lines = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Records(content.data, starts, ends, lines, quoted)


def count(content: Content) -> int:
    """How many records follow the header, blank ones not counted."""
    line = content.data[content.start :].split(b"\n", 1)[0]
    records = split(content, max(DELIMITERS, key=lambda delimiter: line.count(delimiter.encode())))
    spans = zip(records.starts[1:], records.ends[1:], strict=True)
    return sum(1 for start, end in spans if records.data[start:end].strip())


def _blocks(data: bytes, start: int) -> Iterator[tuple[int, int]]:
    """Spans of the data that end with a line, so that neither a line end nor a doubled quote is ever torn."""
    while start < len(data):
        end = min(start + _BLOCK, len(data))
        if end < len(data):
            last = data.rfind(b"\n", start, end)
            if last < 0:  # the byte after a CR must be in sight: it is no LF then
                last = data.rfind(b"\r", start, end - 1)
            end = last + 1 or len(data)
        yield start, end
        start = end


def _filled(name: str, view: Bytes, found: Found) -> Found:
    """Those records that are not empty, each without the CR of its CR LF."""
    starts, ends, lines = found
    returns = (ends > starts) & (view[ends - 1] == _CR) & (view[np.minimum(ends, len(view) - 1)] == _LF)
    ends = np.where(returns, ends - 1, ends)
    filled = ends > starts
    starts, ends, lines = starts[filled], ends[filled], lines[filled]
    if len(starts) and int((ends - starts).max()) > MAX_LINE:
        line = int(lines[np.argmax(ends - starts)])
        refuse(name, f"the record of line {line} is longer than {MAX_LINE} bytes: a quote may have been left open")
    return starts, ends, lines


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
