"""A real server between the program and the stand-in: it passes requests on, and answers rudely where it is told to."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Reply:
    """What is answered; `short`: so many bytes fewer than announced."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    short: int = 0


Forward = Callable[[], Reply]
Fault = Callable[[Forward], Reply | None]
"""Given the way to the stand-in, what is answered instead; None: the connection is dropped."""


def said(status: int, body: bytes = b'{"message": "Non."}', after: bool = False, **headers: str) -> Fault:
    """An answer of its own, before or after the request was applied; `Retry_After` is the header Retry-After."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def fault(forward: Forward) -> Reply:
        if after:
            forward()
        return Reply(status, body, named)

    return fault


def dropped(after: bool = False, seconds: float = 0.0) -> Fault:
    """No answer, before or after the request was applied, at once or after a silence."""

    def fault(forward: Forward) -> None:
        if after:
            forward()
        time.sleep(seconds)

    return fault


def cut(forward: Forward) -> Reply:
    """An answer whose end is missing."""
    whole = forward()
    return Reply(whole.status, whole.body, short=3)


def changed(change: Callable[[Any], Any]) -> Fault:
    """The stand-in's own answer, its JSON changed."""

    def fault(forward: Forward) -> Reply:
        true = forward()
        return Reply(true.status, json.dumps(change(json.loads(true.body or b"null"))).encode())

    return fault


def endpoint(method: str, path: str) -> str:
    """`GET /members/*/groups`: a request without what differs from one to the next."""
    parts = [unquote(part) for part in path.split("/")]
    return f"{method} {'/'.join('*' if '@' in part or re.fullmatch('[0-9]+', part) else part for part in parts)}"


class GoBetween(ThreadingHTTPServer):
    """Passes requests on to `target`, but for the endpoints in `faults`: endpoint -> (fault, how often)."""

    daemon_threads = True

    def __init__(self) -> None:
        self.target = ""
        self.faults: dict[str, tuple[Fault, float]] = {}
        self.came: Counter[str] = Counter()
        self.struck: Counter[str] = Counter()
        super().__init__(("127.0.0.1", 0), _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def lay(self, fault: Fault, *endpoints: str, times: float = float("inf")) -> None:
        """From now on the next `times` requests to these endpoints meet the fault; all else is forgotten."""
        self.faults = dict.fromkeys(endpoints, (fault, times))
        self.came.clear()
        self.struck.clear()

    def heal(self) -> None:
        """No fault from now on."""
        self.lay(dropped())

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        self._thread.join(5)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: GoBetween

    def _respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        name = endpoint(self.command, self.path.partition("?")[0])
        self.server.came[name] += 1
        fault, times = self.server.faults.get(name, (None, 0))
        reply: Reply | None
        if fault is not None and self.server.struck[name] < times:
            self.server.struck[name] += 1
            reply = fault(lambda: self._forward(body))
        else:
            reply = self._forward(body)
        if reply is None:
            self.close_connection = True
            return
        headers = {"Content-Length": str(len(reply.body)), **reply.headers}
        self.send_response_only(reply.status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        self.wfile.write(reply.body[: len(reply.body) - reply.short])
        self.close_connection = self.close_connection or bool(reply.short)

    do_GET = do_POST = do_PATCH = do_DELETE = _respond

    def _forward(self, body: bytes) -> Reply:
        connection = HTTPConnection(urlsplit(self.server.target).netloc, timeout=30)
        try:
            names = ("Authorization", "Content-Type", "Accept")
            headers = {name: self.headers[name] for name in names if name in self.headers}
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            return Reply(answer.status, answer.read())
        finally:
            connection.close()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
