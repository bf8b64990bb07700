"""What people were told of is remembered by account, whole, on both databases."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pipeline.store.database import Database
from pipeline.store.problems import Noted, Problems

NOW = datetime(2026, 3, 2, 12, 15, 0, 5)
LATE = Noted("missing", "2026-03-01", 1, NOW, {"what": "Théâtre_achats.csv"})
GROUP = Noted("group", "Le Songe d'une nuit d'été " * 10, 3, NOW, told_at=NOW, told_count=3)


def test_a_problem_is_kept_whole_replaced_and_forgotten_for_its_account_alone(database: Database) -> None:
    with database.transaction() as connection:
        ours, theirs = Problems(connection, "demo"), Problems(connection, "autre")
        for one in (LATE, GROUP):
            ours.note(one)
        theirs.note(LATE)
    told = replace(LATE, count=4, told_at=NOW, told_count=4, ended_at=NOW, detail={})
    with database.transaction() as connection:
        ours, theirs = Problems(connection, "demo"), Problems(connection, "autre")
        assert ours.noted() == {LATE.key: LATE, GROUP.key: GROUP}
        ours.note(told)
        ours.forget([GROUP.key, ("group", "another")])
    with database.transaction() as connection:
        assert Problems(connection, "demo").noted() == {LATE.key: told}
        assert Problems(connection, "autre").noted() == {LATE.key: LATE}
