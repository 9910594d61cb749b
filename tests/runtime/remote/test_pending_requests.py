"""What waits for another node's answer: bounded, and what was abandoned is forgotten."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from coterie.errors import AskTimeout, Outcome, TooManyInFlight
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Ref
from coterie.runtime.remote.pending_requests import OutgoingOffer, PendingRequests
from coterie.runtime.remote.remote_config import RemoteConfig
from coterie.runtime.system import SystemConfig

if TYPE_CHECKING:
    from tests.runtime.conftest import World

pytestmark = pytest.mark.virtual


@message(name="pending_requests.Never")
class Never(Ask[int]):
    pass


@message(name="pending_requests.Now")
class Now(Ask[int]):
    pass


class Server(Actor[Never | Now]):
    """Answers some."""

    def __init__(self) -> None:
        self.asked = 0

    def receive(self, msg: Never | Now) -> int:
        self.asked += 1
        if isinstance(msg, Never):
            self.context.reply_later(msg)
        return 1


@pytest.fixture
def server() -> type[Server]:
    """The class of the actor `server` of each node."""
    return Server


def request() -> OutgoingOffer:
    return OutgoingOffer(object(), "somewhere", asyncio.get_running_loop().create_future())


async def test_as_many_as_the_limit_says_wait_and_an_answer_makes_room() -> None:
    pending_requests = PendingRequests("b", 3)
    for number in range(3):
        pending_requests.enter(number, request())
    with pytest.raises(TooManyInFlight, match=r"node 'b' has not answered 3 asks and offers \(limit 3\)") as caught:
        pending_requests.enter(3, request())
    assert pending_requests.take(1) is not None
    assert pending_requests.take(1) is None
    pending_requests.enter(3, request())

    assert caught.value.outcome is Outcome.DEFINITE
    assert len(pending_requests) == 3
    assert len(pending_requests.take_all()) == 3
    assert len(pending_requests) == 0


async def test_abandoned_requests_never_outnumber_the_others_by_much() -> None:
    pending_requests = PendingRequests("b", 1_000_000)
    most = 0
    for number in range(5000):
        abandoned = request()
        abandoned.room.cancel()
        pending_requests.enter(number, abandoned)
        most = max(most, len(pending_requests))

    assert most <= 64


async def test_asks_in_flight_are_bounded_and_one_refused_was_not_sent(world: World, there: Ref[Any]) -> None:
    await world.stop("a")
    await world.start("a", config=SystemConfig(remote=RemoteConfig(in_flight_max=10)))
    world.link("a", "b")
    await asyncio.sleep(10)
    there = world.systems["a"].registry.ref("b", 0, "server", 0)
    asks = [there.ask(Never(), timeout_s=1) for _ in range(11)]
    await asyncio.sleep(0.1)

    assert [ask.done() for ask in asks] == [False] * 10 + [True]
    assert isinstance(asks[10].exception(), TooManyInFlight)
    assert world.server("b").asked == 10
    asks[0].cancel()
    assert await there.ask(Now()) == 1, "an abandoned ask makes room"
    for ask in asks[1:10]:
        with pytest.raises(AskTimeout):
            await ask
    assert world.asks_out() == 0
