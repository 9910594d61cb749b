"""Two processes under one name: one with another store does not push the right one out, and both ends hear why."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.runtime.transport.conftest import Node, World

pytestmark = pytest.mark.virtual

OURS, THEIRS = "a" * 32, "b" * 32


async def acceptor(world: World) -> Node:
    """Return node n2, which waits for n1."""
    node = await world.start("n2", store="2" * 32)
    node.transport.add_peer("n1", "n1", 1)
    return node


def process(world: World, n2: Node, store: str) -> Node:
    """Start a process that calls itself n1 and dials n2."""
    made = world.make("n1", store=store)
    made.transport.add_peer("n2", *n2.address)
    return made


def ups(node: Node) -> list[object]:
    return [event[2] for event in node.recorder.only("up")]


async def test_another_process_with_another_store_is_refused_at_both_ends_and_changes_nothing(world: World) -> None:
    n2 = await acceptor(world)
    right = process(world, n2, OURS)
    await world.linked(n2, right)

    wrong = process(world, n2, THEIRS)
    await asyncio.sleep(60.0)

    assert n2.recorder.kinds().count("up") == right.recorder.kinds().count("up") == 1
    assert not n2.recorder.only("down")
    for end in (n2, wrong):
        _, _, text = end.recorder.only("refused")[0]
        assert str(text).startswith(
            "other_store: two processes call themselves 'n1': one with store aaaaaaaa is linked"
        )
        assert "this one has store bbbbbbbb" in str(text)


async def test_a_process_without_a_store_does_not_push_out_one_with_a_store(world: World) -> None:
    n2 = await acceptor(world)
    right = process(world, n2, OURS)
    await world.linked(n2, right)

    wrong = process(world, n2, "")
    await asyncio.sleep(5.0)

    assert "this one has no store" in str(wrong.recorder.only("refused")[0][2])
    assert list(right.recorder.up) == ["n2"]


@pytest.mark.parametrize("seed", range(10))
async def test_the_right_process_stays_whatever_happens_to_its_links_meanwhile(world: World, seed: int) -> None:
    rng = random.Random(seed)
    n2 = await acceptor(world)
    right = process(world, n2, OURS)
    await world.linked(n2, right)
    incarnation = right.transport.identity.incarnation
    wrong = process(world, n2, THEIRS)

    for _ in range(20):
        world.network.reset("n1", "n2")  # of both processes
        await asyncio.sleep(rng.uniform(0.0, 4.0))

    await asyncio.sleep(2.0)
    assert set(ups(n2)) == {incarnation}
    assert list(right.recorder.up) == ["n2"]
    assert not wrong.recorder.up


async def test_the_same_store_in_a_new_process_replaces_the_old_one_once_that_is_silent(world: World) -> None:
    n2 = await acceptor(world)
    old = process(world, n2, OURS)
    await world.linked(n2, old)
    world.network.partition("n1", "n2")
    new = process(world, n2, OURS)
    await asyncio.sleep(1.6)  # as after a power failure: nothing has closed the connection
    world.network.heal()
    await world.linked(new)
    await asyncio.sleep(5.0)

    assert list(new.recorder.up) == ["n2"]
    text = str(old.recorder.only("refused")[0][2])
    assert text.startswith("superseded: a later process of 'n1' with store aaaaaaaa was linked; if both run")


async def test_a_copy_of_a_store_is_refused_as_long_as_the_original_is_heard(world: World) -> None:
    n2 = await acceptor(world)
    original = process(world, n2, OURS)
    await world.linked(n2, original)

    copy = process(world, n2, OURS)
    await asyncio.sleep(60.0)

    assert ups(n2) == [original.transport.identity.incarnation]
    assert not copy.recorder.up
    for end in (n2, copy):
        text = str(end.recorder.only("refused")[0][2])
        assert text.startswith("copied_store: two processes call themselves 'n1' and have store aaaaaaaa")
    await original.transport.close()
    await world.linked(copy)  # it is the one that is left


async def test_another_store_gets_in_once_the_first_process_is_lost(world: World) -> None:
    n2 = await acceptor(world)
    old = process(world, n2, OURS)
    await world.linked(n2, old)
    await old.transport.close()
    new = process(world, n2, THEIRS)
    await asyncio.sleep(3.0)
    assert not new.recorder.up
    reasons = {str(event[2]) for node in (n2, new) for event in node.recorder.only("refused")}
    assert all(reason.startswith("former_store: this process of 'n1' has store bbbbbbbb") for reason in reasons)
    assert all("is let in once the former one has been out of reach for" in reason for reason in reasons)

    await world.linked(new)


async def test_a_trusted_store_wins_over_a_process_that_came_while_it_was_lost(world: World) -> None:
    n2 = await acceptor(world)
    n2.transport.trust_store("n1", OURS)
    wrong = process(world, n2, THEIRS)
    await world.linked(n2, wrong)  # n2 has just started: nobody else is there

    right = process(world, n2, OURS)
    await world.linked(right)
    await asyncio.sleep(20.0)

    assert list(right.recorder.up) == ["n2"]
    assert not wrong.recorder.up
    assert ups(n2) == [wrong.transport.identity.incarnation, right.transport.identity.incarnation]


async def test_the_right_process_comes_back_after_another_one_had_its_place(world: World) -> None:
    n2 = await acceptor(world)
    n2.transport.trust_store("n1", OURS)
    right = process(world, n2, OURS)
    await world.linked(n2, right)
    n2.transport.declare_lost("n1", "a failure detector was wrong")
    wrong = process(world, n2, THEIRS)
    await asyncio.sleep(30.0)

    assert list(right.recorder.up) == ["n2"]  # it was not superseded for ever
    assert not wrong.recorder.up


async def test_processes_without_stores_replace_each_other_as_ever(world: World) -> None:
    n2 = await acceptor(world)
    old = process(world, n2, "")
    await world.linked(n2, old)
    new = process(world, n2, "")
    await world.linked(new)
    await asyncio.sleep(3.0)
    assert list(new.recorder.up) == ["n2"]
    assert not old.recorder.up


async def test_a_second_process_without_a_store_is_refused_while_the_first_is_heard_if_the_first_is_kept(
    world: World,
) -> None:
    n2 = await acceptor(world)
    n2.transport.keep_first_processes()
    first = process(world, n2, "")
    await world.linked(n2, first)
    second = process(world, n2, "")
    await asyncio.sleep(3.0)
    assert list(first.recorder.up) == ["n2"]
    assert str(second.recorder.only("refused")[0][2]).startswith("other_store: two processes call themselves 'n1'")

    await first.transport.close()
    await world.linked(second)


async def test_the_dialling_side_keeps_the_store_that_it_knows_too(world: World) -> None:
    """n2 listens; n1 dials it. Another n2 takes the address over while the first is only cut off."""
    first = await world.start("n2", store=OURS)
    n1 = await world.start("n1", store="1" * 32)
    n1.transport.add_peer("n2", *first.address)
    await world.linked(n1)
    for listener in first.transport._listeners:
        listener.close()
    other = world.make("n2", store=THEIRS)
    await other.transport.listen(*first.address, insecure=True)
    world.network.reset("n1", "n2")
    await asyncio.sleep(2.0)

    assert str(n1.recorder.only("refused")[0][2]).startswith("former_store")
    assert not other.recorder.only("refused")  # n1 asked who it is, and ended that in order
    assert not other.recorder.up
