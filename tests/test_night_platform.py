"""The platform as it may turn out to be: suppressions, consents, groups, refusals and faults; and how it is verified."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from world import World, buy, cancel

from pipeline.sandbox.switches import Fault

ANNE, BENOIT, CHLOE = "anne.tremblay@exemple.ca", "benoit.gagnon@exemple.test", "chloe.cote@exemple.ca"
GENERAL, SONGE = "Clients Tuxedo", "Le Songe"
CITY = "Ville du contact"
CHANNEL = "Canal de vente du dernier achat"


@pytest.fixture
def world(world: World) -> World:
    """Few retries: the program's pauses between attempts are real."""
    world.set(platform={"retries": 3}, source={"catch_up_days": 0})
    return world


def tell(world: World, day: str, *lines, code: int = 0):
    """The night after a day."""
    world.day(day, lines)
    answer = world.night((date.fromisoformat(day) + timedelta(days=1)).isoformat())
    assert answer.code == code, answer.err
    return answer


def songe(number: int, email: str, **more: str):
    """A booking on day `number` of March."""
    return buy(f"T{number}-{email}", f"2026-03-{number:02d} 10:00:00", email, **more)


# Never against the person


@pytest.mark.parametrize("how", ["unsubscribe", "bounce"])
def test_suppressed_address_is_never_sent_whatever_it_buys(world, how):
    reason = {"unsubscribe": "unsubscribed", "bounce": "bounced"}[how]
    getattr(world.control, how)(ANNE)
    before = world.member(ANNE)
    answer = tell(world, "2026-03-01", songe(1, ANNE), songe(1, BENOIT))
    assert answer.run["plan"]["skipped"] == {reason: 1}
    assert answer.run["plan"]["contacts_created"] == 1
    assert ANNE not in world.control.touched_addresses()
    assert world.member(ANNE) == before
    told = world.placier("why", "demo", ANNE.upper()).json
    assert (told["may_send"], told["suppressed"]) == (False, reason)
    assert not any(group["member"] for group in told["groups"])


@pytest.mark.parametrize("arrival", ["reject", "skip", "resubscribe"])
def test_member_who_unsubscribes_is_left_alone_from_then_on(world, arrival):
    world.control.set_switches(unsubscribed_in_batch=arrival, bounced_in_batch=arrival)
    tell(world, "2026-03-01", songe(1, ANNE), songe(1, BENOIT))
    world.control.unsubscribe(ANNE)
    world.control.bounce(BENOIT)
    before = world.content()
    world.control.reset_log()
    answer = tell(world, "2026-03-02", songe(2, ANNE, ville="Lévis"), songe(2, BENOIT), cancel(f"T1-{BENOIT}", "2026-03-02 12:00:00"))  # fmt: skip
    assert answer.run["plan"]["skipped"] == {"unsubscribed": 1, "bounced": 1}
    assert world.control.writes() == 0
    assert world.content() == before
    for command in (["replay", "demo", "2026-03-02", "--resend"], ["push", "demo"]):
        assert world.placier(*command, "--as-of", "2026-03-03").code == 0
    assert world.content() == before
    assert world.placier("verify", "demo", "--repair").code == 0
    assert world.content() == before


def test_bounced_members_that_the_platform_still_lists_are_left_alone(world):
    world.control.set_switches(bounced_in_members=True)
    tell(world, "2026-03-01", songe(1, ANNE))
    world.control.bounce(ANNE)
    assert tell(world, "2026-03-02", songe(2, ANNE)).run["plan"]["skipped"] == {"bounced": 1}
    assert world.placier("verify", "demo").code == 0


