"""Services as clients of a cluster find them, and as topologies declare them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie import (
    ActorNotFound,
    NodeUnreachable,
    Topology,
    TopologyError,
)
from coterie.actors.membership.receptionist.service_messages import RECEPTIONIST_PATH, LeaveServices
from coterie.runtime.refs import Address
from coterie.testing import Cluster
from tests.actors.membership.receptionist.service_clusters import (
    Where,
    Worker,
    all_find,
    found,
    topology_of,
    until,
    up,
    worker,
)

pytestmark = pytest.mark.virtual


# --- clients


async def test_a_client_finds_services_and_reaches_the_exported_ones(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())
    await cluster["n2"].receptionist.register("cart", worker(cluster["n2"], "open", exported=True))
    await cluster["n2"].receptionist.register("cart", worker(cluster["n2"], "closed"))
    await until(all_find(cluster, "closed@n2", "open@n2"))
    client = await cluster.client()

    closed, opened = await client.find_service("cart")

    assert await opened.ask(Where()) == "n2"
    with pytest.raises(ActorNotFound, match="it is not exported"):
        await closed.ask(Where())
    assert await client.find_service("mail") == []


async def test_a_client_prefers_a_node_that_is_not_cut_off(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())
    client = await cluster.client()
    await client.all_linked()
    for other in ("n2", "n3"):
        cluster.network.block("n1", other)
        cluster.network.block(other, "n1")
    await asyncio.sleep(5)
    await cluster["n2"].receptionist.register("cart", worker(cluster["n2"]))
    await until(lambda: found(cluster["n3"]) == ["worker@n2"])

    assert found(cluster["n1"]) == []
    assert [ref.path for ref in await client.find_service("cart")] == ["worker"]


async def test_a_cluster_without_a_view_says_which_topology_has_services(make_cluster: Any) -> None:
    cluster: Cluster = make_cluster()
    await cluster.start()
    client = await cluster.client()

    with pytest.raises(ActorNotFound, match=r"nodes=Members"):
        await client.find_service("cart")
    with pytest.raises(RuntimeError, match=r"topology 'test' has no view"):
        _ = cluster["n1"].receptionist


async def test_a_client_without_a_node_says_so(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())
    client = await cluster.client()
    for name in ("n1", "n2", "n3"):
        await cluster.kill(name)
    await until(lambda: not client.nodes)

    with pytest.raises(NodeUnreachable):
        await client.find_service("cart")


async def test_a_client_cannot_register(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())
    await cluster["n1"].receptionist.register("cart", worker(cluster["n1"]))
    client = await cluster.client()

    with pytest.raises(ActorNotFound):
        await client.system.at(Address("n1", RECEPTIONIST_PATH)).ask(LeaveServices())
    assert found(cluster["n1"]) == ["worker@n1"]


# --- declaration


def test_a_service_needs_a_view_and_a_name() -> None:
    plain = Topology("shop", nodes=["n1"])
    plain.actor("thumbs", Worker, service="thumbnails")
    with pytest.raises(TopologyError, match=r"service='thumbnails', and no view: give nodes=Members"):
        plain.validate()
    nameless = topology_of()
    nameless.actor("thumbs", Worker, service="a\nb")
    with pytest.raises(TopologyError, match="visible characters only"):
        nameless.validate()
