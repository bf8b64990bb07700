"""A real cluster on this machine: a scheduler and workers, each a process of its own, that a test may stop or kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import distributed
from program import PATIENCE, clean_environment, wait_until
from sources.depot import free_port

WORKERS = 2


class Cluster:
    """A scheduler, and `WORKERS` workers that live."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._port = free_port()
        self.address = f"tcp://127.0.0.1:{self._port}"
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", str(self._port), "--no-dashboard")
        self.workers: list[subprocess.Popen[bytes]] = []

    def fill(self) -> None:
        """Start workers in place of those that died, and wait for them."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        self.workers += [self._worker() for _ in range(WORKERS - len(self.workers))]
        with distributed.Client(self.address, timeout=PATIENCE, set_as_default=False) as client:
            wait_until(lambda: len(client.nthreads()) == WORKERS)

    def end(self) -> None:
        """End all of it."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait(PATIENCE)

    def _worker(self) -> subprocess.Popen[bytes]:
        return self._start(
            *("worker", self.address, "--nthreads", "1", "--no-dashboard", "--no-nanny", "--host", "127.0.0.1"),
            *("--local-directory", str(self._root), "--death-timeout", "60"),
        )

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        with (self._root / f"{words[0]}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "dask", *words],
                env=clean_environment({"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}),
                cwd=self._root,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )


@contextmanager
def frozen(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stopped in the middle of what it does; killed at the end, if not before."""
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        process.kill()
        process.wait(PATIENCE)
