"""The bytes of a day file -> its text and its records: what must hold before a single value is looked at.

Where records start is found by columns: the line ends that stand outside quotes.  A quote opens where a value starts and
nowhere else (RFC 4180), so one in the middle of an unquoted value is text.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np
import numpy.typing as npt

from pipeline.errors import UntrustedFile

DELIMITERS = (";", ",", "\t", "|")
MAX_BYTES = 2**31 - 1
"""Largest content, unpacked: 2 GiB, some six million lines; each column then fits one Arrow array."""
MAX_RATIO = 1000
"""A compressed file may unpack to this many times its size (no honest text does), once it is over `RATIO_FROM`."""
RATIO_FROM = 64 * 2**20
RESEND = "ask the box office to send the file again, then `placier check FILE`; nothing of it was taken"

_QUOTE, _LF, _CR = 34, 10, 13
_PIECE = 2**20
_UNDEFINED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_MULTIBYTE = re.compile(rb"\xc3[\x80-\xbf]|\xc2[\xa0-\xbf]|\xc5[\x92\x93]|\xe2[\x80-\x82][\x80-\xbf]")
_CUT_LEADS = b"\xc2\xc3\xc5\xe2"

Integers = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Content:
    """A file's text as UTF-8 without a byte order mark, its encoding as found, and where its first filled line starts."""

    name: str
    data: bytes
    encoding: str
    start: int


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


def refuse(name: str, why: str, remedy: str = RESEND) -> NoReturn:
    """Raise UntrustedFile for the file `name`."""
    raise UntrustedFile(f"{name}: {why}", remedy)


def open_file(path: Path) -> Content:
    """Unpack and decode a file; UntrustedFile if it is cut short, not text in a known encoding, or empty."""
    data, encoding = _decode(path.name, raw_bytes(path))
    filled = re.search(rb"\S", data)
    if filled is None:
        refuse(path.name, "the file is empty: it has no header")
    before = data[: filled.start()]
    return Content(path.name, data, encoding, max(before.rfind(b"\n"), before.rfind(b"\r")) + 1)


def raw_bytes(path: Path) -> bytes:
    """A file's bytes, unpacked if they are gzip's, whatever its name."""
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            if packed:
                return _unpack(path.name, file, size)
            if size > MAX_BYTES:
                refuse(
                    path.name,
                    f"the file is larger than {MAX_BYTES} bytes",
                    "ask the box office for it in several files",
                )
            return file.read()
    except OSError as error:
        raise UntrustedFile(f"{path.name}: the file cannot be read ({error.strerror or error})", RESEND) from error


def _unpack(name: str, file: BinaryIO, size: int) -> bytes:
    pieces: list[bytes] = []
    total = 0
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            while piece := stream.read(_PIECE):
                pieces.append(piece)
                total += len(piece)
                if total > MAX_BYTES or (total > RATIO_FROM and total > MAX_RATIO * size):
                    refuse(name, f"the compressed file of {size} bytes unpacks to more than {total - len(piece)} bytes")
    except EOFError as error:
        raise UntrustedFile(f"{name}: the compressed file is truncated", RESEND) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UntrustedFile(f"{name}: the compressed file is damaged", RESEND) from error
    return b"".join(pieces)


