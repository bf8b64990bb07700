"""What a server or a folder calls its files, and where its links lead: only plain regular files of the drop are ever read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
from venue import Venue, over_sftp
from world import World, buy, text

from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.serve import PlatformServer
from pipeline.sandbox.sftp import SftpDrop, User, make_key

GOOD, EVIL = "anne@exemple.ca", "mallory@exemple.ca"
HOSTILE = (
    "Theatre_historique/../../x.csv",
    "Theatre_historique/x.csv",
    "/tmp/Theatre_historique.csv",
    "Theatre_historique\\..\\x.csv",
    "Theatre_historique..csv",
    "Theatre_historique\n.csv",
    "Theatre_historique\x1b[2J.csv",
    "Theatre_historique\u202evsc.csv",
    "Theatre_historique\x00.csv",
    "Theatre_historique" + "x" * 300 + ".csv",
    "Theatre_historique.csv.part",
)
"""Names that the pattern of the history fits, and that are no plain names."""


def content(email: str) -> str:
    return text([buy("T1", "2026-02-01 10:00:00", email)])


class Liar(asyncssh.SFTPServer):
    """Lists names that no folder can hold, and serves the same bytes under any name."""

    async def scandir(self, path: bytes) -> object:
        async for entry in super().scandir(path):
            yield entry
            if entry.filename == b"Theatre_historique.csv":
                for name in HOSTILE:
                    yield asyncssh.SFTPName(name.encode(), attrs=entry.attrs)


def links(drop: Path, outside: Path) -> None:
    """Links of every kind, under names that the pattern fits: out of the drop, absolute, into itself, to nothing."""
    (drop / "Theatre_historique_dehors.csv").symlink_to(Path("..") / outside.name)
    (drop / "Theatre_historique_absolu.csv").symlink_to(outside)
    (drop / "Theatre_historique_boucle.csv").symlink_to("Theatre_historique_boucle.csv")
    (drop / "Theatre_historique_rien.csv").symlink_to("nulle-part")
    (drop / "Theatre_historique_dossier.csv").mkdir()
    os.mkfifo(drop / "Theatre_historique_tube.csv")


def only_the_good_file_was_read(world: World, root: Path) -> None:
    before = {path for path in root.rglob("*") if "var" not in path.parts}
    answer = world.placier("backfill", "demo", "--as-of", "2026-03-01")
    assert (answer.code, answer.err) == (0, "")
    assert [file["name"] for file in answer.run["files"]] == ["Theatre_historique.csv"]
    assert set(world.content()) == {GOOD}
    assert {path for path in root.rglob("*") if "var" not in path.parts} == before
    archived = [path.name for path in (world.root / "var" / "archive").rglob("*.gz")]
    assert len(archived) == 1
    assert len(archived[0]) == 64 + len(".gz")


@pytest.fixture
def venue(tmp_path: Path, night_server: PlatformServer, night_control: SandboxControl) -> Iterator[Venue]:
    """A venue whose server lists what it likes."""
    night_control.reset()
    (tmp_path / "depot").mkdir()
    users = {"placier": User(key=make_key(tmp_path / "sandbox-key"))}
    with SftpDrop(tmp_path / "depot", tmp_path / "server", users, server=Liar) as drop:
        (tmp_path / "known_hosts").write_text(drop.host_key_line())
        source = {**over_sftp(drop.port), "key_file": "sandbox-key", "known_hosts": "known_hosts"}
        yield Venue(tmp_path, night_server, night_control, source=source)


def test_a_server_that_lies_about_its_names_and_links_leads_nowhere(venue: Venue, tmp_path: Path) -> None:
    outside = tmp_path / "dehors.csv"
    outside.write_text(content(EVIL))
    (venue.drop / "Theatre_historique.csv").write_text(content(GOOD))
    links(venue.drop, outside)
    only_the_good_file_was_read(venue, tmp_path)


def test_a_folder_with_hostile_names_and_links_leads_nowhere(world: World, tmp_path: Path) -> None:
    outside = tmp_path / "dehors.csv"
    outside.write_text(content(EVIL))
    for name in HOSTILE:
        if "/" not in name and "\0" not in name and len(name) < 255:
            (world.drop / name).write_text(content(EVIL))
    os.close(os.open(os.fsencode(world.drop) + b"/Theatre_historique\xff.csv", os.O_CREAT))
    (world.drop / "Theatre_historique.csv").write_text(content(GOOD))
    links(world.drop, outside)
    only_the_good_file_was_read(world, tmp_path)


@pytest.mark.parametrize("name", ["hist\n.csv", "hist\x1b[2J.csv", "hist\u202e.csv", "hist\udcff.csv"])
@pytest.mark.parametrize("command", ["backfill", "replay", "check"])
def test_a_file_given_by_hand_under_a_name_that_cannot_be_told(world: World, name: str, command: str) -> None:
    path = world.root / name
    path.write_text(content(GOOD))
    words = {
        "backfill": ("backfill", "demo", str(path)),
        "replay": ("replay", "demo", "2026-02-01", "--file", str(path)),
        "check": ("check", str(path)),
    }
    answer = world.placier(*words[command])
    assert answer.code == (0 if command == "check" else 2), answer.out + answer.err
    assert "unforeseen" not in answer.out + answer.err
    if command != "check":
        assert "control characters" in answer.out
        assert not list((world.root / "var").rglob("*.gz"))
