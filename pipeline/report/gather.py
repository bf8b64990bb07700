"""A run that ended, and the state -> what its page tells; kept, and told again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import Connection

from pipeline import policy
from pipeline.config import Account
from pipeline.errors import PlacierError
from pipeline.plan import Change, Preview
from pipeline.report.story import Aside, Standings, Story, Waiting
from pipeline.run import Run
from pipeline.setting import Setting
from pipeline.store.acknowledged import State
from pipeline.store.history import History, Hold
from pipeline.store.pages import Entry, Pages, Told
from pipeline.store.standing import Consents, Figures, Standing

MOST = 2_000
"""So many changes, lines and refusals are told one by one."""
SOON = 10
"""So many of the consents that end soon are told one by one."""
WITHIN = (30, 60, 90)
DAYS = 28
NIGHTS = 28
GROUPS = 12
POINTS = 120
NAMED = 10
"""Groups of a hold that are named, those that most people would leave first."""
KILLED = "Killed"


@dataclass(frozen=True, slots=True)
class Telling:
    """What the page of a run tells, and of whom."""

    story: Story
    people: tuple[Told, ...] = ()

    def those(self, what: str) -> list[Told]:
        """The people who changed, were refused, or whose consent ends soon."""
        return [each for each in self.people if each.what == what]


def telling(work: Setting, run: Run) -> Telling:
    """What there is to tell of a run that ended; without a state that can be read, what the run itself knows."""
    with suppress(PlacierError), work.database.transaction(reading=True) as connection:
        return _whole(connection, work.account, run)
    return Telling(story(run), people(run))


def keep(work: Setting, told: Telling) -> None:
    """Keep what is told, so that the page can be written again, and how the account stands that day."""
    where, now = told.story, work.now()
    counts = where.pushed
    entry = Entry(
        run_id=where.run_id,
        day=where.day,
        kind=where.kind,
        status=where.status,
        started_at=where.started_at or now,
        told_at=now,
        lines=sum(file.lines for file in where.files),
        rejected=where.rejected,
        changed=counts.contacts_created + counts.contacts_updated,
        refused=where.refused,
    )
    with work.database.transaction() as connection:
        Pages(connection, work.account.name).keep(entry, where.json(), told.people)
        if where.standings is not None and where.standings.contacts:
            last = where.standings.contacts[-1]
            Figures(connection, work.account.name).note(Standing(*last))


def again(connection: Connection, account: str, day: date, most: int) -> list[Telling]:
    """What the page of a day tells, newest run first; of the earlier runs together no more people than of the newest."""
    kept, pages = [], Pages(connection, account)
    room = MOST
    for number, (entry, document) in enumerate(pages.of_day(day, most)):
        found = pages.people(entry.run_id, MOST if number == 0 else room)
        room -= 0 if number == 0 else min(len(found), room)
        kept.append(Telling(Story.of(document), tuple(found)))
    return kept


def keep_killed(work: Setting) -> set[date]:
    """Keep what there is to tell of runs that came to no end; the days whose pages tell of them."""
    with work.database.transaction(reading=True) as connection:
        dead = Pages(connection, work.account.name).untold()
    for row in dead:
        words = {"trouble": KILLED, "message": row.message, "started_at": row.started_at}
        keep(work, Telling(Story(work.account.name, row.id, row.kind, row.date, row.as_of, "failed", **words)))
    return {row.date or row.as_of for row in dead}


# The run itself


def story(run: Run, **more: object) -> Story:
    """What the run knows of itself."""
    plan = run.plan or Preview()
    error = run.error
    return Story(
        account=run.account,
        run_id=run.run_id,
        kind=run.kind,
        date=run.date,
        as_of=run.as_of,
        status=run.status,
        trouble="" if error is None else type(error).__name__,
        message="" if error is None else error.message,
        remedy="" if error is None else error.remedy,
        files=tuple(run.files),
        ignored_columns=run.ignored_columns,
        asides=tuple(Aside(name, reject.line, reject.reason) for name, reject in run.rejects[:MOST]),
        rejected=len(run.rejects),
        unmatched=run.unmatched,
        came_back=run.came_back,
        requests=run.requests,
        planned=plan.counts,
        pushed=run.pushed,
        changes=plan.contacts,
        refused=len(run.refused),
        skips=dict(plan.skips),
        new_groups=tuple(group.title for group in plan.new_groups if group.adopt is None),
        blocked=plan.blocked,
        seconds=dict(run.seconds),
        **{"waiting": tuple(Waiting("", *each) for each in _bare(run)), **more},  # type: ignore[arg-type]
    )


def people(run: Run, held: frozenset[tuple[str, str]] = frozenset()) -> tuple[Told, ...]:
    """Whom a run was about; leaves that are `held`, as (address, group key), are told as such."""
    plan = run.plan or Preview()
    changed = [Told("changed", change.email, _change(change, plan, held)) for change in plan.changes[:MOST]]
    refused = [Told("refused", email, {"why": why}) for email, why in sorted(run.refused.items())[:MOST]]
    return (*changed, *refused)


def _bare(run: Run) -> list[tuple[str, date | None, int]]:
    return [(reason, None, operations) for reason, operations in run.held]


def _change(change: Change, plan: Preview, held: frozenset[tuple[str, str]]) -> Mapping[str, object]:
    return {
        "reasons": list(change.reasons),
        "joins": [plan.title(key) for key in change.joins],
        "leaves": [
            [plan.title(leave.group_key), leave.reason, (change.email, leave.group_key) in held]
            for leave in change.leaves
        ],
    }


# The state


def _whole(connection: Connection, account: Account, run: Run) -> Telling:
    holds = History(connection, account.name).open_holds()
    titles = {key: group.title for key, group in State(connection, account.name).groups().items()}
    figures, months = Figures(connection, account.name), account.file.policy.consent_months
    after = run.as_of + timedelta(days=max(WITHIN) + 1)
    last = policy.first_lasting(after, months) - timedelta(days=1)
    consents = figures.consents(policy.first_lasting(run.as_of, months), last)
    until = {day: policy.consent_until(day, months) for day in consents.by_day}
    ending = figures.consents_from(min(until), max(until), SOON) if until else []
    soon = [(name, until[day], show) for name, day, show in ending]
    told = story(
        run,
        started_at=Pages(connection, account.name).started(run.run_id),
        waiting=tuple(_waiting(hold, titles) for hold in holds),
        standings=_standings(figures, run, consents, until),
    )
    held = frozenset(pair for hold in holds for pair in hold.pairs())
    return Telling(
        told,
        (
            *people(run, held),
            *(Told("expiring", name, {"until": day.isoformat(), "show": show}) for name, day, show in soon),
        ),
    )


def _standings(figures: Figures, run: Run, consents: Consents, until: Mapping[date, date]) -> Standings:
    last = run.date or run.as_of
    first = last - timedelta(days=DAYS - 1)
    earlier = [each for each in figures.standings(run.as_of, POINTS) if each.day < run.as_of]
    points = [
        *((each.day, each.contacts, each.valid) for each in earlier),
        (run.as_of, consents.contacts, consents.valid),
    ]
    return Standings(
        until=last,
        bought=figures.bought(first, last),
        cancelled=figures.cancelled(first, last),
        contacts=tuple(points),
        groups=tuple(figures.newest_groups(GROUPS)),
        nights=tuple(figures.nights(NIGHTS)),
        ending=tuple((days, _until_then(consents, until, run.as_of + timedelta(days=days))) for days in WITHIN),
    )


def _until_then(consents: Consents, until: Mapping[date, date], then: date) -> int:
    return sum(count for day, count in consents.by_day.items() if until[day] <= then)


def _waiting(hold: Hold, titles: Mapping[str, str]) -> Waiting:
    pairs = hold.pairs()
    crowds = sorted(Counter(key for _, key in pairs).items(), key=lambda crowd: (-crowd[1], crowd[0]))
    return Waiting(
        run_id=hold.run_id,
        reason=hold.reason,
        date=hold.date,
        operations=hold.operations,
        people=len({email for email, _ in pairs}) or hold.people(),
        groups=tuple((titles.get(key, key), count) for key, count in crowds[:NAMED]),
        files=tuple(hold.counts()),
        gaps=hold.gaps(),
        day_file=hold.slot()[0] == "day",
    )
