"""The program as a process: exit codes, one JSON document on stdout, logs on stderr, silence when all is well."""

from __future__ import annotations

import json
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from program import PATIENCE, clean_environment, shell, wait_until
from world import Answer, World, buy, cancel

from pipeline import __version__
from pipeline.cli import main
from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.serve import TOKEN, PlatformServer
from pipeline.sandbox.switches import Fault

ANNE, BENOIT, CHLOE = "anne@exemple.test", "benoit@exemple.test", "chloe@exemple.test"
DAY = [
    buy("T1", "2026-03-01 10:00:00", ANNE),
    buy("T2", "2026-03-01 11:00:00", BENOIT, titre_spectacle="L'Été", id_spectacle="S2"),
    buy("T3", "2026-03-01 12:00:00", "pas une adresse"),
    cancel("T1", "2026-03-01 13:00:00", ANNE),
    cancel("T99", "2026-03-01 13:00:00", CHLOE),
]
COMMANDS = (
    "run", "backfill", "replay", "push", "approve", "check", "status", "why", "verify", "expiring", "doctor", "export",
    "forget", "backup", "rebuild", "init", "sandbox", "demo", "completion", "console", "report",
)  # fmt: skip
RUN_KEYS = {
    "account", "kind", "date", "as_of", "run_id", "status", "files", "plan", "pushed", "refused",
    "unmatched_cancellations", "requests", "seconds",
}  # fmt: skip
COUNTS = {"groups_created", "contacts_created", "contacts_updated", "joins", "leaves"}
ADDRESS = re.compile(r"\b(anne|benoit|chloe)@", re.IGNORECASE)


def placier(world: World, *words: str, as_json: bool = True) -> Answer:
    """The program over a world's configuration."""
    return shell(*words, "--config", str(world.config), *(["--json"] if as_json else []))


def secretive(*texts: str) -> bool:
    """Whether no text holds an address or the token."""
    return not any(ADDRESS.search(text) or TOKEN in text for text in texts)


# Words


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_contract_has_help_and_the_common_options(command: str) -> None:
    answer = shell(command, "--help")
    assert (answer.code, answer.err) == (0, "")
    assert {"--config", "--json", "--log-format", "-v"} <= set(re.findall(r"--?[a-z][a-z-]*", answer.out))


def test_there_is_no_command_beside_those_of_the_contract() -> None:
    assert set(main.commands) == set(COMMANDS)
    answer = shell("--help")
    assert all(re.search(rf"^  {command} ", answer.out, re.MULTILINE) for command in COMMANDS)
    assert "75" in answer.out, "the exit codes are told"


def test_the_console_script_is_the_same_program() -> None:
    script = Path(sys.executable).with_name("placier")
    told = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=PATIENCE, check=True).stdout
    assert told == shell("--version").out == f"placier, version {__version__}\n"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("courir",), "courir"),
        (("run", "--demain"), "--demain"),
        (("run", "--date", "hier"), "hier"),
        (("why", "demo"), "EMAIL"),
        (("expiring", "demo"), "--within"),
        (("run", "--log-format", "xml"), "xml"),
    ],
)
def test_a_wrong_word_exits_with_2_and_is_named(words: tuple[str, ...], named: str) -> None:
    answer = shell(*words)
    assert (answer.code, answer.out) == (2, "")
    assert named in answer.err


# A night that was done: what people ask about it


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformServer]:
    """A platform of this module's own: what it holds stays from test to test."""
    with PlatformServer(tmp_path_factory.mktemp("platform") / "platform.db") as started:
        yield started


@pytest.fixture(scope="module")
def done(server: PlatformServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Answer, int]]:
    """A world after its first night, which tests only look at; what that night told, and its requests."""
    with SandboxControl(server.url) as control:
        world = World(tmp_path_factory.mktemp("done"), server, control)
        world.day("2026-03-01", DAY)
        told = placier(world, "run", "demo", "--as-of", "2026-03-02", "--log-format", "json", "-v")
        yield world, told, len(control.log())


