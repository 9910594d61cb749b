"""Clusters in virtual time: three nodes with a store and a synod, unless a test says otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack

import pytest

from coterie import KeyValue, Topology
from coterie.runtime.system_config import SystemConfig
from coterie.testing import Cluster, no_leaks

MakeCluster = Callable[..., Cluster]


def default_topology() -> Topology:
    topology = Topology("test", nodes=["n1", "n2", "n3"])
    topology.raft("store", machine=KeyValue)
    topology.synod("config")
    return topology


@pytest.fixture
async def make_cluster() -> AsyncIterator[MakeCluster]:
    """Make clusters that a test starts itself; they close at its end, and leave nothing."""
    async with no_leaks(), AsyncExitStack() as closing:

        def make(
            topology: Topology | None = None,
            *,
            durable: bool = True,
            joining: Collection[str] = (),
            config: SystemConfig | None = None,
        ) -> Cluster:
            made = Cluster(topology or default_topology(), durable=durable, joining=joining, config=config)
            closing.push_async_exit(made)
            return made

        yield make


@pytest.fixture
async def cluster(make_cluster: MakeCluster) -> Cluster:
    """Three started nodes with durable logs."""
    made = make_cluster()
    await made.start()
    return made
