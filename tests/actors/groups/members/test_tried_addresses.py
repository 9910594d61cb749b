"""Addresses that operators give are tried before anything is proposed, and a repeat with another one changes it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from coterie import CommandRefused
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.system import System
from tests.actors.groups.members.test_member_changes import NODES, Machines, Totals, add, roles, store_of, until

pytestmark = pytest.mark.virtual


class Three:
    """Three nodes, of which n3 lost its disk and waits to join; `group` of a client of n1."""

    def __init__(self, machines: Machines, nodes: dict[str, Any], group: Any, lost: str, stopping: Any) -> None:
        self.machines = machines
        self.nodes = nodes
        self.group = group
        self.lost = lost
        self.stop_n3 = stopping

    async def address(self) -> str | None:
        (member,) = [member for member in await self.group.members() if member.node == "n3"]
        return str(member.address)

    def indexes(self) -> set[int]:
        """Where the last membership of the log is, as n1 and n2 know it."""
        cells = [self.nodes[name].system.registry.cell_at("totals") for name in ("n1", "n2")]
        return {cell.actor._raft.facts.membership_index for cell in cells}


@pytest.fixture
async def three() -> AsyncIterator[Three]:
    machines = Machines()
    async with contextlib.AsyncExitStack() as running:
        nodes = {}
        for name in NODES[:2]:
            nodes[name] = await running.enter_async_context(machines.started(name, "new", knows=NODES[:3]))
        async with machines.client() as client:
            group = client.group("totals", Totals)
            async with machines.started("n3", "new", knows=NODES[:3]):
                await add(group, 3)
                await until(lambda: all(node.system.remoting.linked_names >= {"n3"} for node in nodes.values()))
                lost = store_of(await group.members(), "n3")
            machines.disks["n3"], machines.seed = VirtualDisk(), 1
            n3 = contextlib.AsyncExitStack()
            nodes["n3"] = await n3.enter_async_context(machines.started("n3", "join", knows=NODES[:3]))
            running.push_async_callback(n3.aclose)
            await until(lambda: all("n3" in nodes[name].system.remoting.linked_names for name in NODES[:2]))
            yield Three(machines, nodes, group, lost, n3.aclose)


async def test_an_address_where_nobody_answers_is_refused_although_the_node_is_linked(three: Three) -> None:
    before = three.indexes()

    with pytest.raises(CommandRefused, match=r"n3 cannot be reached \(connection refused at n3:7499\): start it there"):
        await three.group.replace("n3", store=three.lost[:6], address="n3:7499")

    assert three.indexes() == before


async def test_an_address_where_another_node_answers_is_refused(three: Three) -> None:
    before = three.indexes()

    with pytest.raises(CommandRefused, match="at n2:7400 answers n2, not n3: give the address of n3"):
        await three.group.replace("n3", store=three.lost[:6], address="n2:7400")

    assert three.indexes() == before


async def test_an_address_at_which_another_process_of_that_name_answers_is_refused(three: Three) -> None:
    machines, before = three.machines, three.indexes()
    machines.disks["n3"], machines.places["n3"], machines.seed = VirtualDisk(), "n3:7401", 2
    async with machines.started("n3", "join", knows=NODES[:3]):
        with pytest.raises(CommandRefused, match="two processes call themselves n3"):
            await three.group.replace("n3", store=three.lost[:6], address="n3:7401")

    assert three.indexes() == before


async def test_a_repeat_with_another_address_changes_it_and_links_go_there(three: Three) -> None:
    group, machines = three.group, three.machines
    await group.replace("n3", store=three.lost[:6], address="n3:7400")
    assert await three.address() == "n3:7400"
    new_store = store_of(await group.members(), "n3")
    await three.stop_n3()
    machines.places["n3"] = "n3:7401"

    async with machines.started("n3", None, knows=NODES[:3], peers=()) as moved:
        members = await group.replace("n3", store=three.lost[:6], address="n3:7401")

        assert await three.address() == "n3:7401"
        assert (roles(members)["n3"], store_of(members, "n3")) == ("voter", new_store)
        await until(lambda: moved.system.remoting.linked_names >= {"n1", "n2"})
        await add(group, 3)
        await until(lambda: moved.system.registry.cell_at("totals").actor._machine.machine.total == 6)
        index = three.indexes()
        await group.replace("n3", store=new_store, address="n3:7401")
        assert three.indexes() == index


async def test_the_address_of_the_leader_itself_is_tried_too(three: Three) -> None:
    group = three.group
    await group.transfer("n1")
    store = store_of(await group.members(), "n1")

    with pytest.raises(CommandRefused, match="at n2:7400 answers n2, not n1"):
        await group.replace("n1", store=store, address="n2:7400")
    with pytest.raises(CommandRefused, match="at n1:7400 answers n1, not n4: give the address of n4"):
        await group.add("n4", "n1:7400")
    members = await group.replace("n1", store=store, address="n1:7400")

    assert [member.address for member in members if member.node == "n1"] == ["n1:7400"]


async def test_an_address_that_nobody_answers_is_named_with_the_reason_while_it_is_tried(three: Three) -> None:
    told: list[str] = []

    with pytest.raises(CommandRefused):
        await three.group.replace("n3", store=three.lost[:6], address="n3:7499", on_progress=told.append)

    assert told == ["waiting for n3, which is to join: connection refused at n3:7499"]


async def test_a_node_of_another_cluster_at_the_address_is_named(three: Three) -> None:
    host = VirtualHost("n7", network=three.machines.network, seed=7)
    async with System("n7", cluster="foreign", host=host) as foreign:
        await foreign.listen("n7", 7400, insecure=True)

        with pytest.raises(
            CommandRefused, match=r"n4 cannot be linked: refused at n7:7400: wrong_cluster: .*'foreign'"
        ):
            await three.group.add("n4", "n7:7400")


async def test_what_is_no_coterie_node_at_the_address_is_named(three: Three) -> None:
    told: list[str] = []
    network = VirtualHost("n7", network=three.machines.network, seed=7).network
    server = await network.listen(Closing, "n7", 80)
    text = "what listens at n7:80 does not answer as a coterie node"

    with pytest.raises(CommandRefused, match=f"n4 cannot be linked: {text}"):
        await three.group.add("n4", "n7:80", on_progress=told.append)

    server.close()
    assert told
    assert told[0].startswith(f"waiting for n4, which is to join: {text}")


class Closing(asyncio.Protocol):
    """Takes connections, and ends each."""

    def connection_made(self, transport: Any) -> None:
        transport.close()


async def test_a_node_without_a_link_is_tried_at_the_address_that_is_known(three: Three) -> None:
    told: list[str] = []
    await three.stop_n3()

    with pytest.raises(CommandRefused, match=r"n3 cannot be reached \(connection refused at n3:7400\)"):
        await three.group.replace("n3", store=three.lost[:6], on_progress=told.append)

    assert told[-1] == "waiting for n3, which is to join: connection refused at n3:7400"


async def test_another_node_at_the_address_that_is_known_is_named(three: Three) -> None:
    await three.stop_n3()
    host = VirtualHost("n3", network=three.machines.network, seed=7)
    async with System("n6", cluster="grown", host=host) as other:
        await other.listen("n3", 7400, insecure=True)

        with pytest.raises(CommandRefused, match=r"n3 cannot be reached \(n6 answers at n3:7400, not n3\)"):
            await three.group.replace("n3", store=three.lost[:6])


async def test_a_node_that_moved_with_its_disk_is_given_its_address_without_a_store(three: Three) -> None:
    group, machines = three.group, three.machines
    await group.replace("n3", store=three.lost[:6])
    store = store_of(await group.members(), "n3")
    await three.stop_n3()
    machines.places["n3"] = "n3:7401"

    async with machines.started("n3", None, knows=NODES[:3], peers=()) as moved:
        with pytest.raises(
            CommandRefused, match="to let all look for it there: coterie raft replace totals n3 --address n3:7401"
        ):
            await group.add("n3", "n3:7401")
        members = await group.replace("n3", address="n3:7401")

        assert (await three.address(), members.has_changed) == ("n3:7401", True)
        assert (roles(members)["n3"], store_of(members, "n3")) == ("voter", store)
        await until(lambda: moved.system.remoting.linked_names >= {"n1", "n2"})
        again = await group.replace("n3", address="n3:7401")
        assert (again.has_changed, list(again)) == (False, list(members))


async def test_an_address_alone_is_not_changed_for_a_node_that_lost_its_disk(three: Three) -> None:
    before = three.indexes()
    command = f"coterie raft replace totals n3 --store {three.lost[:8]} --address n3:7400"

    with pytest.raises(CommandRefused, match=f"not with its store {three.lost}: .*; if that is lost: {command}"):
        await three.group.replace("n3", address="n3:7400")
    with pytest.raises(ValueError, match="give the store that is lost, or the address"):
        await three.group.replace("n3")

    assert three.indexes() == before


async def test_a_node_that_is_starting_is_waited_for_before_it_is_invited(three: Three) -> None:
    told: list[str] = []
    registry = three.nodes["n3"].system.registry
    cell = registry._cells.pop("totals")
    registry.is_starting = True
    replacing = asyncio.ensure_future(
        three.group.replace("n3", store=three.lost[:6], on_progress=told.append, timeout_s=30)
    )
    await asyncio.sleep(3)
    registry._cells["totals"], registry.is_starting = cell, False

    assert roles(await replacing)["n3"] == "voter"
    assert "waiting for n3, which is to join: it is starting" in told
