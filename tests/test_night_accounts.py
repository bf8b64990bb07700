"""Several accounts in one night, the lock, and every mistake of the command line and the configuration."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from world import World, buy, text

from pipeline.sandbox.serve import PlatformServer

ANNE, BENOIT = "anne.tremblay@exemple.ca", "benoit.gagnon@exemple.test"


def second_account(world: World, name: str = "quai", **changes: str) -> Path:
    """Another account, with a drop of its own on the same platform; returns its drop."""
    drop = world.root / f"depot-{name}"
    drop.mkdir()
    content = (world.config / "accounts" / "demo.toml").read_text(encoding="utf-8")
    content = content.replace('"depot"', f'"depot-{name}"').replace(
        'organisation = "Theatre"', f'organisation = "{name}"'
    )
    for old, new in changes.items():
        content = content.replace(old, new)
    (world.config / "accounts" / f"{name}.toml").write_text(content, encoding="utf-8")
    return drop


def drop_day(drop: Path, organisation: str, day: str, lines) -> None:
    stamp = day.replace("-", "")
    (drop / f"{organisation}_achats_{stamp}.csv").write_text(text(lines), encoding="utf-8")
    (drop / f"{organisation}_annulations_{stamp}.csv").write_text(text([]), encoding="utf-8")


def runs(answer) -> dict[str, str]:
    return {run["account"]: run["status"] for run in answer.json["runs"]}


# Several accounts


def test_run_without_a_name_does_every_account(world):
    drop = second_account(world)
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    drop_day(drop, "quai", "2026-03-01", [buy("T1", "2026-03-01 10:00:00", BENOIT)])
    answer = world.placier("run", "--as-of", "2026-03-02")
    assert (answer.code, runs(answer)) == (0, {"demo": "done", "quai": "done"})
    assert sorted(world.content()) == [ANNE, BENOIT]
    assert world.placier("why", "quai", ANNE).json["sources"] == []
    accounts = world.placier("status").json["accounts"]
    assert [account["account"] for account in accounts] == ["demo", "quai"]


def test_one_failing_account_does_not_stop_the_others(world):
    drop = second_account(world, "aval")
    second_account(world, "zenith")
    (drop / "aval_achats_20260301.csv").write_text("")
    (drop / "aval_annulations_20260301.csv").write_text(text([]), encoding="utf-8")
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    answer = world.placier("run", "--as-of", "2026-03-02")
    assert (answer.code, runs(answer)) == (1, {"aval": "failed", "demo": "done", "zenith": "missing"})
    assert list(world.content()) == [ANNE]


def test_account_whose_source_is_gone_does_not_stop_the_others(world):
    second_account(world, "aval").rmdir()
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    answer = world.placier("run", "--as-of", "2026-03-02")
    assert (answer.code, runs(answer)) == (1, {"aval": "failed", "demo": "done"})


def test_missing_secret_of_one_account_is_a_configuration_error_of_that_one(world):
    second_account(world, "aval", **{'token_file = "token"': 'token_env = "PLACIER_JETON_ABSENT"'})
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    (world.root / "depot-aval" / "aval_achats_20260301.csv").write_text(text([]), encoding="utf-8")
    (world.root / "depot-aval" / "aval_annulations_20260301.csv").write_text(text([]), encoding="utf-8")
    answer = world.placier("run", "--as-of", "2026-03-02")
    assert (answer.code, runs(answer)) == (2, {"aval": "failed", "demo": "done"})
    assert "PLACIER_JETON_ABSENT" in answer.out


def test_named_accounts_alone_are_done(world):
    second_account(world)
    world.day("2026-03-01", [])
    assert runs(world.placier("run", "demo", "--as-of", "2026-03-02")) == {"demo": "done"}


def test_business_date_is_a_day_of_the_account_s_zone(world):
    drop = second_account(
        world, "paris", **{'organisation = "paris"': 'organisation = "paris"\ntimezone = "Europe/Paris"'}
    )
    # 23:30 UTC on the 1st: the 2nd in Paris.
    drop_day(drop, "paris", "2026-03-02", [buy("T1", "2026-03-01T23:30:00Z", ANNE)])
    answer = world.placier("run", "paris", "--as-of", "2026-03-03")
    assert answer.code == 0
    assert str(world.member(ANNE).consent.date) == "2026-03-02"


# The lock


def test_another_run_of_the_account_under_way_ends_with_75(world):
    """The other run waits for its file; this one gives way at once, and another account is free."""
    world.set(source={"wait_minutes": 5})
    drop = second_account(world)
    drop_day(drop, "quai", "2026-03-01", [])
    words = ["run", "demo", "--as-of", "2026-03-02", "--config", str(world.config)]
    other = subprocess.Popen([sys.executable, "-m", "pipeline", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        while not (seen := world.placier("status", "demo").json["accounts"][0]["runs"]):
            assert other.poll() is None, other.communicate()
            time.sleep(0.1)
        assert seen[0]["status"] == "running"
        world.set(source={"wait_minutes": 0})
        answer = world.night("2026-03-02")
        assert (answer.code, runs(answer)) == (75, {"demo": "failed"})
        assert world.placier("push", "demo").code == 75
        assert world.placier("verify", "demo").code == 75
        assert world.placier("run", "quai", "--as-of", "2026-03-02").code == 0
        assert world.placier("status", "demo").code == 0
    finally:
        other.kill()
        other.communicate()
    world.day("2026-03-01", [])
    assert world.night("2026-03-02").code == 0


# Mistakes


@pytest.mark.parametrize(
    "words",
    [
        ["run", "inconnu"],
        ["backfill", "inconnu"],
        ["replay", "inconnu", "2026-03-01"],
        ["push", "inconnu"],
        ["approve", "inconnu", "x"],
        ["status", "inconnu"],
        ["why", "inconnu", ANNE],
        ["verify", "inconnu"],
        ["expiring", "inconnu", "--within", "3"],
        ["doctor", "inconnu"],
        ["run", "demo", "--date", "01/03/2026"],
        ["run", "demo", "--as-of", "2026-02-30"],
        ["run", "demo", "--as-off", "2026-03-02"],
        ["replay", "demo"],
        ["expiring", "demo"],
        ["danser"],
        ["check", "nulle-part.csv"],
        ["backfill", "demo", "nulle-part.csv"],
        ["replay", "demo", "2026-03-01", "--file", "nulle-part.csv"],
        ["check", "nulle-part.csv", "--mapping", "inconnu"],
    ],
    ids=" ".join,
)
def test_wrong_words_end_with_2_and_a_message(world, words):
    answer = world.placier(*words)
    assert answer.code == 2
    assert answer.out + answer.err
    assert "Traceback" not in answer.err
    plain = world.placier(*words, json_too=False)
    assert plain.code == 2
    assert plain.err


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[policy]", "[policy]\nconsent_month = 24", ["consent_month", "consent_months"]),
        ("[policy]", "[policy]\nconsent_months = -1", ["policy.consent_months"]),
        ("[policy]", '[policy]\ngroups = "par-spectacle"', ["policy.groups", "per-show", "per-performance"]),
        ("[policy]", '[policy]\ncancellation = "toutes"', ["policy.cancellation", "exact"]),
        ("[policy]", '[policy]\ngroup_title = "{titre}"', ["policy.group_title", "{show_title}"]),
        ("[guard]", "[guard]\nmax_reject_ratio = 2", ["guard.max_reject_ratio"]),
        ('kind = "folder"', 'kind = "ftp"', ["source"]),
        ('kind = "folder"', 'kind = "folder"\npurchases = "{organisation}_{date:%Y%m%d}.csv"', ["cancellations"]),
        ('kind = "folder"', 'kind = "folder"\ntransactions = "{organisation}.csv"', ["date"]),
        ('kind = "cyberimpact"', 'kind = "mailchimp"', ["platform", "cyberimpact"]),
        ('organisation = "Theatre"', "", ["organisation"]),
        ('organisation = "Theatre"', 'organisation = "Theatre"\ntimezone = "Quebec/Levis"', ["timezone", "America/Toronto"]),
        ("[policy]", "[platform.custom_fields]\ncouleur = 'x'\n[policy]", ["couleur", "city"]),
        ("[policy]", "[politique]", ["politique", "policy"]),
        ("[policy]", "[policy", ["demo.toml"]),
        ('organisation = "Theatre"', 'organisation = "Theatre"\nmapping = "inconnu"', ["inconnu", "tuxedo"]),
    ],
)  # fmt: skip
def test_configuration_errors_end_with_2_and_name_file_key_and_what_is_accepted(world, old, new, told):
    path = world.config / "accounts" / "demo.toml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    world.day("2026-03-01", [])
    answer = world.night("2026-03-02")
    assert answer.code == 2
    assert all(word in answer.out for word in told), answer.out
    if "mapping" not in new:
        assert "demo.toml" in answer.out


def test_all_configuration_errors_are_told_at_once(world):
    world.set(policy={"consent_month": 3}, guard={"max_leave": 1})
    (world.config / "placier.toml").write_text('[state]\nurl = "mysql://x"\nbase = 1\n')
    answer = world.night("2026-03-02", "--dry-run")
    assert answer.code == 2
    assert all(word in answer.out for word in ("consent_month", "max_leave", "state.url", "state.base"))


def test_secret_that_others_may_read_ends_with_2(world):
    (world.root / "token").chmod(0o644)
    world.day("2026-03-01", [])
    answer = world.night("2026-03-02")
    assert answer.code == 2
    assert "chmod 600" in answer.out
    assert (world.root / "token").read_text() not in answer.out + answer.err


def test_wrong_token_fails_and_never_shows(world):
    (world.root / "token").write_text("jeton-secret-4242")
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    answer = world.night("2026-03-02")
    assert answer.code in {1, 2}
    assert "jeton-secret-4242" not in answer.out + answer.err
    assert world.placier("doctor", "demo").code == 2


def test_platform_that_is_not_there_fails_and_the_day_is_kept(world, night_server: PlatformServer):
    world.set(platform={"base_url": "http://127.0.0.1:9", "retries": 1})
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    assert world.night("2026-03-02").code == 1
    world.set(platform={"base_url": night_server.url})
    answer = world.placier("push", "demo", "--as-of", "2026-03-02")
    assert (answer.code, answer.run["kind"]) == (0, "push")
    assert list(world.content()) == [ANNE]


def test_no_configuration_folder_ends_with_2_and_names_init(world):
    (world.config / "accounts" / "demo.toml").unlink()
    assert world.placier("run").code == 2
    world.config.rename(world.root / "ailleurs")
    answer = world.placier("run", "demo", json_too=False)
    assert answer.code == 2
    assert "placier init" in answer.err


def test_module_and_placier_config_are_the_same_program(world):
    world.day("2026-03-01", [])
    ran = subprocess.run(
        [sys.executable, "-m", "pipeline", "status", "demo", "--json"],
        env={**os.environ, "PLACIER_CONFIG": str(world.config)},
        capture_output=True,
        text=True,
        cwd=world.root,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert '"accounts"' in ran.stdout


def test_a_page_that_cannot_be_written_does_not_fail_the_night(world):
    (world.root / "var").mkdir()
    (world.root / "var" / "reports").write_text("in the way")
    world.day("2026-03-01", [])
    answer = world.night("2026-03-02")
    assert (answer.code, answer.run["status"]) == (0, "done")
    assert "page not written" in answer.err


def test_a_state_that_cannot_be_opened_fails_every_account_and_says_why(world):
    (world.root / "var").mkdir()
    (world.root / "var" / "placier.db").write_text("this is no database, and it is long enough to be sure of it" * 40)
    answer = world.night("2026-03-02")
    assert answer.code == 1
    assert [run["status"] for run in answer.json["runs"]] == ["failed"]
    assert "placier.db" in answer.run["message"]
