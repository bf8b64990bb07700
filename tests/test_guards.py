"""What a guard holds: nothing of it leaves, the rest does; it stays held until it is approved, exactly as it was held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from program import killed
from world import Answer, Line, World, buy, cancel, text

from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.serve import PlatformServer
from pipeline.sandbox.switches import Fault

ANNE, BENOIT = "anne.tremblay@exemple.ca", "benoit.gagnon@exemple.test"
GENERAL, SONGE = "Clients Tuxedo", "Le Songe"
BOTH = (GENERAL, SONGE)
CYRANO = {"id_spectacle": "S2", "titre_spectacle": "Cyrano", "id_representation": "R2"}
AS_OF = "2026-03-10"
"""The night that is held; it is for the day before."""


def person(number: int) -> str:
    return f"abonne{number:03d}@exemple.ca"


def crowd(day: str, count: int, first: int = 0, **more: str) -> list[Line]:
    """One booking each for so many people."""
    return [buy(f"T{n}", f"{day} 10:00:00", person(n), **more) for n in range(first, first + count)]


def status(world: World):
    (account,) = world.placier("status", "demo").json["accounts"]
    return account


def held(world: World) -> list[dict[str, object]]:
    return status(world)["held"]


def well(answer: Answer) -> Answer:
    assert answer.code == 0, answer.out + answer.err
    return answer


# Each guard: how it comes to hold, and what it holds


def leaves_begin(world: World) -> None:
    """Four people have seats, which three of them are about to lose."""
    world.set(guard={"max_leaves": 2, "max_leave_ratio": 0.2})
    world.day("2026-03-08", [*crowd("2026-03-08", 4), buy("C0", "2026-03-08 11:00:00", person(0), **CYRANO)])
    well(world.night("2026-03-09"))


def leaves_day() -> list[Line]:
    cancels = [cancel(f"T{n}", "2026-03-09 09:00:00") for n in range(3)]
    return [*cancels, cancel("C0", "2026-03-09 09:00:00", **CYRANO), buy("U1", "2026-03-09 10:00:00", ANNE)]


def rejects_begin(world: World) -> None:
    """The day before is late: it comes with the one that is held."""
    world.day("2026-03-07", [])
    well(world.night("2026-03-08"))
    world.day("2026-03-08", [buy("U1", "2026-03-08 10:00:00", ANNE)])


def rejects_day() -> list[Line]:
    return [*crowd("2026-03-09", 3), *(buy(f"B{n}", "2026-03-09 10:00:00", "pas-une-adresse") for n in range(20))]


def volume_begin(world: World) -> None:
    """Seven days of one line each, the last of them late."""
    for number in range(1, 8):
        world.day(f"2026-03-0{number}", [buy(f"J{number}", f"2026-03-0{number} 10:00:00", BENOIT)])
        well(world.night(f"2026-03-0{number + 1}"))
    world.day("2026-03-08", [buy("U1", "2026-03-08 10:00:00", ANNE)])


def volume_day() -> list[Line]:
    return crowd("2026-03-09", 10)


@dataclass(frozen=True)
class Guarded:
    """One guard: what goes before, the day that it holds, and what an approval changes."""

    reason: str
    begin: Callable[[World], None]
    day: Callable[[], Sequence[Line]]
    operations: int
    people: int
    told: tuple[str, ...]

    def happened(self, world: World) -> int:
        """To how many people what is held has been done."""
        content = world.content()
        if self.reason == "leaves":
            return sum(world.groups_of(person(n)) == (GENERAL,) for n in range(3))
        return sum(person(n) in content for n in range(10))

    def corrected(self) -> list[Line]:
        """The day without what was odd in it."""
        return [buy("U1", "2026-03-09 10:00:00", ANNE)]


GUARDS = [
    Guarded(
        "leaves", leaves_begin, leaves_day, 4, 3,
        ("4 leaves of groups at once", "3 people in all (4 cancelled)", "Le Songe: 3 people", "Cyrano: 1 person"),
    ),
    Guarded(
        "rejects", rejects_begin, rejects_day, 20, 3,
        ("20 bad lines, too many", "Theatre_achats_20260309.csv: 20 of 23 lines are bad", "3 people", "--refetch"),
    ),
    Guarded(
        "volume", volume_begin, volume_day, 10, 10,
        ("10 lines, far more than usual", "Theatre_achats_20260309.csv: 0 of 10 lines are bad", "10 people"),
    ),
]  # fmt: skip
each = pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.reason)
leaves_or_file = pytest.mark.parametrize("guard", GUARDS[:2], ids=lambda guard: guard.reason)


@pytest.fixture
def ready(world: World, guard: Guarded) -> World:
    """A world whose next night will be held."""
    guard.begin(world)
    world.day("2026-03-09", guard.day())
    return world


@pytest.fixture
def run_id(ready: World, guard: Guarded) -> str:
    """The run that holds."""
    answer = ready.night(AS_OF)
    assert (answer.code, answer.run["status"]) == (5, "held"), answer.out
    found: str = answer.run["run_id"]
    return found


@each
def test_what_is_held_is_told_and_waits_for_an_approval_and_nothing_else_does(
    ready: World, run_id: str, guard: Guarded
) -> None:
    assert guard.happened(ready) == 0
    assert ready.groups_of(ANNE) == BOTH, "the rest went out"
    expected = {"run_id": run_id, "date": "2026-03-09", "reason": guard.reason, "operations": guard.operations}
    assert held(ready) == [expected]
    assert status(ready)["missing_days"] == []
    plain = ready.placier("status", "demo", json_too=False).out
    for words in (*guard.told, f"held by the run {run_id} of 2026-03-09", f"approve demo {run_id}"):
        assert words in plain
    assert "@" not in plain
    ready.day("2026-03-10", [buy("U2", "2026-03-10 10:00:00", BENOIT, **CYRANO)])
    for later in (ready.night("2026-03-11"), ready.placier("push", "demo", "--as-of", "2026-03-11")):
        assert (later.code, later.run["status"]) == (5, "held")
    assert "Cyrano" in ready.groups_of(BENOIT), "later days go on"
    assert guard.happened(ready) == 0
    assert held(ready) == [expected]
    before = ready.content()
    approved = well(ready.placier("approve", "demo", run_id))
    assert (approved.run["kind"], approved.run["as_of"]) == ("approve", AS_OF)
    assert guard.happened(ready) == guard.people
    changed = {email for email, state in ready.content().items() if before.get(email) != state}
    assert changed == {person(n) for n in range(guard.people)}, "exactly what was held"
    assert held(ready) == []
    ready.control.reset_log()
    well(ready.placier("approve", "demo", run_id))
    well(ready.night("2026-03-11"))
    assert ready.control.writes() == 0, "once approved, there is nothing more to do"


@leaves_or_file
def test_a_dry_run_names_it_and_holds_nothing(ready: World, guard: Guarded) -> None:
    dry = well(ready.night(AS_OF, "--dry-run"))
    assert dry.run["status"] == "dry_run"
    assert dry.run["held"] == [{"reason": guard.reason, "operations": guard.operations}]
    assert "held" in dry.run["message"]
    assert held(ready) == []
    told = ready.placier("run", "demo", "--as-of", AS_OF, json_too=False)
    assert told.code == 5
    assert "`placier approve demo RUN` lets it through" in told.out + told.err


@leaves_or_file
def test_a_corrected_file_takes_the_place_of_what_is_held(ready: World, run_id: str, guard: Guarded) -> None:
    ready.day("2026-03-09", guard.corrected())
    well(ready.night(AS_OF, "--date", "2026-03-09"))
    assert held(ready) == []
    before = ready.content()
    refused = ready.placier("approve", "demo", run_id)
    assert (refused.code, refused.run["status"]) == (5, "held")
    assert "the plan has changed" in refused.run["message"]
    assert "placier status demo" in refused.run["message"]
    assert ready.content() == before
    assert guard.happened(ready) == 0


def test_another_file_that_is_too_much_is_held_in_its_place(world: World) -> None:
    rejects_begin(world)
    world.day("2026-03-09", rejects_day())
    first = world.night(AS_OF)
    world.day("2026-03-09", [*rejects_day(), buy("U9", "2026-03-09 11:00:00", BENOIT)])
    second = world.night(AS_OF, "--date", "2026-03-09")
    assert (first.code, second.code) == (5, 5)
    assert [hold["run_id"] for hold in held(world)] == [second.run["run_id"]]
    assert world.placier("approve", "demo", first.run["run_id"]).code == 5
    assert BENOIT not in world.content()
    well(world.placier("approve", "demo", second.run["run_id"]))
    assert BENOIT in world.content()


def test_a_file_that_would_be_read_otherwise_now_is_not_let_through(world: World) -> None:
    rejects_begin(world)
    world.day("2026-03-09", rejects_day())
    run_id = world.night(AS_OF).run["run_id"]
    folder = world.root / "mappings"
    folder.mkdir()
    shipped = (Path(__file__).parents[1] / "mappings" / "tuxedo.toml").read_text(encoding="utf-8")
    (folder / "tuxedo.toml").write_text(shipped.replace('"ACHAT"', '"VENTE"'), encoding="utf-8")
    before = world.content()
    assert world.placier("approve", "demo", run_id).code == 5
    assert world.content() == before


# Killed, and faults of the platform


@leaves_or_file
def test_killed_once_it_is_held_it_is_held_still(ready: World, guard: Guarded) -> None:
    ready.control.add_fault(Fault("hang", "POST", "/batches"))
    words = ("run", "demo", "--as-of", AS_OF, "--config", str(ready.config))
    with killed(*words, once=lambda: any(entry.fault for entry in ready.control.log())):
        ready.control.clear_faults()
    again = ready.night(AS_OF)
    assert again.code == 5
    (hold,) = held(ready)
    assert (hold["reason"], hold["operations"]) == (guard.reason, guard.operations)
    assert guard.happened(ready) == 0
    assert ready.groups_of(ANNE) == BOTH
    well(ready.placier("approve", "demo", str(hold["run_id"])))
    assert guard.happened(ready) == guard.people


def cut(guard: Guarded, kind: str) -> Fault:
    """What cuts an approval in its middle: at the second leave, or with the batch on its way."""
    if guard.reason == "leaves":
        return Fault(kind, "DELETE", "/members/*/groups/*", nth=2, times=0, status=503)
    return Fault(kind, "POST", "/batches", times=0, status=503)


def cut_off(**then: str):
    """Which guard's approval is cut off, and what comes then."""
    chosen = [(guard, then[guard.reason]) for guard in GUARDS if guard.reason in then]
    return pytest.mark.parametrize(("guard", "then"), chosen, ids=[f"{then}-{guard.reason}" for guard, then in chosen])


