"""The sandbox's SFTP drop, seen with another client (asyncssh's own)."""

from __future__ import annotations

import asyncio
import stat
import threading
from pathlib import Path

import asyncssh
import pytest

from pipeline.sandbox.sftp import HOST_KEY, SftpDrop, User, make_key


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "depot"
    path.mkdir()
    (path / "jour.csv").write_bytes(b"courriel\n")
    (tmp_path / "secret").write_bytes(b"not in the depot\n")
    return path


async def listing(
    port: int, known_hosts: bytes, *, user: str, key: Path | None = None, password: str = ""
) -> list[str]:
    connection = await asyncssh.connect(
        "127.0.0.1",
        port,
        known_hosts=known_hosts,
        username=user,
        client_keys=[str(key)] if key else None,
        password=password or None,
        agent_path=None,
        config=None,
    )
    async with connection, connection.start_sftp_client() as sftp:
        names = await sftp.listdir("/")
    return sorted(str(name) for name in names if name not in {".", ".."})


def test_a_known_key_or_password_gets_in_and_nobody_else(root: Path, tmp_path: Path) -> None:
    key, stranger = tmp_path / "key", tmp_path / "stranger"
    users = {"placier": User(key=make_key(key)), "billetterie": User(password="été")}
    make_key(stranger)
    with SftpDrop(root, tmp_path / "data", users) as drop:
        pinned = drop.host_key_line().encode()
        assert asyncio.run(listing(drop.port, pinned, user="placier", key=key)) == ["jour.csv"]
        assert asyncio.run(listing(drop.port, pinned, user="billetterie", password="été")) == ["jour.csv"]
        for user, shown, said in (
            ("placier", stranger, ""),
            ("placier", None, "été"),
            ("billetterie", key, ""),
            ("billetterie", None, "faux"),
            ("inconnu", key, "été"),
        ):
            with pytest.raises(asyncssh.PermissionDenied):
                asyncio.run(listing(drop.port, pinned, user=user, key=shown, password=said))


def test_the_host_key_is_private_and_stays_from_one_start_to_the_next(root: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    with SftpDrop(root, data, {}) as drop:
        first = drop.host_key_line("depot.exemple.test")
        port = drop.port
    with SftpDrop(root, data, {}, port=port) as drop:
        assert drop.host_key_line("depot.exemple.test") == first
    assert first.startswith(f"[depot.exemple.test]:{port} ssh-ed25519 ")
    assert first.endswith("\n")
    assert stat.S_IMODE((data / HOST_KEY).stat().st_mode) == 0o600


def test_a_made_key_is_private_and_never_written_over(tmp_path: Path) -> None:
    public = make_key(tmp_path / "keys" / "id_ed25519")
    assert stat.S_IMODE((tmp_path / "keys" / "id_ed25519").stat().st_mode) == 0o600
    assert public.startswith("ssh-ed25519 AAAA")
    with pytest.raises(FileExistsError):
        make_key(tmp_path / "keys" / "id_ed25519")


def test_it_runs_in_the_callers_loop_too_and_stays_in_its_folder(root: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    users = {"placier": User(key=make_key(key))}

    async def visit() -> None:
        async with SftpDrop(root, tmp_path / "data", users) as drop:
            pinned = drop.host_key_line().encode()
            async with asyncssh.connect(
                "127.0.0.1", drop.port, known_hosts=pinned, username="placier", client_keys=[str(key)], config=None
            ) as connection:
                async with connection.start_sftp_client() as sftp:
                    assert not await sftp.exists("../secret")
                    async with sftp.open("nouveau.csv", "wb") as file:
                        await file.write(b"courriel\n")
                with pytest.raises(asyncssh.ChannelOpenError):
                    await connection.run("id", check=True)

    asyncio.run(visit())
    assert (root / "nouveau.csv").read_bytes() == b"courriel\n"


def test_stopping_puts_everybody_out_and_leaves_no_thread(root: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    users = {"placier": User(key=make_key(key))}

    async def stay() -> None:
        with SftpDrop(root, tmp_path / "data", users) as drop:
            connection = await asyncssh.connect(
                "127.0.0.1", drop.port, known_hosts=None, username="placier", client_keys=[str(key)], config=None
            )
        await asyncio.wait_for(connection.wait_closed(), 10)

    asyncio.run(stay())
    assert not [thread for thread in threading.enumerate() if thread.name == "sftp-drop"]


def test_a_port_that_is_taken_is_told_to_the_caller(root: Path, tmp_path: Path) -> None:
    with SftpDrop(root, tmp_path / "data", {}) as first:
        second = SftpDrop(root, tmp_path / "data", {}, port=first.port)
        with pytest.raises(OSError, match="in use"):
            second.__enter__()
