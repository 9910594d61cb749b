"""Lookup by name, on this node and on others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from coterie.errors import ActorNotFound, ActorStopped, BadMessage, ConnectionLost, NodeUnreachable
from coterie.runtime.actor import Actor
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.lookup import address_of
from coterie.runtime.remote.rows import LOOKUP
from coterie.runtime.transport.handshake.identity import PeerRole

if TYPE_CHECKING:
    from tests.runtime.conftest import World

pytestmark = pytest.mark.virtual


@message(name="naming.Hello")
class Hello(Ask[str]):
    pass


@message(name="naming.Other")
class Other:
    pass


class Server(Actor[Hello]):
    """Says where it lives, and can have a child."""

    def receive(self, msg: Hello) -> str:
        if "child" not in self.context.self_ref.path and self.context.system.registry.cell_at("server/child") is None:
            self.context.spawn(Server, name="child")
        return self.context.self_ref.path


class Stranger(Actor[Hello | Other]):
    """Takes more than a server does."""


@pytest.fixture
def server() -> type[Server]:
    """The class of the actor `server` of each node."""
    return Server


@pytest.mark.parametrize("place", ["b/server", Address("b", "server")])
async def test_a_lookup_gives_a_ref_that_names_one_life(world: World, place: Any) -> None:
    a, b = world.systems["a"], world.systems["b"]
    ref = await a.lookup(place, Server)
    cell = b.registry.cell_at("server")

    assert cell is not None
    assert ref == cell.ref
    assert (ref.incarnation, ref.uid) == (b.incarnation, cell.ref.uid)
    assert await ref.ask(Hello()) == "server"
    assert (await a.lookup("b/server/child")).path == "server/child"
    await b.stop(cell.ref)
    b.spawn(Server, name="server")
    with pytest.raises(ActorStopped):
        await ref.ask(Hello())
    assert await a.at(Address("b", "server")).ask(Hello()) == "server", "an address stays logical"


async def test_a_lookup_at_home_gives_the_actors_own_ref(world: World) -> None:
    a = world.systems["a"]
    cell = a.registry.cell_at("server")
    assert cell is not None

    assert await a.lookup("a/server", Server) is cell.ref
    with pytest.raises(ActorNotFound, match="no actor at 'nobody' on node 'a'"):
        await a.lookup("a/nobody")
    with pytest.raises(BadMessage, match=r"does not take 'naming\.Other'"):
        await a.lookup("a/server", Stranger)


async def test_a_lookup_says_why_there_is_no_ref(world: World) -> None:
    a = world.systems["a"]
    with pytest.raises(ActorNotFound, match="no actor at 'nobody' on node 'b'"):
        await a.lookup("b/nobody")
    with pytest.raises(BadMessage, match=r"'server' on node 'b' does not take 'naming\.Other'"):
        await a.lookup("b/server", Stranger)
    with pytest.raises(NodeUnreachable):
        await a.lookup("z/server")
    world.network.freeze("b")
    with pytest.raises(ConnectionLost):
        await a.lookup("b/server", timeout_s=100)
    world.network.thaw("b")
    await asyncio.sleep(5)
    assert (await a.lookup("b/server")).path == "server"


async def test_a_client_finds_exported_actors_only(world: World) -> None:
    client = await world.start("client", PeerRole.CLIENT)
    client.dial("b.test", 1)
    await asyncio.sleep(1)
    ref: Ref[Any] = await client.lookup("b/server", Server)

    assert await ref.ask(Hello()) == "server"
    with pytest.raises(ActorNotFound):
        await client.lookup("b/private")


async def test_names_that_are_none_are_refused_like_unknown_ones(world: World) -> None:
    transport = world.systems["a"].remoting.transport
    assert transport is not None
    strange: list[tuple[Any, ...]] = [({},), (3,), ((1,),), (None,)]
    for names in strange:
        transport.send("b", Lane.BULK, (LOOKUP, 999, "server", names))
    assert (await world.systems["a"].lookup("b/server")).path == "server"

    assert world.events == [("a", "up", "b"), ("b", "up", "a")]


@pytest.mark.parametrize("place", ["", "b", "b/", "/server"])
def test_a_place_has_a_node_and_a_path(place: str) -> None:
    with pytest.raises(ValueError, match="names no actor"):
        address_of(place)
    assert address_of("b/one/two") == Address("b", "one/two")
