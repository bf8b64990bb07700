"""Holding leaves that are too many (pure)."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable

from pipeline import policy
from pipeline.config import Guard

Pair = tuple[str, str]
"""An address and a group's key."""


def held_leaves(leaves: Iterable[Pair], held: Iterable[Pair], memberships: int, guard: Guard) -> frozenset[Pair]:
    """The leaves to hold: all when they are too many, else those that are held already."""
    planned = frozenset(leaves)
    if policy.too_many_leaves(len(planned), memberships, guard.max_leaves, guard.max_leave_ratio):
        return planned
    return planned & frozenset(held)


def fingerprint(leaves: Collection[Pair]) -> str:
    """What tells whether the held leaves are still the same."""
    return hashlib.sha256("\n".join(f"{email}\t{key}" for email, key in sorted(leaves)).encode()).hexdigest()
