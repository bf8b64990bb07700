"""The quick way of planning and the full one agree, on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from pipeline.config import Account, AccountFile
from pipeline.contact import Group, KnownGroup
from pipeline.facts import Circumstances, Silenced
from pipeline.forgotten import Forgotten
from pipeline.naming import Groups
from pipeline.outline import SHOWN
from pipeline.schema import BOOKING, CANCELLATION
from pipeline.sketch import Sketch
from pipeline.store import tables
from pipeline.store.acknowledged import State
from pipeline.store.buyers import IN_ONE
from pipeline.store.database import Database

AS_OF = date(2026, 3, 10)
PEOPLE = ("anne@exemple.test", "eve@exemple.test", "o'neil+b@exemple.test", "zoe-a@exemple.test", "zoe.b@exemple.test", "éva@exemple.test")  # fmt: skip
ACCOUNTS = count()
people = st.sampled_from(PEOPLE)
some = st.lists(people, max_size=2, unique=True)
sold_on = st.sampled_from([0, 1, 400, *range(727, 734)]).map(lambda days: AS_OF - timedelta(days=days))
ends = st.none() | st.integers(-5, 3).map(lambda days: (AS_OF + timedelta(days=days)).isoformat())


@st.composite
def bought(draw: st.DrawFn) -> dict[str, object]:
    """A booking: of a show or of none, at a few instants so that ties are common."""
    show = draw(st.sampled_from([None, "id:S1", "id:S2", "title:le songe"]))
    day = draw(sold_on)
    night = draw(st.integers(1, 2))
    return {
        **dict.fromkeys(BOOKING),
        "transaction_id": f"T{draw(st.integers(1, 6))}",
        "performance_key": f"id:{show}-{night}",
        "show_key": show,
        "show_title": draw(st.sampled_from([None, "Le Songe", "Le Songe d'une nuit"])),
        "show_id": None if show is None else show[3:],
        "performance_id": f"R{night}",
        "performance_start": f"2026-03-0{night} 20:00:00",
        "performance_end_on": draw(ends),
        "booked_at": day.toordinal() * 1000 + draw(st.integers(0, 1)),
        "booked_on": day.isoformat(),
        "email": draw(people),
        "contact_id": draw(st.sampled_from([None, "C1", "C2", "C3"])),
        "tickets": 2,
        "net_cents": 1000,
    }


@st.composite
def cancelled(draw: st.DrawFn) -> dict[str, object]:
    """A cancellation, by transaction or by address."""
    show = draw(st.sampled_from([None, "id:S1", "id:S2"]))
    day = draw(sold_on)
    return {
        **dict.fromkeys(CANCELLATION),
        "transaction_id": f"T{draw(st.integers(1, 9))}",
        "performance_key": f"id:{show}-1",
        "show_key": show,
        "cancelled_at": day.toordinal() * 1000,
        "cancelled_on": day.isoformat(),
        "email": draw(st.none() | people),
        "tickets": 2,
    }


def account(name: str, policy: dict[str, object]) -> Account:
    source = {"kind": "folder", "path": "depot"}
    platform = {"kind": "csv", "path": "imports"}
    file = AccountFile.model_validate({"organisation": "X", "source": source, "platform": platform, "policy": policy})
    return Account(name, file, Path(), Path())


def fill(database: Database, name: str, **rows: Sequence[dict[str, object]]) -> None:
    entry = {"account": name, "load_id": 1, "file_id": 1, "lines": "2", "precedence": 1, "current": True}
    with database.transaction() as connection:
        for table, listed in rows.items():
            common = entry if table in {"bookings", "cancellations"} else {"account": name}
            if listed:
                connection.execute(insert(tables.metadata.tables[table]), [{**common, **row} for row in listed])


def told(sketch: Sketch, adopted: Sequence[str] = ()) -> dict[str, Any]:
    """All that an outline tells."""
    outline, asked = sketch.outline(adopted)
    packed = outline.packed(2)
    return {
        "preview": outline.preview(),
        "leaves": outline.leaves,
        "needed": {
            key: seat and replace(seat, reach=None, cancelled_at=None) for key, seat in outline.needed.items()
        },  # what names a group
        "asked": asked,
        "upserts": sorted(outline.upserts()),
        "joiners": sorted(outline.joiners()),
        "expected": sorted(outline.expected()),
        "quiet": sorted(outline.quiet()),
        "waits": [email for email in PEOPLE if outline.waits(email)],
        "changes": sketch.changes(PEOPLE),
        "batches": [(sorted(b.groups), [outline.people(part) for part in (*b.first, *b.again)]) for b in packed],
    }


def plain(email: str, transaction: str = "T1", **more: object) -> dict[str, object]:
    """A booking of a show that is still to come."""
    return {
        **dict.fromkeys(BOOKING), "transaction_id": transaction, "performance_key": "id:R1", "show_key": "id:S2", "show_id": "S2",
        "show_title": "Phèdre", "performance_start": "2026-04-01 20:00:00", "performance_end_on": "2026-04-01",
        "booked_at": 1, "booked_on": "2026-03-01", "email": email, "tickets": 2, "net_cents": 1000, **more,
    }  # fmt: skip


def act(transaction: str, email: str | None) -> dict[str, object]:
    """A cancellation of that show."""
    return {
        **dict.fromkeys(CANCELLATION), "transaction_id": transaction, "performance_key": "id:R1", "show_key": "id:S2",
        "cancelled_at": 5, "cancelled_on": "2026-03-02", "email": email, "tickets": 2,
    }  # fmt: skip


GONE = {"reason": "unsubscribed", "since": None, "seen_on": AS_OF, "contact_ids": [], "back_on": None}
ANNE, EVE, ZOE = PEOPLE[0], PEOPLE[1], PEOPLE[3]
CASES: dict[str, tuple[dict[str, Sequence[dict[str, object]]], list[str]]] = {
    "ordinary": ({"bookings": [plain(ANNE), plain(EVE)]}, [ANNE, EVE]),
    "cancelled by address": ({"bookings": [plain(ANNE), plain(EVE, "T2")], "cancellations": [act("?", ANNE)]}, [EVE]),
    "cancelled by transaction": ({"bookings": [plain(ANNE), plain(EVE, "T2")], "cancellations": [act("T1", None)]}, [EVE]),
    "same person as an unsubscribed one": (
        {"bookings": [plain(ANNE, contact_id="C"), plain(EVE, "T2"), plain(ZOE, "T3", contact_id="C")],
         "suppressions": [{"email": ZOE, **GONE}]},
        [EVE],
    ),
    "same person as one whose bookings were purged": (
        {"bookings": [plain(ANNE, contact_id="C"), plain(EVE, "T2")],
         "suppressions": [{"email": ZOE, **GONE, "contact_ids": ["C"]}]},
        [EVE],
    ),
    "ended as long ago as gives a seat": ({"bookings": [plain(ANNE, performance_end_on="2026-03-07")]}, [ANNE]),
    "ended a day too long ago": ({"bookings": [plain(ANNE, performance_end_on="2026-03-06")]}, []),
    "of two days the later instant's counts": (
        {"bookings": [plain(ANNE, booked_at=1, booked_on="2024-03-10"), plain(ANNE, "T2", booked_at=2, booked_on="2024-03-09")]},
        [],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "seated"), CASES.values(), ids=CASES)
def test_each_kind_of_person_gets_the_same_seats_both_ways(
    database: Database, rows: dict[str, Sequence[dict[str, object]]], seated: list[str]
) -> None:
    another = plain(PEOPLE[-1], "T9", performance_end_on="2025-01-01")
    rows = {**rows, "bookings": [*rows["bookings"], another]}
    marked = sorted({str(row["email"]) for row in rows["bookings"]})
    fill(database, "demo", **rows, marks=[{"email": email, "resend": False} for email in marked])
    with database.transaction() as connection:
        around = Circumstances(AS_OF, Groups({}, []), Silenced.of(State(connection, "demo")))
    for portion in (1_000, 1):
        outline, _ = Sketch(account("demo", {}), database, around, portion).outline(())
        joined = [change.email for change in outline.preview().changes if "show:id:S2" in change.joins]
        assert joined == seated


@settings(
    max_examples=settings().max_examples // 2,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    sold=st.lists(bought(), max_size=12),
    gone=st.lists(cancelled(), max_size=3),
    known=some,
    seated=some,
    suppressed=st.dictionaries(people, st.sampled_from(["unsubscribed", "bounced"]), max_size=2),
    purged=st.sampled_from([(), ("C1",), ("C2",)]),
    resend=some,
    unmarked=some,
    dynamic=st.booleans(),
    policy=st.fixed_dictionaries({
        "groups": st.sampled_from(["per-show", "per-performance", "general-only"]),
        "cancellation": st.sampled_from(["any", "exact"]),
        "cancelled_counts": st.booleans(),
    }),
)  # fmt: skip
@example(
    sold=[], gone=[], known=[], seated=[], suppressed={}, purged=(), resend=[], unmarked=[], dynamic=False, policy={}
)
def test_the_quick_way_and_the_full_one_agree(  # noqa: PLR0917
    database: Database, sold, gone, known, seated, suppressed, purged, resend, unmarked, dynamic, policy
) -> None:
    name = f"demo{next(ACCOUNTS)}"
    member = {
        "values": {},
        "consent_date": AS_OF,
        "consent_proof": "",
        "consent_kept": "",
        "known_at": 1,
        "sent_on": AS_OF,
        "kept_proof": "",
    }
    seat = {"group_key": "show:id:S1", "state": "in", "given_on": AS_OF, "settled": False}
    entry = {"since": None, "seen_on": AS_OF, "contact_ids": list(purged), "back_on": None}
    marked = [email for email in PEOPLE if email not in unmarked]
    fill(
        database,
        name,
        bookings=sold,
        cancellations=gone,
        members=[{"email": email, **member} for email in known],
        memberships=[{"email": email, **seat} for email in seated],
        suppressions=[{"email": email, "reason": reason, **entry} for email, reason in suppressed.items()],
        marks=[{"email": email, "resend": email in resend} for email in marked],
    )
    with database.transaction() as connection:
        silenced = Silenced.of(State(connection, name))
    there = KnownGroup("show:id:S1", 7, "Le Songe", deleted=False)
    groups = Groups({there.group_key: there}, [Group(7, "Le Songe", dynamic, 0)])
    around = Circumstances(AS_OF, groups, silenced)
    whole = told(Sketch(account(name, policy), database, around, 1_000))
    assert told(Sketch(account(name, policy), database, around, 1)) == whole
    if not (known or seated or suppressed or gone or resend):
        assert {*whole["upserts"], *whole["quiet"]} == set(marked)


@st.composite
def undone(draw: st.DrawFn) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Bookings of few people in few transactions, and cancellations of most of them, partly or wholly, sooner or later."""
    who, shows = st.sampled_from(PEOPLE[:3]), st.sampled_from([None, "id:S1", "id:S2", "title:le songe"])
    sold, gone = [], []
    for _ in range(draw(st.integers(2, 7))):
        day, show, night = draw(sold_on), draw(shows), draw(st.integers(1, 2))
        common = {
            "transaction_id": f"T{draw(st.integers(1, 5))}",
            "performance_key": f"id:{show}-{night}"
            if draw(st.booleans())
            else f"at:le songe|2026-03-0{night} 20:00:00",
            "show_key": show,
            "show_title": "Le Songe",
            "performance_start": f"2026-03-0{night} 20:00:00",
        }
        instant, tickets, email = day.toordinal() * 1000 + draw(st.integers(0, 2)), draw(st.integers(1, 3)), draw(who)
        sold.append({
            **dict.fromkeys(BOOKING), **common, "performance_end_on": draw(ends), "booked_at": instant,
            "booked_on": day.isoformat(), "email": email, "tickets": tickets, "net_cents": 1000,
        })  # fmt: skip
        for _ in range(draw(st.integers(0, 2))):
            gone.append({
                **dict.fromkeys(CANCELLATION), **common, "cancelled_at": instant + draw(st.integers(-1, 1)),
                "cancelled_on": day.isoformat(), "email": draw(st.none() | who), "tickets": draw(st.integers(1, 3)),
            } | ({} if draw(st.integers(0, 3)) else {"transaction_id": "T9"}))  # fmt: skip
    return sold, gone


