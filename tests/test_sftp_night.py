"""Whole nights over SFTP: the sandbox's drop and a real OpenSSH server, keys and passwords, hosts known and not."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sources import conftest as servers
from sources.conftest import OpenSsh
from venue import Venue, over_sftp
from world import buy, cancel, text

from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.pair import Pair
from pipeline.sandbox.serve import PlatformServer
from pipeline.sandbox.sftp import SftpDrop, User, make_key

ANNE, BENOIT = "anne@exemple.test", "benoit@exemple.test"
PASSWORD = "mot de passe d'été"
DAY = [buy("T1", "2026-03-01 10:00:00", ANNE), buy("T2", "2026-03-01 11:00:00", BENOIT)]

openssh, account = servers.openssh, servers.account


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Both stand-ins, as `placier sandbox` runs them."""
    with Pair(tmp_path) as running:
        yield running


@pytest.fixture
def venue(pair: Pair, tmp_path: Path) -> Iterator[Venue]:
    """A configuration that fits the sandbox."""
    with SandboxControl(pair.platform.url) as control:
        yield Venue(tmp_path, pair.platform, control, source=over_sftp(pair.drop.port))


def test_nights_over_sftp_end_where_they_should(venue: Venue) -> None:
    venue.day("2026-03-01", DAY)
    (venue.drop / "Theatre_achats_20260302.csv.part").write_text("à moitié")
    (venue.drop / "autre_chose.csv").write_text("rien")
    first = venue.night("2026-03-02")
    assert (first.code, first.err) == (0, "")
    assert first.run["pushed"]["contacts_created"] == 2
    assert venue.groups_of(ANNE) == venue.groups_of(BENOIT) == ("Clients Tuxedo", "Le Songe")

    venue.control.reset_log()
    assert venue.night("2026-03-02").code == 0
    assert venue.control.writes() == 0, "the second night sends nothing"

    late = venue.night("2026-03-03")
    assert (late.code, late.run["status"]) == (4, "missing"), "a file that is still being written is not there"
    venue.day("2026-03-02", [cancel("T1", "2026-03-02 09:00:00", ANNE)])
    assert venue.night("2026-03-03").code == 0
    assert venue.groups_of(ANNE) == ("Clients Tuxedo",)

    venue.day("2026-03-01", DAY[:1])
    again = venue.placier("replay", "demo", "2026-03-01", "--refetch", "--as-of", "2026-03-03")
    assert [file["version"] for file in again.run["files"]] == [2, 1]
    assert venue.groups_of(BENOIT) == ("Clients Tuxedo",), "the re-issued file took the booking back"


def test_a_compressed_history_comes_over_sftp_and_a_checksum_that_is_not_met_stops_it(venue: Venue) -> None:
    venue.history([buy("T0", "2025-05-01 10:00:00", ANNE)])
    subprocess.run(["gzip", venue.drop / "Theatre_historique.csv"], check=True)
    declared = venue.drop / "Theatre_historique.csv.gz.sha256"
    declared.write_text("0" * 64)
    refused = venue.placier("backfill", "demo", "--as-of", "2026-03-01")
    assert (refused.code, venue.content()) == (1, {})
    declared.unlink()
    assert venue.placier("backfill", "demo", "--as-of", "2026-03-01").code == 0
    assert set(venue.content()) == {ANNE}


def test_an_unknown_host_is_refused_with_the_command_that_pins_it(venue: Venue, pair: Pair) -> None:
    venue.day("2026-03-01", DAY)
    pair.known_hosts.write_text("")
    refused = venue.night("2026-03-02")
    assert (refused.code, refused.run["status"]) == (1, "failed")
    assert "SHA256:" in refused.run["message"]
    [command] = re.findall(r"ssh-keyscan .*", refused.run["message"])
    assert command == f"ssh-keyscan -p {pair.drop.port} -t ed25519 127.0.0.1 >> {pair.known_hosts}"
    assert venue.content() == {}
    if shutil.which("ssh-keyscan"):
        subprocess.run(command, shell=True, check=True, stderr=subprocess.DEVNULL, timeout=60)
    else:
        pair.known_hosts.write_text(pair.drop.host_key_line())
    assert venue.night("2026-03-02").code == 0
    assert set(venue.content()) == {ANNE, BENOIT}


def test_a_host_may_be_pinned_without_its_port_as_for_openssh(venue: Venue, pair: Pair, tmp_path: Path) -> None:
    venue.day("2026-03-01", DAY)
    with_port = pair.drop.host_key_line()
    plain = with_port.replace(f"[127.0.0.1]:{pair.drop.port}", "127.0.0.1")
    assert plain != with_port
    other = make_key(tmp_path / "another")
    for wrong in (f"127.0.0.1 {other}\n", f"{plain.strip()}\n[127.0.0.1]:{pair.drop.port} {other}\n"):
        pair.known_hosts.write_text(wrong)
        assert venue.night("2026-03-02").code == 1, "another key, or another under the name with the port"
        assert "host key" in {c["check"] for c in venue.placier("doctor").json["checks"] if not c["ok"]}
    assert venue.content() == {}
    pair.known_hosts.write_text(plain)
    assert venue.night("2026-03-02").code == 0
    assert pair.known_hosts.read_text() == plain
    assert "host key" not in {c["check"] for c in venue.placier("doctor").json["checks"] if not c["ok"]}


