"""What fails in a loop for a minute is one log line a second and kind at most, and is counted: by a real handler."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

import pytest

from coterie.runtime.actor import Actor
from coterie.runtime.cells.mailbox import Overflow
from coterie.runtime.cells.supervision import Supervision
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.observing.dead_letters import Reason
from coterie.runtime.refs import Address
from coterie.runtime.transport.handshake.shared_key import SharedKey
from tests.runtime.conftest import World

pytestmark = pytest.mark.virtual

MINUTE_S: Final = 60.0
EVERY_S: Final = 0.05


@message(name="loops.Do")
class Do(Ask[str]):
    """`how`: fail, refuse to be made at the other node, or nothing."""

    how: str

    def __post_init__(self) -> None:
        if self.how == "refuse" and Do.is_refused:  # type: ignore[attr-defined]
            raise ValueError("refused")


Do.is_refused = False  # type: ignore[attr-defined]


class Server(Actor[Do]):
    """Fails where it is told to."""

    def receive(self, msg: Do, /) -> str:
        if msg.how == "fail":
            raise ValueError("a failing actor")
        if msg.how == "new class":
            raise type("New", (Exception,), {})
        return "done"


class Waiting(Actor[Do]):
    """Never ends."""

    async def receive(self, msg: Do, /) -> str:
        await asyncio.sleep(1e6)
        return "done"


class Lines(logging.Handler):
    """Counts the lines of each kind: the event, and what it is about, in each second."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        super().__init__(logging.WARNING)
        self._now_s = now_s
        self.count_by_second: Counter[tuple[str, ...]] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        facts: dict[str, Any] = vars(record)["facts"]
        about = [str(facts.get(name, "")) for name in ("node", "peer", "listener", "address")]
        self.count_by_second[record.getMessage().split()[0], *about, str(int(self._now_s()))] += 1

    @property
    def events(self) -> set[str]:
        return {kind[0] for kind in self.count_by_second}


@pytest.fixture
def server() -> type[Server]:
    """The class of the actor `server` of each node."""
    return Server


@pytest.fixture
async def lines(world: World) -> Any:
    """What a program's own handler gets from now on."""
    handler = Lines(asyncio.get_running_loop().time)
    logger = logging.getLogger("coterie")
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)
    Do.is_refused = False  # type: ignore[attr-defined]


def turns() -> Iterator[None]:
    """Yield for a minute; wait in between."""
    end_s = asyncio.get_running_loop().time() + MINUTE_S
    while asyncio.get_running_loop().time() < end_s:
        yield


async def a_failing_actor(world: World) -> None:
    policy = Supervision(max_restarts=10**6, backoff_min_s=0, backoff_max_s=0)
    ref = world.systems["b"].spawn(Server, name="fails", supervision=policy)
    for _ in turns():
        ref.tell(Do("fail"))
        await asyncio.sleep(EVERY_S)
    assert world.systems["b"].failures > 1000


async def an_actor_for_each_request_that_fails(world: World) -> None:
    for _ in turns():
        world.systems["b"].spawn(Server, supervision=Supervision(max_restarts=0)).tell(Do("fail"))
        await asyncio.sleep(EVERY_S)
    assert world.systems["b"].failures > 1000


async def an_exception_of_a_class_of_its_own_each_time(world: World) -> None:
    policy = Supervision(max_restarts=10**6, backoff_min_s=0, backoff_max_s=0)
    ref = world.systems["b"].spawn(Server, name="fails", supervision=policy)
    for _ in turns():
        ref.tell(Do("new class"))
        await asyncio.sleep(EVERY_S)


async def a_bad_message_of_a_peer(world: World) -> None:
    bad = Do("refuse")
    Do.is_refused = True  # type: ignore[attr-defined]
    for _ in turns():
        world.systems["a"].at(Address("b", "server")).tell(bad)
        await asyncio.sleep(EVERY_S)
    assert world.systems["b"].dead_letters.counts[Reason.BAD_MESSAGE] > 1000


async def a_link_that_breaks(world: World) -> None:
    for _ in turns():
        world.network.reset("a", "b")
        await asyncio.sleep(EVERY_S)


async def a_peer_that_ends_and_starts_again(world: World) -> None:
    for _ in turns():
        await world.stop("a")
        await world.start("a")
        world.link("a", "b")
        await asyncio.sleep(EVERY_S)


async def a_peer_with_a_wrong_key(world: World) -> None:
    await world.stop("b")
    await world.start("b", auth=SharedKey(b"the right key of 32 bytes or so.."))
    await world.stop("a")
    await world.start("a", auth=SharedKey(b"the wrong key of 32 bytes or so.."))
    world.link("a", "b")
    await asyncio.sleep(MINUTE_S)


async def a_listener_that_raises(world: World) -> None:
    def fails(*_: object) -> None:
        raise ValueError("a failing listener")

    system = world.systems["b"]
    system.dead_letters.listen(fails)
    system.events.subscribe(fails)
    for _ in turns():
        system.at(Address("b", "nobody")).tell(Do(""))
        await asyncio.sleep(EVERY_S)


async def a_full_mailbox(world: World) -> None:
    ref = world.systems["b"].spawn(Waiting, name="full", capacity=2, overflow=Overflow.FAIL)
    for _ in turns():
        ref.tell(Do(""))
        with contextlib.suppress(Exception):
            await ref.ask(Do(""), timeout_s=0.0)
        await asyncio.sleep(EVERY_S)
    assert world.systems["b"].dead_letters.counts[Reason.MAILBOX_FULL] > 1000


async def dead_letters(world: World) -> None:
    for _ in turns():
        world.systems["b"].at(Address("b", "nobody")).tell(Do(""))
        world.systems["b"].at(Address("nowhere", "nobody")).tell(Do(""))
        await asyncio.sleep(EVERY_S)
    assert world.systems["b"].dead_letters.total > 2000


LOOPS: Final[dict[Callable[[World], Awaitable[None]], set[str]]] = {
    a_failing_actor: {"actor.failed"},
    an_actor_for_each_request_that_fails: {"actor.failed", "actor.gave_up"},
    an_exception_of_a_class_of_its_own_each_time: {"actor.failed"},
    a_bad_message_of_a_peer: set(),
    a_link_that_breaks: {"transport.handshake_refused"},
    a_peer_that_ends_and_starts_again: {"node.lost", "node.back"},
    a_peer_with_a_wrong_key: {"transport.handshake_refused"},
    a_listener_that_raises: {"listener.failed"},
    a_full_mailbox: {"mailbox.overflowed"},
    dead_letters: set(),
}
"""What fails, and the warnings and errors that say so; dead letters are counted, and listened to."""


@pytest.mark.parametrize("loop", LOOPS, ids=lambda loop: loop.__name__)
async def test_a_minute_of_failures_is_a_line_a_second_and_kind(
    world: World, lines: Lines, loop: Callable[[World], Awaitable[None]]
) -> None:
    await loop(world)

    assert {kind: count for kind, count in lines.count_by_second.items() if count > 1} == {}
    assert lines.events == LOOPS[loop]
