"""What the tests of the platforms share: a clock that does not wait, a scripted server, and the stand-in."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.config import CyberimpactPlatform
from pipeline.platforms import Batch, Person, Value
from pipeline.platforms.cyberimpact import Cyberimpact
from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.serve import TOKEN, PlatformServer
from pipeline.sandbox.switches import Switches

GARBAGE = b"<html><body>502</body></html>"


@dataclass
class FastClock:
    """Time that passes when somebody sleeps; real threads still get a moment."""

    now: float = 0.0
    naps: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds
        time.sleep(min(seconds, 0.002))


@dataclass(frozen=True)
class Asked:
    """A request as the scripted server got it."""

    method: str
    path: str
    query: dict[str, str]
    body: object
    headers: dict[str, str]
    port: int


@dataclass(frozen=True)
class Said:
    """An answer; `drop`: none at all, `wait`: seconds of silence before it, `trickle`: seconds before each `piece`."""

    status: int = 200
    body: object = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False
    wait: float = 0.0
    trickle: float = 0.0
    piece: int = 0


class Scripted:
    """A server that gives `answers` in turn, the last one for ever; or asks `answer`."""

    def __init__(self) -> None:
        self.answers: list[Said] = [Said()]
        self.answer: Callable[[Asked], Said] | None = None
        self.asked: list[Asked] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def respond(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(length)
                parts = urlsplit(self.path)
                query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
                body = json.loads(raw) if raw else None
                asked = Asked(self.command, parts.path, query, body, dict(self.headers.items()), self.client_address[1])
                outer.asked.append(asked)
                said = outer.next(asked)
                if said.wait:
                    time.sleep(said.wait)
                if said.drop:
                    self.close_connection = True
                    return
                content = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
                self.send_response_only(said.status)
                for name, value in {"Content-Length": str(len(content)), **said.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                for start in range(0, len(content), said.piece or len(content) or 1):
                    time.sleep(said.trickle)
                    self.wfile.write(content[start : start + (said.piece or len(content))])

            do_GET = do_POST = do_PATCH = do_DELETE = respond

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                """A client that went away is no news."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def next(self, asked: Asked) -> Said:
        if self.answer is not None:
            return self.answer(asked)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@pytest.fixture
def clock() -> FastClock:
    return FastClock()


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    server = Scripted()
    yield server
    server.close()


@pytest.fixture(scope="session")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformServer]:
    with PlatformServer(tmp_path_factory.mktemp("platform") / "platform.db", checking="full") as server:
        yield server


@pytest.fixture
def control(stand_in: PlatformServer) -> Iterator[SandboxControl]:
    """The stand-in, empty and with its default behaviour."""
    with SandboxControl(stand_in.url) as control:
        control.clear_faults()
        control.replace_switches(Switches())
        control.wipe()
        control.reset_log()
        yield control


Connect = Callable[..., Cyberimpact]


@pytest.fixture
def connect(clock: FastClock) -> Iterator[Connect]:
    """Makes clients that do not wait: `connect(url, retries=..., custom_fields=..., ...)`."""
    clients: list[Cyberimpact] = []

    def make(url: str, token: str = TOKEN, **settings: object) -> Cyberimpact:
        values: dict[str, object] = {
            "requests_per_second": 100_000.0,
            "timeout": 1.0,
            "batch_deadline": 600.0,
            "first_pause": 0.01,
            **settings,
        }
        config = CyberimpactPlatform.model_validate({"kind": "cyberimpact", "base_url": url, **values})
        client = Cyberimpact(config, token, "fr_ca", sleep=clock.sleep, clock=clock)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(connect: Connect, control: SandboxControl, stand_in: PlatformServer) -> Cyberimpact:
    return connect(stand_in.url)


VALUES: dict[str, Value] = {
    "first_name": "Zoé",
    "last_name": "L'Écuyer",
    "postal_code": "G1R 2B5",
    "show_title": "Les Belles-Sœurs",
    "performance_date": "2026-11-05",
    "tickets": 4,
    "net_amount": 160.5,
    "contact_id": "C-17",
}


def person(email: str, **changes: object) -> Person:
    """A contact like those of a night."""
    default = Person(email, date(2026, 11, 1), "Les Belles-Sœurs, 2026-11-05, T-1", dict(VALUES))
    return replace(default, **changes)  # type: ignore[arg-type]


def batch(*people: Person, groups: tuple[int, ...] = ()) -> Batch:
    return Batch(groups, people)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "imports"
