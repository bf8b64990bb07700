"""The benchmarks: `make bench` for a quick look, `make bench SIZES="100000 1000000 5000000" ROUNDS=3 BENCH=--all` for all.

Every result is held against a slow reference; the figures go to RESULTS.md.  `--check` compares and writes nothing.
"""

from __future__ import annotations

import argparse
import compileall
import shlex
import sys
from collections.abc import Callable, Sequence
from datetime import date

import growth
import night
import push
import sftp
import sizes
import startup
from measure import PEERS_PYTHON, ROOT, load, machine, versions
from report import Circumstances, Section, case, ratios, write

CASES: dict[str, tuple[Callable[[Sequence[int]], Section], Sequence[int], str]] = {
    "growth": (growth.section, growth.SIZES, "LINES"),
    "night": (night.section, (night.LINES,), "LINES"),
    "push": (push.section, push.CONTACTS, "CONTACTS"),
    "startup": (startup.section, (startup.ROUNDS,), "ROUNDS"),
    "sftp": (sftp.section, (sftp.MEGABYTES,), "MEGABYTES"),
}
"""Case -> what measures it; how large it is unless told, and in what."""


def main(words: Sequence[str]) -> None:
    """Measure what is asked for; each case is written as soon as it is done."""
    chosen = _parser().parse_args(words)
    compileall.compile_dir(ROOT / "pipeline", quiet=1)  # as an installation has it
    peers = list(sizes.PEERS) if PEERS_PYTHON.exists() else [sizes.PLAIN]
    if chosen.check:
        for size in sizes.measured(sizes.Asked(chosen.sizes, 1, peers)):
            print(f"{size.lines:,} lines: equal results of the reference; {'; '.join(size.compared)}")
        return
    if not PEERS_PYTHON.exists():
        raise SystemExit("the peers have no environment\n`make bench` makes it")
    command = shlex.join([".venv/bin/python", "benchmarks/run.py", *words])
    how = Circumstances(command, f"{date.today():%d %B %Y}", machine(), versions(), load())
    done: list[Section] = []
    for measured in _cases(chosen, peers):
        done.append(measured())
        text = {done[-1].name: case(done[-1], how)}
        print(f"\n{text[done[-1].name]}", flush=True)
        write(text | ratios(done, how))


def _cases(chosen: argparse.Namespace, peers: Sequence[str]) -> list[Callable[[], Section]]:
    """What was asked for, in order."""
    found: list[Callable[[], Section]] = []
    if chosen.sizes:
        asked = sizes.Asked(chosen.sizes, chosen.rounds, peers)
        found.append(lambda: sizes.section(sizes.measured(asked), asked))
    for name, (section, usual, _) in CASES.items():
        wanted = getattr(chosen, name)
        if chosen.all or wanted is not None:
            found.append(lambda section=section, size=tuple(wanted or usual): section(size))  # type: ignore[misc]
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100_000], metavar="LINES")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="compare the results, write nothing")
    parser.add_argument("--all", action="store_true", help="every case")
    for name, (_, usual, unit) in CASES.items():
        told = f"unless told: {' '.join(map(str, usual))}"
        parser.add_argument(f"--{name}", type=int, nargs="*", metavar=unit, help=told)
    return parser


if __name__ == "__main__":
    main(sys.argv[1:])
