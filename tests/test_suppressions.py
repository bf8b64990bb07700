"""Never against the person: whoever left is remembered for good, under every behaviour of the platform."""

from __future__ import annotations

import threading
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import structlog
from program import wait_until
from world import Answer, Line, World, buy, cancel

from pipeline import nightly
from pipeline.config import load
from pipeline.doors import Outside, open_state, setting
from pipeline.sandbox.switches import Fault
from pipeline.store.acknowledged import State

ANNE, BENOIT, CHLOE = "anne@exemple.ca", "benoit@exemple.test", "chloe@exemple.test"
TORONTO = ZoneInfo("America/Toronto")
ARRIVALS = ["reject", "skip", "resubscribe"]


@pytest.fixture
def world(world: World) -> World:
    world.set(source={"catch_up_days": 0}, platform={"retries": 2})
    return world


def night(world: World, day: str, *lines: Line) -> Answer:
    world.day(day, lines)
    answer = world.night((date.fromisoformat(day) + timedelta(days=1)).isoformat())
    assert answer.code == 0, answer.out
    return answer


def skipped(answer: Answer) -> dict[str, int]:
    found: dict[str, int] = answer.run["plan"]["skipped"]
    return found


def purged(world: World) -> None:
    world.set(policy={"retention_months": 1})
    assert night(world, "2026-05-01").code == 0
    assert world.placier("export", "demo", ANNE).json["bookings"] == []


def forgotten(world: World) -> None:
    assert world.placier("forget", "demo", ANNE).code == 0


def replayed(world: World) -> None:
    words = ("replay", "demo", "2026-03-01", "--resend", "--as-of", "2026-03-04")
    assert skipped(world.placier(*words)) == {"unsubscribed": 1}


def deleted(world: World) -> None:
    """Staff deletes the person altogether: neither list names them any more."""
    world.control.delete_member(ANNE)
    assert night(world, "2026-03-05").run["status"] == "done"


@pytest.mark.parametrize(
    ("what", "arrival"),
    [
        (purged, "resubscribe"),
        (forgotten, "resubscribe"),
        (replayed, "skip"),
        (deleted, "reject"),
    ],
)
def test_a_suppression_and_what_it_hands_down_outlives_everything(world: World, what, arrival: str) -> None:
    world.control.set_switches(unsubscribed_in_batch=arrival, bounced_in_batch=arrival)
    night(world, "2026-03-01", buy("T1", "2026-03-01 10:00:00", ANNE, id_client="C7"))
    world.control.unsubscribe(ANNE)
    night(world, "2026-03-02")
    what(world)
    world.control.reset_log()
    show = {"id_client": "C7", "date_evenement": "2031-04-01 20:00"}
    heir = night(world, "2031-03-01", buy("T8", "2031-03-01 10:00:00", CHLOE, **show))
    assert skipped(heir) == {"unsubscribed_as": 1}, "by what is known of the old address alone"
    assert skipped(night(world, "2031-03-02", buy("T9", "2031-03-02 10:00:00", ANNE, **show))) == {"unsubscribed": 1}
    assert world.placier("push", "demo", "--as-of", "2031-03-03").code == 0
    assert world.placier("verify", "demo", "--repair").code == 0
    assert not {ANNE, CHLOE} & world.control.touched_addresses()


def test_who_leaves_after_the_purge_hands_it_down_too(world: World) -> None:
    past = [buy("T1", "2026-03-01 10:00:00", ANNE, id_client="C7")]
    past.append(buy("T2", "2026-03-01 10:00:00", BENOIT, id_client="C8"))
    night(world, "2026-03-01", *past)
    purged(world)
    world.control.unsubscribe(ANNE)
    show = {"date_evenement": "2031-04-01 20:00"}
    bought = [buy("T8", "2031-03-01 10:00:00", CHLOE, id_client="C7", **show)]
    bought.append(buy("T9", "2031-03-01 10:00:00", "dora@exemple.test", id_client="C8", **show))
    heirs = night(world, "2031-03-01", *bought)
    assert (skipped(heirs), heirs.run["pushed"]["contacts_created"]) == ({"unsubscribed_as": 1}, 1)
    assert world.placier("why", "demo", CHLOE, "--on", "2031-03-02").json["suppressed"] == "unsubscribed_as"


