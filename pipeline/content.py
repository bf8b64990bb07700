"""The bytes of a day file -> its text: unpacked, decoded, and no more of it in memory than the limits allow.

Bytes are looked at piece by piece as they come, so that a file which is no day file is refused before it is held.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from pipeline.errors import UntrustedFile

MAX_BYTES = 2**31 - 1
"""Largest content, unpacked: 2 GiB, some six million lines; each column then fits one Arrow array."""
MAX_RATIO = 250
"""Compressed bytes may unpack to this many times as many (no honest export does), once they are over `RATIO_FROM`."""
RATIO_FROM = 16 * 2**20
MAX_LINE = 2**20
"""Bytes of the longest line: a thousand times an ordinary one."""
RESEND = "ask the box office to send the file again, then `placier check FILE`; nothing of it was taken"

_PIECE = 2**20
_PACKED = b"\x1f\x8b"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_UNDEFINED = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
_MULTIBYTE = re.compile(rb"\xc3[\x80-\xbf]|\xc2[\xa0-\xbf]|\xc5[\x92\x93]|\xe2[\x80-\x82][\x80-\xbf]")
_CUT_LEADS = b"\xc2\xc3\xc5\xe2"


@dataclass(frozen=True, slots=True)
class Content:
    """A file's text as UTF-8 without a byte order mark, its encoding as found, and where its first filled line starts."""

    name: str
    data: bytes
    encoding: str
    start: int


def refuse(name: str, why: str, remedy: str = RESEND) -> NoReturn:
    """Raise UntrustedFile for the file `name`."""
    raise UntrustedFile(f"{name}: {why}", remedy)


def open_file(path: Path) -> Content:
    """Unpack and decode a file; UntrustedFile if it is cut short, not text in a known encoding, or empty."""
    data, encoding = _decode(path.name, _gather(path.name, pieces(path)))
    filled = re.search(rb"\S", data)
    if filled is None:
        refuse(path.name, "the file is empty: it has no header")
    before = data[: filled.start()]
    return Content(path.name, data, encoding, max(before.rfind(b"\n"), before.rfind(b"\r")) + 1)


def pieces(path: Path) -> Iterator[bytes]:
    """A file's bytes, unpacked if they are gzip's, whatever its name; UntrustedFile when there are too many."""
    name = path.name
    try:
        with path.open("rb") as file:
            packed = file.read(len(_PACKED)) == _PACKED
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            if packed:
                yield from _unpacked(name, file)
            elif size > MAX_BYTES:
                _too_large(name)
            else:
                while piece := file.read(_PIECE):
                    yield piece
    except OSError as error:
        raise UntrustedFile(f"{name}: the file cannot be read ({error.strerror or error})", RESEND) from error


def _unpacked(name: str, file: BinaryIO) -> Iterator[bytes]:
    total = 0
    try:
        with gzip.GzipFile(fileobj=file) as stream:
            while piece := stream.read(_PIECE):
                total += len(piece)
                if total > MAX_BYTES:
                    _too_large(name)
                if total > RATIO_FROM and total > MAX_RATIO * file.tell():
                    refuse(name, f"the compressed file unpacks to more than {MAX_RATIO} times its size; no export does")
                yield piece
    except EOFError as error:
        raise UntrustedFile(f"{name}: the compressed file is truncated", RESEND) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise UntrustedFile(f"{name}: the compressed file is damaged", RESEND) from error


def _too_large(name: str) -> NoReturn:
    refuse(name, f"the file is larger than {MAX_BYTES} bytes", "ask the box office for it in several files")


def _gather(name: str, coming: Iterator[bytes]) -> bytes:
    """The pieces in one; UntrustedFile at the first that belongs to no text, or to an endless line."""
    whole = io.BytesIO()
    lines = ends_at = 0  # line ends so far, and where the last of them stands
    for piece in coming:
        at = whole.tell()
        if at == 0:
            _check_start(name, piece)
        if (nul := piece.find(b"\0")) >= 0:
            line = lines + piece.count(b"\n", 0, nul) + 1
            refuse(name, f"the file cannot be decoded: NUL byte in line {line}; accepted: UTF-8 or Windows-1252")
        if at + _first_end(piece) - ends_at > MAX_LINE:
            refuse(name, f"line {lines + 1} is longer than {MAX_LINE} bytes; a box office writes shorter ones")
        last = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
        if last >= 0:
            ends_at = at + last
            lines += piece.count(b"\n") or piece.count(b"\r")
        whole.write(piece)
    return whole.getvalue()


def _check_start(name: str, piece: bytes) -> None:
    if piece.startswith(_UTF_16):
        refuse(name, "the file cannot be decoded: it is UTF-16; accepted: UTF-8 or Windows-1252")
    if piece.startswith(_PACKED):
        refuse(name, "the file is compressed twice; accepted: compressed once (gzip), or not at all")


def _first_end(piece: bytes) -> int:
    """Where the first line end of a piece stands; its length when it has none."""
    found = [place for place in (piece.find(b"\n"), piece.find(b"\r")) if place >= 0]
    return min(found, default=len(piece))


def _decode(name: str, data: bytes) -> tuple[bytes, str]:
    """The content as UTF-8 without a byte order mark, and the name of the encoding that it came in."""
    marked = data.startswith(codecs.BOM_UTF8)
    data = data[len(codecs.BOM_UTF8) :] if marked else data
    fault = _utf8_fault(data)
    if fault is None:
        return data, "utf-8"
    place, reason = fault
    line, mixed = _line_at(data, place), _MULTIBYTE.search(data) is not None
    if reason == "unexpected end of data" and (marked or mixed or data[place] in _CUT_LEADS):
        refuse(name, f"the file is truncated: it ends inside a character, in line {line}")
    if marked or mixed:
        refuse(name, f"the file cannot be decoded: UTF-8, but line {line} holds something else")
    if undefined := _UNDEFINED.search(data):
        byte, line = undefined[0][0], _line_at(data, undefined.start())
        refuse(name, f"the file cannot be decoded: byte 0x{byte:02X} in line {line} is neither UTF-8 nor Windows-1252")
    return _from_cp1252(name, data), "windows-1252"


def _utf8_fault(data: bytes) -> tuple[int, str] | None:
    """Where and why the bytes are not UTF-8; looked at in pieces, for as one text they may be four times as large."""
    view, done = memoryview(data), 0
    while done < len(view):
        end = done + _PIECE
        try:
            _, used = codecs.utf_8_decode(view[done:end], "strict", end >= len(view))
        except UnicodeDecodeError as error:
            return done + error.start, error.reason
        done += used
    return None


def _from_cp1252(name: str, data: bytes) -> bytes:
    whole = io.BytesIO()
    for begin in range(0, len(data), _PIECE):
        whole.write(data[begin : begin + _PIECE].decode("cp1252").encode("utf-8"))
        if whole.tell() > MAX_BYTES:
            _too_large(name)
    return whole.getvalue()


def _line_at(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1
