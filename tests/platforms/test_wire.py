"""What is read and written of the platform's JSON, and what never leaves."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import PlatformError
from pipeline.fields import FIELDS, FieldType
from pipeline.platforms import Value, wire
from pipeline.platforms.contract import check, check_batch

from .conftest import VALUES, batch, person

IDS = {field.key: str(number) for number, field in enumerate(FIELDS, 21)}
CUSTOM = {IDS[field.key]: (field.key, field.type) for field in FIELDS}


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        ("integer", 4, 4),
        ("integer", "4", 4),
        ("integer", 4.0, 4),
        ("integer", "4.00", 4),
        ("integer", "quatre", "quatre"),
        ("integer", 4.5, "4.5"),
        ("decimal", 160, 160.0),
        ("decimal", "160.00", 160.0),
        ("decimal", "160,50", 160.5),
        ("decimal", "nan", "nan"),
        ("date", "2026-11-05", "2026-11-05"),
        ("date", "2026-11-05 00:00:00.000", "2026-11-05"),
        ("date", "2026-11-05T00:00:00-05:00", "2026-11-05"),
        ("date", "2026-13-05", "2026-13-05"),
        ("date", "5 novembre", "5 novembre"),
        ("text", " Été ", "Été"),
        ("text", 12, "12"),
        ("text", "", None),
        ("text", "  ", None),
        ("integer", None, None),
        ("integer", 0, 0),
        ("decimal", 0, 0.0),
        ("date", [], None),
        (None, 12, "12"),
    ],
)
def test_values_come_in_their_native_type(kind: FieldType | None, raw: object, value: Value | None) -> None:
    read = wire.native(kind, raw)
    assert (read, type(read)) == (value, type(value))


@given(
    kind=st.sampled_from(["text", "date", "integer", "decimal"]),
    raw=st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.dates().map(str)
    | st.lists(st.integers()),
)
def test_a_value_that_was_read_reads_the_same_again(kind: FieldType, raw: object) -> None:
    once = wire.native(kind, raw)
    assert wire.native(kind, once) == once


@pytest.mark.parametrize(
    ("written", "day"),
    [
        ("2026-01-31 00:00:00.000", date(2026, 1, 31)),
        ("2026-01-31 00:00:00", date(2026, 1, 31)),
        ("2026-01-31", date(2026, 1, 31)),
        ("2026-01-31T00:00:00-05:00", date(2026, 1, 31)),
        ("2026-01-31T00:00:00-0500", date(2026, 1, 31)),
        (None, None),
        ("", None),
        ("2026-02-31", None),
        (17, None),
    ],
)
def test_days_are_read_leniently(written: object, day: date | None) -> None:
    assert wire.consent({"consentType": "implied", "consentDate": written}).date == day


def test_only_an_express_consent_is_express() -> None:
    assert wire.consent({"consentType": "express", "relationType": "Webhook - Active client"}).express
    assert not wire.consent({"consentType": "implied", "relationType": None}).express
    assert not wire.consent({"consentType": None}).express


def test_an_answer_without_a_consent_is_not_taken_for_a_weak_one() -> None:
    with pytest.raises(PlatformError, match="no consent"):
        wire.consent({"message": "ok"})


def test_whoever_has_no_id_or_has_left_is_no_member() -> None:
    row = {"id": 7, "email": "Zoe@Exemple.test ", "customFields": []}
    there = wire.member(row, CUSTOM)
    assert there is not None
    assert (there.id, there.email, there.values) == (7, "zoe@exemple.test", {})
    assert wire.member({**row, "id": None}, CUSTOM) is None
    assert wire.member({**row, "unsubscribedOn": "2026-01-01 10:00:00.000"}, CUSTOM) is None


def test_a_batch_says_what_to_set_and_what_to_clear_and_nothing_else() -> None:
    someone = person(" Zoe@Exemple.test", clear=frozenset({"city", "tickets"}), language="fr_ca")
    payload = wire.batch_payload(batch(someone, groups=(12, 7, 12)), IDS)
    check("BatchAddMembers", payload)
    assert payload == {
        "batchType": "addMembers",
        "relationType": "active-clients",
        "groups": [7, 12],
        "members": [
            {
                "email": "zoe@exemple.test",
                "consentDate": "2026-11-01",
                "consentProof": "Les Belles-Sœurs, 2026-11-05, T-1",
                "language": "fr_ca",
                "firstname": "Zoé",
                "lastname": "L'Écuyer",
                "postalCode": "G1R 2B5",
                "customFields": {
                    IDS["city"]: "__EMPTY__",
                    IDS["show_title"]: "Les Belles-Sœurs",
                    IDS["performance_date"]: "2026-11-05",
                    IDS["tickets"]: 4,
                    IDS["net_amount"]: 160.5,
                    IDS["contact_id"]: "C-17",
                },
            }
        ],
    }


def test_an_empty_value_is_no_key() -> None:
    payload = wire.batch_payload(batch(person("a@exemple.test", values={"city": "", "tickets": 0})), IDS)
    (member,) = wire.rows(payload, "members", "/batches")
    assert member["customFields"] == {IDS["tickets"]: 0}
    assert "groups" not in payload


def test_a_name_that_is_the_clearing_marker_clears_nothing() -> None:
    payload = wire.batch_payload(batch(person("a@exemple.test", values={"first_name": "__EMPTY__"})), IDS)
    (member,) = wire.rows(payload, "members", "/batches")
    assert "firstname" not in member


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"email": ""}, "email"),
        ({"email": "__EMPTY__"}, "email"),
        ({"consent_proof": "x" * 256}, "consent_proof"),
        ({"consent_date": datetime(2026, 1, 1)}, "consent_date"),
        ({"values": {"performance_date": "5 novembre"}}, "performance_date is not of type date"),
        ({"values": {"performance_date": "2026-02-30"}}, "performance_date is not of type date"),
        ({"values": {"tickets": "4"}}, "tickets is not of type integer"),
        ({"values": {"tickets": True}}, "tickets is not of type integer"),
        ({"values": {"net_amount": float("inf")}}, "net_amount is not of type decimal"),
        ({"values": {"show_title": 17}}, "show_title is not of type text"),
        ({"values": {"surnom": "Zaza"}}, "surnom is no field"),
        ({"clear": frozenset({"surnom"})}, "surnom is no field"),
    ],
)
def test_a_fault_of_ours_is_named_by_its_key_and_never_by_its_value(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(PlatformError, match=complaint) as caught:
        check_batch(batch(person("a@exemple.test"), replace(person("b@exemple.test"), **changes)), 500)  # type: ignore[arg-type]
    assert "person 2" in str(caught.value)
    for value in ("xxx", "5 novembre", "Zaza", "inf"):
        assert value not in str(caught.value)


def test_nobody_is_in_a_batch_twice_and_nobody_is_none() -> None:
    with pytest.raises(PlatformError, match="nobody"):
        check_batch(batch(), 500)
    with pytest.raises(PlatformError, match="person 2: email is that of person 1"):
        check_batch(batch(person("a@exemple.test"), person(" A@exemple.test")), 500)
    with pytest.raises(PlatformError, match="more than 1 people"):
        check_batch(batch(person("a@exemple.test"), person("b@exemple.test")), 1)


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"members": [{"firstname": "Zoé"}]}, "members.0"),
        ({"members": [{"email": "a@exemple.test", "firstname": None}]}, "members.0.firstname"),
        ({"members": [{"email": "a@exemple.test", "customFields": {"21": None}}]}, "customFields.21"),
        ({"members": [{"email": "a@exemple.test", "customFields": {"Ville": "Lévis"}}]}, "customFields"),
        ({"members": [{"email": "a@exemple.test", "customFields": ["Lévis"]}]}, "customFields"),
        ({"groups": "12,34"}, "groups"),
        ({"groups": ["12"]}, "groups.0"),
        ({"relationType": "friends"}, "relationType"),
        ({"defaultConsentProof": "x" * 256}, "defaultConsentProof"),
        ({"defaultConsentDate": "hier"}, "defaultConsentDate"),
    ],
)
def test_the_contract_is_checked_here_and_says_where(changes: dict[str, object], place: str) -> None:
    payload = {**wire.batch_payload(batch(person("a@exemple.test")), IDS), **changes}
    with pytest.raises(PlatformError, match=place) as caught:
        check("BatchAddMembers", payload)
    assert "exemple" not in str(caught.value)
    assert "Lévis" not in str(caught.value)


def test_a_field_that_the_account_lacks_is_named() -> None:
    with pytest.raises(PlatformError, match="Ville du contact"):
        wire.batch_payload(batch(person("a@exemple.test", values={"city": "Lévis"})), {})


@pytest.mark.parametrize(
    "errors",
    [
        [{"id": "Zoe@exemple.test", "description": "Trop long."}],
        [{"email": "zoe@exemple.test", "message": "Trop long."}],
        [{"key": "zoe@exemple.test", "reason": "Trop long."}],
        [{"row": 2, "description": "Trop long. (zoe@exemple.test)."}],
        ["zoe@exemple.test: Trop long."],
        ["Ligne 2 (zoe@exemple.test) : Trop long."],
        {"zoe@exemple.test": ["Trop long."]},
        [{"member": {"email": "zoe@exemple.test"}, "description": "Trop long."}],
    ],
)
def test_who_is_refused_is_found_wherever_the_address_stands(errors: object) -> None:
    sent = batch(person("abel@exemple.test"), person("zoe@exemple.test"), person("oe@exemple.test"))
    found = wire.refused({"result": {"errors": errors}}, sent)
    assert list(found) == ["zoe@exemple.test"]
    assert "Trop long." in found["zoe@exemple.test"]
    assert "zoe@" not in found["zoe@exemple.test"]


@pytest.mark.parametrize(
    "result", [None, {}, {"errors": None}, {"errors": [{"row": 1}, 7, None, "?"]}, {"errorsCount": 1}, []]
)
def test_nobody_is_accused_without_an_address(result: object) -> None:
    assert wire.refused({"result": result}, batch(person("a@exemple.test"), person("b@exemple.test"))) == {}


def test_a_batch_of_one_needs_no_address() -> None:
    found = wire.refused({"result": {"errors": [{"row": 1, "description": "Non."}]}}, batch(person("a@exemple.test")))
    assert found == {"a@exemple.test": "Non."}


def test_ten_thousand_people_are_written_and_checked_within_a_breath() -> None:
    people = [person(f"client{number}@exemple.test", values=VALUES) for number in range(10_000)]
    started = time.perf_counter()
    for first in range(0, len(people), 500):
        part = batch(*people[first : first + 500])
        check_batch(part, 500)
        check("BatchAddMembers", wire.batch_payload(part, IDS))
    assert time.perf_counter() - started < 5.0
