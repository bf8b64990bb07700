"""Histories of several sizes: the program against the floor and its peers, in turn, with equal results."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from measure import CACHE, HERE, PEERS_PYTHON, Cost, middle, spent
from place import ACCOUNT, SQLITE, Place, Postgres, own_folder, postgres
from report import Mark, Section, figure, table

AS_OF = "2026-11-15"
FLOOR = "pyarrow's parse alone"
DUCKDB, POLARS, PLAIN, DLT = "DuckDB", "Polars", "csv + sqlite3", "dlt"
PEERS = {DUCKDB: "duckdb_sql.py", POLARS: "polars_frames.py", PLAIN: "plain_csv.py", DLT: "dlt_merge.py"}
OURS = "Placier"
ON_POSTGRES = "Placier, PostgreSQL"
SENT = "Placier, sent"
SENT_ON_POSTGRES = "Placier, PostgreSQL, sent"
KINDS = {OURS: (False, False), ON_POSTGRES: (True, False), SENT: (False, True), SENT_ON_POSTGRES: (True, True)}
"""Way -> whether on PostgreSQL, whether it is sent (to import files) and kept."""
LIMITS = {PLAIN: 1_000_000, DLT: 1_000_000, SENT: 100_000, SENT_ON_POSTGRES: 100_000}
"""Lines above which a way is left out: it takes too long, or all of the memory."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which sizes (lines), how many rounds, which peers; `databases`: with PostgreSQL; `sent`: the real thing too."""

    sizes: Sequence[int]
    rounds: int = 1
    peers: Sequence[str] = tuple(PEERS)
    databases: bool = True
    sent: bool = True
    cache: Path = CACHE
    tell: Callable[[str], None] = lambda words: print(words, file=sys.stderr, flush=True)


@dataclass(slots=True)
class Size:
    """What was measured at one size; `stages`: the seconds of the program's stages by way."""

    lines: int
    costs: dict[str, Cost] = field(default_factory=dict)
    stages: dict[str, dict[str, float]] = field(default_factory=dict)
    compared: list[str] = field(default_factory=list)


def history(lines: int, cache: Path = CACHE) -> Path:
    """The invented history of that many lines, made if it is not there."""
    path = cache / f"history-{lines}.csv"
    if not path.exists():
        cache.mkdir(exist_ok=True)
        part = path.with_suffix(".part")
        spent([sys.executable, HERE / "history.py", str(lines), part])
        part.rename(path)
    return path


def measured(asked: Asked) -> list[Size]:
    """All sizes, one after the other; SystemExit when a result differs from the reference's."""
    with postgres() if asked.databases else _nothing() as server:
        return [_size(lines, asked, server) for lines in asked.sizes]


@contextmanager
def _nothing() -> Iterator[None]:
    yield None


def _size(lines: int, asked: Asked, server: Postgres | None) -> Size:
    path = history(lines, asked.cache)
    ways = [FLOOR, *(peer for peer in asked.peers if lines <= LIMITS.get(peer, lines))]
    ours = [way for way, (database, sent) in KINDS.items() if database <= (server is not None) and sent <= asked.sent]
    ways += [way for way in ours if lines <= LIMITS.get(way, lines)]
    found = Size(lines)
    wanted = reference(path)
    costs: dict[str, list[Cost]] = {way: [] for way in ways}
    for number in range(asked.rounds):
        for way in ways:
            if number and way in KINDS and KINDS[way][1]:
                continue  # the real thing once: it differs from the rehearsal by the sending, to files here
            with own_folder(asked.cache / "work") as folder:
                cost, stages, outcome = _run(way, path, folder, server, compare=number == 0)
            costs[way].append(cost)
            found.stages.setdefault(way, stages)
            asked.tell(f"{lines:,} lines, round {number + 1}: {way}: {cost.all_cpu:.1f} s of CPU, {cost.peak:.0f} MiB")
            if outcome:
                check(way, outcome, wanted)
                found.compared.append(way)
    found.stages = {way: stages for way, stages in found.stages.items() if stages}
    found.costs = {way: middle(each) for way, each in costs.items()}
    return found


