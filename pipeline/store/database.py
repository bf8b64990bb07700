"""Opening the state: SQLite by default, PostgreSQL by URL; the same code on both.

Every write is one short transaction.  In a *rehearsal* nothing is kept, whatever happens inside: what a dry run uses, so
that it does the very same work and leaves no trace.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic_core import from_json, to_json
from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from pipeline.errors import Busy, StateError
from pipeline.scratch import scratch
from pipeline.store import bulk
from pipeline.store.trouble import first_line, translated

HEAD = "0001"
"""The newest migration; a test holds it against the folder."""
PATIENCE = 60.0
"""Seconds that a database in use by another program is waited for."""
GONE = "-c tcp_keepalives_idle=20 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=4"
"""The server's side of it: a machine that is gone without a word holds its account's lock for 40 seconds at most."""
WHOLE = "-c cursor_tuple_fraction=1 -c work_mem=64MB -c maintenance_work_mem=256MB"
"""What is asked for is read to its end, and much of it sorted: PostgreSQL's own settings are for many who ask for little."""
READING = "placier_reading"
"""The execution option of a transaction that writes nothing."""
KEPT = {"journal_mode": "WAL", "synchronous": "FULL", "secure_delete": "ON", "cache_size": "-16384"}
"""SQLite's settings for the state: readers need not wait for a writer, and a power cut does not undo a commit.

16 MiB of pages: a night comes back to many of them.  Where many rows come, `bulk` takes SQLite's own 2 MiB.
"""
THROWN_AWAY = {"journal_mode": "TRUNCATE", "synchronous": "OFF"}
"""For a rehearsal's copy, which nobody else reads and no crash leaves behind: what is new is written once."""
STATEMENT_SECONDS = 1800
"""Seconds that PostgreSQL may work on one statement."""
POSTGRES_CALLS = {
    "connect_timeout": 15,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""libpq's bounds: seconds to connect; a server that is gone without a word is noticed after a minute."""


_MIGRATING = threading.Lock()
"""Alembic keeps what it is doing in its modules: one thread at a time."""


@dataclass(slots=True)
class _Lock:
    """An account's lock on PostgreSQL: the `connection` that holds it, None when it was lost."""

    account: str
    connection: Connection | None


class Database:
    """An open state.  `transaction` is the only way in; exceptions of the library come out as StateError."""

    def __init__(self, engine: Engine, where: str, patience: float = PATIENCE) -> None:
        self._engine = engine
        self._where = where
        self._patience = patience
        self._outer: Connection | None = None
        self._lock: _Lock | None = None

    @contextmanager
    def transaction(self, *, reading: bool = False) -> Iterator[Connection]:
        """A transaction that commits at the end; inside a rehearsal, a savepoint.

        One that is only `reading` keeps no other program from writing, however long it takes.
        StateError, once, when the account's lock was lost since the last one; Busy when another run has it by now.
        """
        with translated(self._where):
            self._hold_on()
            if self._outer is not None:
                with self._outer.begin_nested():
                    yield self._outer
            else:
                with self._engine.execution_options(**{READING: reading}).begin() as connection:
                    yield connection

    @contextmanager
    def rehearsal(self, desk: Path | None = None) -> Iterator[None]:
        """Nothing of what happens inside is kept.

        PostgreSQL: one outer transaction, rolled back.  SQLite has one writer at a time, and a rehearsal talks to the
        platform for as long as it takes: it works on a copy (below `desk`): a night of another account need not wait.
        """
        if self._engine.dialect.name == "sqlite":
            with self._copied(desk):
                yield
            return
        with translated(self._where), self._engine.connect() as connection:
            outer = connection.begin()
            self._outer = connection
            try:
                yield
            finally:
                self._outer = None
                outer.rollback()

    @contextmanager
    def _copied(self, desk: Path | None) -> Iterator[None]:
        original = self._engine
        with scratch(desk) as folder, translated(self._where):
            path = folder / "rehearsal.db"
            with original.connect() as connection:
                source = connection.connection.dbapi_connection
                if isinstance(source, sqlite3.Connection):
                    _copy(source, path)
            self._engine = _sqlite_engine(path, self._patience, THROWN_AWAY)
            try:
                yield
            finally:
                self._engine.dispose()
                self._engine = original

    @contextmanager
    def lock(self, account: str, folder: Path, *, leave_no_trace: bool = False) -> Iterator[None]:
        """The account's lock; Busy at once if another run holds it.  The system releases it when the process dies.

        With `leave_no_trace`, a lock that nobody ever took is not made either.
        """
        if self._engine.dialect.name == "postgresql":
            with self._advisory_lock(account):
                yield
        else:
            path = folder / f"{account}.lock"
            if leave_no_trace and not path.exists():
                yield
                return
            with _file_lock(path, account):
                yield

    @contextmanager
    def _advisory_lock(self, account: str) -> Iterator[None]:
        with translated(self._where):
            lock = self._lock = _Lock(account, self._taken(account))
            try:
                yield
            finally:
                self._lock = None
                if lock.connection is not None:
                    with suppress(DBAPIError), lock.connection as held:  # a connection that is gone holds nothing
                        held.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _account_key(account)})

    def _taken(self, account: str) -> Connection:
        """A connection that holds the account's lock."""
        held = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            if held.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": _account_key(account)}).scalar_one():
                return held
            raise _busy(account)
        except BaseException:
            held.close()
            raise

    def _hold_on(self) -> None:
        """Whoever loses the connection loses the lock: that ends the run, and what comes after it takes the lock again."""
        lock = self._lock
        if lock is None:
            return
        if lock.connection is None:
            lock.connection = self._taken(lock.account)
            return
        try:
            lock.connection.execute(text("SELECT 1"))
        except DBAPIError:
            with suppress(DBAPIError):
                lock.connection.close()
            lock.connection = None
            raise

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()


