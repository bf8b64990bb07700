"""The same work in plain Python, slowly: the rules of the README one after the other, to hold all others against.

    python benchmarks/reference.py history.csv

The lines are dealt by their address into files that are read one at a time, so that any size fits the memory: in an
invented history all lines of a transaction carry one address.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from zlib import crc32
from zoneinfo import ZoneInfo

from outcome import LEDGER, Digest, digest, joins, ledger_columns
from state import CONTACTS, SEATS

ZONE = ZoneInfo("America/Toronto")
PART = 100_000
"""Lines that one part may have, about."""
Line = dict[str, str]
Row = dict[str, object]
OWN = {
    "contact_id": "id_client", "first_name": "prenom", "last_name": "nom", "company": "entreprise",
    "phone": "telephone", "city": "ville", "postal_code": "code_postal", "client_created_on": "date_creation_client",
}  # fmt: skip
SHOW = {
    "show_id": "id_spectacle", "show_title": "titre_spectacle", "performance_id": "id_representation",
    "performance_start": "date_evenement", "sales_channel": "canal_vente", "report_category_1": "categorie_rapport_1",
}  # fmt: skip
JOINED = {
    "price_category": "categorie_tarif", "price_internal_name": "nom_interne_tarif",
    "price_group": "regroupement_categorie_prix",
}  # fmt: skip


def address(line: Line) -> str | None:
    """The address, trimmed and lower-cased; None if it is none."""
    email = line["courriel"].strip().lower()
    name, at, host = email.partition("@")
    right = bool(name) and bool(at) and "@" not in host and "." in host.strip(".") and not any(map(str.isspace, email))
    return email if right else None


def instant(text: str) -> int:
    """A local time as microseconds since 1970 UTC."""
    local = datetime.fromisoformat(text).replace(tzinfo=ZONE, fold=0)
    return int(local.astimezone(UTC).timestamp()) * 1_000_000


def booking(lines: list[tuple[int, Line]]) -> Row:
    """Rule 1: the lines of one transaction and performance."""
    first = lines[0][1]
    row: Row = {ours: first[theirs] or None for ours, theirs in (OWN | SHOW).items()}
    for ours, theirs in JOINED.items():
        row[ours] = ", ".join(dict.fromkeys(line[theirs] for _, line in lines if line[theirs])) or None
    row["transaction_id"] = first["id_reservation"]
    row["performance_key"] = f"id:{first['id_representation']}"
    row["show_key"] = f"id:{first['id_spectacle']}"
    row["email"] = address(first)
    row["booked_at"] = max(instant(line["date_transaction"]) for _, line in lines)
    row["booked_on"] = max(line["date_transaction"] for _, line in lines)[:10]
    row["performance_end_on"] = first["date_evenement"][:10]
    row["tickets"] = sum(int(line["nb_billets"]) for _, line in lines)
    row["net_cents"] = int(sum(Decimal(line["montant_net"].replace(",", ".")) for _, line in lines) * 100)
    row["lines"] = ",".join(str(number) for number, _ in lines)
    return row


def cancellation(lines: list[tuple[int, Line]]) -> Row:
    """The lines of one act of cancelling."""
    first = lines[0][1]
    return {
        "transaction_id": first["id_reservation"],
        "performance_key": f"id:{first['id_representation']}",
        "show_key": f"id:{first['id_spectacle']}",
        "cancelled_at": instant(first["date_transaction"]),
        "cancelled_on": first["date_transaction"][:10],
        "email": address(first),
        "show_title": first["titre_spectacle"],
        "performance_start": first["date_evenement"],
        "tickets": sum(int(line["nb_billets"]) for _, line in lines),
        "lines": ",".join(str(number) for number, _ in lines),
    }


def contact(bookings: list[Row]) -> Row:
    """Rules 2 and 4: the last purchase, the person's own fields, the consent."""
    ordered = sorted(
        bookings, key=lambda b: (b["booked_at"], b["transaction_id"], b["performance_start"], b["performance_id"])
    )
    last = ordered[-1]
    own = {name: [b[name] for b in ordered if b[name]] for name in OWN}
    day = str(last["performance_start"])[:10]
    return {
        **last,
        **{name: values[-1] if values else None for name, values in own.items()},
        "performance_date": day,
        "consent_date": last["booked_on"],
        "consent_proof": f"{last['show_title']}, {day}, transaction {last['transaction_id']}",
        "known_at": last["booked_at"],
    }


