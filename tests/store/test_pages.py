"""What the pages tell is kept, and how an account stands: on both databases."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from pipeline.contact import Acknowledged, KnownGroup, Membership, Stamp
from pipeline.store.acknowledged import State
from pipeline.store.database import Database
from pipeline.store.pages import Entry, Pages, Told, last_entries
from pipeline.store.standing import Figures, Standing

DAY, NOW = date(2026, 3, 1), datetime(2026, 3, 2, 7, 15)
ANNE, BENOIT, CHLOE = "anne@exemple.test", "benoit@exemple.test", "chloe@exemple.test"


def entry(run_id: str, day: date = DAY, hours: int = 0) -> Entry:
    return Entry(run_id, day, "run", "done", NOW + timedelta(hours=hours), NOW, 3, 1, 2, 0)


def member(email: str, on: date | None, kept: str = "") -> Acknowledged:
    return Acknowledged(email, {"show_title": "Le Songe"}, on, "", kept, 1, DAY)


def test_what_a_page_tells_is_kept_replaced_and_purged(database: Database) -> None:
    people = [Told("changed", BENOIT, {"joins": ["Été"]}), Told("refused", ANNE, {"why": "non"})]
    with database.transaction() as connection:
        pages = Pages(connection, "demo")
        pages.keep(entry("R-1"), {"kind": "run"}, people)
        pages.keep(entry("R-2", hours=1), {"kind": "replay"}, ())
        pages.keep(entry("R-0", DAY - timedelta(days=9)), {}, people[:1])
        Pages(connection, "other").keep(entry("R-9"), {}, ())
    with database.transaction() as connection:
        pages = Pages(connection, "demo")
        assert [each.run_id for each in pages.entries()] == ["R-2", "R-1", "R-0"]
        assert [(each.run_id, kept) for each, kept in pages.of_day(DAY, 1)] == [("R-2", {"kind": "replay"})]
        assert pages.people("R-1", 10) == people
        assert [(account, last.run_id, count) for account, last, count in last_entries(connection)] == [
            ("demo", "R-2", 2),
            ("other", "R-9", 1),
        ]
        pages.keep(entry("R-1"), {"kind": "again"}, people[1:])
        assert pages.people("R-1", 10) == people[1:]
        pages.purge(DAY)
        assert [each.run_id for each in pages.entries()] == ["R-2", "R-1"]
        assert pages.of(BENOIT) == []


def test_who_is_forgotten_leaves_the_pages_that_are_then_out_of_date(database: Database) -> None:
    with database.transaction() as connection:
        pages = Pages(connection, "demo")
        pages.keep(entry("R-1"), {}, [Told("changed", ANNE, {}), Told("refused", ANNE, {"why": ""})])
        pages.keep(entry("R-2", DAY + timedelta(days=1)), {}, [Told("changed", BENOIT, {})])
        later = NOW + timedelta(days=3)
        assert pages.forget(ANNE, later) == (2, {DAY})
        assert pages.of(ANNE) == []
        assert {each.run_id: each.told_at for each in pages.entries()} == {"R-1": later, "R-2": NOW}


def test_consents_are_counted_without_those_who_left_and_with_those_whose_own_is_kept(database: Database) -> None:
    ended, last = DAY - timedelta(days=1), DAY + timedelta(days=2)
    away = {"parti@exemple.test": ended, BENOIT: DAY, "partie@exemple.test": last + timedelta(days=1)}
    members = [
        member(ANNE, DAY),
        member(CHLOE, DAY, "express-consent"),
        member("sans@exemple.test", None),
        member("gardé@exemple.test", None, "express-consent"),
        member("tôt@exemple.test", ended),
        member("tôt.gardé@exemple.test", ended, "express-consent"),
        member("denis@exemple.test", last),
        member("tard@exemple.test", last + timedelta(days=1)),
        *(member(email, day) for email, day in away.items()),
    ]
    with database.transaction() as connection:
        state, figures = State(connection, "demo"), Figures(connection, "demo")
        state.acknowledge(
            members,
            [Membership(ANNE, "show:id:S1", "in", DAY), Membership(CHLOE, "show:id:S1", "out", DAY)],
            Stamp("R-1", NOW),
        )
        state.know_group(KnownGroup("general", 1, "Clients", False))
        state.know_group(KnownGroup("show:id:S1", 2, "Le Songe", False))
        state.know_group(KnownGroup("show:id:S2", 3, "Partie", True))
        state.suppress(dict.fromkeys(away, ("unsubscribed", None)), DAY, Stamp("R-1", NOW))
        found = figures.consents(DAY, last)
        assert (found.contacts, found.valid, dict(found.by_day)) == (11, 6, {DAY: 1, last: 1})
        assert figures.consents_from(DAY, DAY, 5) == [(ANNE, DAY, "Le Songe")]
        assert figures.newest_groups(5) == [("Le Songe", 1)]


def test_how_an_account_stands_is_noted_once_a_day_and_never_backwards(database: Database) -> None:
    with database.transaction() as connection:
        figures = Figures(connection, "demo")
        for number, day in enumerate((DAY, DAY + timedelta(days=1), DAY + timedelta(days=1), DAY)):
            figures.note(Standing(day, 10 + number, 5))
        assert [(each.day, each.contacts) for each in figures.standings(date.max, 9)] == [
            (DAY, 10),
            (DAY + timedelta(days=1), 12),
        ]
        figures.purge(DAY + timedelta(days=1))
        assert len(figures.standings(date.max, 9)) == 1
