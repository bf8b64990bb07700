"""What the console tells of nights and of people, in words, whatever stands in the files."""

from __future__ import annotations

import re
from string import Formatter

import pytest
from world import World, buy, cancel

from console.visitor import console, text
from pipeline.console.people import RANKS
from pipeline.console.texts import TEXTS
from pipeline.report.words import WORDS
from pipeline.said import SENTENCES, Said

ANNE = "anne.roy@exemple.test"
EVIL = '<script>alert(1)</script> & "l\'été" {{ 7*7 }}'


def test_every_sentence_is_said_in_both_languages_with_the_same_values():
    def values(sentence: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(sentence) if name}

    for key, (french, english) in TEXTS.items():
        assert french, key
        assert english, key
        for one, other in zip(french.split("|"), english.split("|"), strict=True):
            assert values(one) == values(other), key
        assert not re.search(r"[\u00a0\u202f']| [?!;]|\w:(?!//)", french), key
    assert not TEXTS.keys() & WORDS.keys()


@pytest.mark.parametrize("code", SENTENCES)
def test_every_answer_of_why_has_its_sentence_with_the_same_values(code):
    names = {name for _, name, _, _ in Formatter().parse(SENTENCES[code]) if name}
    for sentence in TEXTS[f"said.{code}"]:
        assert {name for _, name, _, _ in Formatter().parse(sentence) if name} == names
    said = Said(code, **dict.fromkeys(names, "x"))
    assert (said, said.code, dict(said.values)) == (
        SENTENCES[code].format(**said.values),
        code,
        dict.fromkeys(names, "x"),
    )


def test_every_moment_has_its_sentence():
    assert {f"moment.{what}" for what in (*RANKS, "unsubscribed", "bounced", "came_back", "forgotten")} <= TEXTS.keys()


def test_a_person_is_told_with_the_basis_the_lines_the_groups_and_what_happened(world):
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    world.day("2026-03-02", [cancel("T1", "2026-03-02 18:05:00", ANNE)])
    assert world.night("2026-03-02").code == 0
    assert world.night("2026-03-03").code == 0
    with console(world) as house, house.inside() as somebody:
        page = text(somebody.post("/accounts/demo/contact", email=f"  {ANNE.upper()} ").text)
        assert "Oui, on peut lui écrire. Réponse au 3 mars 2026." in page
        assert "Consentement tacite : la personne a acheté des billets" in page
        assert "Jusqu’au 1er mars 2028" in page
        assert "Theatre_achats_20260301.csv, ligne 2" in page
        assert "Le Songe Non A annulé le 2 mars 2026, 18 h 05" in page
        moments = page[page.index("Ce qui s’est passé") :]
        assert moments.index("Retiré du groupe « Le Songe »") < moments.index(
            "Annulation de 2 billets pour « Le Songe »"
        )
        assert moments.index("Annulation") < moments.index("Consentement donné par l’achat du 1er mars 2026")
        assert moments.index("Consentement donné") < moments.index("Achat de 2 billets pour « Le Songe »")
        then = text(somebody.post("/accounts/demo/contact", email=ANNE, on="2026-03-01").text)
        assert "Réponse au 1er mars 2026." in then
        assert "Annulation" not in then
        somebody.get("/accounts/demo?lang=en")
        english = text(somebody.post("/accounts/demo/contact", email=ANNE).text)
        assert "Yes, we may write to this person. As of March 3, 2026." in english
        assert "Le Songe No Cancelled on March 2, 2026, 6:05 p.m." in english


def test_somebody_who_unsubscribed_a_stranger_and_what_is_no_address_are_told_apart(world):
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    assert world.night("2026-03-02").code == 0
    world.control.unsubscribe(ANNE)
    assert world.placier("push", "demo", "--as-of", "2026-03-02").code == 0
    with console(world) as house, house.inside() as somebody:
        page = text(somebody.post("/accounts/demo/contact", email=ANNE).text)
        assert "Non, on ne peut pas lui écrire. Raison : S’est désabonné." in page
        stranger = text(somebody.post("/accounts/demo/contact", email="personne@exemple.test").text)
        assert "Aucun fichier de la billetterie n’a jamais parlé de cette adresse" in stranger
        for form in ({"email": "anne"}, {"email": ANNE, "on": "hier"}):
            answer = somebody.post("/accounts/demo/contact", **form)
            assert (answer.status_code, 'role="alert"' in answer.text) == (422, True)
            assert somebody.get("/accounts/demo/contact").status_code == 200


