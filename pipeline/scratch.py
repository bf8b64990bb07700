"""A folder for temporary files, made and cleared away."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import StateError


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder of its own, its owner's alone, gone at the end with all that is in it; StateError when none can be made."""
    try:
        folder = tempfile.TemporaryDirectory(prefix="placier-", ignore_cleanup_errors=True)
    except OSError as error:
        raise StateError(
            f"no folder for temporary files can be made ({error.strerror})",
            "make room in /tmp (df -h /tmp), or name another folder in TMPDIR",
        ) from error
    with folder as path:
        yield Path(path)
