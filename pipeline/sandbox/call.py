"""A request to the stand-in once HTTP is behind it: what an operation may know, and how it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from pipeline.sandbox.batches import Batches
from pipeline.sandbox.contract import Json
from pipeline.sandbox.members import Group, Member, State, Store
from pipeline.sandbox.switches import Fault, Switches
from pipeline.sandbox.views import View


class ApiError(Exception):
    """The operation is refused with an HTTP status and a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Call:
    """One request: already authorised, its query and body already judged by the contract.  `now`: milliseconds since 1970."""

    store: Store
    batches: Batches
    switches: Switches
    view: View
    now: int
    path: Mapping[str, str]
    query: Mapping[str, str | int]
    body: Json
    fault: Fault | None

    @property
    def listed(self) -> tuple[State, ...]:
        """The states that /members shows."""
        return ("subscribed", "bounced") if self.switches.bounced_in_members else ("subscribed",)

    def number(self, name: str) -> int:
        """A numeric id of the path; 404 when it is none."""
        text = self.path[name]
        if not (text.isascii() and text.isdigit() and len(text) < 19):
            raise ApiError(404, "Not found.")
        return int(text)

    def member(self) -> Member:
        """The member of the path; 404 for a stranger, an unsubscribed or a bounced one."""
        member = self.store.find(self.path["key"])
        if member is None or member.state not in self.listed:
            raise ApiError(404, "The member was not found.")
        return member

    def group(self, *, static: bool = False) -> Group:
        """The group of the path; 404 when unknown, 422 for a dynamic one where `static`."""
        found = self.store.groups(self.listed, only=self.number("groupId"))
        if not found:
            raise ApiError(404, "The group was not found.")
        if static and found[0].dynamic:
            raise ApiError(422, "A dynamic group cannot be changed.")
        return found[0]

    def page(self, name: str, items: list[Json], total: int) -> Json:
        """A page of a list."""
        return {
            name: items,
            "totalCount": total,
            "page": self.query.get("page", 1),
            "limit": self.limit,
            "sort": self.query.get("sort", ""),
        }

    @property
    def limit(self) -> int:
        """Items of a page."""
        return cast(int, self.query.get("limit", 20))

    @property
    def offset(self) -> int:
        """Items before the page."""
        return (cast(int, self.query.get("page", 1)) - 1) * self.limit

    def order(self) -> tuple[str, bool]:
        """What to sort by, and whether downwards."""
        name, _, direction = str(self.query.get("sort", "")).rpartition("_")
        return name, direction == "desc"
