"""What a page tells of a run, and of the account that night: a value that is kept, and from which the page is written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from pipeline.plan import Blocked, Counts
from pipeline.run import FileLine

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Aside:
    """A line that was set aside; its text stays out of the page."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a guard holds: since which run, of which day, how many operations; groups, files or gaps that it concerns."""

    run_id: str
    reason: str
    date: dt.date | None
    operations: int
    people: int = 0
    groups: tuple[tuple[str, int], ...] = ()
    files: tuple[tuple[str, int, int], ...] = ()
    gaps: tuple[str, ...] = ()
    day_file: bool = False


@dataclass(frozen=True, slots=True)
class Standings:
    """The account that night: by day (ISO) what was bought and cancelled; contacts and valid consents; groups; nights.

    `ending`: how many consents end within so many days; `until`: the last day of `bought` and `cancelled`.
    """

    until: dt.date
    bought: Mapping[str, int] = field(default_factory=dict)
    cancelled: Mapping[str, int] = field(default_factory=dict)
    contacts: tuple[tuple[dt.date, int, int], ...] = ()
    groups: tuple[tuple[str, int], ...] = ()
    nights: tuple[tuple[dt.date, float], ...] = ()
    ending: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Story:
    """What a page tells of a run, but for whom it was about.

    `trouble` is the kind of error that ended it, `message` and `remedy` its words; `rejected` counts all lines set
    aside, `changes` all contacts of the plan, of which the first are told one by one.
    """

    account: str
    run_id: str
    kind: str
    date: dt.date | None
    as_of: dt.date
    status: str
    started_at: dt.datetime | None = None
    trouble: str = ""
    message: str = ""
    remedy: str = ""
    files: tuple[FileLine, ...] = ()
    ignored_columns: tuple[str, ...] = ()
    asides: tuple[Aside, ...] = ()
    rejected: int = 0
    unmatched: int = 0
    came_back: int = 0
    requests: int = 0
    planned: Counts = field(default_factory=Counts)
    pushed: Counts = field(default_factory=Counts)
    changes: int = 0
    refused: int = 0
    skips: Mapping[str, int] = field(default_factory=dict)
    new_groups: tuple[str, ...] = ()
    blocked: tuple[Blocked, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    standings: Standings | None = None

    @property
    def day(self) -> dt.date:
        """The day whose page tells of the run."""
        return self.date or self.as_of

    def json(self) -> Json:
        """As it is kept."""
        return _shape().dump_python(self, mode="json")  # type: ignore[no-any-return]

    @staticmethod
    def of(kept: Json) -> Story:
        """As it was kept."""
        return _shape().validate_python(kept)  # type: ignore[no-any-return]


@lru_cache(maxsize=1)
def _shape() -> Any:
    """The shape of a story as JSON."""
    from pydantic import TypeAdapter

    return TypeAdapter(Story)
