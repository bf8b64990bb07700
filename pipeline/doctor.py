"""What is missing before a night can work, in the order to mend it."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipeline import inbound
from pipeline.config import Account, Configuration, CyberimpactPlatform, FolderSource, check_private
from pipeline.doors import Outside, open_platform, open_source, open_state
from pipeline.errors import PlacierError
from pipeline.platforms import Platform
from pipeline.policy import same_title


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: whether it is well, and if not what to do."""

    account: str
    check: str
    ok: bool
    message: str
    remedy: str = ""


def examine(configuration: Configuration, accounts: list[Account], outside: Outside) -> list[Check]:
    """Look at everything that a run needs; nothing is written but an empty database, if there is none."""
    checks = [_tried("", "database", lambda: _state(configuration)), *_private_state(configuration)]
    for account in accounts:
        checks += _account(account, outside)
    if not accounts:
        checks.append(
            Check(
                "",
                "accounts",
                False,
                "no account is configured",
                f"write {configuration.directory / 'accounts'}/NAME.toml",
            )
        )
    return checks


def _account(account: Account, outside: Outside) -> list[Check]:
    name = account.name
    checks = [Check(name, "configuration", True, f"{account.config_dir / 'accounts' / name}.toml is valid")]
    checks.append(
        _tried(
            name,
            "mapping",
            lambda: f"the mapping {account.file.mapping!r} is valid" if inbound.load_mapping(account) else "",
        )
    )
    source = account.file.source
    if not isinstance(source, FolderSource) and source.key_file:
        key = account.path(source.key_file)
        checks.append(_tried(name, "secrets", lambda: _private(account, key)))
    checks.append(_tried(name, "source", lambda: _source(account, outside)))
    checks += _platform(account, outside)
    return checks


def _state(configuration: Configuration) -> str:
    database = open_state(configuration)
    database.close()
    return "the database is there and up to date"


def _private_state(configuration: Configuration) -> list[Check]:
    """Whether the state is its owner's alone.  Placier makes it so; who moves or restores it may leave it open."""
    state = configuration.main.state
    archive = configuration.path(state.archive)
    kept = [archive, configuration.path(state.reports), archive.parent / "locks"]
    if configuration.state_url().startswith("sqlite:///"):
        kept.append(Path(configuration.state_url().removeprefix("sqlite:///")))
    opened = [path for path in kept if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077]
    if not opened:
        return [Check("", "private", True, "what is kept is its owner's alone")]
    return [
        Check("", "private", False, f"{path} is open to others, it holds personal data", f"chmod -R go= {path}")
        for path in opened
    ]


def _private(account: Account, key: Path) -> str:
    check_private(key, f"{account.name}: source.key_file")
    return "the key file is private"


def _source(account: Account, outside: Outside) -> str:
    source = open_source(account, outside)
    try:
        return f"the source answers, its host key is the pinned one, {len(source.names())} files are there"
    finally:
        source.close()


def _platform(account: Account, outside: Outside) -> list[Check]:
    name = account.name
    try:
        platform = open_platform(account, "doctor", outside)
    except PlacierError as error:
        return [Check(name, "token", False, error.message, error.remedy)]
    try:
        checks = [_tried(name, "token", lambda: _answers(platform, account))]
        if not checks[0].ok:
            return checks
        missing = platform.check_fields()
        if missing:
            checks += [
                Check(name, "custom field", False, sentence, "in the platform, by hand; then `placier doctor` again")
                for sentence in missing
            ]
        else:
            checks.append(Check(name, "custom fields", True, "all 17 are there, of the right type"))
        checks.append(_tried(name, "groups", lambda: _groups(platform, account)))
        return checks
    except PlacierError as error:
        return [Check(name, "platform", False, error.message, error.remedy)]
    finally:
        platform.close()


def _answers(platform: Platform, account: Account) -> str:
    platform.groups()
    where = (
        account.file.platform.base_url
        if isinstance(account.file.platform, CyberimpactPlatform)
        else account.file.platform.path
    )
    return f"the platform answers at {where}"


def _groups(platform: Platform, account: Account) -> str:
    title = account.file.policy.general_group
    there = [group for group in platform.groups() if same_title(group.title) == same_title(title)]
    if any(group.dynamic for group in there):
        raise PlacierError(
            f"the group {title!r} is dynamic: nobody can be added to it", "rename it, or set policy.general_group"
        )
    return (
        f"the general group {title!r} is there"
        if there
        else f"the general group {title!r} will be created by the first run"
    )


def _tried(account: str, check: str, look: Callable[[], str]) -> Check:
    try:
        return Check(account, check, True, look())
    except PlacierError as error:
        return Check(account, check, False, error.message, error.remedy)
