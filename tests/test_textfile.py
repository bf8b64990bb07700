"""The figures of the nights for Prometheus: a file that the exporter can read, always whole."""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from world import World, buy, cancel

from pipeline import textfile

PAGE = (Path(__file__).parent.parent / "docs" / "alerts.md").read_text(encoding="utf-8")
Figures = dict[tuple[str, str], float]


def export(world: World, file: str = "placier.prom") -> None:
    state = f'[state]\nurl = "{world.state_url}"\n'
    (world.config / "placier.toml").write_text(f'{state}[alerts]\ntextfile = "{file}"\n')


@pytest.fixture
def watched(world: World) -> World:
    """A world with an exporter, and two accounts."""
    export(world)
    (world.config / "accounts" / "autre.toml").write_text((world.config / "accounts" / "demo.toml").read_text())
    world.day("2026-03-01", [
        buy("T1", "2026-03-01 10:00:00", "anne@exemple.ca"), buy("T2", "bad", "bob@exemple.ca"),
    ])  # fmt: skip
    return world


def figures(world: World) -> Figures:
    """What the file says: metric and account, or the other label -> value."""
    found: Figures = {}
    for family in text_string_to_metric_families((world.root / "placier.prom").read_text(encoding="utf-8")):
        for sample in family.samples:
            account, *more = (sample.labels.pop("account"), *sample.labels.values())
            if not more or account == "demo":
                found[sample.name, (more or [account])[0]] = sample.value
    return found


def test_a_night_leaves_its_figures_for_the_exporter(watched: World) -> None:
    before = datetime.now(UTC).timestamp()
    assert watched.night("2026-03-02").code == 0
    path = watched.root / "placier.prom"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert "anne" not in path.read_text()
    found = figures(watched)
    for name, value in {
        "run_exit_code": 0, "run_days": 1, "run_lines": 2, "run_rejected_lines": 1, "run_groups_created": 2,
        "run_contacts_created": 1, "run_contacts_updated": 0, "run_joins": 2, "run_leaves": 0,
        "run_refused_contacts": 0, "pending_contacts": 0, "missing_days": 0, "came_back_contacts": 0,
    }.items():  # fmt: skip
        assert found[f"placier_{name}", "demo"] == value, name
    for name in ("run", "success"):
        assert before - 1 <= found[f"placier_{name}_timestamp_seconds", "demo"] <= datetime.now(UTC).timestamp() + 1
    assert found["placier_run_status", "done"] == 1
    assert found["placier_run_status", "failed"] == 0
    assert found["placier_run_seconds", "push"] > 0
    assert found["placier_run_requests", "demo"] > 0
    assert [path.name for path in watched.root.iterdir() if "prom" in path.name] == ["placier.prom"]


def test_bad_nights_are_told_and_the_last_success_stays(watched: World) -> None:
    watched.set(guard={"max_leaves": 0, "max_leave_ratio": 0.0})
    export(watched)
    assert watched.night("2026-03-02").code == 0
    success = figures(watched)["placier_success_timestamp_seconds", "demo"]
    assert watched.night("2026-03-03").code == 4
    found = figures(watched)
    assert (found["placier_run_exit_code", "demo"], found["placier_run_status", "missing"]) == (4, 1)
    assert (found["placier_missing_days", "demo"], found["placier_run_lines", "demo"]) == (1, 0)
    assert found["placier_success_timestamp_seconds", "demo"] == success
    watched.day("2026-03-02", [cancel("T1", "2026-03-02 10:00:00", "anne@exemple.ca")])
    assert watched.night("2026-03-03").code == 5
    assert figures(watched)["placier_held_operations", "leaves"] == 1
    (watched.root / "var" / "placier.db").write_text("this is no database" * 100)
    assert watched.night("2026-03-03").code == 1
    found = figures(watched)
    assert (found["placier_run_exit_code", "demo"], found["placier_held_operations", "leaves"]) == (1, 1)
    assert found["placier_success_timestamp_seconds", "demo"] == success


def test_the_figures_of_an_account_that_was_not_walked_stay_while_it_exists(watched: World) -> None:
    assert watched.placier("run", "--as-of", "2026-03-02").code == 0
    before = figures(watched)
    assert watched.night("2026-03-05").code == 4
    assert {key: value for key, value in figures(watched).items() if key[1] == "autre"} == {
        key: value for key, value in before.items() if key[1] == "autre"
    }
    (watched.config / "accounts" / "autre.toml").unlink()
    assert watched.night("2026-03-05").code == 4
    assert not [key for key in figures(watched) if key[1] == "autre"]


def test_only_a_real_nightly_run_writes_figures(watched: World) -> None:
    assert watched.night("2026-03-02", "--dry-run").code == 0
    assert watched.placier("replay", "demo", "2026-03-01").code in {0, 4}
    assert not (watched.root / "placier.prom").exists()


def test_a_file_that_cannot_be_written_fails_no_night(watched: World) -> None:
    export(watched, "nulle-part/placier.prom")
    answer = watched.night("2026-03-02")
    assert answer.code == 0
    assert "textfile not written" in answer.err
    assert "nulle-part" in answer.err


@pytest.mark.parametrize("content", [b"placier_run_lines{account=", b"\xff\xfe", b"placier_run_lines 3\n"])
def test_a_file_that_is_not_ours_is_replaced(content: bytes, watched: World) -> None:
    (watched.root / "placier.prom").write_bytes(content)
    textfile.write(watched.root / "placier.prom", {"demo": ([], None)}, datetime(2026, 3, 2), ["demo"])  # noqa: DTZ001
    assert figures(watched)["placier_run_lines", "demo"] == 0


def test_a_name_that_the_exporter_would_not_read_is_refused(world: World) -> None:
    export(world, "placier.txt")
    answer = world.placier("status")
    assert answer.code == 2
    assert "alerts.textfile: accepted: a path that ends in .prom" in answer.out


def written(text: str) -> Iterator[tuple[str, str, str]]:
    for family in text_string_to_metric_families(text):
        yield family.name, family.type, family.documentation


def test_the_page_names_the_metrics_that_are_written_and_their_labels(tmp_path: Path) -> None:
    path = tmp_path / "placier.prom"
    textfile.write(path, {"demo": ([], None)}, datetime(2026, 3, 2), ["demo"])  # noqa: DTZ001
    told = dict(re.findall(r"^\| `(placier_\w+)` \| (?:`(\w+)`)?", PAGE, re.MULTILINE))
    assert {name: label for name, label in told.items() if label} == textfile.MORE_LABELS
    families = list(written(path.read_text(encoding="utf-8")))
    assert [name for name, _, _ in families] == list(told) == list(textfile.METRICS)
    assert {kind for _, kind, _ in families} == {"gauge"}
    assert all(words.endswith(".") for _, _, words in families)
    assert set(re.findall(r"placier_\w+", PAGE.split("```yaml", 1)[1])) <= set(told)
