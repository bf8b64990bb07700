"""Days as they arrive: whole, half, late, missing, wrong, re-issued, replayed, held and approved, and purged."""

from __future__ import annotations

import gzip
import hashlib
import shutil
from pathlib import Path

import pytest
from world import World, buy, cancel, text

ANNE, BENOIT, CHLOE = "anne.tremblay@exemple.ca", "benoit.gagnon@exemple.test", "chloe.cote@exemple.ca"
GENERAL = "Clients Tuxedo"


def person(number: int) -> str:
    return f"abonne{number:03d}@exemple.ca"


def crowd(day: str, count: int, first: int = 0, **more: str):
    """One booking each for so many people."""
    return [buy(f"T{n}", f"{day} 10:00:00", person(n), **more) for n in range(first, first + count)]


def statuses(answer) -> list[tuple[str, str]]:
    return [(run["date"], run["status"]) for run in answer.json["runs"]]


def status(world: World):
    (account,) = world.placier("status", "demo").json["accounts"]
    return account


def purchases(world: World, day: str):
    return world.drop / f"Theatre_achats_{day.replace('-', '')}.csv"


def untouched(world: World) -> bool:
    """Nothing recorded and nobody sent."""
    return not world.content() and world.placier("why", "demo", ANNE).json["sources"] == []


# Missing, half, late


def test_missing_day_ends_with_4_and_changes_nothing(world):
    answer = world.night("2026-03-02")
    assert (answer.code, statuses(answer)) == (4, [("2026-03-01", "missing")])
    assert not world.content()


@pytest.mark.parametrize("half", ["achats", "annulations"])
def test_half_a_day_is_not_recorded(world, half):
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    (world.drop / f"Theatre_{half}_20260301.csv").unlink()
    answer = world.night("2026-03-02")
    assert (answer.code, statuses(answer)) == (4, [("2026-03-01", "missing")])
    assert untouched(world)


def test_day_without_lines_is_a_day(world):
    world.day("2026-03-01", [])
    answer = world.night("2026-03-02")
    assert (answer.code, answer.run["status"]) == (0, "done")
    assert [file["lines"] for file in answer.run["files"]] == [0, 0]
    assert status(world)["missing_days"] == []


def test_missed_days_are_done_first_oldest_first_and_one_still_missing_stops_nothing(world):
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    assert (run := world.night("2026-03-02")).code == 0, run.err
    for day in ("2026-03-03", "2026-03-05"):
        world.day(day, [buy(f"T{day}", f"{day} 10:00:00", ANNE)])
    answer = world.night("2026-03-06")
    assert answer.code == 4
    assert statuses(answer) == [
        ("2026-03-02", "missing"),
        ("2026-03-03", "done"),
        ("2026-03-04", "missing"),
        ("2026-03-05", "done"),
    ]
    assert str(world.member(ANNE).consent.date) == "2026-03-05"
    assert status(world)["missing_days"] == ["2026-03-02", "2026-03-04"]
    for day in ("2026-03-02", "2026-03-04"):
        world.day(day, [])
    assert (run := world.night("2026-03-06")).code == 0, run.err
    assert status(world)["missing_days"] == []


def test_days_before_the_first_success_and_beyond_the_window_are_not_sought(world):
    world.set(source={"catch_up_days": 2})
    assert (run := world.night("2026-03-01")).code == 4, run.err
    world.day("2026-03-01", [])
    assert statuses(world.night("2026-03-02")) == [("2026-03-01", "done")]
    world.day("2026-03-08", [])
    answer = world.night("2026-03-09")
    assert statuses(answer) == [("2026-03-06", "missing"), ("2026-03-07", "missing"), ("2026-03-08", "done")]


def test_date_does_that_day_alone(world):
    world.day("2026-03-01", [])
    assert (run := world.night("2026-03-02")).code == 0, run.err
    world.day("2026-03-05", [])
    assert statuses(world.night("2026-03-06", "--date", "2026-03-05")) == [("2026-03-05", "done")]


