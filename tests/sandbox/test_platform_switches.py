"""Every switch and every fault of the stand-in, seen by a client."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from pathlib import Path

import httpx
import pytest

from pipeline.fields import FIELDS
from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.switches import DEFAULTS, Fault, FaultList, Switches

from .conftest import Api

CITY, TICKETS, AMOUNT, SHOW_DATE = FIELDS[9].name, FIELDS[12].name, FIELDS[15].name, FIELDS[5].name
ONE = {"batchType": "addMembers", "relationType": "active-clients", "members": [{"email": "a@exemple.test"}]}


def outcome(batch: dict[str, object]) -> tuple[int, int]:
    """Errors and successes of a batch's result."""
    result = batch["result"]
    assert isinstance(result, dict)
    return len(result["errors"]), len(result["successes"])


# what becomes of those who left


@pytest.mark.parametrize("state", ["unsubscribed", "bounced"])
@pytest.mark.parametrize(
    ("position", "counts", "after"),
    [("reject", (1, 0), None), ("skip", (0, 1), None), ("resubscribe", (0, 1), "subscribed")],
)
def test_a_batch_on_somebody_who_left(
    api: Api, control: SandboxControl, state: str, position: str, counts: tuple[int, int], after: str | None
) -> None:
    control.set_switches(**{f"{state}_in_batch": position})
    (control.unsubscribe if state == "unsubscribed" else control.bounce)("a@exemple.test")
    group = api.group("Clients")
    done = api.batch({"email": "a@exemple.test", "firstname": "Anne"}, groups=(group,))
    member = control.state().members["a@exemple.test"]
    assert outcome(done) == counts
    assert member.state == (after or state)
    assert (member.texts, member.groups) == (({"firstname": "Anne"}, ("Clients",)) if after else ({}, ()))


def test_the_bounced_may_be_listed_among_the_members_too(api: Api, control: SandboxControl) -> None:
    control.bounce("a@exemple.test")
    assert api.emails("/members", status="all") == []
    control.set_switches(bounced_in_members=True)
    assert api.emails("/members", status="all") == api.emails("/members/bounced") == ["a@exemple.test"]
    assert api.get("/members/a@exemple.test").json()["id"]
    assert api.post("/members/unsubscribed/a@exemple.test").json()["isNewUnsubscription"] is True
    assert api.emails("/members/bounced") == []


# results and statuses of batches


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("ids", {"errors": [{"id": "non", "description": "?"}], "successes": ["a@exemple.test"]}),
        ("objects", {"errors": [{"email": "non", "description": "?"}], "successes": [{"email": "a@exemple.test"}]}),
        ("rows", {"errors": [{"row": 2, "description": "?"}], "successes": [{"row": 1}]}),
        ("strings", {"errors": ["non: ?"], "successes": ["a@exemple.test"]}),
        ("counts", {"errorsCount": 1, "successesCount": 1}),
        ("empty", {}),
    ],
)
def test_results_come_in_many_shapes(
    api: Api, control: SandboxControl, shape: str, expected: dict[str, object]
) -> None:
    control.set_switches(result_shape=shape)
    result = api.batch({"email": "a@exemple.test"}, {"email": "non"})["result"]
    assert eval_words(result) == expected


def eval_words(result: object) -> object:
    """The result with every refusal's words put as `?`."""
    words = "The email address is not valid."
    if isinstance(result, str):
        return result.replace(words, "?")
    if isinstance(result, list):
        return [eval_words(item) for item in result]
    if isinstance(result, dict):
        return {key: eval_words(value) for key, value in result.items()}
    return result


def test_a_batch_goes_from_new_over_processing_to_completed_with_the_polls(api: Api, control: SandboxControl) -> None:
    control.set_switches(batch_polls=3)
    batch = api.post("/batches", json=ONE).json()["id"]
    seen = [api.get(f"/batches/{batch}").json()["status"] for _ in range(5)]
    assert seen == ["NEW", "PROCESSING", "PROCESSING", "COMPLETED", "COMPLETED"]


def test_a_batch_that_waits_is_not_applied_yet(api: Api, control: SandboxControl) -> None:
    control.set_switches(batch_polls=2)
    api.post("/batches", json=ONE)
    assert control.state().members == {}
    control.settle()
    assert list(control.state().members) == ["a@exemple.test"]


