"""Words in, words out, exit codes: the only module that prints, exits, reads the clock or the environment."""

from __future__ import annotations

import atexit
import errno
import functools
import gc
import io
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, TypeVar

import click

from pipeline import __version__
from pipeline.errors import Failure, PlacierError, UsageError, unforeseen
from pipeline.words import Command, Day, Days

if TYPE_CHECKING:
    from pipeline.config import Account, Configuration
    from pipeline.doors import Outside
    from pipeline.progress import Bar
    from pipeline.run import Run
    from pipeline.screen import Page
    from pipeline.setting import Setting
    from pipeline.walks import Told

Body = TypeVar("Body", bound=Callable[..., int])
Shared = TypeVar("Shared", bound=Callable[..., object])
DAY = Day()
UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EPIPE}
"""What an output says that takes no more: a full disk, a reader that went away."""
GARBAGE = 250_000
"""New objects after which those in circles are looked for: next to none are, and looking costs a tenth of a long run.
More than a night makes."""
LOCK_SECONDS = 60
"""How long a worker of a cluster waits for an account's lock: a worker that died, or its machine, may hold it still."""


@dataclass(frozen=True, slots=True)
class Options:
    """What every command understands."""

    config: Path
    json: bool
    log_format: str | None
    verbose: bool


_SHARED = (
    click.option("-v", "verbose", is_flag=True, help="Log more."),
    click.option(
        "--log-format", type=click.Choice(["console", "json"]), help="Log every run, in this form, on stderr."
    ),
    click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout."),
    click.option(
        "--config", type=click.Path(path_type=Path), help="The configuration folder [PLACIER_CONFIG, or ./config]."
    ),
)


def _shared(body: Shared) -> Shared:
    """The options that all commands understand, and that may stand before the command too."""
    return functools.reduce(lambda decorated, option: option(decorated), _SHARED, body)


