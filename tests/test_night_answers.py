"""What the program answers: why, status, expiring, doctor, check, and the shape of every JSON document."""

from __future__ import annotations

import re
from datetime import date

import pytest
from world import World, buy, cancel, text

from pipeline.sandbox.switches import Fault

ANNE, BENOIT, CHLOE = "anne.tremblay@exemple.ca", "benoit.gagnon@exemple.test", "chloe.cote@exemple.ca"
GENERAL, SONGE = "Clients Tuxedo", "Le Songe"
FIVE = {"groups_created", "contacts_created", "contacts_updated", "joins", "leaves"}


@pytest.fixture
def world(world: World) -> World:
    world.set(source={"catch_up_days": 0}, platform={"retries": 2})
    return world


@pytest.fixture
def two_days(world: World) -> World:
    """Anne buys two shows and cancels one; Benoît buys an old show; both are sent."""
    world.day(
        "2026-03-01",
        [
            buy("T1", "2026-03-01 10:00:00", ANNE, ville="Québec"),
            buy("T1", "2026-03-01 10:00:00", ANNE, categorie_tarif="Enfant", montant_net="60,00"),
            buy("T2", "2026-03-01 11:00:00", BENOIT, id_spectacle="S0", id_representation="R0", titre_spectacle="Vieux", date_evenement="2026-02-20 20:00"),
        ],
    )  # fmt: skip
    assert world.night("2026-03-02").code == 0
    world.day(
        "2026-03-02",
        [
            buy(
                "T3",
                "2026-03-02 10:00:00",
                ANNE,
                id_spectacle="S2",
                id_representation="R2",
                titre_spectacle="Le Fleuve",
            ),
            cancel("T1", "2026-03-02 12:00:00"),
        ],
    )
    assert world.night("2026-03-03").code == 0
    return world


# Why


def test_why_tells_basis_proof_sources_groups_and_fields(two_days):
    answer = two_days.placier("why", "demo", f" {ANNE.upper()} ", "--on", "2026-03-03")
    assert answer.code == 0
    told = answer.json
    assert list(told) == [
        "email", "may_send", "basis", "consent_date", "consent_until", "proof", "sources", "groups", "fields", "suppressed",
    ]  # fmt: skip
    assert told["email"] == ANNE
    assert told["may_send"] is True
    assert "active-clients" in told["basis"]
    assert (told["consent_date"], told["consent_until"]) == ("2026-03-02", "2028-03-02")
    assert all(part in told["proof"] for part in ("Le Fleuve", "2026-04-01", "T3"))
    assert told["sources"] == [
        {"file": "Theatre_achats_20260301.csv", "line": 2},
        {"file": "Theatre_achats_20260301.csv", "line": 3},
        {"file": "Theatre_achats_20260302.csv", "line": 2},
        {"file": "Theatre_annulations_20260302.csv", "line": 2},
    ]
    groups = {group["title"]: group for group in told["groups"]}
    assert all(set(group) == {"title", "member", "reason"} and group["reason"] for group in told["groups"])
    assert {title: group["member"] for title, group in groups.items()} == {
        GENERAL: True,
        "Le Fleuve": True,
        SONGE: False,
    }
    assert "cancelled" in groups[SONGE]["reason"]
    assert told["fields"]["show_title"] == "Le Fleuve"
    assert told["fields"]["city"] == "Québec"
    assert told["suppressed"] is None


def test_why_says_that_the_show_was_long_past(two_days):
    told = two_days.placier("why", "demo", BENOIT).json
    groups = {group["title"]: (group["member"], group["reason"]) for group in told["groups"]}
    assert groups[GENERAL][0] is True
    assert groups["Vieux"][0] is False
    assert "2026-02-20" in groups["Vieux"][1]


def test_why_names_a_group_that_was_never_made_as_it_would_be(world):
    world.set(policy={"groups": "per-performance"})
    past, known = {"date_evenement": "2026-02-20 20:00", "id_representation": "R0"}, {"id_representation": "R9"}
    bought = [buy("T1", "2026-03-01 10:00:00", ANNE, **past), buy("T2", "2026-03-01 10:00:00", ANNE)]
    world.day(
        "2026-03-01",
        [*bought, buy("T3", "2026-03-01 10:00:00", ANNE, **known), cancel("T3", "2026-03-01 11:00:00", **known)],
    )
    assert world.night("2026-03-02").code == 0
    told = world.placier("why", "demo", ANNE, "--on", "2026-03-02").json["groups"]
    assert {group["title"]: group["member"] for group in told} == {
        GENERAL: True,
        "Le Songe (2026-04-01 20:00)": True,
        "Le Songe (2026-02-20 20:00)": False,
        "Le Songe (2026-04-01 20:00) #R9": False,
    }