def finished(world: World, guard: Guarded, run_id: str, then: str) -> None:
    """An approval that was cut off is finished by the next one; or by the next run and what that holds, if anything."""
    if then == "approve":
        well(world.placier("approve", "demo", run_id))
    elif guard.reason == "leaves":  # what has not left yet is held anew: fewer than before
        world.day("2026-03-10", [])
        later = world.night("2026-03-11")
        assert later.code == 5
        (hold,) = held(world)
        assert hold["run_id"] == later.run["run_id"]
        assert int(str(hold["operations"])) < guard.operations
        assert world.placier("approve", "demo", run_id).code == 5
        well(world.placier("approve", "demo", later.run["run_id"]))
    else:
        world.day("2026-03-10", [])
        well(world.night("2026-03-11"))
    assert held(world) == []
    assert guard.happened(world) == guard.people
    world.control.reset_log()
    well(world.placier("push", "demo", "--as-of", AS_OF))
    assert world.control.writes() == 0
    assert world.placier("verify", "demo", "--as-of", AS_OF).json["differences"] == []


@cut_off(leaves="approve", rejects="run")
def test_an_approval_that_was_killed_is_finished(ready: World, run_id: str, guard: Guarded, then: str) -> None:
    ready.control.reset_log()
    ready.control.add_fault(cut(guard, "hang_after"))
    with killed(
        "approve", "demo", run_id, "--config", str(ready.config), once=lambda: any(e.fault for e in ready.control.log())
    ):
        ready.control.clear_faults()
    finished(ready, guard, run_id, then)