class _Commands(click.Group):
    """All commands; a line with a wrong word that asks for JSON gets it, whatever else is wrong with it."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,  # what click hands around
    ) -> click.Context:
        """Parse what stands before the command."""
        options = args[: args.index("--")] if "--" in args else list(args)
        with _wrong_words(as_json="--json" in options):
            context = super().make_context(info_name, args, parent, **extra)
        context.meta[__name__] = "--json" in options
        return context

    def invoke(self, ctx: click.Context) -> object:
        """Parse what stands after it, and do it."""
        with _wrong_words(as_json=ctx.meta[__name__]):
            return super().invoke(ctx)


@contextmanager
def _wrong_words(*, as_json: bool) -> Iterator[None]:
    """Click tells what is wrong on stderr, and ends with 2."""
    try:
        yield
    except click.UsageError as error:
        if as_json:
            message, _, remedy = error.format_message().partition("\n  → ")
            _complain_in_json(UsageError(message, remedy or "placier --help"))
        raise


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="placier")
@_shared
@click.pass_context
def main(context: click.Context, /, **shared: object) -> None:
    """Placier seats every ticket buyer in the right mailing groups, every night.

    \b
    Exit codes: 0 done · 1 failed · 2 usage or configuration · 3 done, but the platform refused some contacts ·
    4 the day file is not there · 5 held by a guard (see approve) · 75 another run of this account is under way
    """
    context.obj = shared


def command(body: Body) -> click.Command:
    """A command with the options that all share; what it returns is the exit code.  The one handler of errors."""

    @functools.wraps(body)
    @click.pass_context
    def invoke(
        context: click.Context,
        /,
        config: Path | None,
        as_json: bool,
        log_format: str | None,
        verbose: bool,
        **words: object,
    ) -> NoReturn:
        gc.set_threshold(GARBAGE)
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # or numpy starts one a processor, to multiply no matrix
        atexit.register(gc.freeze)  # an interpreter that ends looks for circles once more: a tenth of a night
        before = context.obj or {}
        chosen = config or before.get("config") or Path(os.environ.get("PLACIER_CONFIG") or "config")
        log_format = log_format or before.get("log_format")
        options = Options(
            chosen, as_json or bool(before.get("as_json")), log_format, verbose or bool(before.get("verbose"))
        )
        try:
            with _for_us_alone(but_readable=body.__name__ == "init"):
                code = body(options, **words)
        except PlacierError as error:
            _complain(error, options)
            code = error.exit_code
        except OSError as error:
            _complain(
                _unspoken(error) if error.errno in UNWRITABLE and error.filename is None else unforeseen(error), options
            )
            code = 1
        except Exception as error:  # noqa: BLE001 - a traceback may hold personal data
            _complain(unforeseen(error), options)
            code = 1
        except KeyboardInterrupt:
            click.echo("interrupted: nothing is half-done, the next run goes on", err=True)
            code = 130
        _let_go()
        sys.exit(code)

    told = re.split(r"[;:.]", body.__doc__ or "")[0]
    named = main.command(body.__name__.removesuffix("_"), Command, help=body.__doc__, short_help=told)
    return named(_shared(invoke))


def offers(look: str) -> Callable[[click.Context, click.Parameter, str], list[str]]:
    """What the shell offers for a word, by the function `look` of completion.py; nothing if that goes wrong."""

    def offered(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
        try:
            from pipeline import completion

            chosen = context.params.get("config") or (context.parent.params.get("config") if context.parent else None)
            config = Path(chosen or os.environ.get("PLACIER_CONFIG") or "config").expanduser()
            words = (config, context.params["account"]) if look in {"held_runs", "recorded_days"} else (config,)
            return [found for found in getattr(completion, look)(*words) if found.startswith(begun)]
        except Exception:  # noqa: BLE001 - somebody who presses Tab wants no traceback
            return []

    return offered


_accounts = offers("accounts")


_as_of = click.option("--as-of", type=DAY, help="The day the run is for [today].")
_dry = click.option("--dry-run", "dry", is_flag=True, help="Show the plan; send and keep nothing.")


@command
@click.argument("account", nargs=-1, shell_complete=_accounts)
@click.option("--date", "day", type=DAY, help="The business date, that day alone [the day before as-of].")
@_as_of
@_dry
def run(options: Options, account: tuple[str, ...], day: datetime | None, as_of: datetime | None, dry: bool) -> int:
    """The nightly job: fetch, record, plan, push, report."""
    from pipeline import nightly

    now = datetime.now(UTC)  # once: an account whose turn comes after midnight is run for the same night
    night = nightly.Night(now, None if day is None else day.date(), None if as_of is None else as_of.date())
    return _walk(
        options,
        account,
        night,
        kind="run",
        dry=dry,
        away=_Away(replace(options, config=options.config.expanduser().absolute()), night),
    )


@dataclass(frozen=True, slots=True)
class _Away:
    """The night of an account at a worker of a cluster: with the worker's environment and clock, the same configuration."""

    options: Options
    night: Callable[[Setting], list[Run]]

    def __call__(self, name: str) -> Told:
        """The runs as the command tells them, and what was logged."""
        from pipeline.config import load
        from pipeline.doors import Outside
        from pipeline.log import write_to
        from pipeline.walks import Told, Way, patient, walk_alone

        form, verbose = _log_form(self.options)
        log = io.StringIO()
        outside = Outside(os.environ, _now, time.sleep, write_to(log, form, verbose=verbose))
        configuration = load(self.options.config)
        walk = patient(self.night, time.sleep, LOCK_SECONDS)
        way = Way("run", dry=False, loud=self.options.json)
        runs = walk_alone(configuration, configuration.account(name), walk, outside, way)
        return Told([item.travelling() for item in runs], log.getvalue())


