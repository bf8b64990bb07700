"""What a mailing platform is to Placier: the values that cross the border, and the Protocol that each kind fulfils."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterator, Mapping, MutableSet, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.contact import Group as Group

Value = str | int | float
"""A field's value as the platform stores it: text, date as `YYYY-MM-DD`, integer, decimal."""


@dataclass(frozen=True, slots=True)
class Consent:
    """A consent as the platform holds it.  `relation` is its type, open when reading; `expires` None: never."""

    express: bool
    relation: str
    date: dt.date | None
    expires: dt.date | None
    proof: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """A subscribed member as read back.  `values` by field key (fields.py), empty ones left out."""

    id: int
    email: str
    express: bool
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Person:
    """One contact to upsert.  `values` by field key: what to set.  `clear`: the keys to empty.

    `consent_date` and `consent_proof` (at most 255 characters) go with every upsert: a batch without a date might count
    from today.  `language` is sent for new members only.
    """

    email: str
    consent_date: dt.date
    consent_proof: str
    values: Mapping[str, Value] = field(default_factory=dict)
    clear: frozenset[str] = frozenset()
    language: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """People that all join exactly `groups` (platform ids); at most the account's `batch_size` of them."""

    groups: tuple[int, ...]
    people: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the platform said of a batch.  It is a hint, not a proof: the proof is what is read back.

    `refused` maps an address to the platform's words, addresses masked; `finished` is False when the outcome is unknown
    (the batch was forgotten, or never ended within the deadline).
    """

    finished: bool
    refused: Mapping[str, str]


def unheard(number: int) -> None:
    """Tell nobody that the platform took a batch."""


class Platform(Protocol):
    """A mailing platform.  Every method may raise PlatformError, or PlatformUnavailable after bounded retries."""

    reads_back: bool
    """Whether members, groups and suppressions can be read; an import folder cannot."""
    requests: int
    """The HTTP requests sent so far, retries included."""

    def check_fields(self) -> list[str]:
        """What is missing or of the wrong type among the 17 custom fields: a sentence each, none when all is well."""

    def groups(self) -> list[Group]:
        """All groups."""

    def create_group(self, title: str) -> Group | str:
        """Create a private static group, or the platform's refusal; a lost answer is looked up before it is asked again."""

    def suppressed(self, known: Collection[str]) -> dict[str, tuple[str, dt.date | None]]:
        """Addresses that must never be written to: `unsubscribed` or `bounced`, and the platform's day of it.

        Newest first, until all that are not among `known` were seen; so the answer holds at least the new ones.
        """

    def read(self, emails: Sequence[str]) -> dict[str, Member]:
        """Those of `emails` that are subscribed members."""

    def find(self, wanted: MutableSet[str]) -> Iterator[Member]:
        """The same, one after the other: whoever is found is taken out of `wanted` (addresses in lower case)."""

    def consent(self, email: str) -> Consent | None:
        """A member's consent; None for a stranger."""

    def memberships(self, emails: Sequence[str], groups: Collection[Group]) -> set[tuple[str, int]]:
        """Which of `emails` are in which of `groups`, as (address, group id)."""

    def inside(self, wanted: Collection[str], groups: Collection[Group]) -> Iterator[tuple[str, int]]:
        """The same, one after the other, the addresses in lower case."""

    def upsert(self, batch: Batch, taken: Callable[[int], None] = unheard) -> Outcome:
        """Create or update people with their consent, and add them to the batch's groups.

        `taken` hears the number of each batch that the platform took, before its end is waited for.
        """

    def ended(self, number: int, *, patient: bool) -> bool:
        """Whether a batch of an earlier run has ended or is known no more; waits for it like for its own if `patient`."""

    def amend(self, member: Member, person: Person, groups: Sequence[int]) -> str:
        """Update a member and join groups without touching the consent; the platform's refusal, or ""."""

    def leave(self, email: str, group: int) -> str:
        """Take one member out of one group, not being in it is fine; the platform's refusal, or ""."""

    def close(self) -> None:
        """Release the connection, and finish what is written."""
