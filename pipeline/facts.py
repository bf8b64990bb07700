"""The facts that planning looks at: what the ledger asks for, what is acknowledged, and who must never be written to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from sqlalchemy import Connection

from pipeline.config import Account
from pipeline.contact import Membership, Suppression
from pipeline.forgotten import Forgotten
from pipeline.naming import Groups
from pipeline.plan import Facts
from pipeline.project import Desired, Rules, project
from pipeline.schema import SEATING
from pipeline.store.acknowledged import State
from pipeline.store.buyers import Buyers
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


@dataclass(frozen=True, slots=True)
class Silenced:
    """Rules 8 and 9: who is never written to, as the state knows it; `forgotten`: under which names."""

    known: Mapping[str, Suppression]
    gone: frozenset[str]
    old_ids: Mapping[str, str]
    forgotten: Forgotten

    @classmethod
    def of(cls, state: State, known: Mapping[str, Suppression] | None = None) -> Silenced:
        """Those of the state; `known`: the suppressions of a past day, in place of all."""
        known = state.suppressions() if known is None else known
        gone = frozenset(email for email, entry in known.items() if entry.reason == "unsubscribed")
        old_ids = {key: email for key, email in state.suppressed_contact_ids().items() if email in gone}
        return cls(known, gone, old_ids, state.forgotten())

    def among(self, ledger: Ledger, emails: Collection[str], desired: Mapping[str, Desired]) -> dict[str, str]:
        """Address -> why it is never written to: its own suppression, or another address's of the person."""
        if not self.known:
            return {}
        links = ledger.linked(emails) if self.gone else {}
        names = self.forgotten
        found: dict[str, str] = {}
        for email in emails:
            own = self.known.get(email) or (self.known.get(names.name(email)) if names.days else None)
            ids: Iterable[str] = desired[email].contact_ids if email in desired else ()
            ids = [*ids, *(names.name(key) for key in ids)] if names.days else ids
            if own is not None:
                found[email] = own.reason
            elif links.get(email, set()) & self.gone or any(self.old_ids.get(key, email) != email for key in ids):
                found[email] = "unsubscribed_as"
        return found


def suppressed(
    ledger: Ledger,
    state: State,
    emails: Collection[str],
    desired: Mapping[str, Desired],
    *,
    known: Mapping[str, Suppression] | None = None,
) -> dict[str, str]:
    """Address -> why it is never written to; `known`: the suppressions of a past day, in place of all."""
    return Silenced.of(state, known).among(ledger, emails, desired)


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is the same for all contacts of a plan.

    `inside`: the groups in which people are by another's hand, by address; they are as good as seats that we gave.
    """

    as_of: date
    groups: Groups
    silenced: Silenced
    inside: Mapping[str, frozenset[str]] = field(default_factory=dict)


def gather(
    connection: Connection, account: Account, marked: Mapping[str, bool], around: Circumstances, *, bare: bool = False
) -> Facts:
    """All the facts that planning looks at for these marked contacts; `bare`: not the fields of those who are new."""
    ledger, state = Ledger(connection, account.name), State(connection, account.name)
    buyers = Buyers(connection, account.name)
    members = state.members(marked)
    new = marked.keys() - members.keys() if bare else set()
    bought = [*buyers.bookings(marked.keys() - new), *buyers.bookings(new, SEATING)]
    acts = buyers.cancellations(marked, bought)
    owners = buyers.owners(act["transaction_id"] for act in acts)
    desired = project(bought, acts, owners, rules_of(account), bare=new)
    seats = state.memberships(marked)
    for email in around.inside.keys() & marked.keys():
        held = {key: Membership(email, key, "in", around.as_of) for key in around.inside[email]}
        seats[email] = seats.get(email, {}) | held
    return Facts(
        as_of=around.as_of,
        marked=marked,
        desired=desired,
        members=members,
        memberships=seats,
        suppressed=around.silenced.among(ledger, marked, desired),
        groups=around.groups.known,
        platform=around.groups.platform,
    )
