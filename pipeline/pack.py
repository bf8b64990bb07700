"""Packing contacts into batches (pure).

The platform adds all people of a batch to all groups of the batch, so a contact may only be in batches whose groups it
joins, and must be in enough of them to join all.  `pack` stays near the least number of batches:

1. Contacts of one exact set of groups fill whole batches.
2. What is left of the small sets opens batches with room; what is left of a larger set is spread over open batches
   whose groups it joins anyway, when they cover it, and gets a batch of its own otherwise.  Two ways of treating a
   cover without room (open the missing parts, or a batch of its own) are computed, the shorter result is taken.

`least` is a lower bound of any packing: `max(ceil(N / size), sum over the shows of ceil(s / size) + ceil(g / size))`,
with `s` the contacts that join this show's group and no other show's, `g` those that join the general group alone:
nobody else's batch can serve them, for a batch must not add anybody to a group that is not theirs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from math import ceil

Keys = frozenset[str]
FEW = 10
"""Of a set of so many groups all subsets are tried."""


@dataclass(frozen=True, slots=True)
class Part:
    """So many `people`, from the place `start` on, of those who join exactly `groups`."""

    groups: Keys
    start: int
    people: int


@dataclass(frozen=True, slots=True)
class Packed:
    """One batch: `first` are in no earlier batch and carry all their fields; `again` only join more groups."""

    groups: Keys
    first: tuple[Part, ...]
    again: tuple[Part, ...]

    @property
    def people(self) -> int:
        """How many carry all their fields."""
        return sum(part.people for part in self.first)


@dataclass(slots=True)
class _Open:
    groups: Keys
    parts: list[Part] = field(default_factory=list)
    people: int = 0

    def take(self, part: Part) -> None:
        self.parts.append(part)
        self.people += part.people


def pack_sets(wanted: Mapping[Keys, int], size: int) -> list[Packed]:
    """Batches of at most `size` people that give everybody exactly their groups; everybody is in at least one.

    `wanted`: how many join each set of groups.
    """
    ways = [_spread(wanted, size, opening) for opening in (False, True)]
    return _told_apart(ways[0] if len(ways[0]) <= len(ways[1]) else ways[1])


def least(wanted: Mapping[Keys, int], size: int, general: str) -> int:
    """No packing has fewer batches than this; `general` is the key of the group that everybody joins."""
    alone: dict[Keys, int] = {}
    for groups, people in wanted.items():
        shows = groups - {general}
        if len(shows) <= 1:
            alone[shows] = alone.get(shows, 0) + people
    return max(ceil(sum(wanted.values()) / size), sum(ceil(count / size) for count in alone.values()))


def _spread(wanted: Mapping[Keys, int], size: int, opening: bool) -> list[_Open]:
    batches: list[_Open] = []
    room: dict[Keys, _Open] = {}  # there is never more than one with room of one set
    known: set[Keys] = set()

    def open_batch(groups: Keys) -> _Open:
        batches.append(_Open(groups))
        known.add(groups)
        return batches[-1]

    for groups, people in sorted(wanted.items(), key=lambda item: (len(item[0]), -item[1], sorted(item[0]))):
        whole = people - people % size
        for start in range(0, whole, size):
            open_batch(groups).take(Part(groups, start, size))
        while whole < people:
            cover = _cover(groups, room, known if opening else room)
            parts = [open_batch(groups)] if cover is None else [room.get(keys) or open_batch(keys) for keys in cover]
            part = Part(groups, whole, min(people - whole, *(size - each.people for each in parts), size))
            for each in parts:
                each.take(part)
                room[each.groups] = each
                if each.people == size:
                    del room[each.groups]
            whole += part.people
    return batches


def _cover(groups: Keys, room: Mapping[Keys, _Open], known: Collection[Keys]) -> list[Keys] | None:
    """Sets of groups that are part of `groups` and together all of them; None when there is no choice."""
    missing, chosen = set(groups), []
    candidates = sorted(_within(groups, known), key=lambda keys: (-len(keys), keys not in room, sorted(keys)))
    while missing:
        best = max(candidates, key=lambda keys: (len(keys & missing), keys in room), default=None)
        if best is None or not best & missing:
            return None
        chosen.append(best)
        missing -= best
    return chosen or None


def _within(groups: Keys, known: Collection[Keys]) -> Iterator[Keys]:
    """The known sets that are part of `groups`, itself aside."""
    if len(groups) > FEW:
        return (keys for keys in known if keys < groups)
    smaller = (frozenset(keys) for count in range(len(groups)) for keys in combinations(groups, count))
    return (keys for keys in smaller if keys in known)


def _told_apart(batches: Iterable[_Open]) -> list[Packed]:
    seen: set[Part] = set()
    packed = []
    for batch in batches:
        packed.append(
            Packed(
                batch.groups,
                tuple(part for part in batch.parts if part not in seen),
                tuple(part for part in batch.parts if part in seen),
            )
        )
        seen.update(batch.parts)
    return packed