@cut_off(leaves="run", rejects="approve")
def test_an_approval_that_the_platform_dropped_is_finished(
    ready: World, run_id: str, guard: Guarded, then: str
) -> None:
    ready.set(platform={"retries": 1})
    ready.control.add_fault(cut(guard, "error_before"))
    failed = ready.placier("approve", "demo", run_id)
    assert (failed.code, failed.run["status"]) == (1, "failed")
    ready.control.clear_faults()
    finished(ready, guard, run_id, then)


# A platform that is not as it was left


@pytest.fixture
def elsewhere(world: World, tmp_path: Path) -> Iterator[World]:
    """Four people were sent; then the configuration leads to another, empty account."""
    world.day("2026-03-08", crowd("2026-03-08", 4))
    well(world.night("2026-03-09"))
    world.day("2026-03-09", [buy("U1", "2026-03-09 10:00:00", ANNE), cancel("T0", "2026-03-09 10:00:00")])
    with PlatformServer(tmp_path / "other.db") as other, SandboxControl(other.url) as control:
        control.unsubscribe(person(1))
        world.set(platform={"base_url": other.url, "retries": 1})
        yield replace(world, server=other, control=control, platform=world.platform)


def test_nothing_goes_to_an_account_that_is_not_ours(world: World, elsewhere: World) -> None:
    first = elsewhere.night(AS_OF)
    assert (first.code, first.run["status"]) == (5, "held")
    assert "none of the 2 groups" in first.run["message"]
    assert "placier doctor demo" in first.run["message"]
    (hold,) = held(elsewhere)
    assert hold == {"run_id": first.run["run_id"], "date": "2026-03-09", "reason": "platform", "operations": 2}
    assert "2 groups or people" in elsewhere.placier("status", "demo", json_too=False).out
    for words in (["push", "demo"], ["verify", "demo", "--repair"]):
        assert elsewhere.placier(*words, "--as-of", AS_OF).code == 5
    assert held(elsewhere) == [hold]
    assert (list(elsewhere.content()), elsewhere.control.writes()) == ([person(1)], 0)
    world.write_config()
    world.set(platform={"base_url": world.server.url})
    well(world.night(AS_OF))
    assert held(world) == []
    assert world.groups_of(person(0)) == (GENERAL,), "nothing of ours was forgotten meanwhile"
    assert world.groups_of(person(1)) == world.groups_of(ANNE) == BOTH
    assert world.placier("why", "demo", person(1)).json["suppressed"] is None, "nor was anything of theirs believed"
    assert world.placier("verify", "demo", "--as-of", AS_OF).json["differences"] == []