@settings(
    max_examples=settings().max_examples,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    facts=undone(),
    living=st.booleans(),
    adopted=st.booleans(),
    policy=st.fixed_dictionaries(
        {
            "groups": st.sampled_from(["per-show", "per-show", "per-performance", "general-only"]),
            "cancellation": st.sampled_from(["any", "any", "any", "exact"]),
            "cancelled_counts": st.booleans(),
        }
    ),
)
@example(  # one ticket of two, in a transaction of two people
    facts=([plain(ANNE), plain(EVE)], [{**act("T1", None), "tickets": 1}]),
    living=False,
    adopted=False,
    policy={"cancelled_counts": False},
)
@example(  # the same, of what nothing was cancelled
    facts=(
        [
            plain(ANNE, booked_at=5),
            plain(EVE, "T3", booked_at=7),
            plain(ANNE, "T2", performance_key="id:R2", performance_end_on="2026-01-01", booked_at=9),
        ],
        [],
    ),
    living=False,
    adopted=False,
    policy={},
)
@example(  # whose consent rests on an old booking, for the later one was cancelled and does not count
    facts=([plain(ANNE, booked_on="2023-03-01"), plain(ANNE, "T2", booked_at=2)], [act("T2", None)]),
    living=False,
    adopted=False,
    policy={"cancelled_counts": False},
)
@example(  # whose seat was cancelled, so that nobody needs the group
    facts=([plain(ANNE)], [act("T1", None)]),
    living=False,
    adopted=False,
    policy={},
)
@example(  # whose seat is younger than it seems: the group is named after another's
    facts=(
        [
            plain(ANNE, booked_at=5),
            plain(EVE, "T3", booked_at=7),
            plain(ANNE, "T2", performance_key="id:R2", performance_end_on="2026-01-01", booked_at=9),
            plain(ANNE, "T2", performance_key="id:R3", show_key="id:S3", show_id="S3", booked_at=9),
        ],
        [{**act("T2", None), "performance_key": "id:R3", "show_key": "id:S3", "cancelled_at": 10}],
    ),
    living=False,
    adopted=False,
    policy={},
)
@example(  # a show that was not bought in the transaction, and by its buyer in another
    facts=(
        [plain(ANNE), plain(ANNE, "T2", show_key="id:S3", performance_key="id:R3", performance_end_on="2026-01-01")],
        [act("T2", None)],
    ),
    living=False,
    adopted=False,
    policy={},
)
@example(  # who may be in the group of a show that is over
    facts=(
        [plain(ANNE, show_key="id:S1", performance_end_on="2026-01-01")],
        [{**act("T1", None), "show_key": "id:S1"}],
    ),
    living=True,
    adopted=False,
    policy={},
)
@example(  # or in one that becomes ours
    facts=([plain(ANNE, performance_end_on="2026-01-01")], [act("T1", None)]), living=False, adopted=True, policy={}
)
def test_who_cancelled_is_planned_alike_both_ways(database: Database, facts, living, adopted, policy) -> None:
    sold, gone = facts
    name = f"demo{next(ACCOUNTS)}"
    fill(
        database, name, bookings=sold, cancellations=gone, marks=[{"email": email, "resend": False} for email in PEOPLE]
    )
    with database.transaction() as connection:
        silenced = Silenced.of(State(connection, name))
    known = {"show:id:S1": KnownGroup("show:id:S1", 7, "Le Songe", deleted=False)} if living else {}
    around = Circumstances(AS_OF, Groups(known, [Group(7, "Le Songe", False, 0)]), silenced)
    ours = ["show:id:S2"] if adopted else []
    whole = told(Sketch(account(name, policy), database, around, 1_000), ours)
    assert told(Sketch(account(name, policy), database, around, 1), ours) == whole


