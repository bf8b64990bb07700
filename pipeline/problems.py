"""One message per problem, not per night: told when it begins, once a week while it lasts, and once when it ends.

A problem is looked for in what the runs of a command tell and in the state; the state remembers what people have heard.
It counts as told once at least one of the addresses took the message.  With the state out of reach there is no memory: the
message goes out all the same, one a command.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

from pipeline import answers
from pipeline.config import Account
from pipeline.errors import Busy, Held, MissingFile, PlacierError, UntrustedFile, UsageError
from pipeline.log import mask
from pipeline.messages import Tiding
from pipeline.run import Run
from pipeline.store.database import Database
from pipeline.store.history import History, Hold
from pipeline.store.problems import Key, Noted, Problems

REMINDER_DAYS = 7
"""A problem that lasts is told again after so many days."""
GROWN, MORE = 2, 10
"""... and sooner when it concerns more than so many times what was told, and so many more."""
NIGHTLY = "run"
WORDS = 400
"""So many characters of an error's words are told."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that people must hear of: what `kind`, what it is `about`, how many it concerns, what its words need.

    `fresh`: it has just come, whatever was told before; `follows`: what it is about when it only goes on from there.
    """

    kind: str
    about: str = ""
    count: int = 1
    detail: Mapping[str, str] = field(default_factory=dict)
    fresh: bool = False
    follows: str = ""

    @property
    def key(self) -> Key:
        """What tells the problems of an account apart."""
        return self.kind, self.about


@dataclass(frozen=True, slots=True)
class Facts:
    """How an account stands after its runs: what is held, which days are missing, how many suppressed people are back."""

    holds: tuple[Hold, ...]
    missing: frozenset[date]
    back: int


def facts(database: Database, account: Account) -> Facts:
    """Read them."""
    with database.transaction(reading=True) as connection:
        return Facts(
            tuple(History(connection, account.name).open_holds()),
            frozenset(answers.missing_days(connection, account)),
            len(answers.came_back(connection, account)),
        )


# What there is


def seen(runs: Sequence[Run], now: Facts | None) -> dict[Key, Problem]:
    """The problems that an account's runs tell of; what they held is looked up, if the state is at hand."""
    found: dict[Key, Problem] = {}
    for problem in [*_of_runs(runs), *_back(runs, now), *_held(runs, now)]:
        earlier = found.get(problem.key)
        found[problem.key] = problem if earlier is None else replace(problem, count=problem.count + earlier.count)
    return found


def _of_runs(runs: Sequence[Run]) -> Iterator[Problem]:
    failed: set[Key] = set()
    for run in runs:
        if isinstance(run.error, MissingFile) and run.kind == NIGHTLY and run.date is not None:
            yield _late(run, run.date, run.error)
        elif (problem := _failure(run)) is not None and problem.key not in failed:
            failed.add(problem.key)
            yield problem
    last = _last_push(runs)
    if last is not None:
        yield from _refusals(last)


def _back(runs: Sequence[Run], now: Facts | None) -> Iterator[Problem]:
    """Suppressed people who have just come back; each is counted by one run alone, the state counts all."""
    fresh = sum(run.came_back for run in runs)
    if fresh:
        yield Problem("came_back", count=fresh if now is None else now.back, fresh=True)


def _late(run: Run, day: date, error: PlacierError) -> Problem:
    what = error.message.removeprefix(f"{run.account}: ").partition(" not found for ")[0]
    before = date.fromordinal(day.toordinal() - 1).isoformat()
    return Problem("missing", day.isoformat(), detail={"what": what}, follows=before)


def _failure(run: Run) -> Problem | None:
    """A run that failed; what was typed wrong, or at the wrong moment, was told to whoever typed it."""
    error = run.error
    if error is None or isinstance(error, (MissingFile, Held)):
        return None
    if run.kind != NIGHTLY and isinstance(error, (UsageError, Busy)):
        return None
    of_file = isinstance(error, UntrustedFile) and run.date is not None
    about = f"{type(error).__name__} {run.date}" if of_file else type(error).__name__
    what = mask(error.message.removeprefix(f"{run.account}: "))[:WORDS]
    named = f"{run.kind} {run.date or run.as_of}"
    detail = {"run": named, "kind": run.kind, "what": what, "remedy": mask(error.remedy)[:WORDS]}
    return Problem("failed", about, detail={**detail, **({"day": str(run.date)} if of_file else {})})


def _last_push(runs: Sequence[Run]) -> Run | None:
    """The last run that went as far as the platform: earlier ones' refusals were tried again by it."""
    return next((run for run in reversed(runs) if run.plan is not None and run.error is None), None)


