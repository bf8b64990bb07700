"""A day again, and what is held: shown first, confirmed as it was shown, and told."""

from __future__ import annotations

import io
import re
import threading
from dataclasses import replace
from datetime import date

import pytest
from world import buy, cancel

from console.visitor import Clock, console, text
from pipeline import nightly
from pipeline.bring import Replay
from pipeline.config import load
from pipeline.console.errands import Errand, Errands
from pipeline.doors import Outside, open_state, setting
from pipeline.errors import Held
from pipeline.log import write_to
from pipeline.outline import Kind, Outline

ANNE, BEN = "anne.roy@exemple.test", "benoit.cote@exemple.test"


def two_buyers(world):
    world.day(
        "2026-03-01",
        [buy("T1", "2026-03-01 10:00:00", ANNE), buy("T2", "2026-03-01 11:00:00", BEN, titre_spectacle="Nordet")],
    )
    assert world.night("2026-03-02").code == 0


def corrected(world, **more):
    """The box office drops the day again: Benoît has bought three tickets."""
    lines = [
        buy("T1", "2026-03-01 10:00:00", ANNE),
        buy("T2", "2026-03-01 11:00:00", BEN, **{"titre_spectacle": "Nordet", "nb_billets": "3", **more}),
    ]
    world.day("2026-03-01", lines)


def figures(page: str) -> dict[str, int]:
    return {words: int(n) for n, words in re.findall(r'<li class="tile"><b>(\d+)</b><span>([^<]+)</span>', page)}


def test_a_preview_shows_what_would_change_and_sends_and_keeps_nothing(world):
    two_buyers(world)
    before, status = world.content(), world.placier("status").json
    corrected(world)
    with console(world) as house, house.inside() as somebody:
        _, page = somebody.preview("2026-03-01", **{"from": "source"})
        assert figures(page)["Contacts mis à jour"] == 1
        assert "Dernier achat mis à jour" in text(page)
        assert "b***@exemple.test" in page
        assert BEN not in page
    assert (world.content(), world.placier("status").json) == (before, status)


def test_what_is_confirmed_is_what_was_shown_and_what_the_command_would_have_done(world):
    two_buyers(world)
    corrected(world)
    dry = world.placier("replay", "demo", "2026-03-01", "--refetch", "--as-of", "2026-03-03", "--dry-run").run
    with console(world) as house, house.inside() as somebody:
        where, shown = somebody.preview("2026-03-01", **{"from": "source"})
        result = somebody.done(somebody.post(where))
        assert "C’est fait." in text(result)
        assert figures(shown) == figures(result)
        assert figures(shown)["Contacts mis à jour"] == dry["plan"]["contacts_updated"] == 1
    run = next(run for run in world.placier("status").json["accounts"][0]["runs"] if run["kind"] == "replay")
    assert (run["kind"], run["status"], run["date"], run["as_of"]) == ("replay", "done", "2026-03-01", "2026-03-03")
    assert world.member(BEN).fields["Nombre de billets vendus lors du dernier achat"] == 3
    assert (world.root / "var" / "reports" / "demo" / "2026-03-01.html").exists()


def test_a_preview_is_confirmed_once_and_while_it_is_fresh(world):
    two_buyers(world)
    with console(world) as house, house.inside() as somebody:
        where, page = somebody.preview("2026-03-01", resend="yes")
        assert "Renvoyé sur demande" in text(page)
        somebody.done(somebody.post(where))
        again = somebody.post(where)
        assert (again.status_code, "il a déjà servi" in again.text) == (409, True)
        stale, _ = somebody.preview("2026-03-01", resend="yes")
        house.clock.later(minutes=29)
        assert "Confirmer et envoyer" in somebody.get(stale).text
        house.clock.later(minutes=2)
        assert "Confirmer et envoyer" not in somebody.get(stale).text
        assert somebody.post(stale).status_code == 409


def test_a_plan_that_changed_after_it_was_shown_is_shown_again_and_nothing_is_sent(world):
    two_buyers(world)
    corrected(world)
    with console(world) as house, house.inside() as somebody:
        where, _ = somebody.preview("2026-03-01", **{"from": "source"})
        before = world.content()
        corrected(world, titre_spectacle="Corps et marées", id_spectacle="S2")
        refused = somebody.post(where)
        page = somebody.done(refused)
        assert "le plan a changé : rien n’a été envoyé" in text(page)
        assert "Corps et marées" in text(page)
        assert world.content() == before
        assert world.placier("status").json["accounts"][0]["runs"][0]["kind"] == "run"
        assert "C’est fait." in text(somebody.done(somebody.post(refused.headers["location"])))
    assert "Corps et marées" in world.groups_of(BEN)


