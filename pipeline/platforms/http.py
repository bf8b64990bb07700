"""The way to a platform over HTTP: one request at a time, paced, retried within bounds, its faults turned into ours.

2xx with a JSON object ....................... the answer
429, 408, 425, and what never left ........... tried again, always
5xx, a lost answer, garbage .................. tried again when repeating is safe, else PlatformUnavailable
an answer without an end ..................... PlatformUnavailable
401, 403, 3xx, a wrong certificate ........... PlatformError with what to do
any other ..................................... Refusal: the status and the platform's words, addresses masked
"""

from __future__ import annotations

import json
import logging
import socket
import ssl
import time
from collections.abc import Callable, Mapping
from typing import NoReturn
from urllib.parse import urlsplit

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type
from tenacity.wait import wait_exponential, wait_random

from pipeline.errors import PlatformError, PlatformUnavailable
from pipeline.log import Log, set_up
from pipeline.platforms.reply import JsonObject as JsonObject  # noqa: PLC0414 - it is used with the transport
from pipeline.platforms.reply import document, mask, public, remedy, retry_after, words

Query = Mapping[str, str | int]

CONNECT_TIMEOUT = 10.0
IDLE = 2.0
"""Seconds for which a connection that idles is used again: a server closes it after five or more, and if a write comes just
then, nobody knows whether it was done."""
LONGEST_PAUSE = 60.0
LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes, unpacked: three times a page of 10,000 members with their 17 fields."""
SLOWEST_ANSWER = 5
"""An answer must be whole within so many timeouts."""
NOT_DONE = frozenset({408, 425, 429})
"""Statuses that say that the request was not acted upon, whatever it asked."""
GO_ON = "the next run goes on where this one stopped; `placier push` to try at once"
NO_SERVER = "platform.base_url is no address of a server"


class Refusal(PlatformError):
    """A 4xx answer: `status`, and the platform's own `words`, addresses masked."""

    def __init__(self, message: str, remedy: str, status: int, words: str) -> None:
        super().__init__(message, remedy)
        self.status = status
        self.words = words


class _Passing(Exception):
    """A fault worth another attempt, after `pause` seconds if the platform said so; `remedy` if it stays."""

    def __init__(self, reason: str, pause: float | None = None, remedy: str = GO_ON) -> None:
        super().__init__(reason)
        self.pause = pause
        self.remedy = remedy


class _Endless(Exception):
    """An answer that is too large, or takes too long."""


