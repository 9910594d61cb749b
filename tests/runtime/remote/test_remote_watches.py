"""Watching across nodes: exactly one notice for each watch, whatever becomes of the links."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from coterie.errors import OutboundFull
from coterie.runtime.actor import Actor, Terminated
from coterie.runtime.cells.supervision import Restart, Supervision
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.rows import ENDED, WATCH
from coterie.runtime.transport.handshake.identity import PeerRole

if TYPE_CHECKING:
    from tests.runtime.conftest import World

pytestmark = pytest.mark.virtual


@message(name="watches.Watch")
class Watch(Ask[None]):
    ref: Ref[Any]


@message(name="watches.Unwatch")
class Unwatch(Ask[None]):
    ref: Ref[Any]


class Server(Actor[Watch | Unwatch | Terminated]):
    """Watches the actors that it is sent, and records the notices that it gets."""

    def __init__(self) -> None:
        self.heard: list[Terminated] = []

    def receive(self, msg: Watch | Unwatch | Terminated) -> None:
        match msg:
            case Watch(ref):
                self.context.watch(ref)
            case Unwatch(ref):
                self.context.unwatch(ref)
            case Terminated():
                self.heard.append(msg)


@pytest.fixture
def server() -> type[Server]:
    """The class of the actor `server` of each node."""
    return Server


async def settle() -> None:
    await asyncio.sleep(0.1)


async def victim(world: World, name: str = "victim") -> Ref[Any]:
    """An actor on b, as a looks it up."""
    world.systems["b"].spawn(Server, name=name, exported=True)
    ref: Ref[Any] = await world.systems["a"].lookup(f"b/{name}")
    return ref


async def watch(world: World, ref: Ref[Any], node: str = "a", path: str = "server") -> None:
    await world.systems[node].at(Address(node, path)).ask(Watch(ref))
    await settle()


def heard(world: World, node: str = "a", path: str = "server") -> list[tuple[Ref[Any], str]]:
    return [(notice.ref, notice.cause) for notice in world.server(node, path).heard]


async def end(world: World, ref: Ref[Any]) -> None:
    cell = world.systems["b"].registry.cell_at(ref.path)
    assert cell is not None
    await world.systems["b"].stop(cell.ref)


def watched(world: World) -> tuple[int, int]:
    """How many actors a watches elsewhere, and how many of b's are watched by a."""
    association = world.systems["b"].remoting.association("a")
    return len(world.systems["a"].remoting.watches), 0 if association is None else len(association.watched)


async def test_the_end_of_an_actor_is_heard_once_by_each_watcher(world: World) -> None:
    ref = await victim(world)
    for _ in range(3):
        await watch(world, ref)
    await watch(world, ref, path="private")
    assert watched(world) == (1, 1)
    assert heard(world) == []
    await end(world, ref)
    await asyncio.sleep(20)

    assert heard(world) == [(ref, "stopped")]
    assert heard(world, path="private") == [(ref, "stopped")]
    assert watched(world) == (0, 0)


async def test_an_actor_that_is_gone_already_is_heard_of_at_once(world: World) -> None:
    ref = await victim(world)
    await end(world, ref)
    await watch(world, ref)
    assert [cause[:8] for _, cause in heard(world)] == ["stopped:"]
    world.systems["b"].spawn(Server, name="victim")
    await watch(world, ref)

    assert [cause[:8] for _, cause in heard(world)] == ["stopped:"] * 2, "its successor is another actor"
    assert watched(world) == (0, 0)


async def test_a_failure_tells_its_cause(world: World) -> None:
    class Weak(Server):
        def receive(self, msg: Watch | Unwatch | Terminated) -> None:
            raise KeyError("no reason")

    world.systems["b"].spawn(Weak, name="weak", supervision=Supervision(restart=Restart.TEMPORARY))
    ref: Ref[Any] = await world.systems["a"].lookup("b/weak")
    await watch(world, ref)
    ref.tell(Watch(ref))
    await settle()

    assert heard(world) == [(ref, "failed: KeyError: 'no reason'")]


async def test_who_watches_no_more_hears_nothing_and_is_forgotten_over_there(world: World) -> None:
    ref = await victim(world)
    await watch(world, ref)
    await watch(world, ref, path="private")
    a = world.systems["a"]
    await a.at(Address("a", "server")).ask(Unwatch(ref))
    await settle()
    assert watched(world) == (1, 1), "the other one still watches"
    private = a.registry.cell_at("private")
    assert private is not None
    await a.stop(private.ref)
    await settle()
    assert watched(world) == (0, 0), "the end of a watcher ends its watch"
    await end(world, ref)
    await settle()

    assert heard(world) == []


async def test_an_end_that_is_on_its_way_is_not_heard_after_unwatch(world: World) -> None:
    ref = await victim(world)
    await watch(world, ref)
    cell = world.systems["a"].registry.cell_at("server")
    assert cell is not None
    cell.watched_ended(next(iter(cell.relations.watched)), Terminated(ref, "stopped"))
    cell.relations.unwatch(ref)
    await settle()

    assert heard(world) == []


async def test_a_watch_survives_a_flap_of_the_link(world: World) -> None:
    ref = await victim(world)
    await watch(world, ref)
    world.network.reset("a", "b")
    await asyncio.sleep(3)
    assert heard(world) == []
    assert watched(world) == (1, 1)
    await end(world, ref)
    await settle()

    assert heard(world) == [(ref, "stopped")]


async def test_an_end_during_a_flap_is_heard_when_the_link_is_back(world: World) -> None:
    ref = await victim(world)
    await watch(world, ref)
    world.network.partition("a", "b")
    world.network.reset("a", "b")
    await asyncio.sleep(1)
    await end(world, ref)
    await asyncio.sleep(1)
    assert heard(world) == []
    world.network.heal()
    await asyncio.sleep(3)

    assert [ref for ref, _ in heard(world)] == [ref]