def test_more_people_than_are_shown_are_planned_alike_both_ways(database: Database) -> None:
    count, ended, about_now = SHOWN * 8 // 5, AS_OF - timedelta(days=900), date(AS_OF.year - 2, AS_OF.month, AS_OF.day)
    sold = [
        plain(
            f"p{number:04}@exemple.test",
            f"T{number}",
            show_key=None if number % 3 else "id:S2",
            booked_on=(ended if number % 7 == 0 else about_now if number % 11 == 0 else AS_OF).isoformat(),
        )
        for number in range(count)
    ]
    sold[-3] |= {"show_key": "id:S1", "performance_end_on": "2026-01-01"}
    marked = [{"email": email, "resend": False} for email in (*(row["email"] for row in sold), "pz@exemple.test")]
    seated = next(row for row in reversed(sold) if row["show_key"] == "id:S2")
    gone = [
        act(f"T{SHOWN + 100}", None),
        act(str(seated["transaction_id"]), None),
        {**act(str(sold[-3]["transaction_id"]), None), "show_key": "id:S1"},
    ]
    suppressed = [{"email": sold[-4]["email"], **GONE}]
    fill(database, "demo", bookings=[*sold, plain(ZOE)], marks=marked, cancellations=gone, suppressions=suppressed)
    there = KnownGroup("show:id:S1", 7, "Le Songe", deleted=False)
    groups = Groups({there.group_key: there}, [Group(7, "Le Songe", False, 0)])
    with database.transaction() as connection:
        around = Circumstances(AS_OF, groups, Silenced.of(State(connection, "demo")))
    whole = told(Sketch(account("demo", {}), database, around, 10_000))
    assert told(Sketch(account("demo", {}), database, around, 100)) == whole
    assert len(whole["preview"].changes) == SHOWN < whole["preview"].contacts
    assert whole["preview"].skips["unsubscribed"] == len(whole["asked"]) == 1