def _run(
    way: str, path: Path, folder: Path, server: Postgres | None, *, compare: bool
) -> tuple[Cost, dict[str, float], dict[str, Any]]:
    """One round of one way: its cost, the seconds of its stages, and what it made."""
    if way == FLOOR:
        return spent([sys.executable, HERE / "peers" / "floor.py", path]), {}, {}
    if way in PEERS:
        result, schema = folder / "result.db", folder / "schema.sql"
        schema.write_text(spent([sys.executable, HERE / "schema.py"]).said, encoding="utf-8")
        python = sys.executable if way == PLAIN else PEERS_PYTHON
        cost = spent([python, HERE / "peers" / PEERS[way], path, result, schema])
        return cost, {}, outcome_of("peer", result) if compare else {}
    database, sent = KINDS[way]
    place = Place(folder)
    if database and server is not None:
        place = Place(folder, server.new(), beside=server.cpu)
    words = ["backfill", ACCOUNT, path, "--as-of", AS_OF, *([] if sent else ["--dry-run"])]
    try:
        cost, run = place.placier(*words)
        outcome = _planned(run)
        if compare and sent:
            outcome |= outcome_of("program", place.url)
    finally:
        if place.state != SQLITE and server is not None:
            server.drop_last()
    return cost, run["seconds"], outcome if compare else {}


def _planned(run: dict[str, Any]) -> dict[str, Any]:
    """What a run says that it plans, as counts of rows."""
    plan = run["plan"]
    return {"contacts": [plan["contacts_created"]], "joins": [plan["joins"]]}


def outcome_of(kind: str, place: Path | str) -> dict[str, Any]:
    """The digests of what a peer or the program made."""
    return dict(json.loads(spent([sys.executable, HERE / "outcome.py", kind, place]).said))


def check(way: str, outcome: dict[str, Any], wanted: dict[str, Any]) -> None:
    """SystemExit unless everything that `outcome` tells is what the reference made of the same history."""
    for name, found in outcome.items():
        if wanted[name][: len(found)] != found:
            raise SystemExit(f"{way}: {name} are {found}, the reference has {wanted[name]}")


def reference(path: Path) -> dict[str, Any]:
    """What the slow reference makes of a history; kept beside it."""
    sources = ("history.py", "reference.py", "outcome.py", "peers/state.py")
    mark = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in sources)).hexdigest()[:16]
    kept = path.with_suffix(f".{mark}.json")
    if not kept.exists():
        kept.write_text(spent([sys.executable, HERE / "reference.py", path]).said, encoding="utf-8")
    return dict(json.loads(kept.read_text(encoding="utf-8")))


# What it comes to


def section(found: Sequence[Size], asked: Asked) -> Section:
    """All sizes, for RESULTS.md."""
    body = (
        f"Medians of {asked.rounds} round{'s' if asked.rounds > 1 else ''}, the ways in turn. CPU is user + system"
        " time; for PostgreSQL the server's is in it. `sent` is the real `backfill` (once), the people and groups written to"
        " import files; the others are `backfill --dry-run`: read, recorded, merged and planned, all but sent.\n"
    )
    for size in found:
        body += f"\n### {size.lines:,} lines\n"
        floor = size.costs[FLOOR].all_cpu
        rows = [
            (way, *_figures(cost), figure(size.lines / cost.wall), f"{cost.all_cpu / floor:.1f}")
            for way, cost in size.costs.items()
        ]
        body += table(("way", "CPU s", "peak MiB", "wall s", "lines/s", "x floor"), rows)
        body += f"\nEqual to the reference: {'; '.join(size.compared)}.\n"
        names = list(dict.fromkeys(name for stages in size.stages.values() for name in stages))
        rows_ = [(way, *(stages.get(name, "") for name in names)) for way, stages in size.stages.items()]
        body += f"\nSeconds by stage (wall, first round):\n\n{table(('way', *names), rows_)}"
    marks = [mark for size in found for mark in _marks(size)]
    return Section("sizes", "Histories of several sizes", body, marks)


def _figures(cost: Cost) -> tuple[str, str, str]:
    return figure(cost.all_cpu), figure(cost.peak), figure(cost.wall)


def _marks(size: Size) -> Iterator[Mark]:
    ours = size.costs[OURS]
    for peer, wanted in ((FLOOR, "6 at most"), (DUCKDB, "0.75 at most at 5 M"), (DLT, "0.20 at most at 1 M")):
        if peer in size.costs:
            ratio = ours.all_cpu / size.costs[peer].all_cpu
            yield Mark(f"{size.lines:,} lines: Placier / {peer}, CPU", wanted, f"{ratio:.2f}")
    for one, other in ((ON_POSTGRES, OURS), (SENT_ON_POSTGRES, SENT)):
        if one in size.costs:
            for what, ratio in (
                ("CPU", size.costs[one].all_cpu / size.costs[other].all_cpu),
                ("wall", size.costs[one].wall / size.costs[other].wall),
            ):
                yield Mark(f"{size.lines:,} lines: {one} / {other}, {what}", "2 at most", f"{ratio:.2f}")
    yield Mark(f"{size.lines:,} lines: peak of Placier", "under 1,024 MiB at 5 M", f"{figure(ours.peak)} MiB")
