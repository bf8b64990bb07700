"""What SQLite is told about how to read a table, since it has no statistics to tell by; other databases see no difference."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op


def unindexed(connection: Connection, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The same column, by which no index is chosen: of most of a large table, looking up each row by one takes far longer.

    https://www.sqlite.org/optoverview.html, "Disqualifying WHERE Clause Terms using unary-+".
    """
    if connection.dialect.name != "sqlite":
        return column
    return UnaryExpression(column, operator=custom_op("+"), type_=column.type)
