"""Cyberimpact's JSON and Placier's values, each into the other; pure.

What the documentation leaves open is read leniently: missing, "" and null are the same, numbers may come as texts,
dates with or without a time, and only what carries an id and no unsubscription is a subscribed member.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from pipeline.errors import PlatformError
from pipeline.fields import BY_KEY, FieldType
from pipeline.platforms import Batch, Consent, Group, Member, Person, Value
from pipeline.platforms.contract import EMPTY
from pipeline.platforms.reply import JsonObject, mask, public

if TYPE_CHECKING:
    from pipeline.platforms.http import Refusal

REGULAR_NAMES: Mapping[str, str] = MappingProxyType(
    {"first_name": "firstname", "last_name": "lastname", "postal_code": "postalCode", "company": "company"}
)
"""The platform's own fields: our key -> its name in JSON."""
TYPES: Mapping[str, FieldType] = MappingProxyType(
    {"text": "text", "date": "date", "integer": "integer", "decimal number": "decimal", "decimal": "decimal"}
)
"""A custom field's type as the platform writes it -> ours."""
_RUNNING_OUT = frozenset({"FAILED", "FAILURE", "ABORTED", "CANCELLED", "CANCELED", "ERROR", "ERRORED"})
_DONE = frozenset({"COMPLETED", "COMPLETE", "DONE", "FINISHED"})
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""NUL and halves of a pair: JSON can write them, databases and files refuse them."""
_TOKEN = re.compile(r"[^\s@<>\"'(),;:\[\]{}]+@[^\s@<>\"(),;:\[\]{}]+")


@dataclass(frozen=True, slots=True)
class AccountField:
    """A custom field of the platform account; `kind` None: a type that nobody documented."""

    id: str
    name: str
    kind: FieldType | None
    written: str


def rows(body: JsonObject, collection: str, path: str) -> list[JsonObject]:
    """The objects of a list answer; PlatformError unless it is one: an odd answer must not pass for an empty list.

    Every group and custom field has an id.  Somewhere among members there is an address, and among `/members` an id.
    """
    items = body.get(collection)
    if not isinstance(items, list):
        raise odd(path, f"no list of {collection}")
    found: list[JsonObject] = [item for item in items if isinstance(item, dict)]
    if len(found) < len(items):
        raise odd(path, f"{collection} that are no objects")
    if collection == "members":
        whole = any(map(address, found)) and (path != "/members" or any(_has_id(row) for row in found))
    else:
        whole = all(map(_has_id, found))
    if found and not whole:
        raise odd(path, f"{collection} that cannot be told apart")
    return found


def odd(path: str, what: str) -> PlatformError:
    """What to raise for an answer of another shape than documented."""
    return PlatformError(
        f"GET {public(path)}: the platform's answer holds {what}", "check platform.base_url, then `placier doctor`"
    )


def mark(row: JsonObject) -> tuple[str, int | None]:
    """What tells a row of a list from the others."""
    return address(row), as_int(row.get("id"))


def _has_id(row: JsonObject) -> bool:
    return as_int(row.get("id")) is not None


def total(body: JsonObject) -> int | None:
    """The number of entries on all pages together, if the answer says so."""
    return as_int(body.get("totalCount"))


def as_int(value: object) -> int | None:
    """A whole number, also one written as text or as 12.0."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float):
        return int(value) if value.is_integer() else None
    if isinstance(value, str):
        return int(value) if re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", value) else _whole(value)
    return value if isinstance(value, int) else None


def _whole(text: str) -> int | None:
    return int(text.split(".", 1)[0]) if re.fullmatch(r"\s*[+-]?[0-9]{1,18}\.0+\s*", text) else None


def as_text(value: object) -> str:
    """A text, trimmed, without what no database stores; "" for what is no text."""
    if not isinstance(value, str):
        return ""
    return value.strip() if value.isprintable() else _UNSTORABLE.sub("", value).strip()


