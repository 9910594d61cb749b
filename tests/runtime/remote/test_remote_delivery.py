"""Times to live and conflation hold for what comes from other nodes, too."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from coterie.errors import AskTimeout
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Ref

if TYPE_CHECKING:
    from tests.runtime.conftest import World

pytestmark = pytest.mark.virtual


@message(name="delivery.Hold")
class Hold(Ask[None]):
    seconds: float


@message(name="delivery.Brief", ttl_s=1.0)
class Brief:
    number: int


@message(name="delivery.BriefAsk", ttl_s=1.0)
class BriefAsk(Ask[int]):
    number: int


@message(name="delivery.Latest", conflate="key")
class Latest:
    key: str
    number: int


Mail = Hold | Brief | BriefAsk | Latest


class Server(Actor[Mail]):
    """Notes what it handles."""

    def __init__(self) -> None:
        self.handled: list[object] = []

    async def receive(self, msg: Mail) -> object:
        if isinstance(msg, Hold):
            await asyncio.sleep(msg.seconds)
            return None
        self.handled.append(msg)
        return 1


@pytest.fixture
def server() -> type[Server]:
    """The class of the actor `server` of each node."""
    return Server


async def test_what_has_lived_too_long_in_the_mailbox_is_not_handled(world: World, there: Ref[Any]) -> None:
    held = there.ask(Hold(2), timeout_s=100)
    there.tell(Brief(1))
    await there.offer(Brief(2))
    late = there.ask(BriefAsk(3), timeout_s=5)
    await held
    with pytest.raises(AskTimeout):
        await late
    there.tell(Brief(4))
    assert await there.ask(BriefAsk(5)) == 1

    assert world.server("b").handled == [Brief(4), BriefAsk(5)]
    assert world.systems["b"].stats().dead_letters["expired"] == 3


async def test_of_one_key_only_the_latest_waits(world: World, there: Ref[Any]) -> None:
    held = there.ask(Hold(1), timeout_s=100)
    for number in range(10):
        there.tell(Latest("a", number))
        there.tell(Latest("b", number))
    await held
    await asyncio.sleep(0.1)

    assert world.server("b").handled == [Latest("a", 9), Latest("b", 9)]
