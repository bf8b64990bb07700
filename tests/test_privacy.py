"""Law 25: everything on a person is shown, and can be erased for good."""

from __future__ import annotations

import gzip
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dateutil.relativedelta import relativedelta
from world import World, buy, cancel, text

from pipeline.forgotten import Forgotten

ANNE = "anne@exemple.ca"


def told(world: World) -> list[str]:
    """The files of the state (not the box office's drop, not the platform) that still name Anne."""
    found = []
    for path in world.root.rglob("*"):
        if path.is_file() and path.parent != world.drop and not path.name.startswith("platform"):
            data = path.read_bytes()
            data = gzip.decompress(data) if path.suffix == ".gz" else data
            if re.search(rb"(?<![a-z])anne@exemple", data):
                found.append(path.name)
    return found


def a_day(world: World) -> None:
    world.day(
        "2026-03-01",
        [
            buy("T1", "2026-03-01 10:00:00", ANNE, nom="Tremblay\nBélisle"),
            buy("T2", "2026-03-01 11:00:00", f"mari{ANNE}"),
            buy("T3", "pas une date", ANNE),
            cancel("T9", "2026-03-01 12:00:00", ANNE),
        ],
    )
    assert world.night("2026-03-02").code == 0


def test_export_shows_all_that_is_held(world: World) -> None:
    a_day(world)
    held = world.placier("export", "demo", f" {ANNE.upper()} ").json
    assert set(held) == {"email", "contact", "bookings", "cancellations", "consent", "groups", "suppression", "sources"}
    assert [booking["transaction_id"] for booking in held["bookings"]] == ["T1"]
    assert [act["transaction_id"] for act in held["cancellations"]] == ["T9"]
    assert held["consent"]["proof"] == "Le Songe, 2026-04-01, transaction T1"
    assert held["suppression"] is None
    world.control.unsubscribe(ANNE)
    world.night("2026-03-02")
    assert world.placier("export", "demo", ANNE).json["suppression"]["reason"] == "unsubscribed"


def test_forgetting_leaves_no_line_and_no_row(world: World) -> None:
    a_day(world)
    assert told(world)
    erased = world.placier("forget", "demo", ANNE).json
    assert erased["email"] == ANNE
    assert erased["erased"]["bookings"] == 1
    assert erased["erased"]["rejects"] == 1
    assert erased["erased"]["archived_lines"] == 3
    assert told(world) == []
    assert world.placier("why", "demo", ANNE).json["sources"] == []
    assert world.placier("why", "demo", f"mari{ANNE}").json["sources"] == [
        {"file": "Theatre_achats_20260301.csv", "line": 4}
    ]


def test_nothing_brings_a_forgotten_person_back(world: World) -> None:
    a_day(world)
    world.placier("forget", "demo", ANNE)
    writes = world.control.writes()
    for words in (
        ("replay", "demo", "2026-03-01"),
        ("replay", "demo", "2026-03-01", "--refetch"),
        ("run", "demo", "--date", "2026-03-01"),
        ("backfill", "demo", str(world.history([buy("T1", "2026-03-01 10:00:00", ANNE)]))),
    ):
        answer = world.placier(*words, "--as-of", "2026-03-02")
        assert answer.code == 0, answer.out
        assert told(world) == []
    assert world.control.writes() == writes
    assert world.placier("why", "demo", ANNE).json["may_send"] is False


def test_a_later_purchase_counts_again_but_not_against_a_suppression(world: World) -> None:
    a_day(world)
    world.control.unsubscribe(ANNE)
    world.night("2026-03-02")
    world.placier("forget", "demo", ANNE)
    world.day("2030-03-01", [buy("T5", "2030-03-01 10:00:00", ANNE, date_evenement="2030-04-01 20:00")])
    answer = world.placier("run", "demo", "--date", "2030-03-01", "--as-of", "2030-03-02")
    assert answer.run["plan"]["skipped"] == {"unsubscribed": 1}
    assert world.placier("why", "demo", ANNE, "--on", "2030-03-02").json["suppressed"] == "unsubscribed"