def as_day(value: object) -> date | None:
    """The calendar day that a date or a datetime begins with, as the platform wrote it."""
    found = re.match(r"\s*([0-9]{4}-[0-9]{2}-[0-9]{2})(?![0-9])", value) if isinstance(value, str) else None
    try:
        return date.fromisoformat(found[1]) if found else None
    except ValueError:
        return None


def address(row: JsonObject) -> str:
    """A row's address, trimmed and lower-cased."""
    return as_text(row.get("email")).lower()


def native(kind: FieldType | None, value: object) -> Value | None:
    """A custom field's value in its native type; None when empty; one that does not fit stays a text."""
    if value is None or isinstance(value, bool | list | dict):
        return None
    text = as_text(str(value))
    if not text:
        return None
    if kind == "integer":
        whole = as_int(value)
        return text if whole is None else whole
    if kind == "decimal":
        number = _decimal(text)
        return text if number is None else number
    if kind == "date":
        day = as_day(text)
        return text if day is None else day.isoformat()
    return text


def _decimal(text: str) -> float | None:
    try:
        number = float(text.replace(",", "."))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def account_fields(body: JsonObject) -> list[AccountField]:
    """The custom fields of an account."""
    found = []
    for row in rows(body, "customFields", "/customfields"):
        number, name, written = as_int(row.get("id")), as_text(row.get("name")), as_text(row.get("type"))
        if number is not None and name:
            found.append(AccountField(str(number), name, TYPES.get(written.lower()), written))
    return found


def group(row: JsonObject) -> Group | None:
    """A group; None for what has no id."""
    number = as_int(row.get("id"))
    if number is None:
        return None
    return Group(number, as_text(row.get("title")), row.get("isDynamic") is True, as_int(row.get("membersCount")) or 0)


def member(row: JsonObject, custom: Mapping[str, tuple[str, FieldType]]) -> Member | None:
    """A subscribed member, `custom` being the custom fields' (key, type) by id; None for anybody else."""
    number, email = as_int(row.get("id")), address(row)
    if number is None or not email or row.get("unsubscribedOn"):
        return None
    values: dict[str, Value] = {}
    for key, name in REGULAR_NAMES.items():
        value = native("text", row.get(name))
        if value is not None:
            values[key] = value
    for identifier, raw in custom_values(row).items():
        if identifier in custom:
            key, kind = custom[identifier]
            value = native(kind, raw)
            if value is not None:
                values[key] = value
    return Member(number, email, is_express(row), values)


def custom_values(row: JsonObject) -> JsonObject:
    """A member's raw custom values by id; an empty list (PHP's empty object) is none."""
    values = row.get("customFields")
    return values if isinstance(values, dict) else {}


def is_express(row: JsonObject) -> bool:
    """Whether a member's or a consent's `consentType` is express."""
    return as_text(row.get("consentType")).lower() == "express"


def consent(body: JsonObject) -> Consent:
    """A consent, its dates as calendar days; PlatformError for an answer that tells none: it might be better than ours."""
    if not {"consentType", "relationType"} & body.keys():
        raise odd("/members/*/consent", "no consent")
    relation = as_text(body.get("relationType"))
    return Consent(
        is_express(body),
        relation,
        as_day(body.get("consentDate")),
        as_day(body.get("consentExpiration")),
        as_text(body.get("consentProof")),
    )


def batch_payload(batch: Batch, ids: Mapping[str, str]) -> JsonObject:
    """The `addMembers` body of a batch; `ids`: the custom fields' ids by key.

    Never null, no key for what is empty (the platform keeps what it has), its marker for what is to be cleared.
    """
    payload: dict[str, object] = {
        "batchType": "addMembers",
        "relationType": "active-clients",
        "members": [_batch_member(person, ids) for person in batch.people],
    }
    if batch.groups:
        payload["groups"] = sorted(set(batch.groups))
    return payload


