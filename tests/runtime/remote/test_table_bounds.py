"""Each table of a node that a peer can fill has a bound, and what lies beyond it is answered."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from coterie.errors import MailboxFullError, MessageTypeError, SpawnRefused, TooManyInFlight
from coterie.runtime.actor import Actor, Terminated
from coterie.runtime.messages.field_types import FlagType
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.messages.value_codecs import FLAG_BITS_MAX, NO_REFS, codec_of
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.association import Association
from coterie.runtime.remote.remote_config import RemoteConfig
from coterie.runtime.remote.remote_watches import UNREAD_SIGNALS_MAX
from coterie.runtime.remote.rows import ASK, ENDED, LOOKUP, OFFER, ROUTE, UNWATCH, WATCH, WITHDRAW
from tests.runtime.conftest import CONFIG

if TYPE_CHECKING:
    from tests.runtime.conftest import World

pytestmark = pytest.mark.virtual

SMALL = replace(
    CONFIG, remote=RemoteConfig(in_flight_max=50, offers_max=3, routes_max=20, watches_max=4, spawned_max=3)
)


@message(name="bounds.Hold")
class Hold(Ask[None]):
    number: int


@message(name="bounds.Watch")
class Watch(Ask[None]):
    ref: Ref[Any]


class Server(Actor[Hold | Watch | Terminated]):
    """Holds what it gets until the test ends; watches what it is told to, and keeps the notices."""

    def __init__(self) -> None:
        self.heard: list[Terminated] = []

    def receive(self, msg: Hold | Watch | Terminated) -> object:
        match msg:
            case Hold():
                return asyncio.sleep(3600)
            case Watch(ref):
                self.context.watch(ref)
            case Terminated():
                self.heard.append(msg)
        return None


class Slow(Actor[Hold]):
    """Is busy with its first message until the gate opens."""

    def __init__(self, gate: asyncio.Event) -> None:
        self._gate = gate

    async def receive(self, msg: Hold) -> None:
        await self._gate.wait()


@pytest.fixture
def server() -> type[Server]:
    """The class of the actor `server` of each node."""
    return Server


@pytest.fixture
async def node(world: World) -> Association:
    """The association of node c, whose tables are small, with its peer a."""
    await world.start("c", config=SMALL)
    world.link("a", "c")
    await asyncio.sleep(1)
    association = world.systems["c"].remoting.association("a")
    assert association is not None
    return association


async def send(world: World, *rows: tuple[object, ...], lane: Lane = Lane.BULK) -> None:
    transport = world.systems["a"].remoting.transport
    assert transport is not None
    for at, row in enumerate(rows):
        transport.send("c", lane, row)
        if at % 1000 == 999:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)


async def test_watches_of_one_peer_are_bounded_and_the_rest_is_told_at_once(world: World, node: Association) -> None:
    watched = [world.systems["c"].spawn(Server, name=f"watched{number}") for number in range(6)]
    for ref in watched:
        await world.systems["a"].at(Address("a", "server")).ask(Watch(await world.systems["a"].lookup(f"c/{ref.path}")))
    await asyncio.sleep(0.1)

    assert len(node.watched) == 4
    heard = world.server("a").heard
    assert [(notice.ref.path, notice.cause) for notice in heard] == [
        (f"watched{number}", "refused: 'a' watches 4 actors of node 'c' already; see watches_max=") for number in (4, 5)
    ]
    await world.systems["c"].stop(watched[0])
    await asyncio.sleep(0.1)
    assert heard[2].ref.path == "watched0"
    await world.systems["a"].at(Address("a", "server")).ask(Watch(await world.systems["a"].lookup("c/watched5")))
    await asyncio.sleep(0.1)
    assert (len(node.watched), len(heard)) == (4, 3)


async def test_the_same_watch_again_takes_no_further_place(world: World, node: Association) -> None:
    world.systems["c"].spawn(Server, name="watched")

    await send(world, *[(WATCH, "watched", 0)] * 100, lane=Lane.CONTROL)

    assert len(node.watched) == 1
    assert node.signals_waiting == 0


async def test_notices_that_a_peer_does_not_read_cost_its_link(world: World, node: Association) -> None:
    world.network.link("c", "a").is_blocked = True  # nothing of what c says arrives
    waiting = 0
    for _ in range(60):
        await send(world, *[(WATCH, "n" * 900, 0)] * 1000, lane=Lane.CONTROL)
        waiting = max(waiting, node.signals_waiting)
        if not node.is_up:
            break

    assert not node.is_up
    assert 0 < waiting <= UNREAD_SIGNALS_MAX
    assert ("c", "down", "a") in world.events


async def test_a_watch_of_a_path_that_no_actor_can_have_is_a_bad_row(world: World, node: Association) -> None:
    await send(world, (WATCH, "n" * 1025, 0), (UNWATCH, "n" * 1025, 0), lane=Lane.CONTROL)

    assert world.systems["c"].stats().dead_letters == {"bad_message": 1}
    assert node.is_up


@asynccontextmanager
async def busy(world: World, capacity: int) -> AsyncIterator[Ref[Any]]:
    """An actor of node c that is busy, as node a reaches it."""
    gate = asyncio.Event()
    world.systems["c"].spawn(partial(Slow, gate), name="slow", capacity=capacity)
    slow: Ref[Any] = world.systems["a"].at(Address("c", "slow"))
    slow.tell(Hold(0))
    await asyncio.sleep(0.1)
    yield slow
    gate.set()
    await asyncio.sleep(0.1)


async def test_offers_that_wait_are_bounded_and_the_rest_is_answered(world: World, node: Association) -> None:
    async with busy(world, 1) as slow:
        offers = [slow.offer(Hold(number)) for number in range(10)]
        await asyncio.sleep(0.1)
        waiting = len(node.offers)

    assert waiting == 3
    results = await asyncio.gather(*offers, return_exceptions=True)
    assert results[:4] == [None] * 4
    assert [type(error) for error in results[4:]] == [TooManyInFlight] * 6
    assert node.offers == {}


async def test_an_offer_number_in_use_takes_no_further_place(world: World, node: Association) -> None:
    async with busy(world, 1):
        await send(world, (ROUTE, 16, "slow", 0, "bounds.Hold"), *[(OFFER, 7, 16, (1,))] * 50, *[(WITHDRAW, 8)] * 50)

        assert list(node.offers) == [7]


async def test_routes_are_bounded_and_what_lies_beyond_is_a_bad_row(world: World, node: Association) -> None:
    rows = [(ROUTE, 16 + number, f"path{number}", 0, f"type{number}") for number in range(2000)]
    await send(
        world, *rows, *[(ROUTE, 16, "p" * 1025, 0, "t"), (ROUTE, 16, "p", 0, "t" * 1025), (ROUTE, -1, "p", 0, "t")]
    )

    for routes in node.incoming_routes:
        assert len(routes.routes) + len(routes._unknown) <= 20
    assert world.systems["c"].stats().dead_letters == {"bad_message": 1983}


async def test_asks_in_flight_are_bounded_at_the_mailbox_and_the_rest_is_answered(
    world: World, node: Association
) -> None:
    async with busy(world, 5) as slow:
        asks = [slow.ask(Hold(number)) for number in range(40)]
        await asyncio.sleep(0.1)
        refused = [ask.exception() for ask in asks if ask.done()]

    assert [type(error) for error in refused] == [MailboxFullError] * 35
    await asyncio.gather(*asks, return_exceptions=True)


async def test_requests_leave_nothing_behind(world: World, node: Association) -> None:
    rows: list[tuple[object, ...]] = [(LOOKUP, number, f"path{number}", ("t",)) for number in range(3000)]
    rows += [(ASK, number, 17, (1,), 1000, ()) for number in range(3000)]
    rows += [(ENDED, f"path{number}", number, "x") for number in range(3000)]
    await send(world, *rows)

    system = world.systems["c"]
    assert (len(node.offers), len(node.watched), len(node.pending_requests), node.signals_waiting) == (0, 0, 0, 0)
    assert len(system.remoting.watches) == 0
    assert len(system.dead_letters.latest) <= 100


async def test_actors_spawned_on_request_are_bounded_until_one_has_ended(world: World) -> None:
    await world.start("d", config=SMALL, spawnable={"worker": Server})
    world.link("a", "d")
    await asyncio.sleep(1)
    spawned = [await world.systems["a"].spawn_on("d", "worker") for _ in range(3)]

    with pytest.raises(SpawnRefused, match="node 'd' runs 3 actors that were spawned on request"):
        await world.systems["a"].spawn_on("d", "worker")
    cell = world.systems["d"].registry.cell_at(spawned[1].path)
    assert cell is not None
    await world.systems["d"].stop(cell.ref)
    assert (await world.systems["a"].spawn_on("d", "worker")).path not in {ref.path for ref in spawned}
    assert len(world.systems["d"].remoting.spawned_paths) == 3


# --- flags ----------------------------------------------------------------------------------------------------------


class Rights(enum.IntFlag):
    READ = 1
    WRITE = 2
    BOTH = 3


class Signs(enum.Flag):
    A = enum.auto()
    B = enum.auto()
    C = enum.auto()


def test_decoded_flags_do_not_fill_the_table_of_their_class() -> None:
    codec = codec_of(FlagType(Rights), "here")
    both = Rights.READ | Rights.WRITE
    kept = dict(Rights._value2member_map_)
    decoded: list[Any] = [codec.decode(number, NO_REFS) for number in range(5000)]

    assert Rights._value2member_map_ == kept
    assert decoded == list(range(5000))
    assert all(type(flags) is Rights for flags in decoded)
    assert decoded[3] is both
    assert decoded[7] & Rights.WRITE == Rights.WRITE
    assert codec.encode(decoded[4999]) == 4999


def test_equal_flags_that_are_no_integers_are_the_same_object_and_few_enough() -> None:
    codec = codec_of(FlagType(Signs), "here")
    decoded = [codec.decode(number, NO_REFS) for number in range(8)]

    assert decoded[3] is Signs.A | Signs.B
    assert len(Signs._value2member_map_) == 8


@pytest.mark.parametrize(("bits", "is_refused"), [(FLAG_BITS_MAX, False), (FLAG_BITS_MAX + 1, True)])
def test_a_class_of_flags_with_many_bits_must_be_of_integers(bits: int, is_refused: bool) -> None:
    names = [f"BIT{bit}" for bit in range(bits)]
    many: Any = enum.Flag("Many", names)  # type: ignore[misc]
    numbers: Any = enum.IntFlag("Numbers", names)  # type: ignore[misc]

    codec_of(FlagType(numbers), "here")
    if is_refused:
        with pytest.raises(MessageTypeError, match=f"here: the flags Many have {bits} bits: make it an IntFlag"):
            codec_of(FlagType(many), "here")
    else:
        codec_of(FlagType(many), "here")