def test_the_statuses_may_have_other_names(api: Api, control: SandboxControl) -> None:
    control.set_switches(status_completed="DONE", status_processing="RUNNING", batch_polls=1)
    batch = api.post("/batches", json=ONE).json()["id"]
    assert [api.get(f"/batches/{batch}").json()["status"] for _ in range(2)] == ["RUNNING", "DONE"]


def test_a_batch_may_be_too_large(api: Api, control: SandboxControl) -> None:
    control.set_switches(max_batch=1)
    assert api.post("/batches", json=ONE).status_code == 201
    assert (
        api.post("/batches", json={**ONE, "members": [{"email": f"{n}@exemple.test"} for n in range(2)]}).status_code
        == 422
    )


# values


@pytest.mark.parametrize(("position", "blank"), [("empty", ""), ("null", None)])
def test_fields_never_filled_may_be_shown(api: Api, control: SandboxControl, position: str, blank: str | None) -> None:
    control.add_member("a@exemple.test", fields={TICKETS: 2})
    assert api.get("/members/a@exemple.test").json()["customFields"] == {api.field("tickets"): 2}
    control.set_switches(never_filled=position)
    shown = api.get("/members?status=all").json()["members"][0]["customFields"]
    assert (len(shown), shown[api.field("tickets")], shown[api.field("city")]) == (17, 2, blank)


def test_patch_may_replace_all_custom_fields(api: Api, control: SandboxControl) -> None:
    control.set_switches(patch_fields="replace")
    control.add_member("a@exemple.test", fields={TICKETS: 2, CITY: "Laval"})
    api.patch("/members/a@exemple.test", json={"firstname": "Anne"})
    assert control.state().members["a@exemple.test"].fields == {TICKETS: 2, CITY: "Laval"}
    api.patch("/members/a@exemple.test", json={"customFields": {api.field("tickets"): 3}})
    assert control.state().members["a@exemple.test"].fields == {TICKETS: 3}


def test_numbers_may_be_stored_as_strings(api: Api, control: SandboxControl) -> None:
    control.set_switches(numbers="strings")
    api.batch({"email": "a@exemple.test", "customFields": {api.field("tickets"): 2, api.field("net_amount"): 160.5}})
    assert control.state().members["a@exemple.test"].fields == {TICKETS: "2", AMOUNT: "160.5"}
    assert api.get("/members/a@exemple.test").json()["customFields"][api.field("tickets")] == "2"


@pytest.mark.parametrize(
    ("position", "counts", "left"),
    [
        ("clears", (0, 1), set()),
        ("text_only", (0, 1), {TICKETS, SHOW_DATE}),
        ("rejected", (1, 0), {TICKETS, SHOW_DATE, CITY}),
    ],
)
def test_the_empty_marker_on_dates_and_numbers(
    api: Api, control: SandboxControl, position: str, counts: tuple[int, int], left: set[str]
) -> None:
    control.set_switches(empty_marker=position)
    control.add_member("a@exemple.test", fields={TICKETS: 2, SHOW_DATE: "2026-05-01", CITY: "Laval"})
    marks = dict.fromkeys((api.field("tickets"), api.field("performance_date"), api.field("city")), "__EMPTY__")
    assert outcome(api.batch({"email": "a@exemple.test", "customFields": marks})) == counts
    assert set(control.state().members["a@exemple.test"].fields) == left


@pytest.mark.parametrize(
    ("position", "stored"), [("kept", "Anne.Roy@Exemple.test"), ("lowered", "anne.roy@exemple.test")]
)
def test_addresses_keep_their_case_or_lose_it(api: Api, control: SandboxControl, position: str, stored: str) -> None:
    control.set_switches(email_case=position)
    api.batch({"email": " Anne.Roy@Exemple.test "}, {"email": "ANNE.ROY@exemple.test"})
    assert api.emails("/members", status="all") == [stored]
    assert api.get("/members/anne.roy@exemple.test").json()["email"] == stored


def test_texts_may_be_limited_to_another_length(api: Api, control: SandboxControl) -> None:
    control.set_switches(max_text=10)
    assert outcome(api.batch({"email": "a@exemple.test", "customFields": {api.field("city"): "x" * 11}})) == (1, 0)


# consent


def test_the_last_consent_may_win_in_batches(api: Api, control: SandboxControl) -> None:
    control.set_switches(consent_override="last")
    control.add_member("a@exemple.test", relation="express-consent", consent_date=date(2026, 3, 1))
    api.batch({"email": "a@exemple.test"})
    assert control.state().members["a@exemple.test"].consent.relation == "active-clients"


