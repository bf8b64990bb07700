"""The plan of people who are new and ordinary, in one pass over narrow columns: what becomes of them follows from few facts.

Of nobody else is anything decided here: who was sent before, cancelled, may be suppressed, or whose consent ends about
now goes the full way (`project`, `decide`), and both ways agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from pipeline import policy
from pipeline.config import Policy
from pipeline.outline import SHOWN, SKIPPED, STRANGER, Kind, Outline
from pipeline.plan import GENERAL, NEW, Change, need
from pipeline.project import group_key
from pipeline.spool import parts, spool, told

BLOCK = 5_000
"""So many contacts are noted at once."""
NOBODY = chr(0x10FFFF) * 2
"""After every address."""
Bought = tuple[str, str, int | None]
"""Address, day of the latest booking, time of the latest for a performance that is over (None: of all are to come)."""
Seat = tuple[str, str, int]
"""What one contact's bookings for performances to come say of one group: address, key, latest booking's time."""


class Quick:
    """One pass over the marked contacts: the ordinary ones are noted in the outline, the `others` are left to the full way.

    `living`: the groups that are there; `oldest`: for each other one that is needed, the time of the seat that names it,
    and whose it may be.
    """

    def __init__(self, outline: Outline, rules: Policy, living: frozenset[str]) -> None:
        self.oldest: dict[str, tuple[int, list[str]]] = {}
        self._outline = outline
        self._rules = rules
        self._living = living
        self._ends: dict[str, bool | None] = {}
        self._numbers: dict[tuple[str, ...], int] = {}
        self._alone: int | None = None
        self._shown: list[Change] = []
        self._others = spool("others (email TEXT PRIMARY KEY, resend INTEGER) WITHOUT ROWID")

    def go(
        self, marked: Iterable[tuple[str, bool]], odd: Iterator[str], bought: Iterator[Bought], seats: Iterator[Seat]
    ) -> Iterator[None]:
        """Note the ordinary ones of the marked contacts, in blocks; all four are sorted by address, `odd` are not ordinary."""
        for block in parts(self._noted(marked, odd, bought, seats), BLOCK):
            self._outline.add(block)
            if expired := sum(kind == SKIPPED for _, kind, _ in block):
                self._outline.skip(Counter(expired=expired))
            yield
        self._outline.show(self._shown)

    def others(self, size: int) -> Iterator[dict[str, bool]]:
        """Whom the full way is left to, so many at a time."""
        rows = self._others.execute("SELECT email, resend FROM others")
        return ({email: bool(resend) for email, resend in part} for part in parts(rows, size))

    def _noted(
        self, marked: Iterable[tuple[str, bool]], odd: Iterator[str], bought: Iterator[Bought], seats: Iterator[Seat]
    ) -> Iterator[tuple[str, int, int]]:
        """The ordinary ones, each with what is to happen."""
        nothing: Bought = (NOBODY, "", None)
        none: Seat = (NOBODY, "", 0)
        strange, theirs, seat = next(odd, NOBODY), next(bought, nothing), next(seats, none)
        left: list[tuple[str, bool]] = []
        for email, resend in marked:
            while strange < email:
                strange = next(odd, NOBODY)
            while theirs[0] < email:
                theirs = next(bought, nothing)
            while seat[0] < email:
                seat = next(seats, none)
            seated: list[Seat] = []
            while seat[0] == email:
                seated.append(seat)
                seat = next(seats, none)
            number = None if strange == email or theirs[0] != email else self._number(theirs, seated)
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

    def _number(self, bought: Bought, seats: list[Seat]) -> int | None:
        """What is to happen to a contact, as the outline's number of it; None when the full way must tell."""
        email, booked_on, over_at = bought
        ended = self._ended(booked_on)
        if ended is not False:
            return SKIPPED if ended else None
        if not seats and self._alone is not None and len(self._shown) >= SHOWN:
            return self._alone
        seated = {group_key(key, key, self._rules.groups) or "": at for _, key, at in seats}
        missing = seated.keys() - self._living
        if over_at is not None and any(seated[key] <= over_at for key in missing):
            return None  # which may be of the same group: the full way tells when its seat was booked
        if GENERAL not in self._living:
            need(self._outline.needed, GENERAL, None)
        for key in missing:
            self._need(key, seated[key], email)
        joins = (GENERAL, *sorted(seated))
        if len(self._shown) < SHOWN:
            self._shown.append(Change(email, True, True, False, {}, frozenset(), None, "", 0, joins, (), (NEW,)))
        if joins not in self._numbers:
            self._numbers[joins] = self._outline.number(Kind(created=True, updated=False, upsert=True, joins=joins))
            if not seats:
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