@pytest.mark.parametrize(
    ("on", "may_send", "since"),
    [
        ("2026-02-28", False, None),
        ("2026-03-01", True, "2026-03-01"),
        ("2026-03-02", True, "2026-03-02"),
        ("2028-03-02", True, "2026-03-02"),
        ("2028-03-03", False, "2026-03-02"),
    ],
)
def test_why_on_a_day_knows_what_was_so_that_day(two_days, on, may_send, since):
    told = two_days.placier("why", "demo", ANNE, "--on", on).json
    assert (told["may_send"], told["consent_date"]) == (may_send, since)
    assert bool(told["sources"]) is (since is not None)


def test_why_of_a_stranger_says_no(two_days):
    answer = two_days.placier("why", "demo", CHLOE)
    assert answer.code == 0
    assert answer.json == {
        "email": CHLOE,
        "may_send": False,
        "basis": None,
        "consent_date": None,
        "consent_until": None,
        "proof": None,
        "sources": [],
        "groups": [],
        "fields": {},
        "suppressed": None,
    }
    assert two_days.placier("why", "demo", CHLOE, json_too=False).code == 0


def test_why_before_the_first_night_answers_too(world):
    assert world.placier("why", "demo", ANNE).json["may_send"] is False


def test_why_of_an_unsubscribed_stranger_says_why(world):
    world.control.unsubscribe(CHLOE, on=date(2026, 2, 1))
    world.day("2026-03-01", [])
    assert world.night("2026-03-02").code == 0
    told = world.placier("why", "demo", CHLOE).json
    assert (told["may_send"], told["suppressed"]) == (False, "unsubscribed")


def test_why_follows_a_cancellation_without_an_address_to_the_buyer(two_days):
    told = two_days.placier("why", "demo", ANNE).json
    assert {"file": "Theatre_annulations_20260302.csv", "line": 2} in told["sources"]


# Status


def test_status_has_its_shape(two_days):
    answer = two_days.placier("status", "demo")
    assert (answer.code, list(answer.json)) == (0, ["accounts"])
    (account,) = answer.json["accounts"]
    assert list(account) == ["account", "last_success", "missing_days", "held", "pending", "runs"]
    assert (account["account"], account["missing_days"], account["held"], account["pending"]) == ("demo", [], [], 0)
    assert set(account["last_success"]) == {"date", "run_id", "finished_at"}
    assert account["last_success"]["date"] == "2026-03-02"
    assert {"run_id", "kind", "date", "as_of", "status", "started_at"} <= set(account["runs"][0])
    assert [(run["kind"], run["date"], run["as_of"], run["status"]) for run in account["runs"]] == [
        ("run", "2026-03-02", "2026-03-03", "done"),
        ("run", "2026-03-01", "2026-03-02", "done"),
    ]
    assert account["last_success"]["run_id"] == account["runs"][0]["run_id"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*", account["last_success"]["finished_at"])


def test_status_before_the_first_night(world):
    (account,) = world.placier("status").json["accounts"]
    assert account == {
        "account": "demo",
        "last_success": None,
        "missing_days": [],
        "held": [],
        "pending": 0,
        "runs": [],
    }


def test_status_names_the_missing_days_whatever_is_caught_up(world):
    world.day("2026-03-01", [])
    assert world.night("2026-03-02").code == 0
    assert world.night("2026-03-03").code == 4
    assert world.night("2026-03-04").code == 4
    (account,) = world.placier("status", "demo").json["accounts"]
    assert account["missing_days"] == ["2026-03-02", "2026-03-03"]
    assert account["last_success"]["date"] == "2026-03-01"


def test_status_names_a_missing_first_day(world):
    assert world.night("2026-03-02").code == 4
    (account,) = world.placier("status", "demo").json["accounts"]
    assert account["missing_days"] == ["2026-03-01"]


def test_status_counts_what_is_pending(world):
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE), buy("T2", "2026-03-01 10:00:00", BENOIT)])
    world.control.add_fault(Fault("error_before", "POST", "/batches", times=0, status=503))
    assert world.night("2026-03-02").code == 1
    (account,) = world.placier("status", "demo").json["accounts"]
    assert (account["pending"], account["last_success"]) == (2, None)


