"""The control endpoints as a Python object, for tests and the demo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date as Day
from datetime import datetime
from types import TracebackType
from typing import Self, cast

import httpx
from pydantic import TypeAdapter
from pydantic_core import to_json

from pipeline.sandbox.contract import Json
from pipeline.sandbox.journal import LoggedRequest
from pipeline.sandbox.members import CustomField, Value
from pipeline.sandbox.switches import Fault, Switches, to_json_value


@dataclass(frozen=True, slots=True)
class ConsentState:
    """A stored consent; `type` is implied or express."""

    type: str
    relation: str | None
    date: Day | None
    expires: Day | None
    proof: str


@dataclass(frozen=True, slots=True)
class MemberState:
    """A stored person; `texts` by API name, `fields` by custom field name, `groups` by title, sorted."""

    id: int
    email: str
    state: str
    texts: dict[str, str]
    fields: dict[str, Value]
    groups: tuple[str, ...]
    consent: ConsentState
    joined_on: str
    updated_on: str | None
    left_on: str | None


@dataclass(frozen=True, slots=True)
class GroupState:
    """A stored group; `members` counts the subscribed ones."""

    id: int
    title: str
    dynamic: bool
    public: bool
    members: int


@dataclass(frozen=True, slots=True)
class PlatformState:
    """All that the platform stores."""

    members: dict[str, MemberState]
    groups: tuple[GroupState, ...]
    custom_fields: tuple[CustomField, ...]

    def titles(self) -> list[str]:
        """The groups' titles in the order in which they were made."""
        return [group.title for group in self.groups]

    def content(self) -> dict[str, object]:
        """What two runs that end alike have in common: everybody's values, groups by title and consent; no ids, no instants."""
        return {
            email: (member.state, member.texts, member.fields, member.groups, member.consent)
            for email, member in self.members.items()
        }


_MEMBERS = TypeAdapter(list[MemberState])
_GROUPS = TypeAdapter(tuple[GroupState, ...])
_FIELDS = TypeAdapter(tuple[CustomField, ...])
_LOG = TypeAdapter(list[LoggedRequest])
_SWITCHES = TypeAdapter(Switches)
_FAULTS = TypeAdapter(list[Fault])


