"""Where a file comes down: `NAME.part`, readable by its owner only, then renamed once it is whole and on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import StateError


class Landing:
    """A file on its way into the folder `into`; left without `finish`, it leaves nothing behind.

    Raises StateError when the folder cannot be written.
    """

    def __init__(self, into: Path, name: str) -> None:
        self.received = 0
        self._into = into
        self._path = into / name
        self._part = into / f"{name}.part"
        with self._writing():
            into.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._part.unlink(missing_ok=True)
            self._file = os.fdopen(os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._part.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """Add `data`; `received` counts the bytes so far."""
        with self._writing():
            self._file.write(data)
        self.received += len(data)

    def finish(self) -> Path:
        """Put the whole file on the disk under its own name; returns its path."""
        with self._writing():
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.replace(self._path)
            folder = os.open(self._into, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        return self._path

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StateError(
                f"{self._part} cannot be written ({error.strerror or type(error).__name__})",
                f"check the space and the owner of the folder: df -h {self._into}; ls -ld {self._into}",
            ) from error