@pytest.mark.parametrize("arrival", ARRIVALS)
def test_no_walk_ever_writes_to_who_left(world: World, arrival: str) -> None:
    world.control.set_switches(unsubscribed_in_batch=arrival, bounced_in_batch=arrival, bounced_in_members=True)
    left = (ANNE, BENOIT)
    night(world, "2026-03-01", *(buy(f"T-{email}", "2026-03-01 10:00:00", email) for email in left))
    world.control.unsubscribe(ANNE)
    world.control.bounce(BENOIT)
    before = world.content()
    world.control.reset_log()
    again = [
        buy(f"T2-{email}", "2026-03-02 10:00:00", email, titre_spectacle="Cyrano", id_spectacle="S2") for email in left
    ]
    night(world, "2026-03-02", *again, *(cancel(f"T-{email}", "2026-03-02 12:00:00") for email in left))
    world.history([buy(f"T3-{email}", "2026-02-01 10:00:00", email, ville="Lévis") for email in left])
    for words in (("replay", "demo", "2026-03-02", "--resend"), ("backfill", "demo"), ("push", "demo")):
        assert world.placier(*words, "--as-of", "2026-03-04").code == 0
    assert world.placier("verify", "demo", "--repair", "--as-of", "2026-03-04").code == 0
    assert not set(left) & world.control.touched_addresses()
    assert world.content() == before


# Who leaves while a run is under way


