"""On a terminal there are tables that fit, colours and local times; NO_COLOR and pipes take them away."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from program import on_terminal, shell
from rich.cells import cell_len
from world import World, buy, cancel

from pipeline import words
from pipeline.cli import main
from pipeline.screen import widths

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7]m")
STYLE = re.compile(r"\x1b\[[0-9;]*m")
ANNE = "anne.marie.de-la-durantaye@messagerie.exemple.ca"
TITLE = "L'Étrange et véridique histoire de la baleine qui remontait le fleuve, racontée par ceux qui l'ont vue"


@pytest.fixture
def night(world: World) -> World:
    world.day("2026-03-01", [
        buy("T1", "2026-03-01 10:00:00", ANNE, titre_spectacle=TITLE), buy("T2", "bad", "bob@exemple.ca"),
    ])  # fmt: skip
    assert world.night("2026-03-02").code == 0
    return world


def seen(world: World, *command: str, columns: int = 80, **environment: str) -> tuple[int, str]:
    """The exit code, and what a terminal shows."""
    return on_terminal(*command, "--config", str(world.config), columns=columns, environment=environment)


def test_a_run_tells_what_it_did(night: World) -> None:
    code, text = seen(night, "run", "demo", "--as-of", "2026-03-02")
    plain = ANSI.sub("", text)
    assert code == 0
    assert "demo: run 2026-03-01 as of 2026-03-02: done" in plain
    assert "set aside: Theatre_achats_20260301.csv line 3: bad_date" in plain
    assert "\x1b[" in text
    assert "anne" not in plain
    assert "run ended" not in plain


@pytest.mark.parametrize("columns", [80, 120])
def test_what_is_shown_fits_and_nothing_of_it_is_cut_off(night: World, columns: int) -> None:
    for command in (("status", "demo"), ("why", "demo", ANNE), ("expiring", "demo", "--within", "3000")):
        code, text = seen(night, *command, columns=columns)
        assert code == 0
        lines = ANSI.sub("", text).splitlines()
        assert max(cell_len(line) for line in lines) <= columns, command
        assert [line for line in lines if line != line.rstrip()] == [], "fit to paste"
        assert "…" not in text
        letters = "".join("".join(lines).split())
        assert command[0] == "status" or ANNE in letters
        assert command[0] != "why" or "remontait" in letters


def test_a_dry_run_fits_too(night: World) -> None:
    code, text = seen(night, "replay", "demo", "2026-03-01", "--resend", "--as-of", "2026-03-02", "--dry-run")
    lines = ANSI.sub("", text).splitlines()
    assert code == 0
    assert max(cell_len(line) for line in lines) <= 80
    assert "nothing was sent, nothing was kept: this was a dry run" in ANSI.sub("", text)


def test_a_dry_run_tells_the_fields_of_a_purchase_as_one_and_those_of_the_person_by_name(night: World) -> None:
    again = buy("T3", "2026-03-02 10:00:00", ANNE, nb_billets="4", montant_net="200,00", ville="Rimouski")
    night.day("2026-03-02", [again])
    told = night.placier("run", "demo", "--as-of", "2026-03-03", "--dry-run", json_too=False).out
    assert "consent renewed, last purchase changed, city changed  " in told
    assert "tickets" not in told


def test_a_dry_run_that_would_be_held_names_nothing_to_approve(night: World) -> None:
    night.set(guard={"max_leaves": 0, "max_leave_ratio": 0.0})
    night.day("2026-03-02", [cancel("T1", "2026-03-02 10:00:00", ANNE)])
    told = night.placier("run", "demo", "--as-of", "2026-03-03", "--dry-run", json_too=False).out
    assert "would be: 1 left a group" in told
    assert "a real run would say: 1 leaves of groups are held: too many at once" in told
    assert "placier approve" not in told


def test_columns_share_the_room_and_short_ones_stay_whole() -> None:
    rows = [["2026-11-22 01:20", "x" * 50, "a b c d " * 20], ["-", "-", "-"]]
    assert widths(rows, 200) == [16, 50, 134]
    assert widths(rows, 80) == [16, 50, 14]
    assert sum(widths(rows, 40)) == 40
    assert min(widths(rows, 12)) >= 1
    assert sum(widths([["a", "b"]], 80)) == 2


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)], ids=str
)
def test_colours_are_for_terminals_that_want_them(night: World, environment: dict[str, str], coloured: bool) -> None:
    (night.drop / "Theatre_achats_20260301.csv").unlink()
    code, text = seen(night, "run", "demo", "--as-of", "2026-03-05", "--date", "2026-03-04", "-v", **environment)
    assert code == 4
    assert bool(STYLE.search(text)) == coloured


def test_elsewhere_there_are_plain_columns_with_colours_only_by_force(
    night: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    plain = night.placier("why", "demo", "nobody@exemple.ca", json_too=False).out
    monkeypatch.setenv("FORCE_COLOR", "1")
    forced = night.placier("why", "demo", "nobody@exemple.ca", json_too=False).out
    assert "\x1b" not in plain
    assert COLOUR.search(forced)
    assert ANSI.sub("", forced) == plain


def test_times_are_those_of_the_account_s_clock(night: World) -> None:
    (night.config / "accounts" / "demo.toml").write_text(
        'timezone = "Asia/Tokyo"\n' + (night.config / "accounts" / "demo.toml").read_text()
    )
    utc = night.placier("status").json["accounts"][0]["runs"][0]["started_at"]
    told = night.placier("status", json_too=False).out
    assert "(Asia/Tokyo)" in told
    [shown] = re.findall(r"^  (\S+ \d\d:\d\d)  \d{8}T", told, re.MULTILINE)
    assert (int(shown[11:13]) - int(utc[11:13])) % 24 == 9


def test_a_failed_run_says_what_to_type_next(night: World) -> None:
    code, text = seen(night, "run", "demo", "--as-of", "2026-03-05", "--date", "2026-03-04")
    plain = " ".join(ANSI.sub("", text).split())
    assert code == 4
    assert "not found for 2026-03-04" in plain
    assert "placier run demo --date 2026-03-04" in plain
    assert "Traceback" not in plain
    told = " ".join(night.placier("status", json_too=False).out.split())
    assert "the last run says (missing): demo: Theatre_achats_20260304.csv" in told


# A question before the first night


@pytest.mark.parametrize("command", ["status", "why demo a@exemple.ca", "expiring demo --within 3"])
def test_a_question_before_the_first_night_makes_nothing_and_says_what_to_type(world: World, command: str) -> None:
    before = sorted(world.root.rglob("*"))
    answer = world.placier(*command.split(), json_too=False)
    assert answer.code == 0
    assert "nothing has been recorded yet for demo" in answer.out
    assert "→ placier doctor demo" in answer.out
    assert world.placier(*command.split()).code == 0
    assert world.placier("export", "demo", "a@exemple.ca").code == 0
    assert sorted(world.root.rglob("*")) == before


# Words


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("run --date 2026-02-30", "there is no day 2026-02-30 in the calendar. Accepted: YYYY-MM-DD, such as 2026-11-13."),
        ("run --as-of tomorrow", "'tomorrow' is no day. Accepted: YYYY-MM-DD, such as 2026-11-13."),
        ("replay demo 2026-11-31", "there is no day 2026-11-31"),
        ("replay demo 26-11-13", "'26-11-13' is no day"),
        ("expiring demo --within soon", "'soon' is no number of days. Accepted: 0 to 3650, such as 30."),
        ("expiring demo", "→ such as: placier expiring demo --within 30"),
        ("why demo", "→ such as: placier why demo anne.tremblay@exemple.test"),
        ("run --dat 2026-11-13", "Did you mean '--date'?"),
        ("statut", "Did you mean 'status'?"),
        ("status dmeo", "did you mean demo? `placier status demo`"),
        ("check nulle.csv", "→ see what is there: ls -l /"),
    ],
)  # fmt: skip
def test_a_wrong_word_is_told_with_what_is_accepted(world: World, line: str, said: str) -> None:
    answer = world.placier(*line.split(), json_too=False)
    assert answer.code == 2
    assert said in answer.err
    assert "Try 'placier" in answer.err or "→" in answer.err


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("run --dat 2026-11-13", "such as: placier run demo --date 2026-11-13"),
        ("report --date 2026-02-30", "such as: placier report demo --date 2026-11-13"),
        ("expiring demo --within soon", "such as: placier expiring demo --within 30"),
        ("why demo", "such as: placier why demo anne.tremblay@exemple.test"),
        ("statut", "placier --help"),
        ("--log-format xml status", "placier --help"),
    ],
)
def test_a_wrong_word_is_told_in_json_too_where_json_is_asked_for(world: World, line: str, remedy: str) -> None:
    words = line.split()
    plainly = world.placier(*words, json_too=False)
    assert plainly.out == ""
    for asked in (world.placier(*words), world.placier("--json", *words, json_too=False)):
        assert (asked.code, asked.err) == (2, plainly.err)
        error = asked.json["error"]
        assert (error["exit_code"], error["remedy"]) == (2, remedy)
        assert f"Error: {error['message']}\n" in asked.err


def test_a_word_that_only_looks_like_the_option_asks_for_no_json(world: World) -> None:
    answer = world.placier("why", "--", "--json", "anne@exemple.test", "autre", json_too=False)
    assert (answer.code, answer.out) == (2, "")


def test_every_command_has_an_example_that_is_right() -> None:
    assert set(words.EXAMPLES) == set(main.commands)
    for name, line in words.EXAMPLES.items():
        program, command, *rest = line.split()
        assert (program, command) == ("placier", name)
        main.commands[name].make_context(name, rest)


# Completion


@pytest.mark.parametrize("kind", ["bash", "zsh", "fish"])
def test_the_completion_script_is_printed(world: World, kind: str) -> None:
    answer = world.placier("completion", kind, json_too=False)
    assert (answer.code, answer.err) == (0, "")
    assert f"_PLACIER_COMPLETE={kind}_complete" in answer.out
    assert world.placier("completion", kind).json["script"] == answer.out.removesuffix("\n")


def offered(*line: str) -> list[str]:
    """What the program offers for the last of these words."""
    asked = {
        "COMP_WORDS": " ".join(["placier", *line]),
        "COMP_CWORD": str(len(line)),
        "_PLACIER_COMPLETE": "bash_complete",
    }
    answer = shell(environment=asked)
    assert (answer.code, answer.err) == (0, "")
    return [found.partition(",")[2] for found in answer.out.splitlines() if found]


def test_tab_offers_what_there_is(night: World) -> None:
    where = ("--config", str(night.config))
    assert offered(*where, "wh") == ["why"]
    assert offered(*where, "why", "") == ["demo"]
    assert offered("why", *where, "d") == ["demo"]
    assert offered(*where, "replay", "demo", "") == ["2026-03-01"]
    assert offered(*where, "check", "x.csv", "--mapping", "tux") == ["tuxedo"]
    assert offered("run", "--da") == ["--date"]


def test_tab_offers_the_runs_that_hold_something(night: World) -> None:
    night.set(guard={"max_reject_ratio": 0.0})
    night.day("2026-03-02", [buy(f"T{n}", "bad", "eve@exemple.ca") for n in range(30)])
    held = night.night("2026-03-03")
    assert held.code == 5
    assert offered("--config", str(night.config), "approve", "demo", "") == [held.run["run_id"]]


def test_tab_says_nothing_and_makes_nothing_where_there_is_nothing(world: World, tmp_path: Path) -> None:
    before = sorted(world.root.rglob("*"))
    assert offered("--config", str(world.config), "approve", "demo", "") == []
    assert offered("--config", str(tmp_path / "nulle-part"), "run", "") == []
    (world.config / "placier.toml").write_text("[state\n")
    assert offered("--config", str(world.config), "replay", "demo", "") == []
    assert sorted(world.root.rglob("*")) == before
