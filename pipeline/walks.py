"""A command's walk over its accounts: one failing without stopping the others; each run logged and put on a page."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC

from pipeline import config
from pipeline.alerts import notify, ping
from pipeline.config import Account, Configuration
from pipeline.doors import Outside, open_state, setting
from pipeline.errors import PlacierError, StateError, UsageError
from pipeline.log import mask
from pipeline.report.page import write_page
from pipeline.run import Run, exit_code
from pipeline.setting import Setting

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
class Way:
    """How to walk: the `kind` of run; `dry`: a rehearsal; `loud`: trouble goes to the log, for nobody shows it."""

    kind: str
    dry: bool
    loud: bool


def walk_accounts(
    configuration: Configuration, accounts: Sequence[Account], walk: Walk, outside: Outside, way: Way
) -> list[Run]:
    """Walk for each account, and tell the healthcheck and people how it went."""
    health = "" if way.dry or way.kind != "run" else configuration.main.alerts.healthcheck_url
    _ping(health, "/start", outside)
    told = _runs(configuration, accounts, walk, outside, way)
    if not way.dry:
        _alert(configuration, told, outside)
    _ping(health, "/fail" if exit_code(told) else "", outside)
    return told


def _runs(
    configuration: Configuration, accounts: Sequence[Account], walk: Walk, outside: Outside, way: Way
) -> list[Run]:
    reports = configuration.path(configuration.main.state.reports)

    def finished(run: Run) -> None:
        _log(run, outside, loud=way.loud)
        if way.dry:
            return
        try:
            write_page(reports, run)
        except StateError as error:  # the run is what it is, page or no page
            outside.log.warning("page not written", error=error.message, remedy=error.remedy)

    outside = replace(outside, finished=finished)
    try:
        database = open_state(configuration, create=not way.dry)
    except PlacierError as error:
        return [_failed(account, error, outside, way) for account in accounts]
    told: list[Run] = []
    try:
        for account in accounts:
            try:
                told += walk(setting(configuration, account, database, outside, dry=way.dry))
            except PlacierError as error:
                if isinstance(error, UsageError) and way.kind == "approve":
                    raise
                told.append(_failed(account, error, outside, way))
    finally:
        database.close()
    return told


def _failed(account: Account, error: PlacierError, outside: Outside, way: Way) -> Run:
    """An error that no run could take in, as a run of its own."""
    now = outside.now()
    today = now.replace(tzinfo=UTC).astimezone(account.zone).date()
    run = Run(account.name, way.kind, None, today, f"{now:%Y%m%dT%H%M%S}-none")
    run.end(error)
    _log(run, outside, loud=way.loud)
    return run


def _log(run: Run, outside: Outside, *, loud: bool) -> None:
    """The one canonical line of a run."""
    facts = run.json()
    said = {"message": run.message} if run.message else {}
    speak = outside.log.warning if (loud and run.exit_code) or run.came_back else outside.log.info
    speak("run ended", **{key: facts[key] for key in LOGGED}, **said)


def _ping(url: str, suffix: str, outside: Outside) -> None:
    ping(url, suffix, lambda what: outside.log.warning("healthcheck failed", error=what))


def _alert(configuration: Configuration, told: Sequence[Run], outside: Outside) -> None:
    """Tell people of the runs that need them, a good one whose check of suppressed people did included."""
    variable = configuration.main.alerts.urls_env
    trouble = [run for run in told if run.exit_code or run.came_back]
    if not variable or not trouble:
        return
    try:
        urls = config.secret(variable, None, "alerts.urls_env", outside.environment).split()
    except UsageError as error:
        outside.log.warning("alert failed", error=error.message)
        return
    title = f"Placier: {', '.join(sorted({run.account for run in trouble}))} needs a look"
    lines = [f"{run.account} {run.kind} {run.date or run.as_of}: {run.status}. {run.message}" for run in trouble]
    body = "\n".join(mask(line) for line in lines)
    notify(urls, title, body, lambda what: outside.log.warning("alert failed", error=what))
