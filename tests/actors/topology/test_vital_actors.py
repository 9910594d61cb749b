"""An actor without which its node is of no use: the node ends with it, and the others stay."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from coterie import Actor, ActorGaveUp, Ask, CoterieError, KeyValue, Node, Supervision, Topology, message
from coterie.errors import ActorNotFound, ActorStopped
from coterie.testing import Cluster

pytestmark = pytest.mark.virtual


@message(name="test.vital.Divide")
class Divide(Ask[int]):
    by: int


class Front(Actor[Divide]):
    def __init__(self, node: Node) -> None:
        pass

    def receive(self, msg: Divide, /) -> int:
        return 10 // msg.by


async def test_a_node_ends_with_an_actor_that_gives_up_by_choice_and_the_others_stay() -> None:
    topology = Topology("vital", nodes=["n1", "n2", "n3"])
    topology.actor("front", Front, supervision=Supervision(max_restarts=2, ends_system=True))
    topology.raft("store", machine=KeyValue)
    async with Cluster(topology) as cluster:
        client = await cluster.client()
        await client.key_value("store").put(b"k", b"v")
        for _ in range(3):
            with contextlib.suppress(CoterieError):
                await client.actor("front", node="n2").ask(Divide(0))
        with pytest.raises(ActorGaveUp, match="actor 'front' has ended node 'n2': it has spent its restart budget"):
            await cluster.ended("n2")

        assert await client.actor("front", node="n1").ask(Divide(5)) == 2
        assert await client.key_value("store").get(b"k") == b"v"
        await cluster.start("n2")  # as `coterie up` does
        await asyncio.sleep(3)
        assert await client.actor("front", node="n2").ask(Divide(5)) == 2


async def test_a_client_is_told_that_an_actor_gave_up_and_not_of_one_that_is_not_for_clients() -> None:
    topology = Topology("vital", nodes=["n1"])
    for name, exported in (("front", True), ("hidden", False)):
        topology.actor(name, Front, supervision=Supervision(max_restarts=0), exported=exported)
    async with Cluster(topology) as cluster:
        client = await cluster.client()
        for name in ("front", "hidden"):
            with contextlib.suppress(CoterieError):
                await cluster["n1"].actor(name, node="n1").ask(Divide(0))

        with pytest.raises(ActorStopped, match=r"'front' on node 'n1' has ended for good: it failed, .*start the node"):
            await client.actor("front", node="n1").ask(Divide(5))
        for absent in ("fornt", "hidden"):
            with pytest.raises(ActorNotFound, match=f"no actor at '{absent}' on node 'n1' for clients"):
                await client.actor(absent, node="n1").ask(Divide(5))
        with pytest.raises(ActorStopped, match="'hidden' on node 'n1' has ended for good"):
            await cluster["n1"].actor("hidden", node="n1").ask(Divide(5))
