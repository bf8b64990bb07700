"""Whom a command tells how it went: the healthcheck, people, the node exporter.  None of it ever fails a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline import config
from pipeline.alerts import Message, notify, ping
from pipeline.config import Account, Configuration
from pipeline.doors import Outside, open_state
from pipeline.errors import PlacierError, StateError, UsageError
from pipeline.run import Run
from pipeline.store.acknowledged import State
from pipeline.store.database import Database
from pipeline.store.history import History

if TYPE_CHECKING:
    from pipeline.messages import Tiding
    from pipeline.textfile import Standing


def tell_healthcheck(configuration: Configuration, suffix: str, outside: Outside) -> None:
    """Call the healthcheck with `/start`, nothing, or `/fail`."""
    url = configuration.main.alerts.healthcheck_url
    ping(url, suffix, lambda what: outside.log.warning("healthcheck failed", error=what))


def tell_people(
    configuration: Configuration, accounts: Sequence[Account], told: Sequence[Run], outside: Outside
) -> None:
    """One message with what people have not heard yet: a problem that begins, lasts or is over."""
    variable = configuration.main.alerts.urls_env
    if not variable:
        return
    from pipeline.problems import Memory

    database = _state(configuration)
    try:
        tidings = [tiding for account in accounts for tiding in _tidings(database, account, told, outside)]
        if tidings and _sent(configuration, tidings, outside) and database is not None:
            for account in accounts:
                mine = [tiding for tiding in tidings if tiding.account == account.name]
                Memory(database, account, outside.now()).heard(mine)
    except PlacierError as error:
        outside.log.warning("alerts not remembered", error=error.message)
    finally:
        if database is not None:
            database.close()


def _state(configuration: Configuration) -> Database | None:
    try:
        return open_state(configuration)
    except PlacierError:
        return None


def _tidings(database: Database | None, account: Account, told: Sequence[Run], outside: Outside) -> list[Tiding]:
    from pipeline.problems import Memory, unremembered

    runs = [run for run in told if run.account == account.name]
    if database is not None:
        try:
            return Memory(database, account, outside.now()).tidings(runs)
        except StateError as error:
            outside.log.warning("alerts not remembered", error=error.message)
    return unremembered(account, runs, outside.now())


def _sent(configuration: Configuration, tidings: Sequence[Tiding], outside: Outside) -> bool:
    from pipeline.messages import body, title

    try:
        urls = config.secret(configuration.main.alerts.urls_env, None, "alerts.urls_env", outside.environment).split()
    except UsageError as error:
        outside.log.warning("alert failed", error=error.message)
        return False
    spoken = {configuration.accounts[tiding.account].file.language for tiding in tidings}
    language = "fr" if spoken == {"fr_ca"} else "en"
    message = Message(
        title(tidings, language), body(tidings, language), all(tiding.moment == "ends" for tiding in tidings)
    )
    return notify(urls, message, lambda what: outside.log.warning("alert failed", error=what))


def tell_exporter(
    configuration: Configuration, accounts: Sequence[Account], told: Sequence[Run], outside: Outside
) -> None:
    """The figures of the walk, for the node exporter's textfile collector."""
    name = configuration.main.alerts.textfile
    if not name:
        return
    from pipeline import textfile

    database = _state(configuration)
    try:
        figures = {
            account.name: ([run for run in told if run.account == account.name], _standing(database, account))
            for account in accounts
        }
        textfile.write(configuration.path(name), figures, outside.now(), configuration.accounts)
    except StateError as error:
        outside.log.warning("textfile not written", error=error.message, remedy=error.remedy)
    finally:
        if database is not None:
            database.close()


def _standing(database: Database | None, account: Account) -> Standing | None:
    """How the account stands, if the state tells."""
    if database is None:
        return None
    from pipeline import answers, textfile

    with suppress(StateError), database.transaction(reading=True) as connection:
        history = History(connection, account.name)
        success = history.last_success()
        held = Counter[str]()
        for hold in history.open_holds():
            held[hold.reason] += hold.operations
        return textfile.Standing(
            None if success is None else success.finished_at,
            held,
            State(connection, account.name).pending(),
            len(answers.missing_days(connection, account)),
            len(answers.came_back(connection, account)),
        )
    return None
