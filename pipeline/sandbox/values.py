"""What a value must look like to be stored: addresses, standard attributes, custom fields.  ValueError says what is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from pipeline.sandbox.members import CustomField, Value
from pipeline.sandbox.switches import Switches

EMPTY = "__EMPTY__"
"""The marker that clears a field in a batch."""
_ADDRESS = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
_CHOICES = {"gender": ("m", "f", "o"), "language": ("en_ca", "fr_ca")}


def address(value: str, switches: Switches) -> str:
    """An address as it is stored."""
    trimmed = value.strip()
    if not _ADDRESS.fullmatch(trimmed) or len(trimmed) > 254:
        raise ValueError("The email address is not valid.")
    return trimmed.lower() if switches.email_case == "lowered" else trimmed


def day(value: str, what: str) -> date:
    """A `yyyy-mm-dd` text as a day."""
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError(f"{what} must be a date (yyyy-mm-dd).")


def text(name: str, value: str) -> str:
    """A standard attribute as it is stored; empty is fine."""
    if value and name in _CHOICES and value not in _CHOICES[name]:
        raise ValueError(f"{name} is not one of {', '.join(_CHOICES[name])}.")
    if value and name == "country" and not re.fullmatch(r"[A-Z]{2}", value):
        raise ValueError("country must be an ISO 3166-1 alpha-2 code.")
    if value and name == "birthdate":
        day(value, "birthdate")
    return value


def custom(given: Mapping[str, Value], known: Mapping[str, CustomField], switches: Switches) -> dict[str, Value]:
    """Custom fields by id as they are stored; `""` (clear, or keep) passes through."""
    stored: dict[str, Value] = {}
    for key, value in given.items():
        if key not in known:
            raise ValueError(f"The custom field {key} does not exist.")
        stored[key] = value if value == "" else _typed(known[key], value, switches)
    return stored


def _typed(field: CustomField, value: Value, switches: Switches) -> Value:
    if field.type == "text":
        if len(str(value)) > switches.max_text:
            raise ValueError(f"The custom field {field.id} is longer than {switches.max_text} characters.")
        return str(value)
    if field.type == "date":
        return day(str(value), f"The custom field {field.id}").isoformat()
    pattern = r"-?[0-9]+" if field.type == "integer" else r"-?[0-9]+(\.[0-9]+)?"
    if not re.fullmatch(pattern, str(value)):
        raise ValueError(
            f"The custom field {field.id} must be {'an integer' if field.type == 'integer' else 'a number'}."
        )
    return str(value) if switches.numbers == "strings" else value
