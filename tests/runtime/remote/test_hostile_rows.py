"""Thousands of rows that are almost right: none of them ends the link, stops an actor or leaves anything behind."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, Final

import pytest

from coterie.errors import OutboundFull
from coterie.runtime.actor import Actor, Terminated
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.rows import ASK, LOAD, LOOKUP, OFFER, REPLY, ROUTE, SPAWN, WATCH

if TYPE_CHECKING:
    from tests.runtime.conftest import World

pytestmark = pytest.mark.virtual


@message(name="hostile.Echo")
class Echo(Ask[str]):
    text: str
    number: int | None = None


class Server(Actor[Echo | Terminated]):
    """Answers what gets to it."""

    def receive(self, msg: Echo | Terminated) -> str:
        return msg.text if isinstance(msg, Echo) else ""


@pytest.fixture
def server() -> type[Server]:
    """The class of the actor `server` of each node."""
    return Server


PARTS: Final[list[Any]] = [
    0, 1, -1, 16, 17, 2**63 - 1, 2**64 - 1, -(2**63), 1.5, True, None, "", "server", "hostile.Echo", "private", b"b",
    (), {}, (1, 2), {"a": 1}, ("a",), (("n", "p", 1, 2, 3),), {b"b": 2, None: ()},
]  # fmt: skip

RIGHT: Final[list[Any]] = [
    (ROUTE, 16, "server", 0, "hostile.Echo"),
    (ASK, 1, 16, ("a",), 1000, ()),
    (ASK, 2, 16, ("a",), 2**63, (("n", "p", 1, 2, 3),)),
    (16, "a"),
    (OFFER, 3, 16, ("a",)),
    (WATCH, "server", 1),
    (LOOKUP, 4, "server", ("hostile.Echo",)),
    (SPAWN, 5, "worker", (), None),
    (LOAD, 6, (1, 0.5)),
]


def almost_right(rng: random.Random) -> Any:
    if rng.random() < 0.3:
        return rng.choice(RIGHT)
    if rng.random() < 0.1:
        return rng.choice(PARTS)
    return (rng.randrange(-1, 20), *rng.choices(PARTS, k=rng.randrange(7)))


@pytest.mark.parametrize("seed", range(5))
async def test_rows_that_are_almost_right_hurt_nobody(world: World, there: Ref[Any], seed: int) -> None:
    rng = random.Random(seed)
    transport = world.systems["a"].remoting.transport
    assert transport is not None
    for _ in range(3000):
        try:
            transport.send("b", rng.choice([Lane.BULK, Lane.CONSENSUS]), almost_right(rng))
        except OutboundFull:
            await asyncio.sleep(0.01)
    await asyncio.sleep(1)

    assert world.events == [("a", "up", "b"), ("b", "up", "a")]
    assert world.systems["b"].stats().failures == 0
    assert world.systems["b"].stats().actors == 2
    association = world.systems["b"].remoting.association("a")
    assert association is not None
    assert not association.offers
    assert len(association.watched) <= 2


async def test_a_reply_without_a_proper_number_answers_nobody_and_the_right_one_still_counts(
    world: World, there: Ref[Any]
) -> None:
    transport, b = world.systems["a"].remoting.transport, world.systems["b"]
    assert transport is not None
    number = b.remoting.next_number() + 1
    asked = b.at(Address("a", "server")).ask(Echo("yes"))

    for row in ((REPLY, {"a": 1}, "no"), (REPLY, float(number), "no"), (float(REPLY), number, "no")):
        transport.send("b", Lane.BULK, row)

    assert await asked == "yes"
    assert b.stats().dead_letters == {"bad_message": 3}
    assert world.events == [("a", "up", "b"), ("b", "up", "a")]
