"""Many rows into a table at once: on SQLite without what SQLAlchemy does for each of them, which costs more than the row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import repeat
from operator import attrgetter

from sqlalchemy import JSON, Connection, Insert, Table
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.sqlite import Insert as Upsert


def upsert(connection: Connection, table: Table) -> Upsert:
    """The database's own INSERT, which can say ON CONFLICT; what SQLite does not need is not imported for it."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert(table)  # type: ignore[return-value]  # the two have no type in common
    return sqlite.insert(table)


def insert_many(connection: Connection, statement: Insert, items: Sequence[object], same: Mapping[str, object]) -> None:
    """Execute an INSERT for each item: its attributes go by the columns' names; `same`: columns that are alike for all."""
    if not items:
        return
    columns = [column for column in statement.table.columns if column.name in same or hasattr(items[0], column.name)]
    names = [column.name for column in columns]
    values: list[Iterable[object]] = [
        repeat(same[name]) if name in same else map(attrgetter(name), items) for name in names
    ]
    dialect = connection.dialect
    if dialect.name != "sqlite":
        connection.execute(statement, [dict(zip(names, row, strict=False)) for row in zip(*values, strict=False)])
        return
    for place, column in enumerate(columns):
        process = column.type.dialect_impl(dialect).bind_processor(dialect)
        if process is not None:
            values[place] = map(process if isinstance(column.type, JSON) else cache(process), values[place])
    compiled = statement.compile(dialect=dialect, column_keys=names)
    connection.exec_driver_sql(str(compiled), list(zip(*values, strict=False)))
