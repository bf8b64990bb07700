"""A command's walk over its accounts: one failing without stopping the others; each run logged and put on a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, timedelta
from functools import partial

from pipeline.config import Account, Configuration
from pipeline.doors import Outside, open_engine, open_state, setting
from pipeline.engines import Engine
from pipeline.engines.local import LOCAL
from pipeline.errors import Busy, PlacierError, UsageError, unforeseen
from pipeline.run import Run, exit_code
from pipeline.setting import Setting
from pipeline.tell import tell_exporter, tell_healthcheck, tell_people

Walk = Callable[[Setting], list[Run]]
LOGGED = (
    "account",
    "kind",
    "date",
    "as_of",
    "run_id",
    "status",
    "pushed",
    "refused",
    "unmatched_cancellations",
    "requests",
    "seconds",
)
"""What the one canonical line of a run tells."""


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a walk: its runs, and the log that was written elsewhere meanwhile."""

    runs: list[Run]
    log: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """How to walk: the `kind` of run; `dry`: a rehearsal; `loud`: trouble goes to the log, for nobody shows it.

    `away`: the same walk for an account by its name, fit to travel to a worker; None if it cannot.  `day`, `as_of`: as they
    were asked for, which an error that no run could take in is told with.
    """

    kind: str
    dry: bool
    loud: bool
    away: Callable[[str], Told] | None = None
    day: date | None = None
    as_of: date | None = None


def walk_accounts(
    configuration: Configuration, accounts: Sequence[Account], walk: Walk, outside: Outside, way: Way
) -> list[Run]:
    """Walk for each account; tell the healthcheck, people and the exporter how it went."""
    nightly = way.kind == "run" and not way.dry
    try:
        if nightly:
            tell_healthcheck(configuration, "/start", outside)
        told = _Tour(configuration, outside, way).made(accounts, walk)
    except BaseException:  # Ctrl-C too: whoever waits for the end hears of it
        if nightly:
            tell_healthcheck(configuration, "/fail", outside)
        raise
    if not way.dry:
        tell_people(configuration, accounts, told, outside)
    if nightly:
        tell_exporter(configuration, accounts, told, outside)
        tell_healthcheck(configuration, "/fail" if exit_code(told) else "", outside)
    return told


def walk_alone(configuration: Configuration, account: Account, walk: Walk, outside: Outside, way: Way) -> list[Run]:
    """Walk for one account on behalf of another process, which tells of it: here it is only logged and put on its page."""
    return _Tour(configuration, outside, way).in_turn([account], walk, LOCAL)


def patient(walk: Walk, sleep: Callable[[float], None], seconds: int) -> Walk:
    """The walk, that waits so long for an account's lock: a worker that has just died may hold it still."""

    def waiting(setting: Setting) -> list[Run]:
        for _ in range(seconds):
            try:
                return walk(setting)
            except Busy:
                sleep(1.0)
        return walk(setting)

    return waiting


class _Tour:
    """The walks of one command; each run that ends is logged, and put on its page."""

    def __init__(self, configuration: Configuration, outside: Outside, way: Way) -> None:
        self._configuration = configuration
        self._way = way
        self._outside = outside

    def made(self, accounts: Sequence[Account], walk: Walk) -> list[Run]:
        """The runs of all accounts, in their order, wherever they are walked."""
        try:
            engine = open_engine(self._configuration, dry=self._way.dry)
        except PlacierError as error:
            return [self._failed(account, error) for account in accounts]
        try:
            if engine.spreads and self._way.away is not None and len(accounts) > 1 and not self._way.dry:
                return self._spread(accounts, engine, self._way.away)
            return self.in_turn(accounts, walk, engine)
        finally:
            engine.close()

    def in_turn(self, accounts: Sequence[Account], walk: Walk, engine: Engine) -> list[Run]:
        """In this process, one account after the other; one that fails does not stop the others."""
        try:
            database = open_state(self._configuration, create=not self._way.dry)
        except PlacierError as error:
            return [self._failed(account, error) for account in accounts]

        told: list[Run] = []
        try:
            for account in accounts:
                try:
                    place = setting(
                        self._configuration, account, database, self._outside, dry=self._way.dry, engine=engine
                    )
                    told += walk(replace(place, finished=partial(self._finished, place)))
                except PlacierError as error:
                    if isinstance(error, UsageError) and self._way.kind == "approve":
                        raise
                    told.append(self._failed(account, error))
        finally:
            database.close()
        return told

    def _spread(self, accounts: Sequence[Account], engine: Engine, away: Callable[[str], Told]) -> list[Run]:
        """On the workers: each logs its runs and writes their pages; what it logged comes back."""
        by_name = {account.name: account for account in accounts}
        runs: dict[str, list[Run]] = {}
        for name, told in engine.each(away, list(by_name)):
            if isinstance(told, PlacierError):
                runs[name] = [self._failed(by_name[name], told)]
            else:
                self._outside.relay(told.log)
                runs[name] = told.runs
        return [run for name in by_name for run in runs[name]]

    def _finished(self, place: Setting, run: Run) -> None:
        _log(run, self._outside, loud=self._way.loud)
        if self._way.dry:
            return
        try:
            from pipeline.report import shelf

            shelf.put(place, run)
        except Exception as caught:  # noqa: BLE001 - the run is what it is, page or no page
            error = caught if isinstance(caught, PlacierError) else unforeseen(caught)
            self._outside.log.warning("page not written", error=error.message, remedy=error.remedy)

    def _failed(self, account: Account, error: PlacierError) -> Run:
        """An error that no run could take in, as a run of its own."""
        now = self._outside.now()
        as_of = self._way.as_of or now.replace(tzinfo=UTC).astimezone(account.zone).date()
        before = as_of - timedelta(days=1) if self._way.kind == "run" else None
        run = Run(account.name, self._way.kind, self._way.day or before, as_of, f"{now:%Y%m%dT%H%M%S}-none")
        run.end(error)
        _log(run, self._outside, loud=self._way.loud)
        return run


def _log(run: Run, outside: Outside, *, loud: bool) -> None:
    """The one canonical line of a run."""
    facts = run.json()
    said = {"message": run.message} if run.message else {}
    speak = outside.log.warning if (loud and run.exit_code) or run.came_back else outside.log.info
    speak("run ended", **{key: facts[key] for key in LOGGED}, **said)
