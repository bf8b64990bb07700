"""The control endpoints under /_sandbox/, outside the platform's API: what tests and the demo do behind its back.

They need no token (the server listens on this machine only) and are not in the request log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from typing import ClassVar, Literal

from pydantic import AwareDatetime, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pipeline.sandbox.consent import Consent
from pipeline.sandbox.contract import Json
from pipeline.sandbox.members import TEXTS, CustomField, Group, Member, State, Store, Value
from pipeline.sandbox.platform import Platform
from pipeline.sandbox.switches import Switches, parse_faults, parse_switches, to_json_value
from pipeline.sandbox.views import day_start, milliseconds, stamp

_FORBID = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Seed:
    """A person as staff enters one: what is given is set, what is None stays.  `fields` by name, `groups` by title."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    email: str
    texts: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str | int | float] = field(default_factory=dict)
    groups: list[str] | None = None
    relation: str | None = None
    consent_date: date | None = None
    consent_proof: str | None = None
    state: State | None = None
    left_on: date | None = None


@dataclass(frozen=True, slots=True)
class GroupSeed:
    """A group as staff makes one, or changes the one of this title."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    title: str
    dynamic: bool | None = None
    public: bool | None = None
    rename: str | None = None


@dataclass(frozen=True, slots=True)
class FieldSeed:
    """A custom field of the account."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    id: int
    name: str
    type: Literal["text", "date", "integer", "decimal number", "decimal"]


@dataclass(frozen=True, slots=True)
class Clock:
    """The platform's instant; None: its own clock."""

    __pydantic_config__: ClassVar[ConfigDict] = _FORBID

    now: AwareDatetime | None


_SEEDS = TypeAdapter(list[Seed])
_GROUPS = TypeAdapter(list[GroupSeed])
_FIELDS = TypeAdapter(list[FieldSeed])
_CLOCK = TypeAdapter(Clock)
_TEXT = TypeAdapter(str)


def control_routes(platform: Platform) -> list[Route]:
    """The routes of the bench, for one platform."""
    bench = Bench(platform)
    table: list[tuple[str, str, Callable[[object], object]]] = [
        ("GET", "switches", lambda _: to_json_value(platform.switches)),
        ("PUT", "switches", lambda body: bench.switch(body, Switches())),
        ("PATCH", "switches", lambda body: bench.switch(body, platform.switches)),
        ("GET", "faults", lambda _: to_json_value(platform.faults.waiting())),
        ("POST", "faults", bench.add_faults),
        ("DELETE", "faults", lambda _: platform.faults.clear()),
        ("POST", "members", bench.seed),
        ("POST", "members/delete", bench.delete_member),
        ("POST", "groups", bench.seed_groups),
        ("POST", "groups/delete", bench.delete_group),
        ("PUT", "customfields", bench.set_fields),
        ("PUT", "clock", bench.set_clock),
        ("POST", "settle", lambda _: bench.settle()),
        ("GET", "log", lambda _: to_json_value(list(platform.journal.entries))),
        ("DELETE", "log", lambda _: platform.journal.reset()),
        ("GET", "writes", lambda _: {"writes": platform.journal.writes(), "requests": len(platform.journal.entries)}),
        ("GET", "state", lambda _: bench.state()),
        ("DELETE", "state", lambda _: bench.wipe()),
        ("POST", "reset", lambda _: bench.reset()),
    ]
    return [Route(f"/_sandbox/{path}", _endpoint(act), methods=[method]) for method, path, act in table]


def _endpoint(act: Callable[[object], object]) -> Callable[[Request], object]:
    async def endpoint(request: Request) -> Response:
        raw = await request.body()
        try:
            content = act(from_json(raw) if raw else None)
        except ValidationError as error:
            told = [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()]
            return Response(to_json({"message": "; ".join(told)}), 422, media_type="application/json")
        except ValueError as error:
            return Response(to_json({"message": str(error)}), 422, media_type="application/json")
        return Response(to_json(content), media_type="application/json")

    return endpoint


