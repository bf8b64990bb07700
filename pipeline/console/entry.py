"""Coming in and going out: the password, how often it may be tried, and the visits of those who knew it."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from pipeline import config
from pipeline.errors import UsageError

SHORTEST = 12
IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=8)
MOST_VISITS = 500
PER_ADDRESS, IN_ALL = parse("5/minute"), parse("30/hour")
"""How many wrong passwords are listened to."""


def password_digest(variable: str, environment: Mapping[str, str]) -> bytes:
    """The digest of the password in the environment; UsageError if it is missing or too short."""
    password = config.secret(variable, None, "the console's password", environment)
    if len(password) < SHORTEST:
        raise UsageError(
            f"the console's password in {variable} is shorter than {SHORTEST} characters",
            f'make one: export {variable}="$(head -c 18 /dev/urandom | base64)"',
        )
    return _digest(password)


@dataclass(slots=True)
class Visit:
    """Somebody who gave the password: since when, when last seen, and the mark that their forms carry."""

    since: datetime
    seen: datetime
    mark: str = field(default_factory=lambda: secrets.token_urlsafe(24))


class Door:
    """Who is inside.  A visit ends half an hour after it was last seen, after eight hours, when it is left, or with us.

    A cookie holds 256 bits of chance and means nothing without this; what is kept of it is its digest.
    """

    def __init__(self, digest: bytes, now: Callable[[], datetime]) -> None:
        self._digest = digest
        self._now = now
        self._visits: dict[bytes, Visit] = {}
        self._tries = MovingWindowRateLimiter(MemoryStorage())

    def may_try(self, address: str) -> bool:
        """Whether a password from there is listened to: not after too many wrong ones."""
        return self._tries.test(PER_ADDRESS, "from", address) and self._tries.test(IN_ALL, "all")

    def enter(self, password: str, address: str) -> str | None:
        """The cookie of a new visit; None, and counted, for a wrong password."""
        if not hmac.compare_digest(_digest(password), self._digest):
            self._tries.hit(PER_ADDRESS, "from", address)
            self._tries.hit(IN_ALL, "all")
            return None
        self._sweep()
        cookie, now = secrets.token_urlsafe(32), self._now()
        self._visits[_digest(cookie)] = Visit(now, now)
        return cookie

    def visit(self, cookie: str) -> Visit | None:
        """The visit of a cookie, seen now; None when there is none any more."""
        found = self._visits.get(_digest(cookie))
        if found is None or self._over(found):
            self.leave(cookie)
            return None
        found.seen = self._now()
        return found

    def leave(self, cookie: str) -> None:
        """End a visit."""
        self._visits.pop(_digest(cookie), None)

    def _over(self, visit: Visit) -> bool:
        now = self._now()
        return now - visit.seen >= IDLE or now - visit.since >= LONGEST

    def _sweep(self) -> None:
        living = {cookie: visit for cookie, visit in self._visits.items() if not self._over(visit)}
        self._visits = dict(sorted(living.items(), key=lambda pair: pair[1].seen)[-MOST_VISITS:])


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