def test_a_run_tells_the_contract_s_keys_and_numbers(done: tuple[World, Answer, int]) -> None:
    answer = done[1]
    assert answer.code == 0, answer.err
    [run] = answer.json["runs"]
    assert set(run) == RUN_KEYS
    assert (run["account"], run["kind"], run["date"], run["as_of"]) == ("demo", "run", "2026-03-01", "2026-03-02")
    assert run["status"] == "done"
    assert [file["name"] for file in run["files"]] == [
        "Theatre_achats_20260301.csv",
        "Theatre_annulations_20260301.csv",
    ]
    assert [(file["lines"], file["accepted"], file["rejected"], file["version"]) for file in run["files"]] == [
        (3, 2, 1, 1),
        (2, 2, 0, 1),
    ]
    assert set(run["files"][0]) == {"name", "sha256", "lines", "accepted", "rejected", "version"}
    assert set(run["plan"]) == {*COUNTS, "skipped"}
    assert run["pushed"] == {
        "groups_created": 2,
        "contacts_created": 2,
        "contacts_updated": 0,
        "joins": 3,
        "leaves": 0,
    }
    assert (run["refused"], run["unmatched_cancellations"]) == (0, 1)
    assert run["requests"] == done[2]
    assert all(isinstance(seconds, float) for seconds in run["seconds"].values())


def test_a_run_writes_one_canonical_line_and_every_line_of_the_log_is_json(done: tuple[World, Answer, int]) -> None:
    lines = [json.loads(line) for line in done[1].err.splitlines()]
    [canonical] = [line for line in lines if line["event"] == "run ended"]
    run = done[1].run
    assert {key: canonical[key] for key in ("account", "run_id", "status", "pushed")} == {
        key: run[key] for key in ("account", "run_id", "status", "pushed")
    }
    assert {"timestamp", "level", "requests", "seconds"} <= set(canonical)
    assert secretive(done[1].err)


@pytest.mark.parametrize("words", [("approve", "demo", "rien"), ("run", "inconnu"), ("status", "inconnu")])
def test_a_log_in_json_has_the_commands_own_errors_in_json_too(world: World, words: tuple[str, ...]) -> None:
    plain = placier(world, *words)
    answer = placier(world, *words, "--log-format", "json")
    assert (answer.code, answer.json) == (2, plain.json)
    told = [json.loads(line) for line in answer.err.splitlines()][-1]
    error = plain.json["error"]
    assert (told["level"], told["event"], told["remedy"]) == ("error", error["message"], error["remedy"])
    assert plain.err.startswith("placier: ")


def of_status(found: Any) -> None:
    [account] = found["accounts"]
    assert set(account) == {"account", "last_success", "missing_days", "held", "pending", "runs"}
    assert set(account["last_success"]) == {"date", "run_id", "finished_at"}
    assert account["last_success"]["date"] == "2026-03-01"
    [run] = account["runs"]
    assert set(run) == {"run_id", "kind", "date", "as_of", "status", "started_at"}
    assert (account["missing_days"], account["held"], account["pending"]) == ([], [], 0)


def of_why(found: Any) -> None:
    assert set(found) == {
        "email", "may_send", "basis", "consent_date", "consent_until", "proof", "sources", "groups", "fields", "suppressed",
    }  # fmt: skip
    assert (found["email"], found["may_send"], found["suppressed"]) == (ANNE, True, None)
    assert (found["consent_date"], found["consent_until"]) == ("2026-03-01", "2028-03-01")
    assert found["proof"] == "Le Songe, 2026-04-01, transaction T1"
    assert {"file": "Theatre_achats_20260301.csv", "line": 2} in found["sources"]
    assert {group["title"]: group["member"] for group in found["groups"]}["Clients Tuxedo"] is True
    assert all(set(group) == {"title", "member", "reason"} for group in found["groups"])
    assert found["fields"]["tickets"] == 2


def of_a_stranger(found: Any) -> None:
    assert (found["may_send"], found["sources"], found["groups"]) == (False, [], [])


def of_verify(found: Any) -> None:
    assert found == {"account": "demo", "contacts": 2, "differences": [], "repaired": 0}


