"""What nobody documents about the platform, one switch each, and the faults that a network adds.

The defaults are what the evidence makes most likely, or else the strictest reading.  A client must stand every position
of every switch.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from fnmatch import fnmatchcase
from typing import ClassVar, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

Arrival = Literal["reject", "skip", "resubscribe"]
"""What a batch does with an address that left: an error row, nothing (yet a success), or back among the members."""
ResultShape = Literal["ids", "objects", "rows", "strings", "counts", "empty"]
FaultKind = Literal[
    "drop_before",
    "drop_after",
    "error_before",
    "error_after",
    "hang",
    "hang_after",
    "forget",
    "lose",
    "half",
    "refuse",
    "fail",
    "stall",
]
BATCH_KINDS: frozenset[str] = frozenset({"forget", "lose", "half", "refuse", "fail", "stall"})
"""Faults that strike a batch after it was accepted; they match `POST /batches` only."""


@dataclass(frozen=True, slots=True)
class Switches:
    """The platform's undocumented behaviour.  Where a switch has no comment, its values say it."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    unsubscribed_in_batch: Arrival = "reject"
    bounced_in_batch: Arrival = "reject"
    bounced_in_members: bool = False  # whether /members lists the bounced too, with their id
    result_shape: ResultShape = "ids"  # of addMembers; the other batches answer as documented
    never_filled: Literal["missing", "empty", "null"] = "missing"  # custom fields without a value, when read
    patch_fields: Literal["merge", "replace"] = "merge"  # what PATCH does to the custom fields it does not name
    consent_override: Literal["better", "last"] = "better"  # in batches; "last" downgrades an express consent
    older_date: Literal["kept", "applied"] = "kept"  # a date before the stored one, of the same kind of consent
    missing_date: Literal["today", "null", "reject"] = "today"  # a batch without any consent date
    numbers: Literal["given", "strings"] = "given"  # how numbers are stored
    empty_marker: Literal["clears", "text_only", "rejected"] = "clears"  # __EMPTY__ on dates and numbers
    email_case: Literal["kept", "lowered"] = "kept"  # looking up an address never minds its case
    duplicate_titles: Literal["allowed", "refused"] = "allowed"  # of groups
    dynamic_group: Literal["refused", "ignored"] = "refused"  # a dynamic group among a batch's groups
    unknown_group: Literal["refused", "ignored"] = "refused"  # an unknown group among a batch's groups
    max_text: int = 255  # a longer text in a custom field refuses the row
    max_batch: int = 0  # more members than this refuse the batch (422); 0: no maximum
    status_new: str = "NEW"
    status_processing: str = "PROCESSING"
    status_completed: str = "COMPLETED"
    status_failed: str = "FAILED"
    batch_polls: int = 0  # polls that find the batch unfinished, beside the seconds that it takes
    throttle_every: int = 0  # every nth request is answered 429; 0: never
    throttle_per_second: float = 0.0  # requests beyond this rate are answered 429; 0: no limit
    retry_after: str = ""  # the Retry-After header of a 429; "": none


DEFAULTS = Switches()


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong, for the `nth` matching request and the `times - 1` after it (0: for ever).

    `path` is a glob over the decoded path.  Kinds: the answer dropped, an error `status` (a page of HTML when `html`), or
    silence for `seconds`, before or after the request was applied; and for batches, once accepted: `forget` (applied,
    404 when polled), `lose` (the same, not applied), `half` (every second row not applied, reported as a success),
    `refuse` (the rows of `emails`), `fail` (nothing applied, a failed status), `stall` (never ends).
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    kind: FaultKind
    method: str = "*"
    path: str = "*"
    nth: int = 1
    times: int = 1
    status: int = 500
    html: bool = False
    seconds: float = 60.0
    retry_after: str = ""
    emails: tuple[str, ...] = ()

    def matches(self, method: str, path: str) -> bool:
        """Whether the request is one that this fault counts."""
        if self.kind in BATCH_KINDS and (method, path) != ("POST", "/batches"):
            return False
        return fnmatchcase(method, self.method) and fnmatchcase(path, self.path)


class FaultList:
    """The faults in wait, and how many matching requests each has seen."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Fault, int]] = []

    def add(self, fault: Fault) -> None:
        """Lay a fault in wait."""
        self._waiting.append((fault, 0))

    def clear(self) -> None:
        """Take all faults away."""
        self._waiting.clear()

    def waiting(self) -> list[Fault]:
        """The faults that may still strike."""
        return [fault for fault, _ in self._waiting]

    def strike(self, method: str, path: str) -> Fault | None:
        """The fault that strikes this request, if any; every matching one counts it."""
        struck: Fault | None = None
        remaining: list[tuple[Fault, int]] = []
        for fault, seen in self._waiting:
            if not fault.matches(method, path):
                remaining.append((fault, seen))
                continue
            count = seen + 1
            if count >= fault.nth and struck is None:
                struck = fault
            elif count >= fault.nth:
                count = seen  # another fault took this request: wait for the next one
            if not fault.times or count < fault.nth + fault.times - 1:
                remaining.append((fault, count))
        self._waiting = remaining
        return struck


_SWITCHES = TypeAdapter(Switches)
_FAULTS = TypeAdapter(list[Fault])


def parse_switches(values: object, base: Switches) -> Switches:
    """`base` with the given switches changed; ValueError says which value is not accepted."""
    if not isinstance(values, dict):
        raise ValueError("accepted: an object of switches")  # noqa: TRY004
    known = {item.name for item in fields(Switches)}
    unknown = sorted(str(key) for key in values if key not in known)
    if unknown:
        raise ValueError(f"unknown switch {', '.join(unknown)}; accepted: {', '.join(sorted(known))}")
    try:
        return _SWITCHES.validate_python({**asdict(base), **values})
    except ValidationError as error:
        raise ValueError(_sentence(error)) from error


def parse_faults(values: object) -> list[Fault]:
    """A fault, or a list of them; ValueError says what is not accepted."""
    try:
        return _FAULTS.validate_python(values if isinstance(values, list) else [values])
    except ValidationError as error:
        raise ValueError(_sentence(error)) from error


def to_json_value(value: object) -> object:
    """A dataclass as JSON values."""
    plain: object = to_jsonable_python(value)
    return plain


def _sentence(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors())
