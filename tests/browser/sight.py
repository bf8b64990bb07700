"""What a page must be for whoever looks at it: wide enough for its screen, and open to those who see or hear it otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Response

OpenPage = Callable[..., Page]
"""`(screen=DESKTOP, locale="fr-CA", *, javascript=True)`: an empty page in a context of its own."""
HERE = {"127.0.0.1", ""}
PATIENCE = 20_000
"""Milliseconds that anything may take on a slow machine."""
NOT_LOADED = "Failed to load resource"
AXE = Axe()
RUN = "axe.run({ resultTypes: ['violations'] }).then(found => found.violations)"
OVERFLOW = """
() => {
  const wide = document.documentElement.clientWidth;
  const own = (element) => {  // what scrolls inside a box of its own is no overflow of the page
    for (let box = element.parentElement; box; box = box.parentElement)
      if (getComputedStyle(box).overflowX !== 'visible') return true;
    return false;
  };
  const out = [...document.body.querySelectorAll('*')].filter(
    (element) => element.getBoundingClientRect().right > wide + 1 && !own(element));
  return document.documentElement.scrollWidth > wide + 1
    ? out.map((element) => element.tagName.toLowerCase() + ' ' + element.textContent.trim().slice(0, 40)).slice(0, 5)
    : [];
}
"""


@dataclass(frozen=True)
class Screen:
    """The size of a window."""

    name: str
    width: int
    height: int


PHONE = Screen("phone", 360, 740)
DESKTOP = Screen("desktop", 1280, 900)


@contextmanager
def pages(browser: Browser) -> Iterator[OpenPage]:
    """Pages; AssertionError at the end when one complained, or asked for anything outside of this machine.

    A page that is itself a refusal (404, 503, ...) is no complaint; what such a page lacks is one.
    """
    contexts: list[BrowserContext] = []
    complaints: list[str] = []
    said: list[ConsoleMessage] = []
    refusals: set[str] = set()

    def opened(screen: Screen = DESKTOP, locale: str = "fr-CA", *, javascript: bool = True) -> Page:
        size = {"width": screen.width, "height": screen.height}
        context = browser.new_context(
            viewport=size, locale=locale, timezone_id="America/Toronto", java_script_enabled=javascript
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: said.append(message))  # noqa: PLW0108 - playwright marks its handlers
        page.on("response", lambda answer: refusals.update(_refusal(answer)))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("request", lambda request: complaints.extend(_outside(request.url)))
        return page

    try:
        yield opened
    finally:
        for context in contexts:
            context.close()
    complaints += [each for message in said for each in _complaint(message, refusals)]
    assert not complaints, "\n".join(complaints)


def _complaint(message: ConsoleMessage, refusals: set[str]) -> list[str]:
    where = message.location.get("url", "").partition("#")[0]
    if message.type not in {"error", "warning"} or (message.text.startswith(NOT_LOADED) and where in refusals):
        return []
    return [f"{message.type}: {message.text} ({where})"]


def _refusal(answer: Response) -> list[str]:
    return [answer.url] if answer.request.is_navigation_request() and answer.status >= 400 else []


def _outside(url: str) -> list[str]:
    parts = urlsplit(url)
    return [] if (parts.hostname or "") in HERE else [f"asked for {parts.scheme}://{parts.netloc}"]


def axe(page: Page) -> None:
    """AssertionError with every rule of axe-core that the page breaks, and where."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.axe_script)
    violations: list[dict[str, Any]] = page.evaluate(RUN)
    broken = [
        f"{rule['id']} ({rule['impact']}): {' '.join(map(str, node['target']))}: {node['html'][:160]}"
        for rule in violations
        for node in rule["nodes"]
    ]
    assert not broken, f"{page.url}\n" + "\n".join(broken)


def fits(page: Page) -> None:
    """AssertionError when the page must be moved sideways to be read, with what sticks out."""
    width = page.evaluate("document.documentElement.scrollWidth")
    out = page.evaluate(OVERFLOW)
    assert width <= page.evaluate("document.documentElement.clientWidth") + 1, f"{page.url}: {width} wide: {out}"
