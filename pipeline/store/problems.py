"""What people were told of: the problems that are open, since when, and when they heard of each last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

from sqlalchemy import Connection, and_, delete, insert, select, update
from sqlalchemy.sql import ColumnElement

from pipeline.store.tables import problems

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Noted:
    """A problem of an account: what `kind`, and what it is `about`; `count`: how many people, lines or operations.

    `told_at`: when people heard of it last, and `told_count` what they heard; None when they have not yet.  `ended_at`: it
    is over, and people have not heard that yet.  `detail`: what its words need; no personal data.
    """

    kind: str
    about: str
    count: int
    since: datetime
    detail: Mapping[str, str] = field(default_factory=dict)
    told_at: datetime | None = None
    told_count: int = 0
    ended_at: datetime | None = None

    @property
    def key(self) -> Key:
        """What tells the problems of an account apart."""
        return self.kind, self.about


class Problems:
    """One account's problems, within the caller's transaction."""

    def __init__(self, connection: Connection, account: str) -> None:
        self._db = connection
        self._account = account

    def noted(self) -> dict[Key, Noted]:
        """All that are open, or over and not told."""
        names = list(Noted.__dataclass_fields__)
        query = select(*(problems.c[name] for name in names)).where(problems.c.account == self._account)
        found = (Noted(*row) for row in self._db.execute(query.order_by(problems.c.since, problems.c.about)))
        return {one.key: one for one in found}

    def note(self, one: Noted) -> None:
        """Note a problem, in place of what was noted of it before."""
        values = {**asdict(one), "detail": dict(one.detail)}
        if self._db.execute(update(problems).where(self._one(one.key)).values(**values)).rowcount == 0:
            self._db.execute(insert(problems).values(**values, account=self._account))

    def forget(self, keys: Iterable[Key]) -> None:
        """These are over, and nobody need hear of them again."""
        for key in keys:
            self._db.execute(delete(problems).where(self._one(key)))

    def _one(self, key: Key) -> ColumnElement[bool]:
        return and_(problems.c.account == self._account, problems.c.kind == key[0], problems.c.about == key[1])