# Expiring, doctor, check


def test_expiring_lists_the_consents_about_to_end_soonest_first(two_days):
    def found(within: int, as_of: str) -> list[tuple[str, str, str]]:
        answer = two_days.placier("expiring", "demo", "--within", str(within), "--as-of", as_of)
        assert answer.code == 0
        assert (answer.json["account"], answer.json["within"]) == ("demo", within)
        return [(row["email"], row["consent_until"], row["show_title"]) for row in answer.json["contacts"]]

    anne, benoit = (ANNE, "2028-03-02", "Le Fleuve"), (BENOIT, "2028-03-01", "Vieux")
    assert found(10, "2028-02-10") == []
    assert found(10, "2028-02-20") == [benoit]
    assert found(11, "2028-02-20") == [benoit, anne]
    assert found(0, "2028-03-02") == [anne]
    assert found(30, "2028-03-03") == []
    two_days.control.unsubscribe(BENOIT)
    assert two_days.placier("push", "demo", "--as-of", "2026-03-03").code == 0
    assert found(11, "2028-02-20") == [anne]


def test_doctor_has_its_shape_and_names_what_to_do(world):
    answer = world.placier("doctor", "demo")
    assert (answer.code, list(answer.json)) == (0, ["checks"])
    assert all(list(check) == ["account", "check", "ok", "message", "remedy"] for check in answer.json["checks"])
    (world.root / "token").chmod(0o640)
    sick = world.placier("doctor")
    assert sick.code == 2
    (check,) = [item for item in sick.json["checks"] if not item["ok"]]
    assert (check["account"], check["check"]) == ("demo", "token")
    assert "chmod 600" in check["remedy"]


def test_doctor_names_every_missing_field(world):
    for name in ("Ville du contact", "Canal de vente du dernier achat"):
        world.control.drop_custom_field(name)
    answer = world.placier("doctor")
    assert answer.code == 2
    told = " ".join(check["message"] for check in answer.json["checks"] if not check["ok"])
    assert "Ville du contact" in told
    assert "Canal de vente du dernier achat" in told
    assert world.control.writes() == 0


def test_check_tells_a_file_and_touches_nothing(world, tmp_path):
    lines = [
        buy("T1", "2026-03-01 10:00:00", ANNE, titre_spectacle="Le Songe\nd'une nuit"),
        buy("T2", "2026-03-01 10:00:00", "sans-arobas"),
        cancel("T3", "2026-03-01 10:00:00", ""),
        buy("T4", "2026-03-01 10:00:00", BENOIT, montant_net="1,234"),
    ]
    path = tmp_path / "n'importe.csv"
    path.write_bytes(text(lines, delimiter="\t").replace("entreprise_2", "membre_no").encode("cp1252"))
    answer = world.placier("check", str(path))
    assert answer.code == 3
    told = answer.json
    assert list(told) == ["file", "encoding", "delimiter", "lines", "accepted", "rejected", "ignored_columns"]
    assert told["file"].endswith("n'importe.csv")
    assert told["encoding"].lower().replace("-", "") in {"windows1252", "cp1252"}
    assert (told["delimiter"], told["lines"], told["accepted"]) == ("\t", 4, 2)
    assert [(row["line"], row["reason"]) for row in told["rejected"]] == [(4, "bad_email"), (6, "bad_amount")]
    assert "sans-arobas" in told["rejected"][0]["text"]
    assert told["ignored_columns"] == ["membre_no"]
    assert not (world.root / "var").exists()


@pytest.mark.parametrize(("content", "code"), [(text([]), 0), ("", 1), ("a;b\n1;2\n", 1)])
def test_check_ends_with_1_when_a_file_is_refused_whole(world, tmp_path, content, code):
    path = tmp_path / "fichier.csv"
    path.write_text(content)
    assert world.placier("check", str(path)).code == code


