"""The plan of people who are new and ordinary, in one pass over narrow columns: what becomes of them follows from few facts.

Of nobody else is anything decided here: who was sent before, may be suppressed, cancelled by their address alone, or whose
consent ends about now goes the full way (`project`, `decide`), and both ways agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Generic, TypeVar

from pipeline import policy
from pipeline.config import Policy
from pipeline.outline import SHOWN, SKIPPED, STRANGER, Kind, Outline
from pipeline.plan import GENERAL, NEW, Change, first_reach, need
from pipeline.project import group_key
from pipeline.spool import parts, spool, told
from pipeline.store.buyers import Bought
from pipeline.touched import ACT, STRAY, Deed

BLOCK = 5_000
"""So many contacts are noted at once."""
NOBODY = chr(0x10FFFF) * 2
"""After every address."""


@dataclass(slots=True)
class _Sum:
    """What one contact's bookings come to.

    The day of the consent (empty: none counts), the time of the latest for a performance that is over, the time of the
    latest for each group, and the groups of which something was cancelled.
    """

    day: str = ""
    over_at: int = -1
    seated: dict[str, int] = field(default_factory=dict)
    left: frozenset[str] = frozenset()


class Quick:
    """One pass over the marked contacts: the ordinary ones are noted in the outline, the `others` are left to the full way.

    `living`: the groups that are there, `adopted`: those that are ours from now on; `oldest`: for each other one that is
    needed, the time of the seat that names it, and whose it may be.
    """

    def __init__(self, outline: Outline, rules: Policy, living: frozenset[str], adopted: Collection[str]) -> None:
        self.oldest: dict[str, tuple[int, list[str]]] = {}
        self._outline = outline
        self._rules = rules
        self._first = first_reach(outline.as_of, rules.show_grace_days)
        self._living = living
        self._ours = living.union(adopted)
        self._ends: dict[str, bool | None] = {}
        self._numbers: dict[tuple[str, ...], int] = {}
        self._alone: int | None = None
        self._skips: Counter[str] = Counter()
        self._shown: list[Change] = []
        self._others = spool("others (email TEXT PRIMARY KEY, resend INTEGER) WITHOUT ROWID")

    def go(
        self, marked: Iterable[tuple[str, bool]], odd: Iterator[str], bought: Iterator[Bought], deeds: Iterator[Deed]
    ) -> Iterator[None]:
        """Note the ordinary ones of the marked contacts, in blocks; all four are sorted by address, `odd` are not ordinary."""
        for block in parts(self._noted(marked, odd, bought, deeds), BLOCK):
            self._outline.add(block)
            yield
        self._outline.skip(self._skips)
        self._outline.show(self._shown)

    def others(self, size: int) -> Iterator[dict[str, bool]]:
        """Whom the full way is left to, so many at a time."""
        rows = self._others.execute("SELECT email, resend FROM others")
        return ({email: bool(resend) for email, resend in part} for part in parts(rows, size))

    def _noted(
        self, marked: Iterable[tuple[str, bool]], odd: Iterator[str], bought: Iterator[Bought], deeds: Iterator[Deed]
    ) -> Iterator[tuple[str, int, int]]:
        """The ordinary ones, each with what is to happen."""
        strange = next(odd, NOBODY)
        rows, theirs = (
            _Sorted(bought, (NOBODY, None, "", 0, None)),
            _Sorted(deeds, (NOBODY, STRAY, None, 0, None, None)),
        )
        left: list[tuple[str, bool]] = []
        for email, resend in marked:
            while strange < email:
                strange = next(odd, NOBODY)
            mine, done = rows.of(email), theirs.of(email)
            number = None if strange == email or not (mine or done) else self._number(email, mine, done)
            if number is not None:
                yield email, number, STRANGER
                continue
            left.append((email, resend))
            if len(left) >= BLOCK:
                self._leave(left)
        self._leave(left)

    def _leave(self, left: list[tuple[str, bool]]) -> None:
        with told():
            self._others.executemany("INSERT INTO others VALUES (?, ?)", left)
        left.clear()

    def _number(self, email: str, bought: list[Bought], deeds: list[Deed]) -> int | None:
        """What is to happen to a contact, as the outline's number of it; None when the full way must tell."""
        known = self._summed(bought)
        if deeds:
            if any(what == STRAY for _, what, *_ in deeds):
                return None
            known = self._with_deeds(known, deeds)
            if any(key in self._ours for key in known.left.difference(known.seated)):
                return None  # who may be in that group by another's hand
            if not known.day:
                self._skips["cancelled"] += 1
                return SKIPPED
        ended = self._ended(known.day)
        if ended:
            self._skips["expired"] += 1
            return SKIPPED
        if ended is None:
            return None
        if not known.seated and self._alone is not None and len(self._shown) >= SHOWN:
            return self._alone
        return self._joining(email, known)

    def _summed(self, bought: list[Bought]) -> _Sum:
        known = _Sum()
        for _, key, day, at, over_at in bought:
            known.day = max(known.day, day)
            if key is not None:
                known.seated[group_key(key, key, self._rules.groups) or ""] = at
            elif over_at is not None:
                known.over_at = over_at
        return known

    def _with_deeds(self, known: _Sum, deeds: list[Deed]) -> _Sum:
        """Rule 7: a cancellation takes the seats that were bought until then; a purchase after it gives one again."""
        cancelled: dict[str, int] = {}
        for _, what, key, at, day, ends in deeds:
            if what == ACT:
                cancelled[key or ""] = max(cancelled.get(key or "", at), at)
            else:
                known.day = max(known.day, day or "")
                if ends is None or ends < self._first:
                    known.over_at = max(known.over_at, at)
                elif key is not None:
                    known.seated[key] = max(known.seated.get(key, at), at)
        known.seated = {key: at for key, at in known.seated.items() if at > cancelled.get(key, at - 1)}
        known.left = frozenset(cancelled)
        return known

    def _joining(self, email: str, known: _Sum) -> int | None:
        """The number of who joins these groups; None when a group may be named after a performance that is over."""
        missing = known.seated.keys() - self._living
        if any(known.seated[key] <= known.over_at for key in missing):
            return None  # which may be of the same group: the full way tells when its seat was booked
        if GENERAL not in self._living:
            need(self._outline.needed, GENERAL, None)
        for key in missing:
            self._need(key, known.seated[key], email)
        joins = (GENERAL, *sorted(known.seated))
        if len(self._shown) < SHOWN:
            self._shown.append(Change(email, True, True, False, {}, frozenset(), None, "", 0, joins, (), (NEW,)))
        if joins not in self._numbers:
            self._numbers[joins] = self._outline.number(Kind(created=True, updated=False, upsert=True, joins=joins))
            if not known.seated:
                self._alone = self._numbers[joins]
        return self._numbers[joins]

    def _ended(self, booked_on: str) -> bool | None:
        """Whether a consent of that day has ended; None where a day more or less decides it."""
        if booked_on not in self._ends:
            day, months, on = date.fromisoformat(booked_on), self._rules.consent_months, self._outline.as_of
            days = (day - timedelta(days=1), day, day + timedelta(days=1))
            found = {policy.consent_ended(each, months, on) for each in days}
            self._ends[booked_on] = found.pop() if len(found) == 1 else None
        return self._ends[booked_on]

    def _need(self, key: str, booked_at: int, email: str) -> None:
        """A group is named after its oldest seat: whose that may be."""
        oldest, whose = self.oldest.get(key, (booked_at, []))
        if booked_at < oldest:
            self.oldest[key] = booked_at, [email]
        elif booked_at == oldest:
            whose.append(email)
            self.oldest[key] = oldest, whose


Told = TypeVar("Told", bound="tuple[str, *tuple[object, ...]]")


class _Sorted(Generic[Told]):
    """Rows that are sorted by address, taken contact by contact; `last` is behind every address."""

    def __init__(self, rows: Iterator[Told], last: Told) -> None:
        self._rows = rows
        self._last = last
        self._next = next(rows, last)

    def of(self, email: str) -> list[Told]:
        """Those of this address, which comes after those that were asked for before."""
        row, rows, last = self._next, self._rows, self._last
        while row[0] < email:
            row = next(rows, last)
        found = []
        while row[0] == email:
            found.append(row)
            row = next(rows, last)
        self._next = row
        return found
