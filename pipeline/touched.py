"""Transactions of which something was cancelled -> what that means for each of their buyers, kept on the side by address.

Whom a cancellation concerns follows from its transaction alone, if that is known (rule 7): so it is decided transaction
by transaction, and nobody's other bookings are read for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter

from pipeline.project import Rules, fully_cancelled, group_key, resolve
from pipeline.schema import CANCELLATION, TOUCHED, Row
from pipeline.spool import parts, spool, told

Deed = tuple[str, str | None, int | None, str | None, str | None, int | None]
"""Address; the group's key; of a booking its time, its day if it counts for the consent, and the performance's last day;
the time of the latest cancellation.  With neither time it is one that the quick way cannot judge."""
_BLOCK = 5_000


class Touched:
    """The deeds that these cancellations and bookings come to; both are sorted by transaction.

    `acts` have the columns CANCELLATION, `bought` the columns TOUCHED.
    """

    def __init__(self, acts: Iterable[tuple[object, ...]], bought: Iterable[tuple[object, ...]], rules: Rules) -> None:
        self._rules = rules
        self._db = spool("deeds (email TEXT, key TEXT, at INTEGER, day TEXT, ends TEXT, cancelled_at INTEGER)")
        for block in parts(self._judged(acts, bought), _BLOCK):
            with told():
                self._db.executemany("INSERT INTO deeds VALUES (?, ?, ?, ?, ?, ?)", block)

    def deeds(self) -> Iterator[Deed]:
        """All deeds by address."""
        return iter(self._db.execute("SELECT * FROM deeds ORDER BY email"))

    def _judged(self, acts: Iterable[tuple[object, ...]], bought: Iterable[tuple[object, ...]]) -> Iterator[Deed]:
        theirs = groupby(bought, itemgetter(TOUCHED.index("transaction_id")))
        transaction, rows = next(theirs, (None, iter(())))
        for cancelled, group in groupby(acts, itemgetter(CANCELLATION.index("transaction_id"))):
            told_of = [dict(zip(CANCELLATION, act, strict=True)) for act in group]
            if transaction != cancelled:
                yield from (_stray(act) for act in told_of if act["email"])
                continue
            yield from self._transaction([dict(zip(TOUCHED, row, strict=True)) for row in rows], told_of)
            transaction, rows = next(theirs, (None, iter(())))

    def _transaction(self, bought: list[Row], acts: list[Row]) -> Iterator[Deed]:
        """The deeds of one transaction: its bookings, and whom its cancellations concern."""
        if self._rules.cancellation != "any":  # all bookings of a show are counted together then
            yield from map(_stray, bought)
            return
        resolved = resolve(acts, bought, {})
        latest: dict[tuple[str, str], int] = {}
        for act in resolved:
            if (key := self._key(act)) is not None:
                whose, at = (str(act["email"]), key), int(str(act["cancelled_at"]))
                latest[whose] = max(latest.get(whose, at), at)
        for row in bought:
            email, key, ends = str(row["email"]), self._key(row), row["performance_end_on"]
            yield (
                email, key, int(str(row["booked_at"])), str(row["booked_on"]) if self._counts(row, resolved) else None,
                None if ends is None else str(ends), None if key is None else latest.pop((email, key), None),
            )  # fmt: skip
        yield from ((email, key, None, None, None, at) for (email, key), at in latest.items())

    def _key(self, row: Row) -> str | None:
        return group_key(row["show_key"], row["performance_key"], self._rules.groups)

    def _counts(self, row: Row, acts: list[Row]) -> bool:
        """Whether a booking counts for the consent."""
        if self._rules.cancelled_counts:
            return True
        return not fully_cancelled(row, [act for act in acts if act["email"] == row["email"]])


def _stray(row: Row) -> Deed:
    return str(row["email"]), None, None, None, None, None
