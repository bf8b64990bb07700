"""Desired state - acknowledged state = the plan (pure): one change per contact, with its reasons.

Preview, log, report and requests all come from these changes, so they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field
from datetime import date
from functools import lru_cache
from typing import Literal

from pipeline import policy
from pipeline.config import Policy
from pipeline.contact import Acknowledged, Group, KnownGroup, Membership
from pipeline.fields import BY_KEY, PERSONAL, REGULAR
from pipeline.project import Desired, Seat

GENERAL = "general"
RESEND = "sent again on request"
NEW = "new contact"
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
class Preview:
    """What a plan comes to, for people: its counts, who is left alone and why, and its first changes by address.

    `contacts`: how many changes there are; `blocked`: the groups that nobody can be added to; `titles` by group key.
    """

    counts: Counts = Counts()
    skips: Mapping[str, int] = field(default_factory=dict)
    contacts: int = 0
    changes: tuple[Change, ...] = ()
    new_groups: tuple[NewGroup, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    titles: Mapping[str, str] = field(default_factory=dict)

    def title(self, group_key: str) -> str:
        """A group's title, for people."""
        return self.titles.get(group_key, group_key)


@dataclass(frozen=True, slots=True)
class Decided:
    """What is to happen to each of some contacts, before it is known which groups cannot be used.

    `skipped`: address -> why it is left alone (one whose consent has ended may still leave groups); `settled`: looked at,
    with nothing to do; `needed`: the groups that joins need and that are not there, each with the seat that names it.
    """

    changes: tuple[Change, ...]
    skipped: Mapping[str, str]
    settled: tuple[str, ...]
    needed: Mapping[str, Seat | None]


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


def decide(facts: Facts, rules: Policy) -> Decided:
    """What leads from the acknowledged state to the desired one, for the marked contacts of the facts, by address."""
    skipped: dict[str, str] = {}
    changes: list[Change] = []
    settled: list[str] = []
    for email in sorted(facts.marked):
        left_alone, reason = _leave_alone(_change(email, facts, rules), facts, rules)
        if reason:
            skipped[email] = reason
        if left_alone is not None:
            changes.append(left_alone)
        elif not reason:
            settled.append(email)
    needed: dict[str, Seat | None] = {}
    for change in changes:
        for key in change.joins:
            if key not in facts.groups or facts.groups[key].deleted:
                need(needed, key, None if key == GENERAL else facts.desired[change.email].seats[key])
    return Decided(tuple(changes), skipped, tuple(settled), needed)


def need(needed: dict[str, Seat | None], key: str, seat: Seat | None) -> None:
    """A join needs the group: it is named after the oldest of the seats that need it."""
    needed[key] = _older(needed.get(key), seat)


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
        return (NEW,)
    words = [f"{name} changed" for name in fields]
    return (*words, *(("consent renewed",) if renewed else ()), *((RESEND,) if resend else ()))


@lru_cache(maxsize=4096)
def first_reach(on: date, grace_days: int) -> str:
    """Bookings whose last performance ended on this day or later give a seat on the day `on`."""
    return policy.first_day_to_join(on, grace_days).isoformat()


def seated(seat: Seat | None, membership: Membership | None, as_of: date, grace_days: int) -> bool:
    """Rules 6 and 7: whether a booking that still counts gives (or gave) the seat.

    A seat that is taken is judged by the day on which it was given: it stays when the show is past.
    """
    if seat is None or seat.reach is None:
        return False
    judged_on = as_of
    if membership is not None and membership.state == "in":
        judged_on = min(as_of, membership.given_on)
    return seat.reach >= first_reach(judged_on, grace_days)


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
        return None, facts.suppressed.get(change.email, "cancelled") if uncounted else ""
    if change.email in facts.suppressed:
        return None, facts.suppressed[change.email]
    started = None if desired is None else desired.consent_date
    if change.upsert and started is not None and policy.consent_ended(started, rules.consent_months, facts.as_of):
        leaves = leaves_alone(change.email, change.leaves, desired) if change.leaves else None
        return leaves, "expired"
    return change, ""


def _age(seat: Seat) -> tuple[int, str, str, str, str]:
    return seat.booked_at or 0, seat.performance_start, seat.show_title, seat.show_id, seat.performance_id


def _older(one: Seat | None, other: Seat | None) -> Seat | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other, key=_age)
