"""An SFTP session with paramiko: who we connect to, as whom, what can go wrong and how it is told.

The server must show the host key pinned in `known_hosts`.  Every exception of paramiko, of sockets and of the server is
turned into a SourceError here, and nowhere else.
"""

from __future__ import annotations

import errno
import logging
import shlex
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Never

import paramiko

from pipeline import config
from pipeline.errors import PlacierError, SourceError, SourceUnavailable, UsageError
from pipeline.sources.stream import Client, Transport

KEEP_ALIVE = 30
"""Seconds between the signs of life sent to the server."""

LOG = "pipeline.sources.paramiko"

AGAIN = "the same command again later; `placier doctor` tries the connection alone"

SILENCE = {"No existing session", "Authentication timeout.", "Timeout opening channel."}
"""paramiko's words for a server that says nothing, where it does not raise TimeoutError."""

GONE = (
    "dropped",
    "Socket is closed",
    "EOF",
    "SSH protocol banner",
    "Channel closed",
    "not active",
    "Negotiation failed",
)
"""paramiko's words for a connection that is gone."""


@dataclass(frozen=True, slots=True)
class Door:
    """The server's door: its address and time-outs (`server`), our private key or password, the pinned host keys.

    With a key, the password is the key's passphrase if it has one; it is then never shown to the server.
    """

    server: config.SftpSource
    key: Path | None
    password: str | None = field(repr=False)
    known_hosts: Path

    @property
    def place(self) -> str:
        """HOST:PORT, for messages."""
        return f"{self.server.host}:{self.server.port}"

    @property
    def pinned_name(self) -> str:
        """The host as `known_hosts` writes it."""
        return self.server.host if self.server.port == 22 else f"[{self.server.host}]:{self.server.port}"

    def pin(self, kind: str = "ssh-ed25519") -> str:
        """The command that pins a host key of that type."""
        short = next((name for name in ("ed25519", "ecdsa") if name in kind), "rsa")
        host, file = shlex.quote(self.server.host), shlex.quote(str(self.known_hosts))
        return f"ssh-keyscan -p {self.server.port} -t {short} {host} >> {file}"

    def unpin(self, name: str = "") -> str:
        """The command that forgets the host's keys, which are pinned under `name`."""
        return f"ssh-keygen -R {shlex.quote(name or self.pinned_name)} -f {shlex.quote(str(self.known_hosts))}"

    def mend(self) -> str:
        """What to do about a file of pins that cannot be understood: it is never thrown away, for it may revoke a key."""
        return (
            f"look at it: cat {shlex.quote(str(self.known_hosts))}; each line is a host, a type and a key. A key that is marked"
            " @revoked must never be pinned again: ask the venue. @cert-authority is not understood: leave such a line out"
        )

    def pinned_in(self, pins: paramiko.HostKeys) -> str:
        """Under which name the host is pinned: with its port, else without, as OpenSSH's client looks for it."""
        plain = pins.lookup(self.pinned_name) is None and pins.lookup(self.server.host) is not None
        return self.server.host if plain else self.pinned_name


class Session:
    """An open session: `sftp` speaks to the server until `close`, which never raises."""

    def __init__(self, client: paramiko.SSHClient, sftp: Client) -> None:
        self._client = client
        self.sftp = sftp

    def close(self) -> None:
        """Drop the connection, whatever is under way."""
        with suppress(Exception):
            self._client.close()


def connect(door: Door) -> Session:
    """Open a session; SourceError (SourceUnavailable when another try may do), UsageError for a key file of no use."""
    client = paramiko.SSHClient()
    client.set_log_channel(LOG)
    logging.getLogger(LOG).setLevel(logging.CRITICAL)  # what it would log, with a traceback, comes out as a SourceError
    client.set_missing_host_key_policy(_Refusal(door))
    _load_pinned(client, door)
    key, password = _credentials(door)
    timeout = door.server.connect_timeout
    with explained(door, "connecting"):
        line = socket.create_connection((door.server.host, door.server.port), timeout)
        try:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.connect(
                door.server.host,
                door.server.port,
                door.server.user,
                password,
                key,
                sock=line,
                timeout=timeout,
                banner_timeout=2 * timeout,  # so that silence is `timeout`'s to tell, and only a hang-up the banner's
                auth_timeout=timeout,
                channel_timeout=timeout,
                allow_agent=False,
                look_for_keys=False,
                transport_factory=Transport,  # type: ignore[arg-type]  # the stubs ask for arguments that are ignored
            )
            return Session(client, _sftp(client, door))
        except BaseException:
            client.close()
            line.close()
            raise


