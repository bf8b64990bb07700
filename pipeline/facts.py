"""The facts that planning looks at: what the ledger asks for, what is acknowledged, and who must never be written to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import date

from sqlalchemy import Connection

from pipeline.config import Account
from pipeline.contact import Suppression
from pipeline.plan import Facts
from pipeline.platforms import Group
from pipeline.project import Desired, Rules, project
from pipeline.store.acknowledged import State
from pipeline.store.ledger import Ledger


def strangers(facts: Facts, adopted: Collection[str]) -> set[tuple[str, str]]:
    """Who cancelled and may be in the group by another's hand, as (address, group key): we never gave them a seat.

    In a group that is adopted now, whatever was noted of it before.
    """
    living = {key for key, group in facts.groups.items() if not group.deleted}
    found = set()
    for email in facts.marked.keys() & facts.desired.keys():
        held = facts.memberships.get(email, {})
        for key, seat in facts.desired[email].seats.items():
            known = key in held and (key not in adopted or held[key].state == "in")
            if seat.cancelled_at is not None and seat.reach is None and (key in living or key in adopted) and not known:
                found.add((email, key))
    return found


def rules_of(account: Account) -> Rules:
    """The part of the account's policy that the projection needs."""
    rules = account.file.policy
    return Rules(rules.groups, rules.cancellation, rules.cancelled_counts)


def gather(connection: Connection, account: Account, as_of: date, platform: list[Group]) -> Facts:
    """All the facts that planning looks at, read in one transaction."""
    ledger, state = Ledger(connection, account.name), State(connection, account.name)
    marked = ledger.marked()
    acts = ledger.cancellations_for()
    desired = project(
        ledger.bookings_of(),
        acts,
        ledger.owners(act["transaction_id"] for act in acts),
        rules_of(account),
    )
    return Facts(
        as_of=as_of,
        marked=marked,
        desired=desired,
        members=state.members(marked),
        memberships=state.memberships(marked),
        suppressed=suppressed(ledger, state, marked, desired),
        groups=state.groups(),
        platform=platform,
    )


def suppressed(
    ledger: Ledger,
    state: State,
    emails: Collection[str],
    desired: Mapping[str, Desired],
    *,
    known: Mapping[str, Suppression] | None = None,
) -> dict[str, str]:
    """Rules 8 and 9: address -> why it is never written to: its own suppression, or another address's of the person.

    `known`: the suppressions of a past day, in place of all.
    """
    names = state.forgotten()
    known = state.suppressions() if known is None else known
    gone = {email for email, entry in known.items() if entry.reason == "unsubscribed"}
    links = ledger.linked(emails) if gone else {}
    old_ids = {key: email for key, email in state.suppressed_contact_ids().items() if email in gone}
    found: dict[str, str] = {}
    for email in emails:
        own = known.get(email) or (known.get(names.name(email)) if names.days else None)
        ids: Iterable[str] = desired[email].contact_ids if email in desired else ()
        ids = [*ids, *(names.name(key) for key in ids)] if names.days else ids
        if own is not None:
            found[email] = own.reason
        elif links.get(email, set()) & gone or any(old_ids.get(key, email) != email for key in ids):
            found[email] = "unsubscribed_as"
    return found
