"""What may come in at all: requests to a name of ours, forms that come from our own pages, nothing big.

What every answer tells browsers is added here too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 16_384
"""A form of ours is smaller."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
HEADERS: Mapping[str, str] = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
YEAR = "max-age=31536000"


@dataclass(frozen=True)
class Gate:
    """The outermost layer.  `hosts`: the names that we answer to; `secure`: browsers speak TLS to whatever is before us."""

    app: ASGIApp
    hosts: frozenset[str]
    secure: bool
    policy: str

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or let in; either way the answer carries the headers."""
        if scope["type"] != "http":
            return
        headers = {**HEADERS, "content-security-policy": self.policy}
        if self.secure:
            headers["strict-transport-security"] = YEAR

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name.lower() for name, _ in message["headers"]}
                more = [(name.encode(), value.encode()) for name, value in headers.items() if name.encode() not in own]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        request = Request(scope)
        refusal = self._refusal(request)
        await (self.app if refusal is None else refusal)(scope, receive, dressed)

    def _refusal(self, request: Request) -> Response | None:
        """A page elsewhere whose name was made to lead here sends its own name as Host."""
        if _name(request.headers.get("host", "")) not in self.hosts:
            return PlainTextResponse("This console does not answer to that name.\n", 421)
        if request.method != "POST":
            return None
        if not self._ours(request):
            return PlainTextResponse("This form does not come from this console.\n", 403)
        length = request.headers.get("content-length", "")
        if not length.isdecimal():
            return PlainTextResponse("A form tells its length.\n", 411)
        return PlainTextResponse("No form of this console is that long.\n", 413) if int(length) > MOST_BYTES else None

    def _ours(self, request: Request) -> bool:
        """Under `no-referrer` a browser hides the origin of its forms (`null`); then it must say that it is the same."""
        told = request.headers.get("origin", "null")
        site = request.headers.get("sec-fetch-site", "")
        if told == "null":
            return site == "same-origin"
        ours = f"{'https' if self.secure else 'http'}://{request.headers['host']}"
        return told == ours and site in {"", "same-origin"}


def _name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
