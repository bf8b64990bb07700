"""What goes between a worker and the command, and how long a worker waits for an account."""

from __future__ import annotations

import pickle
from datetime import date

import pytest

from pipeline.errors import Busy
from pipeline.plan import Change, Preview
from pipeline.run import Run
from pipeline.schema import Reject
from pipeline.walks import patient

ANNE = "anne@exemple.test"


def test_no_address_and_no_line_leaves_a_worker_and_the_command_says_the_same() -> None:
    run = Run("demo", "run", date(2026, 3, 1), date(2026, 3, 2), "r1", plan=Preview(changes=(change(),)))
    run.refused = {ANNE: f"{ANNE} is not accepted", "benoit@exemple.test": "no room"}
    run.rejects = [("jour.csv", Reject(3, "bad_date", f"ACHAT;T1;hier;{ANNE}"))]
    run.end()
    arrived = pickle.dumps(run.travelling())
    assert b"exemple.test" not in arrived.replace(b"a***@exemple.test", b"")
    assert b"hier" not in arrived
    told: Run = pickle.loads(arrived)
    assert (told.json(), told.exit_code) == (run.json(), run.exit_code)
    assert [(name, reject.line, reject.reason) for name, reject in told.rejects] == [("jour.csv", 3, "bad_date")]


def change() -> Change:
    return Change(
        email=ANNE,
        created=True,
        upsert=True,
        updated=False,
        values={},
        cleared=frozenset(),
        consent_date=None,
        consent_proof="",
        known_at=0,
        joins=(),
        leaves=(),
        reasons=(),
    )


def test_a_worker_waits_for_the_lock_of_one_that_died_but_not_for_ever() -> None:
    pauses: list[float] = []
    tries = iter([Busy("taken"), Busy("taken"), None, *[Busy("taken")] * 9])

    def walk(setting: object) -> list[Run]:
        if error := next(tries):
            raise error
        return []

    waiting = patient(walk, pauses.append, 5)  # type: ignore[arg-type]
    assert waiting(None) == []  # type: ignore[arg-type]
    assert sum(pauses) == 2.0
    with pytest.raises(Busy):
        waiting(None)  # type: ignore[arg-type]
    assert sum(pauses) == 7.0
