"""Playing a history: what the box office, the staff, the program and its enemies do; then a good run, and the verdict."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

from program import struck
from sqlalchemy import create_engine, func, select, text
from world import Line
from world import text as as_file

from machine.history import CHANNEL, CITY, FIRST_DAY, FRIENDS, Attempt, Deed, History, Kill, Night, Trick
from machine.model import Act, Model, Past, Person, Platform, Told
from machine.venue import Venue
from pipeline.sandbox.control import MemberState
from pipeline.store.tables import bookings, in_flight, marks

ONE_DAY = timedelta(days=1)
ALLOWED = (
    "GET .*",
    "POST /batches",
    "POST /groups",
    "PATCH /members/[0-9]+",
    "POST /members/[0-9]+/groups",
    "DELETE /members/[^/]+/groups/[0-9]+",
)
"""The only requests that may ever be made."""


@dataclass
class Tally:
    """What a history, or many, went through."""

    histories: int = 0
    faults: int = 0
    kills: int = 0
    runs: int = 0


@dataclass
class Player:
    """One history under way: what was told so far, what staff did, and the story for whoever must read a failure."""

    history: History
    venue: Venue
    tally: Tally
    tell: Callable[[str], None]
    step: int = 0
    told: list[Told] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    as_ofs: list[date] = field(default_factory=list)
    due: dict[date, bool] = field(default_factory=dict)
    quiet: bool = True
    first: date = date.max
    gone: set[str] = field(default_factory=set)
    consents: dict[str, tuple[str | None, date | None]] = field(default_factory=dict)

    def play(self) -> None:
        """All of it."""
        self.venue.control.set_switches(**self.history.switches)
        if self.history.past:
            self._drop("Theatre_historique.csv", self.history.past)
            self._note(FIRST_DAY - ONE_DAY, self.history.past, backfill=True)
            for attempt in self.history.beginning:
                self._attempt(attempt, FIRST_DAY)
        pending: dict[int, list[int]] = {}
        for number, night in enumerate(self.history.nights):
            self.step += 1
            for deed in night.deeds:
                self._deed(deed)
            for earlier in pending.pop(number, []):
                self._corrected(earlier, number)
            self._night(number, night, pending)
        self._end()

    # The box office

    def _drop(self, name: str, lines: Iterable[Line], cut: bool = False) -> None:
        content = as_file(lines).encode()
        if cut:
            content = content[: content.rstrip().rfind(b"\n") + 20] if content.count(b"\n") > 1 else content[:40]
        (self.venue.drop / name).write_bytes(content)

    def _drop_day(self, number: int, lines: Iterable[Line], cut: bool = False) -> None:
        """The day's file, or its two; `cut` in the middle."""
        stamp, listed = f"{self.history.day(number):%Y%m%d}", list(lines)
        if not self.history.two_files:
            self._drop(f"Theatre_{stamp}.csv", listed, cut)
            return
        for name, kind in (("achats", "ACHAT"), ("annulations", "ANNULATION")):
            some = [line for line in listed if line["type_operation"] == kind]
            self._drop(f"Theatre_{name}_{stamp}.csv", some, cut)

    def _note(self, day: date, lines: Iterable[Line], *, backfill: bool = False, truth: bool = True) -> None:
        self.told.append(Told(day, backfill, tuple(lines), self.step, truth))

    def _night(self, number: int, night: Night, pending: dict[int, list[int]]) -> None:
        day = self.history.day(number)
        as_of = day + ONE_DAY
        attempts = list(night.attempts)
        if night.arrival == "late":
            if self.history.two_files:
                self._drop(f"Theatre_achats_{day:%Y%m%d}.csv", [])
            code = self._attempt(attempts.pop(0), as_of, number)
            assert code in {None, 1, 2, 3, 4, 75}, f"a missing day gave {code}"
        elif night.arrival == "cut":
            self._drop_day(number, night.lines, cut=True)
            code = self._attempt(attempts.pop(0), as_of, number)
            assert code in {None, 1, 2}, f"a file that was cut off gave {code}"
            self.tally.faults += code == 1
        if night.arrival == "wrong":
            self._drop_day(number, night.first)
            self._note(day, night.first, truth=False)
            pending.setdefault(number + night.after, []).append(number)
        else:
            self._drop_day(number, night.lines)
            self._note(day, night.lines)
        self.due[day] = True
        for attempt in attempts:
            self._attempt(attempt, as_of, number)
        for earlier in pending.pop(number, []):
            self._corrected(earlier, number)
        if number == len(self.history.nights) - 1:
            for earlier in [number for numbers in pending.values() for number in numbers]:
                self._tell_truth(earlier)

    def _corrected(self, number: int, now: int) -> None:
        """The true file comes, and the day is fetched again."""
        self._tell_truth(number)
        attempt = self.history.nights[now].attempts[-1]
        again = Attempt("refetch", attempt.faults, attempt.tricks, attempt.kill, attempt.settles)
        self._attempt(again, self.history.day(now) + ONE_DAY, number)

    def _tell_truth(self, number: int) -> None:
        day, lines = self.history.day(number), self.history.nights[number].lines
        self._drop_day(number, lines)
        self._note(day, lines)
        self.due[day] = True

    # The program

    def _words(self, command: str, as_of: date, number: int) -> tuple[str, ...]:
        day = str(self.history.day(number))
        return {
            "run": ("run", "demo", "--as-of", str(as_of)),
            "alone": ("run", "demo", "--date", day, "--as-of", str(as_of)),
            "backfill": ("backfill", "demo", "--as-of", str(as_of)),
            "push": ("push", "demo", "--as-of", str(as_of)),
            "replay": ("replay", "demo", day, "--as-of", str(as_of)),
            "refetch": ("replay", "demo", day, "--refetch", "--as-of", str(as_of)),
        }[command]

    def _attempt(self, attempt: Attempt, as_of: date, number: int = 0) -> int | None:
        """Start the program under its faults; its exit code, None when it was killed."""
        control, mischief = self.venue.control, self.venue.place.mischief
        words = self._words(attempt.command, as_of, number)
        control.reset_log()
        control.add_fault(*attempt.faults)
        mischief.lay(*attempt.tricks)
        self.as_ofs.append(as_of)
        self.tally.runs += 1
        if attempt.kill is None:
            code: int | None = self._patiently(words)
        else:
            once = self._moment(attempt.kill)
            code = struck(*words, "--config", str(self.venue.config), once=once)
            self.tally.kills += code is None
        control.clear_faults()
        log = control.log()
        hit = [entry.fault for entry in log if entry.fault]
        self.tally.faults += len(hit) + len(mischief.struck)
        last = f"after {log[-1].method} {log[-1].path}" if log else "before any request"
        tricks = [f"{trick.kind} {trick.operation}" for trick in mischief.struck]
        self.tell(f"{' '.join(words[:3])} as of {as_of}: {f'killed {last}' if code is None else code} {hit} {tricks}")
        mischief.lay()
        self._look()
        if attempt.settles:
            control.settle()
        self._remember(attempt, code, number)
        return code

    def _remember(self, attempt: Attempt, code: int | None, number: int) -> None:
        self.quiet = code == 0
        day = FIRST_DAY - ONE_DAY if attempt.command == "backfill" else self.history.day(number)
        if code == 0 and attempt.command in {"backfill", "refetch", "alone", "run"}:
            self.first = min(self.first, day)
            self.due[day] = False

    def _patiently(self, words: tuple[str, ...]) -> int:
        """In this process; a lock that a killed one held on PostgreSQL takes a moment to be let go."""
        end = time.monotonic() + 10
        while True:
            answer = self.venue.placier(*words)
            if answer.code != 75 or time.monotonic() > end:
                if answer.code not in {0, 4}:
                    self.tell(
                        f"  {[run.get('message', '') for run in answer.json['runs']] if 'runs' in answer.json else answer.out}"
                    )
                return answer.code
            time.sleep(0.02)

    def _moment(self, kill: Kill) -> Callable[[], bool]:
        mischief, start, platform = self.venue.place.mischief, time.monotonic(), self.venue.server.platform
        if kill.when == "request":
            assert kill.fault is not None
            self.venue.control.add_fault(kill.fault)
            return lambda: kill.fault not in platform.faults.waiting()
        if kill.when == "fetch":
            mischief.lay(*mischief.waiting, Trick("hang", "read"))
            return lambda: any(trick.kind == "hang" for trick in mischief.struck)
        if kill.when == "count":
            return lambda: platform.journal.seen >= kill.after
        if kill.when == "instant":
            return lambda: time.monotonic() >= start + 0.03 + kill.after / 1000
        closed: list[float] = []

        def recorded() -> bool:
            if mischief.closed and not closed:
                closed.append(time.monotonic())
            return bool(closed) and time.monotonic() >= closed[0] + kill.after / 1000

        return recorded

    # Staff

    def _deed(self, deed: Deed) -> None:
        control = self.venue.control
        control.settle()  # who acts knows what they see: nothing of an earlier run lands after
        before = self.platform()
        titles = sorted(set(before.titles))
        email, who = deed.email, before.people.get(deed.email)
        if any(act.email == email for act in self.acts) and deed.what not in {"delete group", "rename"}:
            return
        act = Act(self.step, deed.what, email, before=before, quiet=self.quiet)
        if deed.what in {"unsubscribe", "bounce"}:
            {"unsubscribe": control.unsubscribe, "bounce": control.bounce}[deed.what](email)
            self.gone |= {email, str(control.state().members[email].id)}
        elif deed.what == "delete group":
            if not titles:
                return
            title = titles[deed.which % len(titles)]
            if any(earlier.value == title for earlier in self.acts):
                return  # one that staff renamed comes back under the name that it had first
            control.delete_group(title)
            act = Act(self.step, deed.what, "", title, before=before, quiet=self.quiet)
        elif deed.what == "rename":
            renamed = self._rename(deed, before)
            if renamed is None:
                return
            act = renamed
        elif who is None or who.state != "subscribed":
            return
        elif deed.what == "delete member":
            control.delete_member(email)
        elif deed.what == "edit":
            name = (CITY, CHANNEL, "firstname")[deed.which % 3]
            control.add_member(
                email, **({"texts": {name: "Main"}} if name == "firstname" else {"fields": {name: "Main"}})
            )
            act = Act(self.step, deed.what, email, field=name, value="Main", before=before, quiet=self.quiet)
        elif deed.what == "put":
            title = ([FRIENDS, *titles])[deed.which % (len(titles) + 1)]
            if title in who.groups:
                return
            control.add_member(email, groups=[*who.groups, title])
            act = Act(self.step, deed.what, email, title, before=before, quiet=self.quiet)
        elif deed.what == "express":
            control.add_member(email, relation="express-consent", consent_date=FIRST_DAY, consent_proof="Formulaire")
        self.acts.append(act)
        self.consents.pop(email, None)
        self.tell(f"{act.what} {act.email} {act.title} {act.field}")

    def _rename(self, deed: Deed, before: Platform) -> Act | None:
        """Staff renames a group that is surely known as ours: somebody whom we seated is in it, and nothing is on its way."""
        used = {act.title for act in self.acts if act.title}
        seated = {title for one in before.people.values() if one.state == "subscribed" for title in one.groups}
        titles = sorted(title for title in seated - used - {FRIENDS} if not title.endswith("(archives)"))
        if not self.quiet or not titles:
            return None
        title = titles[deed.which % len(titles)]
        self.venue.control.rename_group(title, f"{title} (archives)")
        return Act(self.step, "rename", "", title, value=f"{title} (archives)", before=before, quiet=True)

    # What is looked at after each run

    def _look(self) -> None:
        """No forbidden request was made, and no consent moved back."""
        for entry in self.venue.control.log():
            kind = entry.body.get("batchType") if isinstance(entry.body, dict) else "addMembers"
            allowed = any(re.fullmatch(way, f"{entry.method} {entry.path}") for way in ALLOWED)
            assert (allowed, kind) == (True, "addMembers"), f"a forbidden request: {entry.method} {entry.path} {kind}"
        touched = self.venue.control.touched_addresses() & self.gone
        assert not touched, f"written to after leaving: {touched}"
        for email, person in self.venue.control.state().members.items():
            now = (person.consent.relation, person.consent.date)
            was = self.consents.get(email)
            if was is not None and person.state == "subscribed" and was[0] == now[0]:
                assert (now[1] or date.min) >= (was[1] or date.min), (
                    f"{email}: the consent went back from {was} to {now}"
                )
            self.consents[email] = now

    def platform(self) -> Platform:
        """The platform as the model reads it."""
        state = self.venue.control.state()
        return Platform({email: _person(member) for email, member in state.members.items()}, tuple(state.titles()))

    # The end

    def _end(self) -> None:
        """Faults cleared and all files whole: what was not recorded is done, then one good run leads to the truth."""
        self.step += 1
        self.venue.control.set_switches(throttle_every=0)
        as_of = self.history.day(len(self.history.nights))
        if self.history.past and self.due.get(FIRST_DAY - ONE_DAY, True):
            assert self._attempt(Attempt("backfill"), FIRST_DAY) == 0
        last = len(self.history.nights) - 1
        for number, night in enumerate(self.history.nights):
            day = self.history.day(number)
            # A run catches up with the days missed since the first that was recorded, and fetches no day again.
            if self.due[day] and (night.arrival == "wrong" or (day < self.first and number < last)):
                assert self._attempt(Attempt("alone"), as_of, number) == 0
        if not self.history.late:
            self.venue.control.settle()
        assert self._attempt(Attempt("run"), as_of, last) == 0, "the good run did not end well"
        if self.history.late:
            assert self._attempt(Attempt("run"), as_of, last) == 0, "the run after what came late did not end well"
        past = Past(self.told, self.acts, self.as_ofs, **self.history.policy)
        wrong = Model(past).wrong(self.platform())
        assert not wrong, "\n".join(wrong)
        self.venue.control.reset_log()
        assert self._patiently(self._words("run", as_of, last)) == 0
        assert self.venue.control.writes() == 0, "the run after the good one sent something"
        self._state_is_clean()
        self.tally.histories += 1

    def _state_is_clean(self) -> None:
        url = self.venue.state_url
        engine = create_engine(url)
        with engine.connect() as connection:
            if url.startswith("sqlite"):
                assert connection.execute(text("PRAGMA integrity_check")).scalar() == "ok"
            for table in (marks, in_flight):
                assert connection.execute(select(func.count()).select_from(table)).scalar() == 0, (
                    f"left in {table.name}"
                )
            key = (bookings.c.transaction_id, bookings.c.performance_key)
            twice = select(*key).where(bookings.c.current).group_by(*key).having(func.count() > 1)
            assert not connection.execute(twice).all()
        engine.dispose()
        left = self.venue.left_behind()
        assert not left, f"left behind: {left}"


def _person(member: MemberState) -> Person:
    consent = member.consent
    return Person(
        member.state,
        member.texts,
        member.fields,
        frozenset(member.groups),
        consent.relation,
        consent.date,
        consent.proof,
    )