@contextmanager
def explained(door: Door, doing: str) -> Iterator[None]:
    """Turn what goes wrong in the block, while `doing` something, into a SourceError with what, where and remedy."""
    try:
        yield
    except PlacierError:
        raise
    except Exception as error:  # a server out of its mind makes paramiko raise anything, struct.error included
        raise _explanation(error, door, doing) from error


def _load_pinned(client: paramiko.SSHClient, door: Door) -> None:
    try:
        client.load_host_keys(str(door.known_hosts))
        pins = client.get_host_keys()
        for kind, key in ((pins.lookup(door.pinned_in(pins)) or {}) if door.server.port != 22 else {}).items():
            pins.add(door.pinned_name, kind, key)  # the name that paramiko looks for; in memory alone
    except OSError as error:
        raise SourceError(
            f"the file of pinned host keys {door.known_hosts} cannot be read ({error.strerror}): "
            f"{door.place} cannot be told from an impostor",
            f"{door.pin()}, then compare `ssh-keygen -lf {shlex.quote(str(door.known_hosts))}` with what the venue says",
        ) from error
    except Exception as error:  # paramiko's parser has no single exception for a bad line
        raise SourceError(
            f"the file of pinned host keys {door.known_hosts} cannot be understood ({type(error).__name__})",
            door.mend(),
        ) from error


def _credentials(door: Door) -> tuple[paramiko.PKey | None, str | None]:
    """The private key and the password to show to the server."""
    if door.key is None:
        return None, door.password
    config.check_private(door.key, "source.key_file")
    try:
        return paramiko.PKey.from_path(door.key), door.password
    except TypeError as error:  # the key has a passphrase
        if not door.password:
            raise UsageError(
                f"source.key_file: {door.key} has a passphrase", "give it through source.password_env, or remove it"
            ) from error
    except Exception as error:
        raise _no_key(door.key) from error
    try:
        return paramiko.PKey.from_path(door.key, door.password.encode()), None  # type: ignore[arg-type]  # bytes it is
    except Exception as error:
        raise _no_key(door.key) from error


def _no_key(path: Path) -> UsageError:
    return UsageError(
        f"source.key_file: {path} is not a private key that can be opened (type, damage, or a wrong passphrase)",
        f"ssh-keygen -y -f {shlex.quote(str(path))}",
    )