def test_catch_up_of_no_days_looks_at_yesterday_alone(world):
    world.set(source={"catch_up_days": 0})
    world.day("2026-03-01", [])
    assert (run := world.night("2026-03-02")).code == 0, run.err
    world.day("2026-03-05", [])
    assert statuses(world.night("2026-03-06")) == [("2026-03-05", "done")]


def test_yesterday_is_missing_but_what_was_pending_is_still_sent(world):
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    world.control.drop_custom_field("Ville du contact")
    assert (run := world.night("2026-03-02")).code == 2, run.err
    world.control.reset()
    answer = world.night("2026-03-03")
    assert answer.code == 4
    assert list(world.content()) == [ANNE]


def test_one_file_may_hold_purchases_and_cancellations(world):
    world.set(source={"transactions": "{organisation}_{date:%Y%m%d}.csv"})
    lines = [
        buy("T1", "2026-03-01 10:00:00", ANNE),
        cancel("T1", "2026-03-01 11:00:00"),
        buy("T2", "2026-03-01 10:00:00", BENOIT),
    ]
    (world.drop / "Theatre_20260301.csv").write_text(text(lines), encoding="utf-8")
    assert (run := world.night("2026-03-02")).code == 0, run.err
    assert world.groups_of(ANNE) == (GENERAL,)
    assert world.groups_of(BENOIT) == (GENERAL, "Le Songe")


# Files that cannot be trusted


def test_wrong_date_stops_the_run_and_changes_nothing(world):
    world.day("2026-03-01", [buy("T1", "2026-02-27 10:00:00", ANNE)])
    answer = world.night("2026-03-02")
    assert (answer.code, answer.run["status"]) == (1, "failed")
    assert "wrong date" in answer.run["message"]
    assert untouched(world)


def test_day_with_some_lines_of_its_date_is_taken(world):
    world.day("2026-03-01", [buy("T1", "2026-02-27 10:00:00", ANNE), buy("T2", "2026-03-01 00:00:00", BENOIT)])
    assert (run := world.night("2026-03-02")).code == 0, run.err
    assert sorted(world.content()) == [ANNE, BENOIT]


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda data: b"", "empty"),
        (lambda data: data[: data.rindex(b";100,00")], "truncated"),
        (lambda data: data.replace(b"Le Songe", b'"Le Songe'), "truncated"),
        (lambda data: data.replace(b"courriel", b"adresse"), "courriel"),
        (lambda data: data.replace("Général".encode(), b"G\xe9n\x81ral"), "decoded"),
    ],
    ids=["empty", "short last line", "open quote", "missing column", "undecodable"],
)
def test_untrusted_file_stops_the_run_says_why_and_changes_nothing(world, harm, words):
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    path = purchases(world, "2026-03-01")
    path.write_bytes(harm(path.read_bytes()))
    answer = world.night("2026-03-02")
    assert (answer.code, answer.run["status"]) == (1, "failed")
    assert words in answer.run["message"]
    assert ANNE not in answer.out + answer.err
    assert untouched(world)
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    assert (run := world.night("2026-03-02")).code == 0, run.err


@pytest.mark.parametrize(
    ("suffix", "content", "code"),
    [
        (".sha256", "right", 0),
        (".sha256", "0" * 64, 1),
        (".count", "1", 0),
        (".count", "2", 1),
        (".lignes", "7", 1),
        (".sha1", "0" * 40, 1),
        (".sha512", "0" * 128, 1),
        (".SHA256SUM", "0" * 64, 1),
        (".md5sum", "0" * 32, 1),
    ],
)
def test_declared_checksum_and_count_must_be_met(world, suffix, content, code):
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    path = purchases(world, "2026-03-01")
    declared = hashlib.sha256(path.read_bytes()).hexdigest() if content == "right" else content
    path.with_name(path.name + suffix).write_text(declared)
    assert world.night("2026-03-02").code == code
    assert untouched(world) is (code == 1)


def test_compressed_and_windows_1252_files_are_read(world):
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE, ville="Lévis")])
    path = purchases(world, "2026-03-01")
    path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_text(encoding="utf-8").encode("cp1252")))
    path.unlink()
    answer = world.night("2026-03-02")
    assert answer.code == 0
    assert "Lévis" in world.member(ANNE).fields.values()