class SandboxControl:
    """Drives a running stand-in behind its API.  A refused value raises ValueError with the stand-in's words."""

    def __init__(self, url: str) -> None:
        # No connection is kept: one that idles may be closed by the stand-in just when it is used again.
        fresh = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.Client(base_url=f"{url}/_sandbox/", timeout=60.0, trust_env=False, limits=fresh)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the connection."""
        self._client.close()

    # behaviour

    def switches(self) -> Switches:
        """The switches as they stand."""
        return _SWITCHES.validate_python(self._ask("GET", "switches"))

    def set_switches(self, **changes: object) -> None:
        """Change some switches; the others stay."""
        self._ask("PATCH", "switches", changes)

    def replace_switches(self, switches: Switches) -> None:
        """Set all switches."""
        self._ask("PUT", "switches", to_json_value(switches))

    def add_fault(self, *faults: Fault) -> None:
        """Lay faults in wait."""
        self._ask("POST", "faults", [to_json_value(fault) for fault in faults])

    def faults(self) -> list[Fault]:
        """The faults that may still strike."""
        return _FAULTS.validate_python(self._ask("GET", "faults"))

    def clear_faults(self) -> None:
        """Take all faults away."""
        self._ask("DELETE", "faults")

    def set_clock(self, now: datetime | None) -> None:
        """Set the platform's instant (aware); None gives its own clock back."""
        self._ask("PUT", "clock", {"now": None if now is None else now.isoformat()})

    def settle(self) -> None:
        """Apply every batch that waits."""
        self._ask("POST", "settle")

    # people, groups, fields

    def add_member(
        self,
        email: str,
        *,
        texts: Mapping[str, str] | None = None,
        fields: Mapping[str, Value] | None = None,
        groups: Iterable[str] | None = None,
        relation: str | None = None,
        consent_date: Day | None = None,
        consent_proof: str | None = None,
    ) -> None:
        """Enter a subscribed person, or change one: what is given is set (`groups`: replaced), the rest stays."""
        seed = {
            "email": email,
            "texts": dict(texts or {}),
            "fields": dict(fields or {}),
            "groups": None if groups is None else list(groups),
            "relation": relation,
            "consent_date": None if consent_date is None else consent_date.isoformat(),
            "consent_proof": consent_proof,
        }
        self._ask("POST", "members", [seed])

    def unsubscribe(self, *emails: str, on: Day | None = None) -> None:
        """These people unsubscribe (strangers are entered first); `on`: the day, default now."""
        self._leave("unsubscribed", emails, on)

    def bounce(self, *emails: str, on: Day | None = None) -> None:
        """Mail to these people bounces (strangers are entered first)."""
        self._leave("bounced", emails, on)

    def resubscribe(self, *emails: str) -> None:
        """These people come back."""
        self._leave("subscribed", emails, None)

    def delete_member(self, email: str) -> None:
        """Staff deletes a person."""
        self._ask("POST", "members/delete", email)

    def add_group(self, title: str, *, dynamic: bool = False, public: bool = False) -> None:
        """Staff makes a group, or changes the one of this title."""
        self._ask("POST", "groups", [{"title": title, "dynamic": dynamic, "public": public}])

    def make_dynamic(self, title: str) -> None:
        """The group becomes a dynamic one."""
        self._ask("POST", "groups", [{"title": title, "dynamic": True}])

    def rename_group(self, title: str, new: str) -> None:
        """Staff renames a group."""
        self._ask("POST", "groups", [{"title": title, "rename": new}])

    def delete_group(self, title: str) -> None:
        """Staff deletes the groups of this title; their members stay."""
        self._ask("POST", "groups/delete", title)

    def set_custom_fields(self, wanted: Sequence[CustomField]) -> None:
        """The account's custom fields, all of them."""
        self._ask("PUT", "customfields", [asdict(item) for item in wanted])

    def drop_custom_field(self, name: str) -> None:
        """Staff deletes a custom field."""
        self.set_custom_fields([item for item in self.state().custom_fields if item.name != name])

    def retype_custom_field(self, name: str, type: str) -> None:
        """A custom field is of another type (`text`, `date`, `integer`, `decimal number`, `decimal`)."""
        current = self.state().custom_fields
        self.set_custom_fields(
            [CustomField(item.id, item.name, type) if item.name == name else item for item in current]
        )

    # what happened

    def state(self) -> PlatformState:
        """All that is stored, once the batches that are due are applied."""
        raw = cast(Json, self._ask("GET", "state"))
        members = {member.email: member for member in _MEMBERS.validate_python(raw["members"])}
        return PlatformState(
            members, _GROUPS.validate_python(raw["groups"]), _FIELDS.validate_python(raw["customFields"])
        )

    def raw_state(self) -> Json:
        """The same as JSON."""
        return cast(Json, self._ask("GET", "state"))

    def wipe(self) -> None:
        """A new account, with its 17 custom fields."""
        self._ask("DELETE", "state")

    def reset(self) -> None:
        """As at the first start: a new account, the first switches, no fault, no log, its own clock."""
        self._ask("POST", "reset")

    def log(self) -> list[LoggedRequest]:
        """The API requests since the start or the last reset."""
        return _LOG.validate_python(self._ask("GET", "log"))

    def reset_log(self) -> None:
        """Forget the requests so far."""
        self._ask("DELETE", "log")

    def writes(self) -> int:
        """Requests since the last reset that may have changed something."""
        return cast(int, cast(Json, self._ask("GET", "writes"))["writes"])

    def batch_addresses(self) -> list[str]:
        """The addresses of every row of every addMembers batch sent since the last reset, refused and lost ones too.

        Lower-cased, repeats kept.
        """
        return [email for entry in self.log() for email in _addresses(entry.body)]

    def touched_addresses(self) -> set[str]:
        """Every address (or id) that a request since the last reset tried to write to, lower-cased."""
        touched: set[str] = set()
        for entry in self.log():
            touched.update(_addresses(entry.body))
            touched.update(_ids(entry.body))
            if entry.key and entry.method not in {"GET", "HEAD"}:
                touched.add(entry.key.strip().lower())
        return touched

    def _leave(self, state: str, emails: Sequence[str], on: Day | None) -> None:
        left = None if on is None else on.isoformat()
        self._ask("POST", "members", [{"email": email, "state": state, "left_on": left} for email in emails])

    def _ask(self, method: str, path: str, body: object = None) -> object:
        content = None if body is None else to_json(body)
        response = self._client.request(method, path, content=content)
        if response.status_code != 200:
            raise ValueError(f"the stand-in refused {method} {path} ({response.status_code}): {response.text[:500]}")
        answer: object = response.json()
        return answer


def _addresses(body: object) -> list[str]:
    members = body.get("members") if isinstance(body, dict) else None
    rows = members if isinstance(members, list) else []
    return [str(row.get("email", "")).strip().lower() for row in rows if isinstance(row, dict)]


def _ids(body: object) -> list[str]:
    ids = body.get("ids") if isinstance(body, dict) else None
    return [str(id).strip().lower() for id in ids] if isinstance(ids, list) else []
