"""A copy of the state while nothing stands still: of SQLite one file, whole and checked; PostgreSQL has a tool of its own."""

from __future__ import annotations

import hashlib
import os
import shlex
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url

from pipeline.errors import StateError, UsageError


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup that was made: where, its size in bytes, its SHA-256."""

    file: Path
    size: int
    sha256: str


def back_up(url: str, file: Path) -> Backup:
    """Copy the state to `file`, which must not be there yet; runs may go on meanwhile.

    The copy is what was committed when it began, readable by its owner only, and checked before it gets its name.
    UsageError for PostgreSQL, with the command to type.
    """
    if file.exists() or file.is_symlink():
        raise UsageError(f"{file} is there already, and a backup is never written over", "name another file")
    if not file.parent.is_dir():
        raise UsageError(f"there is no folder {file.parent}", "make it, or name another file")
    if not url.startswith("sqlite"):
        raise UsageError("the state is in PostgreSQL, which has a tool of its own for this", dump_command(url, file))
    state = Path(url.removeprefix("sqlite:///"))
    if not state.is_file():
        raise UsageError(f"there is no state at {state} yet", "`placier doctor` tells what is missing")
    with _beside(file) as part:
        _copy(state, part)
        with part.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
            os.fsync(content.fileno())
        size = part.stat().st_size
        part.replace(file)
    return Backup(file, size, digest)


def dump_command(url: str, file: Path) -> str:
    """What copies a PostgreSQL state; the password is left out, for pg_dump asks or takes it from ~/.pgpass."""
    full = make_url(url)
    address = URL.create("postgresql", full.username, None, full.host, full.port, full.database, full.query)
    address = address.difference_update_query(["password"])
    words = ["pg_dump", "--format=custom", f"--file={file}", f"--dbname={address.render_as_string()}"]
    return shlex.join(words)


@contextmanager
def _beside(file: Path) -> Iterator[Path]:
    """A name beside `file` until the copy is whole; the name is given up if it never is."""
    part = None
    try:
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=f"{file.name}.", suffix=".part")
        os.close(handle)
        part = Path(name)
        yield part
    except OSError as error:
        raise StateError(
            f"the backup {file} cannot be written ({error.strerror})",
            f"check the folder's owner and the disk: ls -ld {file.parent}; df -h {file.parent}",
        ) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def _copy(state: Path, part: Path) -> None:
    """Copy the database as of now, as one file without a journal beside it, and check it."""
    try:
        with (
            closing(sqlite3.connect(f"{state.absolute().as_uri()}?mode=rw", uri=True)) as source,
            closing(sqlite3.connect(part)) as copy,
        ):
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
            (verdict,) = copy.execute("PRAGMA integrity_check").fetchone()
    except sqlite3.Error as error:
        raise StateError(
            f"the state {state} cannot be copied to {part.parent} ({error})",
            "check the disk, then `placier doctor`; the last good backup is the one to keep",
        ) from error
    if verdict != "ok":
        raise StateError(
            f"the state {state} is damaged ({str(verdict).splitlines()[0]})",
            "restore the last good backup, then `placier rebuild ACCOUNT` from the archive",
        )
