"""What is known of one contact and its groups outside the ledger: values that planning, pushing and the store share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

Values = Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Kept:
    """The platform's own consent, better than ours and left alone: its type, its day, its last day (None: none), its proof."""

    relation: str
    on: date | None = None
    until: date | None = None
    proof: str = ""


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What the platform has accepted of a contact.

    `consent_kept` names the platform's own consent when it was better than ours and was left alone, `kept_on`, `kept_until`
    and `kept_proof` tell of it; `known_at` is the latest booking's time (microseconds) when the contact was last sent, on
    the as-of day `sent_on`.
    """

    email: str
    values: Values
    consent_date: date | None
    consent_proof: str
    consent_kept: str
    known_at: int
    sent_on: date
    kept_on: date | None = None
    kept_until: date | None = None
    kept_proof: str = ""

    @property
    def kept(self) -> Kept | None:
        """The platform's own consent that was left alone."""
        return Kept(self.consent_kept, self.kept_on, self.kept_until, self.kept_proof) if self.consent_kept else None


@dataclass(frozen=True, slots=True)
class Membership:
    """One seat that was given or taken: `state` in, out, or gone (staff deleted the group).

    `given_on` is the as-of day by which it was given; `settled`: its bookings were purged, no correction takes it back.
    """

    email: str
    group_key: str
    state: str
    given_on: date
    settled: bool = False


@dataclass(frozen=True, slots=True)
class KnownGroup:
    """A group of the platform that Placier looks after."""

    group_key: str
    platform_id: int
    title: str
    deleted: bool


@dataclass(frozen=True, slots=True)
class Flight:
    """What was about to be sent for a contact, noted before the request left."""

    email: str
    values: Values
    consent_date: date | None
    consent_proof: str
    known_at: int
    group_keys: tuple[str, ...]
    as_of: date


@dataclass(frozen=True, slots=True)
class SentBatch:
    """A batch that was about to be sent, and whose end is not known: who was in it, and which groups they were to join.

    `numbers` are the platform's, empty when it never answered; `late`: a run has gone on without its end; `sent_on`: the
    day on the clock.
    """

    id: int
    numbers: tuple[int, ...]
    emails: tuple[str, ...]
    group_ids: tuple[int, ...]
    sent_on: date
    late: bool


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a note is signed with: the run that made it, and when (UTC)."""

    run_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Suppression:
    """An address that is never written to again, why, since when (platform) and since when we know.

    `back_on`: the day on which it was seen to be a member again all the same.
    """

    email: str
    reason: str
    since: date | None
    seen_on: date
    back_on: date | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """A group as the platform shows it.  `dynamic` groups are computed by the platform: nobody can be added to them."""

    id: int
    title: str
    dynamic: bool
    size: int
