"""The bytes of a day file -> its text: unpacked, decoded, piece by piece and never held whole.

A file is gone through twice: once to know what it is, so that one which is no day file is refused before a line of it is
taken, and once more for its text.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

from isal import igzip, igzip_lib

from pipeline.errors import UntrustedFile

MAX_BYTES = 8 * 2**30
"""Largest content, unpacked: 8 GiB, more than twenty million lines."""
MAX_RATIO = 250
"""Compressed bytes may unpack to this many times as many (no honest export does), once they are over `RATIO_FROM`."""
RATIO_FROM = 16 * 2**20
MAX_LINE = 2**20
"""Bytes of the longest line: a thousand times an ordinary one."""
RESEND = "ask the box office to send the file again, then `placier check FILE`; nothing of it was taken"
DAMAGED = (gzip.BadGzipFile, cast("type[Exception]", igzip_lib.IsalError))
"""What unpacking raises at bytes that are not gzip's, or no longer."""

_PIECE = 2**20
_PACKED = b"\x1f\x8b"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_UNDEFINED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_MULTIBYTE = re.compile(rb"\xc3[\x80-\xbf]|\xc2[\xa0-\xbf]|\xc5[\x92\x93]|\xe2[\x80-\x82][\x80-\xbf]")
_CUT_LEADS = b"\xc2\xc3\xc5\xe2"


@dataclass(frozen=True, slots=True)
class Content:
    """A file that is text: its encoding as found, and where its first filled line starts.

    `start` and `line` tell that place by its offset in the text and by its number; `head` is the text from there, of at most
    `MAX_LINE` bytes.  `line_ends` counts the LFs of the whole text, and the CRs where it has no LFs.  Text is UTF-8 without
    a byte order mark.
    """

    path: Path
    encoding: str
    marked: bool
    start: int
    line: int
    head: bytes
    line_ends: int

    @property
    def name(self) -> str:
        """The file's name."""
        return self.path.name

    def text(self, size: int = _PIECE) -> Iterator[bytes]:
        """The whole text in pieces of about `size` bytes; a character may be cut in two."""
        for piece in _unmarked(pieces(self.path, size)) if self.marked else pieces(self.path, size):
            yield piece if self.encoding == "utf-8" else piece.decode("cp1252").encode()


def refuse(name: str, why: str, remedy: str = RESEND) -> NoReturn:
    """Raise UntrustedFile for the file `name`."""
    raise UntrustedFile(f"{name}: {why}", remedy)


def open_file(path: Path) -> Content:
    """Look through a file; UntrustedFile if it is cut short, not text in a known encoding, or empty."""
    marked, line_ends, head, looked = False, 0, _Head(), _Utf8()
    for number, checked in enumerate(_checked(path)):
        marked = marked or (number == 0 and checked.startswith(codecs.BOM_UTF8))
        piece = checked[len(codecs.BOM_UTF8) :] if marked and number == 0 else checked
        line_ends += _count(piece, b"\n") or _count(piece, b"\r")
        looked.take(piece)
        head.take(piece)
    looked.end()
    encoding = "windows-1252" if looked.fault else "utf-8"
    if looked.fault:
        _check_cp1252(path, looked.fault, marked=marked)
    if not head.text:
        refuse(path.name, "the file is empty: it has no header")
    text = head.text.decode("cp1252").encode() if looked.fault else bytes(head.text)
    return Content(path, encoding, marked, head.start, head.line, text[:MAX_LINE], line_ends)


def pieces(path: Path, size: int = _PIECE) -> Iterator[bytes]:
    """A file's bytes, unpacked if they are gzip's, whatever its name; UntrustedFile when there are too many."""
    name = path.name
    try:
        with path.open("rb") as file:
            packed = file.read(len(_PACKED)) == _PACKED
            length = file.seek(0, io.SEEK_END)
            file.seek(0)
            if packed:
                yield from _unpacked(name, file, size)
            elif length > MAX_BYTES:
                _too_large(name)
            else:
                while piece := file.read(size):
                    yield piece
    except OSError as error:
        raise UntrustedFile(f"{name}: the file cannot be read ({error.strerror or error})", RESEND) from error


