"""The contract suite: the client against the stand-in, under every switch and every fault."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date
from typing import get_args, get_type_hints

import pytest

from pipeline.errors import PlatformError, PlatformUnavailable
from pipeline.fields import FIELDS
from pipeline.platforms import Group, Member, Platform
from pipeline.platforms.cyberimpact import Cyberimpact
from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.members import CustomField
from pipeline.sandbox.serve import PlatformServer
from pipeline.sandbox.switches import BATCH_KINDS, Fault, Switches

from .conftest import VALUES, Connect, FastClock, batch, person

ABEL, ZOE, ODD = "abel@exemple.test", "zoe@exemple.test", "o'neil+billets/2%@exemple.test"
NAMES = {field.key: field.name for field in FIELDS}


def positions() -> list[Switches]:
    """The default, and every other position of every switch that has a choice; then the most trying ones together."""
    default = Switches()
    found = [default]
    hints = get_type_hints(Switches)
    for field in fields(Switches):
        choices = get_args(hints[field.name]) or (
            (True, False) if isinstance(getattr(default, field.name), bool) else ()
        )
        found += [
            replace(default, **{field.name: choice}) for choice in choices if choice != getattr(default, field.name)
        ]
    found += [
        replace(default, status_new="WAITING", status_processing="HALFWAY", batch_polls=4),
        replace(default, status_completed="DONE"),
        replace(default, status_completed="Finished"),
        replace(default, batch_polls=12),
        replace(default, max_batch=1),
        replace(default, throttle_every=3),
        replace(default, throttle_every=2, retry_after="1"),
        replace(
            default,
            result_shape="rows",
            never_filled="null",
            patch_fields="replace",
            numbers="strings",
            empty_marker="rejected",
            bounced_in_members=True,
            throttle_every=4,
            batch_polls=3,
            max_batch=1,
        ),
        replace(
            default, empty_marker="text_only", patch_fields="replace", never_filled="empty", consent_override="last"
        ),
    ]
    return found


def changed(switches: Switches) -> str:
    default = Switches()
    names = [field.name for field in fields(Switches) if getattr(switches, field.name) != getattr(default, field.name)]
    return ",".join(f"{name}={getattr(switches, name)}" for name in names) or "default"


@pytest.fixture(params=positions(), ids=changed)
def switches(request: pytest.FixtureRequest, control: SandboxControl) -> Switches:
    control.replace_switches(request.param)
    return request.param  # type: ignore[no-any-return]


def test_the_client_is_a_platform(client: Cyberimpact) -> None:
    platform: Platform = client
    assert platform.reads_back
    assert platform.requests == 0


# -- under every switch


def test_people_are_created_with_consent_and_groups_and_read_back(
    client: Cyberimpact, control: SandboxControl, switches: Switches
) -> None:
    everyone = client.create_group("Clients Tuxedo")
    show = client.create_group("Les Belles-Sœurs")
    sent = batch(person(ZOE, language="fr_ca"), person(ABEL), person(ODD), groups=(everyone.id, show.id))
    outcome = client.upsert(sent)
    assert outcome.finished
    assert not outcome.refused
    emails = [ZOE, ABEL, ODD]
    found = client.read(emails)
    assert set(found) == set(emails)
    assert all(member.values == VALUES and not member.express for member in found.values())
    for email in emails:
        consent = client.consent(email)
        assert consent is not None
        assert (consent.express, consent.relation, consent.date) == (False, "active-clients", date(2026, 11, 1))
        assert consent.expires == date(2028, 11, 1)
    assert client.memberships(emails, [everyone, show]) == {
        (email, group.id) for email in emails for group in (everyone, show)
    }
    assert control.state().members[ZOE].consent.proof == "Les Belles-Sœurs, 2026-11-05, T-1"
    assert not control.state().groups[0].public
    assert client.requests == len(control.log())


def test_what_is_left_out_stays_and_what_is_cleared_goes(
    client: Cyberimpact, control: SandboxControl, switches: Switches
) -> None:
    control.add_member(
        ZOE,
        texts={"company": "Quai", "note": "VIP"},
        fields={
            NAMES["city"]: "Lévis",
            NAMES["phone"]: "418 555-0101",
            NAMES["tickets"]: 9,
            NAMES["performance_date"]: "2026-01-01",
        },
        relation="active-clients",
        consent_date=date(2026, 1, 1),
        groups=["À la main"],
    )
    clear = frozenset({"city", "tickets", "performance_date", "net_amount"})
    sent = batch(
        person(ZOE, values={"show_title": "Cyrano"}, clear=clear),
        person(ABEL, values={"tickets": 2}, clear=frozenset({"net_amount"})),
    )
    outcome = client.upsert(sent)
    assert (outcome.finished, dict(outcome.refused)) == (True, {})
    found = client.read([ZOE, ABEL])
    assert found[ZOE].values == {"company": "Quai", "phone": "418 555-0101", "show_title": "Cyrano"}
    assert found[ABEL].values == {"tickets": 2}
    state = control.state().members[ZOE]
    assert state.texts["note"] == "VIP"
    assert state.groups == ("À la main",)


def test_a_marker_that_was_refused_is_not_tried_again(client: Cyberimpact, control: SandboxControl) -> None:
    control.set_switches(empty_marker="rejected")
    for email in (ABEL, ZOE):
        control.add_member(email, fields={NAMES["tickets"]: 9})
        outcome = client.upsert(batch(person(email, values={"city": "Lévis"}, clear=frozenset({"tickets"}))))
        assert (outcome.finished, dict(outcome.refused)) == (True, {})
    assert control.batch_addresses() == [ABEL, ABEL, ZOE]
    assert client.read([ZOE])[ZOE].values == {"city": "Lévis"}


def test_sending_the_same_again_changes_nothing(
    client: Cyberimpact, control: SandboxControl, switches: Switches
) -> None:
    group = client.create_group("Cyrano")
    sent = batch(person(ZOE), person(ABEL, clear=frozenset({"tickets"}), values={"city": "Lévis"}), groups=(group.id,))
    client.upsert(sent)
    once = control.state().content()
    client.upsert(sent)
    assert control.state().content() == once


def test_whoever_left_is_seen_before_anything_is_sent(
    client: Cyberimpact, control: SandboxControl, switches: Switches
) -> None:
    control.unsubscribe("Partie@exemple.test", on=date(2026, 10, 3))
    control.bounce("rebond@exemple.test", on=date(2026, 10, 4))
    control.unsubscribe("vieux@exemple.test", on=date(2024, 1, 1))
    found = client.suppressed(["vieux@exemple.test"])
    assert {email: reason for email, (reason, _) in found.items()} == {
        "partie@exemple.test": "unsubscribed",
        "vieux@exemple.test": "unsubscribed",
        "rebond@exemple.test": "bounced",
    }
    assert found["partie@exemple.test"][1] == date(2026, 10, 3)
    assert "partie@exemple.test" not in client.read(["partie@exemple.test"])


def test_an_express_member_is_amended_without_losing_anything(
    client: Cyberimpact, control: SandboxControl, switches: Switches
) -> None:
    ours = control.state().custom_fields
    control.set_custom_fields([*ours, CustomField(90, "Loge préférée", "text"), CustomField(91, "Points", "integer")])
    control.add_group("Cyrano")
    control.add_member(
        ZOE,
        texts={"firstname": "Zoé", "note": "VIP"},
        fields={NAMES["city"]: "Lévis", NAMES["tickets"]: 9, "Loge préférée": "B", "Points": 12},
        relation="express-consent",
        consent_date=date(2020, 5, 5),
        groups=["À la main"],
    )
    (group,) = [group for group in client.groups() if group.title == "Cyrano"]
    member = client.read([ZOE])[ZOE]
    assert member.express
    asked = person(ZOE, values={"show_title": "Cyrano", "net_amount": 80.0}, clear=frozenset({"tickets"}))
    assert client.amend(member, asked, [group.id]) == ""
    assert client.read([ZOE])[ZOE].values == {
        "first_name": "Zoé",
        "city": "Lévis",
        "show_title": "Cyrano",
        "net_amount": 80.0,
    }
    state = control.state().members[ZOE]
    assert state.consent.relation == "express-consent"
    assert state.consent.date == date(2020, 5, 5)
    assert state.fields["Loge préférée"] == "B"
    assert str(state.fields["Points"]) == "12"
    assert state.texts["note"] == "VIP"
    assert state.groups == ("Cyrano", "À la main")


def test_a_member_leaves_one_group_only_and_leaving_twice_is_fine(
    client: Cyberimpact, control: SandboxControl, switches: Switches
) -> None:
    control.add_group("Cyrano")
    control.add_member(ODD, groups=["Cyrano", "À la main"])
    (group,) = [group for group in client.groups() if group.title == "Cyrano"]
    assert client.leave(ODD, group.id) == ""
    assert client.leave(ODD, group.id) == ""
    assert client.leave("inconnue@exemple.test", group.id) == ""
    assert client.leave(ODD, 999_999) == ""
    assert control.state().members[ODD].groups == ("À la main",)


# -- refusals


@pytest.mark.parametrize("shape", ["ids", "objects", "strings"])
def test_a_refused_person_is_named_and_the_others_go_through(
    client: Cyberimpact, control: SandboxControl, shape: str
) -> None:
    control.set_switches(result_shape=shape)
    control.unsubscribe(ZOE)
    outcome = client.upsert(batch(person(ABEL), person(ZOE), person(ODD)))
    assert outcome.finished
    assert set(outcome.refused) == {ZOE}
    assert "unsubscribed" in outcome.refused[ZOE]
    assert set(client.read([ABEL, ZOE, ODD])) == {ABEL, ODD}


@pytest.mark.parametrize("shape", ["rows", "counts", "empty"])
def test_a_refusal_that_nobody_can_attribute_is_seen_by_reading_back(
    client: Cyberimpact, control: SandboxControl, shape: str
) -> None:
    control.set_switches(result_shape=shape)
    control.add_fault(Fault("refuse", emails=(ZOE,)))
    outcome = client.upsert(batch(person(ABEL), person(ZOE)))
    assert (outcome.finished, dict(outcome.refused)) == (True, {})
    assert set(client.read([ABEL, ZOE])) == {ABEL}


def test_a_batch_refused_whole_for_its_size_is_halved_and_the_size_remembered(
    client: Cyberimpact, control: SandboxControl
) -> None:
    control.set_switches(max_batch=3)
    people = [person(f"client{number}@exemple.test") for number in range(20)]
    outcome = client.upsert(batch(*people[:10]))
    assert (outcome.finished, dict(outcome.refused)) == (True, {})
    control.reset_log()
    client.upsert(batch(*people[10:]))
    assert all(entry.status < 400 for entry in control.log())
    assert len(control.state().members) == 20


def test_a_batch_refused_for_its_groups_refuses_them_one_by_one_or_fails(
    client: Cyberimpact, control: SandboxControl
) -> None:
    outcome = client.upsert(batch(person(ABEL), person(ZOE), groups=(999_999,)))
    assert set(outcome.refused) == {ABEL, ZOE}
    control.reset_log()
    with pytest.raises(PlatformError, match="999999"):
        client.upsert(batch(*(person(f"client{number}@exemple.test") for number in range(500)), groups=(999_999,)))
    assert len(control.log()) < 50


def test_our_own_faults_never_leave(client: Cyberimpact, control: SandboxControl) -> None:
    client.groups()
    control.reset_log()
    with pytest.raises(PlatformError):
        client.upsert(batch(person(ABEL), person(ABEL)))
    with pytest.raises(PlatformError):
        client.upsert(batch())
    with pytest.raises(PlatformError):
        client.create_group("")
    assert not [entry for entry in control.log() if entry.method != "GET"]


def test_amending_somebody_who_left_is_refused_and_writes_nothing(client: Cyberimpact, control: SandboxControl) -> None:
    control.add_member(ZOE, relation="express-consent")
    member = client.read([ZOE])[ZOE]
    control.unsubscribe(ZOE)
    control.reset_log()
    assert client.amend(member, person(ZOE), [1]) != ""
    assert control.writes() == 0
    assert {entry.method for entry in control.log()} == {"GET"}


def test_amending_under_another_address_is_refused(client: Cyberimpact, control: SandboxControl) -> None:
    control.add_member(ZOE)
    member = client.read([ZOE])[ZOE]
    assert client.amend(Member(member.id, ABEL, True, {}), person(ABEL), []) != ""
    assert control.writes() == 0


def test_amending_into_a_group_that_is_gone_is_a_refusal(client: Cyberimpact, control: SandboxControl) -> None:
    control.add_member(ZOE)
    assert "999" in client.amend(client.read([ZOE])[ZOE], person(ZOE), [999])


def test_a_wrong_token_says_so(connect: Connect, control: SandboxControl, stand_in: PlatformServer) -> None:
    with pytest.raises(PlatformError, match="401") as caught:
        connect(stand_in.url, token="autre").ping()
    assert "placier doctor" in caught.value.remedy
    assert "autre" not in str(caught.value)


def test_ping_tells_the_account(client: Cyberimpact) -> None:
    assert client.ping() == "Bac à sable"


# -- custom fields


def test_fields_that_fit_need_nothing(client: Cyberimpact) -> None:
    assert client.check_fields() == []


def test_missing_and_mistyped_fields_are_told_in_the_order_of_the_table(
    connect: Connect, control: SandboxControl, stand_in: PlatformServer
) -> None:
    control.retype_custom_field(NAMES["net_amount"], "decimal")
    control.retype_custom_field(NAMES["performance_date"], "text")
    control.drop_custom_field(NAMES["city"])
    control.drop_custom_field(NAMES["report_category_1"])
    control.retype_custom_field(NAMES["tickets"], "text")
    assert connect(stand_in.url).check_fields() == [
        'create the custom field "Catégorie de rapport #1 du dernier achat" of type text',
        '"Date de l\'événement du dernier achat" is of type text, must be date',
        'create the custom field "Ville du contact" of type text',
        '"Nombre de billets vendus lors du dernier achat" is of type text, must be integer',
    ]


def test_names_are_compared_trimmed_composed_and_without_case(
    connect: Connect, control: SandboxControl, stand_in: PlatformServer
) -> None:
    others = [
        field for field in control.state().custom_fields if field.name not in {NAMES["city"], NAMES["price_group"]}
    ]
    decomposed = " re\u0301gion TARIFAIRE "
    control.set_custom_fields(
        [*others, CustomField(80, " VILLE du contact", "text"), CustomField(81, decomposed, "text")]
    )
    client = connect(stand_in.url, custom_fields={"price_group": "Région tarifaire"})
    assert client.check_fields() == []
    client.upsert(batch(person(ZOE, values={"city": "Lévis", "price_group": "Est"})))
    assert client.read([ZOE])[ZOE].values == {"city": "Lévis", "price_group": "Est"}


def test_a_name_that_two_fields_share_is_told(
    connect: Connect, control: SandboxControl, stand_in: PlatformServer
) -> None:
    control.set_custom_fields([*control.state().custom_fields, CustomField(80, "ville du contact", "text")])
    (complaint,) = connect(stand_in.url).check_fields()
    assert "Ville du contact" in complaint
    assert "2 custom fields" in complaint


# -- groups


def test_groups_say_their_size_and_whether_they_are_dynamic(client: Cyberimpact, control: SandboxControl) -> None:
    control.add_group("Abonnés", dynamic=True)
    control.add_member(ZOE, groups=["Cyrano"])
    assert {(group.title, group.dynamic, group.size) for group in client.groups()} == {
        ("Abonnés", True, 0),
        ("Cyrano", False, 1),
    }


WRITE_FAULTS = ["drop_before", "drop_after", "error_before", "error_after", "hang", "hang_after"]


@pytest.mark.parametrize("titles", ["allowed", "refused"])
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("kind", WRITE_FAULTS)
def test_a_lost_answer_never_makes_a_second_group(
    connect: Connect, control: SandboxControl, stand_in: PlatformServer, kind: str, times: int, titles: str
) -> None:
    control.set_switches(duplicate_titles=titles)
    control.add_group("cyrano ", dynamic=True)
    control.add_fault(Fault(kind, "POST", "/groups", times=times, seconds=3.0))  # type: ignore[arg-type]
    if titles == "refused":
        control.delete_group("cyrano ")
    group = connect(stand_in.url, timeout=0.2).create_group("Cyrano")
    assert [there.id for there in control.state().groups if there.title == "Cyrano"] == [group.id]


def test_a_group_of_that_title_that_was_there_before_is_not_taken_for_the_new_one(
    client: Cyberimpact, control: SandboxControl
) -> None:
    control.add_group("Cyrano")
    control.add_fault(Fault("error_before", "POST", "/groups"))
    group = client.create_group("Cyrano")
    assert len([there for there in control.state().groups if there.title == "Cyrano"]) == 2
    assert group.id == control.state().groups[-1].id


def test_a_group_that_cannot_be_created_is_unavailable_in_the_end(client: Cyberimpact, control: SandboxControl) -> None:
    control.add_fault(Fault("error_before", "POST", "/groups", times=0))
    with pytest.raises(PlatformUnavailable):
        client.create_group("Cyrano")
    assert len(control.log()) < 40


# -- faults


@pytest.mark.parametrize("html", [False, True], ids=["json", "html"])
@pytest.mark.parametrize("kind", [kind for kind in WRITE_FAULTS if "hang" not in kind])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_a_night_outlives_any_fault_that_passes(
    client: Cyberimpact, control: SandboxControl, method: str, kind: str, html: bool
) -> None:
    control.add_member("expresse@exemple.test", relation="express-consent", fields={NAMES["city"]: "Lévis"})
    control.add_member("sortante@exemple.test", groups=["Clients Tuxedo"])
    for nth in range(1, 12, 2):
        control.add_fault(Fault(kind, method, nth=nth, status=503, html=html))  # type: ignore[arg-type]
    assert client.check_fields() == []
    show = client.create_group("Cyrano")
    everyone = next(group for group in client.groups() if group.title == "Clients Tuxedo")
    client.upsert(batch(person(ZOE), person(ABEL, clear=frozenset({"city"})), groups=(show.id, everyone.id)))
    members = client.read([ZOE, ABEL, "expresse@exemple.test"])
    assert client.amend(members["expresse@exemple.test"], person("expresse@exemple.test"), [show.id]) == ""
    client.leave("sortante@exemple.test", everyone.id)
    state = control.state()
    assert state.titles().count("Cyrano") == 1
    assert state.members[ZOE].groups == state.members[ABEL].groups == ("Clients Tuxedo", "Cyrano")
    assert state.members["sortante@exemple.test"].groups == ()
    assert state.members["expresse@exemple.test"].consent.relation == "express-consent"
    assert state.members["expresse@exemple.test"].fields[NAMES["city"]] == "Lévis"
    assert client.requests == len(control.log())


def test_a_read_outlives_silence(connect: Connect, control: SandboxControl, stand_in: PlatformServer) -> None:
    control.add_group("Cyrano")
    control.add_fault(Fault("hang", "GET", "/groups", seconds=3.0))
    assert [group.title for group in connect(stand_in.url, timeout=0.2).groups()] == ["Cyrano"]


def test_a_read_that_never_succeeds_is_unavailable(client: Cyberimpact, control: SandboxControl) -> None:
    control.add_fault(Fault("error_before", "GET", "/members/unsubscribed", times=0, status=502, html=True))
    with pytest.raises(PlatformUnavailable, match="/members/unsubscribed"):
        client.suppressed([])


@pytest.mark.parametrize("kind", sorted(BATCH_KINDS))
def test_what_strikes_a_batch_is_told_or_read(client: Cyberimpact, control: SandboxControl, kind: str) -> None:
    control.add_fault(Fault(kind, emails=(ZOE,) if kind == "refuse" else ()))  # type: ignore[arg-type]
    outcome = client.upsert(batch(person(ABEL), person(ZOE)))
    there = set(client.read([ABEL, ZOE]))
    expected = {
        "forget": (False, {ABEL, ZOE}),
        "lose": (False, set()),
        "half": (True, {ABEL}),
        "refuse": (True, {ABEL}),
        "fail": (False, set()),
        "stall": (False, set()),
    }
    assert (outcome.finished, there) == expected[kind]
    assert set(outcome.refused) == ({ZOE} if kind == "refuse" else set())
    polls = sum(entry.path.startswith("/batches/") for entry in control.log())
    assert polls == 1 or kind == "stall"


def test_a_batch_that_never_ends_is_given_up_at_its_deadline_with_few_questions(
    connect: Connect, control: SandboxControl, stand_in: PlatformServer, clock: FastClock
) -> None:
    control.add_fault(Fault("stall"))
    client = connect(stand_in.url, batch_deadline=1800.0)
    client.check_fields()
    started = clock.now
    assert not client.upsert(batch(person(ABEL))).finished
    assert 1700.0 < clock.now - started <= 1801.0
    polls = [entry for entry in control.log() if entry.path.startswith("/batches/")]
    assert len(polls) < 75
    assert all(entry.query == "showErrorDetails=true" for entry in polls)


def test_a_lost_answer_to_a_batch_is_sent_again_to_the_same_end(client: Cyberimpact, control: SandboxControl) -> None:
    control.add_fault(Fault("drop_after", "POST", "/batches"))
    assert client.upsert(batch(person(ZOE))).finished
    assert control.batch_addresses() == [ZOE, ZOE]
    assert client.read([ZOE])[ZOE].values == VALUES


# -- memberships and economy


def test_both_ways_of_reading_memberships_agree(client: Cyberimpact, control: SandboxControl) -> None:
    for number in range(6):
        control.add_member(f"client{number}@exemple.test", groups=["Un", "Deux"] if number % 2 else ["Trois"])
    groups = client.groups()
    emails = [f"client{number}@exemple.test" for number in range(6)] + ["inconnue@exemple.test"]
    control.reset_log()
    by_group = client.memberships(emails, groups)
    assert len(control.log()) == len(groups)
    big = [replace(group, size=1_000_000) for group in groups]
    by_person = client.memberships(emails, big)
    assert by_group == by_person
    assert len(by_group) == 9


def test_a_group_that_is_gone_holds_nobody(client: Cyberimpact, control: SandboxControl) -> None:
    control.add_member(ZOE)
    assert client.memberships([ZOE, ABEL], [Group(999_999, "Partie", False, 0)]) == set()
    assert client.memberships([ZOE], []) == set()
    assert client.memberships([], [Group(1, "Un", False, 0)]) == set()


def test_few_are_looked_up_one_by_one_and_many_in_one_list(client: Cyberimpact, control: SandboxControl) -> None:
    emails = [f"client{number}@exemple.test" for number in range(8)]
    for email in emails:
        control.add_member(email.capitalize())
    client.check_fields()
    control.reset_log()
    assert set(client.read([*emails[:2], "inconnue@exemple.test"])) == set(emails[:2])
    assert len(control.log()) == 3
    control.reset_log()
    assert set(client.read([*emails, "inconnue@exemple.test"])) == set(emails)
    assert len(control.log()) == 1


def test_nobody_costs_nothing(client: Cyberimpact, control: SandboxControl) -> None:
    assert client.read([]) == {}
    assert control.log() == []
    assert client.consent("inconnue@exemple.test") is None
