"""Opening the state: SQLite by default, PostgreSQL by URL; the same code on both.

Every write is one short transaction.  In a *rehearsal* nothing is kept, whatever happens inside: what a dry run uses, so
that it does the very same work and leaves no trace.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from pipeline.errors import Busy, StateError

HEAD = "0001"
"""The newest migration; a test holds it against the folder."""
BUSY_SECONDS = 60


class Database:
    """An open state.  `transaction` is the only way in; exceptions of the library come out as StateError."""

    def __init__(self, engine: Engine, where: str) -> None:
        self._engine = engine
        self._where = where
        self._outer: Connection | None = None

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction that commits at the end; inside a rehearsal, a savepoint."""
        with translated(self._where):
            if self._outer is not None:
                with self._outer.begin_nested():
                    yield self._outer
            else:
                with self._engine.begin() as connection:
                    yield connection

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Nothing of what happens inside is kept.

        PostgreSQL: one outer transaction, rolled back.  SQLite has one writer at a time, and a rehearsal talks to the
        platform for as long as it takes: it works on a copy, so that a night of another account need not wait for it.
        """
        if self._engine.dialect.name == "sqlite":
            with self._copied():
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
    def _copied(self) -> Iterator[None]:
        original = self._engine
        with tempfile.TemporaryDirectory(prefix="placier-") as folder, translated(self._where):
            path = Path(folder) / "rehearsal.db"
            with original.connect() as connection, closing(sqlite3.connect(path)) as copy:
                source = connection.connection.dbapi_connection
                if isinstance(source, sqlite3.Connection):
                    source.backup(copy)
            self._engine = _sqlite_engine(path)
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
        key = _key(f"placier:{account}")
        with translated(self._where), self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as held:
            if not held.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar_one():
                raise _busy(account)
            try:
                yield
            finally:
                held.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": key})

    def close(self) -> None:
        """Let go of every connection."""
        self._engine.dispose()


def open_database(url: str, *, create: bool = True) -> Database:
    """Open the state at `url` and bring its tables up to date; StateError says what is in the way.

    With `create` False a SQLite file that does not exist is not made: the state is then empty and in memory.
    """
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        if not create and not path.exists():
            engine = create_engine("sqlite://", poolclass=StaticPool)
            _tune_sqlite(engine)
        else:
            _prepare_file(path)
            engine = _sqlite_engine(path)
        where = str(path)
    else:
        engine = create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 15})
        where = engine.url.render_as_string(hide_password=True)
    database = Database(engine, where)
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
            f"the database {path} cannot be made ({error.strerror})", "check the folder's owner and the disk"
        ) from error


def _sqlite_engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS})
    _tune_sqlite(engine)
    return engine


def _tune_sqlite(engine: Engine) -> None:
    """WAL, foreign keys, patience; and transactions that SQLAlchemy begins itself.

    In the driver's default mode a savepoint outlives the rollback of its outer transaction.
    """

    @event.listens_for(engine, "connect")
    def _connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "secure_delete=ON",
            f"busy_timeout={BUSY_SECONDS * 1000}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


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
    with engine.begin() as connection:
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


def _key(name: str) -> int:
    """The number of an advisory lock."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Foreign errors of the database become StateError; never with the statement, which holds personal data."""
    try:
        yield
    except SQLAlchemyError as error:
        # SQLite calls a damaged file, or one that is no database, a plain DatabaseError.
        if isinstance(error, OperationalError) or type(error) is DatabaseError:
            raise StateError(
                f"the database {where} cannot be used ({_words(error)})", "check that it is up, writable and not full"
            ) from None
        words = _words(error) if isinstance(error, DBAPIError) else type(error).__name__
        raise StateError(
            f"the database {where} refused an operation ({words})", "this is a defect: report it with the log"
        ) from None


def _words(error: DBAPIError) -> str:
    """The driver's first line, without values."""
    lines = str(error.orig).strip().splitlines() or [type(error.orig).__name__]
    return lines[0].split("DETAIL")[0][:200]


@contextmanager
def _file_lock(path: Path, account: str) -> Iterator[None]:
    import fcntl

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise StateError(
            f"the lock {path} cannot be made ({error.strerror})", "check the folder's owner and the disk"
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
