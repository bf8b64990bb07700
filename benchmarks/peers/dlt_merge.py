"""The work as dlt does it: lines loaded and merged by its own means into SQLite, then transformed there with SQL.

    python benchmarks/peers/dlt_merge.py history.csv result.db schema.sql

Its quickest way in is taken: Arrow tables, which it need not normalise row by row.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "CRITICAL"

import dlt
import pyarrow as pa
from pyarrow import csv
from state import (
    BOOKINGS,
    CANCELLATIONS,
    CONTACTS,
    FROM_FILE,
    JOINED,
    LOAD,
    PERSON,
    PURCHASE,
    SEATS,
    Task,
    asked,
    clock_sql,
    make_indexes,
    make_tables,
)

COMMON = {name: f"'{value}'" if isinstance(value, str) else str(value) for name, value in LOAD.items()}
COPIED = ", ".join(f"nullif({theirs}, '') AS {ours}" for ours, theirs in FROM_FILE.items())
VALUES = f"""
CREATE TEMP TABLE entries AS
SELECT line, type_operation = 'ANNULATION' AS cancels, id_reservation AS transaction_id,
       'id:' || id_representation AS performance_key, 'id:' || id_spectacle AS show_key,
       CAST(strftime('%s', date_transaction) AS INTEGER) * 1000000 + {clock_sql("date_transaction")} AS moment,
       substr(date_transaction, 1, 10) AS on_day,
       CASE WHEN trim(courriel) LIKE '_%@_%._%' AND trim(courriel) NOT LIKE '% %' THEN lower(trim(courriel)) END AS email,
       substr(date_evenement, 1, 10) AS performance_end_on, CAST(nb_billets AS INTEGER) AS tickets,
       CAST(replace(montant_net, ',', '') AS INTEGER) AS net_cents, {COPIED}
FROM lines
"""
FOUND = """
CREATE TEMP TABLE found AS
SELECT transaction_id, performance_key, min(line) AS line, max(moment) AS booked_at, max(on_day) AS booked_on,
       sum(tickets) AS tickets, sum(net_cents) AS net_cents, group_concat(line) AS lines, count(*) AS parts
FROM (SELECT * FROM entries WHERE NOT cancels AND email IS NOT NULL ORDER BY line)
GROUP BY transaction_id, performance_key
"""


def _words(name: str) -> str:
    """Per booking of several lines, the different values of a column in order of first appearance."""
    return f"""(
    SELECT transaction_id, performance_key, group_concat({name}, ', ') AS {name} FROM (
        SELECT e.transaction_id, e.performance_key, e.{name}, min(e.line) AS first
        FROM found f JOIN entries e USING (transaction_id, performance_key)
        WHERE f.parts > 1 AND NOT e.cancels AND e.{name} IS NOT NULL
        GROUP BY 1, 2, 3 ORDER BY 1, 2, 4
    ) GROUP BY 1, 2)"""


def _insert(table: str, columns: tuple[str, ...], values: dict[str, str], source: str) -> str:
    chosen = ", ".join(values.get(name, COMMON.get(name, f"NULL AS {name}")) for name in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) SELECT {chosen} FROM {source}"


OF_FOUND = ("transaction_id", "performance_key", "booked_at", "booked_on", "tickets", "net_cents", "lines")
OF_LINE = ("show_key", "email", "performance_end_on", *(name for name in FROM_FILE if name not in JOINED))
TO_BOOKINGS = _insert(
    "bookings",
    BOOKINGS,
    {name: f"found.{name}" for name in OF_FOUND}
    | {name: f"e.{name}" for name in OF_LINE}
    | {name: f"CASE WHEN parts > 1 THEN {name}s.{name} ELSE e.{name} END" for name in JOINED},
    "found JOIN entries e ON e.line = found.line "
    + " ".join(
        f"LEFT JOIN {_words(name)} {name}s ON found.parts > 1 AND {name}s.transaction_id = found.transaction_id "
        f"AND {name}s.performance_key = found.performance_key"
        for name in JOINED
    ),
)
TO_CANCELLATIONS = _insert(
    "cancellations",
    CANCELLATIONS,
    {
        name: name
        for name in ("transaction_id", "performance_key", "show_key", "email", "show_title", "performance_start")
    }
    | {"cancelled_at": "moment", "cancelled_on": "on_day", "tickets": "sum(tickets)", "lines": "group_concat(line)"},
    "(SELECT * FROM entries WHERE cancels ORDER BY line) GROUP BY transaction_id, performance_key, moment",
)
ORDERED = """
CREATE TEMP TABLE ordered AS
SELECT *, row_number() OVER (
    PARTITION BY email ORDER BY booked_at DESC, transaction_id DESC, performance_start DESC, performance_id DESC
) AS place FROM bookings
"""
OWN = [name for name in PERSON if name in FROM_FILE]
DAY = "substr(b.performance_start, 1, 10)"
TO_CONTACTS = _insert(
    "contacts",
    CONTACTS,
    {name: f"b.{name}" for name in ("email", "tickets", "net_cents")}
    | {name: f"b.{name}" for name in PURCHASE if name in FROM_FILE}
    | {
        name: f"coalesce(b.{name}, (SELECT o.{name} FROM ordered o WHERE o.email = b.email AND o.{name} IS NOT NULL "
        "ORDER BY o.place LIMIT 1))"
        for name in OWN
    }
    | {
        "consent_date": "b.booked_on",
        "known_at": "b.booked_at",
        "performance_date": DAY,
        "consent_proof": f"b.show_title || ', ' || {DAY} || ', transaction ' || b.transaction_id",
    },
    "ordered b WHERE b.place = 1",
)
ACTS = """
CREATE TEMP TABLE acts AS
SELECT coalesce(b.email, c.email) AS email, coalesce(b.show_key, c.show_key) AS show_key,
       max(c.cancelled_at) AS cancelled_at