@pytest.mark.parametrize("at_ms", range(20))
async def test_cut_at_any_moment_around_the_end_there_is_one_notice(world: World, at_ms: int) -> None:
    ref = await victim(world)
    world.systems["a"].at(Address("a", "server")).tell(Watch(ref))
    ending: list[asyncio.Future[None]] = []
    for now_ms in range(20):
        if now_ms == at_ms:
            world.network.reset("a", "b")
        if now_ms == 5:
            ending.append(asyncio.ensure_future(end(world, ref)))
        await asyncio.sleep(0.001)
    await asyncio.gather(*ending)
    await asyncio.sleep(20)

    assert [ref for ref, _ in heard(world)] == [ref]
    assert watched(world) == (0, 0)


async def test_a_node_that_is_lost_ends_what_is_watched_there_in_the_stated_time(world: World) -> None:
    ref = await victim(world)
    await watch(world, ref)
    world.network.partition("a", "b")
    lost_after_s = world.systems["a"].config.transport.lost_after_s
    await asyncio.sleep(lost_after_s - 2)
    assert heard(world) == []
    await asyncio.sleep(4)
    assert [(ref, cause[:5]) for ref, cause in heard(world)] == [(ref, "lost:")]
    world.network.heal()
    await asyncio.sleep(10)
    await end(world, ref)
    await settle()

    assert len(heard(world)) == 1, "a loss is final, even if the link comes back"
    assert watched(world) == (0, 0)


async def test_a_node_that_comes_back_in_another_life_has_lost_all_its_actors(world: World) -> None:
    ref = await victim(world)
    await watch(world, ref)
    await world.stop("b")
    await world.start("b")
    world.link("a", "b")
    await asyncio.sleep(10)
    assert len(heard(world)) == 1
    await watch(world, ref)

    assert [cause[:5] for _, cause in heard(world)][1:] == ["lost:"], "an old life can be watched: it is over"
    assert watched(world) == (0, 0)


async def test_a_watch_of_a_node_without_a_link_waits_for_the_link_or_gives_up(world: World) -> None:
    ref = await victim(world)
    a = world.systems["a"]
    nowhere: Ref[Any] = a.registry.ref("z", 1, "server", 1)
    world.network.partition("a", "b")
    world.network.reset("a", "b")
    await asyncio.sleep(0.5)
    await watch(world, ref)
    await watch(world, nowhere)
    assert heard(world) == []
    world.network.heal()
    await asyncio.sleep(10)
    assert heard(world) == [(nowhere, "lost: there is no link to its node")]
    await end(world, ref)
    await settle()

    assert len(heard(world)) == 2


async def test_a_frozen_watcher_costs_the_watched_node_nothing_after_its_link(world: World) -> None:
    ref = await victim(world)
    await watch(world, ref)
    world.network.freeze("a")
    await asyncio.sleep(10)
    cell = world.systems["b"].registry.cell_at("victim")
    assert cell is not None

    assert not cell.relations.watchers
    world.network.thaw("a")
    await asyncio.sleep(10)


async def test_a_client_watches_exported_actors_only(world: World) -> None:
    client = await world.start("client", PeerRole.CLIENT)
    client.dial("b.test", 1)
    client.spawn(Server, name="server")
    await asyncio.sleep(1)
    ref = await victim(world)
    private = world.systems["b"].registry.cell_at("private")
    assert private is not None
    await watch(world, ref, node="client")
    await watch(world, private.ref, node="client")
    await end(world, ref)
    await settle()

    assert [cause[:8] for _, cause in heard(world, "client")] == ["stopped:", "stopped"]


async def test_an_address_cannot_be_watched(world: World) -> None:
    cell = world.systems["a"].registry.cell_at("server")
    assert cell is not None
    with pytest.raises(ValueError, match=r"an address never ends; watch the actor's own ref, see System\.lookup"):
        cell.watch(world.systems["a"].at(Address("b", "server")))


async def test_forged_and_repeated_notices_are_heard_by_nobody(world: World) -> None:
    await world.start("c")
    world.link("a", "c")
    await asyncio.sleep(1)
    ref = await victim(world)
    await watch(world, ref)
    forger = world.systems["c"].remoting.transport
    assert forger is not None
    forger.send("a", Lane.CONTROL, (ENDED, ref.path, ref.uid, "forged"))
    genuine = world.systems["b"].remoting.transport
    assert genuine is not None
    for _ in range(3):
        genuine.send("a", Lane.CONTROL, (ENDED, ref.path, ref.uid, "stopped"))
        forger.send("a", Lane.CONTROL, (WATCH, "server", 1))
    await settle()

    assert heard(world) == [(ref, "stopped")]
    association = world.systems["a"].remoting.association("c")
    assert association is not None
    assert len(association.watched) == 1
    cell = world.systems["a"].registry.cell_at("server")
    assert cell is not None
    assert len(cell.relations.watchers) == 1


async def test_a_signal_that_finds_no_room_is_sent_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = await victim(world)
    await watch(world, ref)
    association = world.systems["b"].remoting.association("a")
    assert association is not None
    send = type(association).send
    refused: list[Any] = []

    def refuse(self: Any, lane: Lane, row: Any) -> None:
        if len(refused) < 3 and row[0] == ENDED:
            refused.append(row)
            raise OutboundFull("a", size_bytes=1, pending_bytes=1, limit_bytes=1)
        send(self, lane, row)

    monkeypatch.setattr(type(association), "send", refuse)
    await end(world, ref)
    await asyncio.sleep(1)

    assert len(refused) == 3
    assert heard(world) == [(ref, "stopped")]