def test_consent_of_the_platform_that_is_better_is_never_downgraded(world):
    world.control.set_switches(consent_override="last", older_date="applied")
    world.control.add_member(
        ANNE, relation="express-consent", consent_date=date(2020, 1, 1), consent_proof="Formulaire"
    )
    world.control.add_member(BENOIT, relation="active-clients", consent_date=date(2026, 3, 9), consent_proof="Guichet")
    express, later = world.member(ANNE).consent, world.member(BENOIT).consent
    tell(world, "2026-03-01", songe(1, ANNE, ville="Québec"), songe(1, BENOIT))
    for email, consent in ((ANNE, express), (BENOIT, later)):
        assert world.member(email).consent == consent
        assert world.groups_of(email) == (GENERAL, SONGE)
    assert world.member(ANNE).fields[CITY] == "Québec"
    told = world.placier("why", "demo", ANNE).json
    assert told["may_send"] is True
    assert "express" in told["basis"]
    tell(world, "2026-03-02", songe(2, ANNE, ville="Lévis", canal_vente="Web"))
    assert world.member(ANNE).consent == express
    assert world.member(ANNE).fields[CITY] == "Lévis"


def test_why_tells_the_platforms_own_consent_where_that_is_what_counts(world):
    world.control.add_member(
        ANNE, relation="express-consent", consent_date=date(2020, 1, 1), consent_proof="Formulaire"
    )
    world.control.add_member(BENOIT, relation="active-clients", consent_date=date(2026, 3, 9), consent_proof="Guichet")
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE), buy("T2", "2026-03-01 10:00:00", BENOIT)])
    assert world.night("2026-03-02").code == 0

    def why(email, on):
        told = world.placier("why", "demo", email, "--on", on).json
        return told["may_send"], told["consent_date"], told["consent_until"], told["proof"]

    assert why(ANNE, "2035-01-01") == (True, "2020-01-01", None, "Formulaire")
    assert why(BENOIT, "2028-03-09") == (True, "2026-03-09", "2028-03-09", "Guichet")
    assert why(BENOIT, "2028-03-10") == (False, "2026-03-09", "2028-03-09", "Guichet")
    said = world.placier("why", "demo", ANNE, json_too=False).out
    assert "the platform's own consent (express-consent), from 2020-01-01, without end" in said


def test_consent_that_is_worse_is_renewed(world):
    world.control.add_member(ANNE, relation="active-clients", consent_date=date(2025, 3, 9), consent_proof="Guichet")
    world.control.add_member(
        BENOIT, relation="information-request", consent_date=date(2026, 2, 1), consent_proof="Appel"
    )
    tell(world, "2026-03-01", songe(1, ANNE), songe(1, BENOIT))
    for email in (ANNE, BENOIT):
        consent = world.member(email).consent
        assert (consent.relation, consent.date) == ("active-clients", date(2026, 3, 1))


def test_member_that_was_there_before_keeps_its_own_groups_and_fields(world):
    world.control.add_group("Donateurs")
    world.control.add_member(ANNE, groups=["Donateurs"], texts={"note": "VIP"}, fields={CITY: "Sillery"})
    tell(world, "2026-03-01", songe(1, ANNE, canal_vente="Web"), cancel(f"T1-{ANNE}", "2026-03-01 11:00:00"))
    member = world.member(ANNE)
    assert member.groups == (GENERAL, "Donateurs")
    assert member.texts["note"] == "VIP"
    assert member.fields[CITY] == "Sillery"


def test_nobody_leaves_a_group_that_staff_put_them_in(world):
    world.control.add_group(SONGE)
    world.control.add_member(BENOIT, groups=[SONGE])
    tell(world, "2026-03-01", songe(1, ANNE), songe(1, BENOIT, id_spectacle="S2", titre_spectacle="Le Fleuve"))
    tell(world, "2026-03-02", cancel(f"T1-{ANNE}", "2026-03-02 10:00:00"))
    assert world.groups_of(BENOIT) == (GENERAL, "Le Fleuve", SONGE)


# Groups


def test_group_that_is_already_there_is_adopted(world):
    world.control.add_group("  le songe ")
    world.control.add_group(GENERAL)
    answer = tell(world, "2026-03-01", songe(1, ANNE))
    assert answer.run["pushed"]["groups_created"] == 0
    assert len(world.control.state().groups) == 2
    assert len(world.groups_of(ANNE)) == 2


