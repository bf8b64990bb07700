"""The SFTP source against an SFTP server that can fail on purpose (asyncssh)."""

from __future__ import annotations

import os
import socket
import stat
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh
import pytest

from pipeline.errors import SourceError, UntrustedFile, UsageError
from pipeline.sandbox.sftp import HOST_KEY, make_key
from pipeline.sources import Source
from pipeline.sources.sftp import Patience, open_sftp

from .depot import PASSWORD, Depot, free_port

BIG = bytes(range(256)) * 8192  # 2 MiB


class Fault(asyncssh.SFTPServer):
    """A server whose faults are set on a subclass made for one test; `served` counts the bytes read from it."""

    served = 0
    reads = 0

    @classmethod
    def fresh(cls) -> type[Fault]:
        return type(cls.__name__, (cls,), {})

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        data = super().read(file_obj, offset, size)
        assert isinstance(data, bytes)
        type(self).served += len(data)
        type(self).reads += 1
        return data


class DropsOnce(Fault):
    """Hangs up in the middle of the first transfer."""

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        if self.reads == 20:
            type(self).reads += 1
            self.connection.abort()
        return super().read(file_obj, offset, size)


class AlwaysDrops(Fault):
    """Hangs up at every read."""

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        type(self).reads += 1
        self.connection.abort()
        return b""


class EndsEarly(Fault):
    """Says "end of file" after 100 000 bytes."""

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        return super().read(file_obj, offset, max(0, min(size, 100_000 - offset)))


class EndsEarlyOnce(Fault):
    """Says "end of file" in the middle, once."""

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        if self.reads < 10 and offset >= 100_000:
            type(self).reads = 10
            return b""
        return super().read(file_obj, offset, size)


class ReadsShort(Fault):
    """Gives less than was asked for, as the protocol allows."""

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        return super().read(file_obj, offset, min(size, 20_000))


class ReadsLong(Fault):
    """Gives more than was asked for, until the file ends."""

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        return super().read(file_obj, offset, size + 10)


class GrowsWhenLookedAt(Fault):
    """The file is longer at every look."""

    def lstat(self, path: bytes) -> os.stat_result:
        with open(self.map_path(path), "ab") as file:
            file.write(b"more\n")
        return os.lstat(self.map_path(path))


class GrowsWhenRead(Fault):
    """The file grows while it is read."""

    def read(self, file_obj: object, offset: int, size: int) -> bytes:
        with open(self.map_path(b"/jour.csv"), "ab") as file:
            file.write(b"more\n")
        return super().read(file_obj, offset, size)


class ReplacedByTheDrop(DropsOnce):
    """When the client comes back after the drop, the file is another one."""

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        path_here = Path(os.fsdecode(self.map_path(path)))
        result = super().open(path, pflags, attrs)
        path_here.with_suffix(".new").write_bytes(BIG + b"x")
        path_here.with_suffix(".new").replace(path_here)
        return result


class HangsOnRead(asyncssh.SFTPServer):
    """Takes the request and never answers."""

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        await self.connection.wait_closed()
        return b""


class HangsOnListing(asyncssh.SFTPServer):
    """Never says what is in the folder."""

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        await self.connection.wait_closed()
        yield asyncssh.SFTPName(b"never")


class Hostile(asyncssh.SFTPServer):
    """Lists names that want out of the folder, and one in Windows-1252."""

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        regular = asyncssh.SFTPAttrs(size=1, permissions=stat.S_IFREG | 0o644)
        for name in (
            b"..",
            b"../../etc/cron.d/x",
            b"/etc/passwd",
            b"a\\b.csv",
            b"a\nb.csv",
            b".cache",
            b"\xe9t\xe9.csv",
        ):
            yield asyncssh.SFTPName(name, attrs=regular)
        yield asyncssh.SFTPName("été.csv".encode(), attrs=regular)
        yield asyncssh.SFTPName(b"x" * 300, attrs=regular)
        yield asyncssh.SFTPName(b"sans-type.csv", attrs=asyncssh.SFTPAttrs(size=1))


class Forbids(asyncssh.SFTPServer):
    """Lets nobody read anything."""

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        raise asyncssh.SFTPPermissionDenied("non")

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        raise asyncssh.SFTPPermissionDenied("non")
        yield  # what makes it a generator


class Fails(asyncssh.SFTPServer):
    """Answers the one error that says nothing."""

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        raise asyncssh.SFTPFailure("disque\x1b[31m en panne")


