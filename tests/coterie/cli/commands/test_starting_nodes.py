"""A node that listens and has not started yet says so, and commands wait for it; who may not ask is told at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from coterie import ClientKey, KeyValue, NodeStarting, SharedKey, Topology
from coterie.actors.client import Client
from coterie.actors.node_report import NodeReport, ReportNode
from coterie.actors.topology.node_start import NodeStore
from coterie.cli import make_parser
from coterie.cli.cluster_connection import ClusterConnection
from coterie.cli.commands import status_command
from coterie.cli.commands.evolving import raft_members
from coterie.cli.node_queries import NotAnOperator, query_node
from coterie.cli.output.command_output import CommandOutput
from coterie.errors import CommandRefused, CommandTimeout, Outcome
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork
from coterie.runtime.refs import Address

pytestmark = pytest.mark.virtual

KEY, BILLING, OPS = b"k" * 32, ClientKey("billing", b"b" * 32), ClientKey("ops", b"o" * 32)


class SlowStart:
    """One node that listens, and whose store opens only once `may_open` is set."""

    def __init__(self) -> None:
        self.network = VirtualNetwork()
        self.may_open = asyncio.Event()

    async def run(self) -> None:
        topology = Topology("slow", nodes=["n1"], operators=["ops"])
        topology.raft("store", machine=KeyValue)
        async with topology.start(
            node="n1",
            listen="n1:7400",
            data="data",
            bootstrap="new",
            auth=SharedKey(KEY, clients=(BILLING, OPS)),
            host=VirtualHost("n1", network=self.network),
        ):
            await asyncio.Event().wait()

    @contextlib.asynccontextmanager
    async def client(self, key: ClientKey) -> AsyncIterator[Client]:
        host = VirtualHost(key.name, network=self.network)
        async with Client(["n1:7400"], cluster="slow", auth=key, host=host) as client:
            yield client


@pytest.fixture
async def slow(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SlowStart]:
    made, opened = SlowStart(), NodeStore.open

    async def waiting(store: NodeStore, groups: Any) -> Any:
        await made.may_open.wait()
        return await opened(store, groups)

    monkeypatch.setattr(NodeStore, "open", waiting)
    running = asyncio.ensure_future(made.run())
    yield made
    running.cancel()
    await asyncio.wait([running])


async def started_soon(slow: SlowStart) -> None:
    """Let the node start in ten seconds."""
    await asyncio.sleep(10)
    slow.may_open.set()


async def test_a_starting_node_says_so_whoever_asks_for_whatever(slow: SlowStart) -> None:
    for key in (OPS, BILLING):
        async with slow.client(key) as client:
            for path in ("#node", "store", "nothing"):
                with pytest.raises(NodeStarting, match="node 'n1' is starting") as caught:
                    await client.system.at(Address("n1", path)).ask(ReportNode(), timeout_s=1)
                assert caught.value.outcome is Outcome.DEFINITE


async def test_a_report_is_waited_for_while_its_node_is_starting(slow: SlowStart) -> None:
    async with slow.client(OPS) as client:
        starting = asyncio.ensure_future(started_soon(slow))
        assert isinstance(await query_node(client, "n1", ReportNode(), 60.0), NodeReport)
        await starting


async def test_a_node_that_does_not_start_in_time_is_told_to_be_starting(slow: SlowStart) -> None:
    async with slow.client(BILLING) as client:
        clock = asyncio.get_running_loop()
        before_s = clock.time()
        assert isinstance(await query_node(client, "n1", ReportNode(), 5.0), NodeStarting)
        assert clock.time() - before_s <= 5.0


async def test_a_client_that_is_no_operator_is_told_as_soon_as_the_node_has_started(slow: SlowStart) -> None:
    async with slow.client(BILLING) as client:
        starting = asyncio.ensure_future(started_soon(slow))
        with pytest.raises(NotAnOperator, match="client 'billing' is no operator of this cluster"):
            await query_node(client, "n1", ReportNode(), 60.0)
        assert starting.done()


async def test_what_an_operator_asks_of_a_group_waits_for_a_node_that_is_starting(slow: SlowStart) -> None:
    async with slow.client(OPS) as client:
        starting = asyncio.ensure_future(started_soon(slow))
        activated = asyncio.ensure_future(client.group("store").activate(timeout_s=60))
        members = await client.group("store").members(timeout_s=60)
        assert (members.leader, (await activated).version) == ("n1", 1)
        await starting


async def test_an_operation_that_ends_before_the_node_has_started_names_that(slow: SlowStart) -> None:
    async with slow.client(BILLING) as client:
        group = client.group("store")
        for operation in (group.transfer(timeout_s=3), group.remove("n1", timeout_s=3)):
            with pytest.raises(CommandTimeout, match=r"node .n1. is starting.*; nothing was changed") as caught:
                await operation
            assert caught.value.outcome is Outcome.DEFINITE
        with pytest.raises(CommandRefused, match="node 'n1' is starting"):
            await group.activate(timeout_s=3)


async def test_the_command_line_waits_for_a_node_that_is_starting(
    slow: SlowStart, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    args = make_parser().parse_args(["raft", "members", "store", "--connect", "here:1"])
    async with slow.client(OPS) as client:
        monkeypatch.setattr(ClusterConnection, "client_of_all", lambda _: contextlib.nullcontext(client))
        asyncio.get_running_loop().call_later(3, slow.may_open.set)
        assert await raft_members._carry_out(ClusterConnection(("here",)), args, CommandOutput("raft members")) == 0
    assert "n1           voter" in capsys.readouterr().out


async def test_a_command_waits_as_long_as_it_may_for_a_node_that_takes_long_to_start(
    slow: SlowStart, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    args = make_parser().parse_args(["raft", "remove", "store", "n1", "--connect", "here:1"])
    async with slow.client(OPS) as client:
        monkeypatch.setattr(ClusterConnection, "client_of_all", lambda _: contextlib.nullcontext(client))
        asyncio.get_running_loop().call_later(30, slow.may_open.set)
        with pytest.raises(CommandRefused, match="n1 is the last voter"):
            await raft_members._carry_out(ClusterConnection(("here",)), args, CommandOutput("raft remove"))
    assert "no node says that it leads (n1: node 'n1' is starting: ask again in a moment)" in capsys.readouterr().out


async def test_status_says_that_a_node_is_starting(slow: SlowStart, monkeypatch: pytest.MonkeyPatch) -> None:
    async with slow.client(OPS) as client:
        monkeypatch.setattr(ClusterConnection, "client_of_all", lambda _: contextlib.nullcontext(client))
        seen = await status_command._query(ClusterConnection(("n1:1",)), [])
    assert list(status_command._troubles(seen)) == ["node n1 is starting"]


async def test_the_directory_of_a_node_that_was_starting_is_learned_once_it_has_started(slow: SlowStart) -> None:
    async with slow.client(BILLING) as client:
        assert client.known_groups is None
        slow.may_open.set()
        await asyncio.sleep(1)
        assert client.known_groups == {"store"}
