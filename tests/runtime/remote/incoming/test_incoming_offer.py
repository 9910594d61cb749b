"""Offers between systems: done when the message is in the mailbox over there, and settled once whatever happens."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from coterie.errors import (
    ActorNotFound,
    ActorStopped,
    BadMessage,
    ConnectionLost,
    CoterieError,
    NodeUnreachable,
    Outcome,
    TooManyInFlight,
)
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.remote_config import RemoteConfig
from coterie.runtime.system import SystemConfig
from coterie.runtime.transport.handshake.identity import PeerRole

if TYPE_CHECKING:
    from tests.runtime.conftest import World

pytestmark = pytest.mark.virtual

CAPACITY = 3


@message(name="offers.Note")
class Note:
    number: int


@message(name="offers.Gate")
class Gate(Ask[None]):
    pass


class Server(Actor[Note | Gate]):
    """Waits at its gate until the test opens it."""

    def __init__(self) -> None:
        self.notes: list[int] = []
        self.gate = asyncio.Event()

    async def receive(self, msg: Note | Gate) -> None:
        match msg:
            case Note(number):
                self.notes.append(number)
            case Gate():
                await self.gate.wait()


@pytest.fixture
def server() -> type[Server]:
    """The class of the actor `server` of each node."""
    return Server


async def settle() -> None:
    await asyncio.sleep(0.1)


async def full(world: World, name: str = "tight") -> tuple[Ref[Any], Server]:
    """An actor on b with a full mailbox, as a reaches it, and the actor itself."""
    b = world.systems["b"]
    ref = b.spawn(Server, name=name, capacity=CAPACITY, exported=True)
    cell = b.registry.cell_at(name)
    assert cell is not None
    assert isinstance(cell.actor, Server)
    held = ref.ask(Gate(), timeout_s=1000)
    held.add_done_callback(lambda held: held.exception())
    await settle()
    for at in range(CAPACITY):
        ref.tell(Note(at))
    return world.systems["a"].at(Address("b", name)), cell.actor


def offers_open(world: World) -> list[int]:
    """How many offers wait for room, by node on which they do."""
    remoting = [world.systems[node].remoting for node in ("a", "b")]
    other = [remoting[0].association("b"), remoting[1].association("a")]
    return [0 if association is None else len(association.offers) for association in other]


async def test_an_offer_is_done_when_it_is_in_the_mailbox(world: World, there: Ref[Any]) -> None:
    offers = [there.offer(Note(at)) for at in range(10)]
    await asyncio.gather(*offers)

    assert world.server("b").notes == list(range(10))


async def test_offers_wait_while_the_mailbox_is_full_and_come_in_order(world: World) -> None:
    tight, actor = await full(world)
    offers = [tight.offer(Note(100 + at)) for at in range(5)]
    await asyncio.sleep(60)
    assert not any(offer.done() for offer in offers), "back-pressure lasts as long as the mailbox is full"
    assert offers_open(world) == [0, 5]
    actor.gate.set()
    await asyncio.gather(*offers)
    await settle()

    assert actor.notes == [0, 1, 2, 100, 101, 102, 103, 104]
    assert offers_open(world) == [0, 0]
    assert world.systems["b"].stats().dead_letters == {}


async def test_an_offer_to_nobody_or_to_one_who_has_gone_says_so(world: World, there: Ref[Any]) -> None:
    a, b = world.systems["a"], world.systems["b"]
    with pytest.raises(ActorNotFound):
        await a.at(Address("b", "nobody")).offer(Note(1))
    with pytest.raises(NodeUnreachable):
        await a.at(Address("z", "nobody")).offer(Note(1))
    with pytest.raises(BadMessage, match="field 'number'"):
        await there.offer(Note("x"))  # type: ignore[arg-type]
    with pytest.raises(BadMessage, match="is beyond 64 bits"):
        await there.offer(Note(2**70))
    tight, actor = await full(world)
    waiting = tight.offer(Note(9))
    await settle()
    cell = b.registry.cell_at("tight")
    assert cell is not None
    ended = b.stop(cell.ref)
    actor.gate.set()
    await ended
    with pytest.raises(ActorStopped):
        await waiting
    assert actor.notes == []


async def test_a_cancelled_offer_is_withdrawn_over_there(world: World) -> None:
    tight, actor = await full(world)
    kept, cancelled = tight.offer(Note(50)), tight.offer(Note(51))
    await settle()
    cancelled.cancel()
    await settle()
    assert offers_open(world) == [0, 1]
    assert world.asks_out() == 1
    actor.gate.set()
    await kept
    await settle()

    assert actor.notes == [0, 1, 2, 50]


async def test_a_link_that_drops_leaves_an_offer_unknown_and_frees_its_place(world: World) -> None:
    tight, actor = await full(world)
    waiting = tight.offer(Note(50))
    await settle()
    world.network.reset("a", "b")
    with pytest.raises(ConnectionLost, match=r"Note to tight@b: the connection dropped .*it may have run") as caught:
        await waiting
    assert caught.value.outcome is Outcome.UNKNOWN
    await asyncio.sleep(5)
    actor.gate.set()
    await settle()

    assert actor.notes == [0, 1, 2], "nothing is repeated by the new link"
    assert offers_open(world) == [0, 0]
    await tight.offer(Note(51))
    await settle()
    assert actor.notes == [0, 1, 2, 51]


@pytest.mark.parametrize("delay_ms", range(12))
async def test_cut_at_any_moment_an_offer_is_in_the_mailbox_at_most_once(
    world: World, there: Ref[Any], delay_ms: int
) -> None:
    offers = []
    for at in range(20):
        offers.append(there.offer(Note(at)))
        await asyncio.sleep(0.0005)
        if at * 0.5 >= delay_ms:
            world.network.reset("a", "b")
            break
    settled = await asyncio.gather(*offers, return_exceptions=True)
    await asyncio.sleep(5)
    notes = world.server("b").notes

    assert notes == sorted(set(notes))
    taken = [at for at, outcome in enumerate(settled) if outcome is None]
    refused = [
        at
        for at, outcome in enumerate(settled)
        if isinstance(outcome, CoterieError) and outcome.outcome is Outcome.DEFINITE
    ]
    assert set(taken) <= set(notes), "what was acknowledged is there"
    assert not set(refused) & set(notes), "what was refused is not"


async def test_a_client_cannot_offer_to_what_is_not_exported(world: World) -> None:
    client = await world.start("client", PeerRole.CLIENT)
    client.dial("b.test", 1)
    await asyncio.sleep(1)
    await client.at(Address("b", "server")).offer(Note(1))
    with pytest.raises(ActorNotFound):
        await client.at(Address("b", "private")).offer(Note(1))

    assert world.server("b").notes == [1]


async def test_offers_that_wait_are_bounded_at_both_ends(world: World) -> None:
    await world.stop("a")
    await world.stop("b")
    await world.start("a", config=SystemConfig(remote=RemoteConfig(in_flight_max=6)))
    await world.start("b", config=SystemConfig(remote=RemoteConfig(offers_max=4)))
    world.link("a", "b")
    await asyncio.sleep(10)
    tight, actor = await full(world)
    offers = [tight.offer(Note(50 + at)) for at in range(8)]
    await settle()

    refused = [str(offer.exception()) if offer.done() else "" for offer in offers]
    assert refused[:4] == [""] * 4
    assert all(
        "4 offers of 'a' wait for room already on 'b' (limit 4)" in text and "offers_max=" in text
        for text in refused[4:6]
    )
    assert all(
        "node 'b' has not answered 6 asks and offers (limit 6)" in text and "in_flight_max=" in text
        for text in refused[6:]
    )
    assert isinstance(offers[7].exception(), TooManyInFlight)
    actor.gate.set()
    await asyncio.gather(*offers[:4])
    await tight.offer(Note(99))
    await settle()
    assert actor.notes == [0, 1, 2, 50, 51, 52, 53, 99]
