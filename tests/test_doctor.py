"""`placier doctor`: what is missing, in the order to mend it, and what is not looked at until then."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from test_sftp_night import pair as pair_of_servers
from venue import Venue, over_sftp
from world import Answer, World

from pipeline import doctor
from pipeline.checkup import Check, Visit, documents, lines
from pipeline.config import load
from pipeline.errors import UsageError
from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.pair import Pair
from pipeline.sandbox.serve import PlatformServer
from pipeline.sandbox.sftp import make_key

pair = pair_of_servers
CITY, TICKETS = "Ville du contact", "Nombre de billets vendus lors du dernier achat"


@pytest.fixture
def venue(tmp_path: Path, night_server: PlatformServer, night_control: SandboxControl, pair: Pair) -> Venue:
    night_control.reset()
    return Venue(tmp_path, night_server, night_control, source=over_sftp(pair.drop.port))


def ill(answer: Answer) -> dict[str, Any]:
    """What is to be mended, by the name of the check."""
    assert answer.code == (2 if any(not check["ok"] for check in answer.json["checks"]) else 0)
    return {check["check"]: check for check in answer.json["checks"] if not check["ok"]}


def told(world: World) -> str:
    """What a person reads; nothing but commands and what has no blank is wider than 80 columns."""
    answer = world.placier("doctor", json_too=False)
    assert answer.err == ""
    wide = [line for line in answer.out.splitlines() if len(line) > 80 and not line.startswith("        $ ")]
    assert [line for line in wide if " " in line.strip()] == []
    return answer.out


# The box office


def test_a_server_that_is_not_pinned_is_told_with_the_line_that_pins_it_and_is_never_pinned_by_itself(
    venue: Venue, pair: Pair
) -> None:
    good = pair.known_hosts.read_text()
    pair.known_hosts.unlink()
    found = ill(venue.placier("doctor"))
    assert list(found) == ["host key"]
    assert not pair.known_hosts.exists()
    shown = re.findall(r"SHA256:[\w+/]+", found["host key"]["message"])
    assert len(shown) == 1
    advice, command = found["host key"]["remedy"].split("\n")
    assert shown[0] in advice
    assert good.strip() in command
    assert "  wait  source           not looked at until this is mended: host key" in told(venue)
    subprocess.run(command, shell=True, check=True, timeout=60)
    assert ill(venue.placier("doctor")) == {}


def test_a_server_whose_key_has_changed_is_told_as_a_possible_attack_with_both_fingerprints(
    venue: Venue, pair: Pair, tmp_path: Path
) -> None:
    pair.known_hosts.write_text(f"[127.0.0.1]:{pair.drop.port} {make_key(tmp_path / 'another')}\n")
    found = ill(venue.placier("doctor"))["host key"]
    assert "it may be an attack" in found["message"]
    assert len(set(re.findall(r"SHA256:[\w+/]+", found["message"]))) == 2
    assert [line.split()[0] for line in found["remedy"].split("\n")] == ["ask", "ssh-keygen", "echo"]


@pytest.mark.parametrize("content", ["127.0.0.1 ssh-ed25519 AAAA", None], ids=["garbage", "a folder"])
def test_a_file_of_pins_that_is_none_is_told(venue: Venue, pair: Pair, content: str | None) -> None:
    pair.known_hosts.unlink()
    if content is None:
        pair.known_hosts.mkdir()
    else:
        pair.known_hosts.write_text(content)
    found = ill(venue.placier("doctor"))
    assert list(found) == ["host key"]
    assert str(pair.known_hosts) in found["host key"]["message"]


def test_a_key_that_is_not_there_is_told_with_the_command_that_makes_one(venue: Venue, pair: Pair) -> None:
    pair.key.unlink()
    found = ill(venue.placier("doctor"))
    assert list(found) == ["secrets"]
    assert found["secrets"]["remedy"].split("\n")[1] == f"ssh-keygen -t ed25519 -N '' -f {pair.key}"
    assert "not looked at until this is mended: secrets" in told(venue)


def test_nobody_at_the_port_is_told_once(venue: Venue) -> None:
    venue.set(source={"port": 9})
    assert list(ill(venue.placier("doctor"))) == ["host key"]


def test_yesterdays_files_are_told_as_the_drop_has_them(world: World) -> None:
    before = source_of(world)
    [day] = re.findall(r"of (\d{4}-\d\d-\d\d) not there \(yet\): Theatre_achats_\d+.csv, Theatre_annulations_", before)
    name = f"Theatre_achats_{day.replace('-', '')}.csv.gz"
    (world.drop / name).touch()
    after = source_of(world)
    assert f"holds 1 files; of {day} there: {name}; of {day} not there (yet): Theatre_annulations_" in after


def source_of(world: World) -> str:
    """What doctor says of the source."""
    [message] = [check["message"] for check in world.placier("doctor").json["checks"] if check["check"] == "source"]
    return str(message)


# The platform


def test_without_a_token_nothing_of_the_platform_is_looked_at(world: World) -> None:
    world.set(platform={"token_file": "", "token_env": "JETON_QUI_MANQUE"})
    answer = world.placier("doctor")
    assert list(ill(answer)) == ["token"]
    assert not {"platform", "custom fields", "groups"} & {check["check"] for check in answer.json["checks"]}
    page = told(world)
    assert page.count("not looked at until this is mended: token") == 3
    assert "1 thing is to be mended, from the top down (first demo: token);" in page
    assert "        $ set -a; . secrets/environment; set +a\n" in page


def test_a_platform_that_refuses_the_token_is_told_once(world: World) -> None:
    (world.root / "token").write_text("un-autre")
    found = ill(world.placier("doctor"))
    assert list(found) == ["platform"]
    assert "check the token" in found["platform"]["remedy"]


def test_fields_that_are_missing_or_of_another_type_are_a_numbered_list(world: World) -> None:
    world.control.drop_custom_field(CITY)
    world.control.retype_custom_field(TICKETS, "text")
    page = told(world)
    assert "  MEND  custom fields    2 things:\n" in page
    flat = re.sub(r"\s+", " ", page)
    assert f'1. create the custom field "{CITY}" of type text 2. "{TICKETS}" is of type text, must be integer' in flat
    assert page.count("→ in the platform account, by hand") == 1
    checks = [check for check in world.placier("doctor").json["checks"] if not check["ok"]]
    assert [check["check"] for check in checks] == ["custom fields"] * 2


def test_import_files_want_a_folder_and_no_token(world: World) -> None:
    file = world.config / "accounts" / "demo.toml"
    table = '[platform]\nkind = "csv"\npath = "token/envois"\n'
    file.write_text(re.sub(r"\[platform\].*?(?=\[policy\])", table, file.read_text(), flags=re.DOTALL))
    found = ill(world.placier("doctor"))
    assert list(found) == ["platform"]
    assert "is no folder" in found["platform"]["message"]
    file.write_text(file.read_text().replace("token/envois", "envois"))
    assert ill(world.placier("doctor")) == {}
    assert not (world.root / "envois").exists()


# What all accounts share


def test_a_folder_that_cannot_be_made_keeps_the_database_from_being_looked_at(world: World) -> None:
    main = world.config / "placier.toml"
    main.write_text('[state]\nurl = "sqlite:///token/placier.db"\narchive = "token/archive"\n')
    answer = world.placier("doctor")
    assert list(ill(answer)) == ["folders"]
    assert "token is no folder" in ill(answer)["folders"]["message"]
    assert "database" not in {check["check"] for check in answer.json["checks"]}


def test_a_state_that_belongs_to_somebody_else_is_told_with_the_command_to_be_them(world: World) -> None:
    assert world.placier("doctor").code == 0
    configuration = load(world.config)
    assert doctor.folders(configuration, os.geteuid())
    with pytest.raises(UsageError, match="belongs to") as caught:
        doctor.folders(configuration, os.geteuid() + 1)
    assert re.fullmatch(r"sudo -u \S+ placier doctor", caught.value.remedy)


def test_alerts_want_their_variable_and_show_no_address(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    main = '[alerts]\nurls_env = "ALERTES"\nhealthcheck_url = "https://ping.exemple.test/secret"\n'
    (world.config / "placier.toml").write_text(main + 'textfile = "token/placier.prom"\n')
    assert list(ill(world.placier("doctor"))) == ["alerts"]
    monkeypatch.setenv("ALERTES", "mailto://secret@exemple.test")
    assert "is no folder" in ill(world.placier("doctor"))["alerts"]["message"]
    (world.config / "placier.toml").write_text(main)
    answer = world.placier("doctor")
    assert ill(answer) == {}
    assert "secret" not in answer.out


def test_a_console_that_is_configured_wants_its_password(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    main = world.config / "placier.toml"
    main.write_text("[console]\n")
    assert ill(world.placier("doctor")) == {}
    main.write_text('[console]\npassword_env = "MOT_DE_PASSE"\n')
    assert list(ill(world.placier("doctor"))) == ["console"]
    monkeypatch.setenv("MOT_DE_PASSE", "une phrase bien longue")
    assert ill(world.placier("doctor")) == {}


def test_no_account_at_all_is_told(world: World) -> None:
    (world.config / "accounts" / "demo.toml").unlink()
    assert list(ill(world.placier("doctor"))) == ["accounts"]


# The page


def test_what_waits_names_the_first_thing_to_mend_and_is_not_told_to_programs() -> None:
    visit = Visit("demo")

    def fail() -> str:
        raise UsageError("tout va mal", "rm /tmp/x")

    assert not visit.look("one", fail)
    assert not visit.look("two", lambda: "well", "one")
    assert not visit.look("three", lambda: "well", "two")
    assert visit.look("four", lambda: "well")
    assert [check.waits_for for check in visit.checks] == ["", "one", "one", ""]
    assert [check["check"] for check in documents(visit.checks)] == ["one", "four"]
    assert set(documents(visit.checks)[0]) == {"account", "check", "ok", "message", "remedy"}


def test_a_command_is_never_broken_in_two_and_prose_always_is() -> None:
    long = "x" * 90
    found = [Check("demo", "a", False, "mot " * 40, f"faire ceci: {'mot ' * 30}\nchmod 600 {long}")]
    page = [line for line, _ in lines(found)]
    assert f"        $ chmod 600 {long}" in page
    assert all(len(line) <= 80 for line in page if "$" not in line)
    assert [line for line, _ in lines([Check("", "a", True, "bien")])][-1] == "all is well"
