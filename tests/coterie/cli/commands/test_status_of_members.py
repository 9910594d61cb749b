"""`coterie status` and the commands about members, with a cluster whose disks and members change, and other clients."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from coterie import ClientKey, CommandRefused, KeyValue, SharedKey, Topology
from coterie.actors.client import Client
from coterie.cli import make_parser
from coterie.cli.cluster_connection import ClusterConnection
from coterie.cli.commands import status_command
from coterie.cli.commands.evolving import raft_command, raft_members
from coterie.cli.node_queries import NotAnOperator
from coterie.cli.output.command_output import CommandOutput
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork
from coterie.testing import Cluster

pytestmark = pytest.mark.virtual

KEY, BILLING = b"k" * 32, ClientKey("billing", b"b" * 32)

Troubles = Callable[[], Awaitable[list[str]]]


@pytest.fixture
def troubles(cluster: Cluster) -> Troubles:
    async def seen() -> list[str]:
        found = await status_command._query(ClusterConnection(("n1:1",)), [])
        return [*status_command._standstills(found), *status_command._troubles(found)]

    return seen


async def test_a_node_whose_disk_was_emptied_is_told_until_its_store_is_replaced(
    cluster: Cluster, troubles: Troubles
) -> None:
    group = (await cluster.client()).group("store")
    (lost,) = [member.store for member in await group.members() if member.node == "n3"]
    assert await troubles() == []
    await cluster.kill("n3")
    cluster.wipe("n3", join=True)
    await cluster.start("n3")
    await asyncio.sleep(10)

    assert await troubles() == ["group store: n3 runs with another store than the one that is a member"]

    await group.replace("n3", store=str(lost))
    await asyncio.sleep(2)
    assert await troubles() == []


async def test_a_node_that_was_removed_from_its_group_and_stopped_is_not_missed(
    cluster: Cluster, troubles: Troubles
) -> None:
    group = (await cluster.client()).group("store")
    await group.add("n4")
    await cluster.kill("n4")
    await asyncio.sleep(10)
    assert await troubles() == ["node n4 does not answer", "group store: n4 does not answer"]

    await group.remove("n4")

    assert await troubles() == []


@pytest.fixture
async def billing() -> AsyncIterator[Client]:
    """A client that is no operator of its cluster."""
    network = VirtualNetwork()
    topology = Topology("kept", nodes=["n1"], operators=["ops"])
    topology.raft("store", machine=KeyValue)
    started = topology.start(
        node="n1",
        listen="n1:7400",
        auth=SharedKey(KEY, clients=(BILLING,)),
        host=VirtualHost("n1", network=network),
    )
    async with (
        started,
        Client(["n1:7400"], cluster="kept", auth=BILLING, host=VirtualHost("client", network=network)) as client,
    ):
        await client.key_value("store").put(b"k", b"v")
        yield client


async def in_time(operation: Awaitable[object]) -> object:
    """Return the result of an operation that takes less than two seconds, however it ends."""
    clock = asyncio.get_running_loop()
    before_s = clock.time()
    try:
        return await operation
    finally:
        assert clock.time() - before_s < 2.0


CHANGES: dict[str, Callable[[Any], Awaitable[object]]] = {
    "members": lambda group: group.members(),
    "add": lambda group: group.add("n2", "n2:7400"),
    "promote": lambda group: group.promote("n2"),
    "remove": lambda group: group.remove("n1"),
    "replace": lambda group: group.replace("n1", store="ab"),
    "transfer": lambda group: group.transfer(),
    "activate": lambda group: group.activate(),
}


@pytest.mark.parametrize("name", CHANGES)
async def test_a_client_that_is_no_operator_is_told_at_once_in_code(billing: Client, name: str) -> None:
    with pytest.raises(CommandRefused, match="client 'billing' is no operator of this cluster"):
        await in_time(CHANGES[name](billing.group("store")))


@pytest.mark.parametrize(
    "words",
    [
        ["members", "store"],
        ["add", "store", "n2", "--address", "n2:7400"],
        ["promote", "store", "n2"],
        ["remove", "store", "n1"],
        ["replace", "store", "n1", "--store", "ab"],
        ["transfer", "store"],
        ["activate", "store"],
    ],
)
async def test_a_client_that_is_no_operator_is_told_at_once_on_the_command_line(
    billing: Client, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setattr(ClusterConnection, "client_of_all", lambda _: contextlib.nullcontext(billing))
    args: argparse.Namespace = make_parser().parse_args(["raft", *words, "--connect", "here:1"])
    connection, out = ClusterConnection(("here",)), CommandOutput("raft")
    match words[0]:
        case "transfer":
            command = raft_command._transfer(connection, "store", None, out)
        case "activate":
            command = raft_command._activate(connection, "store", out)
        case _:
            command = raft_members._carry_out(connection, args, out)

    with pytest.raises(NotAnOperator, match="client 'billing' is no operator of this cluster"):
        await in_time(command)
