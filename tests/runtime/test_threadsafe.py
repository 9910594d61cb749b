"""`ThreadSafe`: tell, ask and spawn from other threads, and the calls that are refused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from coterie.errors import ActorFailed, MessageTypeError, WrongThread
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.refs import Address
from coterie.runtime.system import System

TIMEOUT_S = 10.0


@message(name="threadsafe.Add")
class Add(Ask[int]):
    amount: int


class Counter(Actor[Add]):
    def __init__(self) -> None:
        self.total = 0
        self.threads: set[int] = set()

    def receive(self, msg: Add) -> int:
        self.threads.add(threading.get_ident())
        if msg.amount < 0:
            raise ValueError(msg.amount)
        self.total += msg.amount
        return self.total


async def test_another_thread_spawns_tells_and_asks() -> None:
    async with System() as system:

        def work() -> int:
            ref = system.threadsafe.spawn(Counter, name="counter").result(TIMEOUT_S)
            for amount in range(100):
                system.threadsafe.tell(ref, Add(amount))
            return system.threadsafe.ask(ref, Add(1)).result(TIMEOUT_S)

        assert await asyncio.to_thread(work) == sum(range(100)) + 1
        cell = system.registry.cell_at("counter")
        assert cell is not None
        assert isinstance(cell.actor, Counter)
        assert cell.actor.threads == {threading.get_ident()}, "handlers run on the loop"


async def test_many_threads_lose_nothing() -> None:
    async with System() as system:
        ref = system.spawn(Counter)

        def work() -> None:
            for _ in range(200):
                system.threadsafe.tell(ref, Add(1))

        await asyncio.gather(*(asyncio.to_thread(work) for _ in range(4)))
        assert await ref.ask(Add(0)) == 800


async def test_errors_come_back_to_the_thread() -> None:
    async with System() as system:
        ref = system.spawn(Counter)

        def fails() -> None:
            system.threadsafe.ask(ref, Add(-1)).result(TIMEOUT_S)

        with pytest.raises(ActorFailed, match="ValueError: -1"):
            await asyncio.to_thread(fails)


async def test_what_is_no_message_is_refused_in_the_thread_itself() -> None:
    async with System() as system:
        ref = system.spawn(Counter)
        with pytest.raises(MessageTypeError):
            await asyncio.to_thread(system.threadsafe.tell, ref, "no message")  # type: ignore[arg-type]


async def test_the_loop_itself_must_not_wait_for_a_result() -> None:
    async with System() as system:
        ref = system.spawn(Counter)
        with pytest.raises(RuntimeError, match="is for other threads"):
            system.threadsafe.ask(ref, Add(1))


async def test_every_call_of_another_thread_is_an_error() -> None:
    async with System(node="mine") as system:
        ref = system.spawn(Counter)
        calls: list[Callable[[], object]] = [
            lambda: ref.tell(Add(1)),
            lambda: ref.ask(Add(1)),
            lambda: ref.offer(Add(1)),
            lambda: system.spawn(Counter),
            lambda: system.stop(ref),
        ]
        for call in calls:
            with pytest.raises(WrongThread, match=r"'mine' .* system\.threadsafe"):
                await asyncio.to_thread(call)
        assert await ref.ask(Add(1)) == 1, "nothing of it was taken"


async def test_a_tell_of_another_thread_to_an_idle_system_is_an_error_however_often() -> None:
    async with System() as system:
        ref = system.spawn(Counter)
        ref.tell(Add(0))
        await ref.ask(Add(0))
        for _ in range(20):
            with pytest.raises(WrongThread):
                await asyncio.to_thread(ref.tell, Add(1))
            await ref.ask(Add(0))
        assert await ref.ask(Add(0)) == 20, "what was taken in spite of the error is handled"


def test_another_loop_in_the_same_thread_is_elsewhere_too() -> None:
    async def inside() -> tuple[System, object]:
        system = System()
        await system.__aenter__()
        return system, system.spawn(Counter)

    loop = asyncio.new_event_loop()
    try:
        system, _ = loop.run_until_complete(inside())
        with pytest.raises(WrongThread):
            asyncio.run(spawns(system))
        with pytest.raises(WrongThread):
            system.spawn(Counter)
        loop.run_until_complete(system.__aexit__(None, None, None))
    finally:
        loop.close()


async def spawns(system: System) -> None:
    system.spawn(Counter)


def test_a_system_that_was_not_entered_says_so() -> None:
    system = System()
    with pytest.raises(RuntimeError, match="use it inside `async with`"):
        system.at(Address("local", "counter")).ask(Add(1))
    with pytest.raises(RuntimeError, match="use it inside `async with`"):
        system.spawn(Counter)
