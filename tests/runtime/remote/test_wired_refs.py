"""Refs that came over a link: the deputy that uses one gets no more done than the system that sent it could."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from coterie.errors import ActorNotFound, BadMessage
from coterie.runtime.actor import Actor, Terminated
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.messages.speakers import Speaker
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.rows import ROUTE_AS_CLIENT
from coterie.runtime.transport.handshake.identity import PeerRole
from coterie.runtime.transport.handshake.protocol_versions import RIGHTS_SINCE
from tests.runtime.conftest import CONFIG

if TYPE_CHECKING:
    from coterie.runtime.system import System
    from tests.runtime.conftest import World

pytestmark = pytest.mark.virtual


@message(name="wired.Price")
class Price:
    value: int


@message(name="wired.Quote")
class Quote(Ask[str]):
    value: int


@message(name="wired.Internal", speaker=Speaker.NODE)
class Internal:
    value: int


@message(name="wired.Foreign")
class Foreign:
    value: int


@message(name="wired.Use")
class Use(Ask[str]):
    """Makes the deputy use a ref: `how` is tell, ask, offer, foreign, internal, pass on, stop or watch."""

    who: Ref[Any]
    how: str


@message(name="wired.Kept")
class Kept(Ask[Ref[Any]]):
    """Asks for the ref that the deputy used last."""


Messages = Price | Quote | Internal | Use | Kept | Terminated


class Server(Actor[Messages]):
    """A deputy, and what it reaches."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.used: Ref[Any] | None = None

    async def receive(self, msg: Messages) -> object:
        match msg:
            case Use():
                self.used = msg.who
                return await self._use(msg.who, msg.how)
            case Kept():
                return self.used
            case _:
                self.heard.append(msg)
                return "heard"

    async def _use(self, who: Ref[Any], how: str) -> str:
        match how:
            case "tell":
                who.tell(Price(7))
            case "foreign":
                who.tell(Foreign(7))
            case "internal":
                who.tell(Internal(7))
            case "ask" | "offer":
                try:
                    await (who.ask(Quote(7)) if how == "ask" else who.offer(Price(7)))
                except Exception as error:  # noqa: BLE001 (the test compares what it was)
                    return f"{type(error).__name__}: {error}"
            case "watch":
                self.context.watch(who)
            case "stop":
                self.context.system.stop(who)
            case _:
                other = self.context.system.at(Address("b", "server"))
                return await other.ask(Use(who, how.removeprefix("pass on and ")))
        return "done"


@pytest.fixture
def server() -> type[Server]:
    """The class of the actors `server` and `private` of each node."""
    return Server


async def settle() -> None:
    await asyncio.sleep(0.2)


async def client_of(world: World, name: str = "client", **options: Any) -> System:
    client = await world.start(name, PeerRole.CLIENT, **options)
    client.dial("a.test", 1)
    client.dial("b.test", 1)
    await asyncio.sleep(1)
    return client


def own_ref(world: World, node: str, path: str) -> Ref[Any]:
    """Return the ref of an actor, not an address: what a client may have learned."""
    cell = world.systems[node].registry.cell_at(path)
    assert cell is not None
    return cell.ref


HOWS = ("tell", "ask", "offer", "pass on and tell", "pass on and ask", "pass on and offer")


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("node", ["a", "b"])
@pytest.mark.parametrize("path", ["private", "nowhere", "#node"])
async def test_a_clients_ref_reaches_no_actor_that_is_not_exported(
    world: World, node: str, path: str, how: str
) -> None:
    client = await client_of(world)
    refs = [client.at(Address(node, path))]
    if path == "private":
        refs.append(own_ref(world, node, path))
    for ref in refs:
        answer = await client.at(Address("a", "server")).ask(Use(ref, how))
        if "tell" not in how:
            assert answer.startswith(("ActorNotFound", "NotExported")), answer
            assert "for clients" in answer
    await settle()

    assert world.server("a", "private").heard == world.server("b", "private").heard == []


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("node", ["a", "b"])
async def test_a_clients_ref_reaches_what_the_client_reaches(world: World, node: str, how: str) -> None:
    client = await client_of(world)
    world.systems[node].spawn(Server, name="target", exported=True)
    for ref in (client.at(Address(node, "target")), own_ref(world, node, "target")):
        assert await client.at(Address("a", "server")).ask(Use(ref, how)) == "done"
    await settle()

    assert world.server(node, "target").heard == 2 * [Quote(7) if "ask" in how else Price(7)]


@pytest.mark.parametrize("how", ["foreign", "internal", "pass on and foreign", "pass on and internal"])
@pytest.mark.parametrize("node", ["a", "b"])
async def test_a_clients_ref_carries_only_what_the_actor_takes_and_clients_may_say(
    world: World, node: str, how: str
) -> None:
    client = await client_of(world)
    await client.at(Address("a", "server")).ask(Use(own_ref(world, node, "server"), how))
    await settle()

    assert world.server(node).heard == []
    assert world.systems[node].failures == 0
    dropped = [
        letter.detail for letter in (*world.systems["a"].dead_letters.latest, *world.systems["b"].dead_letters.latest)
    ]
    assert len(dropped) == 1, dropped


@pytest.mark.parametrize("how", HOWS)
async def test_a_client_reaches_itself_through_any_node_and_no_other_client(world: World, how: str) -> None:
    client, other = await client_of(world), await client_of(world, "other")
    for system in (client, other):
        system.spawn(Server, name="listener")
    mine, theirs = own_ref(world, "client", "listener"), own_ref(world, "other", "listener")
    assert await client.at(Address("a", "server")).ask(Use(mine, how)) == "done"
    await client.at(Address("a", "server")).ask(Use(theirs, how))
    await settle()

    assert len(world.server("client", "listener").heard) == 1
    assert world.server("other", "listener").heard == []