def test_an_account_that_was_emptied_on_purpose_is_filled_by_those_who_buy(elsewhere: World) -> None:
    run_id = elsewhere.night(AS_OF).run["run_id"]
    dry = well(elsewhere.placier("push", "demo", "--as-of", AS_OF, "--dry-run"))
    assert "none of the 2 groups" in dry.run["message"]
    approved = well(elsewhere.placier("approve", "demo", run_id))
    assert approved.run["pushed"]["contacts_created"] == 1
    assert sorted(elsewhere.content()) == [person(1), ANNE]
    assert held(elsewhere) == []
    well(elsewhere.placier("approve", "demo", run_id))
    well(elsewhere.night(AS_OF))


def test_staff_may_delete_all_of_a_few_groups(world: World) -> None:
    world.day("2026-03-08", crowd("2026-03-08", 4))
    well(world.night("2026-03-09"))
    for title in BOTH:
        world.control.delete_group(title)
    world.day("2026-03-09", [buy("U1", "2026-03-09 10:00:00", ANNE)])
    well(world.night(AS_OF))
    assert world.groups_of(ANNE) == BOTH
    assert world.groups_of(person(0)) == ()


def test_a_list_of_groups_that_comes_back_empty_takes_no_seats_away(world: World) -> None:
    """Twenty-six people in two groups: more than fifty seats would be gone for good."""
    world.day("2026-03-08", crowd("2026-03-08", 26))
    well(world.night("2026-03-09"))
    for title in BOTH:
        world.control.delete_group(title)
    world.day("2026-03-09", [])
    answer = world.night(AS_OF)
    assert (answer.code, held(world)[0]["reason"]) == (5, "platform")
    well(world.placier("approve", "demo", answer.run["run_id"]))
    well(world.night(AS_OF))


