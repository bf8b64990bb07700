"""The benchmarks: `make bench` for a quick look, `make bench SIZES="100000 1000000 5000000" ROUNDS=3 BENCH=--all` for all.

Every result is held against a slow reference; the figures go to RESULTS.md.  `--check` compares and writes nothing.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from datetime import date

import sizes
import startup
from measure import PEERS_PYTHON, load, machine, versions
from report import Circumstances, Section, parts, write

CASES = ("startup",)


def main(words: Sequence[str]) -> None:
    """Measure what is asked for."""
    chosen = _parser().parse_args(words)
    peers = list(sizes.PEERS) if PEERS_PYTHON.exists() else [sizes.PLAIN]
    asked = sizes.Asked(chosen.sizes, chosen.rounds, peers)
    if chosen.check:
        for size in sizes.measured(sizes.Asked(chosen.sizes, 1, peers)):
            print(f"{size.lines:,} lines: equal results of the reference, {', '.join(size.compared)}")
        return
    if not PEERS_PYTHON.exists():
        raise SystemExit("the peers have no environment\n`make bench` makes it")
    busy = load()
    sections: list[Section] = []
    if chosen.sizes:
        sections.append(sizes.section(sizes.measured(asked), asked))
    if chosen.all or chosen.startup:
        sections.append(startup.section())
    how = Circumstances(_command(words), f"{date.today():%d %B %Y}", machine(), versions(), busy)
    found = parts(sections, how)
    write(found)
    print("\n".join(found[name] for name in ("ratios", *(each.name for each in sections)) if name in found))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100_000], metavar="LINES")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--check", action="store_true", help="compare the results, write nothing")
    parser.add_argument("--all", action="store_true", help="every case")
    for case in CASES:
        parser.add_argument(f"--{case}", action="store_true")
    return parser


def _command(words: Sequence[str]) -> str:
    return shlex.join([".venv/bin/python", "benchmarks/run.py", *words])


if __name__ == "__main__":
    main(sys.argv[1:])