def of_expiring(found: Any) -> None:
    assert (found["account"], found["within"]) == ("demo", 3650)
    assert found["contacts"] == [
        {"email": ANNE, "consent_until": "2028-03-01", "show_title": "Le Songe"},
        {"email": BENOIT, "consent_until": "2028-03-01", "show_title": "L'Été"},
    ]


def of_doctor(found: Any) -> None:
    assert all(set(check) == {"account", "check", "ok", "message", "remedy"} for check in found["checks"])
    assert all(check["ok"] for check in found["checks"]), found


def of_export(found: Any) -> None:
    assert set(found) == {
        "email", "contact", "bookings", "cancellations", "consent", "groups", "suppression", "sources",
    }  # fmt: skip
    assert [booking["transaction_id"] for booking in found["bookings"]] == ["T1"]


def of_a_dry_run(found: Any) -> None:
    [run] = found["runs"]
    assert (run["status"], run["files"][0]["version"]) == ("dry_run", 1)
    assert all(run["plan"][count] == 0 for count in COUNTS)


@pytest.mark.parametrize(
    ("words", "look"),
    [
        (("status",), of_status),
        (("why", "demo", " Anne@Exemple.test ", "--on", "2026-03-02"), of_why),
        (("why", "demo", "inconnue@exemple.test"), of_a_stranger),
        (("verify", "demo", "--as-of", "2026-03-02"), of_verify),
        (("expiring", "demo", "--within", "3650", "--as-of", "2026-03-02"), of_expiring),
        (("doctor",), of_doctor),
        (("export", "demo", ANNE), of_export),
        (("run", "--as-of", "2026-03-02", "--dry-run"), of_a_dry_run),
    ],
    ids=lambda value: "-".join(value[:2]).split("@")[0].strip() if isinstance(value, tuple) else "",
)
def test_a_question_is_answered_with_one_json_document_and_nothing_else(
    done: tuple[World, Answer, int], words: tuple[str, ...], look: Callable[[Any], None]
) -> None:
    answer = placier(done[0], *words)
    assert (answer.code, answer.err) == (0, "")
    look(answer.json)


def test_a_file_is_checked_with_every_bad_line(done: tuple[World, Answer, int]) -> None:
    world = done[0]
    answer = placier(world, "check", str(world.drop / "Theatre_achats_20260301.csv"), "--account", "demo")
    assert (answer.code, answer.err) == (3, "")
    found = answer.json
    assert set(found) == {"file", "encoding", "delimiter", "lines", "accepted", "rejected", "ignored_columns"}
    assert (found["file"], found["delimiter"], found["lines"], found["accepted"]) == (
        "Theatre_achats_20260301.csv", ";", 3, 2,
    )  # fmt: skip
    [bad] = found["rejected"]
    assert (bad["line"], bad["reason"]) == (4, "bad_email")
    assert "pas une adresse" in bad["text"]


def test_a_file_is_checked_without_any_configuration(tmp_path: Path) -> None:
    file = tmp_path / "achats.csv"
    file.write_text("courriel;montant_net\na@exemple.test;1,00\n", encoding="utf-8")
    answer = shell("check", str(file), cwd=tmp_path)
    assert answer.code == 1, "refused whole: columns are missing"
    assert "id_reservation" in answer.err
    assert shell("check", str(tmp_path / "nulle-part.csv"), cwd=tmp_path).code == 2


# Nights of their own