def test_check_with_an_account_refuses_a_file_of_another_day_as_a_run_does(world, tmp_path):
    path = tmp_path / "Theatre_achats_20260302.csv"
    path.write_text(text([buy("T1", "2026-03-01 10:00:00", ANNE)]), encoding="utf-8")
    told = world.placier("check", str(path), "--account", "demo")
    assert (told.code, "none of its lines is of 2026-03-02" in told.err + told.out) == (1, True)
    assert world.placier("check", str(path)).code == 0, "of no account, so its name tells no day"
    other = path.rename(tmp_path / "Autre_achats_20260302.csv")
    assert world.placier("check", str(other), "--account", "demo").code == 0
    right = other.rename(tmp_path / "Theatre_achats_20260301.csv")
    assert world.placier("check", str(right), "--account", "demo").code == 0
    world.set(source={"transactions": "{organisation} {date:%d}.{date:%m-%Y}.csv"})
    for name, code in (("Theatre 01.03-2026.csv", 0), ("Theatre 02.03-2026.csv", 1), ("Theatre 31.02-2026.csv", 0)):
        right = right.rename(tmp_path / name)
        assert world.placier("check", str(right), "--account", "demo").code == code, name


@pytest.mark.parametrize(
    ("pattern", "name", "code"),
    [
        ("{date:%Y}_{organisation}_{date:%Y%m%d}.csv", "2026_Theatre_20260301.csv", 0),
        ("{date:%Y}_{organisation}_{date:%Y%m%d}.csv", "2026_Theatre_20260302.csv", 1),
        ("{date:%Y%m}_{date:%m%d}.csv", "202603_0302.csv", 0),
    ],
    ids=["right", "wrong", "no part tells all of it"],
)
def test_check_takes_a_name_that_tells_its_day_twice(world, tmp_path, pattern, name, code):
    world.set(source={"transactions": pattern})
    path = tmp_path / name
    path.write_text(text([buy("T1", "2026-03-01 10:00:00", ANNE)]), encoding="utf-8")
    answer = world.placier("check", str(path), "--account", "demo")
    assert (answer.code, "unforeseen" in answer.out + answer.err) == (code, False)


def test_check_holds_a_file_to_what_is_declared_beside_it(world, tmp_path):
    path = tmp_path / "fichier.csv"
    path.write_text(text([buy("T1", "2026-03-01 10:00:00", ANNE)]), encoding="utf-8")
    beside = tmp_path / "fichier.csv.count"
    for declared, code in (("1", 0), ("2", 1)):
        beside.write_text(declared)
        assert world.placier("check", str(path)).code == code


@pytest.mark.parametrize(
    ("name", "code"), [("Quai_achats_20260301.csv", 0), ("Le-Quai_annulations_20260301.csv", 0), ("quai.csv", 1)]
)
def test_check_knows_what_a_file_without_operations_is_by_its_usual_name(world, tmp_path, name, code):
    path = tmp_path / name
    lines = text([buy("T1", "2026-03-01 10:00:00", ANNE)]).replace("type_operation", "autre", 1)
    path.write_text(lines, encoding="utf-8")
    assert world.placier("check", str(path)).code == code


def test_a_mapping_that_is_not_there_is_told_with_the_file_that_asks_for_it(world, tmp_path):
    path = tmp_path / "fichier.csv"
    path.write_text(text([]), encoding="utf-8")
    world.day("2026-03-01", [])
    world.placier("status", "demo")
    account = world.config / "accounts" / "demo.toml"
    account.write_text('mapping = "inconnu"\n' + account.read_text(encoding="utf-8"), encoding="utf-8")
    for words in (("run", "--as-of", "2026-03-02"), ("check", str(path), "--account", "demo"), ("doctor",)):
        answer = world.placier(*words)
        told = answer.out + answer.err
        assert (answer.code, "accounts/demo.toml: mapping: no mapping is called 'inconnu'" in told) == (2, True), words
        assert "tuxedo" in told


def test_check_needs_no_configuration(world, tmp_path):
    path = tmp_path / "fichier.csv"
    path.write_text(text([buy("T1", "2026-03-01 10:00:00", ANNE)]), encoding="utf-8")
    world.config.rename(world.root / "ailleurs")
    answer = world.placier("check", str(path), "--mapping", "tuxedo")
    assert (answer.code, answer.json["accepted"]) == (0, 1)