def test_who_cancelled_leaves_a_group_that_staff_had_put_them_in_when_it_is_adopted(world):
    """By a cancellation of the same night, or of one long before."""
    world.control.add_group(SONGE)
    world.control.add_member(ANNE, groups=[SONGE])
    world.control.add_member(CHLOE, groups=[SONGE])
    tell(world, "2026-03-01", songe(1, ANNE), cancel(f"T1-{ANNE}", "2026-03-01 20:00:00"))
    assert world.groups_of(ANNE) == (GENERAL, SONGE)  # nobody needs the group yet: it is staff's
    answer = tell(world, "2026-03-02", songe(2, BENOIT), songe(2, CHLOE), cancel(f"T2-{CHLOE}", "2026-03-02 20:00:00"))
    assert answer.run["pushed"]["leaves"] == 2
    assert [world.groups_of(email) for email in (ANNE, BENOIT, CHLOE)] == [(GENERAL,), (GENERAL, SONGE), (GENERAL,)]
    world.control.reset_log()
    tell(world, "2026-03-03")
    assert world.control.writes() == 0


def test_who_cancelled_on_the_same_day_leaves_a_group_that_staff_had_put_them_in(world):
    tell(world, "2026-03-01", songe(1, BENOIT))
    world.control.add_member(ANNE, groups=[SONGE])
    tell(world, "2026-03-02", songe(2, ANNE), cancel(f"T2-{ANNE}", "2026-03-02 20:00:00"))
    assert world.groups_of(ANNE) == (GENERAL,)


def test_whom_staff_put_back_after_a_cancellation_stays(world):
    tell(world, "2026-03-01", songe(1, BENOIT), songe(1, ANNE))
    tell(world, "2026-03-02", cancel(f"T1-{ANNE}", "2026-03-02 20:00:00"))
    world.control.add_member(ANNE, groups=[GENERAL, SONGE])
    tell(world, "2026-03-03", songe(3, ANNE, id_spectacle="S2", titre_spectacle="Le Fleuve"))
    assert world.groups_of(ANNE) == (GENERAL, "Le Fleuve", SONGE)


def test_dynamic_group_is_left_alone_without_a_twin_and_reported(world):
    world.control.add_group(SONGE, dynamic=True)
    answer = tell(world, "2026-03-01", songe(1, ANNE), songe(1, BENOIT, id_spectacle="S2", titre_spectacle="Le Fleuve"), code=3)  # fmt: skip
    assert answer.run["status"] == "partial"
    assert SONGE in answer.run["message"]
    assert world.groups_of(ANNE) == (GENERAL,)
    assert world.groups_of(BENOIT) == (GENERAL, "Le Fleuve")
    assert sorted(world.control.state().titles()) == [GENERAL, "Le Fleuve", SONGE]
    again = tell(world, "2026-03-02", code=3)
    assert again.run["pushed"]["contacts_updated"] == 0
    world.control.delete_group(SONGE)
    tell(world, "2026-03-03")
    assert world.groups_of(ANNE) == (GENERAL, SONGE)


def test_dynamic_general_group_is_reported_too(world):
    world.control.add_group(GENERAL, dynamic=True)
    tell(world, "2026-03-01", songe(1, ANNE), code=3)
    assert world.groups_of(ANNE) == (SONGE,)
    assert world.placier("doctor", "demo").code == 2


@pytest.mark.parametrize("behaviour", ["refused", "ignored"])
def test_group_that_becomes_dynamic_keeps_nothing_else_back(world, behaviour):
    world.control.set_switches(dynamic_group=behaviour)
    tell(world, "2026-03-01", songe(1, ANNE))
    world.control.make_dynamic(SONGE)
    tell(world, "2026-03-02", songe(2, ANNE, ville="Lévis"), songe(2, BENOIT, ville="Lévis"), code=3)
    assert [world.member(email).fields[CITY] for email in (ANNE, BENOIT)] == ["Lévis", "Lévis"]
    assert GENERAL in world.groups_of(BENOIT)
    assert sorted(world.control.state().titles()) == [GENERAL, SONGE]