class Transport:
    """Sends requests of one account; for one thread.

    Requests start at least `1 / requests_per_second` seconds apart.  A request that fails in passing is sent at most
    `attempts` times and given up after `total` seconds, with pauses that double from `backoff` to 60 seconds, or the
    platform's Retry-After up to 120.  `requests` counts what was sent, retries included.  `kept_in` says in a
    message where the token came from.
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
        kept_in: str = "platform.token_env or token_file",
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        log: Log | None = None,
    ) -> None:
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise PlatformError(
                f"the platform's token ({kept_in}) is empty or damaged", "copy it again, then `placier doctor`"
            )
        self.requests = 0
        self.sleep = sleep
        self.clock = clock
        self._token = token
        self._kept_in = kept_in
        self._base = base_url.rstrip("/")
        self._interval = 1.0 / requests_per_second
        self._next = clock()
        self._attempts = attempts
        self._total = total
        self._timeout = timeout
        self._pause = wait_exponential(multiplier=backoff, max=LONGEST_PAUSE) + wait_random(0, backoff)
        self._log = log or set_up("console")
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log each URL, and URLs hold addresses
        headers = {
            "Accept": "application/json",
            "Content-Type": "application/json",
            "Authorization": f"Bearer {token}",
            "User-Agent": "placier",
        }
        if language:
            headers["Accept-Language"] = language.replace("_", "-")
        self._host = _host(self._base)
        near = self._host in {"localhost", "127.0.0.1", "::1"}
        self._client = _client(headers, timeout, trust_env=not near, plain=near and self._base.startswith("http://"))

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
            raise PlatformError(NO_SERVER, "mend it, then `placier doctor`") from error

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
            tried, seconds = retrying.statistics["attempt_number"], self.clock() - started
            often = f"tried {tried} times in {seconds:.0f} s" if tried > 1 else "tried once"
            raise PlatformUnavailable(f"{what}: {error}; {often}", error.remedy) from error

    def _wait(self, state: RetryCallState) -> float:
        fault = state.outcome.exception() if state.outcome else None
        if isinstance(fault, _Passing) and fault.pause is not None:
            return fault.pause
        return min(self._pause(state), LONGEST_PAUSE)

    def _attempt(self, request: httpx.Request, what: str, repeatable: bool) -> JsonObject:
        self._keep_pace()
        self.requests += 1
        try:
            response, content = self._receive(request)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            self.requests -= 1  # it never left
            self._not_connected(what, error)
        except UnicodeError as error:  # a host name that cannot be looked up, such as api..example
            self.requests -= 1
            raise PlatformError(NO_SERVER, "mend it, then `placier doctor`") from error
        except _Endless as error:
            raise PlatformUnavailable(f"{what}: {error}", GO_ON) from error
        except httpx.HTTPError as error:
            self._lost(what, f"no answer ({type(error).__name__})", repeatable)
        return self._answer(response, content, what, repeatable)

    def _receive(self, request: httpx.Request) -> tuple[httpx.Response, bytes]:
        """An answer and its content, unpacked; no more of it is ever held than the largest answer."""
        end = self.clock() + SLOWEST_ANSWER * self._timeout
        response = self._client.send(request, stream=True)
        content = bytearray()
        try:
            if "," in response.headers.get("Content-Encoding", ""):
                raise _Endless("answered with what is packed more than once")
            for part in response.iter_bytes():
                content += part
                if len(content) > LARGEST_ANSWER:
                    raise _Endless(f"answered with more than {LARGEST_ANSWER // 1024 // 1024} MB")
                if self.clock() > end:
                    raise _Endless(f"the answer was not whole after {SLOWEST_ANSWER * self._timeout:g} s")
        finally:
            response.close()
        return response, bytes(content)

    def _not_connected(self, what: str, error: httpx.TransportError) -> NoReturn:
        if "CERTIFICATE" in str(error).upper():
            raise PlatformError(
                f"{what}: the certificate of {self._host} cannot be verified",
                "check platform.base_url, this machine's clock and its certificate authorities",
            ) from error
        raise _Passing(
            f"no connection to {self._host} ({_why(error)})", remedy=f"check the network and platform.base_url; {GO_ON}"
        ) from error

    def _keep_pace(self) -> None:
        early = self._next - self.clock()
        if early > 0:
            self.sleep(early)
        self._next = max(self._next, self.clock()) + self._interval

    def _answer(self, response: httpx.Response, content: bytes, what: str, repeatable: bool) -> JsonObject:
        status = response.status_code
        if response.is_success:
            if not content and response.request.method != "GET":
                return {}
            found = document(content)
            if found is None:
                self._lost(what, f"answered {status} with something else than JSON", repeatable)
            return found
        if status in NOT_DONE:
            raise _Passing(f"answered {status}", retry_after(response.headers))
        if status >= 500:
            self._lost(what, f"answered {status}", repeatable, retry_after(response.headers))
        said = mask(words(document(content)).replace(self._token, "***"))
        told = f"{what} answered {status}" + (f": {said}" if said else "")
        if status in {401, 403}:
            raise PlatformError(told, f"check the token ({self._kept_in}), then `placier doctor`")
        if status < 400:
            raise PlatformError(
                f"{what} answered {status}, a redirect, which is not followed", "check platform.base_url"
            )
        raise Refusal(told, remedy(status), status, said)

    def _lost(self, what: str, reason: str, repeatable: bool, pause: float | None = None) -> NoReturn:
        """It may have been done or not: once more if that is safe, else the caller must look."""
        if repeatable:
            raise _Passing(reason, pause)
        raise PlatformUnavailable(f"{what}: {reason}, outcome unknown", GO_ON)


def _client(headers: Mapping[str, str], timeout: float, *, trust_env: bool, plain: bool) -> httpx.Client:
    """A client that verifies certificates and follows no redirect, whatever the environment says.

    `plain`: no certificate will be met; the authorities, slow to load, are left out, and none would be accepted.
    """
    try:
        return httpx.Client(
            headers=headers,
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)),
            limits=httpx.Limits(keepalive_expiry=IDLE),
            trust_env=trust_env,
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if plain else True,
        )
    except (OSError, ValueError, ImportError, httpx.InvalidURL) as error:
        raise PlatformError(
            f"the connection to the platform cannot be set up ({type(error).__name__})",
            "check the environment: HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE, SSL_CERT_DIR",
        ) from error


def _host(base_url: str) -> str:
    try:
        return urlsplit(base_url).hostname or ""
    except ValueError:
        return ""  # told when the first request is made


def _why(error: BaseException) -> str:
    """Why there is no connection, in a few words, from the innermost fault."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return "its name is not known"
        if isinstance(cause, ConnectionRefusedError):
            return "refused"
        if isinstance(cause, ssl.SSLError):
            return f"TLS: {cause.reason or 'failed'}"
        if isinstance(cause, TimeoutError):
            return "it does not answer"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return "it does not answer" if isinstance(error, httpx.TimeoutException) else type(error).__name__


def _reason(state: RetryCallState) -> str:
    return str(state.outcome.exception()) if state.outcome else ""
