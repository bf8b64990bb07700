"""The groups that joins need and that are not there: their titles, made or adopted, and those that cannot be used (pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline import policy
from pipeline.config import Policy
from pipeline.contact import Group, KnownGroup
from pipeline.plan import GENERAL, Blocked, NewGroup
from pipeline.project import Seat


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups that Placier looks after, by key, and all those that are on the platform now."""

    known: Mapping[str, KnownGroup]
    platform: Sequence[Group]

    def living(self, key: str) -> bool:
        """Whether the group of this key is known and not deleted."""
        return key in self.known and not self.known[key].deleted


def open_groups(
    needed: Mapping[str, Seat | None], groups: Groups, rules: Policy
) -> tuple[tuple[NewGroup, ...], dict[str, Blocked]]:
    """The groups to make or to adopt for the `needed` ones, and those that cannot be used."""
    living = {key for key, group in groups.known.items() if not group.deleted}
    dynamic = {group.id for group in groups.platform if group.dynamic}
    taken = {policy.same_title(group.title): key for key, group in groups.known.items()}
    taken.setdefault(policy.same_title(rules.general_group), GENERAL)
    ours = {groups.known[key].platform_id: key for key in living}
    for group in groups.platform:  # under the names that staff gave them since, too
        if group.id in ours:
            taken.setdefault(policy.same_title(group.title), ours[group.id])
    new: list[NewGroup] = []
    blocked = {
        key: Blocked(groups.known[key].title, "the group was made dynamic", 0)
        for key in living
        if groups.known[key].platform_id in dynamic
    }
    for key, seat in sorted(needed.items(), key=_arrival):
        title = (
            policy.cut(rules.general_group, policy.TITLE_LENGTH) if seat is None else _title(key, seat, rules, taken)
        )
        taken[policy.same_title(title)] = key
        there = [group for group in groups.platform if policy.same_title(group.title) == policy.same_title(title)]
        strange = [group for group in there if group.id not in ours]
        if len(strange) > 1:
            blocked[key] = Blocked(title, "several groups of that title are on the platform", 0)
        elif strange and strange[0].dynamic:
            blocked[key] = Blocked(title, "the group of that title is dynamic", 0)
        else:
            new.append(NewGroup(key, title, strange[0].id if strange else None))
    return tuple(new), blocked


def title_to_be(key: str, seat: Seat, known: Mapping[str, KnownGroup], rules: Policy) -> str:
    """What a show's group would be called if it were made now."""
    taken = {policy.same_title(group.title): other for other, group in known.items()}
    taken.setdefault(policy.same_title(rules.general_group), GENERAL)
    return _title(key, seat, rules, taken)


def _arrival(item: tuple[str, Seat | None]) -> tuple[bool, int, str]:
    key, seat = item
    return (seat is not None, 0 if seat is None else seat.booked_at or 0, key)


def _title(key: str, seat: Seat, rules: Policy, taken: Mapping[str, str]) -> str:
    start = datetime.fromisoformat(seat.performance_start) if seat.performance_start else None
    show = seat.show_title or f"Spectacle {seat.show_id or seat.performance_id}"
    title = policy.group_title(rules.title_template, show, start, (seat.show_id, seat.performance_id))
    if taken.get(policy.same_title(title), key) == key:
        return title
    identifier = seat.performance_id if key.startswith("performance:") else seat.show_id
    mark = hashlib.sha256(key.encode()).hexdigest()[:6]
    twins = [policy.twin_title(title, name) for name in (identifier, mark) if name]
    return next((twin for twin in twins if taken.get(policy.same_title(twin), key) == key), twins[-1])
