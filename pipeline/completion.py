"""What the shell offers when somebody presses Tab: accounts, mappings, held runs, recorded days.

It reads names and the state, and makes nothing; it is quick, so it loads no library; what goes wrong offers nothing.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from pipeline.start import shipped

OFFERED = 60
"""So many days or runs are offered at most, newest first."""
HELD = "SELECT DISTINCT run_id FROM holds WHERE account = :account AND state = 'open' ORDER BY run_id DESC"
DAYS = "SELECT business_date FROM loads WHERE account = :account AND kind = 'day' ORDER BY business_date DESC"
SECONDS = 2


def accounts(config: Path) -> list[str]:
    """The accounts of a configuration folder."""
    return sorted(path.stem for path in (config / "accounts").glob("*.toml"))


def mappings(config: Path) -> list[str]:
    """The mappings beside it, and those shipped."""
    found = [*(config.absolute().parent / "mappings").glob("*.toml"), *shipped("mappings")]
    return sorted({path.stem for path in found if path.suffix == ".toml"})


def held_runs(config: Path, account: str) -> list[str]:
    """The runs that hold something for `placier approve`, newest first."""
    return _ask(config, HELD, account)


def recorded_days(config: Path, account: str) -> list[str]:
    """The days that can be replayed, newest first."""
    return _ask(config, DAYS, account)


def _ask(config: Path, query: str, account: str) -> list[str]:
    """The first column of a query of the state, if there is one."""
    main = config / "placier.toml"
    settings = tomllib.loads(main.read_text(encoding="utf-8")) if main.is_file() else {}
    url = settings.get("state", {}).get("url", "sqlite:///var/placier.db")
    bounded = f"{query} LIMIT {OFFERED}"
    words = {"account": account}
    if url.startswith("sqlite:///"):
        rows = _of_sqlite(config.absolute().parent / url.removeprefix("sqlite:///"), bounded, words)
    else:
        rows = _of_postgres(url, bounded, words)
    return [str(row[0]) for row in rows]


def _of_sqlite(path: Path, query: str, words: Mapping[str, str]) -> list[tuple[object, ...]]:
    import sqlite3

    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=SECONDS)) as connection:
        return connection.execute(query, dict(words)).fetchall()


def _of_postgres(url: str, query: str, words: Mapping[str, str]) -> list[tuple[object, ...]]:
    import psycopg

    address = url.replace("postgresql+psycopg://", "postgresql://", 1)
    asked = re.sub(r":(\w+)", r"%(\1)s", query)
    with psycopg.connect(address, connect_timeout=SECONDS) as connection:
        return connection.execute(asked.encode(), dict(words)).fetchall()