def test_what_stands_in_files_is_shown_and_never_obeyed(world):
    lines = [buy("T1", "2026-03-01 10:00:00", ANNE, titre_spectacle=EVIL, prenom=EVIL, ville=EVIL)]
    world.day("2026-03-01", [*lines, buy("T2", "2026-03-01 10:00:00", "<b>pas une adresse</b>")])
    assert world.night("2026-03-02").code == 0
    with console(world) as house, house.inside() as somebody:
        pages = [
            somebody.post("/accounts/demo/contact", email=ANNE).text,
            somebody.post("/accounts/demo/contact", email=f'"><script>@{EVIL}').text,
            somebody.get(f"/accounts/demo/replay?day={EVIL}").text,
            somebody.get("/accounts/demo/nights/2026-03-01").text,
            somebody.preview("2026-03-01", resend="yes")[1],
        ]
        assert "&lt;script&gt;alert(1)" in pages[0]
        assert "&lt;script&gt;alert(1)" in pages[-1]
        for page in pages:
            assert set(re.findall(r"<script[^>]*>", page)) <= {'<script src="/static/watch.js">'}
            assert "49" not in re.findall(r"alert\(1\).{0,60}", page)
            assert "<b>pas" not in page


def test_a_night_shows_its_files_its_bad_lines_without_their_text_and_its_page_in_a_box(world):
    lines = [buy("T1", "2026-03-01 10:00:00", ANNE), buy("T2", "2026-03-01 10:00:00", "pas une adresse")]
    world.day("2026-03-01", [*lines, buy("T3", "2026-03-01 10:00:00", ANNE, montant_net="1,234")])
    assert world.night("2026-03-02").code == 0
    with console(world) as house, house.inside() as somebody:
        page = somebody.get("/accounts/demo/nights/2026-03-01").text
        assert "Theatre_achats_20260301.csv 1 3 1 2" in text(page)
        assert "Theatre_achats_20260301.csv 3 Adresse courriel invalide" in text(page)
        assert "Theatre_achats_20260301.csv 4 Montant absent ou illisible" in text(page)
        assert "pas une adresse" not in page
        report = somebody.get("/accounts/demo/nights/2026-03-01/page")
        assert report.status_code == 200
        assert report.headers["content-security-policy"].startswith("sandbox allow-scripts;")
        assert "allow-same-origin" not in report.headers["content-security-policy"]
        for path in ("2026-03-02/page", "..%2f..%2f..%2fconfig/page", "2026-13-01", "demain"):
            assert somebody.get(f"/accounts/demo/nights/{path}").status_code == 404, path


def test_what_is_missing_is_told_first(world):
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    assert world.night("2026-03-02").code == 0
    assert world.night("2026-03-03").code == 4
    with console(world) as house, house.inside() as somebody:
        page = text(somebody.get("/accounts/demo").text)
        assert "Il manque des fichiers" in page
        assert "ces journées : 2 mars 2026." in page
        assert "2 mars 2026 Fichier absent" in page


def test_consents_about_to_end_are_listed_with_short_addresses(world):
    world.day("2024-03-20", [buy("T1", "2024-03-20 10:00:00", ANNE)])
    assert world.night("2024-03-21").code == 0
    with console(world) as house, house.inside() as somebody:
        page = somebody.get("/accounts/demo/expiring").text
        assert "20 mars 2026" in text(page)
        assert "a***@exemple.test" in page
        assert ANNE not in page
        assert somebody.get("/accounts/demo/expiring?within=9999").status_code == 200


def test_several_accounts_have_a_page_of_their_own_and_nothing_of_each_other_s(world: World):
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    assert world.night("2026-03-02").code == 0
    other = (world.config / "accounts" / "demo.toml").read_text()
    (world.config / "accounts" / "autre.toml").write_text(f'language = "en_ca"\n{other}')
    with console(world) as house, house.inside() as somebody:
        first = text(somebody.get("/").text)
        assert "demo Terminé 1er mars 2026 0 0 0" in first
        assert "autre aucun jamais 0 0 0" in first
        assert "There" not in first
        assert "No run has taken place yet." in text(somebody.get("/accounts/autre").text)
        where, _ = somebody.preview("2026-03-01", resend="yes")
        assert somebody.get(where.replace("/demo/", "/autre/")).status_code == 404
        assert somebody.post(where.replace("/demo/", "/autre/")).status_code == 404


def test_a_state_that_cannot_be_read_is_told_with_what_to_do(world):
    with console(world) as house, house.inside() as somebody:
        state = world.root / "var" / "placier.db"
        state.parent.mkdir(exist_ok=True)
        state.write_bytes(b"no database at all" * 100)
        answer = somebody.get("/accounts/demo")
        assert answer.status_code == 503
        assert "Ce que dit le programme" in answer.text
        assert "Traceback" not in answer.text
