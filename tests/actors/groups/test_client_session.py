"""A client's numbers: each once, the low-water mark never above what is still needed, the window kept."""

from __future__ import annotations

import asyncio
import random

from coterie.actors.groups.client_session import Identity, Session
from coterie.protocols.sessions import SessionId

SESSION = SessionId(b"s" * 16)


def session(window: int = 4096) -> Session:
    return Session(SESSION, window)


async def test_sequences_count_from_one() -> None:
    own = session()

    assert [await own.next() for _ in range(3)] == [Identity(SESSION, number, 1) for number in (1, 2, 3)]


async def test_the_low_water_mark_is_the_oldest_that_is_not_settled() -> None:
    own = session()
    first, second, third = [await own.next() for _ in range(3)]

    own.settle(second)
    assert own.low_water == 1
    own.settle(first)
    assert own.low_water == 3
    own.settle(third)
    assert own.low_water == 4
    assert await own.next() == Identity(SESSION, 4, 4)


async def test_settling_twice_is_harmless() -> None:
    own = session()
    first = await own.next()
    second = await own.next()

    own.settle(first)
    own.settle(first)

    assert own.low_water == second.sequence


async def test_a_full_window_waits_until_its_oldest_is_settled() -> None:
    own = session(window=2)
    first, second = await own.next(), await own.next()
    waiting = asyncio.ensure_future(own.next())

    await asyncio.sleep(0)
    own.settle(second)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    own.settle(first)

    assert await waiting == Identity(SESSION, 3, 3)


async def test_who_waits_for_room_may_give_up() -> None:
    own = session(window=1)
    first = await own.next()
    gave_up = asyncio.ensure_future(own.next())
    await asyncio.sleep(0)
    gave_up.cancel()
    await asyncio.gather(gave_up, return_exceptions=True)

    own.settle(first)

    assert (await own.next()).sequence == 2


async def test_what_was_refused_is_sent_again_when_half_of_what_is_before_it_is_over() -> None:
    own = session(window=100)
    given = [await own.next() for _ in range(9)]
    waiting = {at: asyncio.ensure_future(own.sequences.advance(at)) for at in (1, 2, 5, 9)}

    async def go_on() -> list[int]:
        await asyncio.sleep(0)
        return [at for at, task in waiting.items() if task.done()]

    assert await go_on() == [1]  # the oldest waits for nothing
    own.settle(given[0])
    assert await go_on() == [1, 2]
    own.settle(given[3])
    own.settle(given[1])
    assert await go_on() == [1, 2, 5]
    waiting[9].cancel()
    for identity in given:
        own.settle(identity)
    assert await go_on() == [1, 2, 5, 9]


async def test_many_callers_keep_the_window_and_share_no_number() -> None:
    own = session(window=5)
    rng = random.Random(3)
    given: list[Identity] = []

    async def call() -> None:
        identity = await own.next()
        given.append(identity)
        assert identity.sequence < own.low_water + 5
        for _ in range(rng.randrange(4)):
            await asyncio.sleep(0)
        own.settle(identity)

    await asyncio.gather(*(call() for _ in range(60)))

    assert sorted(identity.sequence for identity in given) == list(range(1, 61))
    assert all(identity.low_water <= identity.sequence for identity in given)
