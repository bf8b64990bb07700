"""Changes -> requests -> receipts.

What is about to be sent is noted as *in flight* before the request leaves (dispatch.py).  A receipt is what was read back
from the platform, not what was hoped.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from pipeline import policy
from pipeline.contact import Acknowledged, Flight, Kept, KnownGroup, Membership
from pipeline.fields import BY_KEY, PERSONAL, REGULAR
from pipeline.plan import Blocked, Change, Counts
from pipeline.platforms import Batch, Consent, Member, Outcome, Person, Platform, Value


@dataclass(frozen=True, slots=True)
class Before:
    """What the platform held of some contacts before anything was sent: members, and whose consent is better."""

    members: Mapping[str, Member]
    better: Mapping[str, Kept]


@dataclass(frozen=True, slots=True)
class After:
    """What became of some contacts: `members` and `seats` (address, group key) now, who was refused and why, who left."""

    members: Mapping[str, Member]
    seats: Collection[tuple[str, str]]
    refusals: Mapping[str, str]
    left: Collection[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Receipts:
    """What was acknowledged: contacts, seats given and taken, and whom the platform refused and why (masked)."""

    accepted: tuple[Acknowledged, ...]
    seats: tuple[Membership, ...]
    refused: Mapping[str, str]
    pushed: Counts


@dataclass(frozen=True, slots=True)
class Delivered:
    """What came of a plan: the counts, whom the platform refused and why (masked), the groups that it refused to create.

    `left`: who became suppressed before the turn came, and why.
    """

    pushed: Counts
    refused: Mapping[str, str]
    blocked: tuple[Blocked, ...] = ()
    left: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a push needs beside the changes: the platform, the groups by key, and the language of new members.

    `upsert` sends one batch to the platform and notes it first; `left` tells who of some people is suppressed by now, and why.
    """

    platform: Platform
    upsert: Callable[[Batch], Outcome]
    left: Callable[[Collection[str]], Mapping[str, str]]
    groups: Mapping[str, KnownGroup]
    language: str


def better_consents(
    changes: Iterable[tuple[str, date]], members: Mapping[str, Member], platform: Platform, months: int
) -> dict[str, Kept]:
    """Whose consent on the platform is better than ours (address, our day), and what that is."""
    better: dict[str, Kept] = {}
    for email, ours in changes:
        theirs = platform.consent(email)
        express = members[email].express  # told twice: a consent that is not found takes nothing away
        if express or (theirs is not None and is_better(theirs, ours, months)):
            better[email] = _kept(theirs, months)
    return better


def _kept(theirs: Consent | None, months: int) -> Kept:
    if theirs is None:
        return Kept("express-consent")
    until = theirs.expires
    if until is None and theirs.relation == "active-clients" and theirs.date is not None:
        until = policy.consent_until(theirs.date, months)
    return Kept(theirs.relation or "express-consent", theirs.date, until, theirs.proof)


def is_better(theirs: Consent, ours: date, months: int) -> bool:
    """Rule 8: whether the platform's consent outweighs implied consent from `ours` on: express, later, or longer."""
    if theirs.express:
        return True
    if theirs.relation == "active-clients" and theirs.date is not None:
        return theirs.date > ours  # of two consents as a client the later lasts longer, whoever counts the months
    if theirs.expires is not None:
        return theirs.expires > policy.consent_until(ours, months)
    return theirs.relation not in ("", "active-clients")


def flights(changes: Iterable[Change], as_of: date) -> list[Flight]:
    """What to note before sending."""
    return [
        Flight(
            email=change.email,
            values=change.values if change.upsert else {},
            consent_date=change.consent_date if change.upsert else None,
            consent_proof=change.consent_proof,
            known_at=change.known_at,
            group_keys=(*change.joins, *(leave.group_key for leave in change.leaves)),
            as_of=as_of,
        )
        for change in changes
    ]


# Sending


def send_batch(keys: Collection[str], people: Sequence[Person], delivery: Delivery) -> Mapping[str, str]:
    """Send people who join exactly these groups; whom the platform refused, and why."""
    ids = tuple(sorted(delivery.groups[key].platform_id for key in keys))
    return delivery.upsert(Batch(ids, tuple(people))).refused


def person(change: Change, member: Member | None, delivery: Delivery) -> Person:
    """All that is to be written of a contact."""
    return Person(
        email=change.email,
        consent_date=_consent_day(change.consent_date),
        consent_proof=change.consent_proof,
        values=change.values,
        clear=_to_clear(change, member, delivery.platform),
        language="" if member is not None else delivery.language,
    )


