"""The console in a browser: somebody signs in, finds a contact, previews a replay, confirms it, and sees the result."""

from __future__ import annotations

import re

import pytest
from console.visitor import PASSWORD, House, console
from playwright.sync_api import Page, expect
from world import World, buy, cancel

from browser.sight import DESKTOP, PHONE, axe, fits

ANNE, BEN = "anne.roy@exemple.test", "benoit.cote@exemple.test"
SAID = {
    "fr": {
        "enter": "Entrer",
        "contact": "Un contact",
        "yes": "Oui, on peut lui écrire.",
        "find": "Chercher",
        "email": "Adresse courriel",
        "replay": "Refaire une journée",
        "day": "Journée de vente",
        "source": "De la billetterie",
        "look": "Voir ce qui changerait",
        "would": "Voici ce qui changerait. Rien n’a été envoyé.",
        "confirm": "Confirmer et envoyer",
        "done": "C’est fait.",
        "leave": "Fermer la session",
    },
    "en": {
        "enter": "Sign in",
        "contact": "A contact",
        "yes": "Yes, we may write to this person.",
        "find": "Look up",
        "email": "E-mail address",
        "replay": "Replay a day",
        "day": "Day of the sales",
        "source": "From the box office",
        "look": "See what would change",
        "would": "This is what would change. Nothing was sent.",
        "confirm": "Confirm and send",
        "done": "Done.",
        "leave": "Sign out",
    },
}


@pytest.fixture
def house(world: World):
    """Two nights, the second with a leave that is held and a bad line; and the first day corrected since."""
    world.set(guard={"max_leaves": 0, "max_leave_ratio": 0.0})
    first = [
        buy("T1", "2026-03-01 10:00:00", ANNE),
        buy("T2", "2026-03-01 11:00:00", BEN, titre_spectacle="Nordet", id_spectacle="S2"),
    ]
    world.day("2026-03-01", first)
    assert world.night("2026-03-02").code == 0
    world.day(
        "2026-03-02", [cancel("T1", "2026-03-02 09:00:00", ANNE), buy("T3", "2026-03-02 09:00:00", "sans adresse")]
    )
    assert world.night("2026-03-03").code == 5
    world.day("2026-03-01", [first[0], {**first[1], "nb_billets": "3"}])
    with console(world) as under_way:
        yield under_way


def readable(page: Page) -> None:
    """A page that everybody can read."""
    fits(page)
    axe(page)


def signed_in(page: Page, house: House, words: dict[str, str], look=lambda page: None) -> None:
    page.goto(house.url)
    look(page)
    page.locator("#password").fill(PASSWORD)
    page.get_by_role("button", name=words["enter"]).click()
    expect(page).to_have_url(re.compile("/accounts/demo$"))


@pytest.mark.parametrize(("language", "screen"), [("fr", DESKTOP), ("en", PHONE)], ids=["fr-desktop", "en-phone"])
def test_from_the_password_to_the_result_of_a_replay(open_page, house, world, language, screen):
    words = SAID[language]
    page = open_page(screen, f"{language}-CA")
    good = fits if screen == PHONE else readable  # axe looks at each of these pages once: it is slow
    signed_in(page, house, words, good)
    if language == "en":
        page.get_by_role("link", name="English").click()
    good(page)
    page.get_by_role("link", name=words["contact"]).click()
    page.get_by_label(words["email"]).fill(ANNE)
    page.get_by_role("button", name=words["find"]).click()
    expect(page.get_by_text(words["yes"])).to_be_visible()
    expect(page.get_by_role("heading", name=ANNE)).to_be_visible()
    good(page)
    page.get_by_role("link", name=words["replay"]).click()
    page.get_by_label(words["day"]).fill("2026-03-01")
    page.get_by_label(words["source"]).check()
    good(page)
    page.get_by_role("button", name=words["look"]).click()
    expect(page.get_by_text(words["would"])).to_be_visible()
    good(page)
    assert world.member(BEN).fields["Nombre de billets vendus lors du dernier achat"] == 2
    page.get_by_role("button", name=words["confirm"]).click()
    expect(page.get_by_text(words["done"], exact=True)).to_be_visible()
    good(page)
    assert world.member(BEN).fields["Nombre de billets vendus lors du dernier achat"] == 3
    page.get_by_role("button", name=words["leave"]).click()
    expect(page.locator("#password")).to_be_visible()


def test_every_other_page_can_be_read_by_everybody_and_a_night_s_own_cannot_reach_the_console(open_page, house):
    page = open_page(DESKTOP)
    signed_in(page, house, SAID["fr"])
    held = page.get_by_role("link", name="Voir et décider").get_attribute("href")
    for path in ("/accounts/demo/nights/2026-03-02", "/accounts/demo/expiring?within=90", held):
        page.set_viewport_size({"width": PHONE.width, "height": PHONE.height})
        page.goto(f"{house.url.rstrip('/')}{path}")
        fits(page)
        page.set_viewport_size({"width": DESKTOP.width, "height": DESKTOP.height})
        readable(page)
    page.goto(f"{house.url}accounts/demo/nights/2026-03-01")
    page.get_by_role("link", name="Ouvrir la page complète de la nuit").click()
    expect(page).to_have_url(re.compile("/nights/2026-03-01/page$"))
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("window.origin") == "null"


def test_without_javascript_a_hold_is_approved_too(open_page, house, world):
    words = SAID["fr"]
    page = open_page(PHONE, javascript=False)
    signed_in(page, house, words)
    page.get_by_role("link", name="Voir et décider").click()
    page.get_by_role("button", name="Approuver et envoyer").click()
    expect(page.get_by_text("C’est fait.")).to_be_visible()
    assert "Le Songe" not in world.groups_of(ANNE)