def test_unfinished_files_are_never_read(world):
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    path = purchases(world, "2026-03-01")
    path.rename(path.with_name(path.name + ".part"))
    assert (run := world.night("2026-03-02")).code == 4, run.err


def test_bad_lines_are_set_aside_and_the_others_go_on(world):
    good = buy("T1", "2026-03-01 10:00:00", ANNE)
    bad = [
        ({"courriel": ""}, "no_email"),
        ({"courriel": "pas-une-adresse"}, "bad_email"),
        ({"date_transaction": "31/12/2026"}, "bad_date"),
        ({"montant_net": "1,234"}, "bad_amount"),
        ({"montant_net": ""}, "bad_amount"),
        ({"nb_billets": "deux"}, "bad_count"),
        ({"nb_billets": ""}, "bad_count"),
        ({"id_reservation": ""}, "no_transaction"),
        ({"date_transaction": "2026-03-03 00:00:00"}, "future_date"),
    ]
    world.day("2026-03-01", [*({**good, **change} for change, _ in bad), good])
    answer = world.night("2026-03-02")
    assert answer.code == 0
    assert [answer.run["files"][0][key] for key in ("lines", "accepted", "rejected")] == [10, 1, 9]
    checked = world.placier("check", str(purchases(world, "2026-03-01")), "--account", "demo")
    assert checked.code == 3
    # `check` knows no business date: what is in the future is judged by today.
    told = [(row["line"], row["reason"]) for row in checked.json["rejected"]]
    assert told == [(number, reason) for number, (_, reason) in enumerate(bad, 2) if reason != "future_date"]


# Again: the same, re-issued, from the archive


def test_reissued_file_replaces_the_day_as_a_whole(world):
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE), buy("T2", "2026-03-01 11:00:00", BENOIT)])
    assert (run := world.night("2026-03-02")).code == 0, run.err
    world.day("2026-03-01", [buy("T2", "2026-03-01 11:00:00", BENOIT, ville="Lévis")])
    answer = world.night("2026-03-02", "--date", "2026-03-01")
    assert answer.code == 0
    assert [file["version"] for file in answer.run["files"]] == [2, 1]
    assert answer.run["pushed"]["leaves"] == 1
    assert world.groups_of(ANNE) == (GENERAL,)
    assert world.member(ANNE).fields["Titre du dernier spectacle acheté"] == "Le Songe"
    assert world.member(BENOIT).fields["Ville du contact"] == "Lévis"
    told = world.placier("why", "demo", ANNE).json
    assert [group["reason"] for group in told["groups"] if group["title"] == "Le Songe"] != [""]
    assert told["sources"] == []


def test_reissued_cancellation_puts_the_contact_back(world):
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE), cancel("T1", "2026-03-01 11:00:00")])
    assert (run := world.night("2026-03-02")).code == 0, run.err
    assert world.groups_of(ANNE) == (GENERAL,)
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    assert (run := world.night("2026-03-02", "--date", "2026-03-01")).code == 0, run.err
    assert world.groups_of(ANNE) == (GENERAL, "Le Songe")


def test_reissued_booking_under_another_address_moves(world):
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    assert (run := world.night("2026-03-02")).code == 0, run.err
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", CHLOE)])
    assert (run := world.night("2026-03-02", "--date", "2026-03-01")).code == 0, run.err
    assert world.groups_of(ANNE) == (GENERAL,)
    assert world.groups_of(CHLOE) == (GENERAL, "Le Songe")


def test_booking_that_several_days_tell_counts_once_in_its_newest_version(world):
    world.set(source={"catch_up_days": 0})
    told = [buy("T1", "2026-03-01 10:00:00", ANNE, canal_vente="Guichet")]
    again = [buy("T1", "2026-03-01 10:00:00", ANNE, canal_vente="Web"), buy("T9", "2026-03-03 10:00:00", BENOIT)]
    world.day("2026-03-03", again)
    assert (run := world.night("2026-03-04")).code == 0, run.err
    world.day("2026-03-01", told)
    assert (run := world.night("2026-03-04", "--date", "2026-03-01")).code == 0, run.err
    assert world.member(ANNE).fields["Canal de vente du dernier achat"] == "Web"
    assert world.member(ANNE).fields["Nombre de billets vendus lors du dernier achat"] == 2
    world.day("2026-03-03", again[1:])
    assert (run := world.night("2026-03-04", "--date", "2026-03-03")).code == 0, run.err
    assert world.member(ANNE).fields["Canal de vente du dernier achat"] == "Guichet"


