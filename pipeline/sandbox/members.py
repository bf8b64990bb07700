"""The stand-in's store: one SQLite file with members, groups, memberships, custom fields and batches.

Instants are milliseconds since 1970 (UTC), days are ISO texts.  The store keeps facts; what may be done to them is
decided in operations.py and batches.py.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Literal, cast

from pydantic_core import from_json, to_json

from pipeline.fields import FIELDS
from pipeline.sandbox.consent import EXPRESS, UNSTATED, Consent

Value = str | int | float
State = Literal["subscribed", "unsubscribed", "bounced"]
TEXTS: tuple[str, ...] = (
    "firstname",
    "lastname",
    "company",
    "gender",
    "language",
    "postalCode",
    "country",
    "note",
    "birthdate",
)
"""The standard attributes, beside the address, by their API names; all are texts here, empty when unset."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS custom_fields (id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS members (
  id INTEGER PRIMARY KEY AUTOINCREMENT, email TEXT NOT NULL, email_key TEXT NOT NULL UNIQUE, texts TEXT NOT NULL,
  fields TEXT NOT NULL, joined INTEGER NOT NULL, updated INTEGER, state TEXT NOT NULL, left INTEGER,
  relation TEXT, consent_date TEXT, consent_proof TEXT NOT NULL,
  language TEXT NOT NULL, fullname TEXT NOT NULL, express INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS members_by_state ON members (state);