@pytest.mark.parametrize(
    ("position", "status", "day"), [("kept", 422, date(2026, 3, 1)), ("applied", 200, date(2026, 2, 1))]
)
def test_an_older_date_is_kept_or_applied(
    api: Api, control: SandboxControl, position: str, status: int, day: date
) -> None:
    control.set_switches(older_date=position)
    control.add_member("a@exemple.test", relation="active-clients", consent_date=date(2026, 3, 1))
    api.batch({"email": "a@exemple.test"})
    assert control.state().members["a@exemple.test"].consent.date == day
    control.add_member("b@exemple.test", relation="active-clients", consent_date=date(2026, 3, 1))
    put = api.put(
        "/members/b@exemple.test/consent", json={"relationType": "active-clients", "consentDate": "2026-02-01"}
    )
    assert put.status_code == status


@pytest.mark.parametrize(
    ("position", "counts", "day"),
    [("today", (0, 1), date(2026, 3, 10)), ("null", (0, 1), None), ("reject", (1, 0), None)],
)
def test_a_batch_without_a_date(
    api: Api, control: SandboxControl, position: str, counts: tuple[int, int], day: date | None
) -> None:
    control.set_switches(missing_date=position)
    assert outcome(api.batch({"email": "a@exemple.test"}, defaultConsentDate=None)) == counts
    if counts == (0, 1):
        assert control.state().members["a@exemple.test"].consent.date == day


# groups


def test_two_groups_of_one_title_may_be_refused(api: Api, control: SandboxControl) -> None:
    api.group("Clients")
    api.group("Clients")
    control.set_switches(duplicate_titles="refused")
    assert api.post("/groups", json={"title": "clients ", "isPublic": False}).status_code == 422
    assert control.state().titles() == ["Clients", "Clients"]


@pytest.mark.parametrize("kind", ["dynamic", "unknown"])
def test_a_group_that_cannot_be_joined_refuses_the_batch_or_is_ignored(
    api: Api, control: SandboxControl, kind: str
) -> None:
    good, bad = api.group("Clients"), api.group("Actifs") if kind == "dynamic" else 999
    if kind == "dynamic":
        control.make_dynamic("Actifs")
    assert api.post("/batches", json={**ONE, "groups": [good, bad]}).status_code == 422
    control.set_switches(**{f"{kind}_group": "ignored"})
    api.batch({"email": "a@exemple.test"}, groups=(good, bad))
    assert control.state().members["a@exemple.test"].groups == ("Clients",)


# throttling


def test_every_nth_request_may_be_throttled(api: Api, control: SandboxControl) -> None:
    control.set_switches(throttle_every=3, retry_after="2")
    answers = [api.get("/ping") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 200, 200, 429]
    assert answers[2].headers["retry-after"] == "2"


def test_a_rate_may_be_held_and_retry_after_left_out(api: Api, control: SandboxControl) -> None:
    control.set_switches(throttle_per_second=3)
    answers = [api.get("/ping") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429, 429]
    assert "retry-after" not in answers[-1].headers


# faults


def test_an_answer_can_be_lost_before_or_after_it_was_done(api: Api, control: SandboxControl) -> None:
    control.add_fault(Fault("drop_before", "POST", "/groups"), Fault("drop_after", "POST", "/groups", nth=2))
    for _ in range(2):
        with pytest.raises(httpx.RemoteProtocolError):
            api.group("Clients")
    assert control.state().titles() == ["Clients"]
    assert control.faults() == []
    assert [(entry.status, entry.fault) for entry in control.log()] == [(0, "drop_before"), (201, "drop_after")]
    assert control.writes() == 2
    assert api.get("/ping").status_code == 200


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_an_error_can_come_before_or_after_it_was_done(api: Api, control: SandboxControl, status: int) -> None:
    control.add_fault(Fault("error_before", path="/groups", status=status, retry_after="1"))
    answer = api.post("/groups", json={"title": "A"})
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "1")
    assert control.state().titles() == []
    control.add_fault(Fault("error_after", path="/groups", status=status))
    assert api.post("/groups", json={"title": "B"}).status_code == status
    assert control.state().titles() == ["B"]


@pytest.mark.parametrize("status", [200, 502])
def test_a_page_of_html_can_come_instead(api: Api, control: SandboxControl, status: int) -> None:
    control.add_fault(Fault("error_before", "GET", "/members", nth=2, status=status, html=True))
    assert api.get("/members").status_code == 200
    page = api.get("/members")
    assert (page.status_code, page.headers["content-type"].split(";")[0]) == (status, "text/html")
    assert api.get("/members").status_code == 200


