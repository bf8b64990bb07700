"""Which host key an SFTP server shows, before anybody logs in: what `doctor` tells, with the line that would pin it.

Nothing is ever pinned here.  A person compares the fingerprint with the one that the venue tells, then types the command.
"""

from __future__ import annotations

import shlex
import socket
from collections.abc import Mapping

import paramiko

from pipeline.errors import SourceError
from pipeline.sources.session import LOG, Door, explained


def look(door: Door) -> str:
    """A sentence when the server shows the key that is pinned; SourceError with what to type when it does not."""
    pins = _pins(door)
    name = door.pinned_in(pins)
    known: Mapping[str, paramiko.PKey] = pins.lookup(name) or {}
    key = _shown(door, next(iter(known), ""))
    shown = f"{key.fingerprint} ({key.get_name()})"
    if known.get(key.get_name()) == key:
        return f"{door.place} shows the key that is pinned, {shown}"
    line = f"{door.pinned_name} {key.get_name()} {key.get_base64()}"
    pin = f"echo {shlex.quote(line)} >> {shlex.quote(str(door.known_hosts))}"
    if not known:
        raise SourceError(
            f"{door.place} is not pinned in {door.known_hosts}; it shows the host key {shown}",
            f"ask the venue for the fingerprint of its key, by telephone; only if it is {key.fingerprint}:\n{pin}",
        )
    pinned = ", ".join(each.fingerprint for each in known.values())
    raise SourceError(
        f"{door.place} is not the server that is pinned: it shows the host key {shown}, {door.known_hosts} has {pinned};"
        " it may be an attack",
        f"ask the venue, by telephone; only if its key has changed to {key.fingerprint}:\n{door.unpin(name)}\n{pin}",
    )


def _pins(door: Door) -> paramiko.HostKeys:
    """The pinned keys; none when there is no such file yet."""
    try:
        return paramiko.HostKeys(str(door.known_hosts))
    except FileNotFoundError:
        return paramiko.HostKeys()
    except OSError as error:
        raise SourceError(
            f"the file of pinned host keys {door.known_hosts} cannot be read ({error.strerror})",
            f"ls -l {shlex.quote(str(door.known_hosts))}",
        ) from error
    except Exception as error:  # paramiko's parser has no single exception for a bad line
        raise SourceError(
            f"the file of pinned host keys {door.known_hosts} cannot be understood ({type(error).__name__})",
            door.mend(),
        ) from error


def _shown(door: Door, kind: str) -> paramiko.PKey:
    """The server's key, of the type `kind` if it has one."""
    timeout = door.server.connect_timeout
    with explained(door, "connecting"), socket.create_connection((door.server.host, door.server.port), timeout) as line:
        transport = paramiko.Transport(line)
        try:
            transport.set_log_channel(LOG)
            transport.banner_timeout = 2 * timeout
            types = transport.get_security_options()
            names = {kind, *(("rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else ())}
            types.key_types = sorted(types.key_types, key=lambda name: name not in names)
            transport.start_client(timeout=timeout)
            return transport.get_remote_server_key()
        finally:
            transport.close()