# The shape of a run


@pytest.mark.parametrize("command", ["run", "backfill", "replay", "push"])
def test_runs_have_their_shape(two_days, command):
    two_days.history([buy("T9", "2026-02-01 10:00:00", CHLOE)])
    words = {
        "run": ["demo", "--date", "2026-03-02"],
        "backfill": ["demo"],
        "replay": ["demo", "2026-03-02"],
        "push": ["demo"],
    }[command]
    answer = two_days.placier(command, *words, "--as-of", "2026-03-03")
    assert (answer.code, list(answer.json)) == (0, ["runs"])
    run = answer.run
    assert {
        "account", "kind", "date", "as_of", "run_id", "status", "files", "plan", "pushed", "refused",
        "unmatched_cancellations", "requests", "seconds",
    } <= set(run)  # fmt: skip
    assert (run["account"], run["kind"], run["as_of"], run["status"]) == ("demo", command, "2026-03-03", "done")
    assert run["date"] == {"push": None}.get(command, "2026-03-02")
    keys = {"name", "sha256", "lines", "accepted", "rejected", "version"}
    assert all(set(file) == keys and re.fullmatch("[0-9a-f]{64}", file["sha256"]) for file in run["files"])
    assert len(run["files"]) == {"backfill": 1, "push": 0}.get(command, 2)
    assert set(run["plan"]) == FIVE | {"skipped"}
    assert set(run["pushed"]) == FIVE
    assert isinstance(run["requests"], int)
    assert all(isinstance(value, (int, float)) for value in run["seconds"].values())
    assert run["pushed"]["contacts_created"] == (1 if command == "backfill" else 0)


def test_counts_of_plan_and_pushed_tell_what_happened(world):
    world.control.unsubscribe(CHLOE)
    world.history([buy("T0", "2023-12-31 10:00:00", "vieux.client@exemple.ca")])
    lines = [
        buy("T1", "2026-03-01 10:00:00", ANNE),
        buy("T2", "2026-03-01 11:00:00", BENOIT),
        buy("T3", "2026-03-01 11:00:00", CHLOE),
        cancel("T9", "2026-03-01 12:00:00", "personne@exemple.ca"),
    ]
    assert world.placier("backfill", "demo", "--as-of", "2026-03-01").run["plan"]["skipped"] == {"expired": 1}
    world.day("2026-03-01", lines)
    first = world.night("2026-03-02").run
    assert first["plan"] == {
        "groups_created": 2,
        "contacts_created": 2,
        "contacts_updated": 0,
        "joins": 4,
        "leaves": 0,
        "skipped": {"unsubscribed": 1},
    }
    assert first["unmatched_cancellations"] == 1
    assert first["pushed"] == {key: first["plan"][key] for key in FIVE}
    world.day("2026-03-02", [buy("T4", "2026-03-02 10:00:00", ANNE), cancel("T2", "2026-03-02 10:00:00")])
    second = world.night("2026-03-03").run
    assert second["pushed"] == {
        "groups_created": 0,
        "contacts_created": 0,
        "contacts_updated": 1,
        "joins": 0,
        "leaves": 1,
    }


def test_requests_are_those_that_were_sent(world):
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    world.control.reset_log()
    assert world.night("2026-03-02").run["requests"] == len(world.control.log())


def test_messages_mask_addresses_and_hide_the_token(world):
    world.control.add_fault(Fault("refuse", times=0, emails=(ANNE,)))
    world.day(
        "2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE), buy("T2", "2026-03-01 10:00:00", "anne@@exemple.ca")]
    )
    for words in (["-v", "--log-format", "json"], ["-v"]):
        for json_too in (True, False):
            answer = world.placier(
                "run", "demo", "--as-of", "2026-03-02", "--date", "2026-03-01", *words, json_too=json_too
            )
            assert answer.code == 3
            assert ANNE not in answer.out + answer.err
            assert (world.root / "token").read_text() not in answer.out + answer.err


def test_logs_go_to_stderr_and_the_document_alone_to_stdout(world):
    world.day("2026-03-01", [])
    answer = world.night("2026-03-02", "-v", "--log-format", "json")
    assert answer.code == 0
    assert answer.json["runs"]
    assert all(line.startswith("{") for line in answer.err.splitlines())