def test_under_cron_a_good_night_says_nothing_and_its_files_are_its_owners_alone(world: World) -> None:
    world.day("2026-03-01", DAY)
    answer = placier(world, "run", "--as-of", "2026-03-02", as_json=False)
    assert (answer.code, answer.out, answer.err) == (0, "", "")
    var = world.root / "var"
    files = [path for path in var.rglob("*") if path.is_file()]
    assert {path.relative_to(var).parts[0] for path in files} == {"placier.db", "archive", "reports", "locks"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert {stat.S_IMODE(path.parent.stat().st_mode) for path in files} == {0o700}
    assert stat.S_IMODE((var / "archive").stat().st_mode) == 0o700


def test_every_walk_prints_runs_and_the_configuration_is_found_three_ways(world: World) -> None:
    history = world.history([buy("T0", "2025-01-05 10:00:00", ANNE)])
    environment = {"PLACIER_CONFIG": str(world.config)}
    back = shell("backfill", "demo", str(history), "--as-of", "2026-03-01", "--json", environment=environment)
    assert (back.code, back.run["kind"], back.run["date"]) == (0, "backfill", "2026-02-28")
    world.day("2026-03-01", DAY)
    again = shell("run", "demo", "--as-of", "2026-03-02", "--json", cwd=world.root)
    assert (again.code, again.run["status"]) == (0, "done")
    replayed = placier(world, "replay", "demo", "2026-03-01", "--resend", "--as-of", "2026-03-02")
    assert (replayed.code, replayed.run["kind"], replayed.run["pushed"]["contacts_updated"]) == (0, "replay", 2)
    pushed = placier(world, "push", "demo", "--as-of", "2026-03-02")
    assert (pushed.code, pushed.run["kind"], pushed.run["date"]) == (0, "push", None)
    for answer in (back, again, replayed, pushed):
        assert set(answer.run) >= RUN_KEYS
        assert answer.err == ""


def half_a_day(world: World) -> None:
    world.day("2026-03-01", DAY)
    (world.drop / "Theatre_annulations_20260301.csv").unlink()


def a_file_cut_short(world: World) -> None:
    world.day("2026-03-01", DAY)
    path = world.drop / "Theatre_achats_20260301.csv"
    path.write_bytes(path.read_bytes()[:-30])


def a_refused_contact(world: World) -> None:
    world.day("2026-03-01", DAY)
    world.control.add_fault(Fault("refuse", emails=(ANNE,)))


def too_many_bad_lines(world: World) -> None:
    world.day("2026-03-01", [*DAY, *(buy(f"B{number}", "2026-03-01 10:00:00", "") for number in range(25))])


def a_platform_that_fails(world: World) -> None:
    world.day("2026-03-01", DAY)
    world.set(platform={"retries": 1})
    world.control.add_fault(Fault("error_before", "POST", "/batches", times=0, html=True))


def a_wrong_token(world: World) -> None:
    world.day("2026-03-01", DAY)
    (world.root / "token").write_text("un-autre-jeton")


def a_missing_field(world: World) -> None:
    world.day("2026-03-01", DAY)
    world.control.drop_custom_field("Ville du contact")


@pytest.mark.parametrize(
    ("prepare", "code", "status", "said"),
    [
        (half_a_day, 4, "missing", "Theatre_annulations_20260301.csv"),
        (a_file_cut_short, 1, "failed", "Theatre_achats_20260301.csv"),
        (a_refused_contact, 3, "partial", "refused"),
        (too_many_bad_lines, 5, "held", "held"),
        (a_platform_that_fails, 1, "failed", "/batches"),
        (a_wrong_token, 1, "failed", "token"),
        (a_missing_field, 2, "failed", "Ville du contact"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_night_that_is_not_well_says_so_by_its_exit_code_and_on_stderr_without_a_name(
    world: World, prepare: Callable[[World], None], code: int, status: str, said: str
) -> None:
    prepare(world)
    answer = placier(world, "run", "demo", "--as-of", "2026-03-02")
    assert answer.code == code, answer.out + answer.err
    assert (answer.run["status"], said in answer.run["message"]) == (status, True), answer.run
    assert said in answer.err
    assert secretive(answer.out, answer.err)
    assert "un-autre-jeton" not in answer.out + answer.err


def test_under_cron_a_bad_night_speaks_on_stderr_alone_and_says_what_to_type(world: World) -> None:
    answer = placier(world, "run", "--as-of", "2026-03-02", as_json=False)
    assert (answer.code, answer.out) == (4, "")
    assert "placier run demo --date 2026-03-01" in answer.err
    assert secretive(answer.err)


def test_what_is_held_is_approved_by_its_run_and_by_no_other(world: World) -> None:
    too_many_bad_lines(world)
    held = world.night("2026-03-02")
    assert (held.code, held.run["status"]) == (5, "held")
    other = world.placier("approve", "demo", "20260101T000000-abcd")
    assert other.code == 2
    assert set(other.json["error"]) >= {"message", "remedy", "exit_code"}
    approved = placier(world, "approve", "demo", held.run["run_id"])
    assert (approved.code, approved.run["kind"], approved.run["status"]) == (0, "approve", "done")
    assert approved.run["pushed"]["contacts_created"] == 2


def test_a_person_is_forgotten_and_the_counts_are_told(world: World) -> None:
    world.day("2026-03-01", DAY)
    assert world.night("2026-03-02").code == 0
    answer = placier(world, "forget", "demo", ANNE)
    assert (answer.code, answer.err) == (0, "")
    assert set(answer.json) == {"email", "erased"}
    assert answer.json["erased"]["bookings"] == 1
    assert world.placier("export", "demo", ANNE).json["bookings"] == []


# Two at once, and Ctrl-C


def test_a_second_run_exits_with_75_at_once_and_ctrl_c_ends_the_first_cleanly(world: World) -> None:
    world.day("2026-03-01", DAY)
    world.control.add_fault(Fault("hang", "GET", "/customfields"))
    words = [sys.executable, "-m", "pipeline", "run", "demo", "--as-of", "2026-03-02", "--config", str(world.config)]
    first = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - background shells take it away
    )
    try:
        wait_until(lambda: any(entry.fault for entry in world.control.log()), alive=lambda: first.poll() is None)
        second = placier(world, "run", "demo", "--as-of", "2026-03-02")
        assert second.code == 75
        assert "another run of the account demo is under way" in second.run["message"]
        assert (second.run["date"], second.run["as_of"]) == ("2026-03-01", "2026-03-02")
        third = placier(world, "replay", "demo", "2026-02-27", "--as-of", "2026-03-02")
        assert (third.code, third.run["date"], third.run["as_of"]) == (75, "2026-02-27", "2026-03-02")
        assert (fourth := placier(world, "push", "demo")).run["date"] is None, fourth.out
        assert first.poll() is None
    finally:
        first.send_signal(signal.SIGINT)
        told = first.communicate(timeout=PATIENCE)
    assert first.returncode == 130
    assert told[0] == ""
    assert "Traceback" not in told[1]
    assert "interrupted" in told[1]
    third = world.night("2026-03-02")
    assert (third.code, third.run["pushed"]["contacts_created"]) == (0, 2)


# Configuration


def test_every_mistake_of_every_file_is_named_with_what_would_be_accepted(world: World) -> None:
    (world.config / "placier.toml").write_text('[state]\nurl = "mysql://u:motdepasse@h/d"\narchives = "x"\n')
    file = world.config / "accounts" / "demo.toml"
    file.write_text(file.read_text().replace("[policy]", '[policy]\nconsent_month = 24\ngroups = "par-spectacle"'))
    answer = placier(world, "run")
    assert answer.code == 2
    for words in ("placier.toml", "demo.toml", "state.url", "archives", "consent_month", "consent_months", "per-show"):
        assert words in answer.json["error"]["message"], words
        assert words in answer.err, words
    assert "motdepasse" not in answer.out + answer.err


def readable_by_others(world: World) -> None:
    (world.root / "token").chmod(0o644)


def in_clear_to_another_machine(world: World) -> None:
    world.set(platform={"base_url": "http://api.exemple.test"})


def without_its_token(world: World) -> None:
    (world.root / "token").unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (readable_by_others, "others can read"),
        (in_clear_to_another_machine, "https://"),
        (without_its_token, "token"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_configuration_that_is_not_safe_is_refused_with_2(
    world: World, spoil: Callable[[World], None], said: str
) -> None:
    spoil(world)
    answer = placier(world, "push", "demo")
    assert answer.code == 2, answer.out + answer.err
    assert said in answer.err
    assert secretive(answer.out, answer.err)
    assert world.control.log() == []


def test_an_unknown_account_and_a_missing_folder_are_usage_errors(world: World, tmp_path: Path) -> None:
    unknown = placier(world, "run", "autre")
    assert unknown.code == 2
    assert "known: demo" in unknown.err
    nowhere = shell("status", "--config", str(tmp_path / "nulle-part"))
    assert nowhere.code == 2
    assert "placier init" in nowhere.err


def test_the_token_may_come_from_the_environment(world: World) -> None:
    file = world.config / "accounts" / "demo.toml"
    file.write_text(file.read_text().replace('token_file = "token"', 'token_env = "JETON"'))
    without = world.placier("push", "demo")
    assert without.code == 2
    assert "JETON" in without.err
    words = ("push", "demo", "--json", "--config", str(world.config))
    answer = shell(*words, environment={"JETON": TOKEN})
    assert answer.code == 0
    today = date.fromisoformat(answer.run["as_of"])
    assert abs((today - date.today()).days) <= 1, "without --as-of it is today, in the account's zone"


# Beginnings


def test_a_start_is_written_and_the_doctor_says_what_is_missing(tmp_path: Path) -> None:
    answer = shell("init", str(tmp_path / "neuf"), "--json")
    assert (answer.code, answer.err) == (0, "")
    assert all(Path(path).is_file() for path in answer.json["files"])
    doctor = shell("doctor", "--config", str(tmp_path / "neuf" / "config"), "--json")
    assert doctor.code == 2
    missing = [check for check in doctor.json["checks"] if not check["ok"]]
    assert missing
    assert all(check["remedy"] for check in missing), missing


def test_the_sandbox_tells_where_it_is_and_ends_politely(tmp_path: Path) -> None:
    words = ["sandbox", "--data", str(tmp_path), "--port", "0", "--sftp-port", "0", "--json"]
    running = subprocess.Popen(
        [sys.executable, "-m", "pipeline", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )
    try:
        assert running.stdout is not None
        document = ""
        while not document.endswith("\n}\n"):
            line = running.stdout.readline()
            assert line, "the sandbox ended"
            document += line
        facts = json.loads(document)
        with SandboxControl(facts["platform"]) as control:
            assert control.state().members == {}
        assert Path(facts["sftp"]["key_file"]).is_file()
    finally:
        running.send_signal(signal.SIGTERM)
        _, told = running.communicate(timeout=PATIENCE)
    assert (running.returncode, told) == (0, "")


def test_why_names_the_line_that_said_so_beside_the_proof(done: tuple[World, Answer, int]) -> None:
    lines = done[0].placier("why", "demo", ANNE, json_too=False).out.splitlines()
    told = [line.strip().partition(":")[0] for line in lines[1:4]]
    assert told == ["consent", "proof", "said by"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("status",), "last success"),
        (("why", "demo", ANNE), "may we write? yes"),
        (("verify", "demo", "--as-of", "2026-03-02"), "2 contacts compared, 0 differences"),
        (("expiring", "demo", "--within", "3650", "--as-of", "2026-03-02"), "2 consents end within 3650 days"),
        (("doctor",), "ok    source"),
        (("export", "demo", ANNE), '"transaction_id": "T1"'),
        (("check", "{drop}/Theatre_achats_20260301.csv"), "bad_email"),
        (("run", "--as-of", "2026-03-02", "--dry-run"), "this was a dry run"),
        (("push", "demo", "--as-of", "2026-03-02", "--dry-run"), "would be: nothing to send"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_people_are_answered_in_words(done: tuple[World, Answer, int], words: tuple[str, ...], said: str) -> None:
    world = done[0]
    answer = world.placier(*(word.format(drop=world.drop) for word in words), json_too=False)
    assert answer.code == (3 if words[0] == "check" else 0), answer.out + answer.err
    assert said in answer.out
    assert answer.err == ""


def test_shared_options_may_stand_before_the_command(world: World) -> None:
    before = shell("--config", str(world.config), "--json", "status", "demo")
    assert (before.code, before.json["accounts"][0]["account"]) == (0, "demo")
