"""After a run that was cut short: what of its flights arrived, and what its late batches have done since.

The platform is read, nothing is guessed: what is found there is acknowledged, the rest is planned and sent again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

from pipeline.contact import Acknowledged, Flight, KnownGroup, Membership, SentBatch
from pipeline.fields import BY_KEY, REGULAR
from pipeline.platforms import Member
from pipeline.push import same
from pipeline.sighting import Sighting


def strays(
    batches: Iterable[SentBatch], groups: Mapping[str, KnownGroup], known: Mapping[str, Acknowledged], as_of: date
) -> list[Flight]:
    """Batches whose end came after a run had gone on without it, as flights: they may have done anything since."""
    keys = {group.platform_id: key for key, group in groups.items()}
    joined: dict[str, set[str]] = {}
    for batch in batches:
        for email in batch.emails:
            joined.setdefault(email, set()).update(keys[id] for id in batch.group_ids if id in keys)
    return [
        Flight(email, {}, None, "", known[email].known_at if email in known else 0, tuple(sorted(found)), as_of)
        for email, found in joined.items()
    ]


def overtaken(
    arrived: Iterable[Acknowledged], found: Iterable[Membership], known: Mapping[str, Acknowledged]
) -> set[str]:
    """Of those whom a late batch named, the ones that are not on the platform as they were acknowledged."""
    changed = {seat.email for seat in found}
    for now in arrived:
        before = known[now.email].values
        keys = {*before, *now.values}
        changed |= {now.email} if any(not same(before.get(key), now.values.get(key)) for key in keys) else set()
    return changed


def living(flown: Iterable[Flight], groups: Mapping[str, KnownGroup]) -> set[str]:
    """The groups of these flights that are still there."""
    return {key for flight in flown for key in flight.group_keys if key in groups and not groups[key].deleted}


def land(
    flown: Sequence[Flight],
    known: Mapping[str, Acknowledged],
    seats: Mapping[str, Mapping[str, Membership]],
    groups: Mapping[str, KnownGroup],
    seen: Sighting,
) -> tuple[list[Acknowledged], list[Membership]]:
    """What of the flights arrived, by what was seen on the platform; the rest is planned and sent again."""
    if not seen.reads_back:
        return [], []
    emails = [flight.email for flight in flown]
    members, inside = seen.read(emails), seen.seats(emails)
    arrived: list[Acknowledged] = []
    found: list[Membership] = []
    for flight in flown:
        member = members.get(flight.email)
        before = known.get(flight.email)
        if member is not None and (flight.consent_date is not None or before is not None):
            whole = flight.consent_date is not None and all(
                same(v, member.values.get(k)) for k, v in flight.values.items()
            )
            arrived.append(_landed(flight, member, before, whole=whole))
        for key in flight.group_keys:
            state = "in" if (flight.email, key) in inside else "out"
            held = seats.get(flight.email, {}).get(key)
            if state == "in" and (held is None or held.state != "in"):
                found.append(Membership(flight.email, key, "in", flight.as_of))
            elif (
                state == "out" and held is not None and held.state == "in" and key in groups and not groups[key].deleted
            ):
                found.append(Membership(flight.email, key, "out", flight.as_of))
    return arrived, found


def _landed(flight: Flight, member: Member, before: Acknowledged | None, *, whole: bool) -> Acknowledged:
    """The contact as the platform has it; the consent counts as given when all the fields arrived with it.

    Who has given express consent keeps it, whatever arrived.
    """
    mapped = {key: value for key, value in member.values.items() if key in BY_KEY or key in REGULAR}
    if whole or before is None:
        date_sent = flight.consent_date if whole else None
        return Acknowledged(
            flight.email,
            mapped,
            date_sent,
            flight.consent_proof if whole else "",
            "express-consent" if whole and member.express else "",
            flight.known_at if whole else 0,
            flight.as_of,
        )
    return Acknowledged(
        flight.email,
        mapped,
        before.consent_date,
        before.consent_proof,
        before.consent_kept,
        before.known_at,
        before.sent_on,
        before.kept_on,
        before.kept_until,
        before.kept_proof,
    )
