"""The README's console examples, typed one after the other into a fresh folder, do what the README says."""

from __future__ import annotations

import re
import shlex
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from pipeline.cli import main
from pipeline.sandbox.pair import Pair
from pipeline.sandbox.season import ORGANISATION, Season
from pipeline.sandbox.serve import TOKEN

README = Path(__file__).parent.parent / "README.md"
ELSEWHERE = ("make demo", "make test", "placier sandbox", "placier demo")
"""Tested by themselves: tests/test_demo.py, tests/test_cli.py."""
DAYS = {"backfill": "--as-of 2026-11-13", "why": "--on 2026-11-15"}
DATED = ("run", "replay", "rebuild", "verify", "expiring")


def examples() -> list[tuple[str, list[str]]]:
    """Each command with the lines that the README shows below it."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line.strip() != "…":
                found[-1][1].append(line.rstrip())
    return found


def typed(command: str) -> tuple[int, str, str]:
    """Type a command; what depends on the clock is told the days of the story."""
    words = shlex.split(command)[1:]
    if words[0] in DATED:
        words += ["--as-of", "2026-11-15"]
    elif words[0] in DAYS and "--on" not in words:
        words += DAYS[words[0]].split()
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
        main(words, prog_name="placier")
    return int(end.value.code or 0), out.getvalue(), err.getvalue()


def drop(folder: Path, season: Season) -> None:
    for day in (season.first_night, season.second_night):
        stamp = day.strftime("%Y%m%d")
        (folder / f"{ORGANISATION}_achats_{stamp}.csv").write_text(season.purchases_csv(day), encoding="utf-8")
        (folder / f"{ORGANISATION}_annulations_{stamp}.csv").write_text(season.cancellations_csv(day), encoding="utf-8")


def test_every_console_example_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    season = Season()
    venue = tmp_path / "venue"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYBERIMPACT_TOKEN", TOKEN)
    monkeypatch.delenv("PLACIER_CONFIG", raising=False)
    done = 0
    with Pair(tmp_path / "servers") as pair:
        drop(pair.drop_folder, season)
        for example, shown in examples():
            command = example.replace("/srv/placier", str(venue))
            if command.startswith(ELSEWHERE):
                continue
            if command.startswith("cd "):
                monkeypatch.chdir(command.split()[1])
                (venue / "config" / "accounts" / "exemple.toml").unlink()
                (venue / "config" / "accounts" / "demo.toml").write_text(pair.account(ORGANISATION), encoding="utf-8")
                history = season.history_csv(season.history_until)
                (venue / f"{ORGANISATION}_historique.csv").write_text(history, encoding="utf-8")
                drop(venue, season)
                continue
            code, out, err = typed(command)
            assert code == 0, f"{command}: {out}{err}"
            for line in shown:
                assert line in out.splitlines(), command
            done += 1
    assert done >= 20
