"""The archive: every file that was read, compressed, under the SHA-256 of its bytes as they came.

A rehearsal's is thrown away: what it keeps is a link to the file where it is.  Nothing ever writes to what is in an archive.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from isal import igzip

from pipeline.content import DAMAGED, open_file
from pipeline.errors import StateError
from pipeline.scratch import scratch

BLOCK = 1 << 20
_PACKED = ".gz"


class Archive:
    """A folder of compressed files by digest.  With `over`, what is kept is linked there and is read before `root`.

    `noted` hears of each digest before its file is there: what nobody knows of, nobody can ever delete.
    """

    def __init__(
        self, root: Path, over: Path | None = None, noted: Callable[[str], None] = lambda digest: None
    ) -> None:
        self._root = root
        self._over = over
        self._noted = noted

    def over(self, folder: Path) -> Archive:
        """The same archive, but what is kept from now on goes to `folder`: for a rehearsal."""
        return Archive(self._root, folder, self._noted)

    def noting(self, noted: Callable[[str], None]) -> Archive:
        """The same archive, which tells of what it is about to keep."""
        return Archive(self._root, self._over, noted)

    def holds(self, digest: str) -> bool:
        """Whether the file is there, damaged or not."""
        return self._find(digest) is not None

    def keep(self, path: Path) -> str:
        """Archive a file and return its digest; what is there already is left alone, unless it is damaged."""
        digest = _digest(path)
        self._noted(digest)
        target = _place(self._over or self._root, digest)
        there = self._find(digest)
        if there is not None and _intact(there, digest):
            return digest
        if self._over is not None and _linked(_linked_place(self._over, digest), path):
            return digest
        part = target.with_suffix(".part")
        try:
            target.parent.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            target.parent.mkdir(mode=0o700, exist_ok=True)
            with path.open("rb") as plain, _own(part) as raw:
                packed = igzip.IGzipFile("", "wb", 2, raw, mtime=0)  # type: ignore[no-untyped-call]
                with packed:
                    shutil.copyfileobj(plain, packed, BLOCK)
                raw.flush()
                os.fsync(raw.fileno())
                part.replace(target)
            _settle(target.parent)
        except OSError as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise StateError(
                f"the archive {target.parent} cannot be written ({error.strerror})",
                f"check the folder's owner and its disk: ls -ld {self._root}; df -h {self._root}",
            ) from error
        return digest

    def bring(self, digest: str, path: Path) -> Path:
        """Unpack an archived file to `path`; StateError if it is gone or damaged."""
        packed = self._find(digest)
        if packed is None:
            raise StateError(
                f"the archive no longer holds the file {digest[:12]}…", "bring it again with --refetch or --file"
            )
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as target:
                _unpack(packed, target)
        except OSError as error:
            raise StateError(
                f"the archived file {packed} cannot be unpacked into {path.parent} ({error.strerror})",
                f"make room: df -h {path.parent}",
            ) from error
        if _digest(path) != digest:
            raise StateError(
                f"the archived file {packed} is not what it was", "bring it again with --refetch or --file"
            )
        return path

    def trouble(self, digest: str) -> str:
        """Why a file cannot be brought: `gone` or `damaged`; empty when it can."""
        packed = self._find(digest)
        if packed is None:
            return "gone"
        return "" if _intact(packed, digest) else "damaged"

    def strike(self, digest: str, places: Callable[[Path], Iterable[tuple[int, int]]], desk: Path) -> str:
        """Blank the byte spans that `places` finds in an archived file; returns the digest of what stands there now.

        Line ends inside a span stay, so that every other line keeps its number.  The work is done below `desk`.  The file
        as it was stays too, under its own digest, until it is removed.
        """
        with scratch(desk) as folder:
            path = self.bring(digest, folder / digest)
            spans = sorted(places(path))
            if not spans:
                return digest
            blanked = folder / f"{digest}.blanked"
            with blanked.open("wb") as target:
                target.writelines(blanked_out(open_file(path).text(), spans))
            return self.keep(blanked)

    def remove(self, digest: str) -> None:
        """Delete an archived file, if it is there; a rehearsal deletes nothing but its own."""
        _place(self._over or self._root, digest).unlink(missing_ok=True)
        if self._over is not None:
            _linked_place(self._over, digest).unlink(missing_ok=True)

    def tidy(self) -> None:
        """Delete what killed runs had begun to keep; a file that is being written now is locked, and left alone."""
        for part in (self._over or self._root).glob("*/*.part"):
            with suppress(FileNotFoundError), part.open("rb") as begun, suppress(BlockingIOError):
                fcntl.flock(begun, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()

    def _find(self, digest: str) -> Path | None:
        places = [_place(self._root, digest)]
        if self._over is not None:
            places[:0] = [_linked_place(self._over, digest), _place(self._over, digest)]
        return next((place for place in places if place.is_file()), None)


@contextmanager
def _own(part: Path) -> Iterator[BinaryIO]:
    """An empty file that nobody else writes or tidies away meanwhile; the system lets go of it when the process dies."""
    while True:
        with os.fdopen(os.open(part, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as raw:
            fcntl.flock(raw, fcntl.LOCK_EX)
            mine = False
            with suppress(FileNotFoundError):
                mine = os.path.samestat(os.fstat(raw.fileno()), part.stat())
            if mine:
                raw.truncate()
                yield raw
                return


def raw_text(path: Path) -> bytes:
    """A file's text as UTF-8, unpacked, as `content.open_file` sees it."""
    return b"".join(open_file(path).text())


