"""The requests of a first backfill of 10,000 contacts in 40 groups, against the stand-in of the platform.

The contacts' groups are drawn three ways, the batches counted by the server and held against the least that any packing
needs (`pipeline.pack.least`).  `make bench` prints the table that benchmarks/RESULTS.md keeps.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from random import Random
from time import perf_counter

from measure import machine

from pipeline.pack import least
from pipeline.sandbox.control import SandboxControl
from pipeline.sandbox.serve import TOKEN, PlatformServer

GENERAL = "general"
COLUMNS = (
    "type_operation", "id_reservation", "date_transaction", "id_client", "courriel", "prenom", "nom", "id_spectacle",
    "titre_spectacle", "id_representation", "date_evenement", "categorie_tarif", "nb_billets", "montant_net",
)  # fmt: skip
AS_OF = "2026-11-13"
LIBRARIES = ("pandas", "pyarrow", "sqlalchemy", "httpx")


@dataclass(frozen=True)
class Mix:
    """How many contacts (parts of all) hold tickets of 0, 1, 2, ... coming shows."""

    name: str
    parts: tuple[float, ...]


MIXES = (
    Mix("one show each", (0.0, 1.0)),
    Mix("a season's history", (0.6, 0.25, 0.1, 0.04, 0.01)),
    Mix("subscribers", (0.1, 0.3, 0.3, 0.2, 0.1)),
)


@dataclass(frozen=True)
class Result:
    """What one mix took."""

    mix: str
    sets: int
    batches: int
    least: int
    kinds: Counter[str]
    requests: int
    seconds: float


def wanted_groups(mix: Mix, contacts: int, groups: int) -> dict[str, frozenset[str]]:
    """Address -> its groups: the general one, and so many of the `groups` - 1 shows, popular ones more often."""
    random = Random(1)
    shows = [f"S{number:02d}" for number in range(1, groups)]
    weights = [1 / (place + 3) for place in range(len(shows))]
    wanted = {}
    for number in range(contacts):
        count = random.choices(range(len(mix.parts)), mix.parts)[0]
        chosen: set[str] = set()
        while len(chosen) < count:
            chosen.add(random.choices(shows, weights)[0])
        wanted[f"client{number:05d}@exemple.test"] = frozenset({GENERAL, *chosen})
    return wanted


def write_history(path: Path, wanted: dict[str, frozenset[str]]) -> None:
    """A booking per contact and show; who holds no ticket of a coming show bought for one of last year."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(COLUMNS)
        for number, (email, groups) in enumerate(wanted.items()):
            shows = sorted(groups - {GENERAL}) or ["S00"]
            for show in shows:
                event = "2025-11-20 20:00:00" if show == "S00" else "2026-12-05 20:00:00"
                bought = f"2025-{1 + number % 10:02d}-{1 + number % 28:02d} 12:00:00"
                person = [f"C{number}", email, "Anne", "Tremblay"]
                writer.writerow(
                    [
                        "ACHAT",
                        f"R{number}-{show}",
                        bought,
                        *person,
                        show,
                        f"Spectacle {show}",
                        show,
                        event,
                        "Général",
                        "2",
                        "90,00",
                    ]
                )


def write_config(root: Path, url: str, size: int) -> Path:
    """One account, its files in a folder, its platform the stand-in."""
    (root / "config" / "accounts").mkdir(parents=True)
    (root / "depot").mkdir()
    (root / "config" / "placier.toml").write_text("")
    (root / "config" / "accounts" / "bench.toml").write_text(f"""organisation = "Banc"
[source]
kind = "folder"
path = "depot"
[platform]
kind = "cyberimpact"
base_url = "{url}"
batch_size = {size}
requests_per_second = 10000.0
""")
    return root / "config"


def measure(mix: Mix, contacts: int, groups: int, size: int) -> Result:
    """Run `placier backfill` for the mix, and count what came to the server."""
    wanted = wanted_groups(mix, contacts, groups)
    with tempfile.TemporaryDirectory(prefix="placier-bench-") as folder:
        root = Path(folder)
        with PlatformServer(root / "platform.db") as server, SandboxControl(server.url) as control:
            config = write_config(root, server.url, size)
            history = root / "Banc_historique.csv"
            write_history(history, wanted)
            command = ["backfill", "bench", str(history), "--as-of", AS_OF, "--config", str(config), "--json"]
            start = perf_counter()
            done = subprocess.run(
                [sys.executable, "-m", "pipeline", *command],
                env={**os.environ, "CYBERIMPACT_TOKEN": TOKEN},
                stdout=subprocess.PIPE,
                check=True,
            )
            seconds = perf_counter() - start
            run = json.loads(done.stdout)["runs"][0]
            if run["pushed"]["contacts_created"] != contacts:
                raise SystemExit(f"only {run['pushed']['contacts_created']} of {contacts} contacts were created")
            kinds = Counter(_kind(entry.method, entry.path) for entry in control.log())
    return Result(
        mix.name,
        len(set(wanted.values())),
        kinds["POST /batches"],
        least(Counter(wanted.values()), size, GENERAL),
        kinds,
        run["requests"],
        seconds,
    )


def _kind(method: str, path: str) -> str:
    parts = ["ID" if part.isdigit() else part for part in path.split("?", maxsplit=1)[0].strip("/").split("/")]
    return f"{method} /" + "/".join(parts)


def main() -> None:
    """Print the table as it is kept in RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--contacts", type=int, default=10_000)
    parser.add_argument("--groups", type=int, default=40, help="the general one included")
    parser.add_argument("--batch-size", type=int, default=500)
    chosen = parser.parse_args()
    print(f"Machine: {machine()}")
    print(
        f"Versions: Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    )
    print(f"{chosen.contacts:,} contacts, {chosen.groups} groups, batches of {chosen.batch_size}")
    print(
        "least = max(ceil(N / size), sum over the shows of ceil(s / size) + ceil(g / size)), where s contacts join this"
    )
    print("show's group and no other, g join the general group alone, N are all\n")
    print("| mix | sets of groups | batches sent | least | times | requests in all | seconds |")
    print("|---|---|---|---|---|---|---|")
    results = []
    for mix in MIXES:
        result = measure(mix, chosen.contacts, chosen.groups, chosen.batch_size)
        results.append(result)
        print(
            f"| {result.mix} | {result.sets:,} | {result.batches} | {result.least} | {result.batches / result.least:.2f} "
            f"| {result.requests} | {result.seconds:.1f} |",
            flush=True,
        )
    print()
    for result in results:
        print(f"{result.mix}: " + ", ".join(f"{count} {kind}" for kind, count in result.kinds.most_common()))


if __name__ == "__main__":
    main()
