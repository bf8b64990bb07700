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

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

Keys = frozenset[str]


@dataclass(frozen=True, slots=True)
class Packed:
    """One batch: `first` are in no earlier batch and carry all their fields; `again` only join more groups."""

    groups: Keys
    first: tuple[str, ...]
    again: tuple[str, ...]


@dataclass(slots=True)
class _Open:
    groups: Keys
    emails: list[str] = field(default_factory=list)


def pack(wanted: Mapping[str, Keys], size: int) -> list[Packed]:
    """Batches of at most `size` people that give every contact exactly its groups; every contact is in at least one."""
    by_set: dict[Keys, list[str]] = {}
    for email in sorted(wanted):
        by_set.setdefault(wanted[email], []).append(email)
    ways: list[list[_Open]] = [_spread(by_set, size, opening) for opening in (False, True)]
    return _told_apart(ways[0] if len(ways[0]) <= len(ways[1]) else ways[1])


def least(wanted: Mapping[str, Keys], size: int, general: str) -> int:
    """No packing has fewer batches than this; `general` is the key of the group that everybody joins."""
    alone: dict[Keys, int] = {}
    for groups in wanted.values():
        shows = groups - {general}
        if len(shows) <= 1:
            alone[shows] = alone.get(shows, 0) + 1
    return max(ceil(len(wanted) / size), sum(ceil(count / size) for count in alone.values()))


def _spread(by_set: Mapping[Keys, Sequence[str]], size: int, opening: bool) -> list[_Open]:
    batches: list[_Open] = []
    for groups, emails in sorted(by_set.items(), key=lambda item: (len(item[0]), -len(item[1]), sorted(item[0]))):
        whole = len(emails) - len(emails) % size
        batches.extend(_Open(groups, list(emails[start : start + size])) for start in range(0, whole, size))
        rest = list(emails[whole:])
        while rest:
            cover = _cover(groups, batches, size, opening)
            if cover is None:
                batches.append(_Open(groups, rest))
                break
            batches.extend(part for part in cover if not part.emails)
            room = min(size - len(part.emails) for part in cover)
            for part in cover:
                part.emails.extend(rest[:room])
            rest = rest[room:]
    return batches


def _cover(groups: Keys, batches: Iterable[_Open], size: int, opening: bool) -> list[_Open] | None:
    """Batches with room whose groups are part of `groups` and together all of them; None when there is no choice."""
    usable: dict[Keys, _Open] = {}
    known: set[Keys] = set()
    for batch in batches:
        if batch.groups < groups:
            known.add(batch.groups)
            if len(batch.emails) < size:
                usable[batch.groups] = batch
    missing, chosen = set(groups), []
    candidates = sorted(known if opening else usable, key=lambda keys: (-len(keys), keys not in usable, sorted(keys)))
    while missing:
        best = max(candidates, key=lambda keys: (len(keys & missing), keys in usable), default=None)
        if best is None or not best & missing:
            return None
        chosen.append(usable.get(best) or _Open(best))
        missing -= best
    return chosen or None


def _told_apart(batches: Iterable[_Open]) -> list[Packed]:
    seen: set[str] = set()
    packed = []
    for batch in batches:
        first = tuple(email for email in batch.emails if email not in seen)
        again = tuple(email for email in batch.emails if email in seen)
        seen.update(first)
        packed.append(Packed(batch.groups, first, again))
    return packed
