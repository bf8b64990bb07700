"""What is missing before a night can work, in the order to mend it."""

from __future__ import annotations

import os
import stat
from datetime import UTC, date, timedelta
from importlib.util import find_spec
from pathlib import Path

from pipeline import config, inbound
from pipeline.checkup import Check, Several, Visit
from pipeline.config import Account, Configuration, CyberimpactPlatform, FolderSource, SftpSource
from pipeline.doors import Outside, open_engine, open_platform, open_source, open_state
from pipeline.errors import UsageError
from pipeline.fields import FIELDS
from pipeline.platforms import Platform
from pipeline.policy import same_title
from pipeline.sources import Source, names


def examine(configuration: Configuration, accounts: list[Account], outside: Outside) -> list[Check]:
    """Look at everything that a run needs; nothing is written but an empty database, if there is none."""
    found = _shared(configuration, outside)
    for account in accounts:
        found += _account(account, outside)
    if not accounts:
        none = Visit()
        none.ill("accounts", "no account is configured", f"write {configuration.directory / 'accounts'}/NAME.toml")
        found += none.checks
    return found


# What all accounts share


def _shared(configuration: Configuration, outside: Outside) -> list[Check]:
    visit = Visit()
    visit.look("configuration", lambda: f"{configuration.directory.name}/placier.toml is valid")
    visit.look("folders", lambda: folders(configuration, os.geteuid()))
    visit.look("database", lambda: _state(configuration), "folders")
    _private_state(visit, configuration)
    visit.look("engine", lambda: _engine(configuration))
    visit.look("alerts", lambda: _alerts(configuration, outside))
    console = configuration.main.console
    if console.model_fields_set:  # nobody need have one
        visit.look("console", lambda: _console(console.password_env, outside))
    return visit.checks


def _kept(configuration: Configuration) -> list[Path]:
    """Where the state is: folders, and the database if it is a file."""
    state = configuration.main.state
    archive = configuration.path(state.archive)
    kept = [archive, configuration.path(state.reports), archive.parent / "locks"]
    if configuration.state_url().startswith("sqlite:///"):
        kept.append(Path(configuration.state_url().removeprefix("sqlite:///")))
    return kept


def folders(configuration: Configuration, user: int) -> str:
    """Whether the user with the number `user` can keep the state where it goes; UsageError names the folder."""
    for path in _kept(configuration):
        ours = path.suffix or path.name == "locks"  # made by Placier, never a mount that somebody prepared
        if ours and path.exists() and path.stat().st_uid != user:
            owner = _name(path.stat().st_uid)
            raise UsageError(
                f"{path} belongs to {owner}, and this is {_name(user)}: each would lock the other out",
                f"sudo -u {owner} placier doctor",
            )
        _writable(path, user)
    return f"{_name(user)} can write the state, the archive and the pages"


def _writable(path: Path, user: int) -> None:
    """UsageError unless the file or folder can be written, or made."""
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    if there != path and not there.is_dir():
        raise UsageError(f"{path} cannot be made: {there} is no folder", "name another one in the configuration")
    if not os.access(there, os.W_OK):
        raise UsageError(
            f"{_name(user)} cannot write to {there}", f"sudo install -d -m 700 -o {_name(user)} {path.parent}"
        )


