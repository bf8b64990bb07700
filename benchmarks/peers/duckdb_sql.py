"""The merge as somebody who knows DuckDB well would write it, the result written to SQLite.

    python benchmarks/peers/duckdb_sql.py history.csv result.db

Bookings, the last purchase of each contact, and its seat per show, by the rules of the README; the same tables as the
other peers write, so that results can be compared.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb
from adbc_driver_sqlite import dbapi

LINES = """
CREATE TABLE lines AS
SELECT row_number() OVER () AS line, type_operation = 'ANNULATION' AS is_cancellation, id_reservation AS transaction_id,
       id_representation AS performance_id, id_spectacle AS show_id, lower(trim(courriel)) AS email, prenom AS first_name,
       nom AS last_name, entreprise AS company, telephone AS phone, ville AS city, code_postal AS postal_code,
       id_client AS contact_id, titre_spectacle AS show_title, strptime(date_transaction, '%Y-%m-%d %H:%M:%S') AS moment,
       left(date_evenement, 10) AS performance_date, date_evenement AS performance_start, canal_vente AS sales_channel,
       categorie_tarif AS price_category, nom_interne_tarif AS price_internal_name,
       regroupement_categorie_prix AS price_group, nb_billets::BIGINT AS tickets,
       (replace(montant_net, ',', '.')::DECIMAL(18, 2) * 100)::BIGINT AS net_cents
FROM read_csv(?, delim = ';', header = true, all_varchar = true, quote = '"', escape = '"', parallel = true)
WHERE contains(courriel, '@')
"""
BOOKINGS = """
CREATE TABLE bookings AS
WITH parts AS (
    SELECT transaction_id, performance_id, min(line) AS first, sum(tickets)::BIGINT AS tickets,
           sum(net_cents)::BIGINT AS net_cents, count(*) AS parts
    FROM lines WHERE NOT is_cancellation GROUP BY ALL
), words AS (
    SELECT transaction_id, performance_id,
           array_to_string(list_distinct_in_order(list(price_category ORDER BY line)), ', ') AS price_category,
           array_to_string(list_distinct_in_order(list(price_internal_name ORDER BY line)), ', ') AS price_internal_name,
           array_to_string(list_distinct_in_order(list(price_group ORDER BY line)), ', ') AS price_group
    FROM lines SEMI JOIN (FROM parts WHERE parts > 1) USING (transaction_id, performance_id)
    WHERE NOT is_cancellation GROUP BY ALL
)
SELECT l.* EXCLUDE (line, is_cancellation, price_category, price_internal_name, price_group, tickets, net_cents),
       coalesce(w.price_category, l.price_category) AS price_category,
       coalesce(w.price_internal_name, l.price_internal_name) AS price_internal_name,
       coalesce(w.price_group, l.price_group) AS price_group, p.tickets, p.net_cents
FROM parts p JOIN lines l ON l.line = p.first
     LEFT JOIN words w ON (w.transaction_id, w.performance_id) = (p.transaction_id, p.performance_id)
"""
CONTACTS = """
CREATE TABLE contacts AS
SELECT DISTINCT ON (email) email, strftime(moment, '%Y-%m-%d') AS consent_date, transaction_id, contact_id, first_name,
       last_name, company, phone, city, postal_code, show_title, performance_date, sales_channel, price_category,
       price_internal_name, price_group, tickets, net_cents
FROM bookings ORDER BY email, moment DESC, transaction_id DESC, performance_start DESC, performance_id DESC
"""
SEATS = """
CREATE TABLE seats AS
WITH acts AS (
    SELECT coalesce(b.email, c.email) AS email, coalesce(b.show_id, c.show_id) AS show_id, max(c.moment) AS cancelled_at
    FROM lines c LEFT JOIN bookings b USING (transaction_id, performance_id)
    WHERE c.is_cancellation GROUP BY ALL
)
SELECT b.email, b.show_id,
       max(b.performance_date) FILTER (a.cancelled_at IS NULL OR b.moment > a.cancelled_at) AS reach
FROM bookings b LEFT JOIN acts a USING (email, show_id) GROUP BY ALL
"""
MACRO = "CREATE MACRO list_distinct_in_order(l) AS list_filter(l, lambda x, i: list_position(l, x) = i)"


def main(history: Path, result: Path) -> None:
    """Read, merge, and write the three tables."""
    db = duckdb.connect()
    db.execute("SET preserve_insertion_order = true")
    db.execute(MACRO)
    db.execute(LINES, [str(history)])
    for statement in (BOOKINGS, CONTACTS, SEATS):
        db.execute(statement)
    result.unlink(missing_ok=True)
    with dbapi.connect(str(result)) as connection, connection.cursor() as cursor:
        for table in ("bookings", "contacts", "seats"):
            cursor.adbc_ingest(table, db.sql(f"FROM {table}").to_arrow_reader(100_000), mode="create")
        connection.commit()
        cursor.execute("CREATE INDEX bookings_by_email ON bookings (email)")
        cursor.execute("CREATE INDEX bookings_by_transaction ON bookings (transaction_id, performance_id)")
        connection.commit()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
