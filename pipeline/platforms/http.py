"""The way to a platform over HTTP: one request at a time, paced, retried within bounds, its faults turned into ours.

2xx with a JSON object ....................... the answer
429, 408, 425, and what never left ........... tried again, always
5xx, a lost answer, garbage .................. tried again when repeating is safe, else PlatformUnavailable
401, 403 ..................................... PlatformError with what to do
any other ..................................... Refusal: the status and the platform's words, addresses masked
"""

from __future__ import annotations

import json
import logging
import math
import re
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from typing import NoReturn
from urllib.parse import unquote, urlsplit

import httpx
import structlog
from structlog.typing import FilteringBoundLogger
from tenacity import RetryCallState, Retrying, retry_if_exception_type
from tenacity.wait import wait_exponential, wait_random

from pipeline.errors import PlatformError, PlatformUnavailable

JsonObject = Mapping[str, object]
"""A JSON object as the platform sends it: read key by key, and never trusted to have one."""
Query = Mapping[str, str | int]

CONNECT_TIMEOUT = 10.0
LONGEST_PAUSE = 60.0
LONGEST_RETRY_AFTER = 120.0
LONGEST_MESSAGE = 200
NOT_DONE = frozenset({408, 425, 429})
"""Statuses that say that the request was not acted upon, whatever it asked."""
GO_ON = "the next run goes on where this one stopped; `placier push` to try at once"

_ADDRESS = re.compile(r"([^\s@<>(),;:])[^\s@<>(),;:]*@([^\s@<>\"'(),;:\[\]]+)")


def mask(text: str) -> str:
    """`text` with its addresses masked (`a***@exemple.test`) and cut to 200 characters."""
    masked = _ADDRESS.sub(lambda found: f"{found[1]}***@{found[2]}", text[: 10 * LONGEST_MESSAGE])
    return masked if len(masked) <= LONGEST_MESSAGE else masked[: LONGEST_MESSAGE - 1] + "…"


class Refusal(PlatformError):
    """A 4xx answer: `status`, and the platform's own `words`, addresses masked."""

    def __init__(self, message: str, remedy: str, status: int, words: str) -> None:
        super().__init__(message, remedy)
        self.status = status
        self.words = words


class _Passing(Exception):
    """A fault worth another attempt, after `pause` seconds if the platform said so."""

    def __init__(self, reason: str, pause: float | None = None) -> None:
        super().__init__(reason)
        self.pause = pause