@command
@click.argument("account", shell_complete=_accounts)
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@_as_of
@_dry
def backfill(options: Options, account: str, files: tuple[Path, ...], as_of: datetime | None, dry: bool) -> int:
    """The 24-month history, from files or from the source's backfill pattern."""
    from pipeline import nightly

    return _walk(
        options, [account], lambda s: nightly.backfill(s, files, _day(as_of, s.account)), kind="backfill", dry=dry
    )


@command
@click.argument("account", shell_complete=_accounts)
@click.argument("day", metavar="DATE", type=DAY, shell_complete=offers("recorded_days"))
@click.option(
    "--file", "files", multiple=True, type=click.Path(path_type=Path), help="Take this file instead of the archive's."
)
@click.option("--refetch", is_flag=True, help="Bring the day from the source again.")
@click.option("--resend", is_flag=True, help="Push the day's contacts even if they are acknowledged.")
@_as_of
@_dry
def replay(
    options: Options,
    account: str,
    day: datetime,
    files: tuple[Path, ...],
    refetch: bool,
    resend: bool,
    as_of: datetime | None,
    dry: bool,
) -> int:
    """A day again, from the archive; the same day again changes and sends nothing."""
    from pipeline import nightly
    from pipeline.bring import Replay

    how = Replay(files, refetch, resend)
    return _walk(
        options, [account], lambda s: nightly.replay(s, day.date(), how, _day(as_of, s.account)), kind="replay", dry=dry
    )


@command
@click.argument("account", shell_complete=_accounts)
@_as_of
@_dry
def push(options: Options, account: str, as_of: datetime | None, dry: bool) -> int:
    """What is still to be sent, without reading a file."""
    from pipeline import nightly

    return _walk(options, [account], lambda s: nightly.push(s, _day(as_of, s.account)), kind="push", dry=dry)


@command
@click.argument("account", shell_complete=_accounts)
@_as_of
@_dry
def rebuild(options: Options, account: str, as_of: datetime | None, dry: bool) -> int:
    """The ledger anew from the archive alone; then what is to be sent.  The state may be lost or kept."""
    from pipeline.rebuild import rebuild as walk

    return _walk(options, [account], lambda s: walk(s, _day(as_of, s.account)), kind="rebuild", dry=dry)


@command
@click.argument("account", shell_complete=_accounts)
@click.argument("run_id", metavar="RUN", shell_complete=offers("held_runs"))
def approve(options: Options, account: str, run_id: str) -> int:
    """Push what the run RUN holds, as of that run's day; refused if the plan has changed since."""
    from pipeline import nightly

    return _walk(options, [account], lambda s: nightly.approve(s, run_id), kind="approve", dry=False)


@command
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--mapping",
    default=None,
    help="The mapping to read it with [the account's, or tuxedo].",
    shell_complete=offers("mappings"),
)
@click.option(
    "--account",
    default=None,
    help="The account whose time zone, mapping and file names count.",
    shell_complete=_accounts,
)
def check(options: Options, file: Path, mapping: str | None, account: str | None) -> int:
    """Read a file, print its counts and every bad line; touches nothing."""
    from pipeline import inspection

    owner = None if account is None else _configuration(options).account(account)
    today = datetime.now(UTC).astimezone(inspection.zone_of(owner)).date()
    config_dir = options.config if options.config.is_dir() else None
    with _progress(options) as bar:
        told = (lambda done, total: None) if bar is None else functools.partial(bar, "read")
        reading, found = inspection.look(file, mapping, owner, (config_dir, today), told)
    if options.json:
        _print_json(found)
    else:
        inspection.show(_page(), reading, found)
    return 3 if reading.rejects else 0