def test_two_groups_of_one_title_are_not_chosen_between(world):
    world.control.add_group(SONGE)
    world.control.add_group("Autre")
    world.control.rename_group("Autre", SONGE)
    tell(world, "2026-03-01", songe(1, ANNE), code=3)
    assert world.groups_of(ANNE) == (GENERAL,)
    assert world.control.state().titles().count(SONGE) == 2


def test_group_that_staff_renamed_is_still_the_show_s(world):
    tell(world, "2026-03-01", songe(1, ANNE))
    world.control.rename_group(SONGE, "Le Songe (abonnés)")
    tell(world, "2026-03-02", songe(2, BENOIT))
    assert world.groups_of(BENOIT) == (GENERAL, "Le Songe (abonnés)")
    assert len(world.control.state().groups) == 2


def test_deleted_show_group_comes_back_for_new_buyers_only(world):
    tell(world, "2026-03-01", songe(1, ANNE), songe(1, BENOIT))
    world.control.delete_group(SONGE)
    tell(world, "2026-03-02")
    tell(world, "2026-03-03", songe(3, ANNE, id_spectacle="S2", titre_spectacle="Le Fleuve", id_representation="R2"))
    assert sorted(world.control.state().titles()) == [GENERAL, "Le Fleuve"]
    tell(world, "2026-03-04", songe(4, CHLOE))
    assert SONGE in world.groups_of(CHLOE)
    assert SONGE not in world.groups_of(ANNE)
    assert world.placier("replay", "demo", "2026-03-01", "--resend", "--as-of", "2026-03-05").code == 0
    assert SONGE not in world.groups_of(ANNE)
    tell(world, "2026-03-05", songe(5, BENOIT))
    assert SONGE in world.groups_of(BENOIT)
    assert SONGE not in world.groups_of(ANNE)


def test_deleted_general_group_comes_back_with_those_who_are_sent(world):
    tell(world, "2026-03-01", songe(1, ANNE), songe(1, BENOIT))
    world.control.delete_group(GENERAL)
    tell(world, "2026-03-02")
    assert world.control.state().titles() == [SONGE]
    tell(world, "2026-03-03", songe(3, ANNE))
    assert world.groups_of(ANNE) == (GENERAL, SONGE)
    assert world.groups_of(BENOIT) == (SONGE,)


def test_member_that_staff_deleted_comes_back_only_after_buying(world):
    tell(world, "2026-03-01", songe(1, ANNE), songe(1, BENOIT))
    world.control.delete_member(ANNE)
    tell(world, "2026-03-02")
    assert ANNE not in world.content()
    tell(world, "2026-03-03", songe(3, ANNE))
    assert world.groups_of(ANNE) == (GENERAL, SONGE)


def test_lost_answer_never_makes_two_groups_of_one_title(world):
    for kind in ("drop_after", "error_after"):
        world.control.reset()
        world.state_url = f"sqlite:///var/{kind}.db"
        world.write_config()
        world.control.add_fault(Fault(kind, "POST", "/groups", times=2, status=502))
        world.day("2026-03-01", [songe(1, ANNE)])
        world.night("2026-03-02")
        assert world.placier("push", "demo", "--as-of", "2026-03-02").code == 0
        assert sorted(world.control.state().titles()) == [GENERAL, SONGE]
        assert world.groups_of(ANNE) == (GENERAL, SONGE)


def test_group_creation_that_always_fails_is_finished_by_the_next_night(world):
    world.control.add_fault(Fault("error_before", "POST", "/groups", times=0, status=503))
    world.day("2026-03-01", [songe(1, ANNE)])
    assert world.night("2026-03-02").code == 1
    world.control.clear_faults()
    tell(world, "2026-03-02")
    assert world.groups_of(ANNE) == (GENERAL, SONGE)
    assert len(world.control.state().groups) == 2


# Refusals and faults


