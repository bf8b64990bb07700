"""Print the SQL of the ledger's tables and their indexes, as the program makes them on SQLite."""

from __future__ import annotations

from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from pipeline.store.tables import bookings, cancellations

if __name__ == "__main__":
    for table in (bookings, cancellations):
        print(f"{str(CreateTable(table).compile(dialect=sqlite.dialect())).strip()};")
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            print(f"{CreateIndex(index).compile(dialect=sqlite.dialect())};")
