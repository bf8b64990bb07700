"""Starting and stopping the console: in a thread of its own, until somebody says enough."""

from __future__ import annotations

import ipaddress
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Self

import uvicorn

from pipeline.config import Configuration
from pipeline.console.app import application
from pipeline.console.asked import Console
from pipeline.console.entry import Door, password_digest
from pipeline.console.errands import Errands
from pipeline.console.gate import LOOPBACK
from pipeline.doors import Outside
from pipeline.errors import Failure, UsageError

_START_TIMEOUT = 30.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where the console listens.  `behind`: the name that a reverse proxy serves it under, with TLS; empty: there is none."""

    host: str = "127.0.0.1"
    port: int = 8090
    behind: str = ""

    def __post_init__(self) -> None:
        if not self.behind and not _loopback(self.host):
            raise UsageError(
                f"--host {self.host}: without TLS, passwords and people's data would cross the network for all to read",
                "leave --host at 127.0.0.1; others reach it through a reverse proxy with TLS: docs/console.md, --behind-tls NAME",
            )

    @property
    def hosts(self) -> frozenset[str]:
        """The names that are answered to."""
        return LOOPBACK | {self.host.lower()} | ({self.behind.lower()} if self.behind else set())


class ConsoleServer:
    """The console over a configuration, as a context manager; `port` 0 takes a free one."""

    def __init__(self, configuration: Configuration, outside: Outside, place: Place, *, may_replay: bool) -> None:
        digest = password_digest(configuration.main.console.password_env, outside.environment)
        self.errands = Errands(configuration, outside)
        self._place = place
        secure = bool(place.behind)
        self._console = Console(configuration, outside, Door(digest, outside.now), self.errands, may_replay, secure)

    def __enter__(self) -> Self:
        self._socket = _listening(self._place)
        self.port = self._socket.getsockname()[1]
        self._server = _Server(
            uvicorn.Config(
                application(self._console, self._place.hosts),
                http="h11",
                ws="none",
                loop="asyncio",
                lifespan="off",
                log_config=None,
                log_level="critical",
                access_log=False,  # addresses of pages name accounts, days and runs; they are nobody's business
                server_header=False,
                proxy_headers=bool(self._place.behind),
                forwarded_allow_ips="127.0.0.1",
                limit_concurrency=100,
                timeout_keep_alive=5,
                timeout_graceful_shutdown=3,
            )
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name=self.url, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                self.__exit__(None, None, None)
                raise Failure("the console did not start", "try again with another --port")
            time.sleep(0.005)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(_START_TIMEOUT)
        self._socket.close()

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        host = f"[{self._place.host}]" if ":" in self._place.host else self._place.host
        return f"http://{host}:{self.port}/"

    @property
    def public_url(self) -> str:
        """Where people find it."""
        return f"https://{self._place.behind}/" if self._place.behind else self.url

    def facts(self) -> dict[str, object]:
        """Where it is, and what may be done there."""
        return {"url": self.public_url, "listens": self.url, "allow_replay": self._console.may_replay}


def wait(say: Callable[[str], None], errands: Errands) -> None:
    """Until Ctrl-C, or a polite request to end; what is under way is waited for, once."""
    end = threading.Event()

    def enough(_number: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.default_int_handler)
        end.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, enough)
    while not end.wait(3600):
        pass
    if errands.busy():
        say("a replay or an approval is under way and is waited for; Ctrl-C again ends at once, the next run goes on")
        errands.wait()


class _Server(uvicorn.Server):
    """Leaves signals to whoever waits."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def _listening(place: Place) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise UsageError(f"--host {place.host}: {error.strerror}", "give an address of this machine") from error
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(128)
    except OSError as error:
        listening.close()
        raise UsageError(
            f"{place.host}, port {place.port}, cannot be used ({error.strerror})", "give another: --port 0"
        ) from error
    return listening


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
