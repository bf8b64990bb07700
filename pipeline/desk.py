"""A run's own folder for what it has at hand; a killed run leaves its desk behind, and the next one clears it.

A desk is locked for as long as its run lives, by the system, which lets go of it when the process dies: so no run, and
no rehearsal, ever clears the desk of another that is at work.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import StateError


@contextmanager
def own_desk(desks: Path, *, leave_no_trace: bool = False) -> Iterator[Path]:
    """A new folder below `desks`, readable by its owner only, gone at the end; those of dead runs go first.

    With `leave_no_trace`, `desks` and the folder above it go too if they were not there before.
    """
    made = [folder for folder in (desks, desks.parent) if leave_no_trace and not folder.exists()]
    try:
        with _alone(desks):
            _clear(desks)
            desk = Path(tempfile.mkdtemp(dir=desks))
            handle = os.open(desk, os.O_RDONLY)
            fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError as error:
        raise StateError(
            f"the folder {desks} cannot be used ({error.strerror})",
            f"check the folder's owner and the disk: ls -ld {desks}; df -h {desks}",
        ) from error
    try:
        yield desk
    finally:
        shutil.rmtree(desk, ignore_errors=True)
        os.close(handle)
        if made:
            with suppress(OSError), _alone(desks):  # somebody else's desk may be there by now
                for folder in made:
                    folder.rmdir()


def _clear(desks: Path) -> None:
    """Remove the desks whose runs are dead."""
    for desk in desks.iterdir():
        with suppress(FileNotFoundError):
            handle = os.open(desk, os.O_RDONLY)
            with suppress(BlockingIOError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(desk, ignore_errors=True)
            os.close(handle)


@contextmanager
def _alone(desks: Path) -> Iterator[None]:
    """Nobody else makes or clears a desk meanwhile; `desks` is made if it is not there."""
    handle = None
    while handle is None:
        desks.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        desks.mkdir(mode=0o700, exist_ok=True)
        handle = _locked(desks)
    try:
        yield
    finally:
        os.close(handle)


def _locked(desks: Path) -> int | None:
    """The folder's lock; None when a rehearsal took the folder away before the lock was ours."""
    with suppress(FileNotFoundError):
        handle = os.open(desks, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(handle), desks.stat()):
                return handle
        except FileNotFoundError:
            pass
        os.close(handle)
    return None