@pytest.mark.parametrize(
    ("as_of", "winner"), [("2026-03-01", "jour"), ("2026-03-02", "jour"), ("2026-03-03", "historique")]
)
def test_day_file_beats_a_backfill_of_its_date_and_an_older_one(world, as_of, winner):
    world.day("2026-03-01", [buy("T1", "2026-02-27 10:00:00", ANNE, canal_vente="jour"), *crowd("2026-03-01", 1)])
    world.history([buy("T1", "2026-02-27 10:00:00", ANNE, canal_vente="historique")])
    for order in (0, 1):
        steps = [
            lambda: world.night("2026-03-04", "--date", "2026-03-01"),
            lambda: world.placier("backfill", "demo", "--as-of", as_of),
        ]
        for step in steps if order else reversed(steps):
            assert step().code == 0
        assert world.member(ANNE).fields["Canal de vente du dernier achat"] == winner
        world.control.wipe()
        world.state_url = "sqlite:///var/autre.db"
        world.write_config()


def test_later_of_two_backfills_of_one_date_wins(world):
    for name, channel in (("Theatre_historique_2.csv", "premier"), ("Theatre_historique_1.csv", "second")):
        path = world.history([buy("T1", "2026-02-27 10:00:00", ANNE, canal_vente=channel)], name)
        assert world.placier("backfill", "demo", str(path), "--as-of", "2026-03-01").code == 0
    assert world.member(ANNE).fields["Canal de vente du dernier achat"] == "second"


def test_backfill_without_a_file_ends_with_4(world):
    assert (run := world.placier("backfill", "demo", "--as-of", "2026-03-01")).code == 4, run.err


def test_backfill_overlapping_recorded_days_sends_nothing_more(world):
    lines = [buy("T1", "2026-03-01 10:00:00", ANNE), buy("T2", "2026-03-01 11:00:00", BENOIT)]
    world.day("2026-03-01", lines)
    assert (run := world.night("2026-03-02")).code == 0, run.err
    world.history(lines)
    world.control.reset_log()
    answer = world.placier("backfill", "demo", "--as-of", "2026-03-02")
    assert (answer.code, world.control.writes()) == (0, 0)
    assert answer.run["kind"] == "backfill"


def test_days_that_a_backfill_covers_are_not_missing(world):
    world.day("2026-03-01", [])
    assert (run := world.night("2026-03-02")).code == 0, run.err
    world.history([buy("T1", "2026-03-04 10:00:00", ANNE)])
    assert (run := world.placier("backfill", "demo", "--as-of", "2026-03-06")).code == 0, run.err
    world.day("2026-03-06", [])
    assert statuses(world.night("2026-03-07")) == [("2026-03-06", "done")]


def test_replay_needs_no_server(world):
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    assert (run := world.night("2026-03-02")).code == 0, run.err
    before = world.content()
    shutil.rmtree(world.drop)
    world.control.reset_log()
    answer = world.placier("replay", "demo", "2026-03-01", "--as-of", "2026-03-02")
    assert (answer.code, answer.run["kind"], world.control.writes()) == (0, "replay", 0)
    assert [file["version"] for file in answer.run["files"]] == [1, 1]
    resent = world.placier("replay", "demo", "2026-03-01", "--resend", "--as-of", "2026-03-02")
    assert resent.run["pushed"]["contacts_updated"] == 1
    assert world.control.batch_addresses() == [ANNE]
    assert world.content() == before