def _name(user: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _state(configuration: Configuration) -> str:
    database = open_state(configuration)
    database.close()
    return "the database is there and up to date"


def _private_state(visit: Visit, configuration: Configuration) -> None:
    """Whether the state is its owner's alone.  Placier makes it so; who moves or restores it may leave it open."""
    kept = [path for path in _kept(configuration) if path.exists()]
    opened = [path for path in kept if stat.S_IMODE(path.stat().st_mode) & 0o077]
    for path in opened:
        visit.ill("private", f"{path} is open to others, it holds personal data", f"chmod -R go= {path}")
    if not opened:
        visit.look("private", lambda: "what is kept is its owner's alone")


def _engine(configuration: Configuration) -> str:
    engine = open_engine(configuration)
    try:
        return engine.look()
    finally:
        engine.close()


def _alerts(configuration: Configuration, outside: Outside) -> str:
    alerts = configuration.main.alerts
    told = []
    if alerts.urls_env:
        _variable("alerts.urls_env", alerts.urls_env, outside)
        if find_spec("apprise") is None:
            raise UsageError("alerts.urls_env needs the package apprise", "pip install 'placier[alerts]'")
        told.append(f"people are told at the addresses in {alerts.urls_env}")
    if alerts.healthcheck_url:
        told.append("a healthcheck is called")
    if alerts.textfile:
        _writable(configuration.path(alerts.textfile), os.geteuid())
        told.append(f"figures go to {alerts.textfile}")
    return "; ".join(told) or "nobody is told but by cron or systemd: see [alerts]"


def _console(variable: str, outside: Outside) -> str:
    _variable("console.password_env", variable, outside)
    return f"its password is in {variable}"


# An account


def _account(account: Account, outside: Outside) -> list[Check]:
    visit = Visit(account.name)
    visit.look("configuration", lambda: f"{account.config_dir.name}/accounts/{account.name}.toml is valid")
    visit.look("mapping", lambda: _mapping(account))
    source = account.file.source
    if isinstance(source, FolderSource):
        visit.look("source", lambda: _source(account, outside))
    else:
        visit.look("host key", lambda: _host_key(account, source))
        visit.look("secrets", lambda: _secrets(account, source, outside))
        visit.look("source", lambda: _source(account, outside), "host key", "secrets")
    _platform(visit, account, outside)
    return visit.checks


def _mapping(account: Account) -> str:
    inbound.load_mapping(account)
    return f"the mapping {account.file.mapping!r} is valid"


def _host_key(account: Account, source: SftpSource) -> str:
    from pipeline.sources.hostkey import look
    from pipeline.sources.session import Door

    return look(Door(source, None, None, account.path(source.known_hosts)))


def _secrets(account: Account, source: SftpSource, outside: Outside) -> str:
    told = []
    if source.key_file:
        key = account.path(source.key_file)
        if not key.exists():
            raise UsageError(
                f"source.key_file: there is no {key}",
                f"make one, and give the venue {key.name}.pub, never the other:\nssh-keygen -t ed25519 -N '' -f {key}",
            )
        config.check_private(key, "source.key_file")
        told.append("the key file is private")
    if source.password_env:
        _variable("source.password_env", source.password_env, outside)
        told.append(f"{source.password_env} is set")
    return ", ".join(told)


def _variable(key: str, name: str, outside: Outside) -> None:
    """UsageError unless the environment variable that a key names is set."""
    if not outside.environment.get(name, "").strip():
        raise UsageError(
            f"{key}: the environment variable {name} is not set",
            f"write a line {name}=... into secrets/environment (chmod 600), which cron and systemd read; at a prompt:\n"
            "set -a; . secrets/environment; set +a",
        )


def _source(account: Account, outside: Outside) -> str:
    drop = open_source(account, outside)
    try:
        day = outside.now().replace(tzinfo=UTC).astimezone(account.zone).date() - timedelta(days=1)
        return _seen(account, drop, day)
    finally:
        drop.close()


def _seen(account: Account, drop: Source, day: date) -> str:
    """What the drop holds, and what of the business date `day` is there."""
    source = account.file.source
    there = drop.names()
    if isinstance(source, FolderSource):
        where = f"the folder {source.path}"
    else:
        where = f"{source.user}@{source.host} may log in; the folder {source.directory}"
    wanted = [account.file_name(pattern, day) for pattern in source.patterns().values()]
    found = {name: names.matching(there, name) for name in wanted}
    told = [f"{where} holds {len(there)} files"]
    seen = [name for each in found.values() for name in each]
    lacking = [name for name, each in found.items() if not each]
    told += [f"of {day} there: {', '.join(seen)}"] if seen else []
    told += [f"of {day} not there (yet): {', '.join(lacking)}"] if lacking else []
    return "; ".join(told)


def _platform(visit: Visit, account: Account, outside: Outside) -> None:
    opened: list[Platform] = []

    def token() -> str:
        told = account.file.platform
        if isinstance(told, CyberimpactPlatform) and not told.token_file:
            _variable("platform.token_env", told.token_env, outside)
        opened.append(open_platform(account, "doctor", outside))
        return _token(account)

    try:
        visit.look("token", token)
        visit.look("platform", lambda: _answers(opened[0], account), "token")
        visit.look("custom fields", lambda: _fields(opened[0]), "token", "platform")
        visit.look("groups", lambda: _groups(opened[0], account), "token", "platform")
    finally:
        for platform in opened:
            platform.close()


def _token(account: Account) -> str:
    platform = account.file.platform
    if not isinstance(platform, CyberimpactPlatform):
        return "import files need none"
    where = f"the file {platform.token_file}" if platform.token_file else f"the variable {platform.token_env}"
    return f"there is one in {where}"


def _answers(platform: Platform, account: Account) -> str:
    told = account.file.platform
    if isinstance(told, CyberimpactPlatform):
        platform.groups()
        return f"it answers at {told.base_url}"
    folder = account.path(told.path)
    _writable(folder, os.geteuid())
    return f"import files go to {folder}"


def _fields(platform: Platform) -> str:
    if not platform.reads_back:
        return "whoever imports the files matches the columns by hand"
    missing = platform.check_fields()
    if missing:
        raise Several(
            missing,
            "in the platform account, by hand, with exactly these names and types (where a type cannot be changed, rename"
            " that field and create another); then placier doctor. A field may have another name:"
            " [platform.custom_fields]",
        )
    return f"all {len(FIELDS)} are there, of the right type"


def _groups(platform: Platform, account: Account) -> str:
    title = account.file.policy.general_group
    there = [group for group in platform.groups() if same_title(group.title) == same_title(title)]
    if any(group.dynamic for group in there):
        raise UsageError(
            f"the group {title!r} is dynamic: nobody can be added to it", "rename it, or set policy.general_group"
        )
    return (
        f"the general group {title!r} is there"
        if there
        else f"the general group {title!r} will be created by the first run"
    )