def _unpacked(name: str, file: BinaryIO, size: int) -> Iterator[bytes]:
    total = 0
    try:
        with igzip.IGzipFile(fileobj=file) as stream:  # type: ignore[no-untyped-call]
            while piece := stream.read(size):
                total += len(piece)
                if total > MAX_BYTES:
                    _too_large(name)
                if total > RATIO_FROM and total > MAX_RATIO * file.tell():
                    refuse(name, f"the compressed file unpacks to more than {MAX_RATIO} times its size; no export does")
                yield piece
    except EOFError as error:
        raise UntrustedFile(f"{name}: the compressed file is truncated", RESEND) from error
    except DAMAGED as error:
        raise UntrustedFile(f"{name}: the compressed file is damaged", RESEND) from error


def _too_large(name: str) -> NoReturn:
    refuse(name, f"the file is larger than {MAX_BYTES} bytes", "ask the box office for it in several files")


def _unmarked(coming: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces without the byte order mark that they begin with."""
    begun = b""
    for piece in coming:
        begun += piece
        if len(begun) >= len(codecs.BOM_UTF8):
            yield begun[len(codecs.BOM_UTF8) :]
            break
    yield from coming


def _checked(path: Path) -> Iterator[bytes]:
    """The pieces of a file; UntrustedFile at the first that belongs to no text, or to an endless line."""
    at = ends_at = 0  # where this piece and the last line end before it stand
    for number, piece in enumerate(pieces(path)):
        if at == 0:
            _check_start(path.name, piece)
        if (nul := piece.find(b"\0")) >= 0:
            line = _lines_before(path, number) + piece.count(b"\n", 0, nul) + 1
            refuse(path.name, f"the file cannot be decoded: NUL byte in line {line}; accepted: UTF-8 or Windows-1252")
        if at + _first_end(piece) - ends_at > MAX_LINE:
            line = _lines_before(path, number) + 1
            refuse(path.name, f"line {line} is longer than {MAX_LINE} bytes; a box office writes shorter ones")
        last = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
        ends_at = at + last if last >= 0 else ends_at
        at += len(piece)
        yield piece


def _lines_before(path: Path, number: int) -> int:
    """How many lines end before this piece."""
    return sum(piece.count(b"\n") or piece.count(b"\r") for piece in islice(pieces(path), number))


def _check_start(name: str, piece: bytes) -> None:
    if piece.startswith(_UTF_16):
        refuse(name, "the file cannot be decoded: it is UTF-16; accepted: UTF-8 or Windows-1252")
    if piece.startswith(_PACKED):
        refuse(name, "the file is compressed twice; accepted: compressed once (gzip), or not at all")


def _first_end(piece: bytes) -> int:
    """Where the first line end of a piece stands; its length when it has none."""
    end = piece.find(b"\n")
    returned = piece.find(b"\r", 0, end if end >= 0 else len(piece))
    return next((place for place in (returned, end) if place >= 0), len(piece))


@dataclass(slots=True)
class _Head:
    """Where the first filled line of a text starts, and what stands there."""

    start: int = 0
    line: int = 1
    text: bytearray = field(default_factory=bytearray)
    blank: bytes = b""

    def take(self, piece: bytes) -> None:
        if not self.text:
            piece = self.blank + piece
            found = re.search(rb"\S", piece)
            filled = len(piece) if found is None else found.start()
            # a CR at the very end may have its LF in the next piece
            ends = max(piece.rfind(b"\n", 0, filled), piece.rfind(b"\r", 0, min(filled, len(piece) - 1))) + 1
            blank, piece = piece[:ends], piece[ends:]
            self.line += blank.count(b"\n") + blank.count(b"\r") - blank.count(b"\r\n")
            self.start += ends
            if found is None:
                self.blank = piece
                return
        if len(self.text) < MAX_LINE:
            self.text += piece[: MAX_LINE - len(self.text)]


@dataclass(frozen=True, slots=True)
class _Fault:
    """The first byte that is not UTF-8: where it stands in the text, and why."""

    at: int
    byte: int
    reason: str


@dataclass(slots=True)
class _Utf8:
    """Whether a text that comes in pieces is UTF-8, and where it first is not."""

    at: int = 0
    rest: bytes = b""
    fault: _Fault | None = None

    def take(self, piece: bytes) -> None:
        """Look at the next piece; a character that it cuts in two waits for the rest of itself."""
        if self.fault is not None:
            return
        data = self.rest + piece if self.rest else piece
        cut = len(data) - _begun(data[-3:])
        self.rest = data[cut:]
        if not _is_utf8(data[:cut]):
            self._find(data[:cut])
        self.at += cut

    def end(self) -> None:
        """Nothing more comes."""
        if self.fault is None:
            self._find(self.rest)

    def _find(self, data: bytes) -> None:
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            self.fault = _Fault(self.at + error.start, data[error.start], error.reason)


def _count(data: bytes, byte: bytes) -> int:
    """How many of a byte there are; numpy counts what is frequent three times faster than Python."""
    import numpy as np

    return int(np.count_nonzero(np.frombuffer(data, dtype=np.uint8) == ord(byte)))


def _begun(end: bytes) -> int:
    """How many bytes at the end begin a character without ending it."""
    for length, byte in enumerate(reversed(end), 1):
        if byte < 0x80:
            return 0
        if byte >= 0xC0:
            whole = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return length if length < whole else 0
    return 0


def _is_utf8(data: bytes) -> bool:
    """Whether the bytes are UTF-8; Arrow looks at them seven times faster than Python decodes them."""
    import pyarrow as pa

    ends = pa.py_buffer(b"\0\0\0\0" + len(data).to_bytes(4, sys.byteorder))
    try:
        pa.StringArray.from_buffers(1, ends, pa.py_buffer(data)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _check_cp1252(path: Path, fault: _Fault, *, marked: bool) -> None:
    """UntrustedFile when a text that is not UTF-8 is not Windows-1252 either."""
    coming = pieces(path)
    signs = _signs(_unmarked(coming) if marked else coming, fault.at)
    if fault.reason == "unexpected end of data" and (marked or signs.mixed or fault.byte in _CUT_LEADS):
        refuse(path.name, f"the file is truncated: it ends inside a character, in line {signs.line}")
    if marked or signs.mixed:
        refuse(path.name, f"the file cannot be decoded: UTF-8, but line {signs.line} holds something else")
    if signs.undefined is not None:
        byte, line = signs.undefined
        refuse(
            path.name,
            f"the file cannot be decoded: byte 0x{byte:02X} in line {line} is neither UTF-8 nor Windows-1252",
        )


@dataclass(frozen=True, slots=True)
class _Signs:
    """What tells how a text came to be no UTF-8.

    `mixed`: it holds characters of UTF-8; `undefined`: its first byte that Windows-1252 does not have, and that byte's line;
    `line`: the line of the place that was asked for.
    """

    mixed: bool
    undefined: tuple[int, int] | None
    line: int


def _signs(coming: Iterator[bytes], place: int) -> _Signs:
    mixed, undefined, line, lines, end, at = False, None, 1, 0, b"", 0
    for piece in coming:
        mixed = mixed or _MULTIBYTE.search(end + piece) is not None
        if undefined is None and (found := _UNDEFINED.search(piece)):
            undefined = found[0][0], lines + piece.count(b"\n", 0, found.start()) + 1
        if at <= place:
            line = lines + piece.count(b"\n", 0, place - at) + 1
        lines += piece.count(b"\n")
        end = piece[-2:]
        at += len(piece)
    return _Signs(mixed, undefined, line)