def test_refused_contact_is_told_the_others_go_on_and_it_is_tried_again(world):
    world.control.add_fault(Fault("refuse", times=0, emails=(ANNE,)))
    answer = tell(world, "2026-03-01", songe(1, ANNE), songe(1, BENOIT), code=3)
    assert (answer.run["status"], answer.run["refused"]) == ("partial", 1)
    assert ANNE not in answer.out + answer.err
    assert list(world.content()) == [BENOIT]
    (account,) = world.placier("status", "demo").json["accounts"]
    assert account["pending"] == 1
    world.control.clear_faults()
    tell(world, "2026-03-02")
    assert world.groups_of(ANNE) == (GENERAL, SONGE)


@pytest.mark.parametrize("shape", ["ids", "objects", "rows", "strings", "counts", "empty"])
def test_whatever_shape_results_have_nothing_is_taken_for_done(world, shape):
    world.control.set_switches(result_shape=shape)
    world.control.add_fault(Fault("refuse", times=0, emails=(ANNE,)))
    answer = tell(world, "2026-03-01", songe(1, ANNE), songe(1, BENOIT), code=3)
    assert answer.run["refused"] == 1
    assert answer.run["pushed"]["contacts_created"] == 1


@pytest.mark.parametrize("kind", ["forget", "lose", "half", "fail"])
def test_batch_that_goes_wrong_is_finished_in_the_end(world, kind):
    world.control.add_fault(Fault(kind))
    world.day("2026-03-01", [songe(1, ANNE), songe(1, BENOIT), songe(1, CHLOE, canal_vente="Web")])
    answer = world.night("2026-03-02")
    assert answer.code in {0, 1, 3}
    assert (answer.code == 0) == (len(world.content()) == 3)
    world.day("2026-03-02", [])
    assert world.night("2026-03-03").code == 0
    assert all(world.groups_of(email) == (GENERAL, SONGE) for email in (ANNE, BENOIT, CHLOE))
    assert world.placier("verify", "demo").json["differences"] == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault("drop_before", "GET", "*", nth=2),
        Fault("drop_after", "POST", "/batches"),
        Fault("error_before", "GET", "/members*", status=503),
        Fault("error_before", "GET", "*", status=429, retry_after="0"),
        Fault("error_before", "POST", "/batches", status=429, retry_after="0"),
        Fault("error_after", "GET", "/batches/*", status=500, html=True),
    ],
    ids=["dropped read", "dropped batch", "503", "429 read", "429 batch", "500 page"],
)
def test_passing_fault_is_outlived_within_the_night(world, fault):
    world.control.add_fault(fault)
    answer = tell(world, "2026-03-01", songe(1, ANNE), songe(1, BENOIT))
    assert answer.run["pushed"]["contacts_created"] == 2
    assert answer.run["requests"] == len(world.control.log())
    assert sorted(world.control.state().titles()) == [GENERAL, SONGE]


def test_lasting_fault_fails_the_night_and_the_next_one_finishes(world):
    world.control.add_fault(Fault("error_before", "POST", "/batches", times=0, status=503))
    world.day("2026-03-01", [songe(1, ANNE)])
    answer = world.night("2026-03-02")
    assert (answer.code, answer.run["status"]) == (1, "failed")
    world.control.clear_faults()
    tell(world, "2026-03-02")
    assert world.groups_of(ANNE) == (GENERAL, SONGE)


def test_crash_after_acceptance_and_a_correction_leave_no_stray_member(world):
    """The batch was applied but nothing after it answers; then the file is re-issued without that buyer."""
    world.control.add_fault(Fault("error_before", "GET", "/batches/*", times=0, status=500))
    world.day("2026-03-01", [songe(1, ANNE), songe(1, BENOIT)])
    world.night("2026-03-02")
    world.control.clear_faults()
    world.control.settle()
    world.day("2026-03-01", [songe(1, BENOIT)])
    assert world.night("2026-03-02", "--date", "2026-03-01").code == 0
    assert world.groups_of(BENOIT) == (GENERAL, SONGE)
    if ANNE in world.content():
        assert world.groups_of(ANNE) == (GENERAL,)