def seat(email: str, show: str, bookings: list[Row], cancelled: list[int]) -> Row:
    """Rule 7: a cancellation takes out, a purchase after it puts back."""
    latest = max(cancelled, default=None)
    counting = [b for b in bookings if latest is None or b["booked_at"] > latest]
    return {
        "email": email,
        "group_key": f"show:{show}",
        "reach": max((str(b["performance_end_on"]) for b in counting), default=None),
        "booked_at": max(b["booked_at"] for b in bookings),
        "cancelled_at": latest,
    }


def dealt(history: Path, folder: Path) -> list[Path]:
    """The parts of a history, as files in a folder: its lines after their numbers in it (the header is 1)."""
    with history.open("rb") as counted:
        paths = [folder / str(part) for part in range(sum(1 for _ in counted) // PART + 1)]
    with ExitStack() as opened:
        source = opened.enter_context(history.open(encoding="utf-8", newline=""))
        files = [opened.enter_context(path.open("w", encoding="utf-8", newline="")) for path in paths]
        parts = [csv.writer(file) for file in files]
        rows = csv.reader(source, delimiter=";")
        header = next(rows)
        place = header.index("courriel")
        for part in parts:
            part.writerow(["", *header])
        for number, row in enumerate(rows, start=2):
            parts[crc32(row[place].encode()) % len(parts)].writerow([number, *row])
    return paths


def lines_of(part: Path) -> Iterator[tuple[int, Line]]:
    """The lines of a part, and their numbers."""
    with part.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header = next(rows)[1:]
        for number, *row in rows:
            yield int(number), dict(zip(header, row, strict=True))


def outcome(part: Path) -> dict[str, Digest]:
    """What one part comes to."""
    bought: dict[tuple[str, str], list[tuple[int, Line]]] = defaultdict(list)
    undone: dict[tuple[str, str, str], list[tuple[int, Line]]] = defaultdict(list)
    for number, line in lines_of(part):
        key = (line["id_reservation"], line["id_representation"])
        if line["type_operation"] == "ANNULATION":
            undone[*key, line["date_transaction"]].append((number, line))
        elif address(line) is not None:
            bought[key].append((number, line))
    bookings = {key: booking(lines) for key, lines in bought.items()}
    cancellations = [cancellation(lines) for lines in undone.values()]
    people: dict[str, list[Row]] = defaultdict(list)
    seated: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in bookings.values():
        people[str(row["email"])].append(row)
        seated[str(row["email"]), str(row["show_key"])].append(row)
    cancelled: dict[tuple[str, str], list[int]] = defaultdict(list)
    for act in cancellations:
        key = (str(act["transaction_id"]), str(act["performance_key"]).removeprefix("id:"))
        whose = bookings.get(key, act)
        cancelled[str(whose["email"]), str(whose["show_key"])].append(int(str(act["cancelled_at"])))
    seats = [seat(email, show, rows, cancelled[email, show]) for (email, show), rows in seated.items()]
    columns = ledger_columns()
    rows = {
        "bookings": [[row.get(name) for name in columns["bookings"]] for row in bookings.values()],
        "cancellations": [[row.get(name) for name in columns["cancellations"]] for row in cancellations],
        "contacts": [[row.get(name) for name in CONTACTS] for row in map(contact, people.values())],
        "seats": [[row[name] for name in SEATS] for row in seats],
    }
    assert tuple(rows)[:2] == LEDGER
    found = {name: digest(each) for name, each in rows.items()}
    found["joins"] = digest(joins(tuple(row) for row in rows["seats"])) + digest((email, "general") for email in people)
    return found


def main(history: Path) -> dict[str, object]:
    """The digests of the whole."""
    with TemporaryDirectory(dir=history.parent) as folder:
        found, *others = map(outcome, dealt(history, Path(folder)))
        for more in others:
            found = {name: one + more[name] for name, one in found.items()}
    return {name: one.json() for name, one in found.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("history", type=Path)
    print(json.dumps(main(parser.parse_args().history)))
