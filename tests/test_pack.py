"""Packing contacts into batches: everybody gets exactly its groups, in few batches."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.pack import Keys, Packed, pack_sets
from pipeline.pack import least as least_of

Wanted = dict[str, frozenset[str]]
GENERAL = "general"


@dataclass(frozen=True)
class Filled:
    """A batch with the people in it."""

    groups: Keys
    first: tuple[str, ...]
    again: tuple[str, ...]


def sets(wanted: Mapping[str, Keys]) -> dict[Keys, list[str]]:
    """Who joins each set of groups."""
    found: dict[Keys, list[str]] = {}
    for email in sorted(wanted):
        found.setdefault(wanted[email], []).append(email)
    return found


def pack(wanted: Mapping[str, Keys], size: int) -> list[Filled]:
    """The batches of these contacts."""
    people = sets(wanted)

    def filled(batch: Packed) -> Filled:
        first, again = (
            tuple(email for part in parts for email in people[part.groups][part.start : part.start + part.people])
            for parts in (batch.first, batch.again)
        )
        assert batch.people == len(first)
        return Filled(batch.groups, first, again)

    return [filled(batch) for batch in pack_sets({keys: len(emails) for keys, emails in people.items()}, size)]


def least(wanted: Mapping[str, Keys], size: int, general: str) -> int:
    """The least number of batches that they need."""
    return least_of({keys: len(emails) for keys, emails in sets(wanted).items()}, size, general)


@st.composite
def crowds(draw: st.DrawFn) -> Wanted:
    """Contacts with any groups at all, none included."""
    keys = st.sampled_from([GENERAL, "A", "B", "C", "D"])
    chosen = draw(st.lists(st.frozensets(keys, max_size=4), max_size=40))
    return {f"p{number}": groups for number, groups in enumerate(chosen)}


def received(batches: list[Filled]) -> dict[str, set[str]]:
    """Which groups each contact ends in."""
    found: dict[str, set[str]] = {}
    for batch in batches:
        for email in (*batch.first, *batch.again):
            found.setdefault(email, set()).update(batch.groups)
    return found


@settings(max_examples=300, deadline=None)
@given(wanted=crowds(), size=st.integers(1, 9))
def test_everybody_gets_exactly_its_groups_and_no_batch_is_too_large(wanted: Wanted, size: int) -> None:
    batches = pack(wanted, size)
    assert received(batches) == {email: set(groups) for email, groups in wanted.items()}
    assert all(1 <= len(batch.first) + len(batch.again) <= size for batch in batches)


@settings(max_examples=200, deadline=None)
@given(wanted=crowds(), size=st.integers(1, 9))
def test_everybody_carries_its_fields_once_and_first(wanted: Wanted, size: int) -> None:
    seen: list[str] = []
    for batch in pack(wanted, size):
        assert set(batch.again) <= set(seen)
        assert len({*batch.first, *batch.again}) == len(batch.first) + len(batch.again)
        seen += batch.first
    assert sorted(seen) == sorted(wanted)


@settings(max_examples=300, deadline=None)
@given(wanted=crowds(), size=st.integers(1, 9))
def test_the_batches_are_never_more_than_one_way_for_each_set_nor_fewer_than_the_least(
    wanted: Wanted, size: int
) -> None:
    plain = sum(ceil(count / size) for count in Counter(wanted.values()).values())
    assert ceil(len(wanted) / size) <= len(pack(wanted, size)) <= plain


@settings(max_examples=200, deadline=None)
@given(shows=st.lists(st.frozensets(st.sampled_from("ABCD"), max_size=3), max_size=40), size=st.integers(1, 9))
def test_least_is_a_lower_bound_when_everybody_joins_the_general_group(shows: list[frozenset[str]], size: int) -> None:
    wanted = {f"p{number}": groups | {GENERAL} for number, groups in enumerate(shows)}
    assert least(wanted, size, GENERAL) <= len(pack(wanted, size))


@given(wanted=crowds(), size=st.integers(1, 9))
def test_the_same_contacts_are_packed_the_same_in_any_order(wanted: Wanted, size: int) -> None:
    assert pack(dict(reversed(wanted.items())), size) == pack(wanted, size)


def test_nobody_needs_no_batch() -> None:
    assert pack({}, 500) == []
    assert least({}, 500, GENERAL) == 0


def test_those_of_one_set_fill_batches() -> None:
    batches = pack({f"p{number}": frozenset({GENERAL, "A"}) for number in range(1001)}, 500)
    assert [len(batch.first) for batch in batches] == [500, 500, 1]


def test_a_rare_mixture_rides_with_those_who_join_its_parts() -> None:
    wanted = {f"a{n}": frozenset({GENERAL, "A"}) for n in range(10)} | {
        f"b{n}": frozenset({GENERAL, "B"}) for n in range(10)
    }
    wanted["both"] = frozenset({GENERAL, "A", "B"})
    batches = pack(wanted, 500)
    assert len(batches) == least(wanted, 500, GENERAL) == 2


def season(seed: int, people: int, shows: int) -> Mapping[str, frozenset[str]]:
    """A season's buyers: popular and rare shows, most people at one, some at several, some at none that is still to come."""
    chance = random.Random(seed)
    popularity = [1 / (rank + 1) ** 0.7 for rank in range(shows)]
    found = {}
    for number in range(people):
        count = chance.choices([0, 1, 2, 3, 5], [10, 60, 20, 8, 2])[0]
        chosen = chance.choices(range(shows), popularity, k=count)
        found[f"p{number}"] = frozenset({GENERAL, *(f"show:{each}" for each in chosen)})
    return found


@pytest.mark.parametrize("seed", range(5))
def test_ten_thousand_contacts_in_forty_groups_take_at_most_half_more_than_the_least(seed: int) -> None:
    wanted = season(seed, 10_000, 40)
    assert len(pack(wanted, 500)) <= 1.5 * least(wanted, 500, GENERAL)
