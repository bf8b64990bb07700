"""The SFTP source against a real OpenSSH server: keys only, chrooted internal-sftp."""

from __future__ import annotations

import os
import signal
from itertools import pairwise
from pathlib import Path

import pytest

from pipeline.config import SftpSource as Settings
from pipeline.errors import SourceError
from pipeline.sandbox.sftp import make_key
from pipeline.sources import Progress
from pipeline.sources.sftp import SftpSource

from .conftest import OpenSsh

BIG = bytes(range(256)) * (32 << 12)  # 32 MiB


def settings(openssh: OpenSsh, account: str, directory: str = "/depot") -> Settings:
    return openssh.depot.settings(openssh.port, user=account, directory=directory)


def pinned(openssh: OpenSsh, account: str, progress: Progress | None = None, directory: str = "/depot") -> SftpSource:
    openssh.depot.known_hosts.write_text(openssh.host_key)
    return openssh.depot.knock(settings(openssh, account, directory), progress=progress)


def test_files_are_listed_and_come_whole(openssh: OpenSsh, account: str) -> None:
    depot = openssh.depot
    for name in ("été.csv", "a.csv.gz", "b.csv.part", ".cache"):
        depot.put(name)
    depot.put("gros.csv", BIG)
    (depot.root / "dossier.csv").mkdir()
    (depot.root / "lien.csv").symlink_to("gros.csv")
    (Path(os.fsdecode(os.fsencode(depot.root) + b"/\xe9t\xe9.csv"))).touch()
    source = pinned(openssh, account)
    assert source.names() == ["a.csv.gz", "gros.csv", "été.csv"]
    assert source.fetch("gros.csv", depot.into).path.read_bytes() == BIG
    assert source.fetch("été.csv", depot.into).path.read_bytes() == b"courriel\n"
    with pytest.raises(SourceError, match="not a regular file"):
        source.fetch("lien.csv", depot.into)
    source.close()


def test_a_session_that_dies_in_the_middle_is_taken_up_again(openssh: OpenSsh, account: str) -> None:
    openssh.depot.put("gros.csv", BIG)
    told: list[int] = []

    def kill_once(done: int, whole: int) -> None:
        if not told:
            for child in children(openssh.pid):
                os.kill(child, signal.SIGKILL)
        told.append(done)

    source = pinned(openssh, account, kill_once)
    assert source.fetch("gros.csv", openssh.depot.into).path.read_bytes() == BIG
    source.close()
    assert told == sorted(set(told))
    assert 1.0 in openssh.depot.pauses


@pytest.mark.parametrize(
    ("openssh", "block"), [("internal-sftp", 255 << 10), ("internal-sftp -P limits", 32 << 10)], indirect=["openssh"]
)
def test_a_server_is_asked_for_as_much_as_it_says_that_it_gives(openssh: OpenSsh, account: str, block: int) -> None:
    openssh.depot.put("gros.csv", BIG)
    told = [0]
    source = pinned(openssh, account, lambda done, _whole: told.append(done))
    assert source.fetch("gros.csv", openssh.depot.into).path.read_bytes() == BIG
    source.close()
    assert {after - before for before, after in pairwise(told[:-1])} == {block}


def test_an_unknown_server_and_a_changed_one_are_refused(openssh: OpenSsh, account: str) -> None:
    depot = openssh.depot
    depot.known_hosts.touch()
    with pytest.raises(SourceError, match="is not pinned.*SHA256:"):
        depot.knock(settings(openssh, account))
    other = make_key(depot.base / "other")
    depot.known_hosts.write_text(f"[127.0.0.1]:{openssh.port} {other}\n")
    with pytest.raises(SourceError, match="it may be an attack"):
        depot.knock(settings(openssh, account))


def test_a_key_that_is_not_authorised_is_refused(openssh: OpenSsh, account: str) -> None:
    openssh.depot.known_hosts.write_text(openssh.host_key)
    stranger = openssh.depot.base / "stranger"
    make_key(stranger)
    with pytest.raises(SourceError, match="refused the key"):
        openssh.depot.knock(settings(openssh, account), key=stranger)


def test_what_is_missing_or_forbidden_is_named(openssh: OpenSsh, account: str) -> None:
    openssh.depot.put("jour.csv").chmod(0o600)
    source = pinned(openssh, account)
    with pytest.raises(SourceError, match=r"denies permission while opening jour\.csv"):
        source.fetch("jour.csv", openssh.depot.into)
    source.close()
    nowhere = pinned(openssh, account, directory="/nulle-part")
    with pytest.raises(SourceError, match="no such file or folder, while listing"):
        nowhere.names()
    nowhere.close()
    openssh.depot.root.chmod(0o700)
    closed = pinned(openssh, account)
    with pytest.raises(SourceError, match="denies permission while listing"):
        closed.names()
    closed.close()


def test_a_server_that_hangs_up_after_the_login_is_told(openssh: OpenSsh, account: str) -> None:
    openssh.chroot.chmod(0o777)  # sshd lets nobody into a chroot that others can write, and says so in its own log only
    with pytest.raises(SourceError, match="dropped the connection while connecting"):
        pinned(openssh, account)


def children(pid: int) -> list[int]:
    """The processes that `pid` started, and theirs."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        if parent == pid:
            found += [int(entry.name), *children(int(entry.name))]
    return found
