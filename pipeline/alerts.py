"""Who is told of a night: a healthcheck ping.  An alert that fails is logged; it never fails the run."""

from __future__ import annotations

from collections.abc import Callable

import httpx

TIMEOUT = 10.0


def ping(url: str, suffix: str, complain: Callable[[str], None]) -> None:
    """GET `url` + `suffix` (`/start`, nothing, or `/fail`); what goes wrong goes to `complain`, without the URL."""
    if not url:
        return
    try:
        httpx.get(url.rstrip("/") + suffix, timeout=TIMEOUT).raise_for_status()
    except httpx.HTTPError as error:
        complain(type(error).__name__)
