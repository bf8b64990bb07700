"""Runs and holds: what happened, and what waits for a person's word."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Update, and_, func, insert, or_, select, update

from pipeline.store.tables import holds, runs

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Hold:
    """What a guard holds: `reason` is leaves, platform, rejects, volume or gap; `detail` is what `approve` needs to do it.

    A run may hold several files: `number` tells its holds apart.
    """

    run_id: str
    reason: str
    date: dt.date | None
    as_of: dt.date
    operations: int
    fingerprint: str
    detail: Json
    state: str = "open"
    number: int = field(default=0, compare=False)

    def leaves(self) -> list[list[object]]:
        """The held leaves, each an address, a group key, and why."""
        return _lists(self.detail.get("leaves"))

    def pairs(self) -> frozenset[tuple[str, str]]:
        """The held leaves, as (address, group key)."""
        return frozenset((str(email), str(key)) for email, key, *_ in self.leaves())

    def reasons(self) -> list[str]:
        """Why each of them would leave: cancelled or corrected."""
        return [str(why) for _, _, *whys in self.leaves() for why in whys]

    def files(self) -> tuple[tuple[str, str, str], ...]:
        """The held files, as (role, name, digest)."""
        return tuple((str(role), str(name), str(digest)) for role, name, digest in _lists(self.detail.get("files")))

    def counts(self) -> list[tuple[str, int, int]]:
        """Of each held file its name, its lines, and how many of them are bad."""
        return [(str(name), _number(lines), _number(bad)) for name, lines, bad in _lists(self.detail.get("counts"))]

    def people(self) -> int:
        """How many people the held files tell of."""
        return _number(self.detail.get("people"))

    def gaps(self) -> tuple[str, ...]:
        """What the archive lacks, each in words that begin with its day."""
        stored = self.detail.get("gaps")
        return tuple(str(gap) for gap in stored) if isinstance(stored, list) else ()

    def slot(self) -> tuple[str, str, str]:
        """What the held files would be recorded under: kind, business date, name."""
        kind, day, name = _lists([self.detail.get("slot") or ["", "", ""]])[0]
        return str(kind), str(day), str(name)


class History:
    """One account's runs and holds, within the caller's transaction."""

    def __init__(self, connection: Connection, account: str) -> None:
        self._db = connection
        self._account = account

    def begin(self, run_id: str, kind: str, days: tuple[dt.date | None, dt.date], now: datetime) -> None:
        """Note that a run has begun; `days` are its business date and its as-of.

        The caller holds the account's lock: a run that still says `running` is one that was killed.
        """
        dead = "the run ended before it was done (killed, or the machine went down); the next one goes on"
        self._db.execute(
            update(runs)
            .where(runs.c.account == self._account, runs.c.status == "running")
            .values(status="failed", message=dead)
        )
        values = {
            "id": run_id,
            "account": self._account,
            "kind": kind,
            "date": days[0],
            "as_of": days[1],
            "started_at": now,
        }
        self._db.execute(insert(runs).values(**values, status="running", message="", summary={}))

    def finish(self, run_id: str, status: str, message: str, summary: Json, now: datetime) -> None:
        """Note how a run ended."""
        values = {"status": status, "message": message, "summary": dict(summary), "finished_at": now}
        self._db.execute(update(runs).where(runs.c.account == self._account, runs.c.id == run_id).values(**values))

    def last(self, count: int) -> list[Row[Any]]:
        """The last runs, newest first."""
        query = select(runs).where(runs.c.account == self._account).order_by(runs.c.started_at.desc(), runs.c.id.desc())
        return list(self._db.execute(query.limit(count)))

    def on(self, day: dt.date) -> list[Row[Any]]:
        """The runs of a business date, and those without one as of that day, newest first."""
        of_day = or_(runs.c.date == day, and_(runs.c.date.is_(None), runs.c.as_of == day))
        query = select(runs).where(runs.c.account == self._account, of_day)
        return list(self._db.execute(query.order_by(runs.c.started_at.desc(), runs.c.id.desc())))

    def last_night(self) -> dt.date | None:
        """The latest day that a nightly run was for."""
        query = select(func.max(runs.c.as_of)).where(runs.c.account == self._account, runs.c.kind == "run")
        return self._db.execute(query).scalar()

    def sought_in_vain(self) -> set[dt.date]:
        """The business dates whose files were not there when a nightly run looked for them."""
        query = select(runs.c.date).where(
            runs.c.account == self._account, runs.c.kind == "run", runs.c.status == "missing", runs.c.date.is_not(None)
        )
        return set(self._db.execute(query.distinct()).scalars())

    def last_success(self) -> Row[Any] | None:
        """The last run that brought a day, or all that was pending, to the platform."""
        query = select(runs).where(
            runs.c.account == self._account, runs.c.status.in_(("done", "partial")), runs.c.kind != "approve"
        )
        return self._db.execute(query.order_by(runs.c.finished_at.desc(), runs.c.id.desc()).limit(1)).first()

    def hold(self, hold: Hold) -> None:
        """Hold something until it is approved."""
        row = {name: getattr(hold, name) for name in hold.__dataclass_fields__ if name != "number"}
        self._db.execute(insert(holds).values(**row, account=self._account))

    def open_holds(self) -> list[Hold]:
        """What is held now, oldest first."""
        query = select(holds).where(holds.c.account == self._account, holds.c.state == "open")
        query = query.order_by(holds.c.run_id, holds.c.id)
        return [_hold(row) for row in self._db.execute(query)]

    def all_holds(self) -> list[Hold]:
        """What is or was held, oldest first."""
        query = select(holds).where(holds.c.account == self._account)
        return [_hold(row) for row in self._db.execute(query.order_by(holds.c.run_id, holds.c.id))]

    def held_by(self, run_id: str) -> list[Hold]:
        """Whatever a run holds or held."""
        query = select(holds).where(holds.c.account == self._account, holds.c.run_id == run_id)
        return [_hold(row) for row in self._db.execute(query.order_by(holds.c.id))]

    def rewrite(self, hold: Hold, detail: Json, measure: tuple[int, str]) -> None:
        """A hold holds something else now; `measure`: how many operations, and their fingerprint."""
        changed = {"detail": dict(detail), "operations": measure[0], "fingerprint": measure[1]}
        self._db.execute(self._one(hold).values(**changed))

    def rename_file(self, old: str, new: str) -> None:
        """An archived file was rewritten: it has another digest now."""
        for hold in self.open_holds():
            if old in {digest for _, _, digest in hold.files()}:
                files = [[role, name, new if digest == old else digest] for role, name, digest in hold.files()]
                self._db.execute(self._one(hold).values(detail={**hold.detail, "files": files}))

    def close_hold(self, hold: Hold, state: str) -> None:
        """A hold was approved, or superseded by a newer one or by the facts."""
        self._db.execute(self._one(hold).values(state=state))

    def _one(self, hold: Hold) -> Update:
        return update(holds).where(holds.c.account == self._account, holds.c.id == hold.number)


def _lists(stored: object) -> list[list[object]]:
    return [list(item) for item in stored] if isinstance(stored, list) else []


def _number(stored: object) -> int:
    return stored if isinstance(stored, int) else 0


def _hold(row: Row[Any]) -> Hold:
    what = (row.operations, row.fingerprint, row.detail, row.state)
    return Hold(row.run_id, row.reason, row.date, row.as_of, *what, row.id)