def test_replay_with_a_file_replaces_that_half_alone(world, tmp_path):
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE), cancel("T1", "2026-03-01 11:00:00")])
    assert (run := world.night("2026-03-02")).code == 0, run.err
    corrected = tmp_path / "Theatre_annulations_20260301.csv"
    corrected.write_text(text([]), encoding="utf-8")
    answer = world.placier("replay", "demo", "2026-03-01", "--file", str(corrected), "--as-of", "2026-03-02")
    assert answer.code == 0
    assert [file["version"] for file in answer.run["files"]] == [1, 2]
    assert world.groups_of(ANNE) == (GENERAL, "Le Songe")


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([buy("T1", "2026-03-01 10:00:00", ANNE, ville="Lévis")], 0),
        ([cancel("T1", "2026-03-01 11:00:00")], 0),
        ([buy("T1", "2026-03-01 10:00:00", ANNE), cancel("T1", "2026-03-01 11:00:00")], 2),
        ([], 2),
    ],
    ids=["purchases", "cancellations", "both", "none"],
)
def test_replay_with_a_file_of_any_name_goes_by_its_lines(world, tmp_path, lines, code):
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE), buy("T2", "2026-03-01 10:00:00", BENOIT)])
    assert world.night("2026-03-02").code == 0
    corrected = tmp_path / "corrigé.csv"
    corrected.write_text(text(lines), encoding="utf-8")
    answer = world.placier("replay", "demo", "2026-03-01", "--file", str(corrected), "--as-of", "2026-03-02")
    assert answer.code == code
    if code == 0 and lines[0]["type_operation"] == "ACHAT":
        assert world.member(ANNE).fields["Ville du contact"] == "Lévis"
        assert world.groups_of(BENOIT) == (GENERAL,)
    elif code == 0:
        assert world.groups_of(ANNE) == (GENERAL,)
        assert world.groups_of(BENOIT) == (GENERAL, "Le Songe")


def test_replay_refetches_the_day(world):
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    assert (run := world.night("2026-03-02")).code == 0, run.err
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE, ville="Lévis")])
    assert (run := world.placier("replay", "demo", "2026-03-01", "--as-of", "2026-03-02")).code == 0, run.err
    assert "Ville du contact" not in world.member(ANNE).fields
    assert (run := world.placier("replay", "demo", "2026-03-01", "--refetch", "--as-of", "2026-03-02")).code == 0, (
        run.err
    )
    assert world.member(ANNE).fields["Ville du contact"] == "Lévis"


def test_replay_of_an_unknown_day_ends_with_4(world):
    assert (run := world.placier("replay", "demo", "2026-03-01", "--as-of", "2026-03-02")).code == 4, run.err


def test_replay_with_another_mapping_reads_the_archive_again(world):
    """A mapping that knew no `VENTE` set every line aside; mended, the archive is enough."""
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    path = purchases(world, "2026-03-01")
    path.write_text(path.read_text(encoding="utf-8").replace("ACHAT;", "BILLETTERIE;"), encoding="utf-8")
    answer = world.night("2026-03-02")
    assert (answer.code, answer.run["files"][0]["rejected"]) == (0, 1)
    mappings = world.root / "mappings"
    mappings.mkdir()
    shipped = (Path(__file__).parents[1] / "mappings" / "tuxedo.toml").read_text(encoding="utf-8")
    (mappings / "tuxedo.toml").write_text(shipped.replace('"ACHAT"', '"BILLETTERIE"'), encoding="utf-8")
    assert world.placier("replay", "demo", "2026-03-01", "--as-of", "2026-03-02").code == 0
    assert list(world.content()) == [ANNE]


@pytest.mark.parametrize("command", ["run", "backfill", "replay", "push"])
def test_dry_run_shows_the_plan_and_leaves_no_trace(world, command):
    lines = [buy("T1", "2026-03-01 10:00:00", ANNE)]
    world.day("2026-03-01", lines)
    world.history(lines)
    words = {
        "run": ["run", "demo"],
        "backfill": ["backfill", "demo"],
        "replay": ["replay", "demo", "2026-03-01", "--refetch"],
        "push": ["push", "demo"],
    }[command]
    answer = world.placier(*words, "--as-of", "2026-03-02", "--dry-run")
    assert (answer.code, answer.run["status"]) == (0, "dry_run")
    sent = 0 if command == "push" else 1
    assert answer.run["plan"]["contacts_created"] == sent
    assert answer.run["plan"]["groups_created"] == 2 * sent
    assert answer.run["pushed"]["contacts_created"] == 0
    assert (world.content(), world.control.writes()) == ({}, 0)
    assert not list((world.root / "var").rglob("*.gz"))
    assert status(world)["runs"] == []
    assert untouched(world)