@command
@click.argument("account", required=False, shell_complete=_accounts)
def status(options: Options, account: str | None) -> int:
    """Last runs, missing days, what is held or waits, the last success."""
    from pipeline import answers, show
    from pipeline.held import holdings

    with _settings(options, [account] if account else [], create=False) as settings:
        found = []
        for setting in settings:
            owner = setting.account
            with setting.database.transaction() as connection:
                told, held = answers.status(connection, setting), holdings(connection, owner.name)
                found.append(show.Standing(told, held, answers.came_back(connection, owner), owner.zone))
    if options.json:
        _print_json({"accounts": [standing.status for standing in found]})
    else:
        show.status(_page(), found)
    return 0


@command
@click.argument("account", shell_complete=_accounts)
@click.argument("email")
@click.option("--on", "on", type=DAY, help="The day asked about [today].")
def why(options: Options, account: str, email: str, on: datetime | None) -> int:
    """May we write to this person: basis, until when, proof, the file and line that said so, and the groups."""
    from pipeline import answers, show

    with _settings(options, [account], create=False) as settings, settings[0].database.transaction() as connection:
        account_, day = settings[0].account, _day(on, settings[0].account)
        answer = answers.why(connection, account_, email, day, past=on is not None)
        acts = answers.acts(connection, account_, email, day)
        unused = answers.unused(connection, account_)
    if options.json:
        _print_json(answer)
    else:
        page = _page()
        show.why(page, answer, acts)
        show.begin(page, account, unused=unused)
    return 0


@command
@click.argument("account", shell_complete=_accounts)
@click.option("--repair", is_flag=True, help="Bring the platform back to the acknowledged state.")
@click.option("--no-consents", is_flag=True, help="Leave the consents out: they cost a request per contact.")
@_as_of
def verify(options: Options, account: str, repair: bool, no_consents: bool, as_of: datetime | None) -> int:
    """Compare the platform with the acknowledged state, contact by contact."""
    from pipeline import verify as verification

    with _progress(options) as bar, _settings(options, [account], bar=bar) as settings:
        verdict = verification.verify(
            settings[0], _day(as_of, settings[0].account), repair=repair, consents=not no_consents
        )
    rows = [{"email": d.email, "what": d.what, "ours": d.ours, "theirs": d.theirs} for d in verdict.differences]
    if options.json:
        _print_json(
            {"account": account, "contacts": verdict.contacts, "differences": rows, "repaired": verdict.repaired}
        )
    else:
        page = _page()
        page.say(
            f"{account}: {verdict.contacts} contacts compared, {len(rows)} differences, {verdict.repaired} repaired"
        )
        page.table(("contact", "what", "ours", "theirs"), [tuple(row.values()) for row in rows])
        if rows and not repair:
            page.say(f"→ placier verify {account} --repair brings the platform back")
    return 3 if rows else 0


@command
@click.argument("account", shell_complete=_accounts)
@click.option("--within", type=Days(0, 3650), required=True, help="Days.")
@_as_of
def expiring(options: Options, account: str, within: int, as_of: datetime | None) -> int:
    """Consents that are about to end."""
    from pipeline import answers, show

    with _settings(options, [account], create=False) as settings, settings[0].database.transaction() as connection:
        unused = answers.unused(connection, settings[0].account)
        found = answers.expiring(connection, settings[0].account, within, _day(as_of, settings[0].account))
    if options.json:
        _print_json(found)
    else:
        contacts = found["contacts"]
        rows = [tuple(contact.values()) for contact in contacts] if isinstance(contacts, list) else []
        page = _page()
        page.say(f"{account}: {len(rows)} consents end within {within} days")
        page.table(("contact", "valid through", "last show"), rows)
        show.begin(page, account, unused=unused)
    return 0


@command
@click.argument("account", required=False, shell_complete=_accounts)
@click.option("--date", "day", type=DAY, help="The page of this day [the newest].")
def report(options: Options, account: str | None, day: datetime | None) -> int:
    """The path of the newest page, written again from the state if it is missing or out of date."""
    from pipeline.report import shelf

    with _settings(options, [account] if account else []) as settings:
        found = shelf.found(settings, None if day is None else day.date())
    if options.json:
        _print_json({"reports": [{"account": name, "date": str(on), "path": str(path)} for name, on, path in found]})
    else:
        for _, _, path in found:
            click.echo(str(path))
    return 0


