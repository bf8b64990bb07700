"""What happened to a consent, through the whole program: `why --on` tells a past day as it stood, `export` tells all."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from program import killed
from test_privacy import told
from world import Line, World, buy, cancel

from pipeline.sandbox.switches import Fault

ANNE, BENOIT, CHLOE = "anne@exemple.ca", "benoit@exemple.test", "chloe@exemple.test"
FILE = "Theatre_achats_202603{:02d}.csv"


@pytest.fixture
def world(world: World) -> World:
    world.set(source={"catch_up_days": 0})
    return world


def night(world: World, day: int, *lines: Line) -> None:
    """A day of March and its night."""
    world.day(f"2026-03-{day:02d}", lines)
    answer = world.night(f"2026-03-{day + 1:02d}")
    assert answer.code == 0, answer.out


def corrected(world: World, day: int, as_of: int, *lines: Line) -> None:
    """The file of a day, issued again and replayed on another."""
    world.day(f"2026-03-{day:02d}", lines)
    words = ("replay", "demo", f"2026-03-{day:02d}", "--refetch", "--as-of", f"2026-03-{as_of:02d}")
    answer = world.placier(*words)
    assert answer.code == 0, answer.out


def why(world: World, day: int, email: str = ANNE) -> dict[str, object]:
    """The answer for a day of March."""
    answer: dict[str, object] = world.placier("why", "demo", email, "--on", f"2026-03-{day:02d}").json
    return answer


def said(*places: tuple[int, int]) -> list[dict[str, object]]:
    """Sources, as (day of the file, line)."""
    return [{"file": FILE.format(day), "line": line} for day, line in places]


def history(world: World, email: str = ANNE) -> list[tuple[str, str]]:
    acts = world.placier("export", "demo", email).json["consent"]["acts"]
    return [(act["act"], act["day"]) for act in acts]


def test_an_unsubscription_counts_from_its_own_day_on(world: World) -> None:
    night(world, 1, buy("T1", "2026-03-01 10:00:00", ANNE, id_client="C7"))
    night(world, 3, buy("T2", "2026-03-03 10:00:00", CHLOE, id_client="C7"))
    world.control.unsubscribe(ANNE, on=date(2026, 3, 5))
    night(world, 7)
    for email, reason in ((ANNE, "unsubscribed"), (CHLOE, "unsubscribed_as")):
        assert (why(world, 4, email)["may_send"], why(world, 4, email)["suppressed"]) == (True, None)
        assert (why(world, 5, email)["may_send"], why(world, 5, email)["suppressed"]) == (False, reason)
        assert world.placier("why", "demo", email).json["suppressed"] == reason
    assert history(world) == [("given", "2026-03-02"), ("unsubscribed", "2026-03-05")]


def test_a_bounce_before_an_unsubscription_is_told_on_its_days(world: World) -> None:
    world.control.bounce(ANNE, on=date(2026, 3, 2))
    night(world, 3)
    world.control.unsubscribe(ANNE, on=date(2026, 3, 5))
    night(world, 5)
    assert [why(world, day)["suppressed"] for day in (1, 2, 4, 5)] == [None, "bounced", "bounced", "unsubscribed"]


def test_a_consent_that_a_correction_took_away_answers_for_the_day_on_which_it_was_relied_on(world: World) -> None:
    night(world, 1, buy("T0", "2026-03-01 09:00:00", BENOIT), buy("T1", "2026-03-01 10:00:00", ANNE))
    then = why(world, 3)
    corrected(world, 1, 5, buy("T0", "2026-03-01 09:00:00", BENOIT))
    now = why(world, 3)
    kept = ("may_send", "basis", "consent_date", "consent_until", "proof", "sources")
    assert {key: now[key] for key in kept} == {key: then[key] for key in kept}
    assert now["sources"] == said((1, 3))
    assert now["proof"] == "Le Songe, 2026-04-01, transaction T1"


def test_each_day_has_the_proof_that_was_relied_on_then(world: World) -> None:
    night(world, 1, buy("T1", "2026-03-01 10:00:00", ANNE))
    other = buy("T0", "2026-03-01 09:00:00", BENOIT)
    corrected(world, 1, 5, other, buy("T1", "2026-03-01 10:00:00", ANNE, titre_spectacle="Le Songe d'une nuit"))
    night(world, 7, buy("T2", "2026-03-07 10:00:00", ANNE))
    proofs = {day: str(why(world, day)["proof"]).partition(",")[0] for day in (1, 2, 4, 5, 6)}
    assert proofs == {
        1: "Le Songe d'une nuit",
        2: "Le Songe",
        4: "Le Songe",
        5: "Le Songe d'une nuit",
        6: "Le Songe d'une nuit",
    }
    assert why(world, 4)["sources"] == said((1, 2), (1, 3)), "the line relied on first, then the ledger's"
    assert why(world, 5)["sources"] == said((1, 3))
    assert why(world, 8)["sources"] == said((1, 3), (7, 2))
    assert why(world, 7)["consent_until"] == "2028-03-07"
    assert history(world) == [("given", "2026-03-02"), ("renewed", "2026-03-05"), ("renewed", "2026-03-08")]


def test_a_consent_whose_booking_was_purged_answers_for_the_days_before(world: World) -> None:
    world.set(policy={"retention_months": 1})
    night(world, 1, buy("T1", "2026-03-01 10:00:00", ANNE))
    world.day("2026-04-15", [])
    assert world.night("2026-04-16").code == 0
    assert world.placier("export", "demo", ANNE).json["bookings"] == []
    past = why(world, 20)
    assert (past["may_send"], past["consent_date"], past["sources"]) == (True, "2026-03-01", said((1, 2)))
    after = world.placier("why", "demo", ANNE, "--on", "2026-04-16").json
    assert (after["may_send"], after["proof"], after["sources"]) == (True, past["proof"], [])


def test_what_the_files_say_counts_by_the_day_of_the_purchase(world: World) -> None:
    night(world, 1, buy("T1", "2026-03-01 10:00:00", ANNE))
    night(world, 9, buy("T9", "2026-03-09 10:00:00", BENOIT))
    world.day("2026-03-03", [buy("T3", "2026-03-03 10:00:00", ANNE)])
    assert world.placier("run", "demo", "--date", "2026-03-03", "--as-of", "2026-03-10").code == 0
    assert [why(world, day)["consent_date"] for day in (1, 2, 3, 9)] == [
        "2026-03-01",
        "2026-03-01",
        "2026-03-03",
        "2026-03-03",
    ]


def test_the_platforms_better_consent_is_told_as_kept(world: World) -> None:
    world.control.add_member(
        ANNE, relation="express-consent", consent_date=date(2020, 1, 1), consent_proof="Formulaire"
    )
    night(world, 1, buy("T1", "2026-03-01 10:00:00", ANNE))
    assert history(world) == [("kept", "2026-03-02")]
    assert why(world, 3)["basis"] == "the platform's own consent (express-consent)"
    late = world.placier("why", "demo", ANNE, "--on", "2030-01-01").json
    assert late["may_send"] is True, "it does not end with ours"


@pytest.mark.parametrize("better", [False, True])
def test_what_landed_after_a_crash_is_noted_once_by_the_run_that_found_it(world: World, better: bool) -> None:
    night(world, 1, buy("T0", "2026-03-01 09:00:00", BENOIT))
    if better:
        world.control.add_member(ANNE, relation="express-consent", consent_date=date(2020, 1, 1))
    world.day("2026-03-02", [buy("T1", "2026-03-02 10:00:00", ANNE)])
    world.control.reset_log()
    world.control.add_fault(Fault("hang_after", "POST", "/members/*/groups" if better else "/batches"))
    words = ("run", "demo", "--as-of", "2026-03-03", "--config", str(world.config))
    with killed(*words, once=lambda: any(entry.fault for entry in world.control.log())):
        world.control.clear_faults()
    assert history(world) == []
    assert world.night("2026-03-03").code == 0
    assert history(world) == [("kept" if better else "given", "2026-03-03")]
    assert why(world, 3)["sources"] == said((2, 2))


def test_a_forgotten_person_leaves_acts_without_a_name(world: World) -> None:
    night(world, 1, buy("T1", "2026-03-01 10:00:00", ANNE), buy("T2", "2026-03-01 10:00:00", BENOIT))
    erased = world.placier("forget", "demo", ANNE).json["erased"]
    assert erased["acts"] == 1
    assert told(world) == []
    assert why(world, 3)["basis"] is None
    assert history(world) == []
    assert history(world, BENOIT) == [("given", "2026-03-02")]


def test_a_dry_run_and_a_second_night_note_nothing(world: World) -> None:
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    assert world.night("2026-03-02", "--dry-run").code == 0
    assert history(world) == []
    for _ in range(2):
        assert world.night("2026-03-02").code == 0
    assert world.placier("verify", "demo", "--repair", "--as-of", "2026-03-04").code == 0
    assert history(world) == [("given", "2026-03-02")]


def test_the_history_is_told_on_the_terminal(world: World) -> None:
    night(world, 1, buy("T1", "2026-03-01 10:00:00", ANNE))
    night(world, 3, buy("T2", "2026-03-03 10:00:00", ANNE))
    world.control.unsubscribe(ANNE, on=date(2026, 3, 5))
    night(world, 7)
    shown = world.placier("why", "demo", ANNE, "--on", "2026-03-05", json_too=False).out
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    proof = "Le Songe, 2026-04-01, transaction T1; Theatre_achats_20260301.csv line 2"
    assert f"2026-03-02 given (active-clients), from 2026-03-01 {proof}" in lines, shown
    assert "2026-03-05 unsubscribed -" in lines
    before = world.placier("why", "demo", ANNE, "--on", "2026-03-03", json_too=False).out
    assert "renewed" not in before


def test_a_past_day_tells_the_groups_and_fields_of_then(world: World) -> None:
    night(world, 3, buy("T1", "2026-03-03 10:00:00", ANNE))
    night(world, 6, cancel("T1", "2026-03-06 10:00:00", ANNE))
    before, then, now = why(world, 2), why(world, 5), why(world, 8)
    assert (before["groups"], before["fields"]) == ([], {})
    groups = [[(group["title"], group["member"]) for group in answer["groups"]] for answer in (then, now)]  # type: ignore[union-attr, attr-defined]
    assert groups == [[("Clients Tuxedo", True), ("Le Songe", True)], [("Clients Tuxedo", True), ("Le Songe", False)]]
    assert then["fields"] == now["fields"] != {}


def test_who_has_unsubscribed_is_suppressed_now_wherever_the_platform_is_a_day_ahead(world: World) -> None:
    night(world, 1, buy("T1", "2026-03-01 10:00:00", ANNE))
    world.control.unsubscribe(ANNE, on=datetime.now(UTC).date() + timedelta(days=1))
    night(world, 2)
    assert world.placier("why", "demo", ANNE).json["suppressed"] == "unsubscribed"