def test_dry_run_agrees_with_the_run(world):
    world.day("2026-03-01", [*crowd("2026-03-01", 5), cancel("T1", "2026-03-01 11:00:00")])
    dry = world.night("2026-03-02", "--dry-run").run["plan"]
    real = world.night("2026-03-02").run
    assert dry == real["plan"]
    assert {key: dry[key] for key in real["pushed"]} == real["pushed"]


# Guards


def test_too_many_bad_lines_hold_the_whole_file_until_approved(world):
    bad = [buy(f"T{n}", "2026-03-01 10:00:00", "pas-une-adresse") for n in range(20)]
    world.day("2026-03-01", [*crowd("2026-03-01", 79), *bad])
    answer = world.night("2026-03-02")
    assert (answer.code, answer.run["status"]) == (5, "held")
    (held,) = status(world)["held"]
    assert (held["run_id"], held["date"], held["reason"]) == (answer.run["run_id"], "2026-03-01", "rejects")
    assert not world.content()
    world.day("2026-03-02", [buy("U1", "2026-03-02 10:00:00", ANNE)])
    later = world.night("2026-03-03")
    assert later.code == 5
    assert list(world.content()) == [ANNE]
    assert [item["run_id"] for item in status(world)["held"]] == [held["run_id"]]
    approved = world.placier("approve", "demo", held["run_id"])
    assert approved.code == 0
    assert approved.run["as_of"] == "2026-03-02"
    assert len(world.content()) == 80
    assert status(world)["held"] == []
    assert (run := world.night("2026-03-03")).code == 0, run.err


def test_nineteen_bad_lines_hold_nothing(world):
    world.day("2026-03-01", [buy(f"T{n}", "2026-03-01 10:00:00", "non") for n in range(19)])
    assert (run := world.night("2026-03-02")).code == 0, run.err


def test_a_fifth_of_bad_lines_holds_nothing(world):
    bad = [buy(f"B{n}", "2026-03-01 10:00:00", "non") for n in range(20)]
    world.day("2026-03-01", [*crowd("2026-03-01", 80), *bad])
    assert (run := world.night("2026-03-02")).code == 0, run.err


def test_held_file_that_is_issued_again_in_order_is_taken(world):
    bad = [buy(f"T{n}", "2026-03-01 10:00:00", "pas-une-adresse") for n in range(25)]
    world.day("2026-03-01", bad)
    first = world.night("2026-03-02")
    assert first.code == 5
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    assert (run := world.night("2026-03-02", "--date", "2026-03-01")).code == 0, run.err
    assert list(world.content()) == [ANNE]
    refused = world.placier("approve", "demo", first.run["run_id"])
    assert refused.code == 5
    assert list(world.content()) == [ANNE]


def test_volume_guard_waits_for_seven_days_of_history(world):
    for number in range(1, 8):
        day = f"2026-03-{number:02d}"
        files = []
        for kind, lines in (("achats", [buy(f"J{number}", f"{day} 10:00:00", ANNE)]), ("annulations", [])):
            path = world.root / f"Theatre_{kind}_{day.replace('-', '')}.csv"
            path.write_text(text(lines), encoding="utf-8")
            files += ["--file", str(path)]
        assert (run := world.placier("replay", "demo", day, *files, "--as-of", "2026-03-08")).code == 0, run.err
        if number == 6:
            world.day("2026-03-09", [buy(f"V{n}", "2026-03-09 10:00:00", BENOIT) for n in range(12)])
            assert (run := world.night("2026-03-10", "--date", "2026-03-09")).code == 0, run.err
            world.day("2026-03-09", [])
            assert (run := world.night("2026-03-10", "--date", "2026-03-09")).code == 0, run.err
    world.day("2026-03-08", crowd("2026-03-08", 9))
    assert (run := world.night("2026-03-09", "--date", "2026-03-08")).code == 0, run.err
    world.day("2026-03-10", crowd("2026-03-10", 10, first=50))
    answer = world.night("2026-03-11", "--date", "2026-03-10")
    assert answer.code == 5
    (held,) = status(world)["held"]
    assert held["reason"] == "volume"
    assert held["operations"] == 10
    assert person(50) not in world.content()
    assert (run := world.placier("approve", "demo", held["run_id"])).code == 0, run.err
    assert person(50) in world.content()


