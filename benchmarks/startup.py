"""Start-up: what the commands cost that do next to nothing."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from measure import CACHE, Cost, middle, spent
from place import ACCOUNT, Place, own_folder
from report import Mark, Section, figure, table

ROUNDS = 5
COMMANDS = {
    "placier --help": ["--help"],
    "placier status": ["status"],
    f"placier push {ACCOUNT} (nothing to send)": ["push", ACCOUNT],
}


def section(asked: Sequence[int] = (ROUNDS,)) -> Section:
    """The commands in turn, for RESULTS.md."""
    (rounds,) = asked
    costs: dict[str, list[Cost]] = {name: [] for name in COMMANDS}
    with own_folder(CACHE / "work") as folder:
        Place(folder)
        for number in range(rounds + 1):
            for name, words in COMMANDS.items():
                config = [] if words == ["--help"] else ["--config", folder / "config"]
                cost = spent([sys.executable, "-m", "pipeline", *words, *config])
                if number:  # the first time, modules may be compiled and the state is made
                    costs[name].append(cost)
    rows = [(f"`{name}`", middle(each)) for name, each in costs.items()]
    body = f"Medians of {rounds} rounds, an account on an empty SQLite state.\n\n" + table(
        ("command", "CPU s", "wall s", "peak MiB"),
        [(name, figure(cost.cpu), figure(cost.wall), figure(cost.peak)) for name, cost in rows],
    )
    marks = [Mark(f"start-up: {name}, CPU", "", f"{figure(cost.cpu)} s") for name, cost in rows]
    return Section("startup", "Start-up", body, marks)
