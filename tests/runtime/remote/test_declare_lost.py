"""The verdict of a failure detector: a node that is declared lost is treated as if it had crashed, at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from coterie.errors import ConnectionLost, Outcome
from coterie.runtime.actor import Actor, Terminated
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.system import System

if TYPE_CHECKING:
    from tests.runtime.conftest import World

pytestmark = pytest.mark.virtual

REASON = "no answer to 3 probes"


@message(name="declare_lost.Watch")
class Watch(Ask[None]):
    ref: Ref[Any]


@message(name="declare_lost.Wait")
class Wait(Ask[None]):
    seconds: float


class Server(Actor[Watch | Wait | Terminated]):
    def __init__(self) -> None:
        self.heard: list[Terminated] = []

    async def receive(self, msg: Watch | Wait | Terminated) -> None:
        match msg:
            case Watch(ref):
                self.context.watch(ref)
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case Terminated():
                self.heard.append(msg)


@pytest.fixture
def server() -> type[Server]:
    """The class of the actor `server` of each node."""
    return Server


async def watch(world: World) -> Ref[Any]:
    """Let a's server watch b's, and return the ref."""
    ref: Ref[Any] = await world.systems["a"].lookup("b/server")
    await world.systems["a"].at(Address("a", "server")).ask(Watch(ref))
    await asyncio.sleep(0.1)
    return ref


def heard(world: World) -> list[tuple[Ref[Any], str]]:
    return [(notice.ref, notice.cause) for notice in world.server("a").heard]


async def test_watches_end_at_once_with_the_cause(world: World) -> None:
    ref = await watch(world)
    world.network.freeze("b")
    world.systems["a"].declare_lost("b", REASON)
    for _ in range(3):
        await asyncio.sleep(0)

    assert heard(world) == [(ref, f"lost: {REASON}")]
    world.network.thaw("b")
    await asyncio.sleep(20)
    assert len(heard(world)) == 1, "a loss is final for the ref"


async def test_pending_asks_fail_as_unknown(world: World, there: Ref[Any]) -> None:
    asked = there.ask(Wait(3.0))
    await asyncio.sleep(0.1)
    world.systems["a"].declare_lost("b", REASON)

    with pytest.raises(ConnectionLost, match=REASON) as caught:
        await asked
    assert caught.value.outcome is Outcome.UNKNOWN


async def test_link_listeners_get_down_and_lost_with_the_reason(world: World) -> None:
    events: list[LinkEvent] = []
    world.systems["a"].on_link(events.append)
    world.systems["a"].declare_lost("b", REASON)

    assert [(event.kind, event.node, event.reason) for event in events] == [
        ("down", "b", REASON),
        ("lost", "b", REASON),
    ]
    assert world.systems["a"].links == ()


@pytest.mark.parametrize("node", ["a", "b"])
async def test_a_node_that_was_wrongly_declared_lost_comes_back_and_its_addresses_resolve(
    world: World, node: str
) -> None:
    other = "b" if node == "a" else "a"
    world.systems[node].declare_lost(other, REASON)
    await asyncio.sleep(1)

    assert [kind for name, kind, _ in world.events if name == node] == ["up", "down", "lost", "up"]
    await world.systems[node].at(Address(other, "server")).ask(Wait(0.0))


async def test_a_node_that_is_lost_already_is_not_lost_again(world: World) -> None:
    world.network.partition("a", "b")
    world.systems["a"].declare_lost("b", REASON)
    world.systems["a"].declare_lost("b", "once more")
    await asyncio.sleep(20)
    world.systems["a"].declare_lost("b", "once more")

    assert [kind for name, kind, _ in world.events if name == "a"] == ["up", "down", "lost"]


async def test_a_node_that_counted_as_lost_by_time_is_not_lost_again(world: World) -> None:
    world.network.partition("a", "b")
    await asyncio.sleep(20)
    world.systems["a"].declare_lost("b", REASON)

    assert [kind for name, kind, _ in world.events if name == "a"] == ["up", "down", "lost"]


async def test_an_unknown_node_or_this_one_has_no_effect(world: World) -> None:
    for node in ("c", "a"):
        world.systems["a"].declare_lost(node, REASON)

    assert [peer.node for peer in world.systems["a"].links] == ["b"]


async def test_a_watch_on_a_node_that_was_never_linked_ends_too(world: World) -> None:
    a = world.systems["a"]
    ref = a.registry.ref("c", 5, "server", 1)
    await a.at(Address("a", "server")).ask(Watch(ref))
    a.declare_lost("c", REASON)
    await asyncio.sleep(0.1)

    assert heard(world) == [(ref, f"lost: {REASON}")]


async def test_a_listener_that_declares_it_lost_again_gets_one_notice(world: World) -> None:
    a = world.systems["a"]
    kinds: list[str] = []

    def declare(event: LinkEvent) -> None:
        kinds.append(event.kind)
        if event.kind == "down":
            a.declare_lost("b", "by a listener")

    a.on_link(declare)
    a.declare_lost("b", REASON)

    assert kinds == ["down", "lost"]


async def test_a_system_without_a_network_takes_a_verdict_too(world: World) -> None:
    async with System("alone", host=VirtualHost("alone", network=world.network)) as system:
        system.declare_lost("b", REASON)
