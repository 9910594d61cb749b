"""Asks between systems whose link, node or system goes: each ends, soon, and says what may have happened."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from coterie.errors import AskTimeout, ConnectionLost, NodeUnreachable, Outcome
from coterie.runtime.actor import Actor, Later
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.identity import PeerRole

if TYPE_CHECKING:
    from tests.runtime.conftest import World

pytestmark = pytest.mark.virtual


@message(name="links.Echo")
class Echo(Ask[str]):
    text: str


@message(name="links.Note")
class Note:
    number: int


class Server(Actor[Echo | Note]):
    """Answers at once, or keeps the reply to "later"."""

    def __init__(self) -> None:
        self.kept: list[Later[str]] = []

    def receive(self, msg: Echo | Note) -> str:
        match msg:
            case Echo("later"):
                self.kept.append(self.context.reply_later(msg))
            case Echo(text):
                return f"{text} at {self.context.system.node}"
        return ""


@pytest.fixture
def server() -> type[Server]:
    """The class of the actor `server` of each node."""
    return Server


async def settle() -> None:
    await asyncio.sleep(0.1)


async def test_an_ask_in_flight_when_the_connection_drops_is_unknown_at_once(world: World, there: Ref[Any]) -> None:
    ask = there.ask(Echo("later"), timeout_s=100)
    await settle()
    before = world.systems["a"].host.clock.monotonic()
    world.network.reset("a", "b")
    with pytest.raises(ConnectionLost, match="it may have run") as caught:
        await ask

    assert caught.value.outcome is Outcome.UNKNOWN
    assert world.systems["a"].host.clock.monotonic() - before < 0.1


async def test_an_answer_goes_by_the_link_its_ask_came_by_or_not_at_all(world: World, there: Ref[Any]) -> None:
    ask = there.ask(Echo("later"), timeout_s=100)
    await settle()
    world.network.reset("a", "b")
    await asyncio.sleep(5)
    assert await there.ask(Echo("x")) == "x at b"
    before = world.systems["b"].stats().transport["items_out"]
    world.server("b").kept[0].reply("late")
    await settle()

    assert isinstance(ask.exception(), ConnectionLost)
    assert world.systems["b"].stats().transport["items_out"] == before


async def test_a_node_without_a_link_is_unreachable_at_once_and_definitely(world: World) -> None:
    a = world.systems["a"]
    before = a.host.clock.monotonic()
    with pytest.raises(NodeUnreachable) as caught:
        await a.at(Address("z", "server")).ask(Echo("x"), timeout_s=100)
    a.at(Address("z", "server")).tell(Note(1))

    assert a.host.clock.monotonic() == before
    assert caught.value.outcome is Outcome.DEFINITE
    assert a.stats().dead_letters == {"unreachable": 1}


async def test_a_timeout_leaves_the_table_and_a_late_reply_is_ignored(world: World, there: Ref[Any]) -> None:
    with pytest.raises(AskTimeout):
        await there.ask(Echo("later"), timeout_s=1)
    assert world.asks_out() == 0
    world.server("b").kept[0].reply("late")
    world.server("b").kept[0].reply("twice")
    await settle()

    assert await there.ask(Echo("x")) == "x at b"
    assert world.systems["a"].stats().dead_letters == {}


async def test_operators_are_told_once_of_a_lost_node_and_once_of_its_return(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    client = await world.start("c", PeerRole.CLIENT)
    client.dial("a.test", 1)
    await asyncio.sleep(1)
    caplog.clear()
    world.network.partition("a", "b")
    await asyncio.sleep(60)
    await world.stop("c")  # a client that leaves is no lost node
    world.network.heal()
    await asyncio.sleep(60)
    world.network.reset("a", "b")  # the link breaks, and is up again before the node counts as lost
    await asyncio.sleep(60)

    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len([text for text in told if text.startswith("node.lost node=a peer=b reason=")]) == 1
    assert [text for text in told if text.startswith("node.back node=a")] == ["node.back node=a peer=b"]
    assert all(text.startswith(("node.lost", "node.back")) and "peer=c" not in text for text in told)


async def test_a_partition_brings_the_link_down_by_silence_and_healing_brings_it_up(
    world: World, there: Ref[Any]
) -> None:
    ask = there.ask(Echo("later"), timeout_s=100)
    world.network.partition("a", "b")
    with pytest.raises(ConnectionLost):
        await ask
    await asyncio.sleep(10)
    with pytest.raises(NodeUnreachable):
        await there.ask(Echo("x"))
    assert [kind for node, kind, _ in world.events if node == "a"] == ["up", "down", "lost"]
    world.network.heal()
    await asyncio.sleep(10)

    assert await there.ask(Echo("healed")) == "healed at b"


async def test_a_frozen_peer_is_noticed_though_its_connections_stand(world: World, there: Ref[Any]) -> None:
    world.network.freeze("b")
    before = world.systems["a"].host.clock.monotonic()
    with pytest.raises(ConnectionLost, match="silent"):
        await there.ask(Echo("x"), timeout_s=100)

    assert world.systems["a"].host.clock.monotonic() - before < 5
    world.network.thaw("b")
    await asyncio.sleep(10)
    assert await there.ask(Echo("thawed")) == "thawed at b"


async def test_who_waits_for_a_link_goes_on_when_it_is_up_and_is_told_why_when_it_is_not(world: World) -> None:
    third = await world.start("c")
    world.link("a", "c")
    await third.linked("a")
    await third.linked("a")  # it is up: at once
    began = asyncio.get_running_loop().time()

    with pytest.raises(NodeUnreachable, match="node 'nobody' is unreachable"):
        await third.linked("nobody", timeout_s=2.0)

    assert asyncio.get_running_loop().time() - began == pytest.approx(2.0)


async def test_a_system_without_a_network_says_so() -> None:
    async with System(host=VirtualHost("lonely")) as system:
        with pytest.raises(NodeUnreachable, match="this system has no network"):
            await system.at(Address("b", "server")).ask(Echo("x"))


async def test_link_events_end_when_their_listener_is_taken_away(world: World) -> None:
    heard: list[LinkEvent] = []
    end: Callable[[], None] = world.systems["a"].on_link(heard.append)
    end()
    end()
    world.network.reset("a", "b")
    await settle()

    assert heard == []


async def test_asks_that_are_out_when_their_system_stops_end_with_it(world: World, there: Ref[Any]) -> None:
    ask = there.ask(Echo("later"), timeout_s=1000)
    await settle()
    await world.stop("a")

    with pytest.raises(AskTimeout, match="before this system stopped"):
        await ask
