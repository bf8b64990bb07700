"""The configuration: `config/placier.toml`, `config/accounts/NAME.toml`, checked and typed.

Every problem of every file is collected and told at once, with the file, the key and what would be accepted.  Relative
paths are relative to the folder above the configuration folder.  Secrets are never in files: a key ending in `_env`
names an environment variable, one ending in `_file` a file that nobody else may read.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_args
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from pipeline import fields
from pipeline.errors import UsageError


class Section(BaseModel):
    """A table of a configuration file: unknown keys are errors, values are never guessed."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class State(Section):
    """Where Placier keeps what it knows."""

    url: str = Field(
        "sqlite:///var/placier.db",
        description="the database: `sqlite:///PATH`, or `postgresql+psycopg://user@host/database` (its password in"
        " `PGPASSWORD` or `~/.pgpass`)",
    )
    patience: float = Field(
        60.0,
        ge=0,
        le=3600,
        description="seconds that a database, or a row of it, in use by another program is waited for",
    )
    archive: str = Field(
        "var/archive", min_length=1, description="folder of every file that was read, compressed, under its SHA-256"
    )
    reports: str = Field(
        "var/reports", min_length=1, description="folder of the pages that the runs write: `ACCOUNT/DATE.html`"
    )

    @field_validator("url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if not value.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise ValueError("accepted: sqlite:///PATH or postgresql+psycopg://user@host/database")
        return value


class Engine(Section):
    """What merges long files, and walks the accounts of a run."""

    kind: Literal["local", "dask"] = Field(
        "local", description='`"local"`: this process; `"dask"`: a Dask cluster (`pip install \'placier[dask]\'`)'
    )
    scheduler: str = Field(
        "",
        description="`tcp://host:8786` (or `tls://`) of the cluster's scheduler; it needs `storage`, and PostgreSQL as"
        " state. Empty: processes of this machine",
    )
    storage: str = Field(
        "",
        description="where the parts of a history lie for the workers: a folder that all machines share, or an fsspec"
        " URL; of one installation alone. Empty: the run's own folder",
    )

    @field_validator("scheduler")
    @classmethod
    def _address(cls, value: str) -> str:
        if value and not re.fullmatch(r"(tcp|tls)://[^/\s]+:\d+", value):
            raise ValueError("accepted: tcp://HOST:PORT, tls://HOST:PORT, or empty")
        return value

    @model_validator(mode="after")
    def _shared_storage(self) -> Engine:
        if self.kind == "dask" and self.scheduler and not self.storage:
            raise ValueError(
                "a scheduler needs storage, a folder or an fsspec URL that this machine and all workers share"
            )
        return self


class Reports(Section):
    """The pages that the runs write."""

    show_addresses: bool = Field(
        default=False,
        description="`true`: pages show addresses whole, and are not to be passed on; `false`: their first letter and domain",
    )


class Alerts(Section):
    """Who is told; all optional."""

    healthcheck_url: str = Field(
        "",
        description="`placier run` calls it with `/start`, then as it is when all ended with 0, else with `/fail`",
    )
    urls_env: str = Field(
        "",
        description="name of an environment variable with Apprise URLs, such as `mailto://` or `slack://`: "
        "one message per problem ([docs/alerts.md](alerts.md))",
    )
    textfile: str = Field(
        "",
        description="figures of each `placier run` for the node exporter's textfile collector, a file `NAME.prom` "
        "in its folder ([docs/alerts.md](alerts.md))",
    )

    @field_validator("healthcheck_url")
    @classmethod
    def _pinged(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^\s/]\S*", value):
            raise ValueError("accepted: https://..., http://..., or empty")
        return value

    @field_validator("textfile")
    @classmethod
    def _collected(cls, value: str) -> str:
        if value and not value.endswith(".prom"):
            raise ValueError("accepted: a path that ends in .prom, which the node exporter reads, or empty")
        return value


class Console(Section):
    """The console for support staff."""

    password_env: str = Field(
        "PLACIER_CONSOLE_PASSWORD",
        min_length=1,
        description="environment variable with the password that `placier console` asks for, 12 characters or more",
    )


class Main(Section):
    """config/placier.toml."""

    state: State = State()
    engine: Engine = Engine()
    reports: Reports = Reports()
    alerts: Alerts = Alerts()
    console: Console = Console()

    @model_validator(mode="after")
    def _shared_state(self) -> Main:
        if self.engine.kind == "dask" and self.engine.scheduler and self.state.url.startswith("sqlite:"):
            raise ValueError(
                "engine.scheduler: several machines cannot share an SQLite file; accepted: state.url ="
                ' "postgresql+psycopg://user@host/database", or an empty scheduler'
            )
        return self


class Files(Section):
    """How the day files are named; `{organisation}` and `{date:%Y%m%d}` are filled in."""

    purchases: str = Field(
        "",
        description="the day's purchases; with neither file named, `{organisation}_achats_{date:%Y%m%d}.csv`",
    )
    cancellations: str = Field(
        "",
        description="the day's cancellations; with neither file named, `{organisation}_annulations_{date:%Y%m%d}.csv`",
    )
    transactions: str = Field(
        "", description='instead of these two, one file with both: `"{organisation}_{date:%Y%m%d}.csv"`'
    )
    backfill: str = Field(
        "{organisation}_historique*.csv", description="the history, for `placier backfill` without a file"
    )
    wait_minutes: int = Field(
        0,
        ge=0,
        le=24 * 60,
        description="minutes that `placier run` waits for yesterday's file when it is late or still being written, or"
        " when its server is out of reach, looking at least once a minute (`init` writes 90)",
    )
    settle_seconds: float = Field(
        0.5, ge=0, le=600, description="seconds that a file's size must stay the same before it is read"
    )
    catch_up_days: int = Field(
        7,
        ge=0,
        le=366,
        description="days missed since the first success that `run` does first, oldest first; 0: none",
    )

    @model_validator(mode="after")
    def _one_layout(self) -> Files:
        two = bool(self.purchases) or bool(self.cancellations)
        if self.transactions and two:
            raise ValueError("accepted: purchases and cancellations together, or transactions alone")
        if two and not (self.purchases and self.cancellations):
            raise ValueError("accepted: purchases and cancellations together, or transactions alone")
        if two and self.purchases == self.cancellations:
            raise ValueError("purchases and cancellations: accepted: two different names, or transactions for one file")
        return self

    def patterns(self) -> dict[str, str]:
        """The day's files: role -> pattern (`transactions`, or `purchases` and `cancellations`)."""
        if self.transactions:
            return {"transactions": self.transactions}
        if self.purchases:
            return {"purchases": self.purchases, "cancellations": self.cancellations}
        return {
            "purchases": "{organisation}_achats_{date:%Y%m%d}.csv",
            "cancellations": "{organisation}_annulations_{date:%Y%m%d}.csv",
        }


class SftpSource(Files):
    """[source] kind = "sftp"."""

    kind: Literal["sftp"] = Field(description="a server")
    host: str = Field(min_length=1, description="its name or address")
    port: int = Field(22, ge=1, le=65535, description="its port")
    user: str = Field(min_length=1, description="the user there")
    key_file: str = Field(
        "", description="the private key, readable by its owner only; this, or `password_env`, or both (a passphrase)"
    )
    password_env: str = Field(
        "", description="name of the environment variable with the password, or with the passphrase of `key_file`"
    )
    known_hosts: str = Field(
        "secrets/known_hosts",
        min_length=1,
        description="the server's host key, as OpenSSH writes it; an unknown or changed one is refused",
    )
    directory: str = Field(".", description="the folder there; the user's own when it is `.`")
    connect_timeout: float = Field(15.0, gt=0, le=600, description="seconds that each step of connecting may take")
    read_timeout: float = Field(60.0, gt=0, le=3600, description="seconds without an answer")
    first_pause: float = Field(
        1.0,
        ge=0,
        le=60,
        description="seconds before the second try after a passing fault; each later pause is twice as long, at most 30",
    )

    @model_validator(mode="after")
    def _one_secret(self) -> SftpSource:
        if not self.key_file and not self.password_env:
            raise ValueError('accepted: key_file = "PATH" or password_env = "VARIABLE"')
        return self


class FolderSource(Files):
    """[source] kind = "folder"."""

    kind: Literal["folder"] = Field(description="a folder of this machine")
    path: str = Field(min_length=1, description="the folder; it may be a share where others write")


def _known_fields(value: dict[str, str]) -> dict[str, str]:
    unknown = sorted(set(value) - set(fields.BY_KEY))
    if unknown:
        raise ValueError(f"unknown field {', '.join(unknown)}; accepted: {', '.join(fields.BY_KEY)}")
    if empty := sorted(key for key, name in value.items() if not name.strip()):
        raise ValueError(f"{', '.join(empty)}: accepted: the field's name in the platform account")
    named: dict[str, list[str]] = {}
    for key, each in fields.BY_KEY.items():
        named.setdefault(" ".join(value.get(key, each.name).split()).casefold(), []).append(key)
    if twins := [" and ".join(keys) for keys in named.values() if len(keys) > 1]:
        raise ValueError(f"{'; '.join(twins)} have one name; accepted: a name of its own for each field")
    return value


FieldNames = Annotated[dict[str, str], AfterValidator(_known_fields)]


class CyberimpactPlatform(Section):
    """[platform] kind = "cyberimpact"."""

    kind: Literal["cyberimpact"] = Field(description="Cyberimpact, over its API")
    base_url: str = Field(
        "https://api.cyberimpact.com",
        pattern=r"^https?://[^\s]+$",
        description="its API: `https://...`; plain `http://` to this machine only (the sandbox)",
    )
    token_env: str = Field("CYBERIMPACT_TOKEN", description="name of the environment variable with the API token")
    token_file: str = Field("", description="instead, a file with the token, readable by its owner only")
    batch_size: int = Field(500, ge=1, le=10_000, description="contacts a batch")
    requests_per_second: float = Field(2.0, gt=0, le=100_000, description="how fast at most")
    timeout: float = Field(60.0, gt=0, le=3600, description="seconds without an answer")
    batch_deadline: float = Field(
        1800.0, gt=0, description="seconds until a batch that does not end is left to the next run"
    )
    first_poll: float = Field(
        0.3,
        ge=0,
        le=60,
        description="seconds until the first batch is asked for; each later time 1.5 times as long, at most 30; the"
        " next batch after half of what the last one took",
    )
    retries: int = Field(5, ge=1, le=20, description="attempts at a request that fails in passing")
    first_pause: float = Field(
        1.0,
        ge=0,
        le=60,
        description="seconds before the second attempt, and as much again at random; each later pause is twice as"
        " long, at most 60",
    )
    custom_fields: FieldNames = Field({}, description="see `[platform.custom_fields]`")

    @model_validator(mode="after")
    def _encrypted(self) -> CyberimpactPlatform:
        local = re.match(r"^http://(127\.\d+\.\d+\.\d+|localhost|\[::1\])(:\d+)?(/|$)", self.base_url)
        if self.base_url.startswith("http://") and not local:
            raise ValueError("base_url: accepted: https://..., or http:// to this machine only")
        if not self.token_env and not self.token_file:
            raise ValueError("token_env: accepted: the name of an environment variable, or else token_file")
        return self


class CsvPlatform(Section):
    """[platform] kind = "csv": import files in a folder."""

    kind: Literal["csv"] = Field(description="import files in a folder")
    path: str = Field(min_length=1, description="the folder")
    dialect: Literal["cyberimpact", "mailchimp"] = Field(
        "cyberimpact",
        description='whose import: `"cyberimpact"` (one file per set of groups) or `"mailchimp"` (groups as tags)',
    )
    custom_fields: FieldNames = Field({}, description="see `[platform.custom_fields]`")


class Policy(Section):
    """[policy]: the account's rules."""

    consent_months: int = Field(24, ge=1, le=120, description="calendar months that a purchase's implied consent lasts")
    groups: Literal["per-show", "per-performance", "general-only"] = Field(
        "per-show", description="a group per show, a group per performance, or the general group alone"
    )
    general_group: str = Field(
        "Clients Tuxedo", min_length=1, max_length=100, description="title of the group of every contact"
    )
    group_title: str = Field(
        "",
        description="title of a show's group; unless told `{show_title}`, per performance"
        " `{show_title} ({date:%Y-%m-%d %H:%M})`; also `{show_id}`, `{performance_id}`",
    )
    show_grace_days: int = Field(
        3,
        ge=0,
        le=3660,
        description="a buyer still joins the group of a show that ended so many days before the as-of day",
    )
    cancellation: Literal["any", "exact"] = Field(
        "any",
        description='`"any"`: any cancellation for a show takes the buyer out of its group; `"exact"`: only when no'
        " ticket is left",
    )
    cancelled_counts: bool = Field(
        True,
        description="`false`: a booking that is wholly cancelled is no last purchase and gives no consent",
    )
    retention_months: int = Field(
        26, ge=1, le=1200, description="months after which ledger rows and archived files are purged, every night"
    )

    @field_validator("group_title")
    @classmethod
    def _template(cls, value: str) -> str:
        if value:
            try:
                value.format(show_title="x", date=datetime(2026, 1, 1, tzinfo=UTC), show_id="x", performance_id="x")
            except (KeyError, IndexError, ValueError) as error:
                raise ValueError("accepted: {show_title}, {date:%Y-%m-%d}, {show_id}, {performance_id}") from error
        return value

    @property
    def title_template(self) -> str:
        """The template of a show group's title."""
        if self.group_title:
            return self.group_title
        return "{show_title} ({date:%Y-%m-%d %H:%M})" if self.groups == "per-performance" else "{show_title}"


class Guard(Section):
    """[guard]: what is too much to be sent without a person's word."""

    max_reject_ratio: float = Field(
        0.2, ge=0, le=1, description="a file with more than this part of bad lines, and at least 20 of them, is held"
    )
    max_leaves: int = Field(50, ge=0, description="leaves of groups are held when there are more than this many and")
    max_leave_ratio: float = Field(0.2, ge=0, le=1, description="more than this part of the account's memberships")
    max_volume_ratio: float = Field(
        10.0,
        gt=0,
        description="a day is held when it has this many times the median of the last 28 days' lines, from 7 days of"
        " history on",
    )


class AccountFile(Section):
    """config/accounts/NAME.toml."""

    organisation: str = Field(min_length=1, description="as it stands in the names of the day files")
    timezone: str = Field(
        "America/Toronto",
        description='the box office\'s clock, a zone of the tz database: it decides what "yesterday" is, and the local'
        " day of a consent",
    )
    language: Literal["fr_ca", "en_ca"] = Field("fr_ca", description="of the contacts that are created")
    mapping: str = Field(
        "tuxedo",
        description="the mapping that reads the files: `mappings/NAME.toml` beside `config/`, else one that is shipped",
    )
    source: Annotated[SftpSource | FolderSource, Field(discriminator="kind")]
    platform: Annotated[CyberimpactPlatform | CsvPlatform, Field(discriminator="kind")]
    policy: Policy = Policy()
    guard: Guard = Guard()

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("accepted: a zone of the tz database, such as America/Toronto")
        return value


@dataclass(frozen=True, slots=True)
class Account:
    """One account, ready for use: its `name`, what its file says, and the folders that its paths start from."""

    name: str
    file: AccountFile
    base: Path
    config_dir: Path

    @property
    def zone(self) -> ZoneInfo:
        """The account's time zone."""
        return ZoneInfo(self.file.timezone)

    def path(self, value: str) -> Path:
        """A configured path; relative ones start above the configuration folder."""
        return self.base / Path(value).expanduser()

    def file_name(self, pattern: str, day: date) -> str:
        """The name that `pattern` gives for the business date `day`."""
        return pattern.format(organisation=self.file.organisation, date=day)


@dataclass(frozen=True, slots=True)
class Configuration:
    """All of it: the main file and the accounts by name, sorted."""

    main: Main
    accounts: Mapping[str, Account]
    base: Path
    directory: Path

    def account(self, name: str) -> Account:
        """The account called `name`; UsageError if there is none."""
        if name not in self.accounts:
            known = ", ".join(self.accounts) or "none yet"
            close = get_close_matches(name, self.accounts, 1)
            raise UsageError(
                f"no account is called {name!r} (known: {known})",
                f"did you mean {close[0]}? `placier status {close[0]}`"
                if close
                else f"write {self.directory / 'accounts' / (name + '.toml')}, or `placier init` for an example",
            )
        return self.accounts[name]

    def path(self, value: str) -> Path:
        """A configured path; relative ones start above the configuration folder."""
        return self.base / Path(value).expanduser()

    def state_url(self) -> str:
        """The database's URL, a relative SQLite path made absolute."""
        url = self.main.state.url
        if url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
            return f"sqlite:///{self.path(url.removeprefix('sqlite:///'))}"
        return url


def load(directory: Path) -> Configuration:
    """Read the configuration folder; UsageError with every problem of every file."""
    directory = directory.expanduser().absolute()
    if not directory.is_dir():
        raise UsageError(
            f"there is no configuration folder {directory}",
            "type `placier init` to write one, or give it with --config DIR or PLACIER_CONFIG",
        )
    problems: list[str] = []
    main = Main()
    main_file = directory / "placier.toml"
    if main_file.exists():
        main = _parse(main_file, Main, problems) or main
    accounts: dict[str, Account] = {}
    for path in sorted((directory / "accounts").glob("*.toml")):
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", path.stem):
            problems.append(f"{path}: an account's file is named with letters, digits, '.', '_' and '-' only")
            continue
        parsed = _parse(path, AccountFile, problems)
        if parsed is not None:
            problems.extend(f"{path}: {problem}" for problem in _bad_patterns(parsed))
            accounts[path.stem] = Account(path.stem, parsed, directory.parent, directory)
    if problems:
        raise UsageError(
            "the configuration is not right:\n  " + "\n  ".join(problems), "mend the files, then `placier doctor`"
        )
    return Configuration(main, accounts, directory.parent, directory)


def secret(env: str, path: Path | None, what: str, environment: Mapping[str, str]) -> str:
    """A secret from the file `path`, else from the environment variable `env`; UsageError names where it looked."""
    if path is not None:
        check_private(path, what)
        return path.read_text(encoding="utf-8").strip()
    value = environment.get(env, "").strip()
    if not value:
        raise UsageError(
            f"{what}: the environment variable {env} is not set", f"export {env}=... (never in a file of config/)"
        )
    return value


def check_private(path: Path, what: str) -> None:
    """UsageError unless the file exists and only its owner can read it."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise UsageError(
            f"{what}: {path} cannot be read ({error.strerror})", "create it, or correct the path"
        ) from error
    if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
        raise UsageError(f"{what}: others can read {path} (mode {stat.S_IMODE(mode):04o})", f"chmod 600 {path}")
    if not os.access(path, os.R_OK):
        raise UsageError(
            f"{what}: {path} cannot be read by this user", f"chown it to the user that runs placier: {path}"
        )


def _bad_patterns(account: AccountFile) -> list[str]:
    problems = []
    day = date(2026, 1, 1)
    for role, pattern in {**account.source.patterns(), "backfill": account.source.backfill}.items():
        try:
            name = pattern.format(organisation=account.organisation, date=day)
        except (KeyError, IndexError, ValueError):
            problems.append(f"source.{role}: accepted: a file name with {{organisation}} and {{date:%Y%m%d}}")
            continue
        if "/" in name or "\\" in name:
            problems.append(f"source.{role}: accepted: a file name, not a path")
        elif role != "backfill" and name == pattern.format(organisation=account.organisation, date=date(2027, 12, 28)):
            problems.append(f"source.{role}: must contain {{date:...}} so that each day has its own name")
    return problems


Model = TypeVar("Model", bound=BaseModel)


def _parse(path: Path, model: type[Model], problems: list[str]) -> Model | None:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        problems.append(f"{path}: {error}")
        return None
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems.extend(f"{path}: {line}" for line in describe(error, model))
        return None


def describe(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """One sentence per problem: the key, what is wrong, what would be accepted.  Never the value."""
    lines = []
    for item in error.errors(include_url=False, include_input=False):
        location = [str(part) for part in item["loc"]]
        parts = [part for part in location if part not in {"sftp", "folder", "cyberimpact", "csv"}]
        key = ".".join(parts) or "(the whole file)"
        if item["type"] == "extra_forbidden":
            accepted = ", ".join(_keys_beside(model, location))
            lines.append(f"unknown key {key}" + (f"; accepted here: {accepted}" if accepted else ""))
        elif item["type"] == "missing":
            lines.append(f"{key} is missing")
        elif item["type"] in {"union_tag_not_found", "union_tag_invalid"}:
            lines.append(f"{key}.kind: accepted: {', '.join(_kinds(model, location[-1]))}")
        else:
            message = item["msg"].removeprefix("Value error, ")
            lines.append(f"{key}: {message[:1].lower()}{message[1:]}")
    return lines


def _kinds(model: type[BaseModel], name: str) -> list[str]:
    """The kinds of table that the table `name` of a file may be."""
    tables = sections(model.model_fields[name].annotation)
    return [f'"{kind}"' for table in tables for kind in get_args(table.model_fields["kind"].annotation)]


def _keys_beside(model: type[BaseModel], location: Sequence[str]) -> list[str]:
    """The keys that the table around `location` accepts."""
    current: list[type[BaseModel]] = [model]
    for part in location[:-1]:
        following: list[type[BaseModel]] = []
        for candidate in current:
            if part in candidate.model_fields:
                following.extend(sections(candidate.model_fields[part].annotation))
            elif candidate.model_fields.get("kind") is not None and f"'{part}'" in repr(
                candidate.model_fields["kind"].annotation
            ):
                following.append(candidate)
        current = following or current
    return sorted({name for candidate in current for name in candidate.model_fields})


def sections(annotation: object) -> list[type[BaseModel]]:
    """The tables that an annotation stands for; none when it is a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in getattr(annotation, "__args__", ()) for found in sections(part)]
