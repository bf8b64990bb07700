"""A small disk of its own for one folder: it can be full, or read-only."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = os.geteuid() == 0


@dataclass(frozen=True)
class Disk:
    """A folder on a small disk (root), or the folder as it is (others, who may only make it read-only)."""

    folder: Path

    def fill(self, leave: int = 0) -> None:
        """Leave `leave` bytes; `only_root` comes first."""
        with self._ballast.open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(1 << 16))
            except OSError:
                pass
            while True:  # what is left of the last piece
                try:
                    ballast.write(bytes(4096))
                except OSError:
                    break
            ballast.truncate(max(0, ballast.tell() - leave))

    @contextmanager
    def read_only(self) -> Iterator[None]:
        """Nothing in the folder can be written, by anybody."""
        self._writable(yes=False)
        try:
            yield
        finally:
            self._writable(yes=True)

    def empty(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    @property
    def _ballast(self) -> Path:
        return self.folder / "ballast"

    def _writable(self, *, yes: bool) -> None:
        if ROOT:
            subprocess.run(["mount", "-o", f"remount,{'rw' if yes else 'ro'}", self.folder], check=True)
            return
        for path in (self.folder, *self.folder.rglob("*")):
            path.chmod((0o700 if path.is_dir() else 0o600) if yes else (0o500 if path.is_dir() else 0o400))


def only_root() -> None:
    """A test that fills a disk needs a small one."""
    if not ROOT:
        pytest.skip("needs root, to mount a small disk: run the tests as root")


@contextmanager
def disk(folder: Path, size: int = 8 << 20) -> Iterator[Disk]:
    """Put a small disk where `folder` is to be."""
    folder.mkdir(mode=0o700, parents=True)
    if ROOT:
        words = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "tmpfs", folder]
        if subprocess.run(words, check=False, capture_output=True).returncode:
            pytest.skip("needs the right to mount a small disk: run the tests where root may (CAP_SYS_ADMIN)")
    try:
        yield Disk(folder)
    finally:
        if ROOT:
            subprocess.run(["umount", folder], check=True)
