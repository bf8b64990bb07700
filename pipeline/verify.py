"""Holding the platform against the acknowledged state, contact by contact; and bringing it back to it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pipeline import facts, policy
from pipeline.contact import Acknowledged, KnownGroup, Membership
from pipeline.errors import UsageError
from pipeline.fields import BY_KEY, PERSONAL, REGULAR
from pipeline.outbound import Outbound
from pipeline.plan import Change, Leave
from pipeline.platforms import Member, Platform
from pipeline.push import is_better, same
from pipeline.setting import Setting, occasion, today
from pipeline.sighting import Sighting
from pipeline.store.acknowledged import State
from pipeline.store.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not on the platform as it was acknowledged: `what` is `member`, a field's key, or a group."""

    email: str
    what: str
    ours: object
    theirs: object
    group_key: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found: how many contacts were compared, what differs still, how many differences were repaired."""

    contacts: int
    differences: tuple[Difference, ...]
    repaired: int = 0


def verify(setting: Setting, as_of: date, *, repair: bool, consents: bool = True) -> Verdict:
    """Compare; with `repair`, bring the platform back to the acknowledged state and compare again.

    The consents cost a request per contact, for no list tells them; `consents` False leaves them out.
    """
    platform = setting.open_platform("verify")
    if not platform.reads_back:
        name = setting.account.name
        raise UsageError(
            f"{name}: import files cannot be read back, so there is nothing to verify", f"placier status {name}"
        )
    try:
        with setting.database.lock(setting.account.name, setting.locks):
            way_out = Outbound(setting.account, setting.database, platform, occasion(setting, "verify"))
            way_out.refresh(today(setting))
            members, seats, groups = _acknowledged(setting)
            months = setting.account.file.policy.consent_months if consents else None
            found = compare(members.values(), seats, groups, platform)
            found += _consents(_counted(members, setting), platform, months)
            if not repair or not found:
                return Verdict(len(members), tuple(found))
            changes = mend(found, members, groups, setting, as_of)
            way_out.deliver(way_out.prepared(as_of, changes))
            left = compare(members.values(), seats, groups, platform)
            left += _consents((members[d.email] for d in found if d.what == "consent"), platform, months)
            return Verdict(len(members), tuple(left), len(found) - len(left))
    finally:
        platform.close()


def _acknowledged(
    setting: Setting,
) -> tuple[dict[str, Acknowledged], dict[str, dict[str, Membership]], dict[str, KnownGroup]]:
    """Everybody who was acknowledged and may still be written to."""
    with setting.database.transaction() as connection:
        state = State(connection, setting.account.name)
        gone = state.suppressions()
        members = {member.email: member for member in state.all_members() if member.email not in gone}
        inherited = facts.suppressed(Ledger(connection, setting.account.name), state, list(members), {})
        members = {email: member for email, member in members.items() if email not in inherited}
        return members, state.memberships(members), state.groups()


def compare(
    members: Iterable[Acknowledged],
    seats: Mapping[str, Mapping[str, Membership]],
    groups: Mapping[str, KnownGroup],
    platform: Platform,
) -> list[Difference]:
    """What differs, by contact."""
    known = list(members)
    emails = [member.email for member in known]
    seen = Sighting(platform)
    seen.look(emails)
    seen.look_in(emails, [group for group in groups.values() if not group.deleted])
    there, inside = seen.read(emails), seen.seats(emails)
    found: list[Difference] = []
    for member in known:
        theirs = there.get(member.email)
        if theirs is None:
            found.append(Difference(member.email, "member", "on the platform", "not there"))
            continue
        found.extend(_fields(member, theirs))
        for key, seat in sorted(seats.get(member.email, {}).items()):
            if seat.state == "gone" or key not in groups or groups[key].deleted:
                continue
            ours, is_in = seat.state == "in", (member.email, key) in inside
            if ours != is_in:
                words = {True: "in", False: "out"}
                found.append(Difference(member.email, f"group {groups[key].title}", words[ours], words[is_in], key))
    return found


def _counted(members: Mapping[str, Acknowledged], setting: Setting) -> Iterator[Acknowledged]:
    """The members one by one, counted for who watches."""
    for number, member in enumerate(members.values()):
        setting.progress("compare", number, len(members))
        yield member


def _consents(members: Iterable[Acknowledged], platform: Platform, months: int | None) -> list[Difference]:
    """Consents that are not there, or worse than the one that was acknowledged; a better one of theirs is fine."""
    found = []
    for member in members:
        if months is None or member.consent_date is None or member.consent_kept:
            continue
        theirs = platform.consent(member.email)
        if theirs is None:
            continue  # not a member: told by the comparison of members
        same_one = theirs.relation == "active-clients" and theirs.date == member.consent_date
        if not same_one and not is_better(theirs, member.consent_date, months):
            given = "none" if theirs.date is None else f"{theirs.relation} of {theirs.date}"
            found.append(Difference(member.email, "consent", f"active-clients of {member.consent_date}", given))
    return found


def _fields(ours: Acknowledged, theirs: Member) -> list[Difference]:
    return [
        Difference(ours.email, key, ours.values.get(key), theirs.values.get(key))
        for key in [*REGULAR, *BY_KEY]
        if not same(ours.values.get(key), theirs.values.get(key)) and not (key in PERSONAL and key not in ours.values)
    ]


def mend(
    found: Sequence[Difference],
    members: Mapping[str, Acknowledged],
    groups: Mapping[str, KnownGroup],
    setting: Setting,
    as_of: date,
) -> dict[str, Change]:
    """The changes that bring the platform back, by address; a consent that has ended is not asserted again."""
    months = setting.account.file.policy.consent_months
    with setting.database.transaction() as connection:
        seats = State(connection, setting.account.name).memberships(members)
    by_email: dict[str, list[Difference]] = {}
    for difference in found:
        by_email.setdefault(difference.email, []).append(difference)
    changes = {}
    for email, differences in by_email.items():
        member = members[email]
        if member.consent_date is None or policy.consent_ended(member.consent_date, months, as_of):
            continue
        lost = any(difference.what == "member" for difference in differences)
        joins = [d.group_key for d in differences if d.group_key and d.ours == "in"]
        if lost:
            joins = [
                key for key, seat in seats.get(email, {}).items() if seat.state == "in" and not groups[key].deleted
            ]
        leaves = tuple(Leave(d.group_key, "cancelled") for d in differences if d.group_key and d.ours == "out")
        fields = tuple(d.what for d in differences if not d.group_key)
        changes[email] = _change(member, (lost, fields), tuple(sorted(joins)), leaves)
    return changes


def _change(
    member: Acknowledged, differs: tuple[bool, tuple[str, ...]], joins: tuple[str, ...], leaves: tuple[Leave, ...]
) -> Change:
    lost, fields = differs
    return Change(
        email=member.email,
        created=False,
        upsert=lost or bool(fields) or bool(joins),
        updated=True,
        values=member.values,
        cleared=frozenset(),
        consent_date=member.consent_date,
        consent_proof=member.consent_proof,
        known_at=member.known_at,
        joins=joins,
        leaves=leaves,
        reasons=("brought back to the acknowledged state",),
    )
