"""Starting and stopping the stand-in of the platform's API, on 127.0.0.1 only: in a thread, or in a running event loop."""

from __future__ import annotations

import asyncio
import socket
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from pipeline.errors import StateError, UsageError
from pipeline.sandbox.bench import control_routes
from pipeline.sandbox.contract import Checking
from pipeline.sandbox.members import Store
from pipeline.sandbox.platform import CLOSE, Options, Platform
from pipeline.sandbox.switches import DEFAULTS, Switches

HOST = "127.0.0.1"
TOKEN = "sandbox-token"
"""The bearer token that the stand-in accepts unless told another."""
_START_TIMEOUT = 30.0


def utc_now() -> datetime:
    """The machine's clock: a server has one; tests and the demo inject another."""
    return datetime.now(UTC)  # noqa: TID251 - a server has a clock of its own


class PlatformServer:
    """The platform's API over `data` (an SQLite file), in a thread of its own, as a context manager.

    `port` 0 takes a free one; `batch_seconds`: how long a batch takes; `now`: the platform's clock; `checking`: how much
    of its own answers it holds against the document.  What was stored is there again at the next start.  `platform` is
    the application itself, to be looked at from another thread: which faults wait, how many requests came.
    """

    def __init__(
        self,
        data: Path,
        port: int = 0,
        switches: Switches = DEFAULTS,
        token: str = TOKEN,
        batch_seconds: float = 0.0,
        *,
        now: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
        checking: Checking = "sampled",
    ) -> None:
        self.token = token
        self._data = data
        self._port = port
        self._switches = switches
        self._options = Options(token, batch_seconds, checking, now, monotonic)

    def __enter__(self) -> Self:
        self._socket = _listening(self._port)
        self._store = _opened(self._data, self._socket)
        self._port = self._socket.getsockname()[1]
        self.platform = Platform(self._store, self._switches, self._options)
        self._server = _server(self.platform)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name=self.url, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.__exit__(None, None, None)
                raise RuntimeError("the stand-in of the platform did not start")
            time.sleep(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(_START_TIMEOUT)
        self._socket.close()
        self._store.close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self._port}"


@asynccontextmanager
async def serving(
    data: Path,
    port: int = 0,
    switches: Switches = DEFAULTS,
    token: str = TOKEN,
    batch_seconds: float = 0.0,
    *,
    now: Callable[[], datetime] = utc_now,
) -> AsyncIterator[str]:
    """The same within the running event loop, beside other servers; gives the URL."""
    listening = _listening(port)
    store = _opened(data, listening)
    server = _server(Platform(store, switches, Options(token, batch_seconds, "sampled", now, time.monotonic)))
    task = asyncio.create_task(server.serve([listening]))
    try:
        while not server.started and not task.done():
            await asyncio.sleep(0.005)
        yield f"http://{HOST}:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listening.close()
        store.close()


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs the event loop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class _Protocol(H11Protocol):
    """HTTP over a connection that an answer may drop."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Give every request of this connection the means to close it."""
        super().connection_made(transport)
        inner = self.app

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope["extensions"] = {CLOSE: transport.close}
            await inner(scope, receive, send)

        self.app = app


def _server(platform: Platform) -> _Server:
    return _Server(
        uvicorn.Config(
            platform.app(control_routes(platform)),
            http=_Protocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            log_level="critical",
            access_log=False,
            timeout_graceful_shutdown=1,
        )
    )


def _listening(port: int) -> socket.socket:
    # The protocol is named, for asyncio to turn Nagle's delay off on the connections.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise UsageError(
            f"the port {port} of this machine cannot be used ({error.strerror})", "give another: --port 0"
        ) from error
    return listening


def _opened(data: Path, listening: socket.socket) -> Store:
    try:
        return Store(data)
    except (OSError, sqlite3.Error) as error:
        listening.close()
        raise StateError(
            f"the sandbox's file {data} cannot be used ({error})", "give another folder: --data DIR"
        ) from error
