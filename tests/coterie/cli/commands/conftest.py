"""A cluster for commands about members: group `store` on n1, n2 and n3; n4 is empty, and joins."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest

from coterie import KeyValue, Topology
from coterie.cli.cluster_connection import ClusterConnection
from coterie.testing import Cluster


@pytest.fixture
async def cluster(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    """Run it in virtual time; commands reach it whatever address they are given."""
    topology = Topology("four", nodes=["n1", "n2", "n3", "n4"])
    topology.raft("store", machine=KeyValue, nodes=["n1", "n2", "n3"])
    async with Cluster(topology, joining=["n4"]) as made:
        client = await made.client()
        monkeypatch.setattr(ClusterConnection, "client_of_all", lambda _: contextlib.nullcontext(client))
        await client.key_value("store").put(b"k", b"v")
        yield made