def test_a_plan_that_is_not_agreed_to_at_the_last_moment_is_not_sent(world):
    two_buyers(world)
    before = world.content()
    configuration = load(world.config)
    outside = Outside({}, Clock(), lambda seconds: None, write_to(io.StringIO(), "json", verbose=False))
    database = open_state(configuration)
    seen = []

    def refuse(outline):
        seen.append(outline.preview().contacts)
        raise Held("the plan has changed", "look again")

    place = replace(setting(configuration, configuration.account("demo"), database, outside), planned=refuse)
    run = nightly.replay(place, date(2026, 3, 1), Replay(resend=True), date(2026, 3, 3))[-1]
    database.close()
    assert (run.status, run.exit_code, seen) == ("held", 5, [2])
    assert world.content() == before


def test_the_fingerprint_of_a_plan_is_the_same_for_the_same_plan_alone(world):
    two_buyers(world)
    corrected(world)
    with console(world) as house, house.inside() as somebody:
        marks = []
        for form in ({"from": "source"}, {"from": "source"}, {}):
            where, _ = somebody.preview("2026-03-01", **form)
            marks.append(house.server.errands.get(where.rpartition("/")[2]).mark)
        assert marks[0] == marks[1] != ""
        assert marks[2] not in {marks[0], ""}


def test_a_fingerprint_tells_people_apart_whom_no_preview_lists():
    def plan(*emails):
        outline = Outline(date(2026, 3, 3))
        number = outline.number(Kind(created=True, updated=False, upsert=True, joins=("general",)))
        outline.add(emails, number)
        return outline.fingerprint()

    assert plan(ANNE) == plan(ANNE) != plan(BEN)
    assert plan(ANNE, BEN) == plan(BEN, ANNE) != plan(ANNE)


def test_a_day_that_would_change_nothing_offers_nothing_to_confirm(world):
    two_buyers(world)
    with console(world) as house, house.inside() as somebody:
        _, page = somebody.preview("2026-03-01")
        assert "Rien ne changerait" in text(page)
        assert "Confirmer et envoyer" not in page


@pytest.mark.parametrize(
    ("day", "told"), [("mardi", "illisible"), ("2026-03-04", "pas encore arrivée"), ("", "illisible")]
)
def test_a_day_that_is_none_or_has_not_come_is_told_beside_the_form(world, day, told):
    with console(world) as house, house.inside() as somebody:
        answer = somebody.post("/accounts/demo/replay", day=day)
        assert (answer.status_code, told in answer.text) == (422, True)


def test_a_failure_is_told_with_what_the_program_says(world):
    with console(world) as house, house.inside() as somebody:
        _, page = somebody.preview("2026-02-20")
        assert "Cela n’a pas réussi" in text(page)
        assert "Les archives n’ont pas cette journée" in text(page)
        assert "placier replay demo 2026-02-20 --refetch" in text(page)
        assert "Confirmer et envoyer" not in page


def test_while_a_night_is_under_way_the_console_says_so_and_does_nothing(world):
    two_buyers(world)
    configuration = load(world.config)
    database = open_state(configuration)
    with console(world) as house, house.inside() as somebody:
        where, _ = somebody.preview("2026-03-01", resend="yes")
        before = world.content()
        with database.lock("demo", world.root / "var" / "locks"):
            page = somebody.done(somebody.post(where))
        assert "Un autre traitement de ce compte est en cours" in text(page)
        assert 'href="/accounts/demo/replay?day=2026-03-01"' in page
        assert world.content() == before
    database.close()


def test_one_thing_at_a_time_is_done_for_an_account(world):
    two_buyers(world)
    with console(world) as house, house.inside() as somebody:
        errands: Errands = house.server.errands
        waits = Errand("attend", "demo", "approve", house.clock())
        errands._known["attend"] = waits
        waits.moved("push", 3, 8)
        page = text(somebody.get("/accounts/demo/errands/attend").text)
        assert "envoi à la plateforme" in page
        assert "3 sur 8" in page
        answer = somebody.post("/accounts/demo/replay", day="2026-03-01")
        assert (answer.status_code, "errands/attend" in answer.text) == (409, True)
        waits.done = True
        assert somebody.post("/accounts/demo/replay", day="2026-03-01").status_code == 303
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("errand")]


