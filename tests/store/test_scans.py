"""A night costs what the night is, not what the state is: none of its statements goes through a table that grows."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Engine, event
from world import World, buy, cancel

ANNE, BENOIT = "anne@exemple.test", "benoit@exemple.test"
GROWING = "bookings|cancellations|members|memberships|consent_acts|rejects|page_people|other|mine"
"""The tables with a row or more a booking or a contact, and what they are called in joins with themselves."""
COUNTED = "USING COVERING INDEX members_by_consent"
"""The contacts are counted once a run, for its page: over this index alone, a twentieth of a second for a million."""
WHOLE = re.compile(rf"SCAN ({GROWING})\b|SEARCH ({GROWING})\b.*\(account=\?\)$")

Statement = tuple[str, tuple[object, ...]]


@contextmanager
def noted() -> Iterator[list[Statement]]:
    """Every statement that is sent to a database meanwhile."""
    found: list[Statement] = []

    def note(
        _connection: object, _cursor: object, statement: str, values: object, _context: object, many: bool
    ) -> None:
        rows = values if many else [values]
        found.append((statement, tuple(rows[0])))  # type: ignore[index]

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def whole_reads(state: Path, statements: list[Statement]) -> set[str]:
    """The statements that go through a growing table from end to end, as SQLite plans them, each with its plan."""
    found = set()
    with closing(sqlite3.connect(state)) as connection:
        for statement, values in statements:
            if statement.split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH"):
                plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
                told = " ".join(statement.split())
                counted = [COUNTED in line and "GROUP BY" not in statement for line in plan]
                found |= {
                    f"{line}: {told}"
                    for line, fine in zip(plan, counted, strict=True)
                    if WHOLE.search(line) and not fine
                }
    return found


def test_no_statement_of_a_night_goes_through_a_growing_table(world: World) -> None:
    old = buy("T0", "2024-01-02 10:00:00", ANNE, date_evenement="2024-01-20 20:00:00")
    assert world.placier("backfill", "demo", str(world.history([old])), "--as-of", "2026-02-28").code == 0
    world.day("2026-02-28", [buy("T1", "2026-02-28 10:00:00", ANNE), buy("T2", "2026-02-28 10:00:00", BENOIT)])
    world.day("2026-03-01", [cancel("T1", "2026-03-01 09:00:00"), buy("T3", "2026-03-01 10:00:00", ANNE)])
    assert world.night("2026-03-01").code == 0
    with noted() as statements:
        assert world.night("2026-03-02").code == 0  # changes, a cancellation, and the purge of what is too old
        assert world.placier("replay", "demo", "2026-03-01", "--as-of", "2026-03-02").code == 0
    assert any("DELETE FROM bookings" in statement for statement, _ in statements)
    assert any("INSERT INTO page_people" in statement for statement, _ in statements)
    assert whole_reads(world.root / "var" / "placier.db", statements) == set()
