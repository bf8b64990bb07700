"""The requests that came, for tests to look at: no token, no body but those of batches."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

LONGEST = 200_000
"""Requests kept; older ones are forgotten."""


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request to the API.  `path` is decoded, `key` the member that it names (address or id), or "".

    `status` is 0 when nothing was done and no answer sent; `body` is kept of `POST /batches` only, refused ones too.
    """

    number: int
    at: str
    method: str
    path: str
    key: str
    query: str
    status: int
    fault: str
    body: object = None


class Journal:
    """The requests in their order, since the start or the last reset."""

    def __init__(self) -> None:
        self.entries: deque[LoggedRequest] = deque(maxlen=LONGEST)
        self.seen = 0

    def add(self, entry: LoggedRequest) -> None:
        """Note a request."""
        self.entries.append(entry)

    def reset(self) -> None:
        """Forget them all."""
        self.entries.clear()
        self.seen = 0

    def writes(self) -> int:
        """Requests that may have changed something: not a GET, and not refused with a 4xx."""
        return sum(entry.method not in {"GET", "HEAD"} and not 400 <= entry.status < 500 for entry in self.entries)
