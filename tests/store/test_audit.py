"""The acts that consent rests on, on both databases: what is noted of a receipt, and that no note is ever changed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

import pipeline
from pipeline.contact import Acknowledged, Stamp, Suppression
from pipeline.store.acknowledged import State
from pipeline.store.audit import Act, Audit
from pipeline.store.database import Database, open_database
from pipeline.store.ledger import Ledger
from pipeline.store.tables import consent_acts

from .rows import FIRST, NOW, SECOND, STAMP, booking, load

ANNE, BENOIT = "anne@exemple.test", "benoit@exemple.test"
THIRD = SECOND + timedelta(days=1)
PROOF = "Le Songe S1, , transaction T1"
RECEIPT = Acknowledged(ANNE, {}, FIRST, PROOF, "", 1, SECOND)
Open = Callable[[], AbstractContextManager[Connection]]


@pytest.fixture
def state(database: Database) -> Open:
    """A transaction: `with state() as it`."""

    @contextmanager
    def opened() -> Iterator[Connection]:
        with database.transaction() as connection:
            yield connection

    return opened


def told(connection: Connection, email: str = ANNE) -> list[tuple[str, date]]:
    return [(act.act, act.day) for act in Audit(connection, "demo").of(email)]


def test_a_consent_is_noted_with_the_file_and_the_line_that_said_so(state: Open) -> None:
    with state() as it:
        Ledger(it, "demo").record(load(FIRST, [booking("T1", ANNE, lines="2,5"), booking("T2", BENOIT)]), NOW)
        State(it, "demo").acknowledge([RECEIPT], [], STAMP)
        assert Audit(it, "demo").of(ANNE) == [
            Act(ANNE, "given", SECOND, "active-clients", FIRST, PROOF, "Theatre_20260301.csv", "2,5", "r1", NOW)
        ]
        assert Audit(it, "autre").of(ANNE) == []


def test_only_what_changes_a_consent_is_noted(state: Open) -> None:
    later = replace(RECEIPT, consent_date=SECOND, sent_on=THIRD)
    with state() as it:
        for receipt in (
            replace(RECEIPT, consent_date=None),
            RECEIPT,
            replace(RECEIPT, values={"city": "Lévis"}, sent_on=THIRD),
            later,
            replace(later, consent_proof="Autre"),
            replace(later, consent_proof="Autre", consent_kept="express-consent"),
            replace(later, consent_proof="Autre", consent_kept="express-consent"),
        ):
            State(it, "demo").acknowledge([receipt], [], STAMP)
        assert told(it) == [("given", SECOND), ("renewed", THIRD), ("renewed", THIRD), ("kept", THIRD)]
        [*_, kept] = Audit(it, "demo").of(ANNE)
        assert (kept.basis, kept.file) == ("express-consent", "")


def test_a_departure_counts_from_the_platforms_own_day(state: Open) -> None:
    with state() as it:
        State(it, "demo").suppress({ANNE: ("unsubscribed", FIRST), BENOIT: ("bounced", None)}, SECOND, STAMP)
        State(it, "demo").suppress({ANNE: ("bounced", THIRD), BENOIT: ("bounced", FIRST)}, THIRD, STAMP)
        assert told(it) == [("unsubscribed", FIRST)]
        assert told(it, BENOIT) == [("bounced", SECOND)]
        State(it, "demo").suppress({BENOIT: ("unsubscribed", THIRD)}, THIRD, STAMP)
        assert told(it, BENOIT) == [("bounced", SECOND), ("unsubscribed", THIRD)]
        reasons = {day: Audit(it, "demo").suppressed(day) for day in (FIRST, SECOND, THIRD)}
        assert {day: {email: entry.reason for email, entry in found.items()} for day, found in reasons.items()} == {
            FIRST: {ANNE: "unsubscribed"},
            SECOND: {ANNE: "unsubscribed", BENOIT: "bounced"},
            THIRD: {ANNE: "unsubscribed", BENOIT: "unsubscribed"},
        }


def test_who_came_back_is_noted_once_and_again_only_after_having_left_again(state: Open) -> None:
    with state() as it:
        audit = State(it, "demo")
        audit.suppress({ANNE: ("unsubscribed", FIRST), BENOIT: ("unsubscribed", FIRST)}, FIRST, STAMP)
        assert audit.unlisted({BENOIT}) == [ANNE]
        audit.come_back([ANNE], SECOND, STAMP)
        assert audit.unlisted({BENOIT}) == []
        assert audit.suppressions()[ANNE] == Suppression(ANNE, "unsubscribed", FIRST, FIRST, SECOND)
        audit.suppress({ANNE: ("unsubscribed", THIRD)}, THIRD, STAMP)
        assert audit.unlisted({BENOIT}) == [ANNE]
        assert audit.suppressions()[ANNE].back_on is None
        assert told(it) == [("unsubscribed", FIRST), ("came_back", SECOND), ("unsubscribed", THIRD)]


def test_a_forgotten_person_leaves_the_acts_and_nothing_personal(state: Open) -> None:
    with state() as it:
        Ledger(it, "demo").record(load(FIRST, [booking("T1", ANNE)]), NOW)
        State(it, "demo").acknowledge([RECEIPT, replace(RECEIPT, email=BENOIT)], [], STAMP)
        State(it, "demo").suppress({ANNE: ("unsubscribed", SECOND)}, SECOND, STAMP)
        erased = State(it, "demo").forget(ANNE, (), THIRD, Stamp("forget", NOW))
        assert erased["acts"] == 2
        assert told(it) == []
        assert told(it, BENOIT) == [("given", SECOND)]
        name = State(it, "demo").forgotten().name(ANNE)
        acts = Audit(it, "demo").of(name)
        assert [(act.act, act.day, act.consent_proof, act.file, act.lines) for act in acts] == [
            ("given", SECOND, "", "", ""),
            ("unsubscribed", SECOND, "", "", ""),
            ("forgotten", THIRD, "", "", ""),
        ]
        assert name in Audit(it, "demo").suppressed(SECOND)


def test_an_act_goes_with_its_receipt_or_not_at_all(database: Database) -> None:
    class Stop(Exception):
        pass

    with pytest.raises(Stop), database.transaction() as connection:
        State(connection, "demo").acknowledge([RECEIPT], [], STAMP)
        assert told(connection) == [("given", SECOND)]
        raise Stop
    with database.transaction() as connection:
        assert told(connection) == []
        assert State(connection, "demo").members([ANNE]) == {}


DAYS = st.sampled_from([FIRST, SECOND, THIRD])
STEPS = st.lists(
    st.one_of(
        st.builds(
            Acknowledged,
            st.sampled_from([ANNE, BENOIT]),
            st.just({}),
            st.one_of(st.none(), DAYS),
            st.sampled_from(["T1", "T2"]),
            st.sampled_from(["", "", "express-consent"]),
            st.just(1),
            DAYS,
        ),
        st.tuples(
            st.sampled_from([ANNE, BENOIT]), st.sampled_from(["unsubscribed", "bounced", "back", "deleted"]), DAYS
        ),
    ),
    max_size=12,
)


ACCOUNTS = count()


def every(connection: Connection, account: str) -> list[tuple[object, ...]]:
    return [
        tuple(row)
        for row in connection.execute(
            select(consent_acts).where(consent_acts.c.account == account).order_by(consent_acts.c.id)
        )
    ]


@pytest.fixture(scope="module")
def memory() -> Iterator[Database]:
    """An empty state in memory."""
    opened = open_database("sqlite:////nowhere/state.db", create=False)
    yield opened
    opened.close()


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_acts_are_only_ever_appended_and_the_last_one_is_what_counts(
    memory: Database, steps: Sequence[Acknowledged | tuple[str, str, date]]
) -> None:
    account = f"a{next(ACCOUNTS)}"
    with memory.transaction() as connection:
        state, before = State(connection, account), every(connection, account)
        for step in steps:
            if isinstance(step, Acknowledged):
                state.acknowledge([step], [], STAMP)
            elif step[1] == "back":
                state.come_back([step[0]] if step[0] in state.suppressions() else [], step[2], STAMP)
            elif step[1] == "deleted":
                state.forget_members([step[0]])
            else:
                state.suppress({step[0]: (step[1], step[2])}, step[2], STAMP)
            now = every(connection, account)
            assert now[: len(before)] == before
            before = now
        for email, member in state.members([ANNE, BENOIT]).items():
            if member.consent_date is not None:
                last = [act for act in Audit(connection, account).of(email) if act.consent_date is not None][-1]
                assert (last.consent_date, last.consent_proof) == (member.consent_date, member.consent_proof)
                assert (last.act == "kept") is bool(member.consent_kept)
        assert set(Audit(connection, account).suppressed(THIRD)) == set(state.suppressions())


def test_nothing_but_the_audit_writes_the_acts() -> None:
    package = Path(pipeline.__path__[0])
    writers = {path.name for path in package.rglob("*.py") if re.search(r"\bconsent_acts\b", path.read_text("utf-8"))}
    assert writers == {"tables.py", "audit.py", "0001_the_first_tables.py"}
    text = (package / "store" / "audit.py").read_text("utf-8")
    assert "delete(" not in text
    assert text.count("update(consent_acts)") == 1