def test_many_members_who_are_gone_at_once_are_not_sent_again(world: World) -> None:
    world.day("2026-03-08", crowd("2026-03-08", 52))
    well(world.night("2026-03-09"))
    for number in range(51):
        world.control.delete_member(person(number))
    again = [buy(f"V{n}", "2026-03-09 10:00:00", person(n)) for n in range(52)]
    world.day("2026-03-09", [*again, buy("U1", "2026-03-09 10:00:00", ANNE)])
    answer = world.night(AS_OF)
    assert answer.code == 5
    assert "not 51 of the 52 contacts" in answer.run["message"]
    assert "@" not in answer.run["message"]
    assert list(world.content()) == [person(51)]
    approved = well(world.placier("approve", "demo", answer.run["run_id"]))
    assert approved.run["pushed"]["contacts_created"] == 52
    well(world.night(AS_OF))


# The numbers, as they are by default


@pytest.mark.parametrize(
    ("people", "leaving", "code"),
    [(60, 50, 0), (127, 51, 5), (128, 51, 0)],
    ids=["50-leaves", "51-of-254-seats", "51-of-256-seats"],
)
def test_more_than_fifty_leaves_and_more_than_a_fifth_of_the_seats_are_held(
    world: World, people: int, leaving: int, code: int
) -> None:
    world.day("2026-03-08", crowd("2026-03-08", people))
    well(world.night("2026-03-09"))
    world.day("2026-03-09", [cancel(f"T{n}", "2026-03-09 09:00:00") for n in range(leaving)])
    answer = world.night(AS_OF)
    assert answer.code == code
    assert answer.run["pushed"]["leaves"] == (0 if code else leaving)


def test_leaves_for_a_corrected_file_are_guarded_too(world: World) -> None:
    """A day that is issued again without its lines would empty a group."""
    world.set(guard={"max_leaves": 2, "max_leave_ratio": 0.2})
    world.day("2026-03-08", crowd("2026-03-08", 3))
    well(world.night("2026-03-09"))
    world.day("2026-03-08", [])
    answer = world.placier("replay", "demo", "2026-03-08", "--refetch", "--as-of", AS_OF)
    assert answer.code == 5
    assert all(world.groups_of(person(n)) == BOTH for n in range(3))
    assert "3 corrected" in world.placier("status", "demo", json_too=False).out


def test_an_approved_file_that_would_empty_a_group_is_held_for_that(world: World) -> None:
    world.set(guard={"max_leaves": 2, "max_leave_ratio": 0.2})
    world.day("2026-03-08", crowd("2026-03-08", 3))
    well(world.night("2026-03-09"))
    bad = [buy(f"B{n}", "2026-03-09 10:00:00", "pas-une-adresse") for n in range(20)]
    world.day("2026-03-09", [*bad, *(cancel(f"T{n}", "2026-03-09 09:00:00") for n in range(3))])
    first = world.night(AS_OF)
    assert first.code == 5
    second = world.placier("approve", "demo", first.run["run_id"])
    assert (second.code, second.run["pushed"]["leaves"]) == (5, 0)
    (hold,) = held(world)
    assert (hold["reason"], hold["run_id"]) == ("leaves", second.run["run_id"])
    well(world.placier("approve", "demo", second.run["run_id"]))
    assert world.groups_of(person(0)) == (GENERAL,)


