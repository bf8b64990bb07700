"""Many rows at once: Arrow tables into a database, each in the way that it takes them fastest, within one transaction.

PostgreSQL copies text.  SQLite takes few rows as parameters; many are written by columns (ADBC) to a file of their own,
which is attached and taken over in one statement.  ADBC's driver never opens the state itself: it brings an SQLite of its
own, and two copies of SQLite in one process do not see each other's locks on a file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table, func, insert, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import CreateIndex, CreateTable, DropIndex

if TYPE_CHECKING:
    import pyarrow as pa

MANY = 50_000
"""Rows from which on it pays to write them by columns, and to make the indexes after them."""
ATTACHED = "staged"
"""What the schema names of attached files begin with."""
MOST_ATTACHED = 8
"""Files of one transaction, for none can be let go of before its end; SQLite takes ten."""
_STEP = 50_000
_PAGE = 65_536
"""Bytes of a page of a staged file: the largest, for it is written and read from end to end, once."""


class Appending:
    """Rows on their way into `tables`; `desk` is a folder for what is staged, None if they are few."""

    def __init__(self, connection: Connection, tables: tuple[Table, ...], desk: Path | None) -> None:
        self._db = connection
        self._tables = tables
        self._columns: Any = None
        self._schema = ""
        self._staged: Path | None = None
        if desk is not None and connection.dialect.name == "sqlite":
            number = len(_attached(connection.connection.dbapi_connection))
            self._schema = f"{ATTACHED}{number}"
            self._staged = desk / f"{self._schema}.db" if number < MOST_ATTACHED else None

    def append(self, table: Table, rows: pa.Table) -> None:
        """Take rows, which have all of the table's columns but the id."""
        if rows.num_rows == 0:
            return
        if self._db.dialect.name == "postgresql":
            self._copy(table, rows)
        elif self._staged is None:
            self._insert(table, rows)
        else:
            self._stage(table, rows)

    def finish(self) -> None:
        """All rows came: those that were staged move in."""
        staged = self._columns is not None
        self.close()
        if not staged:
            return
        self._db.exec_driver_sql(f"ATTACH DATABASE ? AS {self._schema}", (str(self._staged),))
        for table in self._tables:
            # Into an empty table whole rows are copied as they are, ids included, if every column is named by `*`.
            empty = self._db.execute(select(table.c.id).limit(1)).first() is None
            names = ", ".join(f'"{column.name}"' for column in table.columns if column.name != "id")
            into, what = ("", "*") if empty else (f" ({names})", names)
            self._db.exec_driver_sql(
                f"INSERT INTO main.{table.name}{into} SELECT {what} FROM {self._schema}.{table.name}"
            )

    def close(self) -> None:
        """Nothing more comes."""
        if self._columns is not None:
            self._columns.close()
            self._columns = None

    def _insert(self, table: Table, rows: pa.Table) -> None:
        """Texts and numbers go to SQLite's driver as they are: SQLAlchemy would take each row apart and convert nothing."""
        names = [column.name for column in table.columns if column.name in rows.column_names]
        statement = str(insert(table).compile(dialect=self._db.dialect, column_keys=names))
        for start in range(0, rows.num_rows, _STEP):
            columns = rows.select(names).slice(start, _STEP).columns
            values = zip(*(_decoded(column).to_pylist() for column in columns), strict=True)
            self._db.exec_driver_sql(statement, list(values))

    def _copy(self, table: Table, rows: pa.Table) -> None:
        from pyarrow import csv

        rows = _filled(rows)
        names = ", ".join(f'"{name}"' for name in rows.column_names)
        copying = f"COPY {table.name} ({names}) FROM STDIN (FORMAT csv)"
        driver: Any = self._db.connection.dbapi_connection
        with translated(self._db.dialect.loaded_dbapi.Error), driver.cursor() as cursor, cursor.copy(copying) as copy:
            for start in range(0, rows.num_rows, _STEP):
                text = io.BytesIO()
                csv.write_csv(rows.slice(start, _STEP), text, csv.WriteOptions(include_header=False))
                copy.write(text.getvalue())

    def _stage(self, table: Table, rows: pa.Table) -> None:
        from adbc_driver_sqlite import dbapi

        rows = _filled(rows)
        with translated(dbapi.Error):
            self._columns = self._columns or self._staging()
            with self._columns.cursor() as cursor:
                cursor.adbc_ingest(table.name, rows, mode="append")

    def _staging(self) -> Any:
        """A connection to the file for staged rows; if it breaks, the file is thrown away, so nothing is synced."""
        from adbc_driver_sqlite import dbapi

        Path(self._staged or "").unlink(missing_ok=True)  # of an earlier transaction
        connection = dbapi.connect(str(self._staged), autocommit=True)
        settings = (f"page_size={_PAGE}", "journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE")
        creations = [str(CreateTable(table).compile(self._db)) for table in self._tables]
        for statement in (*(f"PRAGMA {setting}" for setting in settings), *creations):
            with connection.cursor() as cursor:
                cursor.executescript(statement)
        return connection