def test_more_shows_than_one_statement_names_are_planned_alike_both_ways(database: Database) -> None:
    shows = [
        plain(ANNE, f"T{n}", show_key=f"id:S{n}", show_id=f"S{n}", performance_end_on=f"20{26 - n % 2}-04-01")
        for n in range(2 * IN_ONE + 2)
    ]
    fill(
        database, "demo", bookings=[*shows, plain(EVE)], marks=[{"email": who, "resend": False} for who in (ANNE, EVE)]
    )
    with database.transaction() as connection:
        around = Circumstances(AS_OF, Groups({}, []), Silenced.of(State(connection, "demo")))
    whole = told(Sketch(account("demo", {}), database, around, 1_000))
    assert told(Sketch(account("demo", {}), database, around, 1)) == whole
    assert whole["preview"].counts.joins == IN_ONE + 4


def test_the_suppressed_who_were_forgotten_are_found_by_the_full_way(database: Database) -> None:
    names = Forgotten("00" * 32, {})
    sold = [
        {**dict.fromkeys(BOOKING), "transaction_id": f"T-{email}", "performance_key": "id:R1", "booked_at": 1, "booked_on": "2026-03-01",
         "email": email, "tickets": 1, "net_cents": 1} for email in PEOPLE
    ]  # fmt: skip
    entry = {"reason": "unsubscribed", "since": None, "seen_on": AS_OF, "contact_ids": [], "back_on": None}
    fill(
        database,
        "demo",
        bookings=sold,
        suppressions=[{"email": names.name(PEOPLE[0]), **entry}],
        keys=[{"key": names.key}],
        tombstones=[{"digest": names.name(PEOPLE[0]), "forgotten_on": AS_OF}],
        marks=[{"email": email, "resend": False} for email in PEOPLE],
    )
    with database.transaction() as connection:
        around = Circumstances(AS_OF, Groups({}, []), Silenced.of(State(connection, "demo")))
    found = told(Sketch(account("demo", {}), database, around, 1))
    assert found["preview"].skips == {"unsubscribed": 1}
    assert found["upserts"] == sorted(PEOPLE[1:])
