"""What sending costs: a first backfill against the stand-in of the platform, without its limit of requests.

The stand-in is a process of its own; its processor time is told apart from the program's.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from measure import CACHE, HERE, ROOT, Cost
from place import ACCOUNT, Place, own_folder
from report import Mark, Section, figure, table

CONTACTS = (10_000, 100_000)
GROUPS, BATCH = 40, 500
AS_OF = "2026-11-13"


@dataclass(frozen=True, slots=True)
class Pushed:
    """What one backfill took: the program's cost, its run, the stand-in's processor seconds, the least batches possible."""

    cost: Cost
    seconds: dict[str, float]
    requests: int
    kinds: Counter[str]
    theirs: float
    least: int


@contextmanager
def stand_in(folder: Path) -> Iterator[tuple[str, int]]:
    """The stand-in in a process of its own; its URL and its process id."""
    serve = [sys.executable, HERE / "stand_in.py", folder / "platform.db"]
    with subprocess.Popen(serve, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process.pid
        finally:
            process.terminate()


def cpu_of(pid: int) -> float:
    """Processor seconds of a process so far."""
    import psutil

    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def measured(contacts: int) -> Pushed:
    """A first backfill of that many contacts, each with the groups that a season's history gives."""
    with own_folder(CACHE / "work") as folder, stand_in(folder) as (url, pid):
        platform = f'kind = "cyberimpact"\nbase_url = "{url}"\nbatch_size = {BATCH}\n'
        platform += "requests_per_second = 100000.0\nfirst_poll = 0.0\n"
        place = Place(folder / "place", platform=platform, environment={"CYBERIMPACT_TOKEN": "sandbox-token"})
        made = [sys.executable, HERE / "season.py", str(contacts), str(GROUPS), str(BATCH), folder / "history.csv"]
        least = int(subprocess.run(made, capture_output=True, text=True, check=True, cwd=ROOT).stdout)
        before = cpu_of(pid)
        cost, run = place.placier("backfill", ACCOUNT, folder / "history.csv", "--as-of", AS_OF)
        theirs = cpu_of(pid) - before
        if run["pushed"]["contacts_created"] != contacts:
            raise SystemExit(f"only {run['pushed']['contacts_created']} of {contacts} contacts were created")
        asked = subprocess.run(
            [sys.executable, HERE / "stand_in.py", "--log", url], capture_output=True, text=True, check=True, cwd=ROOT
        )
        kinds = Counter(json.loads(asked.stdout))
    return Pushed(cost, run["seconds"], run["requests"], kinds, theirs, least)


def section(contacts: Sequence[int] = CONTACTS) -> Section:
    """Some numbers of contacts, for RESULTS.md."""
    found = {count: measured(count) for count in contacts}
    rows = [
        (
            f"{count:,}",
            each.requests,
            each.kinds["POST /batches"],
            each.least,
            f"{each.kinds['POST /batches'] / each.least:.2f}",
            figure(each.cost.wall),
            figure(each.seconds["push"]),
            figure(each.cost.cpu),
            figure(each.theirs),
            figure(each.cost.peak),
        )
        for count, each in found.items()
    ]
    header = (
        "contacts",
        "requests",
        "batches",
        "least",
        "times",
        "wall s",
        "push s",
        "CPU s",
        "stand-in's CPU s",
        "peak MiB",
    )
    body = (
        f"A first `backfill` of a season's history, {GROUPS} groups, batches of {BATCH}, against the stand-in"
        " without its limit of requests; both share this machine's cores. `least`: batches that no packing goes below.\n\n"
        + table(header, rows)
        + "".join(f"\n{count:,} contacts: {_kinds(each.kinds)}.\n" for count, each in found.items())
    )
    marks = [
        Mark(f"{count:,} contacts against the stand-in", "under 60 s for 100,000", f"{figure(each.cost.wall)} s")
        for count, each in found.items()
    ]
    return Section("push", "Sending", body, marks)


def _kinds(kinds: Counter[str]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(8))
