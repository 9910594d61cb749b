"""Messages with a time to live, and conflated messages."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie.errors import AskTimeout, MessageTypeError
from coterie.runtime.actor import Actor
from coterie.runtime.cells.mailbox import Overflow
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import Ask, lane_of, message
from coterie.runtime.system import System

pytestmark = pytest.mark.virtual


@message(name="delivery.Fresh", ttl_s=1.0)
class Fresh:
    number: int


@message(name="delivery.Question", ttl_s=1.0)
class Question(Ask[int]):
    number: int


@message(name="delivery.Price", conflate="symbol")
class Price:
    symbol: str
    value: int


@message(name="delivery.Refresh", conflate=(), ttl_s=1.0, lane=Lane.CONSENSUS)
class Refresh:
    number: int


@message(name="delivery.Wait")
class Wait:
    for_s: float


Any_ = Fresh | Question | Price | Refresh | Wait


class Sync(Actor[Any_]):
    def __init__(self) -> None:
        self.seen: list[object] = []

    def receive(self, msg: Any_) -> object:
        self.seen.append(msg)
        return 1


class Slow(Sync):
    async def receive(self, msg: Any_) -> object:
        if isinstance(msg, Wait):
            await asyncio.sleep(msg.for_s)
        self.seen.append(msg)
        return 1


def seen_by(system: System, name: str) -> list[object]:
    cell = system.registry.cell_at(name)
    assert cell is not None
    actor: Any = cell.actor
    return [item for item in actor.seen if not isinstance(item, Wait)]


async def test_a_message_is_not_handled_after_its_time(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(Slow, name="slow")
        ref.tell(Wait(0.9))
        ref.tell(Fresh(1))
        ref.tell(Wait(0.2))
        ref.tell(Fresh(2))
        await asyncio.sleep(3)
        assert seen_by(system, "slow") == [Fresh(1)]
        assert system.stats().dead_letters == {"expired": 1}
        assert system.stats().handled == 3


async def test_an_ask_of_a_message_with_a_time_to_live_waits_no_longer_than_that(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(Slow)
        ref.tell(Wait(4))
        begun = virtual_host.clock.monotonic()
        with pytest.raises(AskTimeout):
            await ref.ask(Question(1))
        assert 1 <= virtual_host.clock.monotonic() - begun < 1.1


@pytest.mark.parametrize("kind", [Sync, Slow])
async def test_only_the_latest_of_a_key_is_handled_in_the_place_of_the_first(
    virtual_host: VirtualHost, kind: type[Sync]
) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(kind, name="ticker")
        for item in (Price("a", 1), Price("b", 1), Fresh(1), Price("a", 2), Price("a", 3)):
            ref.tell(item)
        await asyncio.sleep(0.1)
        ref.tell(Price("a", 4))
        await asyncio.sleep(0.1)
        assert seen_by(system, "ticker") == [Price("a", 3), Price("b", 1), Fresh(1), Price("a", 4)]
        assert system.dead_letters.total == 0


async def test_without_a_key_one_of_the_class_waits_and_is_as_fresh_as_the_latest(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(Slow, name="slow")
        ref.tell(Wait(1.2))
        await asyncio.sleep(0.1)
        ref.tell(Refresh(1))
        await asyncio.sleep(0.5)
        ref.tell(Refresh(2))
        await asyncio.sleep(2)
        assert seen_by(system, "slow") == [Refresh(2)]


async def test_a_conflated_message_that_waits_leaves_room_for_others(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(Sync, name="small", capacity=2)
        for value in range(10):
            ref.tell(Price("a", value))
        ref.tell(Fresh(1))
        await asyncio.sleep(0.1)
        assert seen_by(system, "small") == [Price("a", 9), Fresh(1)]


async def test_what_was_dropped_is_replaced_no_more(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(Sync, name="small", capacity=1, overflow=Overflow.DROP_OLD)
        for item in (Price("a", 1), Fresh(1), Price("a", 2)):
            ref.tell(item)
        await asyncio.sleep(0.1)
        assert seen_by(system, "small") == [Price("a", 2)]
        assert system.stats().dead_letters == {"dropped": 2}


async def test_an_offer_of_a_key_that_waits_replaces_it_without_waiting(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(Sync, name="small", capacity=1)
        ref.tell(Price("a", 1))
        assert ref.offer(Price("a", 2)).done()
        await asyncio.sleep(0.1)
        assert seen_by(system, "small") == [Price("a", 2)]


async def test_a_stopped_actor_refuses_what_it_would_have_conflated(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        dead: list[object] = []
        system.dead_letters.listen(lambda letter, item: dead.append(item))
        ref = system.spawn(Sync)
        ref.tell(Price("a", 1))
        ended = system.stop(ref, drain=True)
        ref.tell(Price("a", 2))
        await ended
        ref.tell(Price("a", 3))
        assert dead == [Price("a", 2), Price("a", 3)]


async def test_listeners_get_the_messages_themselves_and_only_their_names_are_kept(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        dead: list[object] = []
        system.dead_letters.listen(lambda letter, item: dead.append(item))
        ref = system.spawn(Sync)
        ref.tell(Price("a", 1))
        await system.stop(ref)
        assert dead == [Price("a", 1)]
        assert [letter.message for letter in system.dead_letters.latest] == ["Price"]


def test_the_lane_is_the_classes_whatever_else_it_says() -> None:
    assert (lane_of(Refresh(1)), lane_of(Price("a", 1))) == (Lane.CONSENSUS, Lane.BULK)


@pytest.mark.parametrize(
    ("options", "named"),
    [({"ttl_s": 0}, "ttl_s is 0"), ({"ttl_s": float("nan")}, "ttl_s"), ({"conflate": "color"}, "no such field")],
)
def test_a_delivery_that_makes_no_sense_is_refused(options: Any, named: str) -> None:
    with pytest.raises(MessageTypeError, match=named):

        @message(**options)
        class Odd:
            number: int


def test_an_ask_cannot_be_conflated() -> None:
    with pytest.raises(MessageTypeError, match="each one needs a reply"):

        @message(conflate=())
        class Odd(Ask[int]):
            pass
