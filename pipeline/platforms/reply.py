"""What an answer of a platform says: its document, its words for a refusal, how long it wants us to wait; pure.

Nothing that a server may send is trusted: a header or a body that makes no sense says nothing.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

from pydantic_core import from_json

JsonObject = Mapping[str, object]
"""A JSON object as the platform sends it: read key by key, and never trusted to have one."""
LONGEST_RETRY_AFTER = 120.0
LONGEST_MESSAGE = 200

_ADDRESS = re.compile(r"([^\s@<>(),;:])[^\s@<>(),;:]*@([^\s@<>\"'(),;:\[\]]+)")


def mask(text: str) -> str:
    """`text` with its addresses masked (`a***@exemple.test`) and cut to 200 characters."""
    masked = _ADDRESS.sub(lambda found: f"{found[1]}***@{found[2]}", text[: 10 * LONGEST_MESSAGE])
    return masked if len(masked) <= LONGEST_MESSAGE else masked[: LONGEST_MESSAGE - 1] + "…"


def public(path: str) -> str:
    """A path without its addresses, fit for a message."""
    return "/".join("***" if "@" in unquote(part) else part for part in path.split("/"))


def document(content: bytes) -> JsonObject | None:
    """The JSON object that an answer is; None for anything else."""
    try:
        found = _parsed(content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _parsed(content: bytes) -> object:
    """The quick parser's reading; the lenient one's of what it refuses, such as halves of a pair of surrogates."""
    try:
        return from_json(content)
    except ValueError:
        return json.loads(content)


def words(found: JsonObject | None) -> str:
    """What the platform says of a refusal: its message, then the descriptions of its errors."""
    if found is None:
        return ""
    told = [found.get(key) for key in ("message", "error", "description")]
    said = [word for word in told if isinstance(word, str) and word.strip()][:1]
    errors = found.get("errors")
    for item in errors if isinstance(errors, list) else []:
        text = item.get("description") or item.get("message") if isinstance(item, dict) else item
        if isinstance(text, str) and text.strip():
            said.append(text)
    return "; ".join(" ".join(text.split()) for text in said)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: a number, or a date counted from the answer's own Date, so that no clock of ours matters."""
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            until = parsedate_to_datetime(value)
            seconds = (until - parsedate_to_datetime(headers["Date"])).total_seconds()
        except (ValueError, KeyError, TypeError, OverflowError):
            return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER) if not math.isnan(seconds) else None


def remedy(status: int) -> str:
    """What to do about a refusal."""
    if status == 413:
        return "make platform.batch_size smaller"
    if status == 404:
        return "check platform.base_url, then `placier doctor`"
    return "`placier doctor` checks the account"
