"""The nights: how each account stands, what a night did, which lines of its files were set aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

from markupsafe import Markup
from sqlalchemy import Connection
from starlette.responses import FileResponse, Response

from pipeline import answers
from pipeline.config import Account
from pipeline.console.asked import Asked
from pipeline.errors import UsageError
from pipeline.log import plain
from pipeline.report import gather, shelf
from pipeline.schema import Reject
from pipeline.setting import Setting
from pipeline.store.acknowledged import State
from pipeline.store.history import History, Hold
from pipeline.store.recordings import Recordings

MOST_RUNS, MOST_NIGHTS, MOST_LINES = 150, 30, 500
"""What a page shows at most."""
TONES = {"done": "good", "dry_run": "good", "partial": "warn", "held": "warn", "missing": "warn", "failed": "bad"}
"""How a status looks."""
REPORT_POLICY = "sandbox allow-scripts; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
"""A night's page brings its own policy; here it is cut off from the console as well."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands, in figures."""

    account: Account
    success: datetime | None
    success_day: date | None
    missing: tuple[date, ...]
    pending: int
    back: int
    held: tuple[Hold, ...]


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run as it was kept."""

    id: str
    kind: str
    day: date
    as_of: date
    status: str
    started: datetime
    ended: datetime | None
    message: str
    summary: Mapping[str, Any]

    @property
    def tone(self) -> str:
        """How its status looks."""
        return TONES.get(self.status, "plain")

    def counts(self, what: str) -> Mapping[str, int]:
        """The five counts, planned (`plan`) or done (`pushed`)."""
        kept = self.summary.get(what)
        return {key: value for key, value in kept.items() if isinstance(value, int)} if isinstance(kept, dict) else {}

    @property
    def skipped(self) -> Mapping[str, int]:
        """How many were left alone, by reason."""
        kept = self.summary.get("plan", {}).get("skipped")
        return kept if isinstance(kept, dict) else {}

    @property
    def refused(self) -> int:
        """How many contacts the platform refused."""
        return int(self.summary.get("refused") or 0)

    @property
    def message_lines(self) -> Markup:
        """What a person must know of it, line by line."""
        return Markup("\n").join(plain(line) for line in self.message.splitlines())

    @property
    def seconds(self) -> float:
        """How long it took."""
        return 0.0 if self.ended is None else (self.ended - self.started).total_seconds()


@dataclass(frozen=True, slots=True)
class NightLine:
    """A night, and its runs, the last one first."""

    day: date
    runs: tuple[RunLine, ...]

    @property
    def last(self) -> RunLine:
        """What the night came to."""
        return self.runs[0]

    def sent(self, what: str) -> int:
        """What all its runs together sent, of one of the five counts."""
        return sum(run.counts("pushed").get(what, 0) for run in self.runs)


def accounts(asked: Asked) -> Response:
    """All accounts; where there is one, its nights."""
    known = asked.console.configuration.accounts
    if len(known) == 1:
        return asked.go(f"/accounts/{next(iter(known))}")
    found = []
    for name in known:
        each = asked.of(name)
        with each.state() as (connection, place):
            found.append((standing(connection, place), _lines(History(connection, name).last(1))))
    return asked.page("accounts.html", accounts=found)


def nights(asked: Asked) -> Response:
    """An account's last nights."""
    with asked.state() as (connection, place):
        stands = standing(connection, place)
        lines = _lines(History(connection, asked.own.name).last(MOST_RUNS))
    return asked.page("nights.html", standing=stands, nights=_by_day(lines)[:MOST_NIGHTS], days=partial(_days, asked))


def night(asked: Asked) -> Response:
    """A night: its runs, the files that its day is recorded with, the lines that were set aside."""
    day, name = asked.day, asked.own.name
    with asked.state() as (connection, _):
        runs = _lines(History(connection, name).on(day))
        recordings = Recordings(connection, name)
        files, aside = recordings.of_day(day), recordings.set_aside(day, MOST_LINES)
        told = gather.again(connection, name, day, 1)
        holds = [hold for hold in History(connection, name).open_holds() if hold.date == day]
    if not files and told:  # what is held, or was refused, is in no ledger: the last run tells of it
        aside = [(each.file, Reject(each.line, each.reason, "")) for each in told[0].story.asides[:MOST_LINES]]
    read = told[0].story.files if told else ()
    values: dict[str, Any] = {"read": read, "runs": runs, "files": files, "aside": aside, "holds": holds}
    return asked.page("night.html", day=day, texts=asked.whole_addresses, most=MOST_LINES, **values)


def report(asked: Asked) -> Response:
    """The page that the night wrote, as `placier report` finds it."""
    try:
        with asked.place() as place:
            _, path = shelf.find(place, asked.day)
    except UsageError:
        return asked.refuse(404, "no_report")
    return FileResponse(path, media_type="text/html", headers={"content-security-policy": REPORT_POLICY})


def standing(connection: Connection, place: Setting) -> Standing:
    """How an account stands, as `status` tells it."""
    name = place.account.name
    history = History(connection, name)
    success = history.last_success()
    return Standing(
        place.account,
        None if success is None else success.finished_at,
        None if success is None else success.date or success.as_of,
        tuple(answers.missing_days(connection, place.account)),
        State(connection, name).pending(),
        len(answers.came_back(connection, place.account)),
        tuple(history.open_holds()),
    )


def _days(asked: Asked, days: Sequence[date]) -> str:
    return ", ".join(map(asked.words.day, days))


def _lines(rows: Sequence[Any]) -> list[RunLine]:
    return [
        RunLine(
            row.id,
            row.kind,
            row.date or row.as_of,
            row.as_of,
            row.status,
            row.started_at,
            row.finished_at,
            row.message,
            row.summary if isinstance(row.summary, dict) else {},
        )
        for row in rows
    ]


def _by_day(lines: Sequence[RunLine]) -> list[NightLine]:
    found: dict[date, list[RunLine]] = {}
    for line in lines:
        found.setdefault(line.day, []).append(line)
    return [NightLine(day, tuple(found[day])) for day in sorted(found, reverse=True)]
