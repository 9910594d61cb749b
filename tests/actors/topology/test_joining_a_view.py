"""How a node that joins a view starts, and what refuses its start."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from coterie.actors.client import Client
from coterie.actors.groups.key_value import KeyValue
from coterie.actors.membership.cluster_nodes import Label, Members, Role
from coterie.actors.node import Node
from coterie.actors.topology import Topology
from coterie.errors import NodeUnreachable, TopologyError
from coterie.protocols.membership.partition_policy import KeepRole, StaticQuorum
from coterie.runtime.actor import Actor
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork
from coterie.runtime.messages.message import Ask, message


@message(name="test.Where")
class Where(Ask[str]):
    """Ask a part for its node."""


class Part(Actor[Where]):
    def __init__(self, node: Node) -> None:
        self._node = node

    def receive(self, msg: Where, /) -> str:
        return self._node.name


def shop(name: str = "shop", **options: Any) -> Topology:
    return Topology(name, nodes=Members(founders=["n1", "n2", "n3"], **options))


async def start(topology: Topology, **options: Any) -> None:
    async with topology.start(**options):
        pass


async def refusal(topology: Topology, **options: Any) -> str:
    with pytest.raises(TopologyError) as raised:
        await start(topology, **options)
    return str(raised.value)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"node": "n4"}, "node 'n4' is not one of the founders n1, n2, n3: give join="),
        ({"node": "n=4", "join": ["127.0.0.1:1"]}, "'n=4' is not a valid name for a node: it contains '='"),
        ({"node": "n4", "listen": "127.0.0.1:7", "join": ["127.0.0.1:7"]}, "is where this node itself listens"),
        ({"node": "n1", "listen": "0.0.0.0:0"}, "other members cannot dial 0.0.0.0: give advertise="),
        ({"node": "n1", "roles": "worker"}, "roles='worker' is one text: give a list of names"),
        (
            {"node": "n4", "join": ["127.0.0.1:7"], "data": "d", "bootstrap": "new"},
            "node 'n4' is no founder: its data directory is formatted with bootstrap=\"join\"",
        ),
    ],
)
async def test_a_start_that_cannot_be_meant_is_refused_with_the_reason(options: dict[str, Any], text: str) -> None:
    assert text in await refusal(shop(), **options)


@pytest.mark.parametrize("option", [{"join": ["127.0.0.1:7"]}, {"roles": ["a"]}, {"advertise": "127.0.0.1:7"}])
async def test_options_of_members_are_refused_where_there_is_no_view(option: dict[str, Any]) -> None:
    text = await refusal(Topology("plain", nodes=["n1"]), node="n1", **option)
    assert f"{next(iter(option))}= is for topologies with Members(…) as nodes" in text


async def test_a_join_address_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match="'nowhere' is no address"):
        await start(shop(), node="n4", join=["nowhere"])


async def test_a_seed_of_another_cluster_refuses_the_start_and_nothing_is_formatted(tmp_path: Path) -> None:
    async with Topology("other", nodes=["m1"]).start(node="m1") as other:
        data = tmp_path / "n4"
        text = await refusal(shop(), node="n4", join=[other.address], data=str(data), bootstrap="join")
    assert f"it cannot join at {other.address}" in text
    assert "other" in text
    assert not data.exists()


@pytest.mark.virtual
async def test_a_list_of_seeds_may_hold_the_own_address() -> None:
    network = VirtualNetwork()
    topology = Topology("shop", nodes=Members(founders=["n1"]))
    seeds = ["n1:7400", "n4:7400"]
    async with topology.start(node="n1", listen="n1:7400", host=VirtualHost("n1", network=network), insecure=True):
        host = VirtualHost("n4", network=network)
        async with topology.start(node="n4", listen="n4:7400", join=seeds, host=host, insecure=True) as n4:
            assert n4.membership is not None
            await n4.membership.up()


async def test_a_seed_where_nothing_listens_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coterie.actors.membership.member_addresses.SEED_S", 0.0)
    with pytest.raises(NodeUnreachable, match=r"127\.0\.0\.1:1.*compare --join"):
        await start(shop(), node="n4", join=["127.0.0.1:1"])


async def test_a_second_process_of_a_name_is_refused_and_told_so() -> None:
    topology = shop()
    async with topology.together() as nodes:
        seeds = [nodes["n1"].address]
        async with topology.start(node="n4", join=seeds) as first:
            assert first.membership is not None
            await first.membership.up()
            with pytest.raises(TopologyError, match="two processes call themselves 'n4', and the first one is up"):
                await start(topology, node="n4", join=seeds)
            assert first.membership.may_act
            assert first.nodes == ["n1", "n2", "n3", "n4"]


def mistakes(topology: Topology) -> str:
    with pytest.raises(TopologyError) as raised:
        topology.validate()
    return str(raised.value)


def test_a_policy_that_cannot_decide_for_the_founders_is_a_mistake() -> None:
    assert "two sides of 1 could both keep serving" in mistakes(shop(policy=StaticQuorum(1)))
    assert "none has the role 'db'" in mistakes(shop(policy=KeepRole("db")))


def test_roles_of_nodes_that_are_no_founders_are_a_mistake() -> None:
    assert "names node 'n9', which is no founder" in mistakes(shop(roles={"n9": ["web"]}))


def test_a_part_may_not_have_the_name_of_the_group_that_holds_the_view() -> None:
    topology = shop()
    topology.actor("membership", Part)
    assert "two parts have the name 'membership'" in mistakes(topology)


def test_what_selects_no_nodes_is_a_mistake() -> None:
    topology = shop()
    topology.actor("front", Part, nodes=3)  # type: ignore[arg-type]
    assert "nodes=3 are neither names nor a Role or Label" in mistakes(topology)


def test_a_role_needs_a_view() -> None:
    topology = Topology("plain", nodes=["n1"])
    topology.actor("front", Part, nodes=Role("web"))
    assert "is for topologies with Members(…) as nodes" in mistakes(topology)


def test_the_tree_says_where_parts_run() -> None:
    topology = shop(roles={"n1": ["web"]})
    topology.pool("workers", Part, nodes=Role("worker"))
    topology.actor("front", Part, nodes=Label("zone", "b"))
    topology.actor("all", Part)
    topology.raft("store", machine=KeyValue)
    topology.singleton("any", lambda node, epoch: Part(node), messages=(Where,))
    topology.singleton("some", lambda node, epoch: Part(node), messages=(Where,), nodes=["n1"])
    text = str(topology)
    assert "(founders n1" in text
    assert "raft group of KeyValue, on the founders" in text
    assert ", one, on any member" in text
    assert ", one, on n1" in text
    assert "on role worker" in text
    assert "on label zone=b" in text
    assert "actor Part, on every member" in text


async def test_a_part_runs_on_joined_nodes_with_its_role_and_label() -> None:
    topology = shop()
    topology.actor("front", Part, nodes=Label("zone", "b"))
    topology.pool("workers", Part, nodes=Role("worker"))
    async with topology.together() as nodes:
        seeds = [nodes["n2"].address]
        async with topology.start(node="n4", join=seeds, roles=["worker"], labels={"zone": "b"}) as n4:
            assert n4.membership is not None
            await n4.membership.up()
            assert await nodes["n1"].actor("front", node="n4").ask(Where()) == "n4"
            assert await nodes["n1"].pool("workers").ask(Where()) == "n4"


async def test_a_role_that_no_part_names_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    topology = shop()
    topology.pool("workers", Part, nodes=Role("worker"))
    async with topology.start(node="n1", roles=["wroker", "worker"]):
        pass
    warnings = [record.getMessage() for record in caplog.records if "roles_unnamed" in record.getMessage()]
    assert len(warnings) == 1
    assert "roles=wroker named=worker" in warnings[0]


async def test_a_role_that_the_policy_names_is_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    async with shop(roles={"n1": ["db"]}, policy=KeepRole("db")).start(node="n1"):
        pass
    assert not [record for record in caplog.records if "roles_unnamed" in record.getMessage()]


async def test_a_joined_node_may_be_reached_by_clients_that_know_a_founder_only() -> None:
    topology = shop()
    topology.actor("front", Part, nodes=Role("worker"))
    async with (
        topology.together() as nodes,
        topology.start(node="n4", join=[nodes["n1"].address], roles=["worker"]) as n4,
        Client([nodes["n1"].address]) as client,
    ):
        assert n4.membership is not None
        await n4.membership.up()
        assert await asked_when_found(client, "n4") == "n4"


async def asked_when_found(client: Client, node: str) -> str:
    """Ask the part on a node that the client has yet to find."""
    async with asyncio.timeout(20):
        while True:
            try:
                answer: str = await client.actor("front", node=node).ask(Where())
            except NodeUnreachable:
                await asyncio.sleep(0.05)
            else:
                return answer


def test_the_same_topology_under_another_name_has_its_view_too() -> None:
    topology = shop(roles={"n1": ["web"]})
    other = topology.with_parts(topology.parts, name="rehearsal")
    assert (other.name, other.members, other.parts) == ("rehearsal", topology.members, topology.parts)
    assert topology.with_parts(()).name == "shop"


def test_clients_reach_the_group_of_the_view_only_as_operators() -> None:
    part = next(part for part in shop().parts if part.name == "membership")
    assert getattr(part, "exported", None) == "operators"
