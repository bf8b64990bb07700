"""The plan of people who are new and ordinary, in one pass over narrow columns: what becomes of them follows from few facts.

Of nobody else is anything decided here: who was sent before, may be suppressed, cancelled by their address alone, or whose
consent ends about now goes the full way (`project`, `decide`), and both ways agree.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import islice
from operator import itemgetter
from typing import Generic, TypeVar

from pipeline import policy
from pipeline.config import Policy
from pipeline.outline import SHOWN, SKIPPED, Kind, Outline
from pipeline.plan import GENERAL, NEW, Change, first_reach, need
from pipeline.project import group_key
from pipeline.spool import parts, spool, told
from pipeline.store.buyers import Seated
from pipeline.touched import Deed

_AHEAD = 5_000
"""So many rows of each kind are held, whether their contacts' turn has come or not."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of contacts, each sorted by address.

    Who is `odd`, and so not ordinary; the day of everybody's latest booking; the seats that were bought; and the deeds of
    transactions in which something was cancelled, whose bookings the others may tell too.
    """

    odd: Iterable[tuple[str]]
    days: Iterable[tuple[str, str]]
    seats: Iterable[Seated]
    deeds: Iterable[Deed]


@dataclass(frozen=True, slots=True)
class _Part:
    """The same of some contacts, by address."""

    odd: AbstractSet[str]
    days: Mapping[str, str]
    seats: Mapping[str, Sequence[Seated]]
    deeds: Mapping[str, Sequence[Deed]]


@dataclass(slots=True)
class _Sum:
    """What one contact's bookings come to.

    The day of the consent (empty: none counts); for each group the time of the latest that gives a seat, and of the latest
    for a performance that is over; and the groups of which something was cancelled.
    """

    day: str
    seated: dict[str, int] = field(default_factory=dict)
    over: dict[str, int] = field(default_factory=dict)
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
        self._seatless: dict[str, int | None] = {}
        self._skipped = self._cancelled = 0
        self._shown: list[Change] = []
        self._others = spool("others (email TEXT PRIMARY KEY, resend INTEGER) WITHOUT ROWID")

    def go(self, marked: Iterable[tuple[str, bool]], known: Known, size: int) -> Iterator[None]:
        """Note the ordinary ones of the marked contacts, so many at once; they are sorted by address."""
        odd, days = _Sorted(known.odd), _Sorted(known.days)
        seats, deeds = _Sorted(known.seats), _Sorted(known.deeds)
        for block in parts(marked, size):
            last = block[-1][0]
            strange, seated = {email for (email,) in odd.until(last)}, _by_address(seats.until(last))
            self._note(block, _Part(strange, dict(days.until(last)), seated, _by_address(deeds.until(last))))
            yield
        self._outline.skip(Counter(cancelled=self._cancelled, expired=self._skipped - self._cancelled))
        self._outline.show(self._shown)

    def others(self, size: int) -> Iterator[dict[str, bool]]:
        """Whom the full way is left to, so many at a time."""
        rows = self._others.execute("SELECT email, resend FROM others")
        return ({email: bool(resend) for email, resend in part} for part in parts(rows, size))

    def _note(self, block: Sequence[tuple[str, bool]], part: _Part) -> None:
        """Most have neither seats nor deeds: what happens to them follows from the day alone, once enough are shown."""
        marked, days = dict(block), part.days
        more = part.odd | part.seats.keys() | part.deeds.keys() | (marked.keys() - days.keys())
        if len(self._shown) < SHOWN:
            more |= marked.keys()
        ordinary = [email for email in marked if email not in more]
        by_day = {day: self._alone(ordinary[0], day) for day in {days[email] for email in ordinary}}
        noted: defaultdict[int | None, list[str]] = defaultdict(list)
        for email in ordinary:
            noted[by_day[days[email]]].append(email)
        for email in sorted(more & marked.keys()):
            noted[self._looked_at(email, part)].append(email)
        self._skipped += len(noted.get(SKIPPED, ()))
        for number, emails in noted.items():
            if number is not None:
                self._outline.add(emails, number)
                continue
            with told():
                self._others.executemany("INSERT INTO others VALUES (?, ?)", ((who, marked[who]) for who in emails))

    def _looked_at(self, email: str, part: _Part) -> int | None:
        """What is to happen to a contact, as the outline's number of it; None when the full way must tell."""
        if email in part.odd:
            return None
        deeds = part.deeds.get(email, ())
        if (email not in part.days and not deeds) or any(at is cancelled for _, _, at, _, _, cancelled in deeds):
            return None  # neither time: a cancellation that may be this contact's
        known = self._with_deeds(self._summed(part.days.get(email, ""), part.seats.get(email, ())), deeds)
        if any(key in self._ours for key in known.left.difference(known.seated)):
            return None  # who may be in that group by another's hand
        if not known.day:
            self._cancelled += 1
            return SKIPPED
        return self._joining(email, known) if known.seated else self._alone(email, known.day)

    def _summed(self, day: str, seats: Iterable[Seated]) -> _Sum:
        known = _Sum(day)
        for _, name, at, over_at in seats:
            key = group_key(name, name, self._rules.groups) or ""
            if at is not None:
                known.seated[key] = at
            if over_at is not None:
                known.over[key] = over_at
        return known

    def _with_deeds(self, known: _Sum, deeds: Iterable[Deed]) -> _Sum:
        """Rule 7: a cancellation takes the seats that were bought until then; a purchase after it gives one again."""
        cancelled: dict[str, int] = {}
        for _, key, at, day, ends, cancelled_at in deeds:
            known.day = max(known.day, day or "")
            if key is None:
                continue
            if at is not None:
                times = known.over if ends is None or ends < self._first else known.seated
                times[key] = max(times.get(key, at), at)
            if cancelled_at is not None:
                cancelled[key] = max(cancelled.get(key, cancelled_at), cancelled_at)
        if cancelled:
            known.seated = {key: at for key, at in known.seated.items() if at > cancelled.get(key, at - 1)}
            known.left = frozenset(cancelled)
        return known

    def _alone(self, email: str, day: str) -> int | None:
        """The number of who has no seat: it follows from the day of the consent."""
        if day not in self._seatless:
            number = self._joining(email, _Sum(day))
            if number is not None and number != SKIPPED and len(self._shown) < SHOWN:
                return number
            self._seatless[day] = number
        return self._seatless[day]

    def _joining(self, email: str, known: _Sum) -> int | None:
        """The number of who joins these groups; None when one may be named after a performance that is over."""
        if ended := self._ended(known.day):
            return SKIPPED
        missing = known.seated.keys() - self._living
        if ended is None or any(known.seated[key] <= known.over.get(key, -1) for key in missing):
            return None
        if GENERAL not in self._living:
            need(self._outline.needed, GENERAL, None)
        for key in missing:
            self._need(key, known.seated[key], email)
        joins = (GENERAL, *sorted(known.seated))
        if len(self._shown) < SHOWN:
            self._shown.append(Change(email, True, True, False, {}, frozenset(), None, "", 0, joins, (), (NEW,)))
        if joins not in self._numbers:
            self._numbers[joins] = self._outline.number(Kind(created=True, updated=False, upsert=True, joins=joins))
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


Row = TypeVar("Row", bound="tuple[str, *tuple[object, ...]]")


class _Sorted(Generic[Row]):
    """Rows that are sorted by address, taken part by part."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._left = iter(rows)
        self._rows = list(islice(self._left, _AHEAD))

    def until(self, last: str) -> list[Row]:
        """Those that are left up to this address."""
        found: list[Row] = []
        while self._rows:
            cut = bisect_right(self._rows, last, key=itemgetter(0))
            found += self._rows[:cut]
            if cut < len(self._rows):
                del self._rows[:cut]
                break
            self._rows = list(islice(self._left, _AHEAD))
        return found


def _by_address(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row)
    return found
