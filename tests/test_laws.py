"""The laws of the core, over drawn histories: real files, a real state, the real stand-in of the platform."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from ledgers import ledger_of
from sqlalchemy import delete, select
from strategies import Past, mistakes, pasts
from world import World

from pipeline import nightly
from pipeline.bring import Replay
from pipeline.config import load
from pipeline.doors import Outside, setting
from pipeline.outbound import Outbound
from pipeline.rebuild import rebuild
from pipeline.run import Run
from pipeline.sandbox.control import ConsentState, MemberState, SandboxControl
from pipeline.sandbox.serve import PlatformServer
from pipeline.sandbox.switches import Fault
from pipeline.setting import Setting, occasion
from pipeline.store.acknowledged import State
from pipeline.store.audit import CONSENTS, Audit
from pipeline.store.database import open_database
from pipeline.store.ledger import Ledger
from pipeline.store.tables import consent_acts, metadata

law = settings(
    max_examples=settings().max_examples // 10,  # a night takes its time; a greater profile tries harder
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
POLICIES = st.fixed_dictionaries(
    {
        "groups": st.sampled_from(["per-show", "per-performance", "general-only"]),
        "cancellation": st.sampled_from(["any", "exact"]),
        "cancelled_counts": st.booleans(),
    }
)
FAULTS = st.builds(
    Fault,
    st.sampled_from(["error_before", "error_after"]),
    st.just("POST"),
    st.sampled_from(["/batches", "/groups"]),
    nth=st.integers(1, 4),
    status=st.just(401),
)
ONE_DAY = timedelta(days=1)
GENERAL = "Clients Tuxedo"


@dataclass(frozen=True)
class House:
    """A world whose runs do not wait: the files, the state and the stand-in are real, only `sleep` returns at once."""

    world: World
    setting: Setting

    def tell(self, past: Past) -> None:
        """Drop the files of all days."""
        for day, lines in past.days.items():
            self.world.day(day.isoformat(), lines)

    def day(self, day: date, as_of: date) -> Run:
        """The run of one day."""
        return done(nightly.run(self.setting, day, as_of, alone=True))

    def days(self, days: Sequence[date], as_of: date) -> None:
        """The runs of these days in this order, all as of one day."""
        for day in days:
            self.day(day, as_of)

    def nights(self, past: Past) -> None:
        """Every night in its turn."""
        for day in sorted(past.days):
            self.day(day, day + ONE_DAY)

    def writes(self) -> int:
        """How many requests may have changed the platform so far."""
        return self.world.control.writes()

    def people(self) -> dict[str, MemberState]:
        """What the platform holds, with a group's key in place of its title: titles depend on who came first."""
        with self.setting.database.transaction() as connection:
            keys = {group.title: key for key, group in State(connection, "demo").groups().items()}
        members = self.world.control.state().members
        return {
            email: replace(
                member,
                id=0,
                updated_on=None,
                joined_on="",
                groups=tuple(sorted(keys[title] for title in member.groups)),
            )
            for email, member in members.items()
        }

    def dump(self) -> dict[str, list[tuple[object, ...]]]:
        """Every row of every table."""
        with self.setting.database.transaction() as connection:
            return {
                table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
                for table in metadata.tables.values()
            }


Build = Callable[..., House]


def done(runs: Sequence[Run]) -> Run:
    """The only run, which went well."""
    (run,) = runs
    assert run.status in {"done", "dry_run"}, run.message
    return run


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlatformServer]:
    """One stand-in for all laws."""
    with PlatformServer(tmp_path_factory.mktemp("platform") / "platform.db") as running:
        yield running