def hold_leaves(world: World):
    """Three of four people leave on the second night; more than one and more than half are too many."""
    world.set(guard={"max_leaves": 1, "max_leave_ratio": 0.2})
    world.day("2026-03-01", crowd("2026-03-01", 4))
    assert (run := world.night("2026-03-02")).code == 0, run.err
    lines = [cancel(f"T{n}", "2026-03-02 09:00:00") for n in range(3)]
    world.day("2026-03-02", [*lines, buy("U1", "2026-03-02 10:00:00", ANNE)])
    return world.night("2026-03-03")


def test_too_many_leaves_are_held_and_the_rest_goes_on(world):
    answer = hold_leaves(world)
    assert (answer.code, answer.run["status"]) == (5, "held")
    assert answer.run["pushed"]["leaves"] == 0
    assert world.groups_of(ANNE) == (GENERAL, "Le Songe")
    assert world.groups_of(person(0)) == (GENERAL, "Le Songe")
    (held,) = status(world)["held"]
    assert held == {"run_id": answer.run["run_id"], "date": "2026-03-02", "reason": "leaves", "operations": 3}
    world.day("2026-03-03", [])
    assert (run := world.night("2026-03-04")).code == 5, run.err
    assert (run := world.placier("push", "demo", "--as-of", "2026-03-04")).code == 5, run.err
    assert [item["run_id"] for item in status(world)["held"]] == [held["run_id"]]
    approved = world.placier("approve", "demo", held["run_id"])
    assert (approved.code, approved.run["pushed"]["leaves"]) == (0, 3)
    assert world.groups_of(person(0)) == (GENERAL,)
    assert world.groups_of(person(3)) == (GENERAL, "Le Songe")
    assert (run := world.placier("push", "demo", "--as-of", "2026-03-04")).code == 0, run.err


def test_approval_is_refused_once_the_plan_has_changed(world):
    answer = hold_leaves(world)
    run_id = answer.run["run_id"]
    # One of the cancelled buys again: what was held is no longer what would be done.
    world.day("2026-03-03", [buy("U2", "2026-03-03 10:00:00", person(0))])
    assert (run := world.night("2026-03-04")).code == 5, run.err
    before = world.content()
    refused = world.placier("approve", "demo", run_id)
    assert refused.code == 5
    assert world.content() == before
    (held,) = status(world)["held"]
    assert held["run_id"] != run_id
    assert held["operations"] == 2
    assert (run := world.placier("approve", "demo", held["run_id"])).code == 0, run.err
    assert world.groups_of(person(0)) == (GENERAL, "Le Songe")
    assert world.groups_of(person(1)) == (GENERAL,)


def test_approval_is_refused_when_more_would_leave_than_was_held(world):
    answer = hold_leaves(world)
    world.day("2026-03-03", [cancel("T3", "2026-03-03 10:00:00")])
    assert (run := world.night("2026-03-04")).code == 5, run.err
    assert (run := world.placier("approve", "demo", answer.run["run_id"])).code == 5, run.err
    (held,) = status(world)["held"]
    assert held["operations"] == 4


def test_held_leaves_that_are_taken_back_are_held_no_more(world):
    assert hold_leaves(world).code == 5
    world.day("2026-03-02", [buy("U1", "2026-03-02 10:00:00", ANNE)])
    assert (run := world.night("2026-03-03", "--date", "2026-03-02")).code == 0, run.err
    assert status(world)["held"] == []
    assert world.groups_of(person(0)) == (GENERAL, "Le Songe")


