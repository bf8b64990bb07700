"""The files of cron/ start the right command at the right hour on every day, and every exit code has its page."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import subprocess
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pipeline import errors
from pipeline.cli import main
from pipeline.run import EXIT

CRON = Path(__file__).parent.parent / "cron"
README = (CRON / "README.md").read_text(encoding="utf-8")
TORONTO = ZoneInfo("America/Toronto")
EXPRESSION = "*-*-* 07:15:00 America/Toronto"
CHANGES = [
    date(2024, 3, 10),
    date(2024, 11, 3),
    date(2026, 3, 8),
    date(2026, 11, 1),
    date(2030, 3, 10),
    date(2030, 11, 3),
]
DAYS = [date(2024, 1, 1) + timedelta(days=number) for number in range(7 * 365 + 2)]


def unit(name: str) -> configparser.RawConfigParser:
    """A systemd unit; none of ours repeats a key."""
    parser = configparser.RawConfigParser(delimiters=("=",), interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(CRON / name, encoding="utf-8")
    return parser


def settings() -> dict[str, str]:
    """The variables that the crontab sets."""
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", (CRON / "placier.cron").read_text(encoding="utf-8"), re.MULTILINE))


def crontab() -> list[str]:
    """The crontab's command lines: the one in use, then the one for a machine in UTC."""
    lines = (CRON / "placier.cron").read_text(encoding="utf-8").splitlines()
    return [line.removeprefix("#") for line in lines if re.match(r"#?[0-9*]+ ", line)]


def placier(words: str) -> None:
    """Hold a command against the program: SystemExit or an error of click when it would not be understood."""
    name, *rest = shlex.split(words)[1:]
    main.commands[name].make_context(name, rest)


# The hour