@command
@click.argument("account", shell_complete=_accounts)
@click.argument("email")
def export(options: Options, account: str, email: str) -> int:
    """All that is held on a person, as JSON (Law 25)."""
    from pipeline import privacy

    with _settings(options, [account], create=False) as settings:
        _print_json(privacy.export(settings[0], email, _day(None, settings[0].account)))
    return 0


@command
@click.argument("account", shell_complete=_accounts)
@click.argument("email")
def forget(options: Options, account: str, email: str) -> int:
    """Erase a person, archived lines included (Law 25); a purchase made after today counts again."""
    from pipeline import privacy

    with _settings(options, [account]) as settings:
        found = privacy.forget(settings[0], email, _day(None, settings[0].account))
    if options.json:
        _print_json(found)
    else:
        erased = found["erased"]
        counts = [f"{n} {what}" for what, n in erased.items()] if isinstance(erased, dict) else []
        click.echo(f"erased: {', '.join(counts)}")
        click.echo("the platform is left as it is: delete the person there by hand, if they ask for it")
    return 0


@command
@click.argument("file", type=click.Path(path_type=Path))
def backup(options: Options, file: Path) -> int:
    """Copy the state to FILE while runs go on; an existing FILE is refused.  PostgreSQL: names the command to type."""
    from pipeline import backup as copying

    made = copying.back_up(_configuration(options).state_url(), file)
    if options.json:
        _print_json({"file": str(made.file), "bytes": made.size, "sha256": made.sha256})
    else:
        click.echo(f"{made.file}: {made.size} bytes, whole; keep it with a copy of the archive and the configuration")
    return 0


@command
@click.argument("account", required=False, shell_complete=_accounts)
def doctor(options: Options, account: str | None) -> int:
    """What is missing, in the order to mend it: configuration, secrets, source, database, token, fields, groups."""
    from pipeline import doctor as doctoring
    from pipeline import show
    from pipeline.checkup import documents

    configuration = _configuration(options)
    accounts = [configuration.account(account)] if account else list(configuration.accounts.values())
    found = doctoring.examine(configuration, accounts, _outside(options))
    if options.json:
        _print_json({"checks": documents(found)})
    else:
        show.checks(_page(), found)
    return 0 if all(item.ok for item in found) else 2


@command
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
def init(options: Options, directory: Path) -> int:
    """Write a commented starter configuration, mappings and cron files."""
    from pipeline.start import write_start

    written = write_start(directory)
    if options.json:
        _print_json({"files": [str(item) for item in written]})
    else:
        for item in written:
            click.echo(str(item))
        click.echo(
            f"now edit {directory / 'config' / 'accounts'}, then: placier doctor --config {directory / 'config'}"
        )
    return 0


@command
@click.option("--data", type=click.Path(path_type=Path), default=Path("var/sandbox"), help="Where it keeps its files.")
@click.option("--port", type=click.IntRange(0, 65535), default=8089, help="Of the platform's API; 0: a free one.")
@click.option("--sftp-port", type=click.IntRange(0, 65535), default=2222, help="Of the SFTP drop; 0: a free one.")
def sandbox(options: Options, data: Path, port: int, sftp_port: int) -> int:
    """A local SFTP drop and a local stand-in of the platform's API, for trying things.  Ctrl-C ends it."""
    from pipeline.sandbox.pair import Pair

    with _extra("sandbox"), Pair(data, port, sftp_port) as pair:
        if options.json:
            _print_json(pair.facts())
        else:
            click.echo(pair.told())
        sys.stdout.flush()
        pair.wait()
    return 0


