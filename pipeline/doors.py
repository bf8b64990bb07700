"""From the configuration to the doors that a run goes through: source, platform, state, archive."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pipeline import config
from pipeline.archive import Archive
from pipeline.catalogue import Catalogue
from pipeline.config import Account, Configuration, CyberimpactPlatform, FolderSource
from pipeline.dispatch import Progress
from pipeline.engines import Engine
from pipeline.engines.local import LOCAL
from pipeline.errors import UsageError
from pipeline.log import Log
from pipeline.platforms import Platform
from pipeline.run import Run
from pipeline.setting import Setting, Shelf
from pipeline.sources import Source
from pipeline.store.database import Database, open_database


@dataclass(frozen=True, slots=True)
class Outside:
    """What only the command line may touch: environment, clock, patience, and whom to tell.

    `relay` takes log lines that were written elsewhere, as they are.
    """

    environment: Mapping[str, str]
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    log: Log
    progress: Progress = field(default=lambda stage, done, total: None)
    finished: Callable[[Run], None] = field(default=lambda run: None)
    relay: Callable[[str], None] = field(default=lambda text: None)


def open_state(configuration: Configuration, *, create: bool = True) -> Database:
    """The database; with `create` False, one that does not exist yet is only imagined."""
    return open_database(configuration.state_url(), create=create, patience=configuration.main.state.patience)


def open_engine(configuration: Configuration, *, dry: bool = False) -> Engine:
    """What the configuration says merges and walks; UsageError without the packages for it."""
    chosen = configuration.main.engine
    if chosen.kind == "local":
        return LOCAL
    try:
        from pipeline.engines.dask import Cluster, Dask
    except ModuleNotFoundError as error:
        raise UsageError(
            f'engine.kind = "dask" needs the package {error.name}',
            "pip install 'placier[dask]', here and on every worker",
        ) from error
    storage = chosen.storage
    if storage and "://" not in storage:
        storage = str(configuration.path(storage))
    desks = configuration.path(configuration.main.state.archive).parent / "work"
    spreads = not configuration.state_url().startswith("sqlite:")
    return Dask(Cluster(chosen.scheduler, storage, desks, spreads, dry))


def setting(
    configuration: Configuration,
    account: Account,
    database: Database,
    outside: Outside,
    *,
    dry: bool = False,
    engine: Engine = LOCAL,
) -> Setting:
    """Everything that a run of `account` needs."""
    archive = configuration.path(configuration.main.state.archive)
    return Setting(
        account=account,
        database=database,
        archive=Archive(archive),
        catalogue=Catalogue(archive / "catalogue", account.name),
        locks=archive.parent / "locks",
        desk=archive.parent / "work",
        shelf=_shelf(configuration),
        open_source=lambda: open_source(account, outside),
        open_platform=lambda label: open_platform(account, label, outside),
        new_id=lambda: f"{outside.now():%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
        now=outside.now,
        sleep=outside.sleep,
        dry=dry,
        progress=outside.progress,
        finished=outside.finished,
        engine=engine,
    )


def _shelf(configuration: Configuration) -> Shelf:
    """Where the pages are; the list of accounts is in French if one of them is."""
    french = any(not account.file.language.startswith("en") for account in configuration.accounts.values())
    folder = configuration.path(configuration.main.state.reports)
    return Shelf(folder, configuration.main.reports.show_addresses, "fr" if french else "en")


def open_source(account: Account, outside: Outside) -> Source:
    """The account's drop of day files."""
    source = account.file.source
    told = lambda done, total: outside.progress("fetch", done, total)  # noqa: E731
    if isinstance(source, FolderSource):
        from pipeline.sources.folder import FolderSource as Folder

        return Folder(account.path(source.path), progress=told, sleep=outside.sleep, settle=source.settle_seconds)
    from pipeline.sources.sftp import Patience, open_sftp

    password = None
    if source.password_env:
        password = config.secret(source.password_env, None, f"{account.name}: source.password_env", outside.environment)
    key = account.path(source.key_file) if source.key_file else None
    patience = Patience(settle=source.settle_seconds, pause=source.first_pause)
    known = account.path(source.known_hosts)
    return open_sftp(source, key, password, known, progress=told, sleep=outside.sleep, patience=patience)


def open_platform(account: Account, label: str, outside: Outside) -> Platform:
    """The account's mailing platform; `label` names the run in import files."""
    platform = account.file.platform
    if isinstance(platform, CyberimpactPlatform):
        from pipeline.platforms.cyberimpact import Cyberimpact

        file = account.path(platform.token_file) if platform.token_file else None
        token = config.secret(platform.token_env, file, f"{account.name}: the platform's token", outside.environment)
        return Cyberimpact(platform, token, account.file.language, sleep=outside.sleep, log=outside.log)
    from pipeline.platforms.csv import CsvPlatform

    return CsvPlatform(platform, account.path(platform.path), label)
