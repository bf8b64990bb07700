"""The sandbox's box office: a real SFTP server (asyncssh) over one folder, on this machine only."""

from __future__ import annotations

import asyncio
import hmac
import os
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncssh

HOST_KEY = "sftp_host_ed25519"
"""The file of the server's own key in its data folder."""

PATIENCE = 30.0
"""Seconds that starting and stopping may take."""

TURNS = 10
"""Turns of the event loop after which whoever was at the door has come in."""


@dataclass(frozen=True, slots=True)
class User:
    """Who may come in: with the private half of `key` (a line `ssh-ed25519 AAAA...`), or with `password`; "" for neither."""

    key: str = ""
    password: str = field(default="", repr=False)


class SftpDrop:
    """An SFTP server that shows `root` as `/` to `users` (by name).

    Its host key lives in the folder `data` and is made on the first start.  `port` 0: a free one, known once it runs.
    `server` is the class that answers, `porter` the one that lets people in: a subclass can fail on purpose.
    Runs in its own thread (`with`) or in the caller's event loop (`async with`, or `start` and `stop`).  OSError
    when the port is taken.
    """

    def __init__(
        self,
        root: Path,
        data: Path,
        users: Mapping[str, User],
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        server: type[asyncssh.SFTPServer] = asyncssh.SFTPServer,
        porter: type[Porter] | None = None,
    ) -> None:
        self.port = port
        self._root = root
        self._data = data
        self._users = dict(users)
        self._host = host
        self._server = server
        self._porter = porter or Porter
        self._guests: set[asyncssh.SSHServerConnection] = set()
        self._acceptor: asyncssh.SSHAcceptor | None = None
        self._thread: threading.Thread | None = None
        self._end: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    def host_key_line(self, host: str = "127.0.0.1") -> str:
        """The line of `known_hosts` that pins this server under the name `host`; the server must have its port."""
        name = host if self.port == 22 else f"[{host}]:{self.port}"
        return f"{name} {_public(self._host_key())}\n"

    async def start(self) -> None:
        """Listen; `port` is the real one from here on."""
        self._acceptor = await asyncssh.listen(
            self._host,
            self.port,
            server_factory=lambda: self._porter(self._users, self._guests),
            server_host_keys=[self._host_key()],
            sftp_factory=lambda channel: self._server(channel, chroot=os.fsencode(self._root)),
            allow_scp=False,
        )
        self.port = self._acceptor.get_port()

    async def stop(self) -> None:
        """Close the door and put everybody out."""
        if self._acceptor is None:
            return
        for _ in range(
            TURNS
        ):  # asyncio loses a socket that it accepted, but did not attach yet, when its server closes
            await asyncio.sleep(0)
        self._acceptor.close()
        for guest in list(self._guests):
            guest.abort()
            await guest.wait_closed()
        await self._acceptor.wait_closed()
        self._acceptor = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    def __enter__(self) -> Self:
        started: Future[None] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), name="sftp-drop", daemon=True)
        self._thread.start()
        started.result(PATIENCE)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._thread is None or self._end is None:
            return
        loop, end = self._end
        loop.call_soon_threadsafe(end.set)
        self._thread.join(PATIENCE)
        self._thread = self._end = None

    async def _serve(self, started: Future[None]) -> None:
        end = asyncio.Event()
        try:
            await self.start()
        except (OSError, ValueError, asyncssh.Error) as error:  # for the thread that waits
            started.set_exception(error)
            return
        self._end = (asyncio.get_running_loop(), end)
        started.set_result(None)
        await end.wait()
        await self.stop()

    def _host_key(self) -> asyncssh.SSHKey:
        path = self._data / HOST_KEY
        if not path.exists():
            make_key(path)
        return asyncssh.read_private_key(path)


class Porter(asyncssh.SSHServer):
    """Lets in who is known, for SFTP alone."""

    def __init__(self, users: Mapping[str, User], guests: set[asyncssh.SSHServerConnection]) -> None:
        self._users = users
        self._guests = guests
        self.connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        """Somebody is at the door."""
        self.connection = conn
        self._guests.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        """Somebody has gone."""
        if self.connection is not None:
            self._guests.discard(self.connection)

    def password_auth_supported(self) -> bool:
        """Whether anybody comes with a password."""
        return any(user.password for user in self._users.values())

    def validate_password(self, username: str, password: str) -> bool:
        """Whether it is that user's."""
        known = self._users.get(username, User()).password
        return bool(known) and hmac.compare_digest(known.encode(), password.encode())

    def public_key_auth_supported(self) -> bool:
        """Whether anybody comes with a key."""
        return any(user.key for user in self._users.values())

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Whether it is that user's."""
        known = self._users.get(username, User()).key
        return bool(known) and asyncssh.import_public_key(known).public_data == key.public_data


def make_key(path: Path) -> str:
    """Write a new private key (ed25519) that only its owner can read; returns its public line."""
    key = asyncssh.generate_private_key("ssh-ed25519")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.export_private_key())
    return _public(key)


def _public(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode("ascii").strip()
