"""Transactions of which something was cancelled -> what that means for each of their buyers, kept on the side by address.

Whom a cancellation concerns follows from its transaction alone, if that is known (rule 7): so it is decided transaction
by transaction, and nobody's other bookings are read for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter

from pipeline.project import Rules, fully_cancelled, group_key, resolve
from pipeline.schema import CANCELLATION, SEATING, Row
from pipeline.spool import parts, spool, told

STRAY, BOOKING, ACT = 0, 1, 2
"""What a deed is: one that the quick way cannot judge, a booking, or a cancellation."""
Deed = tuple[str, int, str | None, int, str | None, str | None]
"""Address; what it is; the group's key; its time; of a booking its day if it counts for the consent, and the performance's
last day."""
_BLOCK = 5_000


class Touched:
    """The deeds that these cancellations and bookings come to; both are sorted by transaction.

    `acts` have the columns CANCELLATION, `bought` the columns SEATING.
    """

    def __init__(self, acts: Iterable[tuple[object, ...]], bought: Iterable[tuple[object, ...]], rules: Rules) -> None:
        self._rules = rules
        self._db = spool("deeds (email TEXT, what INTEGER, key TEXT, at INTEGER, day TEXT, ends TEXT)")
        for block in parts(self._judged(acts, bought), _BLOCK):
            with told():
                self._db.executemany("INSERT INTO deeds VALUES (?, ?, ?, ?, ?, ?)", block)

    def deeds(self) -> Iterator[Deed]:
        """All deeds by address."""
        return iter(self._db.execute("SELECT * FROM deeds ORDER BY email"))

    def _judged(self, acts: Iterable[tuple[object, ...]], bought: Iterable[tuple[object, ...]]) -> Iterator[Deed]:
        theirs = groupby(bought, itemgetter(SEATING.index("transaction_id")))
        transaction, rows = next(theirs, (None, iter(())))
        for cancelled, group in groupby(acts, itemgetter(CANCELLATION.index("transaction_id"))):
            told_of = [dict(zip(CANCELLATION, act, strict=True)) for act in group]
            if transaction != cancelled:
                yield from ((str(act["email"]), STRAY, None, 0, None, None) for act in told_of if act["email"])
                continue
            yield from self._transaction([dict(zip(SEATING, row, strict=True)) for row in rows], told_of)
            transaction, rows = next(theirs, (None, iter(())))

    def _transaction(self, bought: list[Row], acts: list[Row]) -> Iterator[Deed]:
        """The deeds of one transaction: its bookings, and whom its cancellations concern."""
        if self._rules.cancellation != "any":  # all bookings of a show are counted together then
            yield from ((str(row["email"]), STRAY, None, 0, None, None) for row in bought)
            return
        resolved = resolve(acts, bought, {})
        for act in resolved:
            if (key := group_key(act["show_key"], act["performance_key"], self._rules.groups)) is not None:
                yield str(act["email"]), ACT, key, int(str(act["cancelled_at"])), None, None
        for row in bought:
            email, key = str(row["email"]), group_key(row["show_key"], row["performance_key"], self._rules.groups)
            mine = [act for act in resolved if act["email"] == email]
            void = not self._rules.cancelled_counts and fully_cancelled(row, mine)
            ends = row["performance_end_on"]
            yield (
                email, BOOKING, key, int(str(row["booked_at"])),
                None if void else str(row["booked_on"]), None if ends is None else str(ends),
            )  # fmt: skip