@pytest.fixture(scope="module")
def build(server: PlatformServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Makes a house with a new state and a new platform account; the one before is given up."""
    root = tmp_path_factory.mktemp("houses")
    empty = root / "empty.db"
    open_database(f"sqlite:///{empty}").close()
    numbers, open_now = count(), []
    with SandboxControl(server.url) as control:

        def new(policy: dict[str, object] | None = None) -> House:
            while open_now:
                open_now.pop().database.close()
            control.reset()
            folder = root / str(next(numbers))
            world = World(folder, server, control, policy=dict(policy or {}), source={"catch_up_days": 0})
            (folder / "var").mkdir()
            shutil.copy(empty, folder / "var" / "placier.db")
            configuration = load(world.config)
            ticks = count()
            outside = Outside(
                environment={},
                now=lambda: datetime(2026, 3, 20, 12) + timedelta(seconds=next(ticks)),
                sleep=lambda seconds: None,
                log=structlog.get_logger(),
            )
            database = open_database(configuration.state_url())
            made = setting(configuration, configuration.account("demo"), database, outside)
            open_now.append(made)
            return House(world, made)

        yield new
        while open_now:
            open_now.pop().database.close()


@law
@given(past=pasts(), policy=POLICIES)
def test_second_night_sends_nothing(build: Build, past: Past, policy: dict[str, object]) -> None:
    house = build(policy)
    house.tell(past)
    for day in sorted(past.days):
        house.day(day, day + ONE_DAY)
        before = house.writes()
        again = house.day(day, day + ONE_DAY)
        assert house.writes() == before
        assert again.plan is not None
        assert not again.plan.changes
        assert not again.plan.new_groups


@law
@given(data=st.data(), policy=POLICIES)
def test_the_order_in_which_files_arrive_does_not_matter(
    build: Build, data: st.DataObject, policy: dict[str, object]
) -> None:
    past = data.draw(pasts())
    # A cancelled booking that counted when it came keeps its consent: with cancelled_counts off the order may be felt.
    chosen = {**policy, "cancelled_counts": True}
    straight = build(chosen)
    straight.tell(past)
    straight.days(sorted(past.days), past.as_of)
    expected = straight.people()
    order = data.draw(st.lists(st.sampled_from(sorted(past.days)), max_size=3))
    order += data.draw(st.permutations(sorted(past.days)))
    shuffled = build(chosen)
    shuffled.tell(past)
    shuffled.days(order, past.as_of)
    assert shuffled.people() == expected


@law
@given(past=pasts(told_again=False), policy=POLICIES)
def test_a_backfill_equals_the_sum_of_its_days(build: Build, past: Past, policy: dict[str, object]) -> None:
    chosen = {**policy, "cancelled_counts": True}
    by_day = build(chosen)
    by_day.tell(past)
    by_day.days(sorted(past.days), past.as_of)
    expected = by_day.people()
    at_once = build(chosen)
    file = at_once.world.history(past.lines)
    done(nightly.backfill(at_once.setting, [file], past.as_of))
    assert at_once.people() == expected
    before = at_once.writes()
    at_once.tell(past)
    at_once.days(sorted(past.days), past.as_of)
    assert at_once.people() == expected
    assert at_once.writes() == before


@law
@given(data=st.data(), policy=POLICIES)
def test_a_corrected_file_leaves_no_trace(build: Build, data: st.DataObject, policy: dict[str, object]) -> None:
    past = data.draw(pasts(told_again=False))
    day, wrong = data.draw(mistakes(past))
    chosen = {**policy, "cancelled_counts": True}
    right = build(chosen)
    right.tell(past)
    right.days(sorted(past.days), past.as_of)
    expected = right.people()
    mended = build(chosen)
    mended.tell(past.with_day(day, wrong))
    mended.days(sorted(past.days), past.as_of)
    note(f"wrong on {day}: {wrong}")
    mended.tell(past)
    mended.day(day, past.as_of)
    found = mended.people()
    for email, person in expected.items():
        assert without_memory(found[email], person) == without_memory(person, person)
        assert consented(found[email]) >= consented(person)
    for email in found.keys() - expected.keys():
        assert found[email].groups == ("general",)


def without_memory(person: MemberState, reference: MemberState) -> MemberState:
    """A person but for what is never taken back: the consent, and personal fields that the truth leaves empty."""
    never_cleared = {
        "Identifiant unique du contact",
        "Numéro de téléphone du contact",
        "Date création dossier client",
        "Ville du contact",
        "2ème nom de compagnie du contact",
    }
    fields = {k: v for k, v in person.fields.items() if k not in never_cleared or k in reference.fields}
    texts = {key: value for key, value in person.texts.items() if key in reference.texts}
    nothing = ConsentState("implied", None, None, None, "")
    return replace(person, fields=fields, texts=texts, consent=nothing)


def consented(person: MemberState) -> date:
    """The day of the person's consent."""
    assert person.consent.date is not None
    return person.consent.date


@law
@given(past=pasts(), policy=POLICIES, portion=st.integers(1, 3), fault=st.none() | FAULTS)
def test_small_portions_cut_short_anywhere_end_as_one_whole(
    build: Build, past: Past, policy: dict[str, object], portion: int, fault: Fault | None
) -> None:
    whole = build(policy)
    told = done(nightly.backfill(whole.setting, [whole.world.history(past.lines)], past.as_of))
    expected = whole.people()
    small = build(policy)
    setting = replace(small.setting, portion=portion)
    file = small.world.history(past.lines)
    if fault is None:
        first = done(nightly.backfill(setting, [file], past.as_of))
        assert (first.plan, first.pushed) == (told.plan, told.pushed)
    else:
        small.world.control.add_fault(fault)
        nightly.backfill(setting, [file], past.as_of)
        small.world.control.clear_faults()
        done(nightly.push(setting, past.as_of))
    assert small.people() == expected
    before = small.writes()
    with small.setting.database.transaction() as connection:
        assert not Ledger(connection, "demo").marked()
        Ledger(connection, "demo").mark_all()
    done(nightly.push(setting, past.as_of))
    assert (small.people(), small.writes()) == (expected, before)


@law
@given(past=pasts(), policy=POLICIES)
def test_the_incremental_state_equals_a_full_rebuild(build: Build, past: Past, policy: dict[str, object]) -> None:
    house = build(policy)
    house.tell(past)
    house.nights(past)
    with house.setting.database.transaction() as connection:
        assert not Ledger(connection, "demo").marked()
        Ledger(connection, "demo").mark_all()
    platform = house.setting.open_platform("rebuild")
    try:
        outbound = Outbound(house.setting.account, house.setting.database, platform, occasion(house.setting, "rebuild"))
        outbound.refresh(past.as_of)
        planned = outbound.prepare(past.as_of).outline.preview()
    finally:
        platform.close()
    assert planned.changes == ()
    assert planned.new_groups == ()


@law
@given(past=pasts(), policy=POLICIES, data=st.data())
def test_replaying_any_day_sends_nothing(
    build: Build, past: Past, policy: dict[str, object], data: st.DataObject
) -> None:
    house = build(policy)
    house.tell(past)
    house.nights(past)
    before, people = house.writes(), house.people()
    for day in data.draw(st.permutations(sorted(past.days))):
        done(nightly.replay(house.setting, day, Replay(), past.as_of))
    assert house.writes() == before
    assert house.people() == people


@law
@given(data=st.data(), policy=POLICIES)
def test_a_dry_run_leaves_no_trace(build: Build, data: st.DataObject, policy: dict[str, object]) -> None:
    past = data.draw(pasts())
    last = max(past.days)
    house = build(policy)
    house.tell(past)
    for day in sorted(past.days)[:-1]:
        house.day(day, day + ONE_DAY)
    _, wrong = data.draw(mistakes(past))
    before, people, writes, files = house.dump(), house.people(), house.writes(), tree(house.world.root / "var")
    rehearsal = replace(house.setting, dry=True)
    told = done(nightly.run(rehearsal, last, past.as_of, alone=True))
    done(nightly.backfill(rehearsal, [house.world.history(wrong)], past.as_of))
    done(nightly.replay(rehearsal, min(past.days), Replay(resend=True), past.as_of))
    done(nightly.push(rehearsal, past.as_of))
    assert house.dump() == before
    assert (house.people(), house.writes(), tree(house.world.root / "var")) == (people, writes, files)
    assert house.day(last, past.as_of).plan == told.plan


@settings(law, max_examples=settings().max_examples // 25)
@given(data=st.data(), policy=POLICIES, lost=st.booleans())
def test_the_ledger_rebuilt_from_the_archive_alone_is_the_ledger_that_was(
    build: Build, data: st.DataObject, policy: dict[str, object], lost: bool
) -> None:
    past = data.draw(pasts())
    day, wrong = data.draw(mistakes(past))
    house = build(policy)
    history = [house.world.history(wrong, "Theatre_historique_1.csv"), house.world.history(past.lines)]
    if data.draw(st.booleans()):
        done(nightly.backfill(house.setting, history, data.draw(st.sampled_from(sorted(past.days)))))
    house.tell(past.with_day(day, wrong))
    house.days(data.draw(st.permutations(sorted(past.days))), past.as_of)
    house.tell(past)
    house.day(day, past.as_of)
    with house.setting.database.transaction() as connection:
        before = ledger_of(connection)
    content, writes = house.world.content(), house.writes()
    with house.setting.database.transaction() as connection:
        for table in metadata.tables.values() if lost else ():
            connection.execute(delete(table))
    done(rebuild(house.setting, past.as_of))
    with house.setting.database.transaction() as connection:
        assert ledger_of(connection) == before
    assert house.world.content() == content
    assert lost or house.writes() == writes
    writes = house.writes()
    done(rebuild(house.setting, past.as_of))
    assert house.writes() == writes


def tree(root: Path) -> set[str]:
    """The files below a folder, but for the database's own and the locks."""
    found = (path for path in root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(root))
        for path in found
        if not path.name.startswith("placier.db") and path.suffix != ".lock"
    }


@law
@given(data=st.data(), policy=POLICIES)
def test_nobody_who_unsubscribed_is_ever_written_to(
    build: Build, data: st.DataObject, policy: dict[str, object]
) -> None:
    past = data.draw(pasts())
    house = build(policy)
    house.tell(past)
    gone: set[str] = set()
    for day in sorted(past.days):
        known = sorted({line["courriel"] for line in past.lines} - {""})
        leaving = data.draw(st.sets(st.sampled_from(known), max_size=1)) if known else set()
        if leaving:
            house.world.control.unsubscribe(*leaving)
            gone |= leaving
        house.world.control.reset_log()
        house.day(day, day + ONE_DAY)
        assert not gone & house.world.control.touched_addresses()


@settings(law, max_examples=max(2, law.max_examples // 4))
@given(data=st.data(), policy=POLICIES)
def test_what_consent_rests_on_is_only_ever_appended(
    build: Build, data: st.DataObject, policy: dict[str, object]
) -> None:
    past = data.draw(pasts())
    house = build(policy)
    day, wrong = data.draw(mistakes(past))
    house.tell(past.with_day(day, wrong))
    control, before = house.world.control, list[tuple[object, ...]]()

    def noted() -> None:
        nonlocal before
        with house.setting.database.transaction() as connection:
            now = [tuple(row) for row in connection.execute(select(consent_acts).order_by(consent_acts.c.id))]
            assert now[: len(before)] == before
            before = now
            audit, state = Audit(connection, "demo"), State(connection, "demo")
            for member in state.all_members():
                last = [act for act in audit.of(member.email) if act.act in CONSENTS][-1]
                assert (last.consent_date, last.consent_proof) == (member.consent_date, member.consent_proof)
                assert last.file, "there was a line that said so"
            assert set(audit.suppressed(date.max)) == set(state.suppressions())

    for each in sorted(past.days):
        people = sorted(control.state().members)
        for act in (control.unsubscribe, control.resubscribe, control.delete_member):
            if people and data.draw(st.integers(0, 3)) == 0:
                act(data.draw(st.sampled_from(people)))
        house.day(each, each + ONE_DAY)
        noted()
    house.tell(past)
    house.day(day, past.as_of)
    noted()
