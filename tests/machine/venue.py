"""Where a history is played: an SFTP drop that fails on purpose, the platform's stand-in, a state on either database."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import asyncssh
import psycopg
from sqlalchemy import create_engine, text
from world import Answer, World

from machine.history import History, Trick
from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.serve import PlatformServer
from pipeline.sandbox.sftp import SftpDrop, User, make_key
from pipeline.store.database import open_database
from pipeline.store.tables import metadata

DATABASE = f"machine_{os.getpid()}"


@dataclass
class Mischief:
    """The tricks in wait at the drop; `struck` are those that were played, `closed` counts the files that were read."""

    waiting: list[Trick] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    struck: list[Trick] = field(default_factory=list)
    closed: int = 0

    def lay(self, *tricks: Trick) -> None:
        self.waiting, self.seen, self.struck, self.closed = list(tricks), {}, [], 0

    def strike(self, operation: str) -> Trick | None:
        self.seen[operation] = self.seen.get(operation, 0) + 1
        for trick in self.waiting:
            if trick.operation == operation and trick.nth <= self.seen[operation]:
                self.waiting.remove(trick)
                self.struck.append(trick)
                return trick
        return None


class Depot(asyncssh.SFTPServer):
    """A drop that plays the tricks of `mischief`."""

    mischief: ClassVar[Mischief]

    async def _meet(self, operation: str) -> Trick | None:
        trick = self.mischief.strike(operation)
        if trick is None or trick.kind == "short":
            return trick
        if trick.kind == "error":
            raise asyncssh.SFTPFailure("en panne")
        if trick.kind == "drop":
            self.connection.abort()
        await self.connection.wait_closed()
        raise asyncssh.SFTPConnectionLost("partie")

    async def scandir(self, path: bytes) -> AsyncIterator[asyncssh.SFTPName]:
        await self._meet("list")
        async for entry in super().scandir(path):
            yield entry

    async def lstat(self, path: bytes) -> os.stat_result:
        await self._meet("look")
        return super().lstat(path)

    async def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        await self._meet("open")
        return super().open(path, pflags, attrs)

    async def read(self, file_obj: object, offset: int, size: int) -> bytes:
        trick = await self._meet("read")
        return b"" if trick is not None else super().read(file_obj, offset, size)

    async def close(self, file_obj: object) -> None:
        super().close(file_obj)
        await self._meet("close")
        self.mischief.closed += 1


@dataclass
class Place:
    """The servers of one worker, and an empty state on each database."""

    root: Path
    server: PlatformServer
    control: SandboxControl
    drop: SftpDrop
    mischief: Mischief
    empty: Path
    postgres: str
    count: int = 0

    def venue(self, database: str, history: History) -> Venue:
        """A new account: empty drop, empty state, new platform."""
        self.count += 1
        self.mischief.lay()
        self.control.reset()
        for file in (self.root / "depot").iterdir():
            file.unlink()
        shutil.rmtree(self.root / f"{self.count - 1}", ignore_errors=True)
        folder = self.root / str(self.count)
        (folder / "var").mkdir(parents=True)
        if database == "sqlite":
            url = f"sqlite:///{folder}/var/placier.db"
            shutil.copy(self.empty, folder / "var" / "placier.db")
        else:
            url = self.postgres
            emptied(url)
        return Venue(
            folder,
            self.server,
            self.control,
            state_url=url,
            policy=dict(history.policy),
            place=self,
            two_files=history.two_files,
        )


def emptied(url: str) -> None:
    """Every row of every table gone, and everybody else put out."""
    engine = create_engine(url)
    with engine.begin() as connection:
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"
        connection.execute(text(others))
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
    engine.dispose()


@contextlib.contextmanager
def place(root: Path, postgres: str) -> Iterator[Place]:
    """The servers run; `postgres` is the address of a PostgreSQL server, for libpq."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")  # the module may be entered again
        connection.execute(f"CREATE DATABASE {DATABASE}")
    url = postgres.replace("postgresql://", "postgresql+psycopg://").replace("/postgres?", f"/{DATABASE}?")
    mischief = Mischief()
    (root / "depot").mkdir()
    public = make_key(root / "secrets" / "id_ed25519")
    kind = type("Depot", (Depot,), {"mischief": mischief})
    empty = root / "empty.db"
    open_database(f"sqlite:///{empty}").close()
    open_database(url).close()
    (root / "tmp").mkdir()
    with (
        PlatformServer(root / "platform.db", checking="off") as server,
        SandboxControl(server.url) as control,
        SftpDrop(root / "depot", root / "secrets", {"placier": User(key=public)}, server=kind) as drop,
    ):
        (root / "secrets" / "known_hosts").write_text(drop.host_key_line())
        yield Place(root, server, control, drop, mischief, empty, url)


@dataclass
class Venue(World):
    """One account, `demo`, whose files come over SFTP; nothing that it waits for takes long."""

    place: Place = field(kw_only=True)
    two_files: bool = False

    @property
    def drop(self) -> Path:
        return self.place.root / "depot"

    def write_config(self) -> None:
        self.platform = {
            "timeout": 0.4,
            "batch_deadline": 0.25,
            "first_pause": 0.01,
            "retries": 3,
            **self.platform,
        }
        self.guard = {"max_volume_ratio": 1e6, **self.guard}
        secrets = self.place.root / "secrets"
        self.source = {
            "kind": "sftp",
            "host": "127.0.0.1",
            "port": self.place.drop.port,
            "user": "placier",
            "directory": "/",
            "key_file": str(secrets / "id_ed25519"),
            "known_hosts": str(secrets / "known_hosts"),
            "read_timeout": 0.4,
            "first_pause": 0.01,
            "transactions": "" if self.two_files else "{organisation}_{date:%Y%m%d}.csv",
        }
        super().write_config()
        file = self.config / "accounts" / "demo.toml"
        file.write_text(file.read_text().replace('path = "depot"\n', ""))

    def placier(self, *words: str, json_too: bool = True) -> Answer:
        before, tempfile.tempdir = tempfile.tempdir, str(self.place.root / "tmp")
        try:
            return super().placier(*words, json_too=json_too)
        finally:
            tempfile.tempdir = before

    def left_behind(self) -> list[str]:
        """Files that are only for a while, and are still there."""
        unfinished = [path.name for path in (self.root / "var").rglob("*") if path.suffix in {".part", ".tmp"}]
        desks = self.root / "var" / "work"
        return [*unfinished, *os.listdir(self.place.root / "tmp"), *(os.listdir(desks) if desks.exists() else ())]
