"""Transactions of which something was cancelled -> what that means for each of their buyers, kept on the side by address.

Whom a cancellation concerns follows from its transaction alone, if that is known (rule 7): so it is decided transaction
by transaction, and nobody's other bookings are read for it.  Nobody is in the group of a show that is over and has none
on the platform: most transactions of a long history matter to nobody, and are passed over.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from pipeline.project import Rules, fully_cancelled, group_key, resolve
from pipeline.schema import CANCELLATION, TOUCHED, Row
from pipeline.spool import parts, spool, told

Deed = tuple[str, str | None, int | None, str | None, str | None, int | None]
"""Address; the group's key; of a booking its time, its day if it counts for the consent, and the performance's last day;
the time of the latest cancellation.  With neither time it is one that the quick way cannot judge."""
Values = tuple[object, ...]
_BLOCK = 5_000


class Touched:
    """The deeds that these cancellations and bookings come to; both are sorted by transaction.

    `acts` have the columns CANCELLATION, `bought` the columns TOUCHED; `keys`: the groups that somebody may be in.
    """

    def __init__(self, acts: Iterable[Values], bought: Iterable[Values], rules: Rules, keys: Container[str]) -> None:
        self._rules = rules
        self._keys = keys
        self._about = "performance_key" if rules.groups == "per-performance" else "show_key"
        self._db = spool("deeds (email TEXT, key TEXT, at INTEGER, day TEXT, ends TEXT, cancelled_at INTEGER)")
        for block in parts(self._judged(acts, bought), _BLOCK):
            with told():
                self._db.executemany("INSERT INTO deeds VALUES (?, ?, ?, ?, ?, ?)", block)

    def deeds(self) -> Iterator[Deed]:
        """All deeds by address."""
        return iter(self._db.execute("SELECT * FROM deeds ORDER BY email"))

    def _judged(self, acts: Iterable[Values], bought: Iterable[Values]) -> Iterator[Deed]:
        theirs = groupby(bought, itemgetter(TOUCHED.index("transaction_id")))
        transaction, rows = next(theirs, (None, iter(())))
        for cancelled, group in groupby(acts, itemgetter(CANCELLATION.index("transaction_id"))):
            told_of = list(group)
            if transaction != cancelled:
                yield from (_stray(act) for act in _named(CANCELLATION, told_of) if act["email"])
                continue
            sold = list(rows)
            if self._matters(TOUCHED, sold) or self._matters(CANCELLATION, told_of):
                yield from self._transaction(_named(TOUCHED, sold), _named(CANCELLATION, told_of))
            transaction, rows = next(theirs, (None, iter(())))

    def _matters(self, columns: Sequence[str], rows: Iterable[Values]) -> bool:
        """Whether anything can depend on what was cancelled of these: a consent, or who is in a group."""
        if not self._rules.cancelled_counts:
            return True
        about, groups = columns.index(self._about), self._rules.groups
        return any(group_key(row[about], row[about], groups) in self._keys for row in rows)

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


def _named(columns: Sequence[str], rows: Iterable[Values]) -> list[Row]:
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _stray(row: Row) -> Deed:
    return str(row["email"]), None, None, None, None, None
