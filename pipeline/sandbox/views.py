"""How the platform shows what it stores: dates in Eastern time, members, groups, consents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from pipeline.sandbox.contract import Json
from pipeline.sandbox.members import TEXTS, Group, Member
from pipeline.sandbox.switches import Switches

EASTERN = ZoneInfo("America/Toronto")
_TEXTS = tuple(name for name in TEXTS if name != "birthdate")


def milliseconds(instant: datetime) -> int:
    """An aware instant as milliseconds since 1970."""
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def day_start(day: date) -> int:
    """The first instant of an Eastern day, in milliseconds since 1970."""
    return milliseconds(datetime.combine(day, time(), EASTERN).astimezone(UTC))


def day_of(instant: int) -> date:
    """The Eastern day of an instant."""
    return datetime.fromtimestamp(instant / 1000, EASTERN).date()


@lru_cache(maxsize=100_000)
def stamp(instant: int, style: str = "") -> str:
    """`YYYY-MM-DD HH:MM:SS.mmm`, Eastern; with an offset when `style` is ATOM (-05:00) or ISO8601 (-0500)."""
    local = datetime.fromtimestamp(instant / 1000, EASTERN)
    if style == "ATOM":
        return local.isoformat(timespec="seconds")
    if style == "ISO8601":
        return local.strftime("%Y-%m-%dT%H:%M:%S%z")
    return f"{local:%Y-%m-%d %H:%M:%S}.{instant % 1000:03d}"


@dataclass(frozen=True, slots=True)
class View:
    """One request's way of showing: the switches, the date format asked for, and the custom fields' ids."""

    switches: Switches
    style: str
    field_ids: tuple[str, ...]

    def member(self, member: Member) -> Json:
        """A subscribed member."""
        return {"id": member.id, **self._core(member), "mailingsReceived": 0, "mailingsOpened": 0, "mailingsClicked": 0}

    def unsubscribed(self, member: Member) -> Json:
        """An unsubscribed member: no id."""
        return {**self._core(member), "unsubscribedOn": stamp(member.left or member.joined, self.style)}

    def bounced(self, member: Member) -> Json:
        """A bounced member: no id."""
        return {**self._core(member), "hardBouncedOn": self._nullable(member.left)}

    def member_group(self, group: Group) -> Json:
        """A group as seen from a member: without counts."""
        return {
            "id": group.id,
            "title": group.title,
            "isPublic": group.public,
            "createdOn": stamp(group.created, self.style),
            "isDynamic": group.dynamic,
        }

    def group(self, group: Group) -> Json:
        """A group."""
        return {**self.member_group(group), "membersCount": group.members, "mailingsCount": 0}

    def consent(self, member: Member) -> Json:
        """A member's consent; its dates are midnights."""
        consent = member.consent
        return {
            "consentType": "express" if consent.express else "implied",
            "relationType": consent.relation,
            "consentDate": None if consent.date is None else stamp(day_start(consent.date), self.style),
            "consentExpiration": None if consent.expires is None else stamp(day_start(consent.expires), self.style),
            "consentProof": consent.proof,
        }

    def _core(self, member: Member) -> Json:
        core: Json = {name: member.texts.get(name, "") for name in _TEXTS}
        core["email"] = member.email
        core["birthdate"] = member.texts.get("birthdate") or None
        core["joinedOn"] = stamp(member.joined, self.style)
        core["updatedOn"] = self._nullable(member.updated)
        core["consentType"] = "express" if member.consent.express else "implied"
        core["customFields"] = self._fields(member)
        return core

    def _fields(self, member: Member) -> Json:
        if self.switches.never_filled == "missing":
            return {id: value for id, value in member.fields.items() if id in self.field_ids}
        blank = "" if self.switches.never_filled == "empty" else None
        return {id: member.fields.get(id, blank) for id in self.field_ids}

    def _nullable(self, instant: int | None) -> str | None:
        return None if instant is None else stamp(instant, self.style)