@command
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path("var/demo"),
    help="Where it keeps everything; emptied first.",
)
def demo(options: Options, data: Path) -> int:
    """The whole story on the sandbox: backfill, nights, a replay, a cancellation; ends with the path of its report."""
    with _extra("sandbox"):
        from pipeline.sandbox import demo as story

        facts = story.play(data, _page(to_stderr=options.json), _outside(options))
    if options.json:
        _print_json(facts)
    return 0


@command
@click.option("--host", default="127.0.0.1", help="The address to listen on; not the loopback: with --behind-tls only.")
@click.option("--port", type=click.IntRange(0, 65535), default=8090, help="0: a free one.")
@click.option("--behind-tls", "behind", metavar="NAME", default="", help="A reverse proxy serves it with TLS as NAME.")
@click.option("--allow-replay", is_flag=True, help="Days may be replayed, and what is held approved.")
def console(options: Options, host: str, port: int, behind: str, allow_replay: bool) -> int:
    """Pages for support staff: nights, contacts, replays.  The password is in PLACIER_CONSOLE_PASSWORD.  Ctrl-C ends it."""
    with _extra("console"):
        from pipeline.console.serve import ConsoleServer, Place, wait

        server = ConsoleServer(
            _configuration(options), _outside(options), Place(host, port, behind), may_replay=allow_replay
        )
        with server:
            if options.json:
                _print_json(server.facts())
            else:
                may = "with replays and approvals" if allow_replay else "read-only (--allow-replay permits more)"
                click.echo(f"console: {server.public_url}, {may}; Ctrl-C ends it")
            sys.stdout.flush()
            wait(lambda text: click.echo(text, err=True), server.errands)
    return 0


@command
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(options: Options, shell: str) -> int:
    """Print what has the shell complete commands, options, accounts and files; the README says where to put it."""
    from click.shell_completion import ShellComplete, get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"this version of click knows no {shell}", "pip install --upgrade click")
    script = ShellComplete.source(kind(main, {}, "placier", "_PLACIER_COMPLETE"))
    if options.json:
        _print_json({"shell": shell, "script": script})
    else:
        click.echo(script)
    return 0


# What the commands share