def blanked_out(text: Iterable[bytes], spans: Sequence[tuple[int, int]]) -> Iterator[bytes]:
    """The text without these spans (sorted, apart), but for the line ends in them."""
    at, waiting = 0, deque(spans)
    for piece in text:
        done, end = at, at + len(piece)
        while waiting and waiting[0][0] < end:
            start, stop = max(waiting[0][0], done), min(waiting[0][1], end)
            yield piece[done - at : start - at]
            yield b"\n" * piece.count(b"\n", start - at, stop - at)
            done = stop
            if waiting[0][1] > end:
                break
            waiting.popleft()
        yield piece[done - at :]
        at = end


def _linked(place: Path, path: Path) -> bool:
    """Put a link to a file there, whatever stood there; whether that could be done."""
    with suppress(OSError):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        try:
            os.link(path.resolve(), place)  # lasts longer than the file's own name
        except OSError as error:
            if error.errno != errno.EXDEV:
                return False
            place.symlink_to(path.resolve())  # nobody but the user has files on another disk than the desk's
        return True
    return False


def _open(place: Path) -> BinaryIO:
    """An archived file, as it came."""
    if place.suffix != _PACKED:
        return place.open("rb")
    return cast(BinaryIO, igzip.open(place))  # type: ignore[no-untyped-call]


def _unpack(packed: Path, target: BinaryIO) -> None:
    """Unpack an archived file; StateError when it cannot be, OSError when `target` takes no more."""
    with _open(packed) as source:
        while True:
            try:
                data = source.read(BLOCK)
            except (OSError, EOFError, *DAMAGED) as error:
                raise StateError(
                    f"the archived file {packed} is damaged", "bring it again with --refetch or --file"
                ) from error
            if not data:
                return
            target.write(data)


def _intact(packed: Path, digest: str) -> bool:
    """Whether an archived file still is what it was."""
    try:
        with _open(packed) as source:
            return hashlib.file_digest(cast(Any, source), "sha256").hexdigest() == digest
    except (OSError, EOFError, *DAMAGED):
        return False


def _settle(folder: Path) -> None:
    """Put a folder's own entries on the disk: a name must not be lost with the power once the ledger tells of it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _place(root: Path, digest: str) -> Path:
    return root / digest[:2] / f"{digest}{_PACKED}"


def _linked_place(root: Path, digest: str) -> Path:
    return root / digest[:2] / digest


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