def test_a_later_purchase_of_a_forgotten_person_is_sent(world: World) -> None:
    a_day(world)
    world.placier("forget", "demo", ANNE)
    world.day("2030-03-01", [buy("T5", "2030-03-01 10:00:00", ANNE, date_evenement="2030-04-01 20:00")])
    answer = world.placier("run", "demo", "--date", "2030-03-01", "--as-of", "2030-03-02")
    assert answer.run["pushed"]["contacts_created"] == 1
    assert world.placier("why", "demo", ANNE, "--on", "2030-03-02").json["may_send"] is True


def test_the_hash_is_keyed() -> None:
    one, other = Forgotten("00" * 32), Forgotten("11" * 32)
    assert one.name(ANNE) == one.name(f" {ANNE.upper()} ")
    assert one.name(ANNE) != other.name(ANNE)
    assert ANNE not in one.name(ANNE)


def test_forgetting_somebody_unknown_says_so(world: World, tmp_path: Path) -> None:
    erased = world.placier("forget", "demo", "personne@exemple.ca")
    assert erased.code == 0
    assert set(erased.json["erased"].values()) == {0}


def test_what_is_held_of_a_forgotten_person_is_released(world: World) -> None:
    world.set(guard={"max_leaves": 1, "max_leave_ratio": 0.0})
    people = [ANNE, "bob@exemple.ca", "chloe@exemple.ca"]
    world.day("2026-03-01", [buy(f"T{n}", "2026-03-01 10:00:00", who) for n, who in enumerate(people)])
    world.night("2026-03-02")
    world.day("2026-03-02", [cancel(f"T{n}", "2026-03-02 10:00:00") for n in range(3)])
    held = world.night("2026-03-03")
    assert held.code == 5
    assert world.placier("forget", "demo", ANNE).json["erased"]["held_operations"] == 1
    assert told(world) == []
    [hold] = world.placier("status", "demo").json["accounts"][0]["held"]
    assert hold["operations"] == 2
    approved = world.placier("approve", "demo", hold["run_id"])
    assert (approved.code, approved.run["pushed"]["leaves"]) == (0, 2)


def test_what_was_held_once_forgets_too(world: World) -> None:
    world.set(guard={"max_leaves": 0, "max_leave_ratio": 0.0})
    world.day(
        "2026-03-01", [buy(f"T{n}", "2026-03-01 10:00:00", who) for n, who in enumerate((ANNE, "bob@exemple.ca"))]
    )
    world.night("2026-03-02")
    world.day("2026-03-02", [cancel(f"T{n}", "2026-03-02 10:00:00") for n in range(2)])
    held = world.night("2026-03-03")
    assert world.placier("approve", "demo", held.run["run_id"]).code == 0
    assert world.placier("forget", "demo", ANNE).json["erased"]["held_operations"] == 0
    assert told(world) == []