@contextmanager
def _extra(name: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise UsageError(f"this needs the package {error.name}", f"pip install 'placier[{name}]'") from error


@contextmanager
def _for_us_alone(*, but_readable: bool) -> Iterator[None]:
    """What is made in the block is its owner's alone, whatever the umask was; `but_readable`: others may read it."""
    before = os.umask(0o077)
    os.umask(before | 0o022 if but_readable else 0o077)
    try:
        yield
    finally:
        os.umask(before)


def _configuration(options: Options) -> Configuration:
    from pipeline.config import load

    return load(options.config)


def _now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def _outside(options: Options) -> Outside:
    from pipeline.doors import Outside
    from pipeline.log import set_up

    form, verbose = _log_form(options)
    return Outside(
        os.environ, _now, time.sleep, set_up(form, verbose=verbose, colours=_colours(sys.stderr)), relay=_relay
    )


def _log_form(options: Options) -> tuple[str, bool]:
    return options.log_format or "console", options.verbose or options.log_format is not None


def _relay(text: str) -> None:
    """Log lines of a worker."""
    with suppress(OSError):
        click.echo(text, err=True, nl=False)


def _day(given: datetime | None, account: Account) -> date:
    return datetime.now(account.zone).date() if given is None else given.date()


@contextmanager
def _settings(
    options: Options, names: Sequence[str], *, create: bool = True, bar: Bar | None = None
) -> Iterator[list[Setting]]:
    """The settings of some accounts, or of all; a question makes no state (`create` False)."""
    from pipeline.doors import open_state, setting

    configuration = _configuration(options)
    accounts = [configuration.account(name) for name in names] or list(configuration.accounts.values())
    outside = _outside(options) if bar is None else replace(_outside(options), progress=bar)
    database = open_state(configuration, create=create)
    try:
        yield [setting(configuration, account, database, outside) for account in accounts]
    finally:
        database.close()


def _walk(
    options: Options,
    names: Sequence[str],
    walk: Callable[[Setting], list[Run]],
    *,
    kind: str,
    dry: bool,
    away: Callable[[str], Told] | None = None,
) -> int:
    """Walk for some accounts, or for all; tell what happened, and give the exit code of all."""
    from pipeline.run import exit_code
    from pipeline.walks import Way, walk_accounts

    configuration = _configuration(options)
    accounts = [configuration.account(name) for name in names] or list(configuration.accounts.values())
    if not accounts:
        raise UsageError(f"no account is configured in {configuration.directory}", "`placier init` writes an example")

    def named(setting: Setting) -> list[Run]:
        if bar is not None and len(accounts) > 1:
            bar.account = setting.account.name
        return walk(setting)

    with _progress(options) as bar:
        outside = _outside(options) if bar is None else replace(_outside(options), progress=bar)
        way = Way(kind, dry, options.json, away, _asked("day"), _asked("as_of"))
        told = walk_accounts(configuration, accounts, named, outside, way)
    code = exit_code(told)
    if options.json:
        _print_json({"runs": [item.json() for item in told]})
    elif kind != "run" or dry or code or sys.stdout.isatty():
        from pipeline import show

        trouble = code in {1, 2, 4, 75} or (bool(code) and kind == "run")
        show.runs(_page(to_stderr=trouble and not sys.stdout.isatty()), told)
    return code


def _asked(name: str) -> date | None:
    """The day that the command was given under this name."""
    given: datetime | None = click.get_current_context().params.get(name)
    return None if given is None else given.date()


@contextmanager
def _progress(options: Options) -> Iterator[Bar | None]:
    """A line that tells how long work goes on, on a terminal; elsewhere, and into a pager, none."""
    shown = sys.stdout.isatty() and sys.stderr.isatty() and os.environ.get("TERM") not in {"dumb", "unknown"}
    if options.json or not shown:
        yield None
        return
    from pipeline.progress import line

    with line(sys.stderr) as bar:
        yield bar


def _page(*, to_stderr: bool = False) -> Page:
    from rich.console import Console

    from pipeline.screen import Page

    stream = sys.stderr if to_stderr else sys.stdout
    console = Console(
        file=stream, highlight=False, force_terminal=_colours(stream), width=None if stream.isatty() else 200
    )
    return Page(console, terminal=stream.isatty())


def _colours(stream: TextIO) -> bool:
    """Whether colours go there: to a terminal, unless it is dumb or NO_COLOR is set; elsewhere only with FORCE_COLOR."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") in {"dumb", "unknown"}:
        return False
    return stream.isatty() or bool(os.environ.get("FORCE_COLOR"))


def _print_json(document: object) -> None:
    from pipeline.log import escaped

    click.echo(escaped(json.dumps(document, ensure_ascii=False, indent=2)))


def _complain(error: PlacierError, options: Options) -> None:
    from pipeline.log import plain

    if options.json:
        _complain_in_json(error)
    if options.log_format == "json":
        with suppress(OSError):
            _outside(options).log.error(error.message, remedy=error.remedy, exit_code=error.exit_code)
        return
    with suppress(OSError):
        told = f"placier: {error.message}" + (f"\n  → {error.remedy}" if error.remedy else "")
        click.echo("\n".join(plain(line) for line in told.split("\n")), err=True)


def _complain_in_json(error: PlacierError) -> None:
    with suppress(OSError):
        _print_json({"error": {"message": error.message, "remedy": error.remedy, "exit_code": error.exit_code}})


def _unspoken(error: OSError) -> PlacierError:
    """What was done is done; nobody could be told."""
    return Failure(f"the output cannot be written ({error.strerror})", "make room where it goes, then `placier status`")


def _let_go() -> None:
    """What could not be written is not tried again while the interpreter ends: that would change the exit code."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