def test_a_run_may_hold_leaves_and_a_file_and_one_approval_is_for_both(world: World) -> None:
    leaves_begin(world)
    world.set(platform={"retries": 1})
    world.day("2026-03-09", leaves_day())
    world.control.add_fault(Fault("error_before", "GET", "/groups", times=0, status=503))
    assert world.night(AS_OF).code == 1, "the day is recorded, and nothing could be planned"
    world.control.clear_faults()
    world.day("2026-03-10", [buy("B", "2026-03-10 10:00:00", BENOIT), *rejects_day()[3:]])
    answer = world.night("2026-03-11")
    assert answer.code == 5
    assert {hold["reason"] for hold in held(world)} == {"leaves", "rejects"}
    assert {hold["run_id"] for hold in held(world)} == {answer.run["run_id"]}
    approved = well(world.placier("approve", "demo", answer.run["run_id"]))
    assert (approved.run["pushed"]["leaves"], approved.run["pushed"]["contacts_created"]) == (4, 1)
    assert held(world) == []


def test_a_history_in_two_bad_files_is_held_and_approved_as_one(world: World) -> None:
    for number in (1, 2):
        bad = [buy(f"B{n}", "2026-02-27 10:00:00", "non") for n in range(20)]
        lines = [*bad, buy(f"T{number}", "2026-02-27 10:00:00", person(number))]
        (world.drop / f"Theatre_historique_{number}.csv").write_text(text(lines), encoding="utf-8")
    answer = world.placier("backfill", "demo", "--as-of", "2026-03-01")
    assert answer.code == 5, answer.out
    assert len(held(world)) == 2
    well(world.placier("approve", "demo", answer.run["run_id"]))
    assert sorted(world.content()) == [person(1), person(2)]
    assert held(world) == []


def test_when_all_who_are_held_are_forgotten_nothing_is_held(world: World) -> None:
    world.set(guard={"max_leaves": 0, "max_leave_ratio": 0.0})
    world.day("2026-03-08", crowd("2026-03-08", 2))
    well(world.night("2026-03-09"))
    world.day("2026-03-09", [cancel("T0", "2026-03-09 09:00:00")])
    assert world.night(AS_OF).code == 5
    well(world.placier("forget", "demo", person(0)))
    well(world.placier("push", "demo", "--as-of", AS_OF))
    assert held(world) == []


@pytest.fixture
def rich(world: World) -> World:
    """A ledger large enough for its loss to be minded."""
    world.set(source={"catch_up_days": 0})
    world.day("2026-03-09", [buy(f"T{n}", "2026-03-09 10:00:00", ANNE) for n in range(1001)])
    well(world.night(AS_OF))
    return world


def test_a_clock_that_is_years_ahead_deletes_nothing(rich: World) -> None:
    ahead = rich.placier("push", "demo", "--as-of", "2036-03-10")
    assert (ahead.code, ahead.run["status"]) == (5, "held")
    assert [hold["reason"] for hold in held(rich)] == ["purge"]
    assert rich.placier("push", "demo", "--as-of", "2036-03-11").code == 5
    assert len(held(rich)) == 1
    assert "None was deleted".lower() in rich.placier("status", "demo", json_too=False).out
    assert len(rich.placier("why", "demo", ANNE).json["sources"]) == 1001
    well(rich.placier("push", "demo", "--as-of", AS_OF))
    assert held(rich) == []
    well(rich.placier("replay", "demo", "2026-03-09", "--as-of", AS_OF))


def test_what_is_too_old_is_deleted_once_it_is_approved(rich: World) -> None:
    run_id = rich.placier("push", "demo", "--as-of", "2036-03-10").run["run_id"]
    well(rich.placier("approve", "demo", run_id))
    assert held(rich) == []
    assert rich.placier("why", "demo", ANNE).json["sources"] == []
