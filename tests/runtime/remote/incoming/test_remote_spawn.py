"""Spawning on other nodes: what is registered there, and nothing else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from coterie.errors import ActorFailed, NodeUnreachable, SpawnRefused
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.transport.handshake.identity import PeerRole

if TYPE_CHECKING:
    from tests.runtime.conftest import World

pytestmark = pytest.mark.virtual


@message(name="spawner.Describe")
class Describe(Ask[str]):
    pass


class Server(Actor[Describe]):
    """Lives on each node, and is spawned there on request as a worker."""

    def __init__(self, *arguments: object) -> None:
        if arguments == ("refuse",):
            raise ValueError("these arguments are refused")
        self.arguments = arguments

    def receive(self, msg: Describe) -> str:
        return f"{self.context.self_ref} {self.arguments!r}"


@pytest.fixture
def server() -> type[Server]:
    """The class of the actor `server` of each node."""
    return Server


async def allow(world: World, **options: Any) -> None:
    """Let there be a node c that is linked with a, and allows what `options` say."""
    await world.start("c", **options)
    world.link("a", "c")
    await asyncio.sleep(1)


async def test_a_registered_actor_is_spawned_with_its_arguments(world: World) -> None:
    await allow(world, spawnable={"worker": Server})
    ref = await world.systems["a"].spawn_on("c", "worker", 1, "two", b"3", (4.0, None), {"five": True}, name="w")

    assert (ref.node, ref.path) == ("c", "w")
    assert await ref.ask(Describe()) == f"{ref!r} (1, 'two', b'3', (4.0, None), {{'five': True}})"
    unnamed = await world.systems["a"].spawn_on("c", "worker")
    assert unnamed.path.startswith("server-")
    assert await unnamed.ask(Describe()) == f"{unnamed!r} ()"


async def test_nothing_is_spawned_by_default(world: World) -> None:
    before = world.systems["b"].stats().actors
    with pytest.raises(SpawnRefused, match=r"node 'b' does not spawn 'worker' on request; registered: nothing"):
        await world.systems["a"].spawn_on("b", "worker")

    assert world.systems["b"].stats().actors == before


async def test_a_refusal_says_why(world: World) -> None:
    await allow(world, spawnable={"worker": Server, "other": Server})
    a = world.systems["a"]
    with pytest.raises(SpawnRefused, match="registered: 'other', 'worker'"):
        await a.spawn_on("c", "nothing")
    with pytest.raises(SpawnRefused, match="node 'c' already has an actor named 'server'"):
        await a.spawn_on("c", "worker", name="server")
    with pytest.raises(SpawnRefused, match="cannot be named 'a/b'"):
        await a.spawn_on("c", "worker", name="a/b")
    with pytest.raises(SpawnRefused, match=r"cannot be named 'a\\nb': a name must be printable"):
        await a.spawn_on("c", "worker", name="a\nb")
    with pytest.raises(ActorFailed, match="the factory failed on node 'c': ValueError: these arguments are refused"):
        await a.spawn_on("c", "worker", "refuse")
    with pytest.raises(NodeUnreachable):
        await a.spawn_on("z", "worker")
    with pytest.raises(TypeError, match="object"):
        await a.spawn_on("c", "worker", object())

    assert world.systems["c"].stats().actors == 2


async def test_a_node_spawns_at_home_by_the_same_rules(world: World) -> None:
    await allow(world, spawnable={"worker": Server})
    ref = await world.systems["c"].spawn_on("c", "worker", 1, name="w")

    assert await ref.ask(Describe()) == f"{ref!r} (1,)"
    with pytest.raises(SpawnRefused):
        await world.systems["a"].spawn_on("a", "worker")


@pytest.mark.parametrize("may", [False, True])
async def test_clients_spawn_only_where_that_is_allowed_and_reach_what_they_spawned(world: World, may: bool) -> None:
    await allow(world, spawnable={"worker": Server}, clients_may_spawn=may)
    client = await world.start("client", PeerRole.CLIENT)
    client.dial("c.test", 1)
    await asyncio.sleep(1)
    if not may:
        with pytest.raises(SpawnRefused, match="node 'c' spawns nothing for clients"):
            await client.spawn_on("c", "worker")
        return
    ref = await client.spawn_on("c", "worker", name="w")

    assert await ref.ask(Describe()) == f"{ref!r} ()"
