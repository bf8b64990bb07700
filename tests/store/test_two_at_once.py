"""Two runs at once, in two real processes: of one account the second gives way, of two accounts both are done."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from program import killed, struck, wait_until
from world import World, buy, text

from pipeline.sandbox.switches import Fault

ANNE, BENOIT = "anne@exemple.test", "benoit@exemple.test"
AS_OF = ("--as-of", "2026-03-02")


@pytest.fixture
def kept(world: World, state_url: str) -> World:
    world.state_url = state_url
    world.write_config()
    return world


def test_a_second_run_gives_way_whatever_it_is_and_the_lock_goes_with_the_first(kept: World) -> None:
    file = kept.history([buy("T0", "2026-02-01 10:00:00", BENOIT)])
    kept.day("2026-03-01", [buy("T1", "2026-03-01 10:00:00", ANNE)])
    kept.control.add_fault(Fault("hang", "GET", "/customfields"))
    others = (
        ("run", "demo", *AS_OF),
        ("run", "demo", "--dry-run", *AS_OF),
        ("backfill", "demo", str(file), *AS_OF),
        ("replay", "demo", "2026-03-01", *AS_OF),
        ("push", "demo", *AS_OF),
        ("rebuild", "demo", *AS_OF),
        ("approve", "demo", "whatever"),
        ("verify", "demo", "--repair", *AS_OF),
        ("forget", "demo", ANNE),
    )

    def gave_way() -> bool:
        if not any(entry.fault for entry in kept.control.log()):
            return False
        assert {words: kept.placier(*words).code for words in others} == dict.fromkeys(others, 75)
        assert kept.placier("status", "demo").json["accounts"][0]["runs"][0]["status"] == "running"
        return True

    with killed("run", "demo", *AS_OF, "--config", str(kept.config), once=gave_way):
        kept.control.clear_faults()
    assert kept.control.writes() == 0
    wait_until(lambda: kept.placier("push", "demo", "--dry-run", *AS_OF).code != 75)
    answer = kept.placier(*others[0])
    assert (answer.code, answer.run["pushed"]["contacts_created"]) == (0, 1)


def test_two_accounts_run_side_by_side(kept: World) -> None:
    kept.set(source={"wait_minutes": 5})
    drops = {"demo": kept.drop, "quai": kept.root / "depot-quai"}
    drops["quai"].mkdir()
    demo = (kept.config / "accounts" / "demo.toml").read_text(encoding="utf-8")
    (kept.config / "accounts" / "quai.toml").write_text(demo.replace('"depot"', '"depot-quai"'), encoding="utf-8")

    def both_wait() -> bool:
        accounts = kept.placier("status").json["accounts"]
        return all([run["status"] for run in account["runs"]] == ["running"] for account in accounts)

    assert kept.placier("status").code == 0
    with ThreadPoolExecutor(2) as pool:
        runs = {
            name: pool.submit(struck, "run", name, *AS_OF, "--config", str(kept.config), once=lambda: False)
            for name in drops
        }
        wait_until(both_wait)
        for folder, email in zip(drops.values(), (ANNE, BENOIT), strict=True):
            for what, lines in (("achats", [buy("T1", "2026-03-01 10:00:00", email)]), ("annulations", [])):
                (folder / f"Theatre_{what}_20260301.csv").write_text(text(lines), encoding="utf-8")
        assert {name: run.result() for name, run in runs.items()} == {"demo": 0, "quai": 0}
    assert set(kept.content()) == {ANNE, BENOIT}
    for name, email in (("demo", ANNE), ("quai", BENOIT)):
        assert kept.placier("why", name, email).json["sources"]
