"""Growth: the program on ever larger histories; time per million lines, and the peak of memory."""

from __future__ import annotations

from collections.abc import Sequence

import sizes
from measure import CACHE, Cost
from place import ACCOUNT, Place, own_folder
from report import Section, figure, table

SIZES = (1_000_000, 2_500_000, 5_000_000, 10_000_000, 20_000_000)
KEPT = 5_000_000
"""Lines above which a history is removed when it was measured: it fills the disk."""


def section(lines: Sequence[int] = SIZES) -> Section:
    """`backfill --dry-run` on SQLite, once a size, for RESULTS.md."""
    costs: dict[int, tuple[Cost, dict[str, float]]] = {}
    for size in lines:
        path = sizes.history(size)
        with own_folder(CACHE / "work") as folder:
            cost, run = Place(folder).placier("backfill", ACCOUNT, path, "--as-of", sizes.AS_OF, "--dry-run")
            if run["files"][0]["lines"] != size:
                raise SystemExit(f"{size:,} lines were made, {run['files'][0]['lines']:,} were read")
        costs[size] = cost, run["seconds"]
        if size > KEPT:
            path.unlink()
    rows = [
        (
            f"{size:,}",
            figure(cost.cpu),
            figure(cost.cpu / size * 1e6),
            figure(cost.wall),
            figure(cost.peak),
            _stages(stages),
        )
        for size, (cost, stages) in costs.items()
    ]
    header = ("lines", "CPU s", "CPU s per million", "wall s", "peak MiB", "stages (wall s)")
    body = "`backfill --dry-run` on SQLite, each size once.\n\n" + table(header, rows) + "\n" + _curve(costs)
    return Section("growth", "Growth", body)


def _stages(stages: dict[str, float]) -> str:
    return ", ".join(f"{name} {figure(seconds)}" for name, seconds in stages.items())


def _curve(costs: dict[int, tuple[Cost, dict[str, float]]]) -> str:
    """CPU seconds per million lines (#) and the peak of memory (o) as bars, each against its largest."""
    per = {size: cost.cpu / size * 1e6 for size, (cost, _) in costs.items()}
    peaks = {size: cost.peak for size, (cost, _) in costs.items()}
    lines = []
    for name, sign, values, unit in (("CPU per million lines", "#", per, "s"), ("peak", "o", peaks, "MiB")):
        lines.append(f"{name}:")
        top = max(values.values())
        lines += [
            f"{size:>12,} {sign * round(50 * value / top)} {figure(value)} {unit}" for size, value in values.items()
        ]
    return "```\n" + "\n".join(lines) + "\n```\n"
