"""Services as clients of a cluster find them, and as topologies declare them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie import (
    ActorNotFound,
    Client,
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
    joined,
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


async def test_a_client_is_linked_with_the_providers_that_it_is_told(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())
    client = await cluster.client()
    await client.all_linked()
    async with joined(cluster, "n4") as node:
        await node.receptionist.register("cart", worker(node, exported=True))
        await until(all_find(cluster, "worker@n4"))
        assert "n4" not in client.nodes

        [ref] = await client.find_service("cart")

        assert await ref.ask(Where()) == "n4"


async def test_a_new_client_reaches_all_providers_at_once(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())
    for node in cluster.values():
        await node.receptionist.register("cart", worker(node, exported=True))
    await until(all_find(cluster, "worker@n1", "worker@n2", "worker@n3"))
    async with Client([cluster.addresses["n1"]], host=cluster.host("stranger")) as client:
        refs = await client.find_service("cart")

        assert [await ref.ask(Where()) for ref in refs] == ["n1", "n2", "n3"]


async def test_providers_that_do_not_get_linked_come_last_after_two_seconds_at_most(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())
    client = await cluster.client()
    for node in cluster.values():
        await node.receptionist.register("cart", worker(node, exported=True))
    await until(all_find(cluster, "worker@n1", "worker@n2", "worker@n3"))
    await client.all_linked()
    await cluster.kill("n1")
    await until(lambda: "n1" not in client.nodes)
    clock = client.system.host.clock
    began = clock.monotonic()

    refs = await client.find_service("cart")

    assert [ref.address.node for ref in refs] == ["n2", "n3", "n1"]
    assert clock.monotonic() - began < 2.5


async def test_a_client_that_learns_no_addresses_waits_for_none(make_cluster: Any) -> None:
    cluster = await up(make_cluster, topology_of())
    await cluster["n2"].receptionist.register("cart", worker(cluster["n2"], exported=True))
    await until(all_find(cluster, "worker@n2"))
    alone = Client([cluster.addresses["n1"]], host=cluster.host("stranger"), learn_addresses=False)
    async with alone as client:
        clock = client.system.host.clock
        began = clock.monotonic()

        [ref] = await client.find_service("cart")

        assert ref.address.node == "n2"
        assert clock.monotonic() - began < 1


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