def test_what_is_held_is_shown_then_let_through_exactly(world):
    world.set(guard={"max_leaves": 0, "max_leave_ratio": 0.0})
    two_buyers(world)
    world.day("2026-03-02", [cancel("T1", "2026-03-02 09:00:00", ANNE)])
    held = world.night("2026-03-03")
    assert held.code == 5
    run_id = held.run["run_id"]
    with console(world) as house, house.inside() as somebody:
        assert f"/accounts/demo/held/{run_id}" in somebody.get("/accounts/demo").text
        shown = text(somebody.get(f"/accounts/demo/held/{run_id}").text)
        assert "1 personne en tout — annulation : 1" in shown
        assert "Le Songe 1" in shown
        assert "Le Songe" in world.groups_of(ANNE)
        page = somebody.done(somebody.post(f"/accounts/demo/held/{run_id}"))
        assert "C’est fait." in text(page)
        assert "Le Songe" not in world.groups_of(ANNE)
        assert somebody.get(f"/accounts/demo/held/{run_id}").status_code == 404
        assert somebody.post(f"/accounts/demo/held/{run_id}").status_code == 404


def test_a_held_file_is_told_with_its_bad_lines_and_what_else_can_be_done(world):
    world.day("2026-03-01", [buy(f"T{n}", "2026-03-01 10:00:00", "pas une adresse") for n in range(21)])
    held = world.night("2026-03-02")
    assert held.code == 5
    with console(world) as house, house.inside() as somebody:
        page = text(somebody.get(f"/accounts/demo/held/{held.run['run_id']}").text)
        assert "Theatre_achats_20260301.csv : 21 lignes invalides sur 21" in page
        assert "corrigé" in page
        night = text(somebody.get("/accounts/demo/nights/2026-03-01").text)
        assert "Lus, mais pas enregistrés" in night
        assert "Theatre_achats_20260301.csv 22 Adresse courriel invalide" in night
        assert "Est déjà retenu dans ce compte" in text(somebody.preview("2026-03-01")[1])
        world.day("2026-03-02", [buy(f"T{n}", "2026-03-02 10:00:00", "pas une adresse") for n in range(22)])
        other = text(somebody.preview("2026-03-02", **{"from": "source"})[1])
        assert "Serait retenu jusqu’à une approbation : Trop de lignes invalides (22)" in other
        assert "Est déjà retenu dans ce compte, et le restera : Trop de lignes invalides (21)" in other


def test_read_only_has_no_forms_and_refuses_who_posts_all_the_same(world):
    world.set(guard={"max_leaves": 0, "max_leave_ratio": 0.0})
    two_buyers(world)
    world.day("2026-03-02", [cancel("T1", "2026-03-02 09:00:00", ANNE)])
    run_id = world.night("2026-03-03").run["run_id"]
    before = world.content()
    with console(world, may_replay=False) as house, house.inside() as somebody:
        for path in ("/accounts/demo", "/accounts/demo/nights/2026-03-01", f"/accounts/demo/held/{run_id}"):
            page = somebody.get(path).text
            assert set(re.findall(r'action="([^"]+)"', page)) == {"/logout"}
            assert "lecture seule" in page
            assert "/replay" not in page
        assert f"placier approve demo {run_id}" in page
        answers = [
            somebody.get("/accounts/demo/replay"),
            somebody.post("/accounts/demo/replay", day="2026-03-01"),
            somebody.post(f"/accounts/demo/held/{run_id}"),
            somebody.post("/accounts/demo/errands/x"),
        ]
        assert [answer.status_code for answer in answers] == [403] * 4
        assert not house.server.errands.busy()
    assert world.content() == before


def test_nothing_of_a_person_is_in_what_the_console_logs_or_in_its_addresses(world):
    two_buyers(world)
    with console(world) as house, house.inside() as somebody:
        answer = somebody.post("/accounts/demo/contact", email=ANNE)
        assert "Oui, on peut lui écrire" in text(answer.text)
        where, _ = somebody.preview("2026-03-01", resend="yes")
        somebody.done(somebody.post(where))
        somebody.post("/login", password="faux")
        log = house.log.getvalue()
        assert "run ended" in log
        assert "wrong password" in log
        for private in (ANNE, BEN, "Tremblay", "faux", somebody.mark, *somebody.client.cookies.values()):
            assert private not in log
            assert private not in where + str(answer.url)
