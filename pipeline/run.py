"""A run, as it is told: the record that fills up while it goes, its JSON shape, and its exit code."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from time import perf_counter

from pipeline.errors import Busy, Held, MissingFile, PlacierError, UsageError
from pipeline.log import mask
from pipeline.plan import Blocked, Counts, Preview
from pipeline.schema import Reject

EXIT = {"done": 0, "dry_run": 0, "failed": 1, "partial": 3, "missing": 4, "held": 5}
SEVERITY = (1, 2, 75, 5, 4, 3, 0)
"""Of several runs, the exit code that comes first here is the program's."""


@dataclass(frozen=True, slots=True)
class FileLine:
    """One file of a run, as reported."""

    name: str
    sha256: str
    lines: int
    accepted: int
    rejected: int
    version: int


@dataclass(slots=True)
class Run:
    """One run of one account: filled in by the stages, then told and kept."""

    account: str
    kind: str
    date: dt.date | None
    as_of: dt.date
    run_id: str
    status: str = "running"
    files: list[FileLine] = field(default_factory=list)
    plan: Preview | None = None
    pushed: Counts = field(default_factory=Counts)
    refused: dict[str, str] = field(default_factory=dict)
    unmatched: int = 0
    came_back: int = 0
    requests: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    ignored_columns: tuple[str, ...] = ()
    rejects: list[tuple[str, Reject]] = field(default_factory=list)
    held: list[tuple[str, int]] = field(default_factory=list)
    error: PlacierError | None = None

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage."""
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + perf_counter() - start, 3)

    def end(self, error: PlacierError | None = None, *, dry: bool = False) -> None:
        """Settle the status, by the worst that happened."""
        self.error = error
        if isinstance(error, MissingFile):
            self.status = "missing"
        elif isinstance(error, Held):
            self.status = "held"
        elif error is not None:
            self.status = "failed"
        elif self.held:
            self.status = "held"
        elif self.refused or self.blocked:
            self.status = "partial"
        else:
            self.status = "done"
        if dry and self.status in {"done", "partial", "held"}:
            self.status = "dry_run"

    def travelling(self) -> Run:
        """What the command tells of it, fit to come from a worker: no address, no line's text."""
        refused = {str(number): mask(why) for number, why in enumerate(self.refused.values())}
        rejects = [(name, Reject(reject.line, reject.reason, "")) for name, reject in self.rejects]
        plan = None if self.plan is None else replace(self.plan, changes=())
        return replace(self, refused=refused, rejects=rejects, plan=plan)

    @property
    def blocked(self) -> tuple[Blocked, ...]:
        """Groups that nobody could be added to."""
        return () if self.plan is None else self.plan.blocked

    @property
    def exit_code(self) -> int:
        """What the run means for the exit code of the program."""
        if isinstance(self.error, (UsageError, Busy)):
            return self.error.exit_code
        return EXIT[self.status]

    @property
    def message(self) -> str:
        """What a person must know of it, in a sentence and the command to type next; empty when all is well."""
        if self.error is not None:
            return f"{self.error.message}\n{self.error.remedy}".strip()
        sentences = []
        for reason, operations in self.held:
            what = {
                "leaves": "leaves of groups are held: too many at once",
                "volume": "lines are held: far more than usual",
                "purge": "rows of the ledger or archived files, most of them, are too old for that day: their deletion is held",
                "platform": "groups or people are gone from the platform: all is held",
                "gap": "files or days are not in the archive: the rebuild is held",
            }
            sentences.append(f"{operations} {what.get(reason, 'bad lines: the file is held')}")
        sentences += [
            f"the group {group.title!r} cannot be used ({group.why}); {group.waiting} contacts wait for it"
            for group in self.blocked
        ]
        if self.came_back:
            sentences.append(
                f"{self.came_back} suppressed people are members of the platform again; they are still left alone: "
                f"`placier status {self.account}` names them"
            )
        if self.refused:
            reasons = Counter(self.refused.values()).most_common(3)
            sentences.append(
                f"{len(self.refused)} contacts refused: " + "; ".join(f"{mask(words)} ({n})" for words, n in reasons)
            )
        mend = f"\n`placier status {self.account}` shows what is held, `placier approve {self.account} RUN` lets it through"
        return ". ".join(sentences) + (mend if self.held else "")

    def json(self) -> dict[str, object]:
        """The shape that `--json` prints, and that is kept; the last three keys only if there is something to tell."""
        counts = Counts() if self.plan is None else self.plan.counts
        skipped: Mapping[str, int] = {} if self.plan is None else self.plan.skips
        found: dict[str, object] = {
            "account": self.account,
            "kind": self.kind,
            "date": None if self.date is None else self.date.isoformat(),
            "as_of": self.as_of.isoformat(),
            "run_id": self.run_id,
            "status": self.status,
            "files": [asdict(file) for file in self.files],
            "plan": {**asdict(counts), "skipped": dict(skipped)},
            "pushed": asdict(self.pushed),
            "refused": len(self.refused),
            "unmatched_cancellations": self.unmatched,
            "requests": self.requests,
            "seconds": self.seconds,
        }
        more = {
            "ignored_columns": list(self.ignored_columns),
            "held": [{"reason": reason, "operations": operations} for reason, operations in self.held],
            "message": self.message,
        }
        return found | {name: value for name, value in more.items() if value}


def exit_code(runs: list[Run]) -> int:
    """The exit code of several runs: the most pressing one."""
    codes = {run.exit_code for run in runs}
    return next((code for code in SEVERITY if code in codes), 0)
