"""The pictures of docs/images, made anew: the demo is played, and its pages are looked at in a real browser.

`python scripts/screenshots.py`: all; with words: those whose names begin so, such as `console`.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from pipeline.config import load
from pipeline.console.serve import ConsoleServer, Place
from pipeline.doors import Outside
from pipeline.log import write_to
from pipeline.sandbox.pair import Pair

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
MOST_BYTES = 200_000
ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking")
DESKTOP, PHONE = (1080, 860), (360, 740)
PASSWORD = "rideau-quai-marée"  # noqa: S105 - of a console that lives for a minute
NOW = datetime(2026, 11, 17, 14, 30)  # noqa: DTZ001 - naive instants are UTC
ASKED = "benoit.cote@exemple.test"


def main(wanted: list[str]) -> None:
    """Make the pictures."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        sys.exit("no Chromium on this machine; to have it: apt-get install chromium fonts-dejavu-core")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        data = Path(folder) / "demo"
        placier("demo", "--data", str(data))
        browser = playwright.chromium.launch(executable_path=found, args=list(ARGUMENTS))
        for album in (report, console):
            if not wanted or any(album.__name__.startswith(word) for word in wanted):
                album(browser, data)
        browser.close()


def report(browser: Browser, data: Path) -> None:
    """The page of a night, in both languages, and on a telephone."""
    own = data.parent / "report"
    shutil.copytree(data, own)
    with sandbox(own):
        one_more_night(own)
    account = own / "config" / "accounts" / "demo.toml"
    told = re.sub(r"^language = .*\n", "", account.read_text(encoding="utf-8"), flags=re.MULTILINE)
    page_of_the_night = own / "var" / "reports" / "demo" / "2026-11-15.html"
    for language in ("en", "fr"):
        account.write_text(f'language = "{language}_ca"\n{told}', encoding="utf-8")
        page_of_the_night.unlink()
        placier("report", "demo", "--date", "2026-11-15", "--config", str(own / "config"))
        page = browser.new_page(viewport={"width": DESKTOP[0], "height": 1240})
        page.goto(page_of_the_night.as_uri())
        take(page, f"report-{language}")
        page.locator("section[aria-labelledby=trend]").screenshot(path=IMAGES / f"report-trends-{language}.png")
        page.close()
    page = browser.new_page(viewport={"width": PHONE[0], "height": 1100})
    page.goto(page_of_the_night.as_uri())
    take(page, "report-phone")
    page.close()


def one_more_night(data: Path) -> None:
    """After the demo: an ordinary day, with new people, cancellations, and two lines that nobody could use."""
    source = next((data / "depot").glob("*_achats_20261113.csv"))
    header, *lines = source.read_text(encoding="utf-8-sig").splitlines()
    bought = [line.replace("2026-11-13", "2026-11-15").replace(";R-", ";R-7") for line in lines]
    bought[12:] = [line.replace("@", ".bis@") for line in bought[12:]]
    bought[3] = bought[3].replace("2026-11-15 ", "hier ", 1)
    bought[8] = bought[8].replace("@", " ")
    taken_back = [line.replace("ACHAT", "ANNULATION").replace("2026-11-13", "2026-11-15", 1) for line in lines[5:8]]
    for name, told in (("achats", bought), ("annulations", taken_back)):
        path = source.with_name(source.name.replace("achats_20261113", f"{name}_20261115"))
        path.write_text("\n".join([header, *told]) + "\n", encoding="utf-8")
    placier("run", "--as-of", "2026-11-16", "--config", str(data / "config"))


def console(browser: Browser, data: Path) -> None:
    """The console: its nights, a contact, the preview of a replay."""
    with sandbox(data):
        trouble(data)
        with served(data) as url:
            for language in ("fr", "en"):
                with visitor(browser, url, language, DESKTOP) as page:
                    take(page, f"console-nights-{language}")
                    contact(page, url)
                    take(page, f"console-contact-{language}", whole=True)
                    page.goto(f"{url}accounts/demo/replay?day=2026-11-13")
                    page.locator("[name=resend]").check()
                    page.locator("form[action$=replay] button").click()
                    page.locator("#errand[data-done=yes]").wait_for()
                    take(page, f"console-preview-{language}")
            with visitor(browser, url, "fr", PHONE) as page:
                contact(page, url)
                page.locator("#answer").evaluate("heading => heading.scrollIntoView()")
                take(page, "console-contact-phone-fr")


def contact(page: Page, url: str) -> None:
    """Somebody who asks why no e-mail comes."""
    page.goto(f"{url}accounts/demo/contact")
    page.locator("#email").fill(ASKED)
    page.locator("#email").press("Enter")
    page.locator("#answer").wait_for()


def trouble(data: Path) -> None:
    """After the demo: a day whose lines are mostly bad, which is held, and one that is not there."""
    depot = data / "depot"
    source = next(path for path in depot.iterdir() if path.name.endswith("_achats_20261114.csv"))
    for name in ("achats", "annulations"):
        lines = source.with_name(source.name.replace("achats", name)).read_text(encoding="utf-8-sig").splitlines()
        bad = [line.replace("2026-11-14", "2026-11-15").replace("@", " ") for line in lines[1:]] * 4
        text = "\n".join([lines[0], *(bad if name == "achats" else [])]) + "\n"
        (depot / source.name.replace("achats_20261114", f"{name}_20261115")).write_text(text, encoding="utf-8")
    for day in ("2026-11-16", "2026-11-17"):
        placier("run", "--as-of", day, "--config", str(data / "config"), expected=(0, 4, 5))


@contextmanager
def sandbox(data: Path) -> Iterator[None]:
    """The demo's box office and platform, again, where its configuration looks for them."""
    account = (data / "config" / "accounts" / "demo.toml").read_text(encoding="utf-8")
    drop, platform = re.findall(r"^port = (\d+)$|^base_url = .*:(\d+)\"$", account, re.MULTILINE)
    with Pair(data, int(platform[1]), int(drop[0])):
        yield


@contextmanager
def served(data: Path) -> Iterator[str]:
    """The console over the demo, on a day of its own."""
    environment = {"PLACIER_CONSOLE_PASSWORD": PASSWORD}
    log = write_to(io.StringIO(), "json", verbose=False)
    outside = Outside(environment, lambda: NOW, lambda seconds: None, log)
    with ConsoleServer(load(data / "config"), outside, Place(port=0), may_replay=True) as server:
        yield server.url


@contextmanager
def visitor(browser: Browser, url: str, language: str, size: tuple[int, int]) -> Iterator[Page]:
    """Somebody signed in, at the nights."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]}, locale=f"{language}-CA")
    page = context.new_page()
    page.goto(f"{url}login?lang={language}")
    page.locator("#password").fill(PASSWORD)
    page.locator("#password").press("Enter")
    page.locator("nav.tabs").wait_for()
    yield page
    context.close()


def take(page: Page, name: str, *, whole: bool = False) -> None:
    """A picture; too large a one is an error."""
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path, full_page=whole)
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}: {size:,} bytes")
    if size > MOST_BYTES:
        sys.exit(f"{path}: more than {MOST_BYTES:,} bytes")


def placier(*words: str, expected: tuple[int, ...] = (0,)) -> None:
    """The program, in a process of its own."""
    done = subprocess.run([sys.executable, "-m", "pipeline", *words], capture_output=True, text=True, check=False)
    if done.returncode not in expected:
        sys.exit(f"placier {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    main(sys.argv[1:])