@pytest.fixture
def systemd_analyze() -> str:
    """systemd's own word on its files."""
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("systemd-analyze is missing: apt-get install systemd (it need not run)")
    return found


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("machine", ["America/Toronto", "UTC", "Asia/Tokyo"])
def test_the_timer_elapses_at_0715_on_both_days_of_the_clock_s_change(
    systemd_analyze: str, change: date, machine: str
) -> None:
    eve = change - timedelta(days=1)
    before = datetime.combine(eve, time(0, 0), TORONTO).astimezone(ZoneInfo(machine))
    shown = subprocess.run(
        [systemd_analyze, "calendar", "--iterations=3", f"--base-time={before:%Y-%m-%d %H:%M:%S}", EXPRESSION],
        env={**os.environ, "TZ": machine, "LC_ALL": "C.UTF-8"},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    told = re.findall(r"\w{3} (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) UTC", shown)
    elapses = [datetime.fromisoformat(moment).replace(tzinfo=UTC) for moment in dict.fromkeys(told)]
    wanted = [datetime.combine(eve + timedelta(days=number), time(7, 15), TORONTO) for number in range(3)]
    assert elapses == wanted


def test_0715_exists_once_on_every_day_from_2024_to_2030() -> None:
    assert (DAYS[0], DAYS[-1]) == (date(2024, 1, 1), date(2030, 12, 31))
    for day in DAYS:
        first, second = (datetime.combine(day, time(7, 15), TORONTO).replace(fold=fold) for fold in (0, 1))
        assert first.utcoffset() == second.utcoffset()
        assert first.astimezone(UTC).astimezone(TORONTO).replace(tzinfo=None) == datetime.combine(day, time(7, 15))


def test_the_check_can_tell_an_hour_that_is_skipped_from_one_that_is_not() -> None:
    skipped = datetime(2026, 3, 8, 2, 30, tzinfo=TORONTO)
    assert skipped.astimezone(UTC).astimezone(TORONTO).replace(tzinfo=None) != skipped.replace(tzinfo=None)
    twice = datetime(2026, 11, 1, 1, 30, tzinfo=TORONTO)
    assert twice.utcoffset() != twice.replace(fold=1).utcoffset()


@pytest.mark.parametrize("change", CHANGES)
def test_yesterday_at_0715_is_the_calendar_day_before_on_and_after_a_change_of_the_clock(change: date) -> None:
    for day in (change, change + timedelta(days=1)):
        started = datetime.combine(day, time(7, 15), TORONTO).astimezone(UTC)
        as_of = started.astimezone(TORONTO).date()
        assert as_of == day
        assert as_of - timedelta(days=1) == date.fromordinal(day.toordinal() - 1)


def test_on_a_machine_in_utc_one_of_the_two_starts_is_0715_in_toronto_and_the_other_is_not() -> None:
    for day in DAYS:
        hours = [datetime.combine(day, time(hour, 15), UTC).astimezone(TORONTO).hour for hour in (11, 12)]
        assert hours.count(7) == 1


# The crontab


def test_a_crontab_line_has_five_fields_a_user_and_a_command() -> None:
    usual, in_utc = crontab()
    assert usual.split()[:6] == ["15", "7", "*", "*", "*", "placier"]
    assert in_utc.split()[:6] == ["15", "11,12", "*", "*", "*", "placier"]
    assert [line.rstrip("\n") for line in (CRON / "placier.cron").read_text(encoding="utf-8").splitlines()][-2] == usual
    assert (CRON / "placier.cron").read_text(encoding="utf-8").endswith("\n")


def test_a_percent_sign_is_escaped_because_cron_would_end_the_command_there() -> None:
    assert not any(re.search(r"(?<!\\)%", line) for line in crontab())


def test_the_crontab_sets_what_cron_does_not_give() -> None:
    assert set(settings()) == {"SHELL", "PATH", "PLACIER_CONFIG", "MAILTO"}
    told = (CRON / "placier.cron").read_text(encoding="utf-8")
    assert "CRON_TZ" in told
    assert "timedatectl" in told
    assert "placier.timer" in told


def scene(folder: Path, code: int, environment: str = "CYBERIMPACT_TOKEN=secret\n") -> tuple[list[str], dict[str, str]]:
    """The crontab's commands, moved into `folder`, with a stand-in of the program that ends with `code`."""
    (folder / "bin").mkdir()
    program = folder / "bin" / "placier"
    program.write_text(f'#!/bin/sh\necho "$@"\necho "token $CYBERIMPACT_TOKEN" >&2\nexit {code}\n', encoding="utf-8")
    program.chmod(0o755)
    if environment:
        (folder / "environment").write_text(environment, encoding="utf-8")
    commands = [
        line.split(maxsplit=6)[6]
        .replace("\\%", "%")
        .replace("/srv/placier/secrets/environment", str(folder / "environment"))
        .replace("/var/log/placier/placier.log", str(folder / "journal"))
        for line in crontab()
    ]
    return commands, {"PATH": f"{folder / 'bin'}:/usr/bin:/bin"}


def mailed(command: str, environment: dict[str, str]) -> str:
    """What cron would mail."""
    done = subprocess.run(
        ["/bin/sh", "-c", command], env=environment, check=False, capture_output=True, text=True, timeout=60
    )
    return done.stdout + done.stderr


def test_a_night_without_trouble_is_logged_and_mails_nothing(tmp_path: Path) -> None:
    (usual, _), environment = scene(tmp_path, 0)
    assert mailed(usual, environment) == ""
    assert mailed(usual, environment) == ""
    assert (tmp_path / "journal").read_text(encoding="utf-8") == "run --log-format json\ntoken secret\n" * 2


@pytest.mark.parametrize("code", sorted({1, 2, 3, 4, 5, 75}))
def test_a_night_with_trouble_mails_its_exit_code_and_the_next_command_and_no_secret(tmp_path: Path, code: int) -> None:
    (usual, _), environment = scene(tmp_path, code)
    told = mailed(usual, environment)
    assert f"exit code {code}:" in told
    assert "placier status" in told
    assert "secret" not in told.replace("secrets", "")


def test_a_missing_token_file_is_mailed_and_nothing_is_run(tmp_path: Path) -> None:
    (usual, _), environment = scene(tmp_path, 0, environment="")
    assert str(tmp_path / "environment") in mailed(usual, environment)
    assert not (tmp_path / "journal").exists()


@pytest.mark.parametrize(("hour", "runs"), [("06", False), ("07", True), ("08", False)])
def test_the_line_for_utc_goes_on_at_seven_in_toronto_only(tmp_path: Path, hour: str, runs: bool) -> None:
    (_, in_utc), environment = scene(tmp_path, 0)
    clock = tmp_path / "bin" / "date"
    clock.write_text(f'#!/bin/sh\n[ "$TZ $1" = "America/Toronto +%H" ] && echo {hour}\n', encoding="utf-8")
    clock.chmod(0o755)
    assert mailed(in_utc, environment) == ""
    assert (tmp_path / "journal").exists() is runs


# The units


def test_the_timer_is_daily_in_toronto_and_catches_up_after_a_power_cut() -> None:
    timer = unit("placier.timer")
    assert timer["Timer"]["OnCalendar"] == EXPRESSION
    assert timer["Timer"]["Persistent"] == "true"
    assert timer["Install"]["WantedBy"] == "timers.target"


def test_the_service_runs_once_as_its_own_user_and_has_its_token_from_a_file() -> None:
    service = unit("placier.service")["Service"]
    assert (service["Type"], service["User"]) == ("oneshot", "placier")
    assert service["EnvironmentFile"] == "/srv/placier/secrets/environment"
    assert service["Environment"] == f"PLACIER_CONFIG={settings()['PLACIER_CONFIG']}"
    assert service["StandardOutput"] == "append:/var/log/placier/placier.log"


def test_cron_and_systemd_start_the_same_command_and_the_program_understands_it() -> None:
    command = unit("placier.service")["Service"]["ExecStart"].removeprefix("/opt/placier/bin/")
    assert all(f"; {command} >> /var/log/placier/placier.log 2>&1 || " in line for line in crontab())
    placier(command)


@pytest.mark.parametrize("name", ["placier.service", "placier.timer"])
def test_systemd_finds_no_fault_in_the_units(tmp_path: Path, systemd_analyze: str, name: str) -> None:
    for path in (CRON / "placier.service", CRON / "placier.timer"):
        text = path.read_text(encoding="utf-8").replace("/opt/placier/bin/placier", "/bin/true")
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        [systemd_analyze, "verify", "--man=no", str(tmp_path / name)],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    ours = [line for line in done.stderr.splitlines() if "placier" in line]
    assert (done.returncode, ours) == (0, [])


def test_the_log_is_rotated_where_it_is_written() -> None:
    told = (CRON / "placier.logrotate").read_text(encoding="utf-8")
    assert re.search(r"^/var/log/placier/placier\.log \{$", told, re.MULTILINE)
    assert told.count("{") == told.count("}") == 1


@pytest.fixture
def logrotate() -> str:
    """The program itself."""
    found = shutil.which("logrotate", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        pytest.skip("logrotate is missing: apt-get install logrotate")
    return found


def test_logrotate_understands_its_file(tmp_path: Path, logrotate: str) -> None:
    journal = tmp_path / "journal"
    journal.write_text("{}\n", encoding="utf-8")
    text = (
        (CRON / "placier.logrotate").read_text(encoding="utf-8").replace("/var/log/placier/placier.log", str(journal))
    )
    text = re.sub(r"^ *(su|create) .*\n", "", text, flags=re.MULTILINE)  # the user need not exist here
    (tmp_path / "conf").write_text(text, encoding="utf-8")
    tmp_path.chmod(0o755)
    subprocess.run([logrotate, "-f", "-s", str(tmp_path / "state"), str(tmp_path / "conf")], check=True, timeout=60)
    assert (tmp_path / "journal.1").read_text(encoding="utf-8") == "{}\n"


# What people type


def test_what_people_type_takes_the_configuration_and_the_secrets_that_the_night_takes() -> None:
    text = (CRON / "placier.sh").read_text(encoding="utf-8")
    service = unit("placier.service")["Service"]
    assert service["Environment"] == f"PLACIER_CONFIG={re.findall(r'PLACIER_CONFIG=(.*)', text)[0]}"
    assert f". {service['EnvironmentFile']}\n" in text
    assert f"exec {service['ExecStart'].split()[0]} " in text
    assert f"= {service['User']} ]" in text
    subprocess.run(["sh", "-n", CRON / "placier.sh"], check=True, timeout=60)


# The page


def codes() -> set[int]:
    """Every exit code that the program can end with."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.PlacierError)]
    return {0, 1, 2, 3, 4, 5, 75} | set(EXIT.values()) | {kind.exit_code for kind in kinds}


@pytest.mark.parametrize("code", sorted(codes()))
def test_every_exit_code_has_its_section_with_the_command_to_type_next(code: int) -> None:
    found = re.search(rf"^## Exit code {code}: \S.*\n(?s:(.*?))(?=^## |\Z)", README, re.MULTILINE)
    assert found is not None
    assert code == 0 or re.search(r"Next command: [^\n]*`?placier |Next command: wait", found[1])


def test_every_command_of_the_page_is_understood_by_the_program() -> None:
    commands = re.findall(r"`(placier [^`]*)`", README)
    assert len(commands) >= 10
    for command in commands:
        placier(command.replace("DATE", "2026-11-13"))


def test_every_file_is_told_on_the_page() -> None:
    for path in CRON.iterdir():
        assert path.name == "README.md" or path.name in README
