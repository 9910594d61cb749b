"""`Context.reply_from`: a task makes the reply; deadlines, ask cycles and errors are those of an awaiting handler."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from coterie.errors import ActorFailed, AskCycle, AskTimeout, NodeUnreachable, NoTargets
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address, Ref
from coterie.testing import Systems, advance

pytestmark = pytest.mark.virtual


class TooLow(ValueError):
    pass


@message(name="test.reply_task.Get", raises=(TooLow,))
class Get(Ask[int]):
    number: int


class Relay(Actor[Get]):
    """Replies with what its `work` returns."""

    def __init__(self, work: Callable[[Get, Relay], Any]) -> None:
        self.work = work
        self.begun = 0

    def receive(self, msg: Get, /) -> int | None:
        self.begun += 1
        self.context.reply_from(msg, self.work(msg, self))
        return None


class Slow(Actor[Get]):
    async def receive(self, msg: Get, /) -> int:
        await asyncio.sleep(msg.number)
        return msg.number


def relay_to(ref: Ref[Get]) -> Callable[[], Relay]:
    async def work(msg: Get, _: Relay) -> int:
        return await ref.ask(msg)

    return partial(Relay, work)


async def test_many_replies_are_made_at_once() -> None:
    async def work(msg: Get, _: Relay) -> int:
        await asyncio.sleep(1.0)
        return msg.number

    async with Systems("local") as systems:
        system = systems["local"]
        relay = system.spawn(partial(Relay, work))
        began = asyncio.get_running_loop().time()

        replies = await asyncio.gather(*(relay.ask(Get(number)) for number in range(10)))

        assert replies == list(range(10))
        assert asyncio.get_running_loop().time() - began < 1.1


async def test_an_ask_of_the_task_has_no_more_time_than_the_asker_left() -> None:
    async with Systems("local") as systems:
        system = systems["local"]
        relay = system.spawn(relay_to(system.spawn(Slow)))
        began = asyncio.get_running_loop().time()

        with pytest.raises(AskTimeout):
            await relay.ask(Get(100), timeout_s=0.5)

        await advance(0.1)
        assert not [wait for wait in system.waiting() if wait.left_s > 0.5]
        assert asyncio.get_running_loop().time() - began < 1.0


async def test_the_remaining_time_crosses_nodes_with_the_task() -> None:
    deadlines: list[float] = []

    class Target(Actor[Get]):
        def receive(self, msg: Get, /) -> int:
            assert self.context.deadline is not None
            deadlines.append(self.context.deadline - self.context.clock.monotonic())
            return msg.number

    async with Systems("n1", "n2", "n3") as systems:
        systems["n3"].spawn(Target, name="target")
        systems["n2"].spawn(relay_to(systems["n2"].at(Address("n3", "target"))), name="relay")

        assert await systems["n1"].at(Address("n2", "relay")).ask(Get(7), timeout_s=2.0) == 7

    assert len(deadlines) == 1
    assert 1.5 < deadlines[0] <= 2.0


class Asker(Actor[Get]):
    """Awaits what the actor at an address replies."""

    def __init__(self, other: Address) -> None:
        self._other = other

    async def receive(self, msg: Get, /) -> int:
        ref: Ref[Get] = self.context.system.at(self._other)
        return await ref.ask(msg)


@pytest.mark.parametrize("nodes", [("n1", "n1"), ("n1", "n2")])
async def test_an_ask_that_comes_back_to_its_asker_is_refused_at_once(nodes: tuple[str, str]) -> None:
    home, away = nodes
    async with Systems("n1", "n2") as systems:
        asker = systems[home].spawn(partial(Asker, Address(away, "relay")), name="asker")
        systems[away].spawn(relay_to(systems[away].at(Address(home, "asker"))), name="relay")

        with pytest.raises(ActorFailed, match=f"AskCycle: .*: asker@{home} → relay@{away} → asker@{home}"):
            await asker.ask(Get(1), timeout_s=5.0)

        assert asyncio.get_running_loop().time() < 5.0


async def test_two_actors_that_pass_an_ask_on_to_each_other_end_it() -> None:
    async with Systems("local") as systems:
        system = systems["local"]
        system.spawn(relay_to(system.at(Address("local", "two"))), name="one")
        system.spawn(relay_to(system.at(Address("local", "one"))), name="two")

        with pytest.raises(AskCycle, match="passed on 64 times"):
            await system.at(Address("local", "one")).ask(Get(1), timeout_s=5.0)


@pytest.mark.parametrize("error", [NoTargets("none", pool="p"), NodeUnreachable("n9", "why"), TooLow("5")])
async def test_an_error_comes_back_as_it_is(error: Exception) -> None:
    async def work(_msg: Get, _relay: Relay) -> int:
        raise error

    async with Systems("local") as systems:
        system = systems["local"]
        relay = system.spawn(partial(Relay, work))

        with pytest.raises(type(error)) as caught:
            await relay.ask(Get(1))

        assert caught.value is error
        assert system.failures == 0


async def test_an_error_that_nobody_declared_is_a_failure_for_the_asker_alone() -> None:
    async def work(_msg: Get, _relay: Relay) -> int:
        raise RuntimeError("oops")

    async with Systems("local") as systems:
        system = systems["local"]
        relay = system.spawn(partial(Relay, work))

        with pytest.raises(ActorFailed, match="RuntimeError: oops"):
            await relay.ask(Get(1))

        assert system.failures == 0


async def test_an_actor_that_stops_fails_the_asks_that_its_tasks_have_not_answered() -> None:
    cancelled: list[int] = []

    async def work(msg: Get, _: Relay) -> int:
        try:
            await asyncio.sleep(1e6)
        except asyncio.CancelledError:
            cancelled.append(msg.number)
            raise
        return 0

    async with Systems("local") as systems:
        system = systems["local"]
        relay = system.spawn(partial(Relay, work))
        asked = relay.ask(Get(3))
        await advance(0.1)

        await system.stop(relay)

        with pytest.raises(ActorFailed, match="ended before it could reply"):
            await asked
        assert cancelled == [3]


async def test_a_message_that_was_told_runs_the_task_and_replies_to_nobody() -> None:
    done: list[int] = []

    async def work(msg: Get, _: Relay) -> int:
        done.append(msg.number)
        return 0

    async with Systems("local") as systems:
        system = systems["local"]
        system.spawn(partial(Relay, work)).tell(Get(4))
        await advance(0.1)

    assert done == [4]
