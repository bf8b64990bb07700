"""Tables that a run keeps on the side: in memory while they are small, in a nameless temporary file when they grow."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from pydantic_core import to_json

from pipeline.errors import StateError

T = TypeVar("T")


@contextmanager
def told() -> Iterator[None]:
    """A temporary file that cannot grow is StateError."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise StateError(
            f"what the run keeps on the side cannot be written ({error})",
            "make room for temporary files: df -h ${SQLITE_TMPDIR:-/var/tmp}",
        ) from error


def spool(*tables: str) -> sqlite3.Connection:
    """An empty database with these tables; it vanishes with the connection, or with the process."""
    db = sqlite3.connect("")
    db.execute("PRAGMA journal_mode=OFF")
    for table in tables:
        db.execute(f"CREATE TABLE {table}")
    return db


def listed(values: Iterable[str]) -> tuple[str]:
    """For `IN (SELECT value FROM json_each(?))`: a statement for each takes longer than its row."""
    return (to_json(list(values)).decode(),)


def parts(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """So many at a time."""
    left = iter(items)
    while part := list(islice(left, size)):
        yield part
