"""The nightly case: a small day on a large state, then the same day again with nothing to do.

The state is made once, by the program itself, from an invented history (import files for a platform), and kept in the
cache; the measured nights work on a copy of it.
"""

from __future__ import annotations

import csv
import shutil
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import islice
from pathlib import Path

import sizes
from measure import CACHE, HERE, Cost, middle
from place import ACCOUNT, Place, own_folder
from report import Mark, Section, figure, table

LINES = 3_840_000
"""Lines of a history that give 3.0 M bookings of 1.14 M contacts."""
DAY = 2_000
DATE, AS_OF = "2026-11-15", "2026-11-16"
ROUNDS = 3


def state(lines: int) -> Path:
    """A folder in which the program has recorded and sent a history of that many lines; made anew when the tables change."""
    made_by = b"".join((HERE / name).read_bytes() for name in ("history.py", "night.py")) + _tables().encode()
    folder = CACHE / f"night-{lines}-{sha256(made_by).hexdigest()[:12]}"
    if not folder.exists():
        for old in CACHE.glob(f"night-{lines}-*"):
            shutil.rmtree(old)
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        Place(part).placier("backfill", ACCOUNT, sizes.history(lines), "--as-of", sizes.AS_OF)
        write_day(sizes.history(lines), part / "depot" / "Banc_20261115.csv")
        part.rename(folder)
    return folder


def _tables() -> str:
    """The SQL of all tables and indexes, as the program makes them on SQLite."""
    from sqlalchemy.dialects import sqlite
    from sqlalchemy.schema import CreateIndex, CreateTable

    from pipeline.store.tables import metadata

    indexes = (
        index for table in metadata.sorted_tables for index in sorted(table.indexes, key=lambda each: str(each.name))
    )
    made = [*map(CreateTable, metadata.sorted_tables), *map(CreateIndex, indexes)]
    return "".join(str(each.compile(dialect=sqlite.dialect())) for each in made)


def write_day(history: Path, path: Path, lines: int = DAY) -> None:
    """A day after the history: as its last lines are, the purchases of new transactions, every third of a new person."""
    with history.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter=";")
        header = next(rows)
        last = deque(rows, lines)
    place = {
        name: header.index(name)
        for name in ("type_operation", "id_reservation", "date_transaction", "id_client", "courriel")
    }
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(header)
        for row in islice(last, lines):
            row[place["date_transaction"]] = f"{DATE} {row[place['date_transaction']][11:]}"
            if row[place["type_operation"]] == "ACHAT":
                row[place["id_reservation"]] = f"N{row[place['id_reservation']]}"
                if int(row[place["id_client"]].lstrip("C")) % 3 == 0:
                    row[place["id_client"]] = f"N{row[place['id_client']]}"
                    row[place["courriel"]] = f"nouveau.{row[place['courriel']]}"
            writer.writerow(row)


def section(asked: Sequence[int] = (LINES,)) -> Section:
    """The night, the same night again, and its replay, for RESULTS.md."""
    (lines,) = asked
    made = state(lines)
    costs: dict[str, list[Cost]] = {}
    told: dict[str, dict[str, float]] = {}
    for _ in range(ROUNDS):
        with own_folder(CACHE / "work") as parent:
            folder = parent / "place"
            shutil.copytree(made, folder)
            place = Place(folder)
            for name, words in (
                (f"a night of {DAY:,} lines", ["run", ACCOUNT, "--as-of", AS_OF]),
                ("the same night again, nothing to do", ["run", ACCOUNT, "--as-of", AS_OF]),
                ("its replay, nothing to do", ["replay", ACCOUNT, DATE, "--as-of", AS_OF]),
            ):
                cost, run = place.placier(*words)
                costs.setdefault(name, []).append(replace(cost, said=""))
                told.setdefault(name, run["seconds"] | run["pushed"])
    rows = [
        (name, *(figure(x) for x in (c.cpu, c.wall, c.peak))) for name, c in ((n, middle(e)) for n, e in costs.items())
    ]
    stages = list(dict.fromkeys(key for each in told.values() for key in each))
    size = _rows_of(made)
    body = (
        f"On a state of {size}, SQLite, import files for a platform (so nothing is waited for). Medians of {ROUNDS} rounds.\n\n"
        + table(("what", "CPU s", "wall s", "peak MiB"), rows)
        + "\nSeconds by stage (wall) and what was sent, first round:\n\n"
        + table(("what", *stages), [(name, *(each.get(key, "") for key in stages)) for name, each in told.items()])
    )
    asked = ("under 2 s", "under 1.5 s", "under 1.5 s")
    marks = [
        Mark(f"{name}: CPU", wanted, f"{row[1]} s") for (name, wanted, row) in zip(costs, asked, rows, strict=True)
    ]
    marks.append(Mark(f"{rows[0][0]}: peak", "under 250 MiB", f"{rows[0][3]} MiB"))
    return Section("night", "The night", body, marks)


def _rows_of(folder: Path) -> str:
    import sqlite3

    db = sqlite3.connect(f"file:{folder / 'var' / 'placier.db'}?mode=ro", uri=True)
    counts = [db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("bookings", "members")]
    db.close()
    return f"{counts[0]:,} bookings and {counts[1]:,} contacts"
