"""The stand-in of the platform's API, endpoint by endpoint, over real HTTP."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from datetime import date
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from pipeline.errors import StateError, UsageError
from pipeline.fields import FIELDS
from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.serve import PlatformServer, serving
from pipeline.sandbox.switches import Fault, Switches

from .conftest import NOON, Api

ODD_ADDRESSES = (
    "marie+quai@exemple.test",
    "o'hara@exemple.test",
    "a/b@exemple.test",
    "cent%25@exemple.test",
    "é.roy@exemple.test",
)


def test_ping_names_the_account(api: Api) -> None:
    assert api.get("/ping").json()["ping"] == "success"


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic eDp5"}])
def test_a_bad_token_is_refused_even_on_ping(server: PlatformServer, header: dict[str, str]) -> None:
    answer = httpx.get(f"{server.url}/ping", headers=header, trust_env=False)
    assert answer.status_code == 401
    assert answer.json()["message"]


def test_a_new_account_has_the_17_custom_fields_with_their_types(api: Api) -> None:
    fields = api.get("/customfields").json()["customFields"]
    types = {"decimal": "decimal number"}
    assert [(item["name"], item["type"]) for item in fields] == [
        (item.name, types.get(item.type, item.type)) for item in FIELDS
    ]


def test_unknown_paths_and_methods_are_answered_in_json(api: Api) -> None:
    assert api.get("/nothing").status_code == 404
    assert api.post("/ping").status_code == 405
    assert api.get("/nothing").json()["errors"][0]["description"]


@pytest.mark.parametrize(
    "query",
    [
        "limit=10001",
        "limit=0",
        "page=0",
        "page=x",
        "status=subscribed",
        "sort=title_asc",
        "joinedOnFrom=2026-02-30",
        "joinedOnFrom=hier",
        "dateReturnFormat=RFC2822",
        "jonedOnFrom=2026-01-01",
    ],
)
def test_bad_query_values_are_422(api: Api, query: str) -> None:
    assert api.get(f"/members?{query}").status_code == 422


def test_pages_hold_20_unless_asked_and_end_empty(api: Api, control: SandboxControl) -> None:
    for number in range(25):
        control.add_member(f"p{number:02}@exemple.test", groups=["Clients"])
    first = api.get("/members?sort=email_asc").json()
    assert (len(first["members"]), first["totalCount"], first["page"], first["limit"], first["sort"]) == (
        20,
        25,
        1,
        20,
        "email_asc",
    )
    assert first["items_per_page"] == 20
    assert api.emails("/members", sort="email_asc", page=2) == [f"p{number}@exemple.test" for number in range(20, 25)]
    assert api.emails("/members", page=3) == []
    assert len(api.emails("/members", limit=10_000)) == 25


def test_status_tells_the_grouped_from_the_orphans(api: Api, control: SandboxControl) -> None:
    control.add_member("groupe@exemple.test", groups=["Clients"])
    control.add_member("orphelin@exemple.test")
    assert api.emails("/members") == ["groupe@exemple.test"]
    assert api.emails("/members", status="orphans") == ["orphelin@exemple.test"]
    assert len(api.emails("/members", status="all")) == 2


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("email_desc", "cba"),
        ("language_asc", "bac"),
        ("fullname_asc", "cab"),
        ("date_desc", "cba"),
        ("consent_type_desc", "cab"),
        ("consent_date_asc", "bca"),
        ("updated_desc", "bac"),
    ],
)
def test_members_come_in_the_order_asked_for(api: Api, control: SandboxControl, sort: str, expected: str) -> None:
    people = {
        "a": ("fr_ca", "Béa", 3, "active-clients"),
        "b": ("en_ca", "Luc", 1, "employees"),
        "c": ("fr_ca", "Anne", 2, "express-consent"),
    }
    for index, (name, (language, first, day, relation)) in enumerate(people.items()):
        control.set_clock(NOON.replace(day=1 + index))
        texts = {"language": language, "firstname": first}
        control.add_member(f"{name}@exemple.test", texts=texts, relation=relation, consent_date=date(2026, 1, day))
    control.set_clock(NOON.replace(day=20))
    control.add_member("b@exemple.test", texts={"company": "Quai"})
    assert "".join(email[0] for email in api.emails("/members", status="all", sort=sort)) == expected


def test_day_filters_are_whole_eastern_days(api: Api, control: SandboxControl) -> None:
    for day, hour in ((4, 4), (4, 5), (5, 4)):  # 23:00 on the 3rd, 00:00 and 23:00 on the 4th, in Montréal
        control.set_clock(NOON.replace(day=day, hour=hour, minute=0))
        control.add_member(f"d{day}h{hour}@exemple.test")
    both = {"joinedOnFrom": "2026-03-04", "joinedOnTo": "2026-03-04", "status": "all"}
    assert api.emails("/members", **both) == ["d4h5@exemple.test", "d5h4@exemple.test"]
    assert api.emails("/members", status="all", updatedOnFrom="2026-01-01") == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", "2026-03-10 12:05:09.120"),
        ("?dateReturnFormat=ATOM", "2026-03-10T12:05:09-04:00"),
        ("?dateReturnFormat=ISO8601", "2026-03-10T12:05:09-0400"),
    ],
)
def test_dates_are_eastern_and_carry_an_offset_when_asked(
    api: Api, control: SandboxControl, query: str, expected: str
) -> None:
    control.add_member("a@exemple.test")
    assert api.get(f"/members/a@exemple.test{query}").json()["joinedOn"] == expected


@pytest.mark.parametrize("email", ODD_ADDRESSES)
def test_any_address_can_be_a_percent_encoded_key(api: Api, control: SandboxControl, email: str) -> None:
    control.add_member(email, groups=["Clients"])
    path = f"/members/{quote(email, safe='')}"
    found = api.get(path).json()
    assert found["email"] == email
    assert api.get(f"/members/{found['id']}").json() == found
    assert api.get(f"{path}/consent").status_code == 200
    assert [group["title"] for group in api.get(f"{path}/groups").json()["groups"]] == ["Clients"]
    assert api.post(f"/members/unsubscribed/{quote(email, safe='')}").json()["isNewUnsubscription"] is True
    assert api.get(f"/members/unsubscribed/{quote(email, safe='')}").json()["email"] == email
    assert control.touched_addresses() == {email}


def test_post_creates_a_member_once(api: Api) -> None:
    group = api.group("Clients")
    body = {
        "email": "zoe@exemple.test",
        "firstname": "Zoé",
        "groups": str(group),
        "customFields": {api.field("tickets"): 3},
    }
    made = api.post("/members", json=body)
    assert made.status_code == 201
    assert made.json()["customFields"] == {api.field("tickets"): 3}
    assert made.json()["consentType"] == "implied"
    assert api.post("/members", json=body).status_code == 422
    assert api.emails(f"/groups/{group}/members") == ["zoe@exemple.test"]


@pytest.mark.parametrize(
    ("content", "type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 422),
        (b'{"email": "a@exemple.test"}', "text/plain", 422),
        (b'{"email": "pas une adresse"}', "application/json", 422),
        (b'{"email": "a@exemple.test", "birthdate": "2026-02-30"}', "application/json", 422),
        (b'{"email": "a@exemple.test", "customFields": {"Ville": "x"}}', "application/json", 422),
        (b'{"email": "a@exemple.test", "customFields": {"999": "x"}}', "application/json", 422),
        (b'{"email": "a@exemple.test", "groups": "999"}', "application/json", 422),
        (b'{"email": "a@exemple.test", "groups": [1]}', "application/json", 422),
    ],
)
def test_a_body_that_does_not_fit_is_refused_whole(
    api: Api, control: SandboxControl, content: bytes, type: str, status: int
) -> None:
    assert api.post("/members", content=content, headers={"Content-Type": type}).status_code == status
    assert control.state().members == {}


def test_patch_changes_what_it_names_and_put_resets_the_rest(api: Api, control: SandboxControl) -> None:
    control.add_member(
        "a@exemple.test", texts={"firstname": "Anne", "company": "Quai"}, fields={FIELDS[9].name: "Laval"}
    )
    patched = api.patch(
        "/members/a@exemple.test", json={"firstname": "Ann", "customFields": {api.field("phone"): "514"}}
    ).json()
    assert (patched["firstname"], patched["company"]) == ("Ann", "Quai")
    assert patched["customFields"] == {api.field("city"): "Laval", api.field("phone"): "514"}
    assert patched["updatedOn"] == "2026-03-10 12:05:09.120"
    assert api.patch("/members/a@exemple.test", json={"company": "", "birthdate": "1990-02-01"}).json()["company"] == ""
    assert api.patch("/members/a@exemple.test", json={}).status_code == 422
    put = api.put("/members/a@exemple.test", json={"email": "a@exemple.test", "lastname": "Roy"}).json()
    assert (put["firstname"], put["lastname"], put["birthdate"], put["customFields"]) == ("", "Roy", None, {})


def test_patch_can_change_the_address_but_not_to_somebody_elses(api: Api, control: SandboxControl) -> None:
    control.add_member("a@exemple.test")
    control.add_member("b@exemple.test")
    assert api.patch("/members/a@exemple.test", json={"email": "b@exemple.test"}).status_code == 422
    assert api.patch("/members/a@exemple.test", json={"email": "c@exemple.test"}).status_code == 200
    assert set(control.state().members) == {"b@exemple.test", "c@exemple.test"}


def test_delete_forgets_a_member_and_the_better_consent(api: Api, control: SandboxControl) -> None:
    control.add_member("a@exemple.test", relation="express-consent", consent_date=date(2020, 1, 1))
    assert api.delete("/members/a@exemple.test").json() == {"a@exemple.test": "deleted"}
    assert api.delete("/members/a@exemple.test").status_code == 404
    api.batch({"email": "a@exemple.test"})
    assert api.get("/members/a@exemple.test/consent").json()["consentType"] == "implied"


def test_the_unsubscribed_leave_members_and_groups_and_have_no_id(api: Api, control: SandboxControl) -> None:
    group = api.group("Clients")
    api.batch({"email": "a@exemple.test"}, groups=(group,))
    first = api.post("/members/unsubscribed/a@exemple.test")
    assert (first.status_code, first.json()["isNewUnsubscription"]) == (200, True)
    assert api.post("/members/unsubscribed/a@exemple.test").json()["isNewUnsubscription"] is False
    assert api.post("/members/unsubscribed/inconnu@exemple.test").status_code == 404
    assert "id" not in first.json()
    assert api.emails("/members", status="all") == api.emails(f"/groups/{group}/members") == []
    assert api.get(f"/groups/{group}").json()["membersCount"] == 0
    for path in ("", "/consent", "/groups"):
        assert api.get(f"/members/a@exemple.test{path}").status_code == 404
    member = api.get("/members/unsubscribed").json()["members"][0]
    assert member["unsubscribedOn"] == "2026-03-10 12:05:09.120"
    assert api.get("/members/unsubscribed/a@exemple.test").json() == member
    assert api.get(f"/members/unsubscribed/{control.state().members['a@exemple.test'].id}").status_code == 404


@pytest.mark.parametrize("list_name", ["unsubscribed", "bounced"])
def test_those_who_left_can_be_filtered_and_sorted_by_the_day(
    api: Api, control: SandboxControl, list_name: str
) -> None:
    leave = control.unsubscribe if list_name == "unsubscribed" else control.bounce
    for name, day in (("a", 2), ("b", 1), ("c", 3)):
        leave(f"{name}@exemple.test", on=date(2026, 2, day))
    path = f"/members/{list_name}"
    assert [email[0] for email in api.emails(path, sort="date_desc")] == ["c", "a", "b"]
    assert [email[0] for email in api.emails(path, sort="email_asc", limit=2, page=2)] == ["c"]
    assert api.emails(path, **{f"{list_name}OnFrom": "2026-02-02", f"{list_name}OnTo": "2026-02-02"}) == [
        "a@exemple.test"
    ]
    assert "id" not in api.get(path).json()["members"][0]


def test_groups_can_be_made_read_renamed_and_deleted(api: Api, control: SandboxControl) -> None:
    group = api.group("Clients Tuxedo")
    assert api.get(f"/groups/{group}").json() == {
        "id": group,
        "title": "Clients Tuxedo",
        "isPublic": False,
        "isDynamic": False,
        "membersCount": 0,
        "mailingsCount": 0,
        "createdOn": "2026-03-10 12:05:09.120",
    }
    assert api.patch(f"/groups/{group}", json={"title": "Abonnés"}).json()["isPublic"] is False
    assert api.put(f"/groups/{group}", json={"title": "Abonnés"}).json()["isPublic"] is True
    assert api.post("/groups", json={"title": ""}).status_code == 422
    assert api.post("/groups", json={"title": " "}).status_code == 422
    assert api.delete(f"/groups/{group}").json() == {str(group): "deleted"}
    for method in ("GET", "DELETE"):
        assert api.request(method, f"/groups/{group}").status_code == 404
    assert api.get("/groups/abc").status_code == 404
    assert control.state().titles() == []


def test_groups_are_listed_in_pages_and_in_order(api: Api, control: SandboxControl) -> None:
    for title in ("Cendrillon", "Amélie", "Bal"):
        api.group(title)
    control.add_member("a@exemple.test", groups=["Bal"])
    page = api.get("/groups?sort=group_asc&limit=2").json()
    assert ([group["title"] for group in page["groups"]], page["totalCount"]) == (["Amélie", "Bal"], 3)
    assert api.get("/groups?sort=nbmember_desc").json()["groups"][0]["title"] == "Bal"
    assert api.get("/groups").json()["groups"][0]["title"] == "Cendrillon"


def test_members_join_and_leave_groups_one_by_one(api: Api, control: SandboxControl) -> None:
    one, two, three = api.group("Un"), api.group("Deux"), api.group("Trois")
    control.add_member("a@exemple.test")
    path = "/members/a@exemple.test/groups"
    assert len(api.post(path, json={"groups": f"{one},{two}"}).json()["groups"]) == 2
    assert len(api.post(path, json={"groups": f"{one}"}).json()["groups"]) == 2
    assert [group["id"] for group in api.put(path, json={"groups": f"{two},{three}"}).json()["groups"]] == [two, three]
    listed = api.get(f"{path}?sort=title_desc&limit=1").json()
    assert (listed["groups"][0]["title"], listed["totalCount"]) == ("Trois", 2)
    assert "membersCount" not in listed["groups"][0]
    assert api.delete(f"{path}/{two}").json() == {str(two): "deleted"}
    assert api.delete(f"{path}/{two}").status_code == 404
    assert api.delete(f"{path}/999").status_code == 404
    assert api.post(path, json={"groups": "999"}).status_code == 422
    assert api.post(path, json={"groups": [one]}).status_code == 422
    assert api.delete(f"/groups/{three}/members").json() == {"members": []}
    assert api.emails("/members", status="orphans") == ["a@exemple.test"]


def test_a_dynamic_group_cannot_be_touched(api: Api, control: SandboxControl) -> None:
    group = api.group("Actifs")
    control.add_member("a@exemple.test", groups=["Actifs"])
    control.make_dynamic("Actifs")
    assert api.get(f"/groups/{group}").json()["isDynamic"] is True
    path = "/members/a@exemple.test/groups"
    for method, target, body in (
        ("PUT", f"/groups/{group}", {"title": "x"}),
        ("PATCH", f"/groups/{group}", {"title": "x"}),
        ("DELETE", f"/groups/{group}/members", None),
        ("POST", path, {"groups": f"{group}"}),
        ("DELETE", f"{path}/{group}", None),
    ):
        assert api.request(method, target, json=body).status_code == 422, target
    assert control.state().members["a@exemple.test"].groups == ("Actifs",)


def test_a_consent_lasts_24_months_with_the_end_of_the_month_clamped(api: Api, control: SandboxControl) -> None:
    control.add_member("a@exemple.test")
    path = "/members/a@exemple.test/consent"
    put = api.put(
        path, json={"relationType": "active-clients", "consentDate": "2024-02-29", "consentProof": "Achat T-9"}
    ).json()
    assert put == api.get(path).json()
    assert put == {
        "consentType": "implied",
        "relationType": "active-clients",
        "consentDate": "2024-02-29 00:00:00.000",
        "consentExpiration": "2026-02-28 00:00:00.000",
        "consentProof": "Achat T-9",
    }
    assert api.put(path, json={"relationType": "clients"}).status_code == 422
    assert api.put(path, json={"relationType": "active-clients", "consentProof": "x" * 256}).status_code == 422


def test_a_better_or_longer_consent_may_not_be_overridden(api: Api, control: SandboxControl) -> None:
    control.add_member("a@exemple.test", relation="active-clients", consent_date=date(2026, 1, 10))
    path = "/members/a@exemple.test/consent"

    def put(relation: str, day: str | None) -> int:
        return api.put(path, json={"relationType": relation, "consentDate": day}).status_code

    assert put("active-clients", "2026-01-09") == 422
    assert put("active-clients", "2026-01-10") == 200
    assert put("active-clients", "2026-02-01") == 200
    assert put("express-consent", "2020-01-01") == 200
    assert put("active-clients", "2026-03-01") == 422
    assert api.get(path).json()["consentExpiration"] is None


def test_a_batch_inserts_and_updates(api: Api, control: SandboxControl) -> None:
    one, two = api.group("Un"), api.group("Deux")
    tickets, city, amount = api.field("tickets"), api.field("city"), api.field("net_amount")
    row = {"email": "a@exemple.test", "firstname": "Anne", "customFields": {tickets: 2, city: "Laval", amount: 160.5}}
    done = api.batch(row, {"email": "b@exemple.test"}, groups=(one,))
    assert (done["status"], done["result"]) == (
        "COMPLETED",
        {"errors": [], "successes": ["a@exemple.test", "b@exemple.test"]},
    )
    api.batch(
        {"email": "A@exemple.test", "firstname": "", "customFields": {tickets: 4, city: ""}, "groups": "9"},
        groups=(two,),
    )
    member = control.state().members["a@exemple.test"]
    assert member.texts == {"firstname": "Anne"}
    assert member.fields == {FIELDS[12].name: 4, FIELDS[9].name: "Laval", FIELDS[15].name: 160.5}
    assert member.groups == ("Deux", "Un")
    assert control.state().members["b@exemple.test"].groups == ("Un",)
    assert control.batch_addresses() == ["a@exemple.test", "b@exemple.test", "a@exemple.test"]


def test_the_empty_marker_clears_texts_numbers_and_dates(api: Api, control: SandboxControl) -> None:
    fields: dict[str, str | int | float] = {FIELDS[4].name: "Le Cid", FIELDS[5].name: "2026-05-01", FIELDS[12].name: 2}
    control.add_member("a@exemple.test", texts={"company": "Quai", "birthdate": "1990-01-01"}, fields=fields)
    marks = dict.fromkeys((api.field("show_title"), api.field("performance_date"), api.field("tickets")), "__EMPTY__")
    api.batch({"email": "a@exemple.test", "company": "__EMPTY__", "birthdate": "__EMPTY__", "customFields": marks})
    member = control.state().members["a@exemple.test"]
    assert (member.texts, member.fields) == ({}, {})


def test_a_row_has_its_own_date_and_proof_or_the_batches(api: Api, control: SandboxControl) -> None:
    api.batch(
        {"email": "a@exemple.test", "consentDate": "2026-02-20", "consentProof": "Cid"}, {"email": "b@exemple.test"}
    )
    members = control.state().members
    own, default = members["a@exemple.test"].consent, members["b@exemple.test"].consent
    assert (own.date, own.proof, own.expires) == (date(2026, 2, 20), "Cid", date(2028, 2, 20))
    assert (default.date, default.proof, default.relation) == (date(2026, 2, 1), "Achat T-1", "active-clients")


def test_a_batch_keeps_the_better_consent_and_says_nothing(api: Api, control: SandboxControl) -> None:
    control.add_member(
        "a@exemple.test", relation="express-consent", consent_date=date(2020, 5, 1), consent_proof="Formulaire"
    )
    done = api.batch({"email": "a@exemple.test", "firstname": "Anne"})
    member = control.state().members["a@exemple.test"]
    assert done["result"] == {"errors": [], "successes": ["a@exemple.test"]}
    assert (member.texts["firstname"], member.consent.relation, member.consent.proof) == (
        "Anne",
        "express-consent",
        "Formulaire",
    )


def test_bad_rows_fail_and_good_rows_pass(api: Api, control: SandboxControl) -> None:
    tickets = api.field("tickets")
    bad: list[dict[str, object]] = [
        {"email": "pas-une-adresse"},
        {"email": "b@exemple.test", "customFields": {tickets: "deux"}},
        {"email": "c@exemple.test", "customFields": {api.field("performance_date"): "2026-02-30"}},
        {"email": "d@exemple.test", "customFields": {api.field("city"): "x" * 256}},
        {"email": "e@exemple.test", "customFields": {"999": "x"}},
        {"email": "f@exemple.test", "language": "xx"},
        {"email": "g@exemple.test", "consentDate": "hier"},
        {"email": "h@exemple.test", "consentProof": "x" * 256},
        {"email": "i@exemple.test", "country": "Canada"},
    ]
    done = api.batch({"email": "a@exemple.test"}, *bad)
    result = done["result"]
    assert isinstance(result, dict)
    assert result["successes"] == ["a@exemple.test"]
    assert [error["id"] for error in result["errors"]] == [row["email"] for row in bad]
    assert all(error["description"] for error in result["errors"])
    assert list(control.state().members) == ["a@exemple.test"]


@pytest.mark.parametrize(
    "change",
    [
        {"relationType": None},
        {"relationType": "clients"},
        {"members": [{"firstname": "Anne"}]},
        {"members": [{"email": "a@exemple.test", "company": None}]},
        {"members": [{"email": "a@exemple.test", "customFields": {"21": None}}]},
        {"members": [{"email": "a@exemple.test", "customFields": {"Ville": "x"}}]},
        {"groups": ["1"]},
        {"groups": "1"},
        {"groups": [999]},
        {"defaultConsentProof": "x" * 256},
        {"batchType": "removeMembers"},
    ],
)
def test_a_batch_that_does_not_fit_is_refused_whole(
    api: Api, control: SandboxControl, change: dict[str, object]
) -> None:
    body: dict[str, object] = {
        "batchType": "addMembers",
        "relationType": "active-clients",
        "members": [{"email": "z@exemple.test"}],
    }
    body = {key: value for key, value in {**body, **change}.items() if value is not None}
    assert api.post("/batches", json=body).status_code == 422
    assert control.raw_state()["batches"] == {}


def test_batches_unsubscribe_and_delete_by_id_or_address(api: Api, control: SandboxControl) -> None:
    control.add_member("a@exemple.test")
    control.add_member("b@exemple.test")
    number = control.state().members["a@exemple.test"].id
    sent = api.post(
        "/batches", json={"batchType": "unsubscribe", "ids": [number, "x@exemple.test", "b@exemple.test"]}
    ).json()
    result = api.get(f"/batches/{sent['id']}").json()["result"]
    assert (result["successes"], result["errors"][0]["id"]) == ([number, "b@exemple.test"], "x@exemple.test")
    assert api.emails("/members/unsubscribed") == ["a@exemple.test", "b@exemple.test"]
    api.post("/batches", json={"batchType": "deleteMembers", "ids": [str(number)]})
    assert list(control.state().members) == ["b@exemple.test"]
    assert api.get("/batches/99").status_code == 404


def test_error_details_come_only_when_asked(api: Api) -> None:
    done = api.batch({"email": "pas-une-adresse"})
    assert api.get(f"/batches/{done['id']}").json()["result"] == {"errors": [], "successes": []}


def test_a_batch_is_seen_by_whoever_reads_after_its_time_even_unpolled(api: Api) -> None:
    body = {"batchType": "addMembers", "relationType": "active-clients", "members": [{"email": "a@exemple.test"}]}
    assert api.post("/batches", json=body).status_code == 201
    assert api.emails("/members", status="all") == ["a@exemple.test"]


def test_an_own_answer_that_does_not_fit_the_document_is_a_500(tmp_path: Path) -> None:
    with (
        PlatformServer(tmp_path / "p.db") as server,
        Api(server.url, server.token) as api,
        SandboxControl(server.url) as control,
    ):
        control.add_member("a@exemple.test")
        with closing(sqlite3.connect(tmp_path / "p.db")) as file, file:
            file.execute("""UPDATE members SET fields = '{"21": true}'""")
        for path in ("/members/a@exemple.test", "/members?status=all"):
            answer = api.get(path)
            assert (answer.status_code, "customFields" in answer.json()["message"]) == (500, True)
            assert "a@exemple.test" not in answer.text


def test_what_a_sync_does_not_need_is_not_there(api: Api) -> None:
    assert api.get("/templates").status_code == 501
    assert api.post("/members/optins", json={"email": "a@exemple.test"}).status_code == 501


def test_the_state_outlives_a_restart_and_so_do_waiting_batches(tmp_path: Path) -> None:
    body = {"batchType": "addMembers", "relationType": "active-clients", "members": [{"email": "a@exemple.test"}]}
    with PlatformServer(tmp_path / "p.db", batch_seconds=3600) as first, Api(first.url, first.token) as api:
        batch = api.post("/batches", json=body).json()["id"]
        group = api.group("Clients")
        assert api.get(f"/batches/{batch}").json()["status"] == "NEW"
        assert api.emails("/members", status="all") == []
    with PlatformServer(tmp_path / "p.db") as second, Api(second.url, second.token) as api:
        assert api.get(f"/batches/{batch}").json()["status"] == "COMPLETED"
        assert api.emails("/members", status="all") == ["a@exemple.test"]
        assert api.group("Clients") == group + 1


def test_a_server_leaves_no_thread_and_frees_its_port(tmp_path: Path) -> None:
    with PlatformServer(tmp_path / "p.db") as first, Api(first.url, first.token) as api:
        assert api.get("/ping").status_code == 200
        port = int(first.url.rpartition(":")[2])
    assert first.url not in {thread.name for thread in threading.enumerate()}
    with PlatformServer(tmp_path / "p.db", port) as second, Api(second.url, second.token) as api:
        assert api.get("/ping").status_code == 200


def test_it_can_share_an_event_loop(tmp_path: Path) -> None:
    async def story() -> int:
        async with (
            serving(tmp_path / "p.db", token="autre") as url,
            httpx.AsyncClient(base_url=url, trust_env=False) as client,
        ):
            return (await client.get("/ping", headers={"Authorization": "Bearer autre"})).status_code

    assert asyncio.run(story()) == 200


def test_the_log_tells_every_api_request_and_no_other(api: Api, control: SandboxControl) -> None:
    api.get("/members?limit=5")
    api.post("/groups", json={"title": "Clients", "isPublic": False})
    api.post("/groups", json={})
    log = control.log()
    assert [(entry.method, entry.path, entry.query, entry.status) for entry in log] == [
        ("GET", "/members", "limit=5", 200),
        ("POST", "/groups", "", 201),
        ("POST", "/groups", "", 422),
    ]
    assert all(entry.body is None for entry in log)
    assert control.writes() == 1
    control.reset_log()
    assert (control.log(), control.writes()) == ([], 0)


def test_the_log_tells_whom_a_request_meant_even_if_it_was_refused_or_lost(api: Api, control: SandboxControl) -> None:
    control.add_member("e@exemple.test")
    control.add_fault(Fault("drop_before", path="/batches"))
    with pytest.raises(httpx.RemoteProtocolError):
        api.batch({"email": "A@exemple.test"})
    api.post("/batches", json={"batchType": "addMembers", "members": [{"email": "b@exemple.test"}, {}]})
    api.post("/batches", json={"batchType": "unsubscribe", "ids": ["c@exemple.test", 12]})
    api.post("/batches", content=b"{")
    api.post("/members", json={"email": "d@exemple.test", "language": "xx"})
    api.patch("/members/e@exemple.test", json={})
    api.get("/members/f@exemple.test")
    assert control.batch_addresses() == ["a@exemple.test", "b@exemple.test", ""]
    assert control.touched_addresses() - {""} == {*(f"{name}@exemple.test" for name in "abcde"), "12"}


def test_a_taken_port_and_a_bad_file_are_told(tmp_path: Path, server: PlatformServer) -> None:
    port = int(server.url.rpartition(":")[2])
    with pytest.raises(UsageError, match=str(port)), PlatformServer(tmp_path / "p.db", port):
        pass
    (tmp_path / "p.db").write_text("Ce n'est pas une base de données. " * 100)
    with pytest.raises(StateError, match="p.db"), PlatformServer(tmp_path / "p.db"):
        pass


def test_the_bench_refuses_what_it_does_not_know(control: SandboxControl) -> None:
    with pytest.raises(ValueError, match="unknown field"):
        control.add_member("a@exemple.test", fields={"Inconnu": "x"})
    with pytest.raises(ValueError, match="unknown switch"):
        control.set_switches(numbres="strings")
    with pytest.raises(ValueError, match="numbers"):
        control.set_switches(numbers="words")
    assert control.state().members == {}


def test_staff_can_change_fields_groups_and_people(api: Api, control: SandboxControl) -> None:
    control.add_member("a@exemple.test", groups=["Clients", "Autre"])
    control.rename_group("Autre", "VIP")
    control.delete_group("Clients")
    control.drop_custom_field(FIELDS[0].name)
    control.retype_custom_field(FIELDS[12].name, "text")
    state = control.state()
    assert state.members["a@exemple.test"].groups == ("VIP",)
    assert len(api.get("/customfields").json()["customFields"]) == 16
    assert next(item.type for item in state.custom_fields if item.name == FIELDS[12].name) == "text"
    control.delete_member("a@exemple.test")
    control.wipe()
    assert (control.state().members, control.state().groups, len(control.state().custom_fields)) == ({}, (), 17)


def test_a_reset_gives_back_the_first_start(api: Api, control: SandboxControl) -> None:
    api.batch({"email": "a@exemple.test"}, groups=(api.group("Clients"),))
    control.set_switches(numbers="strings")
    control.add_fault(Fault("stall", times=0))
    control.set_clock(NOON.replace(year=2030))
    before = api.post("/groups", json={"title": "x"}).json()["createdOn"]
    control.reset()
    assert (control.state().members, control.switches(), control.faults(), control.log()) == ({}, Switches(), [], [])
    assert before[:4] == "2030"
    assert api.post("/groups", json={"title": "x"}).json()["createdOn"][:4] == "2026"
