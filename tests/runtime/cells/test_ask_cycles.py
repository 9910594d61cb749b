"""Ask cycles fail at once with the chain in the error, and no other ask is mistaken for one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from coterie.errors import AskCycle, AskTimeout
from coterie.runtime.actor import Actor, Later
from coterie.runtime.cells.asks import Hop, PendingAsk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Ref
from coterie.runtime.system import System

pytestmark = pytest.mark.virtual


@message(name="waits.Go")
class Go(Ask[str]):
    """Go this way: the first of the names is asked to go the rest of it."""

    way: tuple[str, ...] = ()
    how: str = "await"


@message(name="waits.Done")
class Done:
    text: str


class Walker(Actor[Go | Done]):
    """Asks the next on the way, as told: how it waits for the answer is `how`."""

    def __init__(self, names: dict[str, Ref[Go | Done]], log: list[str]) -> None:
        self.names = names
        self.log = log
        self.background: list[asyncio.Task[None]] = []

    async def receive(self, msg: Go | Done) -> object:
        if isinstance(msg, Done):
            self.log.append(msg.text)
            return None
        if not msg.way:
            return "there"
        ask = partial(self.names[msg.way[0]].ask, Go(msg.way[1:], msg.how))
        ways: dict[str, Callable[[Any], Awaitable[object]]] = {
            "await": self.waits,
            "pipe": self.pipes,
            "task": self.leaves,
            "later": partial(self.takes, msg),
        }
        return await ways[msg.how](ask)

    async def waits(self, ask: Callable[[], asyncio.Future[str]]) -> str:
        await asyncio.sleep(0.1)
        return await ask()

    async def pipes(self, ask: Callable[[], asyncio.Future[str]]) -> str:
        self.context.pipe(ask(), Done, lambda error: Done(repr(error)))
        await asyncio.sleep(1)  # goes on meanwhile: the message that is being handled is no wait
        return "piped"

    async def leaves(self, ask: Callable[[], asyncio.Future[str]]) -> str:
        async def work() -> None:
            self.log.append(await ask())

        self.background.append(asyncio.create_task(work()))
        await asyncio.sleep(1)
        return "left"

    async def takes(self, msg: Go, ask: Callable[[], asyncio.Future[str]]) -> None:
        later: Later[str] = self.context.reply_later(msg)
        asyncio.get_running_loop().call_later(0.5, later.reply, "later")
        self.log.append(await ask())


class Caller(Actor[Go | Done]):
    """A `def` actor: it asks the next and never waits."""

    def __init__(self, names: dict[str, Ref[Go | Done]], log: list[str]) -> None:
        self.names = names
        self.log = log

    def receive(self, msg: Go | Done) -> object:
        if isinstance(msg, Go) and msg.way:
            asked = self.names[msg.way[0]].ask(Go(msg.way[1:]))
            asked.add_done_callback(lambda done: self.log.append(done.result()))
        return "called"


class World:
    def __init__(self, system: System, *names: str, kind: Any = Walker) -> None:
        self.system = system
        self.log: list[str] = []
        self.refs: dict[str, Ref[Go | Done]] = {}
        for name in names:
            self.refs[name] = system.spawn(partial(kind, self.refs, self.log), name=name)

    async def go(self, *way: str, how: str = "await") -> str:
        return await self.refs[way[0]].ask(Go(way[1:], how))


async def test_an_ask_to_oneself_fails_at_once(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        with pytest.raises(Exception, match="would wait for itself and was refused: a@local → a@local"):
            await World(system, "a").go("a", "a")
        assert virtual_host.clock.monotonic() < 1


async def test_the_asker_in_the_cycle_gets_the_chain_and_may_go_on(virtual_host: VirtualHost) -> None:
    caught: list[AskCycle] = []

    class Careful(Walker):
        async def waits(self, ask: Callable[[], asyncio.Future[str]]) -> str:
            try:
                return await ask()
            except AskCycle as error:
                caught.append(error)
                return "went on"

    async with System(host=virtual_host) as system:
        world = World(system, "a", "b", "c", kind=Careful)
        assert await world.go("a", "b", "c", "b") == "went on"
        assert [error.chain for error in caught] == [("b@local", "c@local")]
        assert system.stats().failures == 0


@pytest.mark.parametrize("length", [2, 3, 5, 50])
async def test_a_cycle_of_any_length_fails_at_once(virtual_host: VirtualHost, length: int) -> None:
    names = [f"actor{number}" for number in range(length)]
    async with System(host=virtual_host) as system:
        with pytest.raises(Exception, match="would wait for itself"):
            await World(system, *names).go(*names, names[0])
        assert virtual_host.clock.monotonic() < 0.1 * (length + 2)


async def test_asks_that_cross_fail_at_once(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        world = World(system, "a", "b")
        outcomes = list(await asyncio.gather(world.go("a", "b"), world.go("b", "a"), return_exceptions=True))
        assert any("would wait for itself" in str(outcome) for outcome in outcomes)
        assert virtual_host.clock.monotonic() < 1


async def test_a_way_that_meets_itself_without_a_wait_is_no_cycle(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        world = World(system, "a", "b", "c")
        assert await world.go("a", "b", "c") == "there"
        assert list(await asyncio.gather(world.go("a", "b"), world.go("c", "b"))) == ["there", "there"]


async def test_a_told_handler_cannot_wait_for_itself_either(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        world = World(system, "a")
        world.refs["a"].tell(Go(("a",)))
        await asyncio.sleep(0.5)
        assert system.stats().failures == 1


@pytest.mark.parametrize(("how", "heard"), [("pipe", "piped"), ("task", "left")])
async def test_a_handler_that_does_not_wait_is_in_no_cycle(virtual_host: VirtualHost, how: str, heard: str) -> None:
    async with System(host=virtual_host) as system:
        world = World(system, "a", "b")
        assert await world.go("a", "b", "a", how=how) == heard
        await asyncio.sleep(3)
        assert sorted(world.log) == sorted([heard, "there"])


async def test_a_handler_that_took_over_the_reply_is_not_waited_for(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        world = World(system, "a", "b")
        asked = world.refs["b"].ask(Go(("a",), "later"))
        assert await asked == "later"
        await asyncio.sleep(1)
        assert world.log == ["there"]


async def test_a_taken_over_reply_is_no_link_of_the_chain(virtual_host: VirtualHost) -> None:
    class Taker(Walker):
        async def waits(self, ask: Callable[[], asyncio.Future[str]]) -> str:
            return await ask()

        async def receive(self, msg: Go | Done) -> object:
            if isinstance(msg, Go):
                await self.takes(msg, self.ask_a)
            return None

        def ask_a(self) -> asyncio.Future[str]:
            return self.names["a"].ask(Go())

    async with System(host=virtual_host) as system:
        world = World(system, "a")
        world.refs["b"] = system.spawn(partial(Taker, world.refs, world.log), name="b")
        assert await world.go("a", "b") == "later"
        await asyncio.sleep(1)
        assert world.log == ["there"], "a answers b once it has b's reply"


async def test_def_actors_never_wait(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        world = World(system, "a", "b", kind=Caller)
        assert await world.go("a", "b", "a") == "called"
        assert await world.go("a", "a") == "called"
        await asyncio.sleep(0.1)
        assert world.log == ["called"] * 3


async def test_a_chain_of_an_activation_that_is_over_is_no_cycle(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        world = World(system, "a")
        cell = system.registry.cell_at("a")
        assert cell is not None
        assert await world.go("a") == "there"
        late = system.registry.ask_deadlines.begin(Go(), None, "a", PendingAsk)
        late.chain = (Hop("local", "a", cell.ref.uid, cell.handled, 1),)
        cell.post(late, Lane.BULK)
        assert await late.future == "there"


async def test_the_snapshot_says_who_waits_for_whom(virtual_host: VirtualHost) -> None:
    class Deaf(Actor[Go | Done]):
        async def receive(self, msg: Go | Done) -> object:
            await asyncio.sleep(100)
            return ""

    async with System(host=virtual_host) as system:
        world = World(system, "a", "b")
        world.refs["deaf"] = system.spawn(Deaf, name="deaf")
        asked = world.refs["a"].ask(Go(("b", "deaf")), timeout_s=2)
        await asyncio.sleep(1)
        waiting = system.waiting()
        assert [(wait.asker, wait.target, wait.message) for wait in waiting] == [("a", "b", "Go"), ("b", "deaf", "Go")]
        assert all(0.9 < wait.left_s <= 1 for wait in waiting)
        with pytest.raises(AskTimeout):
            await asked
        assert system.waiting() == ()
