"""What a process costs: its processor time (user + system), its peak of memory, its wall time; medians of rounds.

This module and what measures with it import nothing heavy: a child's peak counts from its parent's size on.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib.metadata import version
from pathlib import Path
from statistics import median
from time import perf_counter

HERE = Path(__file__).parent
ROOT = HERE.parent
CACHE = HERE / ".cache"
PEERS_PYTHON = ROOT / ".venv-bench" / "bin" / "python"
LIBRARIES = ("pyarrow", "pandas", "SQLAlchemy", "psycopg", "paramiko", "httpx")
PEER_LIBRARIES = ("duckdb", "polars", "dlt", "adbc-driver-sqlite", "pyarrow")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one process and its children: seconds of processor and of wall, peak in MiB, what it printed.

    `beside`: seconds of processor of a server that worked for it meanwhile.
    """

    cpu: float
    peak: float
    wall: float
    said: str = ""
    beside: float = 0.0

    @property
    def all_cpu(self) -> float:
        """Processor seconds, the server's included."""
        return self.cpu + self.beside


def spent(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    beside: Callable[[], float] = lambda: 0.0,
    codes: Sequence[int] = (0,),
) -> Cost:
    """Run a command to its end and tell its cost; SystemExit when its exit code is none of `codes`.

    What was written before is on the disk by then: nobody else's writing is in the way.
    """
    os.sync()
    before, start = beside(), perf_counter()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        words = [str(word) for word in command]
        process = subprocess.Popen(words, stdout=out, stderr=err, cwd=ROOT, env={**os.environ, **(environment or {})})
        _, status, used = os.wait4(process.pid, 0)
        wall = perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        said, complaint = out.read().decode(), err.read().decode()
    if process.returncode not in codes:
        raise SystemExit(f"{' '.join(words)}\nended with {process.returncode}:\n{complaint[-4000:]}\n{said[-2000:]}")
    scale = 1 << 20 if sys.platform == "darwin" else 1 << 10
    return Cost(used.ru_utime + used.ru_stime, used.ru_maxrss / scale, wall, said, beside() - before)


def middle(costs: Sequence[Cost]) -> Cost:
    """The median of each figure; what the first one printed."""
    numbers = {
        each.name: median(getattr(cost, each.name) for cost in costs) for each in fields(Cost) if each.name != "said"
    }
    return Cost(said=costs[0].said, **numbers)


def machine() -> str:
    """Processor, cores, memory, system, in words."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / (1 << 30)
    return f"{_processor()}, {os.cpu_count()} cores, {pages:.0f} GiB, {platform.system()} {platform.machine()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def versions() -> str:
    """The versions of what was measured, in words."""
    ours = [f"{name} {version(name)}" for name in ("placier", *LIBRARIES)]
    words = f"Python {platform.python_version()}, {', '.join(ours)}"
    if not PEERS_PYTHON.exists():
        return words
    ask = (
        f"from importlib.metadata import version; print(*(f'{{n}} {{version(n)}}' for n in {PEER_LIBRARIES}), sep=', ')"
    )
    theirs = subprocess.run([PEERS_PYTHON, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    return f"{words}; peers: {theirs}"


def load() -> str:
    """How busy the machine is with other things, in words."""
    return f"load average {os.getloadavg()[0]:.1f} at the start"