FROM cancellations c LEFT JOIN found ON found.transaction_id = c.transaction_id
     AND found.performance_key = c.performance_key LEFT JOIN entries b ON b.line = found.line GROUP BY 1, 2
"""
TO_SEATS = _insert(
    "seats",
    SEATS,
    {
        "email": "b.email",
        "group_key": "'show:' || b.show_key",
        "booked_at": "max(b.booked_at)",
        "cancelled_at": "max(a.cancelled_at)",
        "reach": "max(b.performance_end_on) FILTER (WHERE a.cancelled_at IS NULL OR b.booked_at > a.cancelled_at)",
    },
    "bookings b LEFT JOIN acts a ON a.email = b.email AND a.show_key = b.show_key GROUP BY b.email, b.show_key",
)
STEPS = (
    VALUES,
    "CREATE INDEX temp.entries_by_line ON entries (line)",
    "CREATE INDEX temp.entries_by_transaction ON entries (transaction_id, performance_key)",
    FOUND,
    "CREATE INDEX temp.found_by_transaction ON found (transaction_id, performance_key)",
    TO_BOOKINGS,
    TO_CANCELLATIONS,
    ORDERED,
    "CREATE INDEX temp.ordered_by_email ON ordered (email)",
    TO_CONTACTS,
    ACTS,
    "CREATE UNIQUE INDEX temp.acts_by_email ON acts (email, show_key)",
    TO_SEATS,
)


def lines_of(history: Path) -> Iterator[pa.Table]:
    """The file's lines with their numbers, block by block."""
    with history.open("rb") as file:
        names = [name.strip('"') for name in file.readline().decode().strip().split(";")]
    options = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
    read = csv.ReadOptions(block_size=16 << 20)
    first = 2
    with csv.open_csv(history, read, csv.ParseOptions(delimiter=";"), options) as reader:
        for batch in reader:
            numbers = pa.arange(first, first + batch.num_rows)
            first += batch.num_rows
            yield pa.Table.from_batches([batch]).append_column("line", numbers)


def main(task: Task) -> None:
    """Load, merge, transform."""
    make_tables(task)
    with tempfile.TemporaryDirectory(prefix="dlt-", dir=task.result.parent) as folder:
        resource = dlt.resource(
            lines_of(task.history), name="lines", write_disposition="merge", primary_key="line", file_format="parquet"
        )
        flow = dlt.pipeline(
            "peer",
            pipelines_dir=folder,
            destination=dlt.destinations.sqlalchemy(f"sqlite:///{task.result}"),
            dataset_name="main",
        )
        flow.run(resource).raise_on_failed_jobs()
        with flow.sql_client() as client:
            for step in STEPS:
                client.execute_sql(step)
    make_indexes(task)


if __name__ == "__main__":
    main(asked())
