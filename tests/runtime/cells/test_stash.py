"""Stash, become and pipe: messages set aside, another handler, and outcomes that arrive as messages."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from coterie.errors import ActorStopped, MailboxFullError
from coterie.runtime.actor import Actor
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.system import System

pytestmark = pytest.mark.virtual


@message(name="stash.Get")
class Get(Ask[str]):
    number: int


@message(name="stash.Open")
class Open:
    pass


@message(name="stash.Fail")
class Fail:
    pass


class Door(Actor[Get | Open | Fail]):
    """Puts aside what comes before it is opened."""

    def __init__(self, log: list[str]) -> None:
        self.log = log

    def receive(self, msg: Get | Open | Fail) -> object:
        if isinstance(msg, Fail):
            raise RuntimeError("fail")
        if isinstance(msg, Get):
            self.context.stash()
        else:
            self.context.become(self.opened)
            self.context.unstash()
        return None

    def opened(self, msg: Get | Open | Fail) -> object:
        self.log.append(f"opened: {msg}")
        return f"got {msg.number}" if isinstance(msg, Get) else None


class AsyncDoor(Door):
    async def receive(self, msg: Get | Open | Fail) -> object:
        if isinstance(msg, Open):
            self.context.become(self.later_opened)
            self.context.unstash()
            return None
        return Door.receive(self, msg)

    async def later_opened(self, msg: Get | Open | Fail) -> object:
        await asyncio.sleep(0)
        return self.opened(msg)


BOTH = pytest.mark.parametrize("kind", [Door, AsyncDoor])


@BOTH
async def test_stashed_messages_come_first_and_in_order(virtual_host: VirtualHost, kind: type[Door]) -> None:
    log: list[str] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(kind, log))
        asked = [ref.ask(Get(number)) for number in range(3)]
        ref.tell(Open())
        asked.append(ref.ask(Get(3)))
        assert await asyncio.gather(*asked) == ["got 0", "got 1", "got 2", "got 3"]
        assert log == [f"opened: Get(number={number})" for number in range(4)]


@BOTH
async def test_the_stash_is_bounded(virtual_host: VirtualHost, kind: type[Door]) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(kind, []), capacity=2)
        for number in range(2):
            ref.tell(Get(number))
        await asyncio.sleep(0.1)
        ref.tell(Get(2))
        await asyncio.sleep(0.1)
        assert system.stats().failures == 1


@BOTH
async def test_a_restart_unstashes_messages_to_the_first_handler(virtual_host: VirtualHost, kind: type[Door]) -> None:
    log: list[str] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(kind, log))
        asked = ref.ask(Get(1))
        ref.tell(Fail())
        await asyncio.sleep(0.5)
        assert log == []
        ref.tell(Open())
        assert await asked == "got 1"


async def test_a_restart_brings_it_back_though_the_new_instance_does_not_ask_for_it(virtual_host: VirtualHost) -> None:
    lives: list[int] = []

    class Forgetful(Actor[Get | Fail]):
        def on_start(self) -> None:
            lives.append(1)

        def receive(self, msg: Get | Fail) -> str | None:
            if isinstance(msg, Fail):
                raise RuntimeError("fail")
            if len(lives) == 1:
                self.context.stash()
                return None
            return f"got {msg.number}"

    async with System(host=virtual_host) as system:
        ref = system.spawn(Forgetful)
        asked = ref.ask(Get(1))
        ref.tell(Fail())
        assert await asked == "got 1"


@BOTH
async def test_a_stop_refuses_stashed_messages(virtual_host: VirtualHost, kind: type[Door]) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(kind, []))
        asked = ref.ask(Get(1))
        await asyncio.sleep(0.1)
        await system.stop(ref)
        with pytest.raises(ActorStopped):
            await asked


async def test_no_message_can_be_stashed_twice(virtual_host: VirtualHost) -> None:
    class Twice(Actor[Open]):
        def receive(self, msg: Open) -> None:
            self.context.stash()
            with pytest.raises(ValueError, match="stashed already"):
                self.context.stash()

    async with System(host=virtual_host) as system:
        system.spawn(Twice).tell(Open())
        await asyncio.sleep(0.1)
        assert system.stats().failures == 0


async def test_a_def_actor_cannot_become_an_async_def(virtual_host: VirtualHost) -> None:
    class Torn(Actor[Open]):
        def receive(self, msg: Open) -> None:
            with pytest.raises(TypeError, match="must be `async def` just as"):
                self.context.become(self.other)

        async def other(self, msg: Open) -> None:
            """Cannot be."""

    async with System(host=virtual_host) as system:
        system.spawn(Torn).tell(Open())
        await asyncio.sleep(0.1)
        assert system.stats().failures == 0


# --- pipe


@message(name="stash.Result")
class Result:
    text: str


class Piper(Actor[Get | Result | Fail]):
    def __init__(self, log: list[str], delay_s: float = 1.0) -> None:
        self.log = log
        self.delay_s = delay_s

    def receive(self, msg: Get | Result | Fail) -> None:
        if isinstance(msg, Fail):
            raise RuntimeError("fail")
        if isinstance(msg, Result):
            self.log.append(msg.text)
        else:
            self.context.pipe(self.work(msg.number), Result, lambda error: Result(f"failed: {error!r}"))

    async def work(self, number: int) -> str:
        try:
            await asyncio.sleep(self.delay_s)
        except asyncio.CancelledError:
            self.log.append("cancelled")
            raise
        if number < 0:
            raise ValueError(number)
        return f"done {number}"


async def test_the_outcome_of_a_pipe_comes_as_a_message(virtual_host: VirtualHost) -> None:
    log: list[str] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(Piper, log))
        ref.tell(Get(1))
        ref.tell(Get(-1))
        await asyncio.sleep(2)
        assert log == ["done 1", "failed: ValueError(-1)"]


@pytest.mark.parametrize("end", ["stop", "fail"])
async def test_a_pipe_dies_with_its_instance(virtual_host: VirtualHost, end: str) -> None:
    log: list[str] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(Piper, log))
        ref.tell(Get(1))
        await asyncio.sleep(0.1)
        if end == "stop":
            await system.stop(ref)
        else:
            ref.tell(Fail())
        await asyncio.sleep(2)
        assert log == ["cancelled"]


async def test_a_piped_future_that_others_hold_is_left_alone(virtual_host: VirtualHost) -> None:
    future: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    class Borrower(Actor[Open | Result]):
        def receive(self, msg: Open | Result) -> None:
            self.context.pipe(future, Result)

    async with System(host=virtual_host) as system:
        ref = system.spawn(Borrower)
        ref.tell(Open())
        await asyncio.sleep(0.1)
        await system.stop(ref)
        assert not future.cancelled()
        future.set_result("late")
        await asyncio.sleep(0.1)
        assert system.dead_letters.total == 0


async def test_an_error_of_a_pipe_without_on_error_is_logged(
    virtual_host: VirtualHost, caplog: pytest.LogCaptureFixture
) -> None:
    class Careless(Actor[Open | Result]):
        def receive(self, msg: Open | Result) -> None:
            self.context.pipe(self.work(), Result)

        async def work(self) -> str:
            raise ValueError("unheard")

    async with System(host=virtual_host) as system:
        system.spawn(Careless).tell(Open())
        await asyncio.sleep(0.1)
        assert any("actor.pipe_failed" in record.getMessage() for record in caplog.records)


async def test_a_full_stash_names_its_policy(virtual_host: VirtualHost) -> None:
    caught: list[Any] = []

    class Full(Actor[Get]):
        def receive(self, msg: Get) -> None:
            try:
                self.context.stash()
            except MailboxFullError as error:
                caught.append(error)

    async with System(host=virtual_host) as system:
        ref = system.spawn(Full, capacity=1)
        ref.tell(Get(1))
        await asyncio.sleep(0.1)
        ref.tell(Get(2))
        await asyncio.sleep(0.1)
        assert [(error.policy, error.limit) for error in caught] == [("fail", 1)]