def _decoded(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """Without a dictionary, through which each value is looked up ten times slower."""
    import pyarrow as pa

    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _filled(rows: pa.Table) -> pa.Table:
    """The rows without the columns that are empty in all of them."""
    return rows.drop_columns([name for name in rows.column_names if rows.column(name).null_count == rows.num_rows])


@contextmanager
def translated(kind: type[Exception]) -> Iterator[None]:
    """What a driver raises that was asked directly comes out as if SQLAlchemy had asked it."""
    try:
        yield
    except kind as error:
        raise OperationalError("", None, error) from None


@contextmanager
def appending(connection: Connection, tables: tuple[Table, ...], rows: int, desk: Path | None) -> Iterator[Appending]:
    """Append up to `rows` rows to the tables; their indexes are made afterwards where that is cheaper."""
    many = rows >= MANY
    if many and connection.dialect.name == "sqlite":  # it sorts in pieces of the cache's size: small ones faster
        connection.exec_driver_sql("PRAGMA cache_size=-2000")
    coming = Appending(connection, tables, desk if many else None)
    with closing(coming), _indexed_after(connection, tables, rows if many else 0):
        yield coming
        coming.finish()


@contextmanager
def _indexed_after(connection: Connection, tables: tuple[Table, ...], rows: int) -> Iterator[None]:
    """Make the indexes after the rows when more rows come than are there: that is far cheaper.

    On PostgreSQL only in an empty table: without its indexes, nobody else could use it until the end.
    """
    indexes = []
    for table in tables if rows else ():
        there = connection.execute(select(func.max(table.c.id))).scalar() or 0
        if there == 0 or (rows > there and connection.dialect.name == "sqlite"):
            indexes += sorted(table.indexes, key=lambda index: str(index.name))
    for index in indexes:
        connection.execute(DropIndex(index))
    yield
    for index in indexes:
        connection.execute(CreateIndex(index))
    if rows and connection.dialect.name == "postgresql":  # or it plans as if hardly anything came
        looked_at = (f"{table.name} ({', '.join(_indexed(table))})" for table in tables)
        connection.exec_driver_sql(f"ANALYZE (SKIP_LOCKED) {', '.join(looked_at)}")


def _indexed(table: Table) -> list[str]:
    """The columns of the table's indexes."""
    return sorted({column.name for index in table.indexes for column in index.columns})


def detach(driver: Any) -> None:
    """Let go of what was staged, once the transaction is over (within one it cannot be)."""
    for name in _attached(driver):
        driver.execute(f"DETACH DATABASE {name}")


def _attached(driver: Any) -> list[str]:
    listed = driver.execute("PRAGMA database_list").fetchall()
    return [name for _, name, _ in listed if name.startswith(ATTACHED)]
