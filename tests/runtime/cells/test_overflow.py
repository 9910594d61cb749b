"""Overflow, policy by policy: asks and offers get an error, tells are counted as dead letters."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any, cast

import pytest

from coterie.errors import ActorStopped, MailboxFullError
from coterie.runtime.actor import Actor
from coterie.runtime.cells.mailbox import OFFERS_MAX, Overflow
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.observing.full_mailboxes import ACTORS_MAX
from coterie.runtime.refs import Ref
from coterie.runtime.system import System

pytestmark = pytest.mark.virtual


@message(name="overflow.Do")
class Do(Ask[int]):
    number: int


@message(name="overflow.Vote", lane=Lane.CONSENSUS)
class Vote:
    number: int


class Counter(Actor[Do | Vote]):
    def __init__(self) -> None:
        self.seen: list[int] = []

    def receive(self, msg: Do | Vote) -> int:
        self.seen.append(msg.number)
        return msg.number


DEAD: weakref.WeakKeyDictionary[System, list[tuple[str, int]]] = weakref.WeakKeyDictionary()


def full(system: System, overflow: Overflow, capacity: int = 2) -> tuple[Ref[Do | Vote], Counter]:
    """An actor in whose mailbox there is no room: it was told 0, 1, … up to its capacity."""
    letters = DEAD[system] = []
    system.dead_letters.listen(lambda letter, item: letters.append((letter.reason.value, cast("Any", item).number)))
    ref = system.spawn(Counter, name="small", capacity=capacity, overflow=overflow)
    for number in range(capacity):
        ref.tell(Do(number))
    cell = system.registry.cell_at("small")
    assert cell is not None
    actor: Any = cell.actor
    return ref, actor


def dead(system: System) -> list[tuple[str, int]]:
    return DEAD[system]


@pytest.mark.parametrize("overflow", Overflow)
async def test_an_ask_that_finds_no_room_hears_the_policy_in_force(
    virtual_host: VirtualHost, overflow: Overflow
) -> None:
    async with System(host=virtual_host) as system:
        ref, _ = full(system, Overflow.FAIL if overflow is Overflow.DROP_OLD else overflow)
        with pytest.raises(MailboxFullError, match=r"'small' is full \(2 of 2, overflow=") as caught:
            await ref.ask(Do(9))
        assert (caught.value.limit, caught.value.actual) == (2, 2)
        assert caught.value.policy in str(caught.value)


async def test_fail_makes_dead_letters_of_tells(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref, counter = full(system, Overflow.FAIL)
        ref.tell(Do(9))
        await asyncio.sleep(0.1)
        assert (counter.seen, dead(system)) == ([0, 1], [("mailbox_full", 9)])


async def test_drop_new_drops_what_comes_and_counts_it(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref, counter = full(system, Overflow.DROP_NEW)
        ref.tell(Do(9))
        await asyncio.sleep(0.1)
        assert (counter.seen, dead(system)) == ([0, 1], [("dropped", 9)])


async def test_drop_old_makes_room_for_what_comes_in_order(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref, counter = full(system, Overflow.DROP_OLD)
        ref.tell(Do(8))
        ref.tell(Do(9))
        await asyncio.sleep(0.1)
        assert (counter.seen, dead(system)) == ([8, 9], [("dropped", 0), ("dropped", 1)])


async def test_an_asker_who_is_dropped_for_a_newer_message_hears_of_it(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(Counter, name="small", capacity=1, overflow=Overflow.DROP_OLD)
        asked = ref.ask(Do(1))
        ref.tell(Do(2))
        with pytest.raises(MailboxFullError, match="overflow='drop_old'"):
            await asked


async def test_drop_old_drops_from_the_lane_that_is_full_only(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref, counter = full(system, Overflow.DROP_OLD, capacity=1)
        ref.tell(Vote(7))
        ref.tell(Vote(8))
        await asyncio.sleep(0.1)
        assert (counter.seen, dead(system)) == ([8, 0], [("dropped", 7)])


@pytest.mark.parametrize("overflow", [Overflow.FAIL, Overflow.DROP_NEW])
async def test_an_offer_waits_though_tells_are_refused(virtual_host: VirtualHost, overflow: Overflow) -> None:
    async with System(host=virtual_host) as system:
        ref, counter = full(system, overflow)
        room = ref.offer(Do(9))
        assert not room.done()
        await room
        await asyncio.sleep(0.1)
        assert (counter.seen, dead(system)) == ([0, 1, 9], [])


async def test_an_offer_gets_in_at_once_where_the_oldest_is_dropped(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref, counter = full(system, Overflow.DROP_OLD)
        assert ref.offer(Do(9)).done()
        await asyncio.sleep(0.1)
        assert counter.seen == [1, 9]


async def test_the_offers_that_wait_are_bounded(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref, counter = full(system, Overflow.FAIL)
        rooms = [ref.offer(Do(number)) for number in range(OFFERS_MAX + 1)]
        with pytest.raises(MailboxFullError, match="the offer was refused"):
            await rooms[-1]
        await asyncio.gather(*rooms[:-1])
        await asyncio.sleep(1)
        assert len(counter.seen) == 2 + OFFERS_MAX


async def test_a_draining_actor_serves_what_waits_and_refuses_what_comes(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref, counter = full(system, Overflow.FAIL, capacity=3)
        waits_outside = ref.offer(Do(5))
        ended = system.stop(ref, drain=True)
        ref.tell(Do(8))
        with pytest.raises(ActorStopped):
            await ref.ask(Do(9))
        with pytest.raises(ActorStopped):
            await waits_outside
        with pytest.raises(ActorStopped):
            await ref.offer(Do(10))
        await ended
        assert (counter.seen, dead(system)) == ([0, 1, 2], [("stopped", 8)])


async def test_an_idle_actor_that_drains_ends_at_once(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(Counter)
        await system.stop(ref, drain=True)
        assert system.stats().actors == 0


async def test_a_stop_cuts_a_drain_short(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref, counter = full(system, Overflow.FAIL)
        drained = system.stop(ref, drain=True)
        await asyncio.gather(system.stop(ref), drained)
        assert (counter.seen, len(dead(system))) == ([], 2)


class Fragile(Actor[Do]):
    """Fails on 0, and counts the rest in a list that outlives it."""

    seen: list[int]

    def receive(self, msg: Do) -> int:
        if msg.number == 0:
            raise RuntimeError("zero")
        self.seen.append(msg.number)
        return msg.number


async def test_a_drain_goes_on_after_a_restart(virtual_host: VirtualHost) -> None:
    class Mine(Fragile):
        seen: list[int] = []  # noqa: RUF012 (shared by its lives on purpose)

    async with System(host=virtual_host) as system:
        ref = system.spawn(Mine)
        for number in (1, 0, 2):
            ref.tell(Do(number))
        await system.stop(ref, drain=True)
        assert Mine.seen == [1, 2]


def warned(caplog: pytest.LogCaptureFixture) -> list[tuple[str, int]]:
    """The actors of the records about full mailboxes, and the counts."""
    facts = [cast("Any", record).facts for record in caplog.records if record.message.startswith("mailbox.overflowed")]
    return [(each["actor"], each["count"]) for each in facts]


async def test_a_full_mailbox_is_logged_at_once_and_then_with_the_count_of_each_period(
    virtual_host: VirtualHost, caplog: pytest.LogCaptureFixture
) -> None:
    async with System(host=virtual_host) as system:
        ref, _ = full(system, Overflow.FAIL)
        for number in range(20_000):
            ref.tell(Do(number))
        assert warned(caplog) == [("small", 1)]
        await asyncio.sleep(9)
        assert warned(caplog) == [("small", 1)]
        await asyncio.sleep(2)
        assert warned(caplog) == [("small", 1), ("small", 19_999)]
        assert "capacity=2" in caplog.records[-1].message
        await asyncio.sleep(20)
        assert warned(caplog)[2:] == []

        for number in range(3):
            ref.tell(Do(number))
        asks = [ref.ask(Do(number)) for number in range(3)]
        assert warned(caplog)[2:] == [("small", 1)]
    assert warned(caplog)[2:] == [("small", 1), ("small", 3)]
    await asyncio.gather(*asks, return_exceptions=True)


async def test_many_full_mailboxes_are_told_apart_up_to_a_bound(
    virtual_host: VirtualHost, caplog: pytest.LogCaptureFixture
) -> None:
    async with System(host=virtual_host) as system:
        for number in range(ACTORS_MAX + 7):
            ref = system.spawn(Counter, name=f"c{number}", capacity=1)
            ref.tell(Do(0))
            ref.tell(Do(1))
    assert len(warned(caplog)) == ACTORS_MAX + 2
    assert warned(caplog)[-2:] == [("other actors", 1), ("other actors", 6)]


@pytest.mark.parametrize("overflow", [Overflow.DROP_NEW, Overflow.DROP_OLD])
async def test_what_a_policy_drops_is_counted_and_not_logged(
    virtual_host: VirtualHost, caplog: pytest.LogCaptureFixture, overflow: Overflow
) -> None:
    async with System(host=virtual_host) as system:
        ref, _ = full(system, overflow)
        for number in range(5):
            ref.tell(Do(number))
        cell = system.registry.cell_at("small")
        assert cell is not None
        assert cell.refused == 5
    assert warned(caplog) == []