class Transport:
    """Sends requests of one account; for one thread.

    Requests start at least `1 / requests_per_second` seconds apart.  A request that fails in passing is sent at most
    `attempts` times and given up after `total` seconds, with pauses that double from `backoff` to 60 seconds, or the
    platform's Retry-After up to 120.  `requests` counts what was sent, retries included.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        requests_per_second: float,
        timeout: float,
        attempts: int,
        backoff: float = 1.0,
        total: float = 900.0,
        language: str = "",
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        log: FilteringBoundLogger | None = None,
    ) -> None:
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise PlatformError("the platform's token is empty or damaged", "copy it again, then `placier doctor`")
        self.requests = 0
        self.sleep = sleep
        self.clock = clock
        self._token = token
        self._base = base_url.rstrip("/")
        self._interval = 1.0 / requests_per_second
        self._next = clock()
        self._attempts = attempts
        self._total = total
        self._pause = wait_exponential(multiplier=backoff, max=LONGEST_PAUSE) + wait_random(0, backoff)
        self._log: FilteringBoundLogger = log if log is not None else structlog.get_logger()
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log each URL, and URLs hold addresses
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "Authorization": f"Bearer {token}",
            "User-Agent": "placier",
        }
        if language:
            headers["Accept-Language"] = language.replace("_", "-")
        local = (urlsplit(self._base).hostname or "") in {"localhost", "127.0.0.1", "::1"}
        self._client = httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)),
            trust_env=not local,
        )

    def get(self, path: str, query: Query | None = None) -> JsonObject:
        """The JSON object at `path`; Refusal for a 4xx, PlatformUnavailable when no attempt gave an answer."""
        request = self._client.build_request("GET", self._url(path), params=dict(query or {}))
        return self._persist(request, repeatable=True)

    def send(self, method: str, path: str, body: JsonObject | None = None, *, repeatable: bool) -> JsonObject:
        """Write.  `repeatable`: sending it twice gives the same state, so a lost answer may be asked for again.

        Otherwise a lost answer is PlatformUnavailable at once: the caller looks before it tries again.  An empty
        answer is an empty object.
        """
        content = None
        if body is not None:
            try:
                content = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
            except (ValueError, TypeError) as error:
                raise PlatformError(f"{method} {public(path)}: a value cannot be written as JSON") from error
        request = self._client.build_request(method, self._url(path), content=content)
        return self._persist(request, repeatable=repeatable)

    def close(self) -> None:
        """Drop the connection."""
        self._client.close()

    def _url(self, path: str) -> httpx.URL:
        try:
            return httpx.URL(self._base + path)
        except httpx.InvalidURL as error:
            raise PlatformError(
                "platform.base_url is no address of a server", "mend it, then `placier doctor`"
            ) from error

    def _persist(self, request: httpx.Request, *, repeatable: bool) -> JsonObject:
        """Attempt until an answer, a refusal, or the bounds in attempts and time."""
        what = f"{request.method} {public(request.url.raw_path.decode().partition('?')[0])}"
        started = self.clock()

        def give_up(state: RetryCallState) -> bool:
            late = self.clock() - started + state.upcoming_sleep > self._total
            return late or state.attempt_number >= self._attempts

        retrying = Retrying(
            retry=retry_if_exception_type(_Passing),
            wait=self._wait,
            stop=give_up,
            sleep=self.sleep,
            before_sleep=lambda state: self._log.warning(
                "platform request again", request=what, attempt=state.attempt_number, reason=_reason(state)
            ),
            reraise=True,
        )
        try:
            return retrying(self._attempt, request, what, repeatable)
        except _Passing as error:
            raise PlatformUnavailable(f"{what}: {error}, {self._attempts} attempts at most", GO_ON) from error

    def _wait(self, state: RetryCallState) -> float:
        fault = state.outcome.exception() if state.outcome else None
        if isinstance(fault, _Passing) and fault.pause is not None:
            return fault.pause
        return min(self._pause(state), LONGEST_PAUSE)

    def _attempt(self, request: httpx.Request, what: str, repeatable: bool) -> JsonObject:
        self._keep_pace()
        self.requests += 1
        try:
            response = self._client.send(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            self.requests -= 1  # it never left
            if "CERTIFICATE" in str(error).upper():
                raise PlatformError(
                    f"{what}: the server's certificate cannot be verified",
                    "check platform.base_url, this machine's clock and its certificate authorities",
                ) from error
            raise _Passing(f"no connection ({type(error).__name__})") from error
        except httpx.HTTPError as error:
            self._lost(what, f"no answer ({type(error).__name__})", repeatable)
        return self._answer(response, what, repeatable)

    def _keep_pace(self) -> None:
        early = self._next - self.clock()
        if early > 0:
            self.sleep(early)
        self._next = max(self._next, self.clock()) + self._interval

    def _answer(self, response: httpx.Response, what: str, repeatable: bool) -> JsonObject:
        status = response.status_code
        if response.is_success:
            if not response.content and response.request.method != "GET":
                return {}
            document = _document(response)
            if document is None:
                self._lost(what, f"answered {status} with something else than JSON", repeatable)
            return document
        if status in NOT_DONE:
            raise _Passing(f"answered {status}", _retry_after(response))
        if status >= 500:
            self._lost(what, f"answered {status}", repeatable, _retry_after(response))
        words = mask(_words(_document(response)).replace(self._token, "***"))
        said = f"{what} answered {status}" + (f": {words}" if words else "")
        if status in {401, 403}:
            raise PlatformError(said, "check the token (platform.token_env or token_file), then `placier doctor`")
        if response.is_redirect:
            said += ", a redirect, which is not followed"
        raise Refusal(said, _remedy(status), status, words)

    def _lost(self, what: str, reason: str, repeatable: bool, pause: float | None = None) -> NoReturn:
        """It may have been done or not: once more if that is safe, else the caller must look."""
        if repeatable:
            raise _Passing(reason, pause)
        raise PlatformUnavailable(f"{what}: {reason}, outcome unknown", GO_ON)


def public(path: str) -> str:
    """A path without its addresses, fit for a message."""
    return "/".join("***" if "@" in unquote(part) else part for part in path.split("/"))


def _reason(state: RetryCallState) -> str:
    return str(state.outcome.exception()) if state.outcome else ""


def _remedy(status: int) -> str:
    if status == 413:
        return "make platform.batch_size smaller"
    if 300 <= status < 400:
        return "check platform.base_url"
    return "" if status == 404 else "`placier doctor` checks the account"


def _document(response: httpx.Response) -> JsonObject | None:
    try:
        document: object = response.json()
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _words(document: JsonObject | None) -> str:
    """What the platform says of a refusal: its message, then the descriptions of its errors."""
    if document is None:
        return ""
    words = [document.get(key) for key in ("message", "error", "description")]
    said = [word for word in words if isinstance(word, str) and word.strip()][:1]
    errors = document.get("errors")
    for item in errors if isinstance(errors, list) else []:
        text = item.get("description") or item.get("message") if isinstance(item, dict) else item
        if isinstance(text, str) and text.strip():
            said.append(text)
    return "; ".join(" ".join(text.split()) for text in said)


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds to wait: a number, or a date counted from the answer's own Date, so that no clock of ours matters."""
    value = response.headers.get("Retry-After", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            until = parsedate_to_datetime(value)
            seconds = (until - parsedate_to_datetime(response.headers["Date"])).total_seconds()
        except (ValueError, KeyError, TypeError):
            return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER) if not math.isnan(seconds) else None
