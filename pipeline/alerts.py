"""Who is told of a night: a healthcheck ping, and people.  An alert that fails is logged; it never fails the run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

TIMEOUT = 10.0


def ping(url: str, suffix: str, complain: Callable[[str], None], timeout: float = TIMEOUT) -> None:
    """GET `url` + `suffix` (`/start`, nothing, or `/fail`); what goes wrong goes to `complain`, without the URL."""
    if not url:
        return
    import httpx

    try:
        with httpx.stream("GET", url.rstrip("/") + suffix, timeout=timeout) as answer:  # whatever it says is not read
            answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError, ImportError) as error:
        complain(type(error).__name__)


def notify(urls: Sequence[str], title: str, body: str, complain: Callable[[str], None]) -> None:
    """Send a message to Apprise URLs; `complain` hears if one of them did not take it.  The URLs hold secrets."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # apprise's own plug-ins, on Python 3.11 and 3.12
            import apprise

            told = apprise.Apprise()
            if not told.add(list(urls)):
                complain("an Apprise URL is not understood")
            if not told.notify(title=title, body=body):
                complain("a message was not taken")
    except ModuleNotFoundError:
        complain("the package apprise is missing: pip install 'placier[alerts]'")
    except Exception as error:  # noqa: BLE001 - the plug-in of any service may fail in its own way
        complain(type(error).__name__)
