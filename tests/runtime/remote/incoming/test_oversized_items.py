"""An item larger than a client may send: the node drops it and says so; the link stays up."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from coterie.errors import FrameTooLarge
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address, Ref
from coterie.runtime.transport.handshake.identity import PeerRole
from tests.runtime.conftest import CONFIG

if TYPE_CHECKING:
    from tests.runtime.conftest import World

pytestmark = pytest.mark.virtual

NODE_CAP = 100_000
PATIENT = replace(CONFIG, transport=replace(CONFIG.transport, message_cap_bytes=400_000))
"""Of a node that takes large items from nodes, and up to `NODE_CAP` from clients."""

GENEROUS = replace(CONFIG, transport=replace(PATIENT.transport, frame_cap_bytes=400_000))
"""Of a client that was told another limit than its node."""


@message(name="oversized.Store")
class Store(Ask[int]):
    data: bytes


class Server(Actor[Store]):
    """Measures what it gets."""

    def receive(self, msg: Store) -> int:
        return len(msg.data)


@pytest.fixture
def server() -> type[Server]:
    """The class of the actor `server` of each node."""
    return Server


@pytest.fixture
async def to_c(world: World) -> Ref[Any]:
    """The server of a node c as a client reaches it."""
    await world.start("c", config=PATIENT)
    client = await world.start("client", PeerRole.CLIENT, config=GENEROUS)
    client.dial("c.test", 1)
    await client.linked("c")
    return client.at(Address("c", "server"))


async def test_an_ask_that_is_too_large_is_answered_with_both_numbers(world: World, to_c: Ref[Any]) -> None:
    for _ in range(2):
        with pytest.raises(FrameTooLarge, match=rf"node 'c' has 2000\d\d bytes, the limit is {NODE_CAP}.*client_frame"):
            await to_c.ask(Store(b"x" * 200_000))
    with pytest.raises(FrameTooLarge, match="the limit is"):
        await to_c.offer(Store(b"x" * 200_000))

    assert await to_c.ask(Store(b"x" * 90_000)) == 90_000
    assert ("c", "down", "client") not in world.events


async def test_a_tell_that_is_too_large_is_a_dead_letter(world: World, to_c: Ref[Any]) -> None:
    to_c.tell(Store(b"x" * 200_000))
    await asyncio.sleep(1)

    assert await to_c.ask(Store(b"x")) == 1
    assert world.systems["c"].stats().dead_letters == {"bad_message": 1}
    assert "the limit is 100000" in str(world.systems["c"].dead_letters.latest[0])
    assert ("c", "down", "client") not in world.events
