"""Room for large replies: never more at once than fits, in order, and nothing is lost when a caller gives up."""

from __future__ import annotations

import asyncio
import random

import pytest

from coterie.actors.groups.reply_room import KINDS_MAX, LARGE_BYTES, REPLY_OVERHEAD_BYTES, LargeReplies, ReplyRoom

pytestmark = pytest.mark.virtual

ROOM = 100 + 4 * REPLY_OVERHEAD_BYTES


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def has_entered(*tasks: asyncio.Task[None]) -> list[bool]:
    return [task.done() for task in tasks]


async def test_replies_enter_while_they_fit_and_then_wait_in_order() -> None:
    room = ReplyRoom(ROOM)
    tasks = [asyncio.create_task(room.enter(size)) for size in (60, 40, 50, 1)]
    await settle()
    assert has_entered(*tasks) == [True, True, False, False]  # the last one would fit: it is not its turn

    room.leave(60)
    await settle()

    assert has_entered(*tasks) == [True, True, True, True]


async def test_a_reply_larger_than_the_room_gets_all_of_it() -> None:
    room = ReplyRoom(ROOM)
    large, small = asyncio.create_task(room.enter(10**9)), asyncio.create_task(room.enter(1))
    await settle()
    assert has_entered(large, small) == [True, False]

    room.leave(10**9)
    await settle()

    assert has_entered(large, small) == [True, True]


async def test_a_caller_that_gives_up_makes_way_for_the_next() -> None:
    room = ReplyRoom(ROOM)
    await room.enter(80)
    first, second = asyncio.create_task(room.enter(90)), asyncio.create_task(room.enter(10))
    await settle()

    first.cancel()
    await settle()

    assert has_entered(second) == [True]


async def test_room_that_was_given_in_the_moment_of_giving_up_is_given_back() -> None:
    room = ReplyRoom(ROOM)
    await room.enter(80)
    first, second = asyncio.create_task(room.enter(90)), asyncio.create_task(room.enter(95))
    await settle()

    room.leave(80)  # grants it to the first,
    first.cancel()  # which gives up before it can go on
    await settle()

    assert first.cancelled()
    assert has_entered(second) == [True]


async def test_there_is_never_more_in_the_room_than_fits_and_all_get_in() -> None:
    rng = random.Random(5)
    room, inside, finished = ReplyRoom(1000), 0, 0

    async def reply() -> None:
        nonlocal inside, finished
        size = rng.randrange(1, 1500)
        held = min(size + REPLY_OVERHEAD_BYTES, 1000)
        await room.enter(size)
        inside += held
        try:
            assert inside <= 1000
            for _ in range(rng.randrange(3)):
                await asyncio.sleep(0)
            finished += 1
        finally:
            inside -= held
            room.leave(size)

    tasks = [asyncio.create_task(reply()) for _ in range(300)]
    for task in rng.sample(tasks, 60):
        await asyncio.sleep(0)
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert finished == sum(result is None for result in results) > 200
    await asyncio.wait_for(room.enter(10**6), 1.0)  # all of it is free again


def test_a_large_reply_is_expected_after_two_large_ones_and_no_more_after_a_small_one() -> None:
    replies = LargeReplies()

    replies.note(int, 2 * LARGE_BYTES)
    assert replies.expected(int) == 0
    replies.note(int, LARGE_BYTES)
    replies.note(str, LARGE_BYTES - 1)
    replies.note(None, 10 * LARGE_BYTES)
    assert [replies.expected(kind) for kind in (int, str, None)] == [LARGE_BYTES, 0, 0]

    replies.note(int, 1)
    replies.note(int, LARGE_BYTES)
    assert replies.expected(int) == 0


def test_only_so_many_kinds_are_remembered() -> None:
    replies = LargeReplies()
    kinds = [type(f"Kind{number}", (), {}) for number in range(KINDS_MAX + 1)]

    for kind in kinds:
        replies.note(kind, LARGE_BYTES)
        replies.note(kind, LARGE_BYTES)

    assert [replies.expected(kind) for kind in (kinds[0], kinds[1], kinds[-1])] == [0, LARGE_BYTES, LARGE_BYTES]
