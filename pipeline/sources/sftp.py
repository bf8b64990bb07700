"""The box office's SFTP server as a source of day files.

A file is taken when its size has settled, comes as `NAME.part`, goes on where it was after a dropped connection, and
must be as long as the server says, before and after: a transfer that a server ends early raises nothing by itself.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import paramiko
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_after_delay, wait_exponential

from pipeline import config
from pipeline.errors import SourceError, SourceUnavailable, StillChanging, UntrustedFile
from pipeline.sources import Fetched, Progress, names
from pipeline.sources.landing import Landing
from pipeline.sources.session import Door, Session, connect, explained
from pipeline.sources.stream import Client

Result = TypeVar("Result")


class CutShort(UntrustedFile):
    """The server ended the transfer before the file's end."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to insist.

    `settle`: seconds between two looks at a file's size.  `pause`: seconds before the second try, doubled each time up
    to 30.  `attempts`: tries at anything;
    `knocks`: tries at the first connection, none begun after `knocking` seconds.  `total`: seconds for one file.
    """

    settle: float = 0.5
    pause: float = 1.0
    attempts: int = 5
    knocks: int = 3
    knocking: float = 30.0
    total: float = 1800.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A remote file as it was: size in bytes, time of the last change."""

    size: int
    changed: float


class SftpSource:
    """The files of `source.directory`.  Built by `open_sftp`.  Errors: SourceError, UntrustedFile, StateError."""

    def __init__(
        self,
        door: Door,
        patience: Patience,
        *,
        progress: Progress | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._door = door
        self._patience = patience
        self._progress = progress
        self._sleep = sleep
        self._clock = clock
        self._open: Session | None = None

    def connect(self) -> None:
        """Open the session; a passing fault is tried again within bounds."""
        self._insist(self._sftp, self._patience.knocks, self._patience.knocking)

    def names(self) -> list[str]:
        """The folder's regular files: plain, finished names, sorted."""
        return names.offered(self._insist(self._listed))

    def fetch(self, name: str, into: Path) -> Fetched:
        """Bring a settled file into `into`; UntrustedFile when it changes meanwhile or comes short."""
        if not names.plain(name):
            raise SourceError(f"{name!r} is not the name of a file of {self._door.place}", "give the name alone")
        before = self._insist(lambda: self._settled(name))
        deadline = self._clock() + self._patience.total
        with Landing(into, name) as landing:
            self._insist(lambda: self._copy(name, before, landing, deadline))
            return Fetched(name, landing.finish())

    def close(self) -> None:
        """Drop the connection; again is fine."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _insist(self, action: Callable[[], Result], attempts: int = 0, seconds: float = 0) -> Result:
        """Do `action`, again after a passing fault, each time on a fresh connection."""
        retrying = Retrying(
            stop=stop_after_attempt(attempts or self._patience.attempts)
            | stop_after_delay(seconds or self._patience.total),
            wait=wait_exponential(multiplier=self._patience.pause, max=30),
            sleep=self._sleep,
            retry=retry_if_exception_type((SourceUnavailable, CutShort)),
            reraise=True,
        )
        result: Result = retrying(self._or_hang_up, action)
        return result

    def _or_hang_up(self, action: Callable[[], Result]) -> Result:
        try:
            return action()
        except BaseException:
            self.close()
            raise

    def _sftp(self) -> Client:
        if self._open is None:
            self._open = connect(self._door)
        return self._open.sftp

    def _path(self, name: str) -> str:
        return f"{self._door.server.directory.rstrip('/')}/{name}"

    def _listed(self) -> list[str]:
        sftp = self._sftp()
        folder = self._door.server.directory
        with explained(self._door, f"listing the folder {folder}"):
            entries = sftp.listdir_attr(folder)
        return [entry.filename for entry in entries if _regular(entry)]

    def _look(self, name: str) -> Seen:
        sftp = self._sftp()
        with explained(self._door, f"looking at {name}"):
            found = sftp.lstat(self._path(name))
        if not _regular(found):
            raise SourceError(
                f"{name} at {self._door.place} is not a regular file: links and folders are not read",
                "ask the venue to put the file itself there",
            )
        return Seen(found.st_size or 0, found.st_mtime or 0)

    def _settled(self, name: str) -> Seen:
        before = self._look(name)
        self._sleep(self._patience.settle)
        self._unchanged(name, before)
        return before

    def _unchanged(self, name: str, before: Seen) -> None:
        if self._look(name) != before:
            raise StillChanging(
                f"{name}: its size is still changing at {self._door.place}; nothing of it was taken",
                "wait until the box office has written it, then the same command again",
            )

    def _copy(self, name: str, before: Seen, landing: Landing, deadline: float) -> None:
        """The bytes that `landing` still lacks."""
        sftp = self._sftp()
        with explained(self._door, f"opening {name}"):
            remote = sftp.open(self._path(name), "rb")
        try:
            self._read(remote, (name, before.size), landing, deadline)
        except BaseException:
            self.close()  # first, or closing the file would wait for all that was asked in advance
            raise
        finally:
            with explained(self._door, f"closing {name}"):
                remote.close()
        self._unchanged(name, before)
        if landing.received != before.size:
            raise CutShort(
                f"{name}: {self._door.place} ended the transfer at {landing.received} of {before.size} bytes",
                "the same command again later; if it lasts, ask the venue to put the file there again",
            )

    def _read(self, remote: paramiko.SFTPFile, wanted: tuple[str, int], landing: Landing, deadline: float) -> None:
        name, size = wanted
        blocks = self._sftp().blocks(remote, landing.received, size)
        while landing.received < size:
            with explained(self._door, f"reading {name} at byte {landing.received}"):
                data = next(blocks, b"")
            if not data:
                return
            landing.write(data)
            if self._progress is not None:
                self._progress(landing.received, size)
            if self._clock() > deadline:
                raise SourceError(
                    f"{self._door.place} is too slow: {landing.received} of {size} bytes in {self._patience.total:.0f} s",
                    "the same command again at a quieter hour",
                )


def _regular(found: paramiko.SFTPAttributes) -> bool:
    """Whether it is a file; a server that does not tell the type is believed."""
    return found.st_mode is None or stat.S_ISREG(found.st_mode)


def open_sftp(
    config: config.SftpSource,
    key: Path | None,
    password: str | None,
    known_hosts: Path,
    *,
    progress: Progress | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
    patience: Patience = Patience(),
) -> SftpSource:
    """Connect to the server of an account; SourceError when it cannot be, UsageError for a key file of no use."""
    source = SftpSource(Door(config, key, password, known_hosts), patience, progress=progress, sleep=sleep, clock=clock)
    source.connect()
    return source
