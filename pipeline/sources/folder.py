"""A folder of this machine as a source of day files; it may be a share where others write."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pipeline.errors import SourceError, StillChanging
from pipeline.sources import Fetched, Progress, names
from pipeline.sources.landing import Landing

CHUNK = 1 << 20


class FolderSource:
    """The day files of the folder `path`: regular files only, links are not followed.

    `settle`: seconds between the two looks at a file's size.  Errors: SourceError, UntrustedFile, StateError.
    """

    def __init__(
        self,
        path: Path,
        *,
        progress: Progress | None = None,
        sleep: Callable[[float], None] = time.sleep,
        settle: float = 0.5,
    ) -> None:
        self._path = path
        self._progress = progress
        self._sleep = sleep
        self._settle = settle

    def names(self) -> list[str]:
        """The folder's regular files: plain, finished names, sorted."""
        with self._explained(str(self._path)), os.scandir(self._path) as entries:
            return names.offered([entry.name for entry in entries if entry.is_file(follow_symlinks=False)])

    def fetch(self, name: str, into: Path) -> Fetched:
        """Copy a settled file into `into`; UntrustedFile when it changes meanwhile."""
        if not names.plain(name):
            raise SourceError(f"{name!r} is not the name of a file of {self._path}", f"ls {self._path}")
        with self._explained(name), self._opened(name) as file, Landing(into, name) as landing:
            before = _seen(os.fstat(file.fileno()))
            self._sleep(self._settle)
            self._unchanged(name, before, file)
            while data := file.read(CHUNK):
                landing.write(data)
                if self._progress is not None:
                    self._progress(landing.received, before[0])
                if landing.received > before[0]:
                    break
            self._unchanged(name, before, file)
            if landing.received != before[0]:
                raise _still_changing(name, self._path)
            return Fetched(name, landing.finish())

    def close(self) -> None:
        """Nothing is held open."""

    @contextmanager
    def _opened(self, name: str) -> Iterator[BinaryIO]:
        path = self._path / name
        if not stat.S_ISREG(path.lstat().st_mode):
            raise SourceError(f"{path} is not a regular file: links and folders are not read", f"ls -l {path}")
        with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as file:
            yield file

    def _unchanged(self, name: str, before: tuple[int, int], file: BinaryIO) -> None:
        """UntrustedFile unless the open file, and the one that bears its name now, look as they did."""
        if _seen(os.fstat(file.fileno())) != before or _seen((self._path / name).lstat()) != before:
            raise _still_changing(name, self._path)

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise SourceError(
                f"there is no {what} in the source folder {self._path}", f"ls -l {self._path}; correct source.path"
            ) from error
        except OSError as error:
            raise SourceError(
                f"{what} cannot be read in the source folder {self._path} ({error.strerror or type(error).__name__})",
                f"ls -ld {self._path}; give the user that runs placier the right to read it",
            ) from error


def _seen(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _still_changing(name: str, where: Path) -> StillChanging:
    return StillChanging(
        f"{name}: its size is still changing in {where}; nothing of it was taken",
        "wait until the box office has written it, then the same command again",
    )
