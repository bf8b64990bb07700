"""A load that is merged on a cluster is the load that is merged here, whatever happens to the workers."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from ledgers import Rows, ledger_of
from program import wait_until
from sources.depot import free_port

from pipeline import __version__
from pipeline.engines import Engine
from pipeline.engines import dask as dask_engine
from pipeline.engines.local import LOCAL
from pipeline.errors import EngineUnavailable, PlacierError, StateError, UsageError
from pipeline.schema import LINES
from pipeline.spill import Spill
from pipeline.store.database import open_database
from pipeline.store.ledger import FileRecord, Ledger, Load, Slot

from .cluster import Cluster, frozen

DAY = date(2026, 3, 1)
NOW = datetime(2026, 3, 2, 11)
BEGIN = datetime(2024, 3, 1, 15, tzinfo=UTC)
SHOWS = [f"L'Été nº {number} « à Québec »" for number in range(40)]
LINES_IN_ALL = 4_000


def history() -> Iterator[list[dict[str, object]]]:
    """Blocks of lines: bookings of several categories, cancellations, addresses that come again, blanks."""
    chance = random.Random(7)
    for start in range(0, LINES_IN_ALL, 500):
        yield [_line(chance, number) for number in range(start, start + 500)]


def _line(chance: random.Random, number: int) -> dict[str, object]:
    line: dict[str, object] = dict.fromkeys(LINES.names)
    cancelled, show = chance.random() < 0.05, chance.randrange(len(SHOWS))
    at = BEGIN + timedelta(minutes=chance.randrange(900_000))
    person = chance.randrange(1500)
    return line | {
        "line": number + 2,
        "operation": "cancellation" if cancelled else "purchase",
        "transaction_id": f"T-{chance.randrange(2500)}",
        "transaction_at": at,
        "transaction_on": at.date(),
        "email": None if cancelled and chance.random() < 0.5 else f"client{person}@exemple.test",
        "first_name": "Zoé",
        "city": chance.choice(["Québec", "Lévis", None]),
        "show_id": f"S{show}" if show % 3 else None,
        "show_title": SHOWS[show],
        "performance_id": f"R{show}-{chance.randrange(3)}" if show % 5 else None,
        "performance_start": "2026-04-01 20:00:00",
        "performance_end_on": date(2026, 4, 1),
        "price_category": chance.choice(["Général", "Enfant", "Aîné", None]),
        "tickets": chance.randrange(1, 5),
        "net_cents": chance.randrange(0, 20_000),
    }


@pytest.fixture
def spill(tmp_path: Path) -> Spill:
    """The history, laid out in parts."""
    desk = tmp_path / "desk"
    desk.mkdir()
    lines = Spill(desk, handful=0, gathered=700, room=100)
    lines.expect(LINES_IN_ALL)
    for block in history():
        lines.add(pa.Table.from_pylist(block, schema=LINES), 0)
    lines.close()
    return lines


@pytest.fixture
def storage(tmp_path: Path) -> Path:
    return tmp_path / "partage"


@contextmanager
def engine(scheduler: str, storage: str, desks: Path, patience: float = 20.0) -> Iterator[dask_engine.Dask]:
    opened = dask_engine.Dask(dask_engine.Cluster(scheduler, storage, desks, spreads=True, patience=patience))
    try:
        yield opened
    finally:
        opened.close()


def ledger(url: str, lines: Spill, engine: Engine) -> Rows:
    """The ledger of a new state once the lines are recorded."""
    database = open_database(url)
    try:
        with database.transaction() as connection:
            file = FileRecord("transactions", "historique.csv", "0" * 64, LINES_IN_ALL, LINES_IN_ALL, ())
            slot = Slot("backfill", DAY, "historique.csv")
            Ledger(connection, "demo").record(Load(slot, DAY, "x", (file,), engine.entries(lines, "demo")), NOW)
        with database.transaction() as connection:
            return ledger_of(connection)
    finally:
        database.close()


def merged(storage: Path) -> list[Path]:
    return list(storage.glob("demo/*/merged-*"))


@pytest.fixture
def here(tmp_path: Path, spill: Spill) -> Rows:
    """The ledger as this machine makes it."""
    return ledger(f"sqlite:///{tmp_path}/ici.db", spill, LOCAL)


def test_a_history_merged_on_a_cluster_gives_the_same_ledger(
    cluster: Cluster, spill: Spill, storage: Path, here: Rows, postgres_url: str, tmp_path: Path
) -> None:
    with engine(cluster.address, str(storage), tmp_path / "work") as away:
        assert ledger(postgres_url, spill, away) == here
        kept = [path for path in storage.rglob("*.arrow")]
        assert len(merged(storage)) == LINES_IN_ALL / 100 + 1
        assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in merged(storage)} == {0}
    assert [path for path in kept if path.exists()] == [], "nothing of it stays on the storage"
    assert len(here["bookings"]) > 2000


def test_a_worker_killed_in_the_middle_of_a_merge_changes_nothing(
    cluster: Cluster, spill: Spill, storage: Path, here: Rows, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/la.db"
    with engine(cluster.address, str(storage), tmp_path / "work") as away, ThreadPoolExecutor(1) as aside:
        with frozen(cluster.workers[0]):
            coming = aside.submit(ledger, url, spill, away)
            wait_until(lambda: len(merged(storage)) > 0)
            assert not coming.done()
        assert coming.result(60) == here


def test_what_a_killed_run_left_on_the_storage_is_cleared_by_the_next(
    cluster: Cluster, spill: Spill, storage: Path, tmp_path: Path
) -> None:
    left, other = storage / "demo" / "0123" / "part-0.arrow", storage / "autre" / "0123" / "part-0.arrow"
    for path in (left, other):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
    with engine(cluster.address, str(storage), tmp_path / "work") as away:
        list(away.entries(spill, "demo").parts())
        list(away.entries(spill, "demo").parts())
    assert (left.exists(), other.exists()) == (False, True)


def test_a_cluster_of_this_machine_gives_the_same_ledger(spill: Spill, here: Rows, tmp_path: Path) -> None:
    work = tmp_path / "var" / "work"
    with engine("", "", work, patience=60.0) as away:
        assert ledger(f"sqlite:///{tmp_path}/la.db", spill, away) == here
    assert list(work.iterdir()) == []


def test_few_lines_never_wait_for_a_cluster(tmp_path: Path) -> None:
    lines = Spill(tmp_path)
    lines.add(pa.Table.from_pylist(next(history()), schema=LINES), 0)
    lines.close()
    with engine(f"tcp://127.0.0.1:{free_port()}", str(tmp_path), tmp_path / "work") as away:
        assert [part.bookings.num_rows > 0 for part in away.entries(lines, "demo").parts()] == [True]


def test_a_scheduler_that_is_away_is_told_and_records_nothing(spill: Spill, storage: Path, tmp_path: Path) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    with engine(address, str(storage), tmp_path / "work", patience=1.0) as away:
        with pytest.raises(EngineUnavailable, match=address) as told:
            ledger(f"sqlite:///{tmp_path}/la.db", spill, away)
        assert "dask scheduler" in told.value.remedy
        assert [(name, type(why)) for name, why in away.each(str.upper, ["un", "deux"])] == [
            ("un", EngineUnavailable),
            ("deux", EngineUnavailable),
        ]
    assert list(storage.glob("*/*")) == []


def test_a_scheduler_that_dies_in_the_middle_is_told_and_records_nothing(
    spill: Spill, storage: Path, tmp_path: Path
) -> None:
    own = Cluster(tmp_path)
    try:
        own.fill()
        with engine(own.address, str(storage), tmp_path / "work", patience=2.0) as away, ThreadPoolExecutor(1) as aside:
            with frozen(own.workers[0]):
                coming = aside.submit(lambda: list(away.entries(spill, "demo").parts()))
                wait_until(lambda: len(merged(storage)) > 0)
                own.scheduler.kill()
                with pytest.raises(EngineUnavailable, match=own.address):
                    coming.result(40)
        assert list(storage.glob("demo/*")) == []
    finally:
        own.end()


def test_workers_that_are_all_gone_are_told(spill: Spill, storage: Path, tmp_path: Path, cluster: Cluster) -> None:
    with engine(cluster.address, str(storage), tmp_path / "work", patience=2.0) as away, ThreadPoolExecutor(1) as aside:
        with frozen(cluster.workers[0]), frozen(cluster.workers[1]):
            coming = aside.submit(lambda: list(away.entries(spill, "demo").parts()))
            wait_until(lambda: storage.exists() and len(list(storage.rglob("words.arrow"))) == 1)
        with pytest.raises(EngineUnavailable, match="no worker"):
            coming.result(40)


def test_a_storage_that_a_worker_cannot_read_is_told(cluster: Cluster, spill: Spill, tmp_path: Path) -> None:
    storage = tmp_path / "fichier"
    storage.write_text("")
    with engine(cluster.address, str(storage), tmp_path / "work") as away:
        with pytest.raises(StateError, match="fichier"):
            list(away.entries(spill, "demo").parts())


def test_a_storage_of_an_unknown_kind_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nulle"), engine("", "nulle://part", tmp_path / "work"):
        pass


def _doubled(name: str) -> str:
    if name == "faux":
        raise ValueError("anne@exemple.ca")
    return name * 2


def test_one_that_fails_on_a_worker_fails_alone_and_shows_no_data(cluster: Cluster, tmp_path: Path) -> None:
    with engine(cluster.address, str(tmp_path), tmp_path / "work") as away:
        told = dict(away.each(_doubled, ["un", "faux", "deux"]))
    assert (told["un"], told["deux"]) == ("unun", "deuxdeux")
    assert "anne@" not in str(told["faux"])
    assert "ValueError" in str(told["faux"])


def test_a_worker_of_another_version_refuses() -> None:
    told = dask_engine._Task("0.0.0", str.upper)("un")
    assert isinstance(told, UsageError)
    assert "0.0.0" not in told.remedy
    assert "pip install" in told.remedy


@pytest.mark.parametrize("do", [str.upper])
def test_this_machine_does_one_after_the_other(do: Callable[[str], str]) -> None:
    assert list(LOCAL.each(do, ["un", "deux"])) == [("un", "UN"), ("deux", "DEUX")]


def _write(path: Path) -> int:
    return path.write_text("à nous", encoding="utf-8")


def test_what_a_task_writes_is_its_owners_alone_and_the_umask_is_as_it_was(tmp_path: Path) -> None:
    task = dask_engine._Task(__version__, _write)  # noqa: SLF001 - what travels to a worker
    before = os.umask(0o022)
    try:
        assert task(tmp_path / "one") == 6
        assert isinstance(task(tmp_path / "gone" / "two"), PlacierError)
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o600