def test_leave_whose_answer_is_lost_is_finished(world):
    tell(world, "2026-03-01", songe(1, ANNE))
    world.control.add_fault(Fault("drop_after", "DELETE", "*"))
    tell(world, "2026-03-02", cancel(f"T1-{ANNE}", "2026-03-02 10:00:00"))
    assert world.groups_of(ANNE) == (GENERAL,)


@pytest.mark.parametrize(
    "switches",
    [
        {"never_filled": "empty"},
        {"never_filled": "null", "numbers": "strings"},
        {"patch_fields": "replace", "consent_override": "last"},
        {"older_date": "applied", "missing_date": "reject"},
        {"empty_marker": "text_only"},
        {"empty_marker": "rejected"},
        {"duplicate_titles": "refused", "unknown_group": "ignored"},
        {"max_batch": 1, "batch_polls": 1},
    ],
    ids=str,
)
def test_three_nights_end_alike_whatever_the_platform_does(world, switches):
    world.control.set_switches(**switches)
    full = {"canal_vente": "Web", "date_transaction_initiale": "2026-02-27", "ville": "Québec"}
    tell(world, "2026-03-01", songe(1, ANNE, **full), songe(1, BENOIT, **full))
    tell(
        world, "2026-03-02", songe(2, ANNE, date_transaction_initiale=""), cancel(f"T1-{BENOIT}", "2026-03-02 09:00:00")
    )
    fields = world.member(ANNE).fields
    assert not fields.get(CHANNEL)
    assert not fields.get("Date de transaction initiale du dernier achat")
    assert fields[CITY] == "Québec"
    assert float(fields["Montant net du dernier achat"]) == 100
    assert world.groups_of(BENOIT) == (GENERAL,)
    world.control.reset_log()
    tell(world, "2026-03-03")
    assert world.control.writes() == 0
    assert world.placier("verify", "demo").json["differences"] == []


def test_large_days_go_in_batches_of_the_configured_size(world):
    world.set(platform={"batch_size": 4})
    tell(world, "2026-03-01", *(songe(1, f"abonne{number}@exemple.ca") for number in range(10)))
    sizes = [len(entry.body["members"]) for entry in world.control.log() if entry.path == "/batches"]
    assert max(sizes) <= 4
    assert len(world.content()) == 10


# Custom fields


def test_missing_custom_field_stops_the_run_with_2_by_name_before_anything_is_written(world):
    world.control.drop_custom_field(CITY)
    world.day("2026-03-01", [songe(1, ANNE)])
    answer = world.night("2026-03-02")
    assert answer.code == 2
    assert CITY in answer.out + answer.err
    assert world.control.writes() == 0
    assert world.placier("doctor", "demo").code == 2


def test_retyped_custom_field_stops_the_run_with_2_by_name(world):
    world.control.retype_custom_field("Nombre de billets vendus lors du dernier achat", "text")
    world.day("2026-03-01", [songe(1, ANNE)])
    answer = world.night("2026-03-02")
    assert answer.code == 2
    assert "Nombre de billets vendus lors du dernier achat" in answer.out + answer.err
    assert world.control.writes() == 0
    (check,) = [item for item in world.placier("doctor", "demo").json["checks"] if not item["ok"]]
    assert "Nombre de billets" in check["message"]
    assert check["remedy"]


def test_custom_field_may_bear_another_name(world):
    names = [item for item in world.control.state().custom_fields]
    world.control.set_custom_fields(
        [type(item)(item.id, "Ville", item.type) if item.name == CITY else item for item in names]
    )
    assert world.placier("doctor", "demo").code == 2
    world.set(platform={"custom_fields": {"city": "Ville"}})
    assert world.placier("doctor", "demo").code == 0
    tell(world, "2026-03-01", songe(1, ANNE, ville="Lévis"))
    assert world.member(ANNE).fields["Ville"] == "Lévis"


# Verify


