"""What `doctor` says of a cluster: that it is there, and that all its workers reach the storage."""

from __future__ import annotations

from pathlib import Path

import pytest
from sources.depot import free_port

from pipeline.engines.dask import Cluster as Where
from pipeline.engines.dask import Dask
from pipeline.engines.local import LOCAL
from pipeline.errors import EngineUnavailable, StateError

from .cluster import Cluster


def look(address: str, storage: str, work: Path) -> str:
    engine = Dask(Where(address, storage, work, spreads=True, patience=1.0))
    try:
        return engine.look()
    finally:
        engine.close()


def test_a_cluster_whose_workers_reach_the_storage_is_well_and_nothing_stays_there(
    cluster: Cluster, tmp_path: Path
) -> None:
    storage = tmp_path / "partage"
    said = look(cluster.address, str(storage), tmp_path)
    assert said == f"2 workers at {cluster.address}, all of them reach {storage}"
    assert list(storage.iterdir()) == []


def test_a_storage_that_the_workers_do_not_share_is_told(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"memory://part.* cannot be used") as told:
        look(cluster.address, "memory://part", tmp_path)
    assert "on every worker" in told.value.remedy


def test_a_storage_that_cannot_be_written_is_told(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "fichier").touch()
    with pytest.raises(StateError, match="fichier"):
        look(cluster.address, str(tmp_path / "fichier"), tmp_path)


def test_a_scheduler_that_is_away_is_told_within_its_patience(tmp_path: Path) -> None:
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(EngineUnavailable, match=address):
        look(address, str(tmp_path), tmp_path)


def test_a_cluster_of_this_machine_is_not_started_to_be_looked_at(tmp_path: Path) -> None:
    assert "this machine" in look("", "", tmp_path / "work")
    assert not (tmp_path / "work").exists()
    assert LOCAL.look()
