"""`LeaderRouter` and suspicions: a suspected leader is left at once, and asked again if the others still name it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie.actors.detection.node_health import NodeHealth
from coterie.actors.groups.leader_router import LeaderRouter
from coterie.actors.groups.routed_command import Way
from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.failure_detector import Suspected

pytestmark = pytest.mark.virtual


async def follower_and_leader(cluster: Any) -> tuple[str, str]:
    leader = await cluster.leader_of("store")
    return next(node for node in cluster if node != leader), leader


def suspect(health: NodeHealth, *peers: str) -> None:
    for peer in peers:
        health.take(Suspected(NodeId(peer), "as the test wants"))


def record_asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list of the nodes that the router asks from now on."""
    asked: list[str] = []
    original = LeaderRouter._ask

    def ask(self: LeaderRouter, node: str, batch: Any, way: Way) -> None:
        asked.append(node)
        original(self, node, batch, way)

    monkeypatch.setattr(LeaderRouter, "_ask", ask)
    return asked


async def test_commands_in_flight_to_a_suspected_leader_are_sent_elsewhere_at_once(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, leader = await follower_and_leader(cluster)
    node = cluster[caller]
    router = node.group("store")._router
    await node.key_value("store").put(b"k", b"v")
    cluster.isolate(leader)
    put = asyncio.ensure_future(node.key_value("store").put(b"k", b"w"))
    await asyncio.sleep(0.05)
    waiting = list(router._in_flight.values())
    asked = record_asked(monkeypatch)

    suspect(node.health, leader)
    await asyncio.sleep(0.05)

    assert waiting == [leader]
    assert asked[0] != leader
    await put
    assert await node.key_value("store").get(b"k") == b"w"


async def test_a_leader_that_only_this_node_suspects_is_asked_again_when_another_node_names_it(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, leader = await follower_and_leader(cluster)
    node = cluster[caller]
    await node.key_value("store").put(b"k", b"v")
    asked = record_asked(monkeypatch)
    suspect(node.health, leader)

    await node.key_value("store").put(b"k", b"w")

    assert asked[0] != leader
    assert asked[-1] == leader
    assert node.group("store")._router.leader == leader


async def test_a_group_serves_although_every_node_is_suspected(cluster: Any) -> None:
    caller, _ = await follower_and_leader(cluster)
    node = cluster[caller]
    suspect(node.health, *cluster)

    await node.key_value("store").put(b"k", b"v")

    assert await node.key_value("store").get(b"k") == b"v"


async def test_nodes_that_are_not_suspected_are_asked_first(cluster: Any) -> None:
    caller, leader = await follower_and_leader(cluster)
    node = cluster[caller]
    others = [name for name in cluster if name != leader]
    router = node.group("store")._router
    router._leader_hint = None
    suspect(node.health, others[0])

    picked = {router._pick_node(Way.EXECUTE) for _ in range(6)}

    assert picked == {leader, others[1]}


async def test_a_closed_router_hears_no_more_suspicions(cluster: Any) -> None:
    caller, leader = await follower_and_leader(cluster)
    node = cluster[caller]
    router = node.group("store")._router
    await node.key_value("store").put(b"k", b"v")
    await router.close()

    suspect(node.health, leader)

    assert router.leader == leader
