"""Who is told of a night: a healthcheck ping, and people.  An alert that fails is logged; it never fails the run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Message:
    """What people are told; `well`: only of what is over."""

    title: str
    body: str
    well: bool


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


def notify(urls: Sequence[str], message: Message, complain: Callable[[str], None]) -> bool:
    """Send a message to Apprise URLs; whether any of them took it.  `complain` hears of those that did not.

    The URLs hold secrets, and are in no message.
    """
    taken = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # apprise's own plug-ins, on Python 3.11 and 3.12
            import apprise

            kind = apprise.NotifyType.SUCCESS if message.well else apprise.NotifyType.WARNING
            for url in urls:  # one by one: each may fail for itself
                told = apprise.Apprise()
                if not told.add([url]):
                    complain("an Apprise URL is not understood")
                elif told.notify(title=message.title, body=message.body, notify_type=kind):
                    taken = True
                else:
                    complain("a message was not taken")
    except ModuleNotFoundError:
        complain("the package apprise is missing: pip install 'placier[alerts]'")
    except Exception as error:  # noqa: BLE001 - the plug-in of any service may fail in its own way
        complain(type(error).__name__)
    return taken
