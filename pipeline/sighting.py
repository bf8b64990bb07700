"""What a platform holds of many contacts at one moment: read once, kept on the side, asked part by part."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, MutableSet, Sequence

from pydantic_core import from_json, to_json

from pipeline.contact import Group, KnownGroup
from pipeline.platforms import Member, Platform
from pipeline.spool import listed, spool, told


class Sighting:
    """The members and seats that were seen: `look` and `look_in` read the platform, the rest asks what was read."""

    def __init__(self, platform: Platform) -> None:
        self.reads_back = platform.reads_back
        self._platform = platform
        self._db = spool(
            "wanted (email TEXT PRIMARY KEY) WITHOUT ROWID",
            "members (email TEXT PRIMARY KEY, id INTEGER, express INTEGER, held TEXT) WITHOUT ROWID",
            "seats (email TEXT, group_key TEXT, PRIMARY KEY (email, group_key)) WITHOUT ROWID",
        )

    def look(self, emails: Iterable[str]) -> None:
        """See which of these are members, and what their fields hold."""
        if not self.reads_back:
            return
        wanted = self._want(emails)
        if len(wanted):
            rows = (
                (there.email, there.id, there.express, to_json(dict(there.values)))
                for there in self._platform.find(wanted)
            )
            with told():
                self._db.executemany("INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?)", rows)

    def look_in(self, emails: Iterable[str], groups: Sequence[KnownGroup]) -> None:
        """See which of these are in which of the groups."""
        if not (self.reads_back and groups):
            return
        wanted = self._want(emails)
        if not len(wanted):
            return
        there = {group.id: group for group in self._platform.groups()}
        present = [there.get(known.platform_id, Group(known.platform_id, known.title, False, 0)) for known in groups]
        keys = {known.platform_id: known.group_key for known in groups}
        found = self._platform.inside(wanted, [group for group in present if group.id in there])
        with told():
            self._db.executemany("INSERT OR IGNORE INTO seats VALUES (?, ?)", ((one, keys[id]) for one, id in found))

    def _want(self, emails: Iterable[str]) -> _Wanted:
        self._db.execute("DELETE FROM wanted")
        with told():
            self._db.executemany("INSERT OR IGNORE INTO wanted VALUES (?)", ((email,) for email in emails))
        return _Wanted(self._db)

    def members(self) -> Iterator[str]:
        """Who was seen, by address."""
        return (email for (email,) in self._db.execute("SELECT email FROM members"))

    def read(self, emails: Iterable[str]) -> dict[str, Member]:
        """Those of `emails` that were members."""
        if not self.reads_back:
            return {}
        query = "SELECT email, id, express, held FROM members WHERE email IN (SELECT value FROM json_each(?))"
        rows = self._db.execute(query, listed(emails))
        return {email: Member(id, email, bool(express), from_json(held)) for email, id, express, held in rows}

    def seats(self, emails: Iterable[str]) -> set[tuple[str, str]]:
        """The seats that `emails` had, as (address, group key)."""
        if not self.reads_back:
            return set()
        query = "SELECT email, group_key FROM seats WHERE email IN (SELECT value FROM json_each(?))"
        return set(self._db.execute(query, listed(emails)))


class _Wanted(MutableSet[str]):
    """The addresses that are looked for."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._count = int(db.execute("SELECT count(*) FROM wanted").fetchone()[0])

    def __contains__(self, email: object) -> bool:
        return self._db.execute("SELECT 1 FROM wanted WHERE email = ?", (email,)).fetchone() is not None

    def __iter__(self) -> Iterator[str]:
        return (email for (email,) in self._db.execute("SELECT email FROM wanted").fetchall())

    def __len__(self) -> int:
        return self._count

    def add(self, value: str) -> None:
        """Look for one more."""
        self._count += self._db.execute("INSERT OR IGNORE INTO wanted VALUES (?)", (value,)).rowcount

    def discard(self, value: str) -> None:
        """It was found."""
        self._count -= self._db.execute("DELETE FROM wanted WHERE email = ?", (value,)).rowcount
