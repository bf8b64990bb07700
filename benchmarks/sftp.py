"""The download of a large file from an OpenSSH server of this machine: OpenSSH's own client against the program's source."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from measure import CACHE, HERE, Cost, middle, spent
from place import own_folder
from report import Mark, Section, figure, table

SSHD = "/usr/sbin/sshd"
MEGABYTES = 500
ROUNDS = 5
NAME = "Banc_historique.csv"


@dataclass(frozen=True, slots=True)
class Server:
    """A running sshd and what its client needs."""

    port: int
    user: str
    key: Path
    known_hosts: Path
    depot: Path


@contextmanager
def sshd(home: Path) -> Iterator[Server]:
    """An sshd for the present user, keys only; SystemExit where there is none."""
    if not Path(SSHD).exists():
        raise SystemExit(f"there is no {SSHD}\napt-get install openssh-server")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    user, depot = getpass.getuser(), home / "depot"
    depot.mkdir()
    for name in ("host_key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", home / name], check=True)
    shutil.copy(home / "key.pub", home / "authorized_keys")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kind, line = (home / "host_key.pub").read_text().split()[:2]
    (home / "known_hosts").write_text(f"[127.0.0.1]:{port} {kind} {line}\n")
    (home / "sshd_config").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {home}/host_key\nPidFile none\nUsePAM no\nStrictModes no\n"
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
        f"AuthorizedKeysFile {home}/authorized_keys\nSubsystem sftp internal-sftp\n"
    )
    with (home / "log").open("wb") as log:
        server = subprocess.Popen([SSHD, "-D", "-e", "-f", home / "sshd_config"], stderr=log)
    try:
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except ConnectionRefusedError:
                time.sleep(0.1)
        yield Server(port, user, home / "key", home / "known_hosts", depot)
    finally:
        server.terminate()
        server.wait(10)


def _openssh(server: Server, folder: Path) -> Cost:
    batch = folder / "batch"
    batch.write_text(f"get {server.depot / NAME} {folder / NAME}\n")
    options = [
        "-i",
        server.key,
        "-o",
        f"UserKnownHostsFile={server.known_hosts}",
        "-o",
        "IdentitiesOnly=yes",
        "-F",
        "none",
    ]
    return spent(["sftp", "-q", "-b", batch, "-P", str(server.port), *options, f"{server.user}@127.0.0.1"])


def _ours(server: Server, folder: Path) -> Cost:
    words = [str(server.port), server.user, server.key, server.known_hosts, server.depot, NAME, folder]
    return spent([sys.executable, HERE / "fetch.py", *words])


def section(asked: Sequence[int] = (MEGABYTES,)) -> Section:
    """Both in turn, for RESULTS.md."""
    (megabytes,) = asked
    speeds: dict[str, list[float]] = {"OpenSSH's sftp": [], "pipeline.sources": []}
    costs: dict[str, list[Cost]] = {name: [] for name in speeds}
    with own_folder(CACHE / "work") as home, sshd(home) as server:
        with (server.depot / NAME).open("wb") as file:
            for _ in range(megabytes):
                file.write(os.urandom(1_000_000))
        for _ in range(ROUNDS):
            for name, way in zip(speeds, (_openssh, _ours), strict=True):
                with own_folder(home) as folder:
                    cost = way(server, folder)
                    if (folder / NAME).stat().st_size != megabytes * 1_000_000:
                        raise SystemExit(f"{name}: the file came down with another size")
                costs[name].append(cost)
                speeds[name].append(megabytes / (float(cost.said) if way is _ours else cost.wall))
    ratio = median(speeds["pipeline.sources"]) / median(speeds["OpenSSH's sftp"])
    rows = [
        (name, figure(median(each)), figure(min(each)), figure(max(each)), figure(middle(costs[name]).cpu))
        for name, each in speeds.items()
    ]
    body = (
        f"A file of {megabytes} MB, {ROUNDS} rounds in turn, from connecting to the file at hand (the program's"
        " imports are in its CPU, not in its speed). The server shares this machine's cores.\n\n"
        + table(("client", "MB/s (median)", "least", "most", "client's CPU s"), rows)
    )
    mark = Mark(f"SFTP, {megabytes} MB: pipeline.sources / OpenSSH's client, MB/s", "0.80 at least", f"{ratio:.2f}")
    return Section("sftp", "Download over SFTP", body, [mark])
