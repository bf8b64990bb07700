"""The ledger as tests compare it: every row of its tables, with ranks in place of the ids."""

from __future__ import annotations

from sqlalchemy import Connection, select

from pipeline.store.tables import bookings, cancellations, files, loads, rejects

Rows = dict[str, list[tuple[object, ...]]]


def ledger_of(connection: Connection) -> Rows:
    """Loads, every version of every file, bookings, cancellations and rejected lines, of all accounts."""
    found: Rows = {}
    ranks: dict[str, dict[object, int]] = {}
    for table in (loads, files, bookings, cancellations, rejects):
        rows = [row._mapping for row in connection.execute(select(table).order_by(table.c.id))]
        ranks[table.name] = {row["id"]: number for number, row in enumerate(rows)}
        ids = {"load_id": ranks["loads"], "file_id": ranks.get("files", {})}
        told = [
            tuple(ids[name].get(value) if name in ids else value for name, value in row.items() if name != "id")
            for row in rows
        ]
        found[table.name] = sorted(told, key=repr)
    return found