class Hour:
    """A clock that the run's own waiting moves on; somebody acts once the first batch is under way."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.moment = datetime(2026, 3, 4, 3)  # UTC: the evening of the 3rd in Toronto
        self.acted = False

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        if self.world.control.batch_addresses() and not self.acted:
            self.acted = True
            self.world.control.unsubscribe(BENOIT)
            self.moment += timedelta(minutes=2)


@pytest.mark.parametrize("arrival", ["skip", "resubscribe"])
def test_who_leaves_during_a_long_run_is_in_none_of_its_later_batches(world: World, arrival: str) -> None:
    night(world, "2026-03-01", buy("T0", "2026-03-01 10:00:00", ANNE), buy("T1", "2026-03-01 10:00:00", BENOIT))
    world.day("2026-03-02", [buy("T2", "2026-03-02 10:00:00", ANNE), buy("T3", "2026-03-02 10:00:00", BENOIT)])
    world.control.set_switches(unsubscribed_in_batch=arrival, batch_polls=1)
    world.set(platform={"batch_size": 1, "first_poll": 1.0})
    world.control.reset_log()
    hour = Hour(world)
    configuration = load(world.config)
    database = open_state(configuration)
    try:
        outside = Outside({}, hour.now, hour.sleep, structlog.get_logger())
        work = setting(configuration, configuration.account("demo"), database, outside)
        [run] = nightly.run(work, date(2026, 3, 2), date(2026, 3, 3), alone=True)
        with database.transaction() as connection:
            assert State(connection, "demo").suppressions()[BENOIT].seen_on == date(2026, 3, 3)
    finally:
        database.close()
    assert hour.acted
    assert world.control.batch_addresses() == [ANNE]
    assert (run.status, run.refused) == ("done", {})
    assert run.json()["plan"]["skipped"] == {"unsubscribed": 1}  # type: ignore[index]
    assert BENOIT not in {
        email for email, member in world.control.state().members.items() if member.state == "subscribed"
    }
    assert skipped(world.placier("push", "demo", "--as-of", "2026-03-03")) == {"unsubscribed": 1}


@pytest.mark.parametrize("express", [False, True], ids=["in a batch", "by hand"])
@pytest.mark.parametrize("arrival", ["reject", "resubscribe"])
def test_who_leaves_before_the_first_batch_is_not_in_it(world: World, arrival: str, express: bool) -> None:
    """By the time that the groups are made, the lists that were read first may be old."""
    world.control.set_switches(unsubscribed_in_batch=arrival)
    if express:
        world.control.add_member(ANNE, relation="express-consent", consent_date=date(2020, 1, 1))
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE), buy("T2", "2026-03-01 10:00:00", BENOIT)])
    world.control.add_fault(Fault("error_before", "POST", "/groups", status=429, retry_after="1"))
    leaving = threading.Thread(target=_leave_once_struck, args=(world,))
    leaving.start()
    answer = world.night("2026-03-02")
    leaving.join()
    assert (answer.code, answer.run["status"], answer.run["refused"]) == (0, "done", 0)
    assert (skipped(answer), answer.run["pushed"]["contacts_created"]) == ({"unsubscribed": 1}, 1)
    assert ANNE not in world.control.touched_addresses()
    assert not [entry for entry in world.control.log() if entry.method in {"PATCH", "PUT"}], "nor by hand"
    assert world.placier("why", "demo", ANNE).json["suppressed"] == "unsubscribed"


@pytest.mark.parametrize("arrival", ["reject", "resubscribe"])
def test_who_leaves_in_the_very_minute_of_a_batch_is_left_alone_from_then_on(world: World, arrival: str) -> None:
    """Nobody can tell, when the platform undoes it without a trace; where it leaves one, it is remembered."""
    world.control.set_switches(unsubscribed_in_batch=arrival)
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    world.control.add_fault(Fault("error_before", "POST", "/batches", status=429, retry_after="1"))
    leaving = threading.Thread(target=_leave_once_struck, args=(world,))
    leaving.start()
    answer = world.night("2026-03-02")
    leaving.join()
    back = arrival == "resubscribe"
    assert answer.code == (0 if back else 3)
    assert world.placier("why", "demo", ANNE).json["suppressed"] == (None if back else "unsubscribed")
    if not back:
        world.control.reset_log()
        again = night(world, "2026-03-02", buy("T2", "2026-03-02 10:00:00", ANNE))
        assert skipped(again) == {"unsubscribed": 1}
        assert ANNE not in world.control.touched_addresses()


def _leave_once_struck(world: World) -> None:
    wait_until(lambda: any(entry.fault for entry in world.control.log()))
    world.control.unsubscribe(ANNE)


# Who came back


@pytest.fixture
def left(world: World) -> World:
    """Anne was sent, unsubscribed, and is known to have."""
    night(world, "2026-03-01", buy("T1", "2026-03-01 10:00:00", ANNE), buy("T2", "2026-03-01 10:00:00", BENOIT))
    world.control.unsubscribe(ANNE, on=date(2026, 3, 2))
    night(world, "2026-03-02")
    return world


def test_who_came_back_is_told_once_and_never_written_to(left: World) -> None:
    left.control.resubscribe(ANNE)
    left.control.reset_log()
    answer = night(left, "2026-03-03", buy("T3", "2026-03-03 10:00:00", ANNE))
    assert answer.run["status"] == "done"
    assert skipped(answer) == {"unsubscribed": 1}
    assert "1 suppressed people are members of the platform again" in answer.run["message"]
    assert "run ended" in answer.err
    shown = " ".join(left.placier("status", "demo", json_too=False).out.split())
    assert f"and a member of the platform again (seen on {datetime.now(TORONTO).date()}): {ANNE}" in shown
    page = (left.root / "var" / "reports" / "demo" / "2026-03-03.html").read_text()
    assert "1 personne désabonnée est de nouveau membre sur la plateforme" in page
    for told in (answer.out, answer.err, page):
        assert ANNE not in told
    again = night(left, "2026-03-04", buy("T4", "2026-03-04 10:00:00", ANNE))
    assert (again.run.get("message"), again.err) == (None, "")
    assert ANNE not in left.control.touched_addresses()
    assert left.placier("why", "demo", ANNE).json["suppressed"] == "unsubscribed"
    acts = left.placier("export", "demo", ANNE).json["consent"]["acts"]
    assert [act["act"] for act in acts] == ["given", "unsubscribed", "came_back"]


def test_looking_for_who_came_back_costs_one_request_and_only_while_somebody_is_unlisted(left: World) -> None:
    def requests(day: str) -> int:
        left.control.reset_log()
        night(left, day)
        return len(left.control.log())

    usual = requests("2026-03-03")
    left.control.resubscribe(ANNE)
    assert [requests("2026-03-04"), requests("2026-03-05")] == [usual + 1, usual]
    assert ANNE in left.placier("status", "demo", json_too=False).out
    left.control.unsubscribe(ANNE)
    assert requests("2026-03-06") == usual
    assert ANNE not in left.placier("status", "demo", json_too=False).out, "she has left again"


def test_whom_staff_deleted_has_not_come_back(left: World) -> None:
    left.control.delete_member(ANNE)
    answer = night(left, "2026-03-03", buy("T3", "2026-03-03 10:00:00", ANNE))
    assert answer.run.get("message") is None
    assert ANNE not in left.placier("status", "demo", json_too=False).out