class _Refusal(paramiko.RejectPolicy):
    """Refuses a host that is not pinned, and says how to pin it."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def missing_host_key(self, client: paramiko.SSHClient, hostname: str, key: paramiko.PKey) -> Never:
        raise SourceError(
            f"{self._door.place} is not pinned in {self._door.known_hosts}; it presented the host key "
            f"{key.fingerprint} ({key.get_name()})",
            f"compare this fingerprint with the one the venue gives, then: {self._door.pin(key.get_name())}",
        )


def _sftp(client: paramiko.SSHClient, door: Door) -> Client:
    transport = client.get_transport()
    if transport is None:
        raise EOFError("no transport")
    transport.set_keepalive(KEEP_ALIVE)
    with _deadline(door.server.connect_timeout, transport):
        channel = transport.open_session(timeout=door.server.connect_timeout)
        channel.settimeout(door.server.read_timeout)
        channel.invoke_subsystem("sftp")
        return Client(channel)


@contextmanager
def _deadline(seconds: float, transport: paramiko.Transport) -> Iterator[None]:
    """TimeoutError when the block lasts longer: paramiko itself waits for the answer to a subsystem request for ever."""
    late = threading.Event()

    def end() -> None:
        late.set()
        transport.close()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if late.is_set():
            raise TimeoutError("no SFTP session") from error
        raise
    finally:
        timer.cancel()


def _explanation(error: Exception, door: Door, doing: str) -> SourceError:
    said = str(error)
    if isinstance(error, paramiko.BadHostKeyException):
        return SourceError(
            f"{door.place} is not the server that is pinned: it presented the host key {error.key.fingerprint} "
            f"({error.key.get_name()}), {door.known_hosts} has {error.expected_key.fingerprint}; it may be an attack",
            f"ask the venue; only if it says that its key has changed to this one: {door.unpin()}; "
            f"{door.pin(error.key.get_name())}",
        )
    if isinstance(error, paramiko.AuthenticationException) and "EOF" not in said and "timeout" not in said:
        return _not_let_in(error, door)
    if isinstance(error, OSError) and error.errno == errno.ENOENT:
        wrong = "and correct source.directory" if doing.startswith("listing") else "and ask the venue for the file"
        return SourceError(
            f"{door.place} says that there is no such file or folder, while {doing}",
            f"look with `sftp -P {door.server.port} {door.server.user}@{door.server.host}`, {wrong}",
        )
    if isinstance(error, OSError) and error.errno in {errno.EACCES, errno.EPERM}:
        return SourceError(
            f"{door.place} denies permission while {doing}", f"ask the venue to let the user {door.server.user} read it"
        )
    if "Incompatible" in said:
        return SourceError(
            f"{door.place} and this program have no algorithm in common ({_clean(said)})", "tell the venue"
        )
    return _unreachable(error, door, doing) or SourceError(
        f"{door.place} failed while {doing} ({type(error).__name__}: {_clean(said)})", AGAIN
    )


def _unreachable(error: Exception, door: Door, doing: str) -> SourceError | None:
    """What is the network's, or a silent or vanished server's; nearly always passing."""
    if isinstance(error, socket.gaierror):
        kind = SourceUnavailable if error.errno == socket.EAI_AGAIN else SourceError
        return kind(
            f"the host {door.server.host!r} is not found ({error.strerror})", "correct source.host, or mend the DNS"
        )
    if isinstance(error, UnicodeError):
        return SourceError(f"{door.server.host!r} is not the name of a host", "correct source.host")
    if isinstance(error, TimeoutError) or str(error) in SILENCE:
        return SourceUnavailable(f"{door.place} gave no answer in time while {doing}", AGAIN)
    if isinstance(error, ConnectionRefusedError):
        return SourceUnavailable(
            f"nothing listens at {door.place}: connection refused", f"check source.host, source.port; {AGAIN}"
        )
    if isinstance(error, OSError) and error.errno in {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN}:
        return SourceUnavailable(f"{door.place} cannot be reached ({error.strerror})", f"check the network; {AGAIN}")
    if isinstance(error, (EOFError, ConnectionError)) or (
        isinstance(error, (OSError, paramiko.SSHException)) and any(word in str(error) for word in GONE)
    ):
        return SourceUnavailable(f"{door.place} dropped the connection while {doing}", AGAIN)
    return None


def _not_let_in(error: paramiko.AuthenticationException, door: Door) -> SourceError:
    shown = "key" if door.key is not None else "password"
    remedy = "check source.user and the variable of source.password_env"
    if door.key is not None:
        public = f"ssh-keygen -y -f {shlex.quote(str(door.key))}"
        remedy = f"check source.user; ask the venue to accept the key that this prints: {public}"
    if isinstance(error, paramiko.BadAuthenticationType):
        remedy += f" (the server accepts: {', '.join(map(_clean, error.allowed_types))})"
    return SourceError(f"{door.place} refused the {shown} of the user {door.server.user!r}", remedy)


def _clean(text: str) -> str:
    """A server's words, fit for a message."""
    return "".join(character for character in text if character.isprintable())[:120]
