"""Who may change the view: members and operators, and no client that is merely let in."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from coterie.actors.client import Client
from coterie.actors.membership.cluster_nodes import Members
from coterie.actors.membership.membership_records import Registry
from coterie.actors.membership.membership_requests import MEMBERSHIP_PATH, LetLeave, ReportView, TakeDown, ViewReport
from coterie.actors.membership.view_machine import ChangeView, Claim, Follow, Register, ViewMachine
from coterie.actors.node import Node
from coterie.actors.topology import Topology
from coterie.errors import ActorNotFound, CoterieError
from coterie.protocols.algorithm import NodeId
from coterie.protocols.membership.members import Incarnation, Member, MemberId
from coterie.protocols.membership.view_changes import Down, Join
from coterie.protocols.membership.view_decisions import Done
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork
from coterie.runtime.refs import Address
from coterie.runtime.transport.handshake.shared_key import ClientKey, SharedKey

pytestmark = pytest.mark.virtual

KEY, BILLING, OPS = b"k" * 32, ClientKey("billing", b"b" * 32), ClientKey("ops", b"o" * 32)
FOUNDERS = ("n1", "n2", "n3")
STRANGER = Member(NodeId("evil"), Incarnation(1), "127.0.0.1:1")


class Shop:
    """A cluster with a view, whose nodes ask for proof."""

    def __init__(self, nodes: dict[str, Node], network: VirtualNetwork) -> None:
        self.nodes = nodes
        self._network = network

    @contextlib.asynccontextmanager
    async def client(self, key: ClientKey) -> AsyncIterator[Client]:
        host = VirtualHost(key.name, network=self._network)
        async with Client([f"{node}:7400" for node in FOUNDERS], auth=key, host=host) as client:
            yield client


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    network = VirtualNetwork()
    topology = Topology("shop", nodes=Members(founders=FOUNDERS), operators=["ops"])
    async with contextlib.AsyncExitStack() as stack:
        nodes = {}
        for name in FOUNDERS:
            running = topology.start(
                node=name,
                listen=f"{name}:7400",
                peers={peer: f"{peer}:7400" for peer in FOUNDERS if peer != name},
                auth=SharedKey(KEY, clients=(BILLING, OPS)),
                host=VirtualHost(name, network=network),
            )
            nodes[name] = await stack.enter_async_context(running)
        for node in nodes.values():
            assert node.membership is not None
            await node.membership.up()
        yield Shop(nodes, network)


def identity(shop: Shop, node: str) -> MemberId:
    known = shop.nodes[node].membership
    assert known is not None
    return known.me.identity


@pytest.mark.parametrize("kind", ["expel", "join", "claim", "register", "read"])
async def test_a_client_that_is_no_operator_reaches_the_group_of_the_view_in_no_way(shop: Shop, kind: str) -> None:
    n2 = identity(shop, "n2")
    command: dict[str, Any] = {
        "expel": ChangeView((Down(n2),)),
        "join": ChangeView((Join(STRANGER),)),
        "claim": Claim("cron", n2),
        "register": Register("thumbnails", n2, "evil"),
        "read": Follow(-1, -1),
    }
    async with shop.client(BILLING) as client:
        with pytest.raises(CoterieError):
            await client.group("membership", ViewMachine).execute(command[kind], timeout_s=3)
    known = shop.nodes["n1"].membership
    assert known is not None
    await asyncio.sleep(2)
    assert [member.name for member in known.view.up] == list(FOUNDERS)
    assert known.registry in (Registry(-1, {}, ()), Registry(0, {}, ()))


@pytest.mark.parametrize("kind", ["report", "down", "leave"])
async def test_a_client_that_is_no_operator_asks_no_membership_actor(shop: Shop, kind: str) -> None:
    n2 = identity(shop, "n2")
    request: dict[str, Any] = {"report": ReportView(), "down": TakeDown(n2), "leave": LetLeave(n2)}
    async with shop.client(BILLING) as client:
        with pytest.raises(ActorNotFound, match="for clients"):
            await client.actor(MEMBERSHIP_PATH, node="n1").ask(request[kind])


async def test_an_operator_reads_the_view_and_lets_a_member_leave(shop: Shop) -> None:
    n3 = identity(shop, "n3")
    async with shop.client(OPS) as client:
        ref = client.actor(MEMBERSHIP_PATH, node="n1")
        report: ViewReport = await ref.ask(ReportView())
        assert [member.name for member in report.view.up] == list(FOUNDERS)
        outcome = await ref.ask(LetLeave(n3))
        assert isinstance(outcome, Done)
        assert outcome.is_change
    known = shop.nodes["n1"].membership
    assert known is not None
    assert await known.until(lambda: known.view.find(n3) is None, 15)


async def test_the_ref_of_an_operator_that_a_client_is_given_does_not_carry_its_rights(shop: Shop) -> None:
    system = shop.nodes["n1"].system
    ref = system.at(Address("n1", MEMBERSHIP_PATH))
    assert system.registry.cell_at(MEMBERSHIP_PATH) is not None
    async with shop.client(BILLING) as client:
        with pytest.raises(ActorNotFound, match="for clients"):
            await client.system.at(Address(ref.node, ref.path)).ask(ReportView())