def _to_clear(change: Change, member: Member | None, platform: Platform) -> frozenset[str]:
    """The purchase's fields that are empty now and are not on the platform."""
    if not platform.reads_back:
        return change.cleared
    if member is None:
        return frozenset()
    return frozenset(key for key in BY_KEY if key not in PERSONAL and key not in change.values and key in member.values)


def only_consent(flight: Flight) -> Person:
    """Somebody who was in a batch before and only joins more groups."""
    return Person(flight.email, _consent_day(flight.consent_date), flight.consent_proof)


def _consent_day(day: date | None) -> date:
    if day is None:
        raise AssertionError("a contact without consent is never sent")
    return day


def amend(changes: Iterable[Change], before: Before, delivery: Delivery) -> dict[str, str]:
    """Those whose own consent is better get their fields and groups, and keep their consent."""
    refusals = {}
    for change in changes:
        member = before.members[change.email]
        ids = sorted(delivery.groups[key].platform_id for key in change.joins)
        refusal = delivery.platform.amend(member, person(change, member, delivery), ids)
        if refusal:
            refusals[change.email] = refusal
    return refusals


def leave(changes: Iterable[Change], delivery: Delivery) -> tuple[set[tuple[str, str]], dict[str, str]]:
    """The seats that were given up, and whom the platform did not let go, with its words."""
    left, stayed = set(), {}
    for change in changes:
        for leave in change.leaves:
            group = delivery.groups.get(leave.group_key)
            if group is not None and not group.deleted:
                refusal = delivery.platform.leave(change.email, group.platform_id)
                if refusal:
                    stayed[change.email] = refusal
                    continue
            left.add((change.email, leave.group_key))
    return left, stayed


# Receipts


def receipts(changes: Iterable[Change], before: Before, after: After, as_of: date, platform: Platform) -> Receipts:
    """What may be acknowledged of these changes, by what is there now."""
    accepted: list[Acknowledged] = []
    seats: list[Membership] = []
    refused: dict[str, str] = {}
    created = updated = joins = leaves = 0
    for change in changes:
        email = change.email
        left = [each.group_key for each in change.leaves if (email, each.group_key) in after.left]
        seats.extend(Membership(email, key, "out", as_of) for key in left)
        leaves += len(left)
        if len(left) < len(change.leaves) and email in after.refusals:
            refused[email] = after.refusals[email]
        if not change.upsert:
            continue
        written = not platform.reads_back and email not in after.refusals  # its word is all that there is
        inside = [key for key in change.joins if written or (email, key) in after.seats]
        problem = after.refusals.get(email, "")
        if platform.reads_back:
            problem = _problem(change, before.members.get(email), after.members.get(email))
        if len(inside) < len(change.joins):
            problem = problem or "not in all of its groups after the batch"
        seats.extend(Membership(email, key, "in", as_of) for key in inside)
        joins += len(inside)
        if problem:
            refused[email] = after.refusals.get(email) or problem
            continue
        accepted.append(_acknowledged(change, as_of, before.better.get(email)))
        created += change.created
        updated += change.updated
    return Receipts(tuple(accepted), tuple(seats), refused, Counts(0, created, updated, joins, leaves))


def _problem(change: Change, before: Member | None, after: Member | None) -> str:
    """Why a change cannot be acknowledged; a value that the platform wrote its own way counts as written."""
    if after is None:
        return "not among the members after the batch"
    old = {} if before is None else before.values
    for key in [*REGULAR, *BY_KEY]:
        ours, theirs = change.values.get(key), after.values.get(key)
        if ours == theirs or (key in PERSONAL and ours is None):
            continue
        if not same(ours, theirs) and same(theirs, old.get(key)):
            return f"the field {key} was not written"
    return ""


def same(ours: Value | None, theirs: Value | None) -> bool:
    """Whether two values of a field are the same: texts trimmed, numbers by value, empty and missing alike."""
    if isinstance(ours, str) or isinstance(theirs, str) or ours is None or theirs is None:
        left = "" if ours is None else str(ours).strip()
        right = "" if theirs is None else str(theirs).strip()
        return left == right
    return abs(ours - theirs) < 0.005


def _acknowledged(change: Change, as_of: date, kept: Kept | None) -> Acknowledged:
    kept = kept or Kept("")
    return Acknowledged(
        email=change.email,
        values=change.values,
        consent_date=change.consent_date,
        consent_proof=change.consent_proof,
        consent_kept=kept.relation,
        known_at=change.known_at,
        sent_on=as_of,
        kept_on=kept.on,
        kept_until=kept.until,
        kept_proof=kept.proof,
    )
