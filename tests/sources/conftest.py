"""The depots that the tests of the sources fetch from."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .depot import Depot, free_port

SSHD = "/usr/sbin/sshd"


@pytest.fixture
def depot(tmp_path: Path) -> Depot:
    """An empty depot."""
    return Depot(tmp_path / "depot", tmp_path)


@dataclass(frozen=True)
class OpenSsh:
    """A running sshd: `chroot` is its users' `/`, the depot is `/depot` in it, `host_key` the line of known_hosts."""

    port: int
    pid: int
    chroot: Path
    depot: Depot
    host_key: str


@pytest.fixture(scope="module")
def account() -> Iterator[str]:
    """A made user that can log in with a key only: its password field is `*`."""
    if os.geteuid() != 0 or not Path(SSHD).exists():
        pytest.skip("needs OpenSSH's server, and root: apt-get install openssh-server, then run the tests as root")
    name = f"placier-{os.getpid()}"
    command = ["useradd", "-M", "-N", "-d", "/", "-s", "/usr/sbin/nologin", "-p", "*", name]
    for _ in range(20):  # another worker may hold the lock of the password file
        if subprocess.run(command, check=False, capture_output=True).returncode == 0:
            break
        time.sleep(0.2)
    pwd.getpwnam(name)
    yield name
    subprocess.run(["userdel", name], check=False, capture_output=True)


@pytest.fixture
def openssh(account: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[OpenSsh]:
    """A real sshd: keys only, chrooted internal-sftp, or the command of the parameter.

    The chroot and all above it must be root's and writable by nobody else: never below a temporary folder.
    """
    home = Path(tempfile.mkdtemp(prefix="placier-sshd-", dir="/var/lib"))
    try:
        home.chmod(0o755)
        chroot = home / "chroot"
        depot = Depot(chroot / "depot", tmp_path)
        (home / "authorized_keys").write_text(depot.public + "\n")
        (home / "authorized_keys").chmod(0o644)  # sshd reads it as the user, whatever the umask
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / "host_key"], check=True)
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        port = free_port()
        (home / "sshd_config").write_text(
            f"""ListenAddress 127.0.0.1:{port}
HostKey {home}/host_key
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthorizedKeysFile {home}/authorized_keys
AllowUsers {account}
ChrootDirectory {chroot}
Subsystem sftp internal-sftp
ForceCommand {getattr(request, "param", "internal-sftp")}
"""
        )
        with (home / "log").open("wb") as log:
            server = subprocess.Popen([SSHD, "-D", "-e", "-f", home / "sshd_config"], stderr=log)
        try:
            _wait_for(port, home / "log")
            kind, line = (home / "host_key.pub").read_text().split()[:2]
            yield OpenSsh(port, server.pid, chroot, depot, f"[127.0.0.1]:{port} {kind} {line}\n")
        finally:
            server.terminate()
            server.wait(10)
    finally:
        shutil.rmtree(home)


def _wait_for(port: int, log: Path) -> None:
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except ConnectionRefusedError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"sshd did not start: {log.read_text()}")