async def test_a_nodes_ref_reaches_any_actor_but_not_with_what_it_does_not_take(world: World, there: Ref[Any]) -> None:
    """The node said Ref[Price] about an actor that takes none: it must not fail by it."""
    for ref in (own_ref(world, "b", "private"), world.systems["a"].at(Address("b", "private"))):
        for how in ("tell", "ask", "offer", "foreign", "internal"):
            assert await there.ask(Use(ref, how)) == "done"
    await settle()

    assert world.server("b", "private").heard == 2 * [Price(7), Quote(7), Price(7), Internal(7)]
    assert [letter.detail.split(": ")[0] for letter in world.systems["b"].dead_letters.latest] == 2 * [
        "actor 'private' on node 'b' does not take 'Foreign'"
    ]


async def test_an_ask_that_the_actor_does_not_take_fails(world: World) -> None:
    client = await client_of(world)
    taken = await client.at(Address("a", "server")).ask(Use(client.at(Address("a", "server")), "tell"))
    assert taken == "done"
    used = world.server("a").used
    with pytest.raises(BadMessage, match="does not take 'Ping'"):
        await used.ask(Ping())
    with pytest.raises(BadMessage, match="does not take 'Foreign'"):
        await used.offer(Foreign(1))


@message(name="wired.Ping")
class Ping(Ask[str]):
    pass


async def test_the_mark_stays_on_the_way(world: World) -> None:
    """From the client by a to b, back to the client as an answer, and from there to a again."""
    client = await client_of(world)
    private = client.at(Address("a", "private"))
    await client.at(Address("a", "server")).ask(Use(private, "pass on and tell"))
    seen = world.server("b").used
    assert seen.as_client
    assert seen.to_wire() == ("a", 0, "private", 0, True)

    back = await world.systems["a"].at(Address("b", "server")).ask(Kept())
    assert back.as_client
    back.tell(Price(1))
    await settle()
    assert world.server("a", "private").heard == []


async def test_nobody_is_stopped_by_the_ref_of_a_client_and_its_end_is_noticed(world: World) -> None:
    client = await client_of(world)
    server, target = client.at(Address("a", "server")), world.systems["a"].spawn(Server, name="t", exported=True)
    own = world.server("a").context
    await server.ask(Use(target, "watch"))
    with pytest.raises(ValueError, match="by no ref of a client"):
        own.system.stop(world.server("a").used)
    await own.system.stop(target)
    await settle()

    assert [type(one) for one in world.server("a").heard] == [Terminated]


async def test_a_node_cannot_be_told_to_act_as_itself_for_a_client(world: World, there: Ref[Any]) -> None:
    """A route with a client's rights is one with less, whatever is defined over it."""
    transport = world.systems["a"].remoting.transport
    assert transport is not None
    there.tell(Price(1))
    for number, path, name in (
        (17, "server", "wired.Internal"),
        (18, "private", "wired.Price"),
        (19, "server", "wired.Price"),
    ):
        transport.send("b", Lane.BULK, (ROUTE_AS_CLIENT, number, path, 0, name))
        transport.send("b", Lane.BULK, (number, 5))
    await settle()

    assert world.server("b").heard == [Price(1), Price(5)]
    assert world.server("b", "private").heard == []


async def test_an_older_node_gets_no_ref_of_a_client(world: World) -> None:
    await world.start("old", config=replace(CONFIG, transport=replace(CONFIG.transport, version_max=RIGHTS_SINCE - 1)))
    world.link("a", "old")
    await asyncio.sleep(1)
    client = await client_of(world)
    ref = client.at(Address("old", "server"))

    answer = await client.at(Address("a", "server")).ask(Use(ref, "ask"))
    assert "does not know the rights of clients" in answer
    with pytest.raises(ActorNotFound):
        await world.server("a").used.ask(Quote(1))


@pytest.mark.parametrize("node", ["a", "b"])
async def test_by_the_ref_of_a_client_nobody_learns_which_inner_actors_there_are(world: World, node: str) -> None:
    client = await client_of(world)
    server = client.at(Address("a", "server"))
    private = own_ref(world, node, "private")
    absent: Ref[Any] = Ref(private.node, private.incarnation, "absent", 77, private.delivery)
    for ref in (private, absent):
        await server.ask(Use(ref, "watch"))
    await settle()

    notices = [one for one in world.server("a").heard if isinstance(one, Terminated)]
    assert [notice.ref.path for notice in notices] == ["private", "absent"]
    assert len({notice.cause for notice in notices}) == 1


async def test_an_actor_does_not_fail_because_a_peer_gave_it_an_address_to_watch(world: World, there: Ref[Any]) -> None:
    """An address never ends; that is a mistake of who made it, and not of the actor that was given it."""
    client = await client_of(world)
    client.spawn(Server, name="listener")
    for place in (Address("client", "listener"), Address("b", "server"), Address("a", "server")):
        assert await client.at(Address("b", "server")).ask(Use(client.at(place), "watch")) == "done"
    assert await there.ask(Use(world.systems["a"].at(Address("a", "server")), "watch")) == "done"
    await settle()

    assert world.systems["b"].failures == 0
    causes = [one.cause for one in world.server("b").heard if isinstance(one, Terminated)]
    assert len(causes) == 4
    assert all("an address never ends" in cause for cause in causes)
