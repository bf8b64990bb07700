"""The work as somebody who knows DuckDB well would write it, the result written to SQLite through ADBC.

python benchmarks/peers/duckdb_sql.py history.csv result.db schema.sql
"""

from __future__ import annotations

import duckdb
from adbc_driver_sqlite import dbapi
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

COPIED = ", ".join(f"nullif(\"{theirs}\", '') AS {ours}" for ours, theirs in FROM_FILE.items())
ONCE = [name for name in FROM_FILE if name not in JOINED]
MACRO = "CREATE MACRO words(l) AS array_to_string(list_filter(l, lambda x, i: list_position(l, x) = i), ', ')"
LINES = rf"""
CREATE TABLE lines AS
SELECT row_number() OVER () + 1 AS line, type_operation = 'ANNULATION' AS cancels, id_reservation AS transaction_id,
       'id:' || id_representation AS performance_key, 'id:' || id_spectacle AS show_key,
       epoch_us(date_transaction::TIMESTAMP) + {clock_sql("date_transaction")} AS moment,
       left(date_transaction, 10) AS on_day,
       CASE WHEN email LIKE '_%@_%._%' AND NOT contains(email, ' ') THEN email END AS email, {COPIED},
       left(date_evenement, 10) AS performance_end_on, nb_billets::BIGINT AS tickets,
       (replace(montant_net, ',', '.')::DECIMAL(18, 2) * 100)::BIGINT AS net_cents
FROM (
    FROM read_csv(?, delim = ';', header = true, all_varchar = true, quote = '"', escape = '"')
    SELECT *, lower(trim(courriel)) AS email
)
"""
BOOKINGS_SQL = f"""
CREATE TABLE bookings AS
WITH parts AS (
    SELECT transaction_id, performance_key, min(line) AS line, max(moment) AS booked_at, max(on_day) AS booked_on,
           sum(tickets)::BIGINT AS tickets, sum(net_cents)::BIGINT AS net_cents, count(*) AS parts
    FROM lines WHERE NOT cancels AND email IS NOT NULL GROUP BY ALL
), several AS (
    SELECT transaction_id, performance_key, string_agg(line, ',' ORDER BY line) AS lines,
           {", ".join(f"words(list({name} ORDER BY line)) AS {name}" for name in JOINED)}
    FROM lines SEMI JOIN (FROM parts WHERE parts > 1) USING (transaction_id, performance_key)
    WHERE NOT cancels AND email IS NOT NULL GROUP BY ALL
)
SELECT p.* EXCLUDE (line, parts), l.show_key, l.email, {", ".join(f"l.{name}" for name in ONCE)}, l.performance_end_on,
       {", ".join(f"CASE WHEN p.parts > 1 THEN s.{name} ELSE l.{name} END AS {name}" for name in JOINED)},
       coalesce(s.lines, p.line::VARCHAR) AS lines
FROM parts p JOIN lines l USING (line)
     LEFT JOIN several s ON (s.transaction_id, s.performance_key) = (p.transaction_id, p.performance_key)
"""
CANCELLATIONS_SQL = """
CREATE TABLE cancellations AS
SELECT transaction_id, performance_key, arg_min(show_key, line) AS show_key, moment AS cancelled_at,
       arg_min(on_day, line) AS cancelled_on, arg_min(email, line) AS email, arg_min(show_title, line) AS show_title,
       arg_min(performance_start, line) AS performance_start, sum(tickets)::BIGINT AS tickets,
       string_agg(line, ',' ORDER BY line) AS lines
FROM lines WHERE cancels GROUP BY transaction_id, performance_key, moment
"""
CONTACTS_SQL = f"""
CREATE TABLE contacts AS
WITH placed AS (
    SELECT rowid AS id, row_number() OVER (ORDER BY booked_at, transaction_id, performance_start, performance_id) AS place
    FROM bookings
), own AS (
    SELECT email, arg_max(id, place) AS id, {", ".join(f"arg_max({n}, place) AS {n}" for n in PERSON if n in FROM_FILE)}
    FROM bookings JOIN placed ON id = bookings.rowid GROUP BY email
)
SELECT last.email, last.booked_on AS consent_date, last.booked_at AS known_at,
       concat(last.show_title, ', ', left(last.performance_start, 10), ', transaction ', last.transaction_id)
           AS consent_proof,
       {", ".join(f"own.{n}" if n in FROM_FILE else f"NULL::VARCHAR AS {n}" for n in PERSON)},
       left(last.performance_start, 10) AS performance_date, last.tickets, last.net_cents,
       {", ".join(f"last.{n}" for n in PURCHASE if n in FROM_FILE)},
       NULL::VARCHAR AS report_category_2, NULL::VARCHAR AS report_category_3, NULL::VARCHAR AS initial_transaction_date
FROM own JOIN bookings last ON last.rowid = own.id
"""
SEATS_SQL = """
CREATE TABLE seats AS
WITH acts AS (
    SELECT coalesce(b.email, c.email) AS email, coalesce(b.show_key, c.show_key) AS show_key,
           max(c.cancelled_at) AS cancelled_at
    FROM cancellations c LEFT JOIN bookings b USING (transaction_id, performance_key) GROUP BY ALL
)
SELECT b.email, 'show:' || b.show_key AS group_key, max(b.booked_at) AS booked_at, max(a.cancelled_at) AS cancelled_at,
       max(b.performance_end_on) FILTER (a.cancelled_at IS NULL OR b.booked_at > a.cancelled_at) AS reach
FROM bookings b LEFT JOIN acts a USING (email, show_key) GROUP BY b.email, b.show_key
"""


def main(task: Task) -> None:
    """Read, merge, and write the four tables."""
    db = duckdb.connect()
    db.execute(MACRO)
    db.execute(LINES, [str(task.history)])
    for statement in (BOOKINGS_SQL, CANCELLATIONS_SQL):
        db.execute(statement)
    db.execute("DROP TABLE lines")
    for statement in (CONTACTS_SQL, SEATS_SQL):
        db.execute(statement)
    make_tables(task)
    common = {name: f"'{value}'" if isinstance(value, str) else str(value) for name, value in LOAD.items()}
    tables = {"bookings": BOOKINGS, "cancellations": CANCELLATIONS, "contacts": CONTACTS, "seats": SEATS}
    with dbapi.connect(str(task.result)) as connection, connection.cursor() as cursor:
        for table, columns in tables.items():
            chosen = ", ".join(f'{common[name]} AS "{name}"' if name in common else name for name in columns)
            cursor.adbc_ingest(table, db.sql(f"SELECT {chosen} FROM {table}").to_arrow_reader(100_000), mode="append")
        connection.commit()
    db.close()
    make_indexes(task)


if __name__ == "__main__":
    main(asked())
