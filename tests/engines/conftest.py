"""One cluster for the tests of a module: idle, its processes still take a little of the machine; the databases are those of the store's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from store import conftest as stores

from .cluster import Cluster

postgres, postgres_url = stores.postgres, stores.postgres_url


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    try:
        yield cluster
    finally:
        cluster.end()


@pytest.fixture
def cluster(started: Cluster) -> Cluster:
    """With all its workers, whatever the test before did to them."""
    started.fill()
    return started
