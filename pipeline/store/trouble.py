"""What a database says when it cannot, turned into a sentence and the command to type next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError, SQLAlchemyError

from pipeline.errors import StateError

AGAIN = "then the same command again: it goes on where this one stopped"

REMEDIES = (
    (
        ("is locked", "lock timeout", "deadlock"),
        f"another program is using it: wait for that to end ([state] patience is how long a run waits), {AGAIN}",
    ),
    (("disk is full", "no space left"), f"make room on its disk (df -h), {AGAIN}"),
    (
        ("readonly", "read-only", "unable to open", "permission denied"),
        f"let the user that runs placier write there (ls -ld; mount), {AGAIN}",
    ),
    (
        ("malformed", "not a database", "disk i/o error"),
        f"look at its disk (df -h; dmesg); if the file is damaged, put the last backup in its place, {AGAIN}",
    ),
    (
        ("password", "authentication", "pg_hba", "does not exist"),
        f"correct [state] url, and the password in PGPASSWORD or ~/.pgpass; {AGAIN}",
    ),
)
"""What the two databases say (in lower case), and what helps."""

UP = f"check that the database is up, {AGAIN}"
"""What helps otherwise."""


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Foreign errors of the database become StateError; never with the statement, which holds personal data."""
    try:
        yield
    except SQLAlchemyError as error:
        raise _told(error, where) from None


def _told(error: SQLAlchemyError, where: str) -> StateError:
    words = first_line(error.orig) if isinstance(error, DBAPIError) else type(error).__name__
    remedy = next((help_ for said, help_ in REMEDIES if any(each in words.lower() for each in said)), "")
    # SQLite calls a damaged file, or one that is no database, a plain DatabaseError.
    if (
        isinstance(error, OperationalError)
        or type(error) is DatabaseError
        or (remedy and isinstance(error, DBAPIError))
    ):
        return StateError(f"the database {where} cannot be used ({words})", remedy or UP)
    return StateError(
        f"the database {where} refused an operation ({words})", "this is a defect: report it with the log"
    )


def first_line(error: BaseException | None) -> str:
    """The driver's first line, without values."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].split("DETAIL")[0][:200]
