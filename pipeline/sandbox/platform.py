"""The stand-in as a web application: routes, authorisation, contract, throttling, faults, log."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import cast
from urllib.parse import unquote

from pydantic_core import from_json, to_json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.sandbox.batches import Batches
from pipeline.sandbox.call import ApiError, Call
from pipeline.sandbox.contract import Checking, Json, Operation, operations
from pipeline.sandbox.journal import Journal, LoggedRequest
from pipeline.sandbox.members import Store
from pipeline.sandbox.operations import OPERATIONS
from pipeline.sandbox.switches import BATCH_KINDS, Fault, FaultList, Switches
from pipeline.sandbox.views import View, milliseconds

CLOSE = "placier.sandbox.close"
"""The ASGI extension with which the server lets an answer drop its connection."""
_GARBAGE = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Options:
    """How a stand-in runs.  `now` is its clock (aware), `monotonic` times batches and throttling."""

    token: str
    batch_seconds: float
    checking: Checking
    now: Callable[[], datetime]
    monotonic: Callable[[], float]


class Platform:
    """The API over a store, and what tests may change while it runs: `switches`, `faults`, `journal`, the clock."""

    def __init__(self, store: Store, switches: Switches, options: Options) -> None:
        self.store = store
        self.first_switches = self.switches = switches
        self.options = options
        self.faults = FaultList()
        self.journal = Journal()
        self.batches = Batches(store, options.batch_seconds, options.monotonic)
        self.frozen: datetime | None = None
        self._recent: deque[float] = deque()

    def now(self) -> datetime:
        """The platform's instant, aware: what the control endpoint set, else its clock."""
        return self.frozen or self.options.now().astimezone(UTC)

    def settle(self) -> None:
        """Apply the batches that are due."""
        if not self.batches.waiting:
            return
        with self.store.transaction():
            self.batches.settle(self.switches, milliseconds(self.now()))

    def app(self, control: list[Route]) -> ASGIApp:
        """The ASGI application: the document's operations, and `control`'s routes beside them."""
        routes = [Route(item.path, self._endpoint(item), methods=[item.method]) for item in operations()]
        starlette = Starlette(
            routes=control + routes, exception_handlers={404: self._unknown, 405: self._unknown, Exception: _defect}
        )
        starlette.router.redirect_slashes = False

        async def undecoded(scope: Scope, receive: Receive, send: Send) -> None:
            # Keys may hold an encoded slash: routes match the path as it came, handlers decode its segments.
            if scope["type"] == "http":
                scope = {**scope, "path": scope["raw_path"].decode("ascii")}
            await starlette(scope, receive, send)

        return undecoded

    def _endpoint(self, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await self._serve(request, operation)

        return endpoint

    async def _unknown(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 404
        return await self._serve(request, ApiError(status, "Not found." if status == 404 else "Method not allowed."))

    async def _serve(self, request: Request, target: Operation | ApiError) -> Response:
        raw = await request.body()
        entry = self._entry(request, raw)
        fault = self.faults.strike(entry.method, entry.path)
        if fault is not None:
            entry = replace(entry, fault=fault.kind)
        response = self._throttled() or _before(fault)
        if response is None:
            status, content = self._answer(request, raw, target, fault)
            response = _after(fault) or _json(status, content)
            entry = replace(entry, status=status)
        if not isinstance(response, Dropped):
            entry = replace(entry, status=response.status_code)
        self.journal.add(entry)
        return response

    def _entry(self, request: Request, raw: bytes) -> LoggedRequest:
        """What the journal will tell of a request; of bodies, batches and the address of a new member."""
        path = unquote(request.scope["path"])
        key = unquote(str(request.path_params.get("key", "")))
        told: object = None
        if request.method == "POST" and path in {"/batches", "/members", "/members/optins"}:
            try:
                told = from_json(raw)
            except ValueError:
                told = None
        if path != "/batches":
            key, told = (str(told.get("email", "")) if isinstance(told, dict) else key), None
        self.journal.seen += 1
        now = self.now().isoformat()
        return LoggedRequest(self.journal.seen, now, request.method, path, key, request.url.query, 0, "", told)

    def _answer(
        self, request: Request, raw: bytes, target: Operation | ApiError, fault: Fault | None
    ) -> tuple[int, Json]:
        """Status and body; nothing is stored unless the answer is a success that fits the document."""
        self.settle()
        try:
            if request.headers.get("authorization") != f"Bearer {self.options.token}":
                raise ApiError(401, "Not authorized.")
            if isinstance(target, ApiError):
                raise target
            call = self._call(request, raw, target, fault if fault is not None and fault.kind in BATCH_KINDS else None)
            with self.store.transaction():
                status, content = OPERATIONS[target.id](call)
                mistake = target.check_answer(status, content, self.options.checking)
                if mistake:
                    raise ApiError(500, f"The stand-in's own answer does not fit its document: {mistake}")
        except ApiError as error:
            return error.status, {"message": error.message, "errors": [{"description": error.message}]}
        return status, content

    def _call(self, request: Request, raw: bytes, operation: Operation, fault: Fault | None) -> Call:
        if operation.id not in OPERATIONS:
            raise ApiError(501, "The stand-in does not have this operation.")
        try:
            query = operation.parse_query(request.query_params)
        except ValueError as error:
            raise ApiError(422, str(error)) from error
        ids = tuple(str(item.id) for item in self.store.custom_fields())
        return Call(
            store=self.store,
            batches=self.batches,
            switches=self.switches,
            view=View(self.switches, str(query.get("dateReturnFormat", "")), ids),
            now=milliseconds(self.now()),
            path={name: unquote(value) for name, value in cast(Mapping[str, str], request.path_params).items()},
            query=query,
            body=_body(request, raw, operation),
            fault=fault,
        )

    def _throttled(self) -> Response | None:
        every, rate = self.switches.throttle_every, self.switches.throttle_per_second
        instant = self.options.monotonic()
        while self._recent and self._recent[0] <= instant - 1:
            self._recent.popleft()
        if (every and self.journal.seen % every == 0) or (rate and len(self._recent) >= max(rate, 1)):
            headers = {"retry-after": self.switches.retry_after} if self.switches.retry_after else {}
            return _json(429, {"message": "Too many requests."}, headers)
        if rate:
            self._recent.append(instant)
        return None


async def _defect(request: Request, error: Exception) -> Response:
    return _json(500, {"message": f"The stand-in failed ({type(error).__name__})."})


class Dropped(Response):
    """No answer: the connection is closed after `seconds`, or earlier if the client has gone."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection without a word."""
        if self.seconds:
            try:
                await asyncio.wait_for(_gone(receive), self.seconds)
            except TimeoutError:
                pass
        scope["extensions"][CLOSE]()
        await _gone(receive)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _before(fault: Fault | None) -> Response | None:
    """What a fault answers in the place of the operation."""
    if fault is None or fault.kind not in {"drop_before", "error_before", "hang"}:
        return None
    return _broken(fault)


def _after(fault: Fault | None) -> Response | None:
    """What a fault answers once the operation was done."""
    if fault is None or fault.kind not in {"drop_after", "error_after", "hang_after"}:
        return None
    return _broken(fault)


def _broken(fault: Fault) -> Response:
    if fault.kind.startswith("error"):
        headers = {"retry-after": fault.retry_after} if fault.retry_after else {}
        if fault.html:
            return Response(_GARBAGE, fault.status, headers, media_type="text/html")
        return _json(fault.status, {"message": "The service failed."}, headers)
    return Dropped(fault.seconds if fault.kind.startswith("hang") else 0.0)


def _json(status: int, content: object, headers: Mapping[str, str] | None = None) -> Response:
    return Response(to_json(content), status, headers, media_type="application/json")


def _body(request: Request, raw: bytes, operation: Operation) -> Json:
    if operation.body is None:
        return {}
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise ApiError(422, "The request did not match the expected JSON schema.")
    try:
        body = from_json(raw)
    except ValueError as error:
        raise ApiError(400, "The body is not JSON.") from error
    if not operation.body.is_valid(body):
        raise ApiError(422, "The request did not match the expected JSON schema.")
    return cast(Json, body)