def _refusals(run: Run) -> Iterator[Problem]:
    if run.refused:
        reasons = Counter(mask(why) for why in run.refused.values()).most_common(3)
        what = "; ".join(f"{words} ({count})" for words, count in reasons)
        yield Problem("refused", count=len(run.refused), detail={"what": what[:WORDS]})
    for group in run.blocked:
        yield Problem("group", group.title, group.waiting, {"what": group.why})


def _held(runs: Sequence[Run], now: Facts | None) -> Iterator[Problem]:
    if now is None:
        for reason, count in dict(held for run in runs for held in run.held).items():
            yield Problem("held", reason, count)
        return
    for hold in now.holds:
        of_day = hold.reason in {"rejects", "volume"} and hold.date is not None
        about = f"{hold.reason} {hold.date}" if of_day else hold.reason
        detail = {"run_id": hold.run_id, **({"day": str(hold.date)} if of_day else {})}
        yield Problem("held", about, hold.operations, detail)


# What is over


def over(noted: Noted, runs: Sequence[Run], now: Facts) -> bool:
    """Whether there is evidence that a problem, which these runs do not tell of, has ended."""
    if noted.kind == "missing":
        return date.fromisoformat(noted.about) not in now.missing
    if noted.kind == "failed":
        if "day" in noted.detail:
            return date.fromisoformat(noted.detail["day"]) not in now.missing
        return any(run.error is None and run.kind in {NIGHTLY, noted.detail.get("kind")} for run in runs)
    if noted.kind == "came_back":
        return now.back == 0
    return noted.kind == "held" or _last_push(runs) is not None


# What is told


@dataclass(frozen=True, slots=True)
class Memory:
    """What an account's people have heard, kept in the state."""

    database: Database
    account: Account
    now: datetime

    def tidings(self, runs: Sequence[Run]) -> list[Tiding]:
        """Note what there is and what is over; what people have not heard of it."""
        stand = facts(self.database, self.account)
        found = seen(runs, stand)
        with self.database.transaction() as connection:
            kept = Problems(connection, self.account.name)
            before = kept.noted()
            for problem in found.values():
                kept.note(self._noted(problem, before))
            for key, noted in before.items():
                if key not in found and over(noted, runs, stand):
                    if noted.told_at is None:
                        kept.forget([key])
                    else:
                        kept.note(replace(noted, ended_at=noted.ended_at or self.now))
            after = kept.noted()
        return [tiding for noted in after.values() if (tiding := self._tiding(noted)) is not None]

    def heard(self, tidings: Collection[Tiding]) -> None:
        """People have heard these."""
        with self.database.transaction() as connection:
            kept = Problems(connection, self.account.name)
            for tiding in tidings:
                if tiding.moment == "ends":
                    kept.forget([tiding.problem.key])
                else:
                    told = replace(tiding.problem, told_at=self.now, told_count=tiding.problem.count)
                    kept.note(told)

    def _noted(self, problem: Problem, before: Mapping[Key, Noted]) -> Noted:
        noted = before.get(problem.key)
        if noted is None:
            path = before.get((problem.kind, problem.follows)) if problem.follows else None
            told_at = None if path is None or path.ended_at is not None else path.told_at
            told_count = problem.count if told_at is not None else 0
            return Noted(*problem.key, problem.count, self.now, problem.detail, told_at, told_count)
        told_at = None if problem.fresh else noted.told_at
        return replace(noted, count=problem.count, detail=problem.detail, told_at=told_at, ended_at=None)

    def _tiding(self, noted: Noted) -> Tiding | None:
        since = noted.since.replace(tzinfo=UTC).astimezone(self.account.zone).date()
        if noted.ended_at is not None:
            return Tiding(self.account.name, "ends", noted, since)
        if noted.told_at is None:
            return Tiding(self.account.name, "begins", noted, since)
        waited = (self.now.date() - noted.told_at.date()).days
        if waited >= REMINDER_DAYS or noted.count > GROWN * noted.told_count + MORE:
            return Tiding(self.account.name, "lasts", noted, since)
        return None


def unremembered(account: Account, runs: Sequence[Run], now: datetime) -> list[Tiding]:
    """What the runs alone tell, when the state cannot be asked."""
    since = now.replace(tzinfo=UTC).astimezone(account.zone).date()
    found = seen(runs, None).values()
    noted = (Noted(*problem.key, problem.count, now, problem.detail) for problem in found)
    return [Tiding(account.name, "begins", one, since) for one in noted]
