"""Desired state - acknowledged state = the plan (pure): one change per contact, with its reasons; and the guard.

Preview, log, report and requests all come from these changes, so they cannot disagree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from datetime import date, datetime
from typing import Literal

from pipeline import policy
from pipeline.config import Policy
from pipeline.contact import Acknowledged, Group, KnownGroup, Membership
from pipeline.fields import BY_KEY, PERSONAL, REGULAR
from pipeline.project import Desired, Seat

GENERAL = "general"
Reason = Literal["cancelled", "corrected"]


@dataclass(frozen=True, slots=True)
class Leave:
    """Out of a group, and why."""

    group_key: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Change:
    """All that happens to one contact.

    `values` are what it has after (by field key), `cleared` the acknowledged fields that are emptied; `reasons` say in
    words what differs.  `created`: nothing was acknowledged before.  `upsert` is False for a change that only leaves.
    """

    email: str
    created: bool
    upsert: bool
    updated: bool
    values: Mapping[str, str | int | float]
    cleared: frozenset[str]
    consent_date: date | None
    consent_proof: str
    known_at: int
    joins: tuple[str, ...]
    leaves: tuple[Leave, ...]
    reasons: tuple[str, ...]
    shortened: int = 0


@dataclass(frozen=True, slots=True)
class NewGroup:
    """A group that a join needs: created, or adopted where the platform has it already (`adopt` is its id)."""

    group_key: str
    title: str
    adopt: int | None


@dataclass(frozen=True, slots=True)
class Blocked:
    """A group that nobody can be added to: dynamic, or two of one title; and how many wait for it."""

    title: str
    why: str
    waiting: int


@dataclass(frozen=True, slots=True)
class Counts:
    """The five counts of a plan, or of what was pushed."""

    groups_created: int = 0
    contacts_created: int = 0
    contacts_updated: int = 0
    joins: int = 0
    leaves: int = 0

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(*(one + two for one, two in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do.

    `skipped`: who is left alone, by reason; `settled`: looked at, with nothing to do; `waiting`: who stays marked
    whatever is sent; `titles`: the groups' titles by key.
    """

    as_of: date
    changes: tuple[Change, ...] = ()
    new_groups: tuple[NewGroup, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    skipped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    settled: tuple[str, ...] = ()
    waiting: frozenset[str] = frozenset()
    titles: Mapping[str, str] = field(default_factory=dict)

    def title(self, group_key: str) -> str:
        """A group's title, for people."""
        return self.titles.get(group_key, group_key)

    @property
    def counts(self) -> Counts:
        """The five counts."""
        return Counts(
            groups_created=sum(group.adopt is None for group in self.new_groups),
            contacts_created=sum(change.created for change in self.changes),
            contacts_updated=sum(change.updated for change in self.changes),
            joins=sum(len(change.joins) for change in self.changes),
            leaves=sum(len(change.leaves) for change in self.changes),
        )

    @property
    def skips(self) -> dict[str, int]:
        """How many were left alone, by reason."""
        return {reason: len(emails) for reason, emails in sorted(self.skipped.items())}

    def without(self, emails: Collection[str], reason: str) -> Plan:
        """The plan with these contacts left alone for `reason`."""
        gone = tuple(change.email for change in self.changes if change.email in emails)
        if not gone:
            return self
        changes = tuple(change for change in self.changes if change.email not in emails)
        skipped = {**self.skipped, reason: (*self.skipped.get(reason, ()), *gone)}
        return replace(self, changes=changes, skipped=skipped, new_groups=_needed(self.new_groups, changes))

    def blocking(self, keys: Mapping[str, Blocked]) -> Plan:
        """The plan without these groups; who was to join (or leave) one of them waits."""
        if not keys:
            return self
        blocked, waiting = _blocked(self.changes, keys)
        allowed = [_without(change, keys) for change in self.changes]
        kept = tuple(change for change in allowed if change.upsert or change.leaves)
        groups = tuple(group for group in self.new_groups if group.group_key not in keys)
        return replace(
            self, changes=kept, new_groups=groups, blocked=(*self.blocked, *blocked), waiting=self.waiting | waiting
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """All that planning looks at, besides the policy.

    `resend`: the contacts to send again whatever was acknowledged; `suppressed`: address -> skip reason, the inherited
    ones included; `platform`: the groups on the platform now.
    """

    as_of: date
    marked: Mapping[str, bool]
    desired: Mapping[str, Desired]
    members: Mapping[str, Acknowledged]
    memberships: Mapping[str, Mapping[str, Membership]]
    suppressed: Mapping[str, str]
    groups: Mapping[str, KnownGroup]
    platform: Sequence[Group]


def plan(facts: Facts, rules: Policy) -> Plan:
    """What leads from the acknowledged state to the desired one, for the marked contacts."""
    wanted = {email: _change(email, facts, rules) for email in sorted(facts.marked)}
    skipped: dict[str, list[str]] = {}
    changes: list[Change] = []
    settled: list[str] = []
    for email, change in wanted.items():
        left_alone, reason = _leave_alone(change, facts, rules)
        if reason:
            skipped.setdefault(reason, []).append(email)
        if left_alone is not None:
            changes.append(left_alone)
        elif not reason:
            settled.append(email)
    titled, blocked_keys = _new_groups(changes, facts, rules)
    allowed = [_without(change, blocked_keys) for change in changes]
    blocked, waiting = _blocked(changes, blocked_keys)
    kept = tuple(change for change in allowed if change.upsert or change.leaves)
    quiet = {change.email for change in allowed} - {change.email for change in kept} - waiting
    return Plan(
        as_of=facts.as_of,
        changes=kept,
        new_groups=_needed(titled, kept),
        blocked=blocked,
        skipped={reason: tuple(emails) for reason, emails in skipped.items()},
        settled=(*settled, *sorted(quiet)),
        waiting=waiting,
        titles={key: group.title for key, group in facts.groups.items()} | {new.group_key: new.title for new in titled},
    )


# One contact


def _change(email: str, facts: Facts, rules: Policy) -> Change:
    desired, known = facts.desired.get(email), facts.members.get(email)
    seats = facts.memberships.get(email, {})
    leaves = _leaves(desired, seats, facts.as_of, rules)
    if desired is None or desired.consent_date is None:
        return leaves_alone(email, leaves, desired)
    resend = facts.marked[email]
    fields = _changed_fields(desired.values, known)
    consent_date, proof = desired.consent_date, desired.consent_proof
    renewed = (
        known is None
        or known.consent_date is None
        or (consent_date, proof) != (known.consent_date, known.consent_proof)
    )
    if known is not None and known.consent_date is not None and known.consent_date > consent_date:
        consent_date, proof, renewed = known.consent_date, known.consent_proof, False
    joins = _joins(desired, seats, (facts.as_of, resend, 0 if known is None else known.known_at), rules)
    moves = known is None or bool(fields) or renewed or resend or bool(joins)
    general = seats.get(GENERAL)
    if general is None or (moves and (general.state != "in" or resend)):
        joins = (GENERAL, *joins)
    kept = {} if known is None else {key: value for key, value in known.values.items() if key in PERSONAL}
    return Change(
        email=email,
        created=known is None,
        upsert=moves or bool(joins),
        updated=known is not None and (bool(fields) or renewed or resend),
        values={**kept, **desired.values},
        cleared=frozenset() if known is None else frozenset(key for key in fields if key not in desired.values),
        consent_date=consent_date,
        consent_proof=proof,
        known_at=desired.known_at,
        joins=joins,
        leaves=leaves,
        reasons=_reasons(known is None, fields, renewed, resend),
        shortened=desired.shortened,
    )


def leaves_alone(email: str, leaves: tuple[Leave, ...], desired: Desired | None) -> Change:
    """A change that takes a contact out of groups and does nothing else."""
    known_at = 0 if desired is None else desired.known_at
    return Change(email, False, False, False, {}, frozenset(), None, "", known_at, (), leaves, ())


def _changed_fields(values: Mapping[str, str | int | float], known: Acknowledged | None) -> tuple[str, ...]:
    """Which fields differ; a person's own field that the ledger leaves empty is kept, never cleared."""
    if known is None:
        return ()
    keys = [*REGULAR, *BY_KEY]
    return tuple(k for k in keys if values.get(k) != known.values.get(k) and not (k in PERSONAL and k not in values))


def _reasons(created: bool, fields: Sequence[str], renewed: bool, resend: bool) -> tuple[str, ...]:
    if created:
        return ("new contact",)
    words = [f"{name} changed" for name in fields]
    return (*words, *(("consent renewed",) if renewed else ()), *(("sent again on request",) if resend else ()))


def seated(seat: Seat | None, membership: Membership | None, as_of: date, grace_days: int) -> bool:
    """Rules 6 and 7: whether a booking that still counts gives (or gave) the seat.

    A seat that is taken is judged by the day on which it was given: it stays when the show is past.
    """
    if seat is None or seat.reach is None:
        return False
    judged_on = as_of
    if membership is not None and membership.state == "in":
        judged_on = min(as_of, membership.given_on)
    return seat.reach >= policy.first_day_to_join(judged_on, grace_days).isoformat()


def _joins(
    desired: Desired, seats: Mapping[str, Membership], when: tuple[date, bool, int], rules: Policy
) -> tuple[str, ...]:
    as_of, resend, known_at = when
    found = []
    for key, seat in sorted(desired.seats.items()):
        membership = seats.get(key)
        if not seated(seat, membership, as_of, rules.show_grace_days):
            continue
        newer = seat.booked_at is not None and seat.booked_at > known_at
        state = None if membership is None else membership.state
        if state in (None, "out") or (state == "gone" and newer) or (state == "in" and resend):
            found.append(key)
    return tuple(found)


def _leaves(desired: Desired | None, seats: Mapping[str, Membership], as_of: date, rules: Policy) -> tuple[Leave, ...]:
    """Rules 7 and 8: out for a cancellation, or because a re-issued file took the booking back; for nothing else."""
    prefix = {"per-show": "show:", "per-performance": "performance:"}.get(rules.groups, "\0")
    found = []
    for key, membership in sorted(seats.items()):
        if membership.state != "in" or not key.startswith(prefix):
            continue
        seat = None if desired is None else desired.seats.get(key)
        if seated(seat, membership, as_of, rules.show_grace_days):
            continue
        if seat is not None and seat.cancelled_at is not None:
            found.append(Leave(key, "cancelled"))
        elif not membership.settled:
            found.append(Leave(key, "corrected"))
    return tuple(found)


def _leave_alone(change: Change, facts: Facts, rules: Policy) -> tuple[Change | None, str]:
    """Rule 8 and the end of rule 4: what remains of a change, and why something of it was left out."""
    desired = facts.desired.get(change.email)
    if not (change.upsert or change.leaves):
        uncounted = desired is not None and desired.consent_date is None and change.email not in facts.members
        return None, "cancelled" if uncounted else ""
    if change.email in facts.suppressed:
        return None, facts.suppressed[change.email]
    started = None if desired is None else desired.consent_date
    if change.upsert and started is not None and policy.consent_ended(started, rules.consent_months, facts.as_of):
        leaves = leaves_alone(change.email, change.leaves, desired) if change.leaves else None
        return leaves, "expired"
    return change, ""


# Groups


def _new_groups(
    changes: Sequence[Change], facts: Facts, rules: Policy
) -> tuple[tuple[NewGroup, ...], dict[str, Blocked]]:
    """The groups that joins need and that are not there, and those that cannot be used."""
    living = {key for key, group in facts.groups.items() if not group.deleted}
    turned = {key for key in living if facts.groups[key].platform_id in {g.id for g in facts.platform if g.dynamic}}
    needed: dict[str, Seat | None] = {}
    for change in changes:
        for key in change.joins:
            if key not in living:
                seat = None if key == GENERAL else facts.desired[change.email].seats[key]
                needed[key] = _older(needed.get(key), seat)
    taken = {policy.same_title(group.title): key for key, group in facts.groups.items()}
    taken.setdefault(policy.same_title(rules.general_group), GENERAL)
    ours = {facts.groups[key].platform_id: key for key in living}
    for group in facts.platform:  # under the names that staff gave them since, too
        if group.id in ours:
            taken.setdefault(policy.same_title(group.title), ours[group.id])
    new: list[NewGroup] = []
    blocked = {key: Blocked(facts.groups[key].title, "the group was made dynamic", 0) for key in turned}
    for key, seat in sorted(needed.items(), key=_arrival):
        title = (
            policy.cut(rules.general_group, policy.TITLE_LENGTH) if seat is None else _title(key, seat, rules, taken)
        )
        taken[policy.same_title(title)] = key
        there = [group for group in facts.platform if policy.same_title(group.title) == policy.same_title(title)]
        strange = [group for group in there if group.id not in ours]
        if len(strange) > 1:
            blocked[key] = Blocked(title, "several groups of that title are on the platform", 0)
        elif strange and strange[0].dynamic:
            blocked[key] = Blocked(title, "the group of that title is dynamic", 0)
        else:
            new.append(NewGroup(key, title, strange[0].id if strange else None))
    return tuple(new), blocked


def _older(one: Seat | None, other: Seat | None) -> Seat | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other, key=lambda seat: (seat.booked_at or 0, seat.performance_start))


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


def _needed(groups: Iterable[NewGroup], changes: Sequence[Change]) -> tuple[NewGroup, ...]:
    joined = {key for change in changes for key in change.joins}
    return tuple(group for group in groups if group.group_key in joined)


def _without(change: Change, blocked: Collection[str]) -> Change:
    """The change, leaving the blocked groups alone."""
    joins = tuple(key for key in change.joins if key not in blocked)
    leaves = tuple(leave for leave in change.leaves if leave.group_key not in blocked)
    moves = change.upsert and (change.created or change.updated or bool(joins))
    return replace(change, joins=joins, leaves=leaves, upsert=moves)


def _blocked(changes: Sequence[Change], blocked: Mapping[str, Blocked]) -> tuple[tuple[Blocked, ...], frozenset[str]]:
    counts = dict.fromkeys(blocked, 0)
    waiting = set()
    for change in changes:
        for key in (*change.joins, *(leave.group_key for leave in change.leaves)):
            if key in counts:
                counts[key] += 1
                waiting.add(change.email)
    return tuple(replace(blocked[key], waiting=count) for key, count in counts.items() if count), frozenset(waiting)