def _decode(name: str, data: bytes) -> tuple[bytes, str]:
    """The content as UTF-8 without a byte order mark, and the name of the encoding that it came in."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        refuse(name, "the file cannot be decoded: it is UTF-16; accepted: UTF-8 or Windows-1252")
    if (nul := data.find(b"\0")) >= 0:
        refuse(
            name, f"the file cannot be decoded: NUL byte in line {_line_at(data, nul)}; accepted: UTF-8 or Windows-1252"
        )
    marked = data.startswith(b"\xef\xbb\xbf")
    data = data[3:] if marked else data
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line, mixed = _line_at(data, error.start), _MULTIBYTE.search(data) is not None
        ends_early = error.reason == "unexpected end of data"
        if ends_early and (marked or mixed or data[error.start] in _CUT_LEADS):
            refuse(name, f"the file is truncated: it ends inside a character, in line {line}")
        if marked or mixed:
            refuse(name, f"the file cannot be decoded: UTF-8, but line {line} holds something else")
    else:
        return data, "utf-8"
    if undefined := _UNDEFINED.search(data):
        byte, line = undefined[0][0], _line_at(data, undefined.start())
        refuse(name, f"the file cannot be decoded: byte 0x{byte:02X} in line {line} is neither UTF-8 nor Windows-1252")
    return data.decode("cp1252").encode("utf-8"), "windows-1252"


def _line_at(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1


def header(content: Content, delimiter: str) -> list[str]:
    """The names in the header, if `delimiter` is what stands between them."""
    head = content.data[content.start : content.start + _PIECE].decode("utf-8", errors="ignore")
    try:
        return next(csv.reader(io.StringIO(head, newline=""), delimiter=delimiter), [])
    except csv.Error:
        return []


def split(content: Content, delimiter: str) -> Records:
    """Find the records; UntrustedFile if a quote is never closed."""
    view = np.frombuffer(content.data, dtype=np.uint8)[content.start :]
    first_line = 1 + _line_ends(np.frombuffer(content.data[: content.start], dtype=np.uint8)).size
    line_ends = _line_ends(view)
    quotes = _structural(view, ord(delimiter))
    if len(quotes) % 2:
        line = first_line + int(np.searchsorted(line_ends, quotes[-1]))
        refuse(content.name, f"the file is truncated: the quote opened in line {line} is never closed")
    outside = line_ends[np.searchsorted(quotes, line_ends) % 2 == 0] if len(quotes) else line_ends
    starts = np.concatenate([np.zeros(1, dtype=np.int64), outside + 1])
    ends = np.concatenate([outside, np.full(1, len(view), dtype=np.int64)])
    ends = np.where(
        (ends > starts) & (view[ends - 1] == _CR) & (view[np.minimum(ends, len(view) - 1)] == _LF), ends - 1, ends
    )
    filled = ends > starts
    starts, ends = starts[filled], ends[filled]
    lines = first_line + np.searchsorted(line_ends, starts)
    return Records(content.data, starts + content.start, ends + content.start, lines, bool(len(quotes)))


def count(content: Content) -> int:
    """How many records follow the header, blank ones not counted."""
    line = content.data[content.start :].split(b"\n", 1)[0]
    records = split(content, max(DELIMITERS, key=lambda delimiter: line.count(delimiter.encode())))
    spans = zip(records.starts[1:], records.ends[1:], strict=True)
    return sum(1 for start, end in spans if records.data[start:end].strip())


def _line_ends(view: Bytes) -> Integers:
    """Where lines end: at LF, or at a CR that no LF follows."""
    ends = np.flatnonzero(view == _LF)
    returns = np.flatnonzero(view == _CR)
    if len(returns):
        following = view[np.minimum(returns + 1, len(view) - 1)]
        ends = np.union1d(ends, returns[following != _LF])
    return ends.astype(np.int64)


def _structural(view: Bytes, delimiter: int) -> Integers:
    """The quotes that open and close values, in turn; those that are text are left out."""
    quotes = np.flatnonzero(view == _QUOTE).astype(np.int64)
    if not len(quotes):
        return quotes
    edges = np.array([delimiter, _LF, _CR], dtype=np.uint8)
    before = np.where(quotes > 0, view[np.maximum(quotes - 1, 0)], _LF)
    after = np.where(quotes < len(view) - 1, view[np.minimum(quotes + 1, len(view) - 1)], _LF)
    opens = np.isin(before, edges)
    closes = np.isin(after, edges)
    if np.all((opens | (before == _QUOTE))[0::2]) and np.all((closes | (after == _QUOTE))[1::2]):
        return quotes
    return _walk(quotes.tolist(), opens.tolist())


def _walk(quotes: list[int], opens: list[bool]) -> Integers:
    """The same, quote by quote, for a file in which some quotes are text."""
    kept: list[int] = []
    inside = escaped = False
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