def _batch_member(person: Person, ids: Mapping[str, str]) -> JsonObject:
    entry: dict[str, object] = {"email": person.email.strip().lower(), "consentDate": person.consent_date.isoformat()}
    if person.consent_proof:
        entry["consentProof"] = person.consent_proof
    if person.language:
        entry["language"] = person.language
    values, fields = set_and_clear(person, ids, EMPTY)
    entry.update(values)
    if fields:
        entry["customFields"] = fields
    return entry


def set_and_clear(person: Person, ids: Mapping[str, str], cleared: str) -> tuple[dict[str, Value], dict[str, Value]]:
    """What a person's fields become: the regular ones by JSON name, the custom ones by id; `cleared` empties one.

    A text that happens to be the platform's clearing marker is left out: it would clear.
    """
    wanted: dict[str, Value] = dict.fromkeys(sorted(person.clear), cleared)
    wanted |= {key: value for key, value in person.values.items() if value is not None and value not in ("", EMPTY)}
    regular = {REGULAR_NAMES[key]: value for key, value in wanted.items() if key in REGULAR_NAMES}
    custom = {_id(key, ids): value for key, value in wanted.items() if key not in REGULAR_NAMES}
    return regular, custom


def _id(key: str, ids: Mapping[str, str]) -> str:
    if key not in ids:
        name = BY_KEY[key].name if key in BY_KEY else key
        raise PlatformError(f'the platform account has no custom field for {key} ("{name}")', "type `placier doctor`")
    return ids[key]


def progress(body: JsonObject) -> Literal["running", "done", "failed"]:
    """How far a batch is; a status that nobody documented is still running."""
    status = as_text(body.get("status")).upper()
    return "done" if status in _DONE else "failed" if status in _RUNNING_OUT else "running"


def refused(body: JsonObject, batch: Batch) -> dict[str, str]:
    """Whom a batch's result refuses, and why, as far as it can be told: the shape of its errors is documented nowhere.

    An entry counts when an address of the batch stands in it; row numbers are not trusted (from 0 or from 1?), unless
    the batch is one person.
    """
    emails = {person.email.strip().lower() for person in batch.people}
    found: dict[str, str] = {}
    for item in _error_items(body):
        words = mask(_reason(item)) or "refused without a reason"
        named = [email for email in _addresses(item, emails) if email not in found]
        if not named and len(emails) == 1:
            named = [email for email in emails if email not in found]
        found.update(dict.fromkeys(named, words))
    return found


def reason(refusal: Refusal) -> str:
    """The platform's words for a refusal, or its status."""
    return refusal.words or f"refused with status {refusal.status}"


def _error_items(body: JsonObject) -> Iterator[object]:
    result = body.get("result")
    holders = [result, body] if isinstance(result, dict) else [body]
    for holder in holders:
        errors = holder.get("errors")
        if isinstance(errors, list):
            yield from errors
        elif isinstance(errors, dict):
            yield from ({"id": key, "description": value} for key, value in errors.items())


def _addresses(item: object, emails: Collection[str]) -> list[str]:
    """The batch's addresses in an entry: its own `email`, `id` or `key` first, else anywhere in its texts."""
    if isinstance(item, dict):
        for key in ("email", "id", "key"):
            own = as_text(item.get(key)).lower()
            if own in emails:
                return [own]
    text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
    for found in _TOKEN.findall(text.lower()):
        for word in (found, found.strip("'.!?")):
            if word in emails:
                return [word]
    return []


def _reason(item: object) -> str:
    if isinstance(item, str):
        return " ".join(item.split())
    if isinstance(item, dict):
        for key in ("description", "message", "error", "reason"):
            value = item.get(key)
            if isinstance(value, str) and value.strip():
                return " ".join(value.split())
            if isinstance(value, list) and value:
                return " ".join(part for part in value if isinstance(part, str))
    return ""
