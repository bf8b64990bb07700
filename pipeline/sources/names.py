"""Which names at a source are day files: plain names only, never a path, never a file still being written."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

UNFINISHED = (".part", ".tmp")
"""Endings of files still being written, in any case."""

SIDE_SUFFIXES = (".sha256", ".sha256sum", ".sha512", ".sha1", ".md5", ".md5sum", ".count", ".lignes")
"""Endings of the files that declare the checksum or the line count of the file they are named after."""

LONGEST = 255 - len(".part")
"""Bytes of the longest name taken: with `.part` it must still fit in a folder here."""


def plain(name: str) -> bool:
    """Whether `name` is a visible file name and nothing else: no separator, no `..`, no control character, not too long."""
    if not name or name.startswith(".") or ".." in name or "/" in name or "\\" in name:
        return False
    return tellable(name) and len(name.encode()) <= LONGEST


def tellable(name: str) -> bool:
    """Whether a name can be shown and stored: no control or format character, no byte that is not UTF-8 (a surrogate)."""
    return not any(unicodedata.category(character).startswith("C") for character in name)


def offered(names: Iterable[str]) -> list[str]:
    """The names that a source shows: plain and finished, each once, sorted."""
    return sorted({name for name in names if plain(name) and not name.lower().endswith(UNFINISHED)})


def matching(names: Iterable[str], pattern: str) -> list[str]:
    """The names that `pattern` means, sorted: exactly it or it compressed (`.gz`); `*` and `?` stand for characters.

    Only `*` and `?` are special.  A pattern with a wildcard never means the side files.  Composed and decomposed accents
    are the same; upper and lower case are not.
    """
    if "/" in pattern or "\\" in pattern:
        return []
    wanted = _composed(pattern)
    compressed = "" if wanted.endswith(".gz") else r"(?:\.gz)?"
    expression = re.compile(_expression(wanted) + compressed)
    wild = "*" in wanted or "?" in wanted
    return [
        name
        for name in offered(names)
        if expression.fullmatch(_composed(name)) and not (wild and name.lower().endswith(SIDE_SUFFIXES))
    ]


def side_files(names: Iterable[str], name: str) -> list[str]:
    """Those of `names` that declare something about `name`: `NAME.sha256`, `NAME.count` and so on, in any case."""
    return [other for other in offered(names) if other.startswith(name) and other[len(name) :].lower() in SIDE_SUFFIXES]


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _expression(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