def test_what_was_cancelled_of_a_purchase_is_its_buyers(world: World) -> None:
    """Rule 7: whatever address the cancellation carries; of a transaction that two people share, only what names one."""
    other = "autre@exemple.test"
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE), buy("T2", "2026-03-01 10:00:00", ANNE),
                             buy("T3", "2026-03-01 10:00:00", ANNE),
                             buy("T3", "2026-03-01 10:00:00", other, id_spectacle="S2", id_representation="R2")])  # fmt: skip
    world.night("2026-03-02")
    lines = [
        cancel("T1", "2026-03-02 10:00:00", nom="Tremblay-Un"),
        cancel("T2", "2026-03-02 10:00:00", other, nom="Tremblay-Deux"),
        cancel("T3", "2026-03-02 10:00:00", nom="Tremblay-Trois"),
        cancel("T9", "2026-03-02 10:00:00", nom="Tremblay-Neuf"),
    ]
    world.day("2026-03-02", [buy("T8", "2026-03-02 10:00:00", other), *lines])
    assert world.night("2026-03-03").code == 0
    shown = world.placier("export", "demo", ANNE).json["cancellations"]
    assert sorted(act["transaction_id"] for act in shown) == ["T1", "T2"]
    assert [act["transaction_id"] for act in world.placier("export", "demo", other).json["cancellations"]] == ["T2"]
    erased = world.placier("forget", "demo", ANNE).json["erased"]
    assert (erased["cancellations"], erased["archived_lines"]) == (2, 5)
    for words in ((), ("--refetch",)):
        replayed = world.placier("replay", "demo", "2026-03-02", "--as-of", "2026-03-03", *words)
        assert (replayed.code, replayed.run["unmatched_cancellations"]) == (0, 1)
        kept = b"".join(gzip.decompress(path.read_bytes()) for path in world.root.rglob("*.gz"))
        names = ("Tremblay-Un", "Tremblay-Deux", "Tremblay-Trois", "Tremblay-Neuf")
        assert [name.encode() in kept for name in names] == [False, False, True, True]
    assert "T8" in str(world.placier("export", "demo", other).json)


def test_a_held_file_forgets_too(world: World) -> None:
    bad = [buy(f"B{n}", "bad", f"p{n}@exemple.ca") for n in range(30)]
    world.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE), *bad])
    held = world.night("2026-03-02")
    assert held.code == 5
    assert world.placier("forget", "demo", ANNE).json["erased"]["archived_lines"] == 1
    assert told(world) == []
    again = world.placier("approve", "demo", held.run["run_id"])
    assert again.code == 5, "what is held is no longer what it was"
    assert "`placier run demo --date 2026-03-01` holds it as it is now" in again.err + again.out
    anew = world.placier("run", "demo", "--date", "2026-03-01", "--as-of", "2026-03-02")
    assert (anew.code, anew.run["run_id"] == held.run["run_id"]) == (5, False)
    assert world.placier("approve", "demo", anew.run["run_id"]).code == 0
    assert world.placier("why", "demo", ANNE).json["sources"] == []


def test_forgetting_is_told_in_words(world: World) -> None:
    a_day(world)
    answer = world.placier("forget", "demo", ANNE, json_too=False)
    assert "1 bookings" in answer.out
    assert "the platform is left as it is" in answer.out


def test_a_refused_file_forgets_too(world: World) -> None:
    refused = world.drop / "Theatre_achats_20260301.csv"
    refused.write_text(text([buy("T1", "2026-03-01 10:00:00", ANNE)]) + '"cut off', encoding="utf-8")
    (world.drop / "Theatre_annulations_20260301.csv").write_text(text([]), encoding="utf-8")
    assert world.night("2026-03-02").code == 1
    assert len(told(world)) == 1
    world.day("2026-03-01", [buy("T2", "2026-03-01 11:00:00", "benoit@exemple.test")])
    assert world.night("2026-03-02").code == 0
    assert world.placier("forget", "demo", ANNE).json["erased"]["archived_files"] == 1
    assert told(world) == []
    assert world.placier("replay", "demo", "2026-03-01", "--as-of", "2026-03-02").code == 0


def test_a_refused_file_is_let_go_when_its_time_is_over(world: World) -> None:
    world.set(source={"catch_up_days": 0})
    refused = world.drop / "Theatre_achats_20260301.csv"
    refused.write_text(text([buy("T1", "2026-03-01 10:00:00", ANNE)]) + '"cut off', encoding="utf-8")
    (world.drop / "Theatre_annulations_20260301.csv").write_text(text([]), encoding="utf-8")
    assert world.night("2026-03-02").code == 1
    later = datetime.now(UTC).date() + relativedelta(months=27)
    assert world.placier("push", "demo", "--as-of", f"{later - timedelta(days=90)}").code == 0
    assert len(told(world)) == 1
    assert world.placier("push", "demo", "--as-of", str(later)).code == 0
    assert told(world) == []
