"""A real browser: headless Chromium without a network; a page that complains of anything fails its test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from browser.sight import OpenPage, pages

NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
)
"""No sandbox, for the suite may be root's; no name and no address leads anywhere but to this machine."""


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """The browser.

    It is there while tests of this folder follow each other, no longer: Playwright leaves its event loop running in this
    thread, and tests elsewhere run loops of their own.
    """
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.skip("no Chromium on this machine; to have it: apt-get install chromium fonts-dejavu-core")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, headless=True, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser) -> Iterator[OpenPage]:
    """Pages for one test; afterwards they must not have complained, nor asked for anything outside of this machine."""
    with pages(chromium) as opened:
        yield opened