CREATE TABLE IF NOT EXISTS groups (
  id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT NOT NULL, public INTEGER NOT NULL, dynamic INTEGER NOT NULL,
  created INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS memberships (
  group_id INTEGER NOT NULL, member_id INTEGER NOT NULL, PRIMARY KEY (group_id, member_id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS memberships_by_member ON memberships (member_id);
CREATE TABLE IF NOT EXISTS batches (
  id INTEGER PRIMARY KEY AUTOINCREMENT, type TEXT NOT NULL, body BLOB NOT NULL, created INTEGER NOT NULL,
  status TEXT NOT NULL, polls INTEGER NOT NULL, result BLOB, mishap TEXT NOT NULL, refused TEXT NOT NULL);
"""
_COLUMNS = "id, email, texts, fields, joined, updated, state, left, relation, consent_date, consent_proof"
_FIRST_IDS = {"members": 1000, "groups": 400, "batches": 7000}
FIRST_FIELD = 21
"""Id of the first of the 17 custom fields of a new account."""


@dataclass(frozen=True, slots=True)
class CustomField:
    """A custom field of the account; `type` is one of `text`, `date`, `integer`, `decimal number`."""

    id: int
    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Group:
    """A group; `members` counts its subscribed members."""

    id: int
    title: str
    public: bool
    dynamic: bool
    created: int
    members: int = 0


@dataclass(frozen=True, slots=True)
class Member:
    """A person known to the account, whatever the state; `left`: when they unsubscribed or bounced.  `id` 0: not kept yet."""

    id: int
    email: str
    joined: int
    texts: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, Value] = field(default_factory=dict)
    updated: int | None = None
    state: State = "subscribed"
    left: int | None = None
    consent: Consent = UNSTATED


@dataclass(frozen=True, slots=True)
class Batch:
    """A submitted batch; `mishap` names the fault that strikes it, `refused` the addresses whose rows it refuses."""

    id: int
    type: str
    body: dict[str, object]
    created: int
    status: str
    polls: int
    result: object
    mishap: str
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Selection:
    """Which members a list asks for: states, group (or None), orphans or not (or None), instants from/to by column."""

    states: tuple[State, ...]
    group: int | None = None
    grouped: bool | None = None
    since: Mapping[str, int] = field(default_factory=dict)
    until: Mapping[str, int] = field(default_factory=dict)
    order: str = "id"
    descending: bool = False
    offset: int = 0
    limit: int = -1


class Store:
    """The SQLite file.  One connection, used by one thread at a time (the server's event loop)."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            new = self._prepare()
        except BaseException:
            self._db.close()
            raise
        if new:
            self.wipe()

    def _prepare(self) -> bool:
        """Make the tables; whether the file is new."""
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = OFF")  # a process that is killed loses nothing; a power cut may
        new = not self._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'members'").fetchone()
        with self.transaction():
            for statement in _SCHEMA.split(";"):
                self._db.execute(statement)
        return new

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def wipe(self) -> None:
        """A new account: nobody, no group, the 17 custom fields."""
        types = {"decimal": "decimal number"}
        with self.transaction():
            for table in ("members", "groups", "memberships", "batches", "sqlite_sequence"):
                self._db.execute(f"DELETE FROM {table}")
            self._db.executemany("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", list(_FIRST_IDS.items()))
            self.set_custom_fields(
                [
                    CustomField(FIRST_FIELD + index, item.name, types.get(item.type, item.type))
                    for index, item in enumerate(FIELDS)
                ]
            )

    # custom fields

    def custom_fields(self) -> list[CustomField]:
        """The account's custom fields by id."""
        return [CustomField(*row) for row in self._db.execute("SELECT id, name, type FROM custom_fields ORDER BY id")]

    def set_custom_fields(self, wanted: Sequence[CustomField]) -> None:
        """Replace the list of custom fields."""
        self._db.execute("DELETE FROM custom_fields")
        self._db.executemany(
            "INSERT INTO custom_fields (id, name, type) VALUES (?, ?, ?)",
            [(item.id, item.name, item.type) for item in wanted],
        )

    # members

    def find(self, key: str) -> Member | None:
        """A person by address (whatever its case) or by id, in any state."""
        column, value = ("id", key) if key.isascii() and key.isdigit() else ("email_key", key.strip().casefold())
        row = self._db.execute(f"SELECT {_COLUMNS} FROM members WHERE {column} = ?", (value,)).fetchone()
        return None if row is None else _member(row)

    def save(self, member: Member) -> Member:
        """Keep a person, new (id 0) or known; the kept one."""
        values = (
            member.email,
            member.email.casefold(),
            to_json({name: member.texts[name] for name in TEXTS if member.texts.get(name)}),
            to_json(dict(member.fields)),
            member.joined,
            member.updated,
            member.state,
            member.left,
            member.consent.relation,
            None if member.consent.date is None else member.consent.date.isoformat(),
            member.consent.proof,
            member.texts.get("language", ""),
            f"{member.texts.get('firstname', '')} {member.texts.get('lastname', '')}".strip().casefold(),
            member.consent.relation in EXPRESS,
        )
        if member.id:
            self._db.execute(
                "UPDATE members SET email=?, email_key=?, texts=?, fields=?, joined=?, updated=?, state=?, left=?, relation=?,"
                " consent_date=?, consent_proof=?, language=?, fullname=?, express=? WHERE id=?",
                (*values, member.id),
            )
            return member
        cursor = self._db.execute(
            "INSERT INTO members (email, email_key, texts, fields, joined, updated, state, left, relation, consent_date,"
            " consent_proof, language, fullname, express) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            values,
        )
        return replace(member, id=cast(int, cursor.lastrowid))

    def delete(self, member_id: int) -> None:
        """Forget a person and the memberships."""
        self._db.execute("DELETE FROM memberships WHERE member_id = ?", (member_id,))
        self._db.execute("DELETE FROM members WHERE id = ?", (member_id,))

    def select(self, wanted: Selection) -> tuple[list[Member], int]:
        """A page of members, and how many there are in all."""
        states = f"state IN ({', '.join('?' * len(wanted.states))})"
        where = [states]
        values: list[object] = list(wanted.states)
        if wanted.group is not None:
            where.append("id IN (SELECT member_id FROM memberships WHERE group_id = ?)")
            values.append(wanted.group)
        if wanted.grouped is not None:
            where.append(
                f"{'' if wanted.grouped else 'NOT '}EXISTS (SELECT 1 FROM memberships WHERE member_id = members.id)"
            )
        for bounds, comparison in ((wanted.since, ">="), (wanted.until, "<")):
            for column, instant in bounds.items():
                where.append(f"{column} {comparison} ?")
                values.append(instant)
        condition = " AND ".join(where)
        direction = "DESC" if wanted.descending else "ASC"
        total: int = self._db.execute(f"SELECT count(*) FROM members WHERE {condition}", values).fetchone()[0]
        if "subscribed" in wanted.states:  # nearly everybody: in the order asked for, without the index on the state
            condition = condition.replace(states, f"+{states}", 1)
        rows = self._db.execute(
            f"SELECT {_COLUMNS} FROM members WHERE {condition} ORDER BY {wanted.order} {direction}, id LIMIT ? OFFSET ?",
            (*values, wanted.limit, wanted.offset),
        )
        return [_member(row) for row in rows], total

    def everybody(self) -> list[Member]:
        """All people, whatever their state, by id."""
        return [_member(row) for row in self._db.execute(f"SELECT {_COLUMNS} FROM members ORDER BY id")]

    # groups and memberships

    def groups(self, counted: Sequence[State] = (), only: int | None = None) -> list[Group]:
        """All groups by id (or the `only` one), with the number of their members in the states `counted`."""
        condition, values = ("", ()) if only is None else (" AND group_id = ?", (only,))
        counts: dict[int, int] = {}
        if counted:
            query = (
                "SELECT group_id, count(*) FROM memberships JOIN members ON members.id = member_id"
                f" WHERE state IN ({', '.join('?' * len(counted))}){condition} GROUP BY group_id"
            )
            counts = dict(self._db.execute(query, (*counted, *values)).fetchall())
        rows = self._db.execute(
            "SELECT id, title, public, dynamic, created FROM groups WHERE ? IS NULL OR id = ? ORDER BY id", (only, only)
        )
        return [Group(row[0], row[1], bool(row[2]), bool(row[3]), row[4], counts.get(row[0], 0)) for row in rows]

    def save_group(self, group: Group) -> Group:
        """Keep a group, new (id 0) or known; the kept one."""
        values = (group.title, group.public, group.dynamic, group.created)
        if group.id:
            self._db.execute(
                "UPDATE groups SET title=?, public=?, dynamic=?, created=? WHERE id=?", (*values, group.id)
            )
            return group
        cursor = self._db.execute("INSERT INTO groups (title, public, dynamic, created) VALUES (?, ?, ?, ?)", values)
        return replace(group, id=cast(int, cursor.lastrowid))

    def delete_group(self, group_id: int) -> None:
        """Delete a group; its members stay."""
        self.empty_group(group_id)
        self._db.execute("DELETE FROM groups WHERE id = ?", (group_id,))

    def empty_group(self, group_id: int) -> None:
        """Take everybody out of a group."""
        self._db.execute("DELETE FROM memberships WHERE group_id = ?", (group_id,))

    def groups_of(self, member_id: int) -> list[int]:
        """The ids of a person's groups, sorted."""
        return [
            row[0]
            for row in self._db.execute("SELECT group_id FROM memberships WHERE member_id = ? ORDER BY 1", (member_id,))
        ]

    def memberships(self) -> list[tuple[int, int]]:
        """All (member id, group id)."""
        return self._db.execute("SELECT member_id, group_id FROM memberships ORDER BY 1, 2").fetchall()

    def join(self, member_id: int, groups: Sequence[int]) -> None:
        """Put a person in groups; being there already is fine."""
        self._db.executemany(
            "INSERT OR IGNORE INTO memberships (group_id, member_id) VALUES (?, ?)", [(id, member_id) for id in groups]
        )

    def leave(self, member_id: int, group_id: int) -> bool:
        """Take a person out of a group; whether they were in it."""
        cursor = self._db.execute("DELETE FROM memberships WHERE group_id = ? AND member_id = ?", (group_id, member_id))
        return cursor.rowcount > 0

    # batches

    def add_batch(self, batch: Batch) -> int:
        """Keep a new batch; its id."""
        cursor = self._db.execute(
            "INSERT INTO batches (type, body, created, status, polls, result, mishap, refused) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                batch.type,
                to_json(batch.body),
                batch.created,
                batch.status,
                0,
                None,
                batch.mishap,
                to_json(batch.refused),
            ),
        )
        return cast(int, cursor.lastrowid)

    def batch(self, batch_id: int) -> Batch | None:
        """A batch by id."""
        row = self._db.execute(
            "SELECT id, type, body, created, status, polls, result, mishap, refused FROM batches WHERE id = ?",
            (batch_id,),
        ).fetchone()
        if row is None:
            return None
        body = cast(dict[str, object], from_json(row[2]))
        result = None if row[6] is None else from_json(row[6])
        return Batch(row[0], row[1], body, row[3], row[4], row[5], result, row[7], tuple(from_json(row[8])))

    def note_batch(self, batch_id: int, status: str, polls: int) -> None:
        """Note how far a batch is, and how often it was asked for."""
        self._db.execute("UPDATE batches SET status = ?, polls = ? WHERE id = ?", (status, polls, batch_id))

    def finish_batch(self, batch_id: int, status: str, result: object) -> None:
        """Note the end of a batch."""
        self._db.execute("UPDATE batches SET status = ?, result = ? WHERE id = ?", (status, to_json(result), batch_id))

    def batch_statuses(self) -> list[str]:
        """The status of every batch."""
        return [row[0] for row in self._db.execute("SELECT status FROM batches ORDER BY id")]

    def unfinished(self) -> list[int]:
        """Ids of the batches without a result, in the order in which they came."""
        return [row[0] for row in self._db.execute("SELECT id FROM batches WHERE result IS NULL ORDER BY id")]


_Row = tuple[int, str, str | bytes, str | bytes, int, int | None, State, int | None, str | None, str | None, str]


def _member(row: _Row) -> Member:
    id, email, texts, fields, joined, updated, state, left, relation, consent_date, proof = row
    day = None if consent_date is None else date.fromisoformat(consent_date)
    return Member(
        id, email, joined, from_json(texts), from_json(fields), updated, state, left, Consent(relation, day, proof)
    )