def test_verify_finds_each_difference_and_repair_brings_the_acknowledged_state_back(world):
    tell(world, "2026-03-01", songe(1, ANNE, ville="Québec"), songe(1, BENOIT), songe(1, CHLOE))
    before = world.content()
    clean = world.placier("verify", "demo")
    assert (clean.code, clean.json) == (0, {"account": "demo", "contacts": 3, "differences": [], "repaired": 0})
    world.control.add_member(ANNE, fields={CITY: "Sillery"}, groups=[GENERAL])
    world.control.delete_member(BENOIT)
    world.control.unsubscribe(CHLOE)
    found = world.placier("verify", "demo")
    assert found.code == 3
    assert {row["email"] for row in found.json["differences"]} == {ANNE, BENOIT}
    whats = [(row["what"], row["ours"], row["theirs"]) for row in found.json["differences"] if row["email"] == ANNE]
    assert ("city", "Québec", "Sillery") in whats
    assert found.json["repaired"] == 0
    repaired = world.placier("verify", "demo", "--repair", "--as-of", "2026-03-02")
    assert (repaired.code, repaired.json["differences"]) == (0, [])
    assert repaired.json["repaired"] == len(found.json["differences"])
    after = world.content()
    assert {email: after[email] for email in (ANNE, BENOIT)} == {email: before[email] for email in (ANNE, BENOIT)}
    assert world.member(CHLOE).state == "unsubscribed"


def test_verify_compares_the_acknowledged_state_not_the_ledger(world):
    """What is still to be sent is no difference."""
    tell(world, "2026-03-01", songe(1, ANNE))
    world.control.add_fault(Fault("error_before", "POST", "/batches", times=0, status=503))
    world.day("2026-03-02", [songe(2, ANNE, ville="Lévis"), songe(2, BENOIT)])
    assert world.night("2026-03-03").code == 1
    world.control.clear_faults()
    assert world.placier("verify", "demo").code == 0
    assert world.placier("verify", "demo", "--repair").code == 0
    assert world.placier("push", "demo", "--as-of", "2026-03-03").code == 0
    assert world.member(ANNE).fields[CITY] == "Lévis"
    assert BENOIT in world.content()


def test_repair_takes_out_whom_a_cancellation_took_out_and_staff_put_back(world):
    tell(world, "2026-03-01", songe(1, ANNE), songe(1, BENOIT), cancel(f"T1-{ANNE}", "2026-03-01 11:00:00"))
    tell(world, "2026-03-02", cancel(f"T1-{BENOIT}", "2026-03-02 11:00:00"))
    world.control.add_member(BENOIT, groups=[GENERAL, SONGE])
    assert world.placier("verify", "demo", "--repair", "--as-of", "2026-03-03").code == 0
    assert world.groups_of(BENOIT) == (GENERAL,)


def test_verify_finds_a_consent_that_the_platform_holds_otherwise(world):
    tell(world, "2026-03-01", songe(1, ANNE))
    world.control.add_member(ANNE, relation="active-clients", consent_date=date(2025, 1, 1), consent_proof="Erreur")
    found = world.placier("verify", "demo")
    assert found.code == 3
    assert {row["what"] for row in found.json["differences"]} == {"consent"}
    assert world.placier("verify", "demo", "--repair", "--as-of", "2026-03-03").code == 0
    assert world.member(ANNE).consent.date == date(2026, 3, 1)


def test_verify_leaves_a_better_consent_and_unasked_consents_alone(world):
    tell(world, "2026-03-01", songe(1, ANNE))
    world.control.add_member(
        ANNE, relation="express-consent", consent_date=date(2026, 2, 1), consent_proof="Formulaire"
    )
    assert world.placier("verify", "demo").code == 0
    world.control.add_member(ANNE, relation="active-clients", consent_date=date(2025, 1, 1), consent_proof="Erreur")
    assert world.placier("verify", "demo", "--no-consents").code == 0


def test_the_first_pause_between_attempts_is_the_accounts_own(world):
    world.set(platform={"first_pause": 0.01, "retries": 5})
    world.control.add_fault(Fault("error_before", "GET", "/groups", times=4))
    run = tell(world, "2026-03-01", songe(1, ANNE)).run
    assert sum(run["seconds"].values()) < 10, "four pauses from one second on would take at least fifteen"
