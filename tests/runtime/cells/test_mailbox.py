"""`Mailbox`: lanes, bounds, and offers that wait for room."""

from __future__ import annotations

import asyncio

import pytest

from coterie.errors import ActorStopped
from coterie.runtime.cells.mailbox import NO_QUEUE, Mailbox
from coterie.runtime.messages.lanes import Lane


def room() -> asyncio.Future[None]:
    return asyncio.get_running_loop().create_future()


def drain(mailbox: Mailbox) -> list[object]:
    return list(iter(mailbox.take, None))


def test_consensus_goes_before_bulk_and_each_lane_in_order() -> None:
    mailbox = Mailbox(10)
    for item, lane in (("b1", Lane.BULK), ("c1", Lane.CONSENSUS), ("b2", Lane.BULK), ("c2", Lane.CONSENSUS)):
        assert mailbox.put(item, lane)

    assert drain(mailbox) == ["c1", "c2", "b1", "b2"]


def test_each_lane_is_bounded_by_itself() -> None:
    mailbox = Mailbox(1)

    assert mailbox.put(1, Lane.BULK)
    assert not mailbox.put(2, Lane.BULK)
    assert mailbox.put(3, Lane.CONSENSUS)
    assert not mailbox.put(4, Lane.CONSENSUS)
    assert mailbox.depth == 2


def test_an_idle_mailbox_has_no_queue() -> None:
    mailbox = Mailbox(10)

    assert mailbox.bulk is NO_QUEUE
    assert (mailbox.consensus, mailbox.control) == (None, None)


async def test_offers_come_in_first_come_first_served_as_there_is_room() -> None:
    mailbox = Mailbox(1)
    mailbox.put(0, Lane.BULK)
    rooms = [room(), room()]
    for at, future in enumerate(rooms, start=1):
        mailbox.queue_offer(at, Lane.BULK, future)

    assert mailbox.take() == 0
    assert [future.done() for future in rooms] == [True, False]
    assert not mailbox.put("late tell", Lane.BULK), "the room that became free belongs to the offer"
    assert drain(mailbox) == [1, 2]


async def test_an_offer_of_one_lane_does_not_hold_up_those_of_the_other() -> None:
    mailbox = Mailbox(1)
    mailbox.put("c0", Lane.CONSENSUS)
    mailbox.put("b0", Lane.BULK)
    consensus, bulk = room(), room()
    mailbox.queue_offer("c1", Lane.CONSENSUS, consensus)
    mailbox.queue_offer("b1", Lane.BULK, bulk)

    assert mailbox.take() == "c0"
    assert consensus.done()
    assert not bulk.done()
    assert drain(mailbox) == ["c1", "b0", "b1"]
    assert bulk.done()


async def test_a_cancelled_offer_is_never_delivered_and_makes_way() -> None:
    mailbox = Mailbox(1)
    mailbox.put(0, Lane.BULK)
    first, second = room(), room()
    mailbox.queue_offer(1, Lane.BULK, first)
    mailbox.queue_offer(2, Lane.BULK, second)
    first.cancel()

    assert drain(mailbox) == [0, 2]
    assert second.done()


async def test_cancelled_offers_do_not_pile_up() -> None:
    mailbox = Mailbox(1)
    mailbox.put(0, Lane.BULK)
    for _ in range(100):
        future = room()
        mailbox.queue_offer(1, Lane.BULK, future)
        future.cancel()
    await asyncio.sleep(0)

    assert mailbox._offers == {Lane.BULK: {}}


async def test_close_returns_what_was_inside_and_fails_the_offers() -> None:
    mailbox = Mailbox(1)
    mailbox.put("b", Lane.BULK)
    mailbox.put("c", Lane.CONSENSUS)
    waiting = room()
    mailbox.queue_offer("w", Lane.BULK, waiting)

    assert mailbox.close(ActorStopped("gone")) == ["c", "b"]
    with pytest.raises(ActorStopped):
        await waiting
    assert not mailbox.put("x", Lane.BULK)
    assert not mailbox.has_any
    assert mailbox.bulk is NO_QUEUE, "a dead mailbox grows no queue"
