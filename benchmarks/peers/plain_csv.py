"""The script that people write: csv, dictionaries, sqlite3; line by line.

python benchmarks/peers/plain_csv.py history.csv result.db schema.sql
"""

from __future__ import annotations

import csv
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

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
    ZONE,
    Task,
    asked,
    make_indexes,
    make_tables,
)

ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Row = dict[str, object]


def main(task: Task) -> None:
    """Read, merge, and write the four tables."""
    bookings: dict[tuple[str, str], Row] = {}
    cancellations: dict[tuple[str, str, int], Row] = {}
    with task.history.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, delimiter=";")
        for number, line in enumerate(reader, start=2):
            row = read(line)
            row["lines"] = str(number)
            if line["type_operation"] == "ANNULATION":
                cancel(cancellations, row)
            elif row["email"]:
                book(bookings, row)
    contacts, seats = people(bookings, cancellations)
    make_tables(task)
    with closing(sqlite3.connect(task.result)) as db:
        for table, columns, rows in (
            ("bookings", BOOKINGS, bookings.values()),
            ("cancellations", CANCELLATIONS, cancellations.values()),
            ("contacts", CONTACTS, contacts),
            ("seats", SEATS, seats),
        ):
            named = ", ".join(f'"{name}"' for name in columns)
            places = ", ".join(f":{name}" for name in columns)
            db.executemany(f"INSERT INTO {table} ({named}) VALUES ({places})", (_whole(row, columns) for row in rows))
        db.commit()
    make_indexes(task)


def read(line: dict[str, str]) -> Row:
    """The values of a line."""
    email = line["courriel"].strip().lower()
    local = datetime.strptime(line["date_transaction"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=ZONE)
    row: Row = {ours: line[theirs] or None for ours, theirs in FROM_FILE.items()}
    row["transaction_id"] = line["id_reservation"]
    row["performance_key"] = "id:" + line["id_representation"]
    row["show_key"] = "id:" + line["id_spectacle"]
    row["email"] = email if ADDRESS.fullmatch(email) else None
    row["booked_at"] = (local - EPOCH) // timedelta(microseconds=1)
    row["booked_on"] = line["date_transaction"][:10]
    row["performance_end_on"] = line["date_evenement"][:10]
    row["tickets"] = int(line["nb_billets"])
    row["net_cents"] = int(Decimal(line["montant_net"].replace(",", ".")) * 100)
    return row


def book(bookings: dict[tuple[str, str], Row], row: Row) -> None:
    """The lines of one transaction and performance are one booking."""
    known = bookings.setdefault((row["transaction_id"], row["performance_key"]), row)
    if known is row:
        return
    for name in JOINED:
        words = known[name].split(", ") if known[name] else []
        if row[name] and row[name] not in words:
            known[name] = ", ".join([*words, row[name]])
    for name in FROM_FILE:
        if known[name] is None:
            known[name] = row[name]
    known["booked_at"] = max(known["booked_at"], row["booked_at"])
    known["booked_on"] = max(known["booked_on"], row["booked_on"])
    known["tickets"] += row["tickets"]
    known["net_cents"] += row["net_cents"]
    known["lines"] += "," + row["lines"]


def cancel(cancellations: dict[tuple[str, str, int], Row], row: Row) -> None:
    """The lines of one act of cancelling are one cancellation."""
    row["cancelled_at"], row["cancelled_on"] = row.pop("booked_at"), row.pop("booked_on")
    known = cancellations.setdefault((row["transaction_id"], row["performance_key"], row["cancelled_at"]), row)
    if known is not row:
        known["tickets"] += row["tickets"]
        known["lines"] += "," + row["lines"]


def people(
    bookings: dict[tuple[str, str], Row], cancellations: dict[tuple[str, str, int], Row]
) -> tuple[list[Row], list[Row]]:
    """What each contact should be, and its seat at each show."""
    held: dict[str, list[Row]] = {}
    for booking in bookings.values():
        held.setdefault(booking["email"], []).append(booking)
    gone: dict[tuple[str, str], int] = {}
    for act in cancellations.values():
        owner = bookings.get((act["transaction_id"], act["performance_key"]), act)
        place = (owner["email"], owner["show_key"])
        gone[place] = max(gone.get(place, act["cancelled_at"]), act["cancelled_at"])
    contacts, seats = [], []
    for email, theirs in held.items():
        theirs.sort(
            key=lambda row: [row[n] for n in ("booked_at", "transaction_id", "performance_start", "performance_id")]
        )
        contacts.append(contact(email, theirs))
        shows: dict[str, list[Row]] = {}
        for row in theirs:
            shows.setdefault(row["show_key"], []).append(row)
        for show, rows in shows.items():
            cancelled_at = gone.get((email, show))
            ends = [r["performance_end_on"] for r in rows if cancelled_at is None or r["booked_at"] > cancelled_at]
            seats.append(
                {
                    "email": email,
                    "group_key": f"show:{show}",
                    "reach": max(ends, default=None),
                    "booked_at": rows[-1]["booked_at"],
                    "cancelled_at": cancelled_at,
                }
            )
    return contacts, seats


def contact(email: str, theirs: list[Row]) -> Row:
    """A contact: its own fields the latest that are not empty, the rest from its last purchase."""
    last = theirs[-1]
    day = last["performance_start"][:10]
    row: Row = {name: last.get(name) for name in PURCHASE}
    for name in PERSON:
        row[name] = next((booking[name] for booking in reversed(theirs) if booking.get(name)), None)
    row["email"] = email
    row["performance_date"] = day
    row["consent_date"] = last["booked_on"]
    row["consent_proof"] = f"{last['show_title']}, {day}, transaction {last['transaction_id']}"
    row["known_at"] = last["booked_at"]
    return row


def _whole(row: Row, columns: tuple[str, ...]) -> Row:
    return {name: LOAD[name] if name in LOAD else row.get(name) for name in columns}


if __name__ == "__main__":
    main(asked())
