"""`System` as a whole: its start, its stop, and that it leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import sys
import threading
from functools import partial
from typing import Any

import pytest

from coterie.errors import ActorStopped, MessageTypeError, StorageFailed
from coterie.runtime.actor import Actor
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.system import System, SystemConfig

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


@message(name="system.Add")
class Add(Ask[int]):
    amount: int


@message(name="system.See")
class See(Ask[str]):
    set_to: str = ""


class Counter(Actor[Add]):
    total = 0

    def receive(self, msg: Add) -> int:
        if msg.amount < 0:
            raise RuntimeError("negative")
        self.total += msg.amount
        return self.total


class AsyncCounter(Actor[Add]):
    total = 0

    async def receive(self, msg: Add) -> int:
        await asyncio.sleep(0)
        self.total += msg.amount
        return self.total


class Looker(Actor[See]):
    def receive(self, msg: See) -> str:
        seen = VARIABLE.get()
        if msg.set_to:
            VARIABLE.set(msg.set_to)
        return seen


class AsyncLooker(Actor[See]):
    async def receive(self, msg: See) -> str:
        await asyncio.sleep(0)
        seen = VARIABLE.get()
        if msg.set_to:
            VARIABLE.set(msg.set_to)
        return seen


async def test_two_systems_live_in_one_process_and_talk() -> None:
    async with System("a") as a, System("b") as b:
        first, second = a.spawn(Counter, name="c"), b.spawn(Counter, name="c")

        assert await first.ask(Add(1)) == 1
        assert await second.ask(Add(2)) == 2
        assert (a.stats().actors, a.stats().handled, b.stats().handled) == (1, 1, 1)


async def test_a_system_is_entered_once() -> None:
    system = System()
    async with system:
        with pytest.raises(RuntimeError, match="entered before: make a new System"):
            await system.__aenter__()
    with pytest.raises(RuntimeError, match="entered before"):
        await system.__aenter__()


async def test_spawning_outside_is_refused() -> None:
    system = System()
    with pytest.raises(RuntimeError, match="does not run: use it inside `async with`"):
        system.spawn(Counter)
    async with system:
        ref = system.spawn(Counter)
    with pytest.raises(RuntimeError, match="is closed"):
        system.spawn(Counter)
    ref.tell(Add(1))
    with pytest.raises(ActorStopped):
        await ref.ask(Add(1))
    assert system.stats().dead_letters == {"stopped": 1}


async def test_an_error_of_the_body_passes_through_and_the_actors_stop() -> None:
    system = System()
    with pytest.raises(ZeroDivisionError):  # noqa: PT012 (the whole `async with` is meant)
        async with system:
            system.spawn(Counter)
            _ = 1 / 0
    assert system.stats().actors == 0


async def test_a_fault_cancels_the_body_and_comes_out_instead() -> None:
    fault = StorageFailed("data", "no space")
    system = System()
    with pytest.raises(StorageFailed) as caught:  # noqa: PT012 (the whole `async with` is meant)
        async with system:
            system.spawn(Counter)
            asyncio.get_running_loop().call_soon(system.fail, fault)
            await asyncio.get_running_loop().create_future()
    assert caught.value is fault
    assert system.stats().actors == 0
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0, "the host's task is not cancelled for good"
    await asyncio.sleep(0)


@pytest.mark.parametrize("does_await", [True, False])
async def test_a_fault_comes_out_of_a_body_that_ends_by_itself_and_the_actors_stop(does_await: bool) -> None:
    ended: list[str] = []

    class Ends(Counter):
        async def receive(self, msg: Add) -> int:  # type: ignore[override]
            for _ in range(10):
                await asyncio.sleep(0)
            ended.append("present message")
            return 0

        async def on_stop(self) -> None:
            await asyncio.sleep(0)
            ended.append("goodbye")

    fault = StorageFailed("data", "no space")
    with pytest.raises(StorageFailed):  # noqa: PT012 (the whole `async with` is meant)
        async with System() as system:
            system.spawn(Ends).tell(Add(1))
            for _ in range(3):
                await asyncio.sleep(0)
            system.fail(fault)
            system.fail(RuntimeError("the first counts"))
            if does_await:
                with contextlib.suppress(asyncio.CancelledError):  # a body that swallows it
                    await asyncio.sleep(0)
    assert ended == ["present message", "goodbye"]
    await asyncio.sleep(0)


async def test_a_fault_while_the_system_stops_comes_out_too() -> None:
    fault = StorageFailed("data", "no space")

    class FailsAtEnd(Counter):
        def on_stop(self) -> None:
            self.context.system.fail(fault)

    with pytest.raises(StorageFailed):  # noqa: PT012 (the whole `async with` is meant)
        async with System() as system:
            system.spawn(FailsAtEnd)
            await asyncio.sleep(0)


@pytest.mark.virtual
async def test_a_cancelled_stop_cancels_the_actors_and_still_closes_the_rest(virtual_host: VirtualHost) -> None:
    closed: list[str] = []

    class Hangs(Actor[Add]):
        async def receive(self, msg: Add) -> int:
            await asyncio.sleep(1e6)
            return 0

    async def close() -> None:
        closed.append("closed")

    async def program() -> None:
        async with System(host=virtual_host, config=SystemConfig(stop_timeout_s=100)) as system:
            system.at_end(close)
            system.spawn(Hangs).tell(Add(1))
            await asyncio.sleep(0.1)

    task = asyncio.ensure_future(program())
    await asyncio.sleep(1)  # the system is stopping
    task.cancel()
    await asyncio.wait([task], timeout=5)

    assert task.cancelled()
    assert closed == ["closed"]
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_every_closer_is_called_in_reverse_even_if_one_fails() -> None:
    closed: list[str] = []

    async def fail() -> None:
        closed.append("fails")
        raise OSError("closer")

    async def first() -> None:
        closed.append("first")

    with pytest.raises(OSError, match="closer"):  # noqa: PT012 (the whole `async with` is meant)
        async with System() as system:
            system.at_end(first)
            system.at_end(fail)
    assert closed == ["fails", "first"]


@pytest.mark.virtual
async def test_nothing_is_left_on_the_loop(virtual_host: VirtualHost) -> None:
    class Busy(AsyncCounter):
        async def on_start(self) -> None:
            self.context.every(1.0, Add(1))
            self.context.after(1000.0, Add(1))
            self.context.spawn(AsyncCounter)

    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    async with System(host=virtual_host) as system:
        await system.listen()
        ref = system.spawn(Busy)
        await ref.ask(Add(1), timeout_s=500.0)
        ref.ask(Add(1), timeout_s=500.0)
        await asyncio.sleep(3.5)
        system.spawn(Counter).tell(Add(-1))
        await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert [entry for entry in loop._timers if not entry[2].cancelled()] == []
    ref.ask(Add(1), timeout_s=500.0)
    assert [entry for entry in loop._timers if not entry[2].cancelled()] == []


async def test_no_thread_is_left() -> None:
    class Blocks(Actor[Add]):
        async def receive(self, msg: Add) -> int:
            return await self.context.run_blocking(lambda: msg.amount + 1)

    before = set(threading.enumerate())
    async with System() as system:
        assert await system.spawn(Blocks).ask(Add(1)) == 2
        threads = [thread for thread in threading.enumerate() if thread not in before]
        assert threads
    for thread in threads:
        await asyncio.to_thread(thread.join, 10)
        assert not thread.is_alive()


@pytest.mark.parametrize("kind", [Looker, AsyncLooker])
async def test_a_handler_sees_neither_the_spawners_nor_the_senders_variables_but_its_own(kind: Any) -> None:
    VARIABLE.set("spawner")
    async with System() as system:
        ref, other = system.spawn(kind), system.spawn(kind)
        VARIABLE.set("sender")

        assert await ref.ask(See("mine")) == "unset"
        assert await other.ask(See()) == "unset"
        assert await ref.ask(See()) == "mine"
    assert VARIABLE.get() == "sender"


async def test_a_message_name_twice_fails_at_the_spawn_that_declares_it() -> None:
    @message(name="system.Add")
    class Impostor:
        pass

    class Other(Actor[Impostor]):
        def receive(self, msg: Impostor, /) -> None: ...

    async with System("one") as one, System("two") as two:
        one.spawn(Counter)
        with pytest.raises(MessageTypeError, match=r"'system\.Add' means .*Impostor and Add in one system"):
            one.spawn(Other)
        two.spawn(Other)
        assert one.stats().actors == 1


@pytest.mark.virtual
async def test_stats_count_what_happened(virtual_host: VirtualHost) -> None:
    async with System(host=virtual_host) as system:
        ref = system.spawn(Counter, capacity=3)
        gone = system.spawn(Counter)
        for amount in (1, 2, -1, 4):
            ref.tell(Add(amount))
        assert system.stats().waiting == 3
        await asyncio.sleep(1)
        await gone.ask(Add(1))
        await system.stop(gone)
        gone.tell(Add(1))
        stats = system.stats()

    assert (stats.actors, stats.handled, stats.waiting, stats.deepest) == (1, 4, 0, 3)
    assert (stats.failures, stats.restarts) == (1, 1)
    assert stats.dead_letters == {"mailbox_full": 1, "stopped": 1}


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"ask_timeout_s": 0}, "ask_timeout_s"),
        ({"stop_timeout_s": -1}, "stop_timeout_s"),
        ({"capacity": 0}, "capacity"),
    ],
)
def test_a_config_that_makes_no_sense_is_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        SystemConfig(**options)


# --- logging --------------------------------------------------------------------------------------------------------


async def test_only_failures_are_printed_unless_the_host_configured_something(
    capfd: pytest.CaptureFixture[str],
) -> None:
    root = logging.getLogger()
    handlers, root.handlers = root.handlers, []  # pytest's own
    try:
        async with System() as system:
            ref = system.spawn(Counter, name="counter")
            ref.tell(Add(-1))
            await ref.ask(Add(1))
            assert system.stats().failures == 1
    finally:
        root.handlers = handlers

    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("actor.failed node=local actor=counter error=RuntimeError: negative message=Add\n  Traceback")
    assert err.count("actor.failed") == 1


async def test_the_hosts_handlers_get_event_and_facts(caplog: pytest.LogCaptureFixture) -> None:
    class Percent(Counter):
        def receive(self, msg: Add) -> int:
            raise RuntimeError("100% wrong")

    async with System("n1") as system:
        ref = system.spawn(Percent, name="p")
        ref.tell(Add(1))
        while not system.stats().failures:  # noqa: ASYNC110 (there is no event)
            await asyncio.sleep(0)

    record = next(record for record in caplog.records if record.getMessage().startswith("actor.failed"))
    assert record.name == "coterie.runtime"
    assert record.facts == {"node": "n1", "actor": "p", "error": "RuntimeError: 100% wrong", "message": "Add"}  # type: ignore[attr-defined]
    assert "error=RuntimeError: 100% wrong" in record.getMessage()
    assert record.exc_info is not None


# --- eager tasks ----------------------------------------------------------------------------------------------------


async def skip_unless_tasks_can_be_made(loop: asyncio.AbstractEventLoop) -> None:
    nothing = asyncio.sleep(0)
    try:
        await loop.create_task(nothing)
    except TypeError as error:  # uvloop 0.22 passes eager_start to factories, which CPython 3.13's own does not take
        nothing.close()
        pytest.skip(f"{type(loop).__name__} cannot make eager tasks on this Python: {error}")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
@pytest.mark.parametrize("kind", [Counter, AsyncCounter])
async def test_everything_works_the_same_with_eager_tasks(kind: Any) -> None:
    class Parent(Actor[Add]):
        async def on_start(self) -> None:
            self.child = self.context.spawn(kind)
            self.context.after(0.0, Add(0))

        async def receive(self, msg: Add) -> int:
            if msg.amount < 0:
                raise RuntimeError("negative")
            return await self.child.ask(msg)

        async def on_stop(self) -> None:
            await self.child.ask(Add(1)) if kind is None else None

    loop = asyncio.get_running_loop()
    loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined, unused-ignore]
    try:
        await skip_unless_tasks_can_be_made(loop)
        async with System() as system:
            ref = system.spawn(partial(Parent))
            assert [await ref.ask(Add(1)) for _ in range(5)] == [1, 2, 3, 4, 5]
            ref.tell(Add(-1))
            assert await ref.ask(Add(7)) == 7, "a new child after the restart"
            assert system.stats().restarts == 1
    finally:
        loop.set_task_factory(None)
    assert system.stats().actors == 0
