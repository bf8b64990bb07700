"""What a source of day files is to Placier: the values that cross the border, and the Protocol of each kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file brought home: its base name at the source, and the local path of its bytes (complete, settled)."""

    name: str
    path: Path


class Source(Protocol):
    """A drop of files.  Every method may raise SourceError, or UntrustedFile for a file that is not whole."""

    def names(self) -> list[str]:
        """Base names of the regular files in the drop, sorted; never `*.part`, `*.tmp`, nor what is no plain name."""

    def fetch(self, name: str, into: Path) -> Fetched:
        """Bring a file of `names` into the folder `into`: `.part`, then rename; size settled before, equal after."""

    def close(self) -> None:
        """Drop the connection."""


Progress = Callable[[int, int], None]
"""Told (bytes so far, bytes in all) while a file comes."""