class Bench:
    """What the control endpoints do.  ValueError says what is not accepted."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    @property
    def _store(self) -> Store:
        return self._platform.store

    @property
    def _now(self) -> int:
        return milliseconds(self._platform.now())

    def switch(self, body: object, base: Switches) -> object:
        """Change switches, `base` being those that stay."""
        self._platform.switches = parse_switches(body, base)
        return to_json_value(self._platform.switches)

    def add_faults(self, body: object) -> object:
        """Lay faults in wait."""
        for fault in parse_faults(body):
            self._platform.faults.add(fault)
        return to_json_value(self._platform.faults.waiting())

    def set_clock(self, body: object) -> object:
        """Set the platform's clock, or let it go again."""
        self._platform.frozen = _CLOCK.validate_python(body, strict=False).now
        return {"now": self._platform.now().isoformat()}

    def settle(self) -> None:
        """Apply every batch that waits."""
        with self._store.transaction():
            self._platform.batches.settle(self._platform.switches, self._now, all=True)

    def wipe(self) -> None:
        """A new account."""
        self._store.wipe()
        self._platform.batches.wiped()

    def reset(self) -> None:
        """As at the first start: a new account, the first switches, no fault, no log, its own clock."""
        self.wipe()
        self._platform.switches = self._platform.first_switches
        self._platform.faults.clear()
        self._platform.journal.reset()
        self._platform.frozen = None

    def set_fields(self, body: object) -> None:
        """Replace the account's custom fields."""
        wanted = [CustomField(item.id, item.name, item.type) for item in _FIELDS.validate_python(body)]
        with self._store.transaction():
            self._store.set_custom_fields(wanted)

    def seed(self, body: object) -> None:
        """Enter people, or change them, as staff or as themselves."""
        ids = {item.name: str(item.id) for item in self._store.custom_fields()}
        with self._store.transaction():
            for seed in _SEEDS.validate_python(body):
                unknown = sorted((set(seed.fields) - set(ids)) | (set(seed.texts) - set(TEXTS)))
                if unknown:
                    raise ValueError(f"unknown field {', '.join(unknown)}")
                member = self._store.save(self._seeded(seed, ids))
                if seed.groups is not None:
                    wanted = [self._group(title).id for title in seed.groups]
                    for group_id in set(self._store.groups_of(member.id)) - set(wanted):
                        self._store.leave(member.id, group_id)
                    self._store.join(member.id, wanted)

    def _seeded(self, seed: Seed, ids: dict[str, str]) -> Member:
        found = self._store.find(seed.email)
        member = found or Member(0, seed.email, self._now)
        values: dict[str, Value] = {**member.fields, **{ids[name]: value for name, value in seed.fields.items()}}
        consent = member.consent if seed.relation is None else Consent(seed.relation, None, "")
        state = seed.state or member.state
        left = member.left if seed.left_on is None else day_start(seed.left_on)
        return replace(
            member,
            texts={**member.texts, **seed.texts},
            fields={id: value for id, value in values.items() if value != ""},
            updated=None if found is None else self._now,
            state=state,
            left=None if state == "subscribed" else left or self._now,
            consent=Consent(
                consent.relation,
                seed.consent_date or consent.date,
                consent.proof if seed.consent_proof is None else seed.consent_proof,
            ),
        )

    def delete_member(self, body: object) -> None:
        """Delete a person."""
        member = self._store.find(_TEXT.validate_python(body))
        if member is None:
            raise ValueError("there is no such member")
        with self._store.transaction():
            self._store.delete(member.id)

    def seed_groups(self, body: object) -> None:
        """Make or change groups."""
        with self._store.transaction():
            for seed in _GROUPS.validate_python(body):
                group = self._group(seed.title)
                self._store.save_group(
                    replace(
                        group,
                        title=group.title if seed.rename is None else seed.rename,
                        dynamic=group.dynamic if seed.dynamic is None else seed.dynamic,
                        public=group.public if seed.public is None else seed.public,
                    )
                )

    def delete_group(self, body: object) -> None:
        """Delete the groups of a title."""
        title = _TEXT.validate_python(body)
        with self._store.transaction():
            for group in self._store.groups():
                if group.title == title:
                    self._store.delete_group(group.id)

    def _group(self, title: str) -> Group:
        """The first group of a title, made when missing."""
        found = next((group for group in self._store.groups() if group.title == title), None)
        return found or self._store.save_group(Group(0, title, public=False, dynamic=False, created=self._now))

    def state(self) -> Json:
        """All that is stored; custom fields by name, groups by title.  Batches that are due are applied first."""
        self._platform.settle()
        names = {str(item.id): item.name for item in self._store.custom_fields()}
        groups = self._store.groups(("subscribed",))
        titles = {group.id: group.title for group in groups}
        memberships: dict[int, list[str]] = {}
        for member_id, group_id in self._store.memberships():
            memberships.setdefault(member_id, []).append(titles[group_id])
        return {
            "members": [_shown(member, names, memberships.get(member.id, [])) for member in self._store.everybody()],
            "groups": [
                {
                    "id": group.id,
                    "title": group.title,
                    "dynamic": group.dynamic,
                    "public": group.public,
                    "members": group.members,
                }
                for group in groups
            ],
            "customFields": [to_json_value(item) for item in self._store.custom_fields()],
            "batches": dict(Counter(self._store.batch_statuses())),
        }


def _shown(member: Member, names: dict[str, str], groups: list[str]) -> Json:
    consent = member.consent
    return {
        "id": member.id,
        "email": member.email,
        "state": member.state,
        "texts": dict(member.texts),
        "fields": {names.get(id, id): value for id, value in member.fields.items()},
        "groups": sorted(groups),
        "consent": {
            "type": "express" if consent.express else "implied",
            "relation": consent.relation,
            "date": consent.date,
            "expires": consent.expires,
            "proof": consent.proof,
        },
        "joined_on": stamp(member.joined),
        "updated_on": None if member.updated is None else stamp(member.updated),
        "left_on": None if member.left is None else stamp(member.left),
    }
