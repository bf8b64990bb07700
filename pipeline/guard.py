"""Holding leaves that are too many, and letting exactly those through once they are approved (pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import replace

from pipeline import policy
from pipeline.config import Guard
from pipeline.plan import Plan, leaves_alone


def held_leaves(
    planned: Plan, held: Collection[tuple[str, str]], memberships: int, guard: Guard
) -> frozenset[tuple[str, str]]:
    """The leaves to hold, as (address, group key): all when they are too many, else those that are held already."""
    leaves = frozenset(leaves_of(planned))
    if policy.too_many_leaves(len(leaves), memberships, guard.max_leaves, guard.max_leave_ratio):
        return leaves
    return leaves & frozenset(held)


def leaves_of(planned: Plan) -> dict[tuple[str, str], str]:
    """All leaves of the plan, as (address, group key), with their reasons."""
    return {(change.email, leave.group_key): leave.reason for change in planned.changes for leave in change.leaves}


def hold_back(planned: Plan, held: Collection[tuple[str, str]]) -> Plan:
    """The plan without the held leaves; their contacts stay marked."""
    if not held:
        return planned
    changes = []
    for change in planned.changes:
        leaves = tuple(leave for leave in change.leaves if (change.email, leave.group_key) not in held)
        if change.upsert or leaves:
            changes.append(replace(change, leaves=leaves))
    return replace(planned, changes=tuple(changes), waiting=planned.waiting | {email for email, _ in held})


def only_leaves(planned: Plan, chosen: Collection[tuple[str, str]]) -> Plan:
    """Of the plan, only these leaves: what an approval lets through."""
    changes = []
    for change in planned.changes:
        leaves = tuple(leave for leave in change.leaves if (change.email, leave.group_key) in chosen)
        if leaves:
            changes.append(replace(leaves_alone(change.email, leaves, None), known_at=change.known_at))
    waiting = {change.email for change in planned.changes if change.upsert} | planned.waiting
    return Plan(planned.as_of, tuple(changes), waiting=frozenset(waiting), titles=planned.titles)


def fingerprint(leaves: Iterable[tuple[str, str]]) -> str:
    """What tells whether the held leaves are still the same."""
    return hashlib.sha256("\n".join(f"{email}\t{key}" for email, key in sorted(leaves)).encode()).hexdigest()