@contextmanager
def listening(answer: bytes = b"") -> Iterator[int]:
    """A port where something accepts, says `answer`, and nothing more."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        guests = []

        def greet() -> None:
            while True:
                try:
                    guest, _ = server.accept()
                except OSError:
                    return
                guests.append(guest)
                if answer:
                    guest.sendall(answer)

        thread = threading.Thread(target=greet)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for guest in guests:
                guest.close()


# What is taken


def test_only_regular_finished_files_are_listed(depot: Depot) -> None:
    for name in ("b.csv", "a.csv.gz", "a.csv.part", "c.TMP", ".cache"):
        depot.put(name)
    (depot.root / "dossier.csv").mkdir()
    (depot.root / "lien.csv").symlink_to(depot.root / "b.csv")
    with depot.drop() as drop:
        source: Source = depot.source(drop)
        assert source.names() == ["a.csv.gz", "b.csv"]
        source.close()


def test_names_that_want_out_are_not_listed_and_a_foreign_encoding_does_not_hide_the_rest(depot: Depot) -> None:
    with depot.drop(Hostile) as drop:
        source = depot.source(drop)
        assert source.names() == ["sans-type.csv", "été.csv"]
        source.close()


@pytest.mark.parametrize("content", [b"", b"courriel\n", BIG * 9], ids=["empty", "short", "longer than the read-ahead"])
def test_a_file_comes_whole_and_private(depot: Depot, content: bytes) -> None:
    depot.put("jour.csv", content)
    told: list[tuple[int, int]] = []
    with depot.drop() as drop:
        source = depot.source(drop, progress=lambda done, whole: told.append((done, whole)))
        fetched = source.fetch("jour.csv", depot.into)
        source.close()
    assert (fetched.name, fetched.path) == ("jour.csv", depot.into / "jour.csv")
    assert fetched.path.read_bytes() == content
    assert stat.S_IMODE(fetched.path.stat().st_mode) == 0o600
    assert os.listdir(depot.into) == ["jour.csv"]
    assert not content or told[-1] == (len(content), len(content))
    assert told == sorted(told)


def test_the_folder_of_the_configuration_is_the_one_read(depot: Depot) -> None:
    (depot.root / "été" / "billets").mkdir(parents=True)
    (depot.root / "été" / "billets" / "jour.csv").write_bytes(b"courriel\n")
    with depot.drop() as drop:
        for directory in ("/été/billets", "/été/billets/", "été/billets"):
            source = depot.source(drop, directory=directory)
            assert source.names() == ["jour.csv"]
            assert source.fetch("jour.csv", depot.into).path.read_bytes() == b"courriel\n"
            source.close()


def test_a_server_that_reads_short_is_put_up_with(depot: Depot) -> None:
    depot.put("jour.csv", BIG)
    with depot.drop(ReadsShort) as drop:
        source = depot.source(drop)
        assert source.fetch("jour.csv", depot.into).path.read_bytes() == BIG
        source.close()


def test_a_source_that_was_closed_opens_again_when_it_is_used(depot: Depot) -> None:
    depot.put("jour.csv")
    with depot.drop() as drop:
        source = depot.source(drop)
        source.close()
        source.close()
        assert source.names() == ["jour.csv"]
        source.close()


def test_a_password_is_enough(depot: Depot) -> None:
    with depot.drop() as drop:
        depot.known_hosts.write_text(drop.host_key_line())
        settings = depot.settings(drop.port, user="billetterie", key_file="", password_env="X")
        source = open_sftp(settings, None, PASSWORD, depot.known_hosts)
        assert source.names() == []
        source.close()


def test_a_key_with_a_passphrase_opens_with_the_password(depot: Depot) -> None:
    asyncssh.read_private_key(depot.key).write_private_key(depot.key, passphrase=PASSWORD)
    with depot.drop() as drop:
        depot.known_hosts.write_text(drop.host_key_line())
        open_sftp(depot.settings(drop.port), depot.key, PASSWORD, depot.known_hosts).close()
        with pytest.raises(UsageError, match="passphrase"):
            open_sftp(depot.settings(drop.port), depot.key, None, depot.known_hosts)
        with pytest.raises(UsageError, match="wrong passphrase") as caught:
            open_sftp(depot.settings(drop.port), depot.key, "autre", depot.known_hosts)
    assert "autre" not in caught.value.message + caught.value.remedy


# Whom we talk to


def test_an_unknown_server_is_refused_and_the_message_says_how_to_pin_it(depot: Depot) -> None:
    depot.known_hosts.write_text("# nobody yet\n")
    with depot.drop() as drop:
        fingerprint = asyncssh.read_private_key(depot.base / "server" / HOST_KEY).get_fingerprint()
        with pytest.raises(SourceError, match="is not pinned") as caught:
            depot.knock(depot.settings(drop.port))
        assert fingerprint in caught.value.message
        assert f"ssh-keyscan -p {drop.port} -t ed25519 127.0.0.1 >> {depot.known_hosts}" in caught.value.remedy


def test_a_changed_server_key_is_refused_as_a_possible_attack(depot: Depot) -> None:
    with depot.drop() as drop:
        other = make_key(depot.base / "other")
        depot.known_hosts.write_text(f"[127.0.0.1]:{drop.port} {other}\n")
        fingerprint = asyncssh.read_private_key(depot.base / "server" / HOST_KEY).get_fingerprint()
        with pytest.raises(SourceError, match="it may be an attack") as caught:
            depot.knock(depot.settings(drop.port))
        assert fingerprint in caught.value.message
        assert f"ssh-keygen -R '[127.0.0.1]:{drop.port}' -f {depot.known_hosts}" in caught.value.remedy
    assert depot.pauses == []


def test_the_key_of_another_port_pins_nothing(depot: Depot) -> None:
    with depot.drop() as drop:
        depot.known_hosts.write_text(drop.host_key_line().replace(f"]:{drop.port}", "]:1"))
        with pytest.raises(SourceError, match="is not pinned"):
            depot.knock(depot.settings(drop.port))


def test_missing_host_keys_are_told_before_anything_is_sent(depot: Depot) -> None:
    with pytest.raises(SourceError, match="cannot be read") as caught:
        depot.knock(depot.settings(2222))
    assert f"ssh-keyscan -p 2222 -t ed25519 127.0.0.1 >> {depot.known_hosts}" in caught.value.remedy


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"h ssh-ed25519 AAAA\n", b"@revoked h ssh-ed25519 AAAA\n"])
def test_host_keys_that_cannot_be_understood_pin_nothing(depot: Depot, content: bytes) -> None:
    depot.known_hosts.write_bytes(content)
    with depot.drop() as drop, pytest.raises(SourceError, match="cannot be understood|is not pinned") as caught:
        depot.knock(depot.settings(drop.port))
    assert "rm " not in caught.value.remedy, "it may revoke a key"


# Who we are


def test_a_key_that_the_server_does_not_know_is_refused_at_once(depot: Depot) -> None:
    stranger = depot.base / "stranger"
    make_key(stranger)
    with depot.drop() as drop:
        depot.known_hosts.write_text(drop.host_key_line())
        with pytest.raises(SourceError, match="refused the key of the user 'placier'") as caught:
            depot.knock(depot.settings(drop.port), key=stranger)
    assert f"ssh-keygen -y -f {stranger}" in caught.value.remedy
    assert depot.pauses == []


def test_a_wrong_password_is_refused_and_never_told(depot: Depot) -> None:
    with depot.drop() as drop:
        depot.known_hosts.write_text(drop.host_key_line())
        settings = depot.settings(drop.port, user="billetterie", key_file="", password_env="X")
        with pytest.raises(SourceError, match="refused the password of the user 'billetterie'") as caught:
            open_sftp(settings, None, "pas le bon", depot.known_hosts)
    assert "pas le bon" not in caught.value.message + caught.value.remedy


def test_a_key_that_others_can_read_is_not_used(depot: Depot) -> None:
    depot.key.chmod(0o644)
    depot.known_hosts.touch()
    with pytest.raises(UsageError, match="others can read") as caught:
        depot.knock(depot.settings(free_port()))
    assert caught.value.remedy == f"chmod 600 {depot.key}"


def test_a_file_that_is_no_private_key_is_told(depot: Depot) -> None:
    depot.key.write_text(depot.public)
    depot.known_hosts.touch()
    with pytest.raises(UsageError, match="not a private key"):
        depot.knock(depot.settings(free_port()))


# When nobody answers


def test_a_closed_port_is_tried_again_and_told(depot: Depot) -> None:
    depot.known_hosts.touch()
    with pytest.raises(SourceError, match="nothing listens"):
        depot.knock(depot.settings(free_port()))
    assert len(depot.pauses) == Patience().knocks - 1


def test_the_pauses_between_tries_begin_as_told_and_double(depot: Depot) -> None:
    depot.known_hosts.touch()
    with pytest.raises(SourceError, match="nothing listens"):
        depot.knock(depot.settings(free_port()), patience=Patience(pause=0.25))
    assert depot.pauses == [0.25, 0.5]


def test_an_unknown_host_name_is_told(depot: Depot) -> None:
    depot.known_hosts.touch()
    with pytest.raises(SourceError, match=r"depot\.invalid"):
        depot.knock(depot.settings(22, host="depot.invalid"))


def test_a_server_that_accepts_and_says_nothing_does_not_hold_us(depot: Depot) -> None:
    depot.known_hosts.touch()
    with listening() as port, pytest.raises(SourceError, match="no answer in time while connecting"):
        depot.knock(depot.settings(port, connect_timeout=0.3))


def test_a_server_that_speaks_something_else_is_told(depot: Depot) -> None:
    depot.known_hosts.touch()
    with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port, pytest.raises(SourceError, match="while connecting"):
        depot.knock(depot.settings(port, connect_timeout=1.0))


def test_a_server_that_lets_us_in_and_then_says_nothing_does_not_hold_us(depot: Depot) -> None:
    release = threading.Event()

    class SlowAfterLogin(asyncssh.SFTPServer):
        def __init__(self, chan: asyncssh.SSHServerChannel[bytes], chroot: bytes | None = None) -> None:
            release.wait(5)  # and then it would answer
            super().__init__(chan, chroot)

    with depot.drop(SlowAfterLogin) as drop:
        try:
            with pytest.raises(SourceError, match="no answer in time while connecting"):
                depot.source(drop, patience=Patience(knocks=1), connect_timeout=0.5)
        finally:
            release.set()


@pytest.mark.parametrize("server", [HangsOnRead, HangsOnListing])
def test_a_server_that_stops_answering_does_not_hold_us(depot: Depot, server: type[asyncssh.SFTPServer]) -> None:
    depot.put("jour.csv", BIG)
    with depot.drop(server) as drop:
        source = depot.source(drop, read_timeout=0.3)
        with pytest.raises(SourceError, match="no answer in time while (reading|listing)"):
            source.fetch("jour.csv", depot.into) if server is HangsOnRead else source.names()
        source.close()
    assert len(depot.pauses) >= Patience().attempts - 1
    assert not depot.into.exists() or os.listdir(depot.into) == []


# When a transfer goes wrong


def test_a_dropped_transfer_goes_on_where_it_was(depot: Depot) -> None:
    depot.put("jour.csv", BIG * 4)
    server = DropsOnce.fresh()
    told: list[int] = []
    with depot.drop(server) as drop:
        source = depot.source(drop, progress=lambda done, whole: told.append(done))
        assert source.fetch("jour.csv", depot.into).path.read_bytes() == BIG * 4
        source.close()
    assert told == sorted(set(told))
    assert server.reads > 21


def test_a_server_that_always_drops_is_given_up_and_leaves_nothing(depot: Depot) -> None:
    depot.put("jour.csv", BIG)
    with depot.drop(AlwaysDrops.fresh()) as drop:
        source = depot.source(drop)
        with pytest.raises(SourceError, match="dropped the connection"):
            source.fetch("jour.csv", depot.into)
        source.close()
    assert os.listdir(depot.into) == []


def test_a_file_replaced_during_a_drop_is_not_pieced_together(depot: Depot) -> None:
    depot.put("jour.csv", BIG)
    with depot.drop(ReplacedByTheDrop.fresh()) as drop:
        source = depot.source(drop)
        with pytest.raises(UntrustedFile, match="still changing"):
            source.fetch("jour.csv", depot.into)
        source.close()
    assert os.listdir(depot.into) == []


def test_a_transfer_that_the_server_ends_early_is_no_file(depot: Depot) -> None:
    depot.put("jour.csv", BIG)
    with depot.drop(EndsEarly.fresh()) as drop:
        source = depot.source(drop)
        with pytest.raises(UntrustedFile, match=f"ended the transfer at 100000 of {len(BIG)} bytes"):
            source.fetch("jour.csv", depot.into)
        source.close()
    assert os.listdir(depot.into) == []


def test_a_server_that_gives_more_than_was_asked_for_is_not_believed(depot: Depot) -> None:
    depot.put("jour.csv", BIG[:-10])
    with depot.drop(ReadsLong.fresh()) as drop:
        source = depot.source(drop)
        with pytest.raises(SourceError, match="more data than was asked for"):
            source.fetch("jour.csv", depot.into)
        source.close()
    assert os.listdir(depot.into) == []


def test_a_transfer_that_ended_early_once_is_completed(depot: Depot) -> None:
    depot.put("jour.csv", BIG)
    with depot.drop(EndsEarlyOnce.fresh()) as drop:
        source = depot.source(drop)
        assert source.fetch("jour.csv", depot.into).path.read_bytes() == BIG
        source.close()


@pytest.mark.parametrize("server", [GrowsWhenLookedAt, GrowsWhenRead])
def test_a_file_that_grows_is_not_taken(depot: Depot, server: type[Fault]) -> None:
    depot.put("jour.csv", BIG)
    with depot.drop(server.fresh()) as drop:
        source = depot.source(drop)
        with pytest.raises(UntrustedFile, match="size is still changing"):
            source.fetch("jour.csv", depot.into)
        source.close()
    assert not depot.into.exists() or os.listdir(depot.into) == []


def test_the_two_looks_at_a_file_are_apart(depot: Depot) -> None:
    depot.put("jour.csv")
    with depot.drop() as drop:
        source = depot.source(drop)
        source.fetch("jour.csv", depot.into)
        source.close()
    assert depot.pauses == [Patience().settle]


def test_a_transfer_that_takes_for_ever_is_given_up(depot: Depot) -> None:
    depot.put("jour.csv", BIG)
    with depot.drop() as drop:
        depot.known_hosts.write_text(drop.host_key_line())
        source = open_sftp(
            depot.settings(drop.port),
            depot.key,
            None,
            depot.known_hosts,
            sleep=depot.pauses.append,
            clock=iter(range(0, 10**6, 600)).__next__,
        )
        with pytest.raises(SourceError, match="is too slow"):
            source.fetch("jour.csv", depot.into)
        source.close()


# What is not there, or not ours


def test_a_folder_that_is_not_there_is_named(depot: Depot) -> None:
    with depot.drop() as drop:
        source = depot.source(drop, directory="/nulle-part")
        with pytest.raises(SourceError, match="no such file or folder, while listing the folder /nulle-part") as caught:
            source.names()
        assert "source.directory" in caught.value.remedy
        source.close()


def test_a_file_that_is_gone_is_named(depot: Depot) -> None:
    with depot.drop() as drop:
        source = depot.source(drop)
        with pytest.raises(SourceError, match=r"no such file or folder, while looking at jour\.csv"):
            source.fetch("jour.csv", depot.into)
        source.close()


def test_what_may_not_be_read_is_told(depot: Depot) -> None:
    depot.put("jour.csv")
    with depot.drop(Forbids) as drop:
        source = depot.source(drop)
        with pytest.raises(SourceError, match="denies permission while listing the folder /"):
            source.names()
        with pytest.raises(SourceError, match=r"denies permission while opening jour\.csv"):
            source.fetch("jour.csv", depot.into)
        source.close()


def test_a_servers_own_words_are_told_without_their_control_characters(depot: Depot) -> None:
    depot.put("jour.csv")
    with depot.drop(Fails) as drop:
        source = depot.source(drop)
        with pytest.raises(SourceError, match=r"while opening jour\.csv .*disque\[31m en panne"):
            source.fetch("jour.csv", depot.into)
        source.close()


def test_a_link_is_never_followed(depot: Depot) -> None:
    (depot.root / "lien.csv").symlink_to(depot.put("jour.csv"))
    with depot.drop() as drop:
        source = depot.source(drop)
        with pytest.raises(SourceError, match="not a regular file"):
            source.fetch("lien.csv", depot.into)
        source.close()


@pytest.mark.parametrize("name", ["../secret.csv", "/etc/passwd", "..", ".cache"])
def test_a_path_is_never_fetched(depot: Depot, name: str) -> None:
    with depot.drop() as drop:
        source = depot.source(drop)
        with pytest.raises(SourceError, match="is not the name of a file"):
            source.fetch(name, depot.into)
        source.close()
    assert not depot.into.exists()
