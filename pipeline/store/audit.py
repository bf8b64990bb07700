"""The acts that consent rests on, in the order in which they happened: only ever appended, and kept for good.

Every act is written in the transaction of the receipt or the sighting that it tells of.  This is the only module that
writes them.  Retention does not touch them: they are the proof.  Nothing changes one but `forget`, which leaves the act
and takes the person out of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, and_, insert, select, update

from pipeline import policy
from pipeline.contact import Acknowledged, Stamp, Suppression
from pipeline.store.ledger import chunks
from pipeline.store.many import insert_many
from pipeline.store.tables import bookings, consent_acts, files

CONSENTS = frozenset({"given", "renewed", "kept"})
LEFT = frozenset({"unsubscribed", "bounced"})


@dataclass(frozen=True, slots=True)
class Act:
    """Something that consent rests on, and when and by which run (`at`, UTC; `run_id`) it was noted.

    `act`: `given`, `renewed`, `kept` (the platform's own better consent), `unsubscribed`, `bounced`, `came_back`,
    `forgotten`.  `day`: from when it counts: the as-of day of a receipt's run, the platform's own day of a departure (the
    day on which it was seen, where the platform tells none), else the calendar's.  `basis`: the type of consent.
    `file`, `lines`: where the booking that gave it stood.
    """

    email: str
    act: str
    day: date
    basis: str = ""
    consent_date: date | None = None
    consent_proof: str = ""
    file: str = ""
    lines: str = ""
    run_id: str = ""
    at: datetime = datetime.min  # noqa: DTZ901 - every act that was noted has its own


_NAMES = tuple(Act.__dataclass_fields__)


class Audit:
    """One account's acts, within the caller's transaction."""

    def __init__(self, connection: Connection, account: str) -> None:
        self._db = connection
        self._account = account

    # Writing

    def append(self, acts: Sequence[Act], stamp: Stamp) -> None:
        """Note acts, in this order."""
        own = {"account": self._account, "run_id": stamp.run_id, "at": stamp.at}
        insert_many(self._db, insert(consent_acts), acts, own)

    def receipts(self, before: Mapping[str, Acknowledged], received: Sequence[Acknowledged], stamp: Stamp) -> None:
        """Note each receipt that changes a consent: its day, its proof, or whether the platform's own was kept."""
        acts = [act for item in received if (act := _consent(before.get(item.email), item)) is not None]
        told = self._told(acts)
        self.append(
            [replace(act, file=file, lines=lines) for act, (file, lines) in zip(acts, told, strict=True)], stamp
        )

    def forget(self, email: str, name: str, on: date, stamp: Stamp) -> int:
        """Leave the acts of a person under `name`, without proof and file; gives how many there were."""
        mine = and_(consent_acts.c.account == self._account, consent_acts.c.email == email)
        nobody = update(consent_acts).where(mine).values(email=name, consent_proof="", file="", lines="")
        count = self._db.execute(nobody).rowcount
        self.append([Act(name, "forgotten", on)], stamp)
        return count

    def _told(self, acts: Sequence[Act]) -> list[tuple[str, str]]:
        """Where the booking of each act's consent stands: file and line numbers; empty if no file says so any more."""
        found: dict[tuple[str, date | None, str], tuple[str, str]] = {}
        columns = ("email", "booked_on", "show_title", "performance_start", "transaction_id", "lines")
        wanted = {(act.email, str(act.consent_date)) for act in acts}
        for chunk in chunks({act.email for act in acts}):  # the index is by address alone
            query = (
                select(*(bookings.c[name] for name in columns), files.c.name)
                .join(files, files.c.id == bookings.c.file_id)
                .where(
                    bookings.c.account == self._account,
                    bookings.c.current,
                    bookings.c.email.in_(chunk),
                )
                .order_by(bookings.c.id)
            )
            rows: Sequence[Any] = self._db.execute(query).fetchall()
            for email, day, title, start, transaction, lines, name in rows:
                if (email, day) in wanted:
                    proof = policy.consent_proof(title or "", (start or "")[:10], transaction)
                    found[email, date.fromisoformat(day), proof] = (name, lines)
        return [found.get((act.email, act.consent_date, act.consent_proof), ("", "")) for act in acts]

    # Reading

    def of(self, email: str) -> list[Act]:
        """The acts that concern an address, oldest first."""
        query = select(*(consent_acts.c[name] for name in _NAMES)).where(
            consent_acts.c.account == self._account, consent_acts.c.email == email
        )
        return [Act(*row) for row in self._db.execute(query.order_by(consent_acts.c.id))]

    def suppressed(self, on: date) -> dict[str, Suppression]:
        """Who had unsubscribed or bounced by the end of the day `on`; unsubscribed outweighs bounced."""
        query = select(consent_acts.c.email, consent_acts.c.act, consent_acts.c.day).where(
            consent_acts.c.account == self._account, consent_acts.c.act.in_(LEFT), consent_acts.c.day <= on
        )
        found: dict[str, Suppression] = {}
        for row in self._db.execute(query.order_by(consent_acts.c.id)):
            if row.email not in found or found[row.email].reason != "unsubscribed":
                found[row.email] = Suppression(row.email, row.act, row.day, row.day)
        return found


def departures(found: Mapping[str, tuple[str, date | None]], emails: Iterable[str], seen_on: date) -> list[Act]:
    """The acts of those among `found` (reason, the platform's day) who are in `emails`."""
    return [Act(email, found[email][0], found[email][1] or seen_on) for email in emails]


def _consent(before: Acknowledged | None, item: Acknowledged) -> Act | None:
    """What a receipt does to a consent; None when it changes nothing."""
    told = (item.consent_date, item.consent_proof, item.consent_kept)
    if item.consent_date is None or (
        before is not None and told == (before.consent_date, before.consent_proof, before.consent_kept)
    ):
        return None
    act = "given" if before is None or before.consent_date is None else "renewed"
    return Act(
        email=item.email,
        act="kept" if item.consent_kept else act,
        day=item.sent_on,
        basis=item.consent_kept or "active-clients",
        consent_date=item.consent_date,
        consent_proof=item.consent_proof,
    )
