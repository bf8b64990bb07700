"""A Dask cluster: one that is there already, or processes of this machine.  The only module that knows Dask.

A task that was on a worker which died is given to another one by Dask; what it did so far is thrown away (a part) or
read back by the run itself (an account).  Whatever ails the cluster is told within a bounded time.
"""

from __future__ import annotations

import logging
import os
import secrets
import warnings
from asyncio import CancelledError as Stopped
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import dask
import distributed

from pipeline import __version__
from pipeline.desk import own_desk
from pipeline.engines import Result
from pipeline.engines.storage import Shelf, Storage, seen
from pipeline.errors import EngineUnavailable, PlacierError, UsageError, unforeseen
from pipeline.merge import Entries, Part
from pipeline.spill import Spill

_library: Any = distributed
"""Dask has few types."""
PATIENCE = 10.0
"""Seconds that a scheduler, or a first worker, is waited for."""
_LOOK = 2.0
"""Seconds after which the cluster is looked at again, when nothing has ended."""
_QUIET = {
    "distributed.comm.timeouts.connect": "10s",
    "distributed.comm.timeouts.tcp": "30s",
    "distributed.scheduler.dashboard.status.task-stream-length": 0,
    "distributed.diagnostics.nvml": False,
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """Which one: the scheduler's address, empty for one on this machine; where the parts go; how long it is waited for.

    `desks`: the folder below which runs have theirs; `dry`: a rehearsal, that leaves none behind.  `spreads`: the state
    is one that several processes may write to at once.
    """

    scheduler: str
    storage: str
    desks: Path
    spreads: bool
    dry: bool = False
    patience: float = PATIENCE


class Dask:
    """The engine that sends work to a cluster; it is reached when there is work for it, not before."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._storage = Storage(cluster.storage)
        self._open = ExitStack()
        self._client: Any = None
        self.spreads = cluster.spreads

    def entries(self, lines: Spill, account: str) -> Entries:
        """What the lines come to: parts on the cluster; what is too little to be laid out is merged here."""
        parts = lines.laid_out()
        if not parts:
            return Entries.of(lines)
        merging = _Merging(self, parts, account)
        return Entries(merging.parts, lines.desk)

    def merged(self, parts: Sequence[Path], account: str) -> tuple[Shelf, list[str]]:
        """Have these parts merged: where the results are, and their names in the order of the parts."""
        shelf = self._storage.shelve(parts, account)
        names: dict[int, str] = {}
        for number, name in self._done(shelf.merge, list(range(len(parts)))):
            if isinstance(name, PlacierError):
                raise name
            names[number] = name
        return shelf, [names[number] for number in range(len(parts)) if names[number]]

    def each(self, do: Callable[[str], Result], accounts: Sequence[str]) -> Iterator[tuple[str, Result | PlacierError]]:
        """One task an account, on whichever worker is free."""
        done: set[str] = set()
        try:
            for account, result in self._done(do, accounts):
                done.add(account)
                yield account, result
        except PlacierError as error:
            yield from ((account, error) for account in accounts if account not in done)

    def look(self) -> str:
        """How many workers there are, once each has read and written a file on the storage that all share."""
        if not self._cluster.scheduler:
            return "a Dask cluster of this machine's processes, when there is work for it"
        with self._told():
            client = self._connected()
            proof = self._storage.proof()
            said = client.run(_Task(__version__, seen), proof, on_error="return") if proof else {}
            for answer in said.values():
                if isinstance(answer, ModuleNotFoundError | AttributeError):
                    raise _other_version("one without this version")
                if isinstance(answer, PlacierError):
                    raise answer
                if isinstance(answer, BaseException):
                    raise self._unavailable(type(answer).__name__)
            threads = client.nthreads()
        return f"{len(threads)} workers at {self._cluster.scheduler}, all of them reach {self._storage.url}"

    def close(self) -> None:
        """Let go of the cluster, and end it if it is ours."""
        self._storage.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._open.close()
        self._client = None

    # The cluster

    def _done(self, do: Callable[[Any], Result], whats: Sequence[Any]) -> Iterator[tuple[Any, Result | PlacierError]]:
        """Have it done for each on the cluster; what came of it, as it comes.

        So many are on their way as the workers have threads, no more: Dask would share all of them out at once, and an
        account whose worker is at a long one would wait while other workers are idle.
        """
        left = list(enumerate(whats))[::-1]
        futures: dict[Any, Any] = {}
        try:
            with self._told():
                client, task = self._connected(), _Task(__version__, do)
            lonely = 0.0
            while left or futures:
                with self._told():
                    threads = self._threads(client)
                    lonely = 0.0 if threads else lonely + _LOOK
                    if lonely > self._cluster.patience:
                        raise self._unavailable("no worker is left")
                    for _ in range(min(len(left), max(1, threads) - len(futures))):
                        number, what = left.pop()
                        key = f"placier-{number}-{secrets.token_hex(8)}"
                        futures[client.submit(task, what, key=key, pure=False)] = what
                    finished = _some(client, set(futures))
                for future in finished:
                    yield futures.pop(future), self._result(future)
        finally:
            for future in futures:
                future.release()

    def _threads(self, client: Any) -> int:
        """How many tasks the workers take at once."""
        if client.status != "running":
            raise self._unavailable("it went away")
        return sum(client.nthreads().values())

    def _result(self, future: Any) -> Any:
        """What a task gave, or what is wrong, as a value."""
        if future.status == "finished":
            with self._told():
                return future.result(timeout=self._cluster.patience)
        if future.status == "error":
            error = future.exception(timeout=self._cluster.patience)
            if isinstance(error, ModuleNotFoundError | AttributeError):
                return _other_version("one without this version")
        return self._unavailable("its workers died one after the other at the same task, or it was stopped")

    def _connected(self) -> Any:
        if self._client is not None:
            return self._client
        patience = self._cluster.patience
        dask.config.set(_QUIET)
        for name in ("distributed", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)  # errors are told by us, once
        where: Any = self._cluster.scheduler or self._open.enter_context(self._here())
        client = _library.Client(where, timeout=patience, set_as_default=False, name="placier")
        self._open.callback(client.close, timeout=5)
        try:
            client.wait_for_workers(1, timeout=patience)
        except TimeoutError:
            raise self._unavailable("no worker is there") from None
        self._client = client
        return client

    @contextmanager
    def _here(self) -> Iterator[Any]:
        """A cluster of processes of this machine, which nobody else reaches; its files are at a desk of its own."""
        with (
            own_desk(self._cluster.desks, leave_no_trace=self._cluster.dry) as desk,
            _library.LocalCluster(
                n_workers=os.cpu_count() or 1,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                security=True,  # keys of its own: who reaches a scheduler may run anything as us
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                worker_dashboard_address=None,
                local_directory=str(desk),
                silence_logs=logging.CRITICAL,
            ) as cluster,
        ):
            yield cluster

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What Dask raises, in words."""
        try:
            yield
        except PlacierError:
            raise
        except (OSError, RuntimeError, CancelledError, Stopped) as error:
            raise self._unavailable(type(error).__name__) from error

    def _unavailable(self, why: str) -> EngineUnavailable:
        where = self._cluster.scheduler or "on this machine"
        return EngineUnavailable(
            f"the Dask cluster {where} cannot be used ({why})",
            'start it (dask scheduler, dask worker), or set engine.kind = "local"; then the same command again',
        )


def _some(client: Any, waiting: set[Any]) -> set[Any]:
    """Those that ended; none when none did for a moment."""
    try:
        with client.as_current():
            return set(_library.wait(waiting, timeout=_LOOK, return_when="FIRST_COMPLETED").done)
    except TimeoutError:
        return set()


class _Merging:
    """The parts of one load: merged on the cluster the first time that they are asked for, then read as often as wanted."""

    def __init__(self, engine: Dask, parts: Sequence[Path], account: str) -> None:
        self._engine = engine
        self._parts = parts
        self._account = account
        self._results: tuple[Shelf, list[str]] | None = None

    def parts(self) -> Iterator[Part]:
        """One after the other, in order."""
        self._results = self._results or self._engine.merged(self._parts, self._account)
        shelf, names = self._results
        for name in names:
            yield shelf.read(name)


@dataclass(frozen=True, slots=True)
class _Task(Generic[Result]):
    """What travels to a worker.  It never raises: Dask would write the words of an exception to the worker's log."""

    version: str
    do: Callable[[Any], Result]

    def __call__(self, what: Any) -> Result | PlacierError:
        if self.version != __version__:
            return _other_version(__version__)
        before = os.umask(0o077)  # what a worker writes is its owner's alone
        try:
            return self.do(what)
        except PlacierError as error:
            return error
        except Exception as error:  # noqa: BLE001 - its words may hold personal data
            return unforeseen(error)
        finally:
            os.umask(before)


def _other_version(found: str) -> UsageError:
    return UsageError(
        f"this is placier {__version__}, but a Dask worker has another ({found})",
        f"on every worker: pip install 'placier[dask]=={__version__}', then start the workers again",
    )
