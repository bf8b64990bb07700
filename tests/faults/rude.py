"""SFTP servers that are ill, in one call each; and sockets that are no SFTP servers at all."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import ClassVar

import asyncssh

from pipeline.sandbox.sftp import Porter

ENOUGH = 20
"""Bytes after which a server that is `short` says that the file ends."""

Guest = Callable[[socket.socket], None]


class Ill(asyncssh.SFTPServer):
    """A server that is well but for one `call` (list, look, open, read, close), which meets `what`; `met` counts.

    It is ill `times` times, 0: always.  Made anew for each test by `ill`.
    """

    call: ClassVar[str]
    what: ClassVar[str]
    times: ClassVar[int]
    met: ClassVar[int]
    _listing = False

    async def _meet(self, call: str) -> None:
        kind = type(self)
        if call != kind.call or 0 < kind.times <= kind.met:
            return
        kind.met += 1
        if kind.what == "drop":
            self.connection.abort()
        elif kind.what == "hang":
            await self.connection.wait_closed()
        elif kind.what == "gone":
            raise asyncssh.SFTPNoSuchFile("parti")
        elif kind.what == "denied":
            raise asyncssh.SFTPPermissionDenied("non")
        elif kind.what == "fails":
            raise asyncssh.SFTPFailure("disque en panne")

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        await self._meet("list")
        self._listing = True
        async for name in super().scandir(path):
            yield name
        self._listing = False

    async def lstat(self, path: bytes) -> os.stat_result:
        if not self._listing:  # while it lists, it looks at each file itself
            await self._meet("look")
        return os.lstat(self.map_path(path))

    async def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        await self._meet("open")
        return super().open(path, pflags, attrs)

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        kind = type(self)
        if (kind.call, kind.what) == ("read", "short") and not 0 < kind.times <= kind.met:
            kind.met += offset == ENOUGH
            return super().read(file_obj, offset, max(0, min(size, ENOUGH - offset)))
        if (kind.call, kind.what) == ("read", "grows"):
            os.truncate(file_obj.name, os.stat(file_obj.name).st_size + 1)
        await self._meet("read")
        return super().read(file_obj, offset, size)

    async def close(self, file_obj: object) -> None:
        super().close(file_obj)
        await self._meet("close")


def ill(call: str, what: str, times: int = 0) -> type[Ill]:
    """A class of its own, so that a test counts alone."""
    return type("Ill", (Ill,), {"call": call, "what": what, "times": times, "met": 0})


# Not even SSH


@contextmanager
def listening(receive: Guest) -> Iterator[int]:
    """A port whose guests are each given to `receive`, then kept until the end."""
    guests: list[socket.socket] = []

    def greet() -> None:
        while True:
            try:
                guest, _ = server.accept()
            except OSError:
                return
            guests.append(guest)
            try:
                receive(guest)
            except OSError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=greet)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for guest in guests:
                guest.close()


@contextmanager
def deaf() -> Iterator[int]:
    """A port that takes no connection and refuses none: its queue is full."""
    with socket.socket() as server, socket.socket() as first, socket.socket() as second:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for guest in (first, second):
            guest.setblocking(False)
            guest.connect_ex(server.getsockname())
        yield server.getsockname()[1]


def silent(guest: socket.socket) -> None:
    """Say nothing."""


def hangs_up(guest: socket.socket) -> None:
    """Say nothing, and go."""
    guest.close()


def something_else(guest: socket.socket) -> None:
    """Speak another protocol."""
    guest.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def greets_and_is_silent(guest: socket.socket) -> None:
    """Greet as an SSH server, and say no more."""
    guest.sendall(b"SSH-2.0-depot\r\n")


def greets_and_hangs_up(guest: socket.socket) -> None:
    """Greet as an SSH server, and go when the client has begun to speak."""
    guest.sendall(b"SSH-2.0-depot\r\n")
    guest.recv(1)
    guest.close()


def speaks_in_tongues(guest: socket.socket) -> None:
    """Propose algorithms that nobody knows (RFC 4253, section 7.1)."""
    names = [b"autre-chose"] * 8 + [b"", b""]
    payload = b"\x14" + bytes(16) + b"".join(struct.pack(">I", len(name)) + name for name in names) + bytes(5)
    padding = 8 - (len(payload) + 5) % 8 + 8
    packet = struct.pack(">IB", len(payload) + padding + 1, padding) + payload + bytes(padding)
    guest.sendall(b"SSH-2.0-depot\r\n" + packet)


class Undecided(Porter):
    """Never says whether it lets somebody in."""

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        await self.connection.wait_closed()
        return False
