"""The platform's contract, checked here before anything leaves: its schema failures do not say where they are.

The schemas are those of `cyberimpact.openapi.json`; formats (dates, addresses) are asserted.  A complaint names the
place and the rule that it breaks, never the value.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from datetime import date, datetime
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Literal

from pipeline.errors import PlatformError
from pipeline.fields import BY_KEY, REGULAR
from pipeline.platforms import Batch, Person, Value
from pipeline.platforms.reply import JsonObject

if TYPE_CHECKING:
    import jsonschema_rs

EMPTY = "__EMPTY__"
"""The platform's marker that clears a field in a batch."""
LONGEST_PROOF = 255
MOST_COMPLAINTS = 5
Schema = Literal["BatchAddMembers", "MemberPatch", "GroupsCsv", "GroupWrite"]


def check(schema: Schema, document: JsonObject) -> None:
    """PlatformError unless `document` fits the contract's `schema`."""
    validator = _validator(schema)
    if validator.is_valid(document):
        return
    complaints = [_where(error) for error in validator.iter_errors(document)]
    raise _ours(f"the request does not fit the schema {schema}", complaints)


def check_batch(batch: Batch, batch_size: int) -> None:
    """PlatformError unless the batch can be sent: someone in it, nobody twice, every value of its field's type."""
    complaints = []
    if not batch.people:
        complaints.append("nobody is in the batch")
    if len(batch.people) > batch_size:
        complaints.append(f"more than {batch_size} people")
    seen: dict[str, int] = {}
    for number, person in enumerate(batch.people, 1):
        first = seen.setdefault(person.email.strip().lower(), number)
        if first != number:
            complaints.append(f"person {number}: email is that of person {first}")
        complaints.extend(f"person {number}: {complaint}" for complaint in _person(person))
    if complaints:
        raise _ours("the batch cannot be sent", complaints)


def _person(person: Person) -> Iterable[str]:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+", person.email.strip()):
        yield "email is no address"
    if isinstance(person.consent_date, datetime) or not isinstance(person.consent_date, date):
        yield "consent_date is not a date"
    if len(person.consent_proof) > LONGEST_PROOF:
        yield f"consent_proof is longer than {LONGEST_PROOF} characters"
    for key, value in person.values.items():
        if key not in BY_KEY and key not in REGULAR:
            yield f"{key} is no field"
        elif not _fits(BY_KEY[key].type if key in BY_KEY else "text", value):
            yield f"{key} is not of type {BY_KEY[key].type if key in BY_KEY else 'text'}"
    for key in sorted(person.clear):
        if key not in BY_KEY and key not in REGULAR:
            yield f"{key} is no field"


def _fits(kind: str, value: Value) -> bool:
    if value is None or value == "":
        return True  # nothing is sent for it
    match kind:
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "decimal":
            return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        case "date":
            return isinstance(value, str) and _is_date(value)
        case _:
            return isinstance(value, str)


def _is_date(text: str) -> bool:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


@cache
def _validator(schema: Schema) -> jsonschema_rs.Validator:
    import jsonschema_rs

    text = resources.files("pipeline.platforms").joinpath("cyberimpact.openapi.json").read_text(encoding="utf-8")
    components = json.loads(text)["components"]
    whole = {"$ref": f"#/components/schemas/{schema}", "components": components}
    return jsonschema_rs.Draft202012Validator(whole, validate_formats=True)


def _where(error: jsonschema_rs.ValidationError) -> str:
    place = ".".join(str(part) for part in error.instance_path) or "the request"
    rule = next((str(part) for part in reversed(error.schema_path) if isinstance(part, str)), "schema")
    return f"{place} breaks the rule {rule!r}"


def _ours(what: str, complaints: list[str]) -> PlatformError:
    shown = "; ".join(complaints[:MOST_COMPLAINTS])
    more = len(complaints) - MOST_COMPLAINTS
    return PlatformError(
        f"{what}: {shown}" + (f"; and {more} more" if more > 0 else ""),
        "nothing was sent; this is a fault of Placier: please report it with this message",
    )