def open_database(url: str, *, create: bool = True, patience: float = PATIENCE) -> Database:
    """Open the state at `url` and bring its tables up to date; StateError says what is in the way.

    `patience`: seconds that what another program is using is waited for.
    With `create` False a SQLite file that does not exist is not made: the state is then empty and in memory.
    """
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        if not create and not path.exists():
            engine = create_engine("sqlite://", poolclass=StaticPool)
            _tune_sqlite(engine, patience, KEPT)
        else:
            _prepare_file(path)
            engine = _sqlite_engine(path, patience)
        where = str(path)
    else:
        engine = _postgres_engine(url, patience)
        where = engine.url.render_as_string(hide_password=True)
    database = Database(engine, where, patience)
    try:
        with translated(where):
            _migrate(engine, where)
    except BaseException:
        database.close()
        raise
    return database


def _prepare_file(path: Path) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StateError(
            f"the database {path} cannot be made ({error.strerror})",
            f"check the folder's owner and its disk: ls -ld {path.parent}; df -h {path.parent}",
        ) from error


def _copy(source: sqlite3.Connection, path: Path) -> None:
    try:
        with closing(sqlite3.connect(path)) as copy:
            source.backup(copy)
    except sqlite3.Error as error:
        raise StateError(
            f"the copy of the database for a dry run cannot be made in {path.parent} ({first_line(error)})",
            f"make room there: df -h {path.parent.parent}",
        ) from error


def _postgres_engine(url: str, patience: float) -> Engine:
    bounds = f"-c lock_timeout={int(patience * 1000)} -c statement_timeout={STATEMENT_SECONDS * 1000}"
    theirs = make_url(url).query.get("options", "")
    return create_engine(
        url, pool_pre_ping=True, connect_args={**POSTGRES_CALLS, "options": f"{GONE} {WHOLE} {bounds} {theirs}".strip()}
    )


def _sqlite_engine(path: Path, patience: float, settings: Mapping[str, str] = KEPT) -> Engine:
    engine = create_engine(
        f"sqlite:///{path}",
        connect_args={"timeout": patience},
        json_serializer=_json,
        json_deserializer=from_json,
    )
    _tune_sqlite(engine, patience, settings)
    return engine


def _json(value: object) -> str:
    return to_json(value).decode()


def _tune_sqlite(engine: Engine, patience: float, settings: Mapping[str, str]) -> None:
    """The settings, patience; and transactions that SQLAlchemy begins itself.

    In the driver's default mode a savepoint outlives the rollback of its outer transaction.
    """

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        for name, value in ({"busy_timeout": int(patience * 1000)} | dict(settings)).items():
            connection.execute(f"PRAGMA {name}={value}")

    @event.listens_for(engine, "checkin")
    def _checkin(connection: sqlite3.Connection | None, _record: object) -> None:
        if connection is not None:
            bulk.detach(connection)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if connection.get_execution_options().get(READING) else "BEGIN IMMEDIATE")


def _migrate(engine: Engine, where: str) -> None:
    with engine.connect() as connection:
        known = inspect(connection).has_table("alembic_version")
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if known else None
    if version == HEAD:
        return
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    with _MIGRATING, engine.begin() as connection:
        if (
            engine.dialect.name == "postgresql"
        ):  # one program at a time; an SQLite transaction begins by locking the file
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _key("placier")})
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StateError(
                f"the database {where} was made by a newer version of placier ({version})", "install that version"
            ) from error


def _account_key(account: str) -> int:
    return _key(f"placier:{account}")


def _key(name: str) -> int:
    """The number of an advisory lock."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


@contextmanager
def _file_lock(path: Path, account: str) -> Iterator[None]:
    import fcntl

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise StateError(
            f"the lock {path} cannot be made ({error.strerror})",
            f"check the folder's owner and its disk: ls -ld {path.parent}; df -h {path.parent}",
        ) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _busy(account) from None
        yield
    finally:
        os.close(handle)


def _busy(account: str) -> Busy:
    return Busy(f"another run of the account {account} is under way", f"wait for it, then `placier status {account}`")
