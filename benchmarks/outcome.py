"""What a peer or the program made of a history, in a form that can be compared: rows counted and digested.

    python benchmarks/outcome.py peer result.db
    python benchmarks/outcome.py program sqlite:////path/placier.db

A digest is the sum of the digests of the rows, whatever their order, so that tables of any size need no memory and parts
can be added up.  Money is cents, instants are microseconds since 1970 UTC.

`bookings`, `cancellations`: the ledger, all columns but those of the load.  `contacts`: the last purchase, the person's
own fields, the consent.  `seats`: who is in or out of which show's group (the program keeps only who joins).  `joins`:
who joins which group on the day after the history.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import blake2b
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "peers"))

from state import AS_OF, CONTACTS, LOAD, SEATS

Value = str | int | None
LEDGER = ("bookings", "cancellations")
NOT_COMPARED = {"id", *LOAD}
FIRST_DAY = AS_OF - timedelta(days=3)
"""Who bought for a performance that ended on this day or later joins the show's group."""
_MODULUS = 1 << 128


@dataclass(slots=True)
class Digest:
    """Rows and their digest; `+` joins two parts."""

    rows: int = 0
    value: int = 0

    def add(self, row: Iterable[Value]) -> None:
        """Count a row in."""
        self.rows += 1
        self.value += int.from_bytes(blake2b(repr(tuple(row)).encode(), digest_size=16).digest(), "big")

    def __add__(self, other: Digest) -> Digest:
        return Digest(self.rows + other.rows, self.value + other.value)

    def json(self) -> list[object]:
        """As it is compared."""
        return [self.rows, f"{self.value % _MODULUS:032x}"]


def digest(rows: Iterable[Iterable[Value]]) -> Digest:
    """The digest of some rows."""
    found = Digest()
    for row in rows:
        found.add(row)
    return found


def ledger_columns() -> dict[str, list[str]]:
    """Per ledger table the columns that are compared, sorted: those of the program."""
    from pipeline.store import tables

    return {
        name: sorted(column.name for column in getattr(tables, name).columns if column.name not in NOT_COMPARED)
        for name in LEDGER
    }


def joins(seats: Iterable[tuple[Value, ...]]) -> Iterator[tuple[Value, Value]]:
    """Who joins which show's group, of rows with the columns SEATS."""
    for email, group, reach, *_ in seats:
        if reach is not None and str(reach) >= FIRST_DAY.isoformat():
            yield email, group


def of_peer(result: Path) -> dict[str, object]:
    """What a peer wrote."""
    import sqlite3

    db = sqlite3.connect(f"file:{result}?mode=ro", uri=True)
    selected = {name: ", ".join(f'"{column}"' for column in columns) for name, columns in ledger_columns().items()}
    found = {name: digest(db.execute(f"SELECT {selected[name]} FROM {name}")) for name in LEDGER}
    found["contacts"] = digest(db.execute(f"SELECT {', '.join(CONTACTS)} FROM contacts"))
    seats = f"SELECT {', '.join(SEATS)} FROM seats"
    found["seats"] = digest(db.execute(seats))
    found["joins"] = digest(joins(db.execute(seats)))
    for (email,) in db.execute("SELECT email FROM contacts"):
        found["joins"].add((email, "general"))
    db.close()
    return {name: one.json() for name, one in found.items()}


def of_program(url: str) -> dict[str, object]:
    """What the program recorded, and what it sent."""
    from sqlalchemy import create_engine, select

    from pipeline.store import tables

    with create_engine(url).connect().execution_options(stream_results=True, yield_per=10_000) as db:
        found = {}
        for name, columns in ledger_columns().items():
            table = getattr(tables, name)
            found[name] = digest(db.execute(select(*(table.c[column] for column in columns))))
        members = tables.members.c
        query = select(members.email, members["values"], members.consent_date, members.consent_proof, members.known_at)
        found["contacts"] = digest(_contact(*row) for row in db.execute(query))
        seats = tables.memberships.c
        taken = select(seats.email, seats.group_key).where(seats.state == "in")
        found["joins"] = digest(db.execute(taken))
    return {name: one.json() for name, one in found.items()}


def _contact(email: str, values: dict[str, str | int | float], day: date, proof: str, known_at: int) -> list[Value]:
    own: dict[str, object] = {**values, "email": email, "consent_date": day.isoformat()}
    own |= {"consent_proof": proof, "known_at": known_at, "net_cents": round(float(values["net_amount"]) * 100)}
    return [own.get(name) for name in CONTACTS]  # type: ignore[misc]


if __name__ == "__main__":
    kind, place = sys.argv[1:]
    print(json.dumps(of_peer(Path(place)) if kind == "peer" else of_program(place)))
