"""A box office's depot for the tests: a folder, a real SFTP server over it, and the client's own files."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from pathlib import Path

import asyncssh

from pipeline.config import SftpSource as Settings
from pipeline.sandbox.sftp import Porter, SftpDrop, User, make_key
from pipeline.sources import Progress
from pipeline.sources.sftp import Patience, SftpSource, open_sftp

USER = "placier"
PASSWORD = "mot de passe d'été"
USUAL = Patience()


@dataclass
class Depot:
    """`root` is what the server shows; `base` holds the client's key and pinned host keys; `pauses` what it slept."""

    root: Path
    base: Path
    pauses: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.root.mkdir(parents=True, exist_ok=True)
        self.key = self.base / "id_ed25519"
        self.public = make_key(self.key)
        self.known_hosts = self.base / "known_hosts"
        self.into = self.base / "arrivals"

    def put(self, name: str, content: bytes = b"courriel\n") -> Path:
        path = self.root / name
        path.write_bytes(content)
        return path

    def drop(self, server: type[asyncssh.SFTPServer] = asyncssh.SFTPServer, porter: type[Porter] = Porter) -> SftpDrop:
        """A server, not started yet."""
        users = {USER: User(key=self.public), "billetterie": User(password=PASSWORD)}
        return SftpDrop(self.root, self.base / "server", users, server=server, porter=porter)

    def settings(self, port: int, **changes: object) -> Settings:
        usual = {
            "kind": "sftp",
            "host": "127.0.0.1",
            "port": port,
            "user": USER,
            "key_file": "id_ed25519",
            "directory": "/",
            "connect_timeout": 10.0,
            "read_timeout": 10.0,
        }
        return Settings.model_validate({**usual, **changes})

    def knock(
        self,
        settings: Settings,
        *,
        key: Path | None = None,
        progress: Progress | None = None,
        patience: Patience = USUAL,
    ) -> SftpSource:
        """Connect with our key; the host keys must have been pinned (or not) by the test."""
        return open_sftp(
            settings,
            key or self.key,
            None,
            self.known_hosts,
            progress=progress,
            sleep=self.pauses.append,
            patience=patience,
        )

    def source(
        self, drop: SftpDrop, *, progress: Progress | None = None, patience: Patience = USUAL, **changes: object
    ) -> SftpSource:
        """Connect to a running server whose key is pinned."""
        self.known_hosts.write_text(drop.host_key_line())
        return self.knock(self.settings(drop.port, **changes), progress=progress, patience=patience)


def free_port() -> int:
    """A port that nothing listens at."""
    with socket.socket() as finder:
        finder.bind(("127.0.0.1", 0))
        port: int = finder.getsockname()[1]
        return port
