"""The tables that every peer writes, and what all rows of one load have in common.

`bookings` and `cancellations` are the program's own tables with all their indexes: the SQL of them is a file that the
benchmark makes from `pipeline/store/tables.py` at every run.  `contacts` and `seats` are what a plan needs.  Indexes are
made when all rows are in; a peer that ends has its rows safely on the disk (SQLite's defaults).
"""

from __future__ import annotations

import argparse
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/Toronto")
AS_OF = date(2026, 11, 15)
"""The day after the last one of the invented history."""
LOAD = {
    "account": "bench",
    "load_id": 1,
    "file_id": 1,
    "precedence": (AS_OF - timedelta(days=1)).toordinal() * 2,
    "current": 1,
}
"""The values that all rows of the load share."""
PERSON = (
    "contact_id", "first_name", "last_name", "company", "company_2", "phone", "city", "postal_code", "client_created_on",
)  # fmt: skip
"""A contact's own fields: the latest value that is not empty."""
PURCHASE = (
    "report_category_1", "report_category_2", "report_category_3", "sales_channel", "show_title", "performance_date",
    "initial_transaction_date", "tickets", "price_category", "price_internal_name", "net_cents", "price_group",
)  # fmt: skip
"""The fields of the last purchase."""
JOINED = ("price_category", "price_internal_name", "price_group")
"""Columns of a booking whose different values are joined with `, `."""
FROM_FILE = {
    "contact_id": "id_client",
    "first_name": "prenom",
    "last_name": "nom",
    "company": "entreprise",
    "phone": "telephone",
    "city": "ville",
    "postal_code": "code_postal",
    "client_created_on": "date_creation_client",
    "show_id": "id_spectacle",
    "show_title": "titre_spectacle",
    "performance_id": "id_representation",
    "performance_start": "date_evenement",
    "sales_channel": "canal_vente",
    "report_category_1": "categorie_rapport_1",
    "price_category": "categorie_tarif",
    "price_internal_name": "nom_interne_tarif",
    "price_group": "regroupement_categorie_prix",
}
"""Column of a booking -> the column of the file that it is copied from."""
CONTACTS = ("email", "consent_date", "consent_proof", "known_at", *PERSON, *PURCHASE)
SEATS = ("email", "group_key", "reach", "booked_at", "cancelled_at")
BOOKINGS = (
    *LOAD, "lines", "transaction_id", "performance_key", "show_key", "booked_at", "booked_on", "email", *FROM_FILE,
    "performance_end_on", "tickets", "net_cents",
)  # fmt: skip
"""The columns that this history fills; the others stay null."""
CANCELLATIONS = (
    *LOAD, "lines", "transaction_id", "performance_key", "show_key", "cancelled_at", "cancelled_on", "email",
    "show_title", "performance_start", "tickets",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Task:
    """What a peer is asked for: this history into that SQLite file, whose ledger tables the SQL of `schema` makes."""

    history: Path
    result: Path
    schema: Path


def asked() -> Task:
    """The task of the command line."""
    parser = argparse.ArgumentParser()
    for name in ("history", "result", "schema"):
        parser.add_argument(name, type=Path)
    words = parser.parse_args()
    return Task(words.history, words.result, words.schema)


def make_tables(task: Task) -> None:
    """A new, empty result."""
    task.result.unlink(missing_ok=True)
    with closing(sqlite3.connect(task.result)) as db:
        for statement in _statements(task):
            if not _is_index(statement):
                db.execute(statement)
        db.execute(f"CREATE TABLE contacts ({', '.join(CONTACTS)})")
        db.execute(f"CREATE TABLE seats ({', '.join(SEATS)})")
        db.commit()


def make_indexes(task: Task) -> None:
    """All indexes, once the rows are in."""
    with closing(sqlite3.connect(task.result)) as db:
        for statement in _statements(task):
            if _is_index(statement):
                db.execute(statement)
        db.execute("CREATE UNIQUE INDEX contacts_by_email ON contacts (email)")
        db.execute("CREATE UNIQUE INDEX seats_by_email ON seats (email, group_key)")
        db.commit()


def _statements(task: Task) -> list[str]:
    return [part.strip() for part in task.schema.read_text(encoding="utf-8").split(";") if part.strip()]


def _is_index(statement: str) -> bool:
    return " INDEX " in statement.partition("(")[0].upper()


def clock(first: date = date(2024, 1, 1), last: date = date(2027, 12, 31)) -> list[tuple[str, int]]:
    """From which local time on (`YYYY-MM-DD HH:MM:SS`) the clock is how many microseconds behind UTC.

    An hour that happens twice is its first occurrence; one that is skipped is an hour later.
    """
    found: list[tuple[str, int]] = []
    hour = datetime(first.year, first.month, first.day)
    while hour.date() <= last:
        behind = -(hour.replace(tzinfo=ZONE).utcoffset() or timedelta()) // timedelta(microseconds=1)
        if not found or found[-1][1] != behind:
            found.append((hour.isoformat(" "), behind))
        hour += timedelta(hours=1)
    return found


def clock_sql(column: str) -> str:
    """The same as an SQL expression over a column of local times."""
    changes = clock()
    cases = [f"WHEN {column} < '{later}' THEN {behind}" for (_, behind), (later, _) in pairwise(changes)]
    return f"CASE {' '.join(cases)} ELSE {changes[-1][1]} END"
