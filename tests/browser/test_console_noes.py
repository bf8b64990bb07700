"""What the console shows on a bad day: no such page, no right, busy, broken, a wrong password; everybody can read it."""

from __future__ import annotations

import pytest
from console.visitor import PASSWORD, House, console
from playwright.sync_api import Page, expect
from world import World, buy

from browser.sight import DESKTOP, PHONE, axe, fits
from browser.test_console import SAID
from pipeline.config import load
from pipeline.console.errands import Errand
from pipeline.doors import open_state

LANGUAGES = ("fr", "en")


@pytest.fixture
def house(world: World):
    """Two accounts: one with a night and a day whose file is missing, one without anything."""
    world.day("2026-02-28", [buy("T1", "2026-02-28 10:00:00", "anne.roy@exemple.test")])
    assert world.night("2026-03-01").code == 0
    assert world.night("2026-03-02").code == 4
    other = (world.config / "accounts" / "demo.toml").read_text()
    (world.config / "accounts" / "theatre-du-quai-de-riviere-du-loup.toml").write_text(other)
    with console(world) as under_way:
        yield under_way


def looked_at(page: Page) -> None:
    """The page as it is now, on both screens."""
    for screen in (PHONE, DESKTOP):
        page.set_viewport_size({"width": screen.width, "height": screen.height})
        fits(page)
        axe(page)


def got(page: Page, house: House, path: str) -> int:
    """The status of a page that was got and looked at."""
    answer = page.goto(house.url.rstrip("/") + path)
    assert answer is not None
    looked_at(page)
    return answer.status


def sent(page: Page, button: str) -> int:
    """The status of what a form was answered with, looked at."""
    with page.expect_navigation() as answer:
        page.get_by_role("button", name=button, exact=True).click()
    looked_at(page)
    return answer.value.status


def locked_out(house: House, world: World) -> str:
    """The address of a replay that found another run under way."""
    database = open_state(load(world.config))
    with house.inside() as somebody:
        where, _ = somebody.preview("2026-02-28", resend="yes")
        with database.lock("demo", world.root / "var" / "locks"):
            begun = somebody.post(where)
            somebody.done(begun)
    database.close()
    return begun.headers["location"]


def test_pages_of_a_bad_day_are_read_by_everybody(open_page, house, world):
    page = open_page()
    page.goto(f"{house.url}login")
    page.locator("#password").fill(PASSWORD)
    page.get_by_role("button", name=SAID["fr"]["enter"]).click()
    expect(page).to_have_url(house.url)
    locked = locked_out(house, world)
    waits = house.server.errands._known["waits"] = Errand("waits", "demo", "approve", house.clock())
    waits.moved("push", 3, 8)
    for language in LANGUAGES:
        look = SAID[language]["look"]
        assert got(page, house, f"/?lang={language}") == 200
        assert got(page, house, "/nowhere") == 404
        assert got(page, house, "/accounts/demo/held/20260301T010203-abcdef") == 404
        assert got(page, house, locked) == 200
        assert got(page, house, "/accounts/demo/errands/waits") == 200
        assert got(page, house, "/accounts/demo/replay?day=2026-02-28") == 200
        assert sent(page, look) == 409
        page.goto(f"{house.url}accounts/demo/replay?day=2026-02-28")
        page.evaluate("document.querySelector('main [name=mark]').value = 'of another visit'")
        assert sent(page, look) == 403
    waits.done = True
    (world.root / "var" / "placier.db").write_bytes(b"no database at all" * 100)
    for language in LANGUAGES:
        assert got(page, house, f"/accounts/demo?lang={language}") == 503


def test_the_door_is_read_by_everybody_when_it_stays_shut(open_page, world):
    page = open_page()
    with console(world) as house:
        for language, status in (("fr", 403), ("en", 403), ("en", 429), ("fr", 429)):
            page.goto(f"{house.url}login?lang={language}")
            if status == 429:
                with house.visitor() as somebody:
                    while somebody.enter("faux").status_code != 429:
                        pass
            page.locator("#password").fill("un mauvais mot de passe")
            assert sent(page, SAID[language]["enter"]) == status
