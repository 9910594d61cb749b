"""Groups in the store that the topology lacks refuse the start, until they are declared again or forgotten."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from coterie import KeyValue, Node, Topology
from coterie.errors import TopologyError
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork
from coterie.runtime.storage.log_store import Write

pytestmark = pytest.mark.virtual

Declare = Callable[[Topology], None]


class World:
    """One node's disk, on which it starts with one topology after the other."""

    def __init__(self) -> None:
        self.disk = VirtualDisk()
        self.network = VirtualNetwork()

    @contextlib.asynccontextmanager
    async def started(self, declare: Declare, *forget: str, **arguments: Any) -> AsyncIterator[Node]:
        topology = Topology("t", nodes=["n1", "n2"])
        declare(topology)
        host = VirtualHost("n1", network=self.network, disk=self.disk)
        running = topology.start(
            node="n1", listen="n1:7401", insecure=True, data="data", host=host, forget_groups=forget, **arguments
        )
        async with running as node:
            yield node

    async def refusal(self, declare: Declare, *forget: str) -> str:
        with pytest.raises(TopologyError) as caught:
            async with self.started(declare, *forget):
                pytest.fail("it started")
        return str(caught.value)


def totals(topology: Topology) -> None:
    topology.raft("totals", machine=KeyValue, nodes=["n1"])


def sums(topology: Topology) -> None:
    topology.raft("sums", machine=KeyValue, nodes=["n1"])


def nothing(topology: Topology) -> None:
    del topology


@pytest.fixture
async def world() -> World:
    """A world whose node has stored a command of the group `totals`."""
    made = World()
    async with made.started(totals, bootstrap="new") as node:
        await node.key_value("totals").put(b"k", b"v")
    return made


@pytest.mark.parametrize("declare", [sums, nothing])
async def test_a_group_that_was_renamed_or_removed_refuses_the_start_by_name_and_store(
    world: World, declare: Declare
) -> None:
    listeners = len(world.network._listeners.all())
    told = await world.refusal(declare)

    assert "the store in 'data' holds group 'totals', which the topology does not declare" in told
    assert "--forget-group totals" in told
    assert len(world.network._listeners.all()) == listeners
    async with world.started(totals) as node:  # nothing was changed
        assert await node.key_value("totals").get(b"k") == b"v"


async def test_the_log_of_a_group_says_who_its_members_are_whatever_nodes_the_topology_names(world: World) -> None:
    def elsewhere(topology: Topology) -> None:
        topology.raft("totals", machine=KeyValue, nodes=["n2"])

    async with world.started(elsewhere) as node:
        assert await node.key_value("totals").get(b"k") == b"v"


async def test_a_synod_of_other_nodes_refuses_the_start(world: World) -> None:
    def with_synod(topology: Topology) -> None:
        totals(topology)
        topology.synod("config", nodes=["n1"])

    def moved(topology: Topology) -> None:
        totals(topology)
        topology.synod("config", nodes=["n2"])

    async with world.started(with_synod) as node:
        await node.synod("config").propose(b"v")
    assert "declares only on n2" in await world.refusal(moved)
    assert "--forget-group" not in (await world.refusal(moved)).partition("moved or removed?")[2]


async def test_a_synod_that_the_topology_lacks_refuses_the_start(world: World) -> None:
    def with_synod(topology: Topology) -> None:
        totals(topology)
        topology.synod("config", nodes=["n1"])

    async with world.started(with_synod) as node:
        assert await node.synod("config").propose(b"v") == b"v"
    assert "holds group 'config'" in await world.refusal(totals)
    async with world.started(totals, "config"):
        pass


async def test_a_forgotten_group_is_gone_for_good_and_its_name_cannot_begin_again(world: World) -> None:
    async with world.started(sums, "totals") as node:
        await node.key_value("sums").put(b"k", b"w")
        assert not [name for name in node.store.groups() if name.startswith("totals")]
    world.disk.crash()
    async with world.started(sums, "totals") as node:  # the option may stay
        assert await node.key_value("sums").get(b"k") == b"w"

    def both(topology: Topology) -> None:
        totals(topology)
        sums(topology)

    assert "group 'totals' was forgotten in the store in 'data'" in await world.refusal(both)


async def test_a_group_that_is_declared_or_unknown_is_not_forgotten(world: World) -> None:
    assert "group 'totals' is declared: it cannot be forgotten" in await world.refusal(totals, "totals")
    assert "group 'total' cannot be forgotten: the store in 'data' holds 'totals'" in await world.refusal(
        totals, "total"
    )
    async with world.started(totals) as node:
        assert await node.key_value("totals").get(b"k") == b"v"


async def test_what_a_program_writes_into_the_store_by_itself_is_no_group(world: World) -> None:
    async with world.started(totals) as node:
        node.store.write(Write("records", b"mine"), lambda: None)
    async with world.started(totals) as node:
        assert (await node.store.state("records")).metadata == b"mine"


async def test_a_crash_while_a_group_is_forgotten_leaves_it_or_a_name_that_cannot_begin_again() -> None:
    outcomes = set()
    for steps in range(0, 40, 2):
        world = World()
        async with world.started(totals, bootstrap="new") as node:
            await node.key_value("totals").put(b"k", b"v")
        twin = world.disk.copy()
        world.disk = twin
        twin.cut_power_after(steps)
        with contextlib.suppress(Exception):
            async with world.started(sums, "totals"):
                pass
        twin.crash()
        try:
            async with world.started(totals) as node:
                assert await node.key_value("totals").get(b"k") == b"v"
            outcomes.add("kept")
        except TopologyError as error:
            assert "was forgotten" in str(error) or "does not declare" in str(error)  # noqa: PT017
            outcomes.add("forgotten")
    assert outcomes == {"kept", "forgotten"}
