"""The parts of a load on storage that the workers share, and what they come to: Arrow files in a folder of the load's own.

A part is whole in itself: a worker needs its file and the words beside it.  Whatever an account has there belongs to a
run that holds the account's lock, or to one that is dead: that is how what a killed run leaves is found and cleared.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped]
import pyarrow as pa

from pipeline.errors import StateError, UsageError
from pipeline.merge import Part, aggregate
from pipeline.spill import WORDS, part_name, read_part

PROOF = "proof"
"""The name of what `doctor` puts on the storage for a moment; no account's folder begins with it and a dash."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """A folder of one load, by its URL: it holds the parts, and takes what they come to."""

    url: str

    def merge(self, number: int) -> str:
        """Merge a part and put down what it comes to; the name of that file, empty if the part is.

        A part that is merged twice, because a worker was lost, makes two files: the name that is told is the one that is read.
        """
        with _usable(self.url):
            files, folder = _opened(self.url)
            with (
                files.open(f"{folder}/{part_name(number)}", "rb") as part,
                files.open(f"{folder}/{WORDS}", "rb") as words,
            ):
                lines = read_part(part, words)
            if lines.num_rows == 0:
                return ""
            merged = aggregate(lines)
            name = f"merged-{number}-{secrets.token_hex(4)}.arrow"
            with files.open(f"{folder}/{name}", "wb") as sink:
                for table in (merged.bookings, merged.cancellations):
                    with pa.ipc.new_stream(sink, table.schema) as writer:
                        writer.write_table(table.combine_chunks())
        return name

    def read(self, name: str) -> Part:
        """What a part came to."""
        with _usable(self.url):
            files, folder = _opened(self.url)
            with files.open(f"{folder}/{name}", "rb") as source:
                tables = []
                for _ in range(2):
                    with pa.ipc.open_stream(source) as stream:
                        tables.append(stream.read_all().combine_chunks())
        bookings, cancellations = tables
        return Part(bookings, cancellations)


class Storage:
    """Where the shelves are: an fsspec URL or a folder; empty: each load's own desk, which only this machine sees."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._made: list[str] = []
        self._cleared: set[str] = set()
        if url:
            try:
                _opened(self._url)
            except (ImportError, ValueError) as error:
                raise UsageError(
                    f"engine.storage {self._url} cannot be used: {type(error).__name__}",
                    "install the fsspec package for this kind of URL, here and on the workers, or name a shared folder",
                ) from error

    def shelve(self, parts: Sequence[Path], account: str) -> Shelf:
        """Put the parts of a load, files of one folder, where the workers find them."""
        if not self._url:
            return Shelf(str(parts[0].parent))
        home = f"{self._url}/{account}"
        shelf = f"{home}/{secrets.token_hex(8)}"
        with _usable(self._url):
            files, _ = _opened(self._url)
            if account not in self._cleared:
                self._cleared.add(account)
                _remove(files, files._strip_protocol(home))  # noqa: SLF001 - fsspec's way from a URL to a path
            folder = files._strip_protocol(shelf)  # noqa: SLF001
            files.makedirs(folder, exist_ok=True)
            self._made.append(folder)
            for path in (*parts, parts[0].with_name(WORDS)):
                files.put_file(str(path), f"{folder}/{path.name}")
        return Shelf(shelf)

    @property
    def url(self) -> str:
        """Where it is; empty: at each load's own desk."""
        return self._url

    def proof(self) -> str:
        """Put a file there for the workers to find (`seen`); its URL."""
        proof = f"{self._url}/{PROOF}-{secrets.token_hex(8)}"
        with _usable(self._url):
            files, folder = _opened(proof)
            files.makedirs(folder, exist_ok=True)
            self._made.append(folder)
            files.pipe_file(f"{folder}/{PROOF}", b"")
        return proof

    def clear(self) -> None:
        """Take away what was put there; what cannot be is cleared by the account's next run."""
        for folder in self._made:
            with suppress(OSError):
                _remove(_opened(self._url)[0], folder)
        self._made = []


def _opened(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path there."""
    files, path = fsspec.core.url_to_fs(url)
    return files, path


def _remove(files: Any, folder: str) -> None:
    with suppress(FileNotFoundError):
        files.rm(folder, recursive=True)


def seen(proof: str) -> str:
    """On a worker: find the file of a proof, and put another beside it; StateError when it cannot."""
    with _usable(proof):
        files, folder = _opened(proof)
        files.cat_file(f"{folder}/{PROOF}")
        mine = f"{folder}/{secrets.token_hex(8)}"
        files.pipe_file(mine, b"")
    return mine


@contextmanager
def _usable(url: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StateError(
            f"the storage {url} cannot be used ({error.strerror or type(error).__name__})",
            "is it mounted and writable here and on every worker? its free space? then the same command again",
        ) from error
