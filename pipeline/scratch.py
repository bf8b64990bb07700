"""A folder for temporary files, made and cleared away."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import StateError


@contextmanager
def scratch(desk: Path | None = None) -> Iterator[Path]:
    """A folder of its own, its owner's alone, gone at the end with all that is in it; StateError when none can be made.

    It is made below `desk`; None: where the system has its temporary files.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix="placier-", dir=desk, ignore_cleanup_errors=True)
    except OSError as error:
        raise StateError(
            f"no folder for temporary files can be made in {desk or 'TMPDIR'} ({error.strerror})",
            f"check the folder's owner and its disk: df -h {desk or '$TMPDIR'}",
        ) from error
    with folder as path:
        yield Path(path)