@pytest.mark.parametrize(("kind", "titles"), [("hang", []), ("hang_after", ["Clients"])])
def test_an_answer_can_take_for_ever(api: Api, control: SandboxControl, kind: str, titles: list[str]) -> None:
    control.add_fault(Fault("hang" if kind == "hang" else "hang_after", "POST", seconds=30))
    with pytest.raises(httpx.ReadTimeout):
        api.post("/groups", json={"title": "Clients"}, timeout=0.2)
    assert api.get("/ping").status_code == 200
    assert control.state().titles() == titles


def test_a_silence_ends_with_a_closed_connection(api: Api, control: SandboxControl) -> None:
    control.add_fault(Fault("hang", seconds=0.05))
    with pytest.raises(httpx.RemoteProtocolError):
        api.get("/ping")


@pytest.mark.parametrize(("kind", "applied"), [("forget", True), ("lose", False)])
def test_a_batch_can_be_forgotten(api: Api, control: SandboxControl, kind: str, applied: bool) -> None:
    control.add_fault(Fault("forget" if kind == "forget" else "lose"))
    batch = api.post("/batches", json=ONE).json()["id"]
    assert api.get(f"/batches/{batch}").status_code == 404
    assert bool(control.state().members) is applied


def test_half_a_batch_can_be_left_out_silently(api: Api, control: SandboxControl) -> None:
    control.add_fault(Fault("half"))
    done = api.batch(*({"email": f"p{number}@exemple.test"} for number in range(4)))
    assert outcome(done) == (0, 4)
    assert list(control.state().members) == ["p0@exemple.test", "p2@exemple.test"]


def test_rows_can_be_refused_by_address(api: Api, control: SandboxControl) -> None:
    control.add_fault(Fault("refuse", emails=("B@exemple.test",), times=0))
    for _ in range(2):
        assert outcome(api.batch({"email": "a@exemple.test"}, {"email": "b@exemple.test"})) == (1, 1)
    control.clear_faults()
    assert outcome(api.batch({"email": "b@exemple.test"})) == (0, 1)


def test_a_batch_can_fail_as_a_whole_or_never_end(api: Api, control: SandboxControl) -> None:
    control.add_fault(Fault("fail"), Fault("stall", nth=2))
    failed, stalled = (api.post("/batches", json=ONE).json()["id"] for _ in range(2))
    assert api.get(f"/batches/{failed}").json()["status"] == "FAILED"
    control.settle()
    assert [api.get(f"/batches/{stalled}").json()["status"] for _ in range(2)] == ["NEW", "PROCESSING"]
    assert control.state().members == {}


@pytest.mark.parametrize(
    ("fault", "struck"),
    [
        (Fault("hang"), [1]),
        (Fault("hang", nth=3), [3]),
        (Fault("hang", nth=2, times=2), [2, 3]),
        (Fault("hang", nth=4, times=0), [4, 5]),
        (Fault("hang", "POST"), []),
        (Fault("hang", "GET", "/members/*"), [1]),
        (Fault("half"), []),
    ],
)
def test_a_fault_strikes_the_requests_that_it_names(fault: Fault, struck: list[int]) -> None:
    faults = FaultList()
    faults.add(fault)
    assert [number for number in range(1, 6) if faults.strike("GET", "/members/a@exemple.test")] == struck


def test_two_faults_in_wait_strike_one_after_the_other() -> None:
    faults = FaultList()
    faults.add(Fault("error_before"))
    faults.add(Fault("drop_after"))
    struck = [faults.strike("GET", "/ping") for _ in range(3)]
    assert [fault.kind if fault else "" for fault in struck] == ["error_before", "drop_after", ""]


# the bench


def test_switches_can_be_set_at_the_start_and_read_back(control: SandboxControl) -> None:
    assert control.switches() == DEFAULTS
    control.set_switches(numbers="strings", batch_polls=2)
    assert control.switches() == Switches(numbers="strings", batch_polls=2)
    control.replace_switches(Switches(max_text=9))
    assert control.switches() == Switches(max_text=9)


def test_the_documentation_names_every_switch_and_every_fault() -> None:
    text = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    names = [item.name for item in fields(Switches)] + [item.name for item in fields(Fault)]
    kinds = ("drop_before", "drop_after", "error_before", "error_after", "hang", "hang_after")
    assert [
        name
        for name in (*names, *kinds, "forget", "lose", "half", "refuse", "fail", "stall")
        if f"`{name}`" not in text
    ] == []
