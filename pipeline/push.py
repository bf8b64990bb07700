"""Operations -> platform -> receipts.

What is about to be sent is noted as *in flight* before the request leaves.  A receipt is what was read back from the
platform, not what was hoped.  What is still in flight when a run starts is read back first (`land`), so that a crash
between the platform's acceptance and our note loses nothing and leaves no stray member.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from pipeline import policy
from pipeline.contact import Acknowledged, Flight, Group, KnownGroup, Membership
from pipeline.fields import BY_KEY, PERSONAL, REGULAR
from pipeline.pack import pack
from pipeline.plan import Blocked, Change, Counts, Plan
from pipeline.platforms import Batch, Consent, Member, Outcome, Person, Platform, Value


@dataclass(frozen=True, slots=True)
class Survey:
    """What the platform held of the plan's contacts before anything was sent: members, and whose consent is better."""

    members: Mapping[str, Member]
    better: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Receipts:
    """What was acknowledged: contacts, seats given and taken, and whom the platform refused and why (masked).

    `blocked`: the groups that it refused to create.
    """

    accepted: tuple[Acknowledged, ...]
    seats: tuple[Membership, ...]
    refused: Mapping[str, str]
    pushed: Counts
    blocked: tuple[Blocked, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a push needs beside the plan: the platform, the living groups by key, the batch size and the words to tell.

    `upsert` sends one batch to the platform and notes it first; `tell(done, all)` hears of progress in requests.
    """

    platform: Platform
    upsert: Callable[[Batch], Outcome]
    groups: Mapping[str, KnownGroup]
    batch_size: int
    language: str
    consent_months: int
    tell: Callable[[int, int], None] = field(default=lambda done, total: None)


def survey(plan: Plan, platform: Platform, consent_months: int) -> Survey:
    """Read what the platform holds of the contacts to upsert; a consent of theirs that is better than ours is noted."""
    upserts = [change for change in plan.changes if change.upsert]
    if not platform.reads_back or not upserts:
        return Survey({}, {})
    members = platform.read([change.email for change in upserts])
    better: dict[str, str] = {}
    for change in upserts:
        if change.email in members and change.consent_date is not None:
            theirs = platform.consent(change.email)
            express = members[change.email].express  # told twice: a consent that is not found takes nothing away
            if express or (theirs is not None and is_better(theirs, change.consent_date, consent_months)):
                better[change.email] = (theirs.relation if theirs is not None else "") or "express-consent"
    return Survey(members, better)


def is_better(theirs: Consent, ours: date, months: int) -> bool:
    """Rule 8: whether the platform's consent outweighs implied consent from `ours` on: express, later, or longer."""
    if theirs.express:
        return True
    if theirs.relation == "active-clients" and theirs.date is not None:
        return theirs.date > ours  # of two consents as a client the later lasts longer, whoever counts the months
    if theirs.expires is not None:
        return theirs.expires > policy.consent_until(ours, months)
    return theirs.relation not in ("", "active-clients")


def vanished(
    plan: Plan, known: Mapping[str, Acknowledged], found: Survey, platform: Platform
) -> tuple[set[str], set[str]]:
    """Contacts of ours that staff deleted on the platform: those to leave alone, those who bought since."""
    if not platform.reads_back:
        return set(), set()
    missing = [c for c in plan.changes if c.upsert and c.email in known and c.email not in found.members]
    back = {c.email for c in missing if c.known_at > known[c.email].known_at or "sent again on request" in c.reasons}
    return {c.email for c in missing} - back, back


def flights(plan: Plan) -> list[Flight]:
    """What to note before sending."""
    return [
        Flight(
            email=change.email,
            values=change.values if change.upsert else {},
            consent_date=change.consent_date if change.upsert else None,
            consent_proof=change.consent_proof,
            known_at=change.known_at,
            group_keys=(*change.joins, *(leave.group_key for leave in change.leaves)),
            as_of=plan.as_of,
        )
        for change in plan.changes
    ]


def push(plan: Plan, before: Survey, delivery: Delivery) -> Receipts:
    """Send the plan, read back, and say what was acknowledged."""
    upserts = {change.email: change for change in plan.changes if change.upsert}
    refusals = _send_batches(upserts, before, delivery)
    refusals.update(_amend(upserts, before, delivery))
    left, stayed = _leave(plan.changes, delivery)
    refusals.update(stayed)
    return _receipts(plan, before, delivery, refusals, left)


# Sending


def _send_batches(upserts: Mapping[str, Change], before: Survey, delivery: Delivery) -> dict[str, str]:
    wanted = {email: frozenset(change.joins) for email, change in upserts.items() if email not in before.better}
    batches = pack(wanted, delivery.batch_size)
    refusals: dict[str, str] = {}
    for number, packed in enumerate(batches):
        delivery.tell(number, len(batches))
        people = [_person(upserts[email], before.members.get(email), delivery) for email in packed.first]
        people += [_only_consent(upserts[email]) for email in packed.again]
        ids = tuple(sorted(delivery.groups[key].platform_id for key in packed.groups))
        outcome = delivery.upsert(Batch(ids, tuple(people)))
        refusals.update(outcome.refused)
    delivery.tell(len(batches), len(batches))
    return refusals


def _person(change: Change, member: Member | None, delivery: Delivery) -> Person:
    return Person(
        email=change.email,
        consent_date=_consent_day(change),
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


def _only_consent(change: Change) -> Person:
    return Person(change.email, _consent_day(change), change.consent_proof)


def _consent_day(change: Change) -> date:
    if change.consent_date is None:
        raise AssertionError("a contact without consent is never sent")
    return change.consent_date


def _amend(upserts: Mapping[str, Change], before: Survey, delivery: Delivery) -> dict[str, str]:
    """Those whose own consent is better get their fields and groups, and keep their consent."""
    refusals = {}
    for email in sorted(before.better):
        change, member = upserts[email], before.members[email]
        ids = sorted(delivery.groups[key].platform_id for key in change.joins)
        refusal = delivery.platform.amend(member, _person(change, member, delivery), ids)
        if refusal:
            refusals[email] = refusal
    return refusals


def _leave(changes: Iterable[Change], delivery: Delivery) -> tuple[set[tuple[str, str]], dict[str, str]]:
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


def _receipts(
    plan: Plan, before: Survey, delivery: Delivery, refusals: Mapping[str, str], left: Collection[tuple[str, str]]
) -> Receipts:
    upserts = [change for change in plan.changes if change.upsert]
    after, joined = read_back(delivery.platform, upserts, delivery.groups)
    accepted: list[Acknowledged] = []
    seats = [Membership(email, key, "out", plan.as_of) for email, key in sorted(left)]
    stayed = {
        change.email for change in plan.changes if any((change.email, x.group_key) not in left for x in change.leaves)
    }
    refused = {email: refusals[email] for email in stayed if email in refusals}
    created = updated = joins = 0
    for change in upserts:
        inside = [key for key in change.joins if (change.email, key) in joined]
        problem = _problem(change, before.members.get(change.email), after.get(change.email), delivery.platform)
        if len(inside) < len(change.joins):
            problem = problem or "not in all of its groups after the batch"
        seats.extend(Membership(change.email, key, "in", plan.as_of) for key in inside)
        joins += len(inside)
        if problem:
            refused[change.email] = refusals.get(change.email) or problem
            continue
        accepted.append(_acknowledged(change, plan.as_of, before.better.get(change.email, "")))
        created += change.created
        updated += change.updated
    counts = Counts(0, created, updated, joins, len(left))
    return Receipts(tuple(accepted), tuple(seats), refused, counts)


def read_back(
    platform: Platform, changes: Sequence[Change], groups: Mapping[str, KnownGroup]
) -> tuple[dict[str, Member], set[tuple[str, str]]]:
    """What the platform holds now: members, and (address, group key) for the joins of these changes."""
    if not platform.reads_back:
        return {}, {(change.email, key) for change in changes for key in change.joins}
    emails = [change.email for change in changes]
    if not emails:
        return {}, set()
    keys = sorted({key for change in changes for key in change.joins})
    return platform.read(emails), memberships(
        platform, [c.email for c in changes if c.joins], [groups[key] for key in keys]
    )


def memberships(platform: Platform, emails: Sequence[str], known: Sequence[KnownGroup]) -> set[tuple[str, str]]:
    """Which of `emails` are in which of the groups, as (address, group key)."""
    if not emails or not known:
        return set()
    there = {group.id: group for group in platform.groups()}
    present = [there.get(group.platform_id, Group(group.platform_id, group.title, False, 0)) for group in known]
    keys = {group.platform_id: group.group_key for group in known}
    found = platform.memberships(emails, [group for group in present if group.id in there])
    return {(email, keys[group_id]) for email, group_id in found}


def _problem(change: Change, before: Member | None, after: Member | None, platform: Platform) -> str:
    """Why a change cannot be acknowledged; a value that the platform wrote its own way counts as written."""
    if not platform.reads_back:
        return ""
    if after is None:
        return "not among the members after the batch"
    old = {} if before is None else before.values
    for key in [*REGULAR, *BY_KEY]:
        ours, theirs = change.values.get(key), after.values.get(key)
        if key in PERSONAL and ours is None:
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


def _acknowledged(change: Change, as_of: date, kept: str) -> Acknowledged:
    return Acknowledged(
        email=change.email,
        values=change.values,
        consent_date=change.consent_date,
        consent_proof=change.consent_proof,
        consent_kept=kept,
        known_at=change.known_at,
        sent_on=as_of,
    )
