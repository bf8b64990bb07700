"""What Placier keeps is its owner's alone, whatever the umask; secrets that others can read are not used."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from world import World, buy, cancel

from .measured import measured

ANNE = "anne@exemple.ca"


def lax(folder: Path) -> list[str]:
    """What in a folder, itself included, others may read, write or enter."""
    found = [folder, *folder.rglob("*")]
    return sorted(str(path) for path in found if stat.S_IMODE(path.stat().st_mode) & 0o077)


def test_state_archive_reports_and_locks_are_private_under_any_umask(world: World) -> None:
    (world.config / "placier.toml").write_text(
        '[state]\nurl = "sqlite:///garde/etat/placier.db"\narchive = "coffre/fond/archive"\nreports = "pages/web/rapports"\n'
    )
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    words = ("--config", str(world.config), "--as-of", "2026-03-02")
    assert measured("run", "demo", *words, umask=0).code == 0
    assert measured("run", "demo", *words, "--dry-run", umask=0).code == 0
    assert measured("replay", "demo", "2026-03-01", "--resend", *words, umask=0).code == 0
    for name in ("garde", "coffre", "pages"):
        assert lax(world.root / name) == []
    assert len(list((world.root / "garde").rglob("*.db"))) == 1
    assert len(list((world.root / "coffre").rglob("*.gz"))) == 2
    pages = sorted(path.name for path in (world.root / "pages").rglob("*.html"))
    assert pages == ["2026-03-01.html", "demo-nights.html", "index.html"]


def test_import_files_and_backups_are_private_under_any_umask(world: World) -> None:
    account = world.config / "accounts" / "demo.toml"
    account.write_text(
        account.read_text().partition("[platform]")[0] + '[platform]\nkind = "csv"\npath = "a/b/import"\n'
    )
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE), cancel("T1", "2026-03-01 11:00:00")])
    config = ("--config", str(world.config))
    assert measured("run", "demo", *config, "--as-of", "2026-03-02", umask=0).code == 0
    assert measured("backup", str(world.root / "sauvegarde.db"), *config, umask=0).code == 0
    assert lax(world.root / "a") == []
    assert lax(world.root / "sauvegarde.db") == []
    assert list((world.root / "a").rglob("*.csv"))


def test_a_starter_configuration_can_be_read_but_not_written_by_others(tmp_path: Path) -> None:
    assert measured("init", str(tmp_path / "neuf"), umask=0).code == 0
    files = [path for path in (tmp_path / "neuf").rglob("*") if path.is_file()]
    assert files
    assert all(stat.S_IMODE(path.stat().st_mode) & 0o022 == 0 for path in files)
    assert stat.S_IMODE((tmp_path / "neuf" / "secrets").stat().st_mode) == 0o700


def test_doctor_tells_of_what_was_left_open(world: World) -> None:
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    assert world.night("2026-03-02").code == 0
    assert world.placier("doctor").code == 0
    for name in ("placier.db", "archive", "reports", "locks"):
        path = world.root / "var" / name
        mode = stat.S_IMODE(path.stat().st_mode)
        path.chmod(mode | 0o040)
        answer = world.placier("doctor")
        (told,) = [check for check in answer.json["checks"] if not check["ok"]]
        assert (answer.code, told["check"]) == (2, "private")
        assert str(path) in told["message"]
        assert told["remedy"] == f"chmod -R go= {path}"
        path.chmod(mode)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o666])
def test_a_token_that_others_can_read_or_write_is_not_used(world: World, mode: int) -> None:
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    (world.root / "token").chmod(mode)
    answer = world.night("2026-03-02")
    assert answer.code == 2
    assert f"others can read {world.root / 'token'}" in answer.run["message"]
    assert f"chmod 600 {world.root / 'token'}" in answer.run["message"]
    assert world.control.log() == []
    assert world.placier("doctor").code == 2
