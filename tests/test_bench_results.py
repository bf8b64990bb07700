"""What the benchmarks measure is the same work: equal results of the program, a script and the slow reference."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from program import clean_environment, shell

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
LINES = 3_000


@pytest.fixture(scope="module")
def sizes() -> Iterator[ModuleType]:
    sys.path.insert(0, str(BENCHMARKS))
    import sizes

    yield sizes
    sys.path.remove(str(BENCHMARKS))


def test_the_program_the_script_and_the_reference_agree(sizes: ModuleType, tmp_path: Path) -> None:
    asked = sizes.Asked([LINES], peers=[sizes.PLAIN], databases=False, cache=tmp_path / "cache")
    (found,) = sizes.measured(asked)
    assert found.compared == [sizes.PLAIN, sizes.OURS, sizes.SENT]
    assert all(cost.cpu > 0 and cost.peak > 10 and cost.wall > 0 for way, cost in found.costs.items())
    assert found.stages[sizes.SENT].keys() >= {"read", "record", "plan", "push"}
    text = sizes.section([found], asked).body
    assert f"### {LINES:,} lines" in text
    assert "Equal to the reference: csv + sqlite3; Placier; Placier, sent." in text


@pytest.mark.parametrize("table", ["bookings", "cancellations", "contacts", "seats", "joins"])
def test_one_cent_or_one_seat_that_differs_is_noticed(sizes: ModuleType, table: str) -> None:
    from outcome import digest

    rows = [("T1", 9_000, None), ("T2", 4_500, "2026-11-15")]
    same = digest(reversed(rows)).json()
    assert (digest(rows[:1]) + digest(rows[1:])).json() == same
    wanted = {name: [0, "0"] for name in ("bookings", "cancellations", "contacts", "seats", "joins")} | {table: same}
    sizes.check("a peer", {table: digest(rows).json()}, wanted)
    for changed in ([("T1", 9_001, None), rows[1]], [("T1", 9_000, ""), rows[1]], rows[:1], [*rows, rows[0]]):
        with pytest.raises(SystemExit, match=f"a peer: {table} are"):
            sizes.check("a peer", {table: digest(changed).json()}, wanted)


def test_only_the_part_that_was_run_is_written_anew(sizes: ModuleType, tmp_path: Path) -> None:
    from report import write

    page = tmp_path / "RESULTS.md"
    page.write_text(
        "# Results\n<!-- sizes -->\nold\n<!-- /sizes -->\nkept\n<!-- night -->\nkept too\n<!-- /night -->\n"
    )
    write({"sizes": r"new, \1 as it is"}, page)
    assert page.read_text() == (
        "# Results\n<!-- sizes -->\nnew, \\1 as it is\n<!-- /sizes -->\nkept\n<!-- night -->\nkept too\n<!-- /night -->\n"
    )
    with pytest.raises(SystemExit, match="no place for growth"):
        write({"growth": "x"}, page)


def test_the_measured_night_is_a_day_that_the_program_takes(sizes: ModuleType, tmp_path: Path) -> None:
    import night

    night.write_day(sizes.history(LINES, tmp_path), tmp_path / "day.csv", 500)
    told = shell("check", str(tmp_path / "day.csv"), "--json").json
    assert told["lines"] == 500
    lines = (tmp_path / "day.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert all(line.split(";")[2].startswith(f"{night.DATE} ") for line in lines)
    assert any("nouveau." in line for line in lines)
    assert any(line.startswith("ANNULATION;T") for line in lines)


def test_each_case_can_be_asked_for_alone() -> None:
    asked = [sys.executable, str(BENCHMARKS / "run.py"), "--help"]
    told = subprocess.run(asked, capture_output=True, text=True, check=True, env=clean_environment()).stdout
    assert all(f"--{case}" in told for case in ("sizes", "growth", "night", "push", "startup", "sftp", "check", "all"))