def test_a_host_whose_key_has_changed_is_refused_as_a_possible_attack(venue: Venue, pair: Pair, tmp_path: Path) -> None:
    venue.day("2026-03-01", DAY)
    pair.known_hosts.write_text(f"[127.0.0.1]:{pair.drop.port} {make_key(tmp_path / 'another')}\n")
    refused = venue.night("2026-03-02")
    assert (refused.code, refused.run["status"]) == (1, "failed")
    assert "it may be an attack" in refused.run["message"]
    assert "ssh-keygen -R" in refused.run["message"]
    assert venue.content() == {}
    doctor = venue.placier("doctor", "demo")
    assert doctor.code == 2
    assert [check["check"] for check in doctor.json["checks"] if not check["ok"]] == ["host key"]


def test_a_key_that_others_can_read_is_refused(venue: Venue, pair: Pair) -> None:
    venue.day("2026-03-01", DAY)
    pair.key.chmod(0o644)
    refused = venue.night("2026-03-02")
    assert refused.code == 2
    assert f"chmod 600 {pair.key}" in refused.run["message"]


def test_a_password_comes_from_the_environment_and_is_never_told(
    tmp_path: Path, night_server: PlatformServer, night_control: SandboxControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    night_control.reset()
    secrets = tmp_path / "secrets"
    with SftpDrop(tmp_path / "depot", secrets, {"placier": User(password=PASSWORD)}) as drop:
        source = {**over_sftp(drop.port), "key_file": "", "password_env": "DEPOT_MOT_DE_PASSE"}
        venue = Venue(tmp_path, night_server, night_control, source=source)
        (secrets / "known_hosts").write_text(drop.host_key_line())
        venue.day("2026-03-01", DAY)
        monkeypatch.delenv("DEPOT_MOT_DE_PASSE", raising=False)
        without = venue.night("2026-03-02")
        assert without.code == 2
        assert "DEPOT_MOT_DE_PASSE" in without.run["message"]
        monkeypatch.setenv("DEPOT_MOT_DE_PASSE", "un autre")
        wrong = venue.night("2026-03-02")
        assert (wrong.code, wrong.run["status"]) == (1, "failed")
        assert "un autre" not in wrong.out + wrong.err
        monkeypatch.setenv("DEPOT_MOT_DE_PASSE", PASSWORD)
        right = venue.night("2026-03-02", "--log-format", "json")
        assert right.code == 0, right.out
        assert PASSWORD not in right.out + right.err
    assert set(venue.content()) == {ANNE, BENOIT}


def test_a_drop_that_is_away_fails_the_night_and_the_next_one_catches_up(venue: Venue, pair: Pair) -> None:
    venue.day("2026-03-01", DAY)
    venue.set(source={"port": 1, "catch_up_days": 7})
    away = venue.night("2026-03-02")
    assert (away.code, away.run["status"]) == (1, "failed")
    assert "127.0.0.1:1" in away.run["message"]
    venue.set(source={"port": pair.drop.port})
    assert venue.placier("run", "demo", "--date", "2026-03-01", "--as-of", "2026-03-02").code == 0
    assert set(venue.content()) == {ANNE, BENOIT}


def test_a_night_over_a_real_openssh_server(
    openssh: OpenSsh, account: str, tmp_path: Path, night_server: PlatformServer, night_control: SandboxControl
) -> None:
    night_control.reset()
    depot = openssh.depot
    depot.known_hosts.write_text(openssh.host_key)
    source = over_sftp(
        openssh.port, user=account, directory="/depot", key_file=str(depot.key), known_hosts=str(depot.known_hosts)
    )
    venue = Venue(tmp_path / "venue", night_server, night_control, source=source)
    for name, kind in (("achats", "ACHAT"), ("annulations", "ANNULATION")):
        lines = [line for line in DAY if line["type_operation"] == kind]
        depot.put(f"Theatre_{name}_20260301.csv", text(lines).encode("cp1252"))
    answer = venue.night("2026-03-02")
    assert (answer.code, answer.err) == (0, "")
    assert venue.member(ANNE).texts["lastname"] == "Tremblay"
    assert set(venue.content()) == {ANNE, BENOIT}
    depot.known_hosts.write_text("")
    assert venue.night("2026-03-02").code == 1, "a host that is no longer pinned"