def test_few_leaves_of_many_are_not_held(world):
    world.set(guard={"max_leaves": 3, "max_leave_ratio": 0.0})
    world.day("2026-03-01", crowd("2026-03-01", 4))
    assert (run := world.night("2026-03-02")).code == 0, run.err
    world.day("2026-03-02", [cancel(f"T{n}", "2026-03-02 09:00:00") for n in range(3)])
    answer = world.night("2026-03-03")
    assert (answer.code, answer.run["pushed"]["leaves"]) == (0, 3)


def test_approving_what_nobody_holds_is_a_mistake(world):
    assert (run := world.placier("approve", "demo", "20260101T000000-abcd")).code == 2, run.err


def test_approving_twice_does_it_once(world):
    run_id = hold_leaves(world).run["run_id"]
    assert (run := world.placier("approve", "demo", run_id)).code == 0, run.err
    world.control.reset_log()
    world.placier("approve", "demo", run_id)
    assert world.control.writes() == 0


# The clocks change


def test_night_of_the_spring_change(world):
    lines = [buy("T1", "2026-03-08 01:59:59", ANNE), buy("T2", "2026-03-08 03:00:00", ANNE, canal_vente="Web")]
    world.day("2026-03-08", lines)
    assert (run := world.night("2026-03-09")).code == 0, run.err
    assert world.member(ANNE).fields["Canal de vente du dernier achat"] == "Web"


def test_leap_day_is_a_day(world):
    world.day("2024-02-29", [buy("T1", "2024-02-29 23:30:00", ANNE)])
    assert (run := world.night("2024-03-01")).code == 0, run.err
    consent = world.member(ANNE).consent
    assert (str(consent.date), str(consent.expires)) == ("2024-02-29", "2026-02-28")


def test_backfill_files_of_one_name_from_two_folders_both_count(world):
    paths = []
    for folder, email in (("2025", ANNE), ("2026", BENOIT)):
        path = world.root / folder / "historique.csv"
        path.parent.mkdir()
        path.write_text(text([buy(f"T-{folder}", "2026-02-27 10:00:00", email)]), encoding="utf-8")
        paths.append(str(path))
    for _ in range(2):
        assert world.placier("backfill", "demo", *paths, "--as-of", "2026-03-01").code == 0
        assert sorted(world.content()) == [ANNE, BENOIT]
        assert all(world.placier("why", "demo", email).json["sources"] for email in (ANNE, BENOIT))


def test_backfill_that_was_held_and_approved_is_held_no_more(world):
    bad = [buy(f"B{n}", "2026-02-27 10:00:00", "non") for n in range(20)]
    world.history([*bad, buy("T1", "2026-02-27 10:00:00", ANNE)])
    held = world.placier("backfill", "demo", "--as-of", "2026-03-01")
    assert held.code == 5
    assert world.placier("approve", "demo", held.run["run_id"]).code == 0
    assert list(world.content()) == [ANNE]
    assert world.placier("backfill", "demo", "--as-of", "2026-03-01").code == 0


def test_approved_day_is_held_no_more_when_it_is_replayed(world):
    bad = [buy(f"B{n}", "2026-03-01 10:00:00", "non") for n in range(20)]
    world.day("2026-03-01", [*bad, buy("T1", "2026-03-01 10:00:00", ANNE)])
    held = world.night("2026-03-02")
    assert held.code == 5
    assert world.placier("approve", "demo", held.run["run_id"]).code == 0
    for command in (["replay", "demo", "2026-03-01"], ["run", "demo", "--date", "2026-03-01"]):
        assert world.placier(*command, "--as-of", "2026-03-05").code == 0


def test_backfill_with_one_untrusted_file_changes_nothing(world):
    world.history([buy("T1", "2026-02-27 10:00:00", ANNE)], "Theatre_historique_1.csv")
    (world.drop / "Theatre_historique_2.csv").write_text("")
    answer = world.placier("backfill", "demo", "--as-of", "2026-03-01")
    assert answer.code == 1
    assert untouched(world)
