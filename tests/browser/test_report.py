"""The page of a day in a browser: read, searched and printed, on a desk and on a telephone, in both languages."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from world import World, buy, cancel

from browser.sight import DESKTOP, PHONE, Screen, axe, fits

ANNE, BENOIT, ZOE = "anne.roy@exemple.test", "benoit.cote@exemple.test", "zoe.gagnon@exemple.test"
SAID = {
    "fr_ca": {"search": "Chercher dans ce tableau", "found": "1 sur 3", "changed": "Ce qui a changé", "table": "en tableau"},
    "en_ca": {"search": "Search this table", "found": "1 of 3", "changed": "What changed", "table": "as a table"},
}  # fmt: skip


@pytest.fixture
def page_path(world: World) -> Path:
    """A day with everything on its page: people, a bad line, a leave that is held, an earlier run."""
    world.set(guard={"max_leaves": 0, "max_leave_ratio": 0.0})
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    assert world.night("2026-03-02").code == 0
    lines = [
        buy(
            "T2",
            "2026-03-02 10:00:00",
            BENOIT,
            id_spectacle="S2",
            titre_spectacle="L'Été où la mer a gelé, une très longue histoire du fleuve",
        ),
        buy("T3", "2026-03-02 11:00:00", ZOE),
        buy("T4", "2026-03-02 12:00:00", "sans adresse"),
        cancel("T1", "2026-03-02 09:00:00"),
    ]
    world.day("2026-03-02", lines)
    assert world.placier("push", "demo", "--as-of", "2026-03-02").code == 0
    assert world.night("2026-03-03").code == 5
    return world.root / "var" / "reports" / "demo" / "2026-03-02.html"


def in_language(world: World, path: Path, language: str) -> None:
    """The page again, for an account of another language."""
    account = world.config / "accounts" / "demo.toml"
    account.write_text(f'language = "{language}"\n{account.read_text()}')
    path.unlink()
    assert world.placier("report", "demo", "--date", path.stem).code == 0


def shown(page: Page, path: Path) -> None:
    page.goto(path.as_uri())
    for part in page.locator("details").all():
        part.evaluate("part => part.open = true")
    fits(page)
    axe(page)


@pytest.mark.parametrize("language", SAID)
def test_the_page_is_read_and_searched_on_any_screen(world: World, page_path: Path, open_page, language: str) -> None:
    in_language(world, page_path, language)
    for screen in (DESKTOP, PHONE):
        page = open_page(screen)
        shown(page, page_path)
        _searched(page, language)
    paper = open_page(Screen("paper", 700, 900))
    paper.emulate_media(media="print")
    shown(paper, page_path)
    expect(paper.get_by_role("navigation")).to_be_hidden()
    for listed in (page_path.parent.parent / "demo-nights.html", page_path.parent.parent / "index.html"):
        shown(page, listed)
    page.get_by_role("link", name="2026").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("2026")


def _searched(page: Page, language: str) -> None:
    said = SAID[language]
    expect(page.get_by_role("heading", name=said["changed"]).first).to_be_visible()
    rows = page.locator("#people-0 tbody tr")
    expect(rows).to_have_count(3)
    box = page.get_by_label(said["search"]).first
    box.fill("ETE gele")
    expect(page.get_by_text(said["found"])).to_be_visible()
    assert [row.is_visible() for row in rows.all()].count(True) == 1
    box.fill("")
    assert all(row.is_visible() for row in rows.all())


def test_the_page_is_whole_without_javascript(page_path: Path, open_page) -> None:
    page = open_page(PHONE, javascript=False)
    page.goto(page_path.as_uri())
    expect(page.locator("#people-0 tbody tr")).to_have_count(3)
    expect(page.get_by_label(SAID["fr_ca"]["search"]).first).to_be_hidden()
    expect(page.locator("svg[role=img]").first).to_be_visible()
    page.locator("details summary", has_text=SAID["fr_ca"]["table"]).first.click()
    expect(page.locator("details table").first).to_be_visible()
