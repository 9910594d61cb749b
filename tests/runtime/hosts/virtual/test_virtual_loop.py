from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from coterie.errors import FenceError, VirtualDeadlock
from coterie.runtime.hosts.virtual.virtual_clock import VirtualClock
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop, run_virtual


def running_loop() -> VirtualLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return loop


# --- time


@pytest.mark.virtual
async def test_time_jumps_to_the_next_timer() -> None:
    await asyncio.sleep(86_400)
    assert running_loop().time() == 86_400


@pytest.mark.virtual
async def test_time_stands_still_while_anything_is_ready() -> None:
    loop = running_loop()
    loop.call_later(0.001, loop.unhandled.append, AssertionError("time moved"))
    for _ in range(1000):
        await asyncio.sleep(0)
    assert loop.time() == 0.0
    assert not loop.unhandled


@pytest.mark.virtual
async def test_timers_fire_in_time_order_and_ties_in_the_order_they_were_set() -> None:
    loop, fired = running_loop(), list[str]()
    loop.call_later(2, fired.append, "late")
    for name in "abcdefgh":
        loop.call_at(1.0, fired.append, name)
    await asyncio.sleep(3)
    assert fired == [*"abcdefgh", "late"]


@pytest.mark.virtual
async def test_a_cancelled_timer_neither_fires_nor_draws_time_to_itself() -> None:
    loop, fired = running_loop(), list[str]()
    loop.call_later(1, fired.append, "cancelled").cancel()
    loop.call_later(2, fired.append, "kept")
    await asyncio.sleep(2)
    assert fired == ["kept"]
    assert loop.time() == 2.0


@pytest.mark.virtual
async def test_thousands_of_cancelled_timers_are_not_kept() -> None:
    loop = running_loop()
    kept = loop.call_later(3600, print)
    for _ in range(10_000):
        loop.call_later(1800, print).cancel()
    assert len(loop._timers) < 200
    assert not kept.cancelled()
    kept.cancel()


@pytest.mark.virtual
async def test_a_timer_cancelled_in_the_turn_in_which_it_is_due_does_not_fire() -> None:
    loop, fired = running_loop(), list[str]()

    def cancel_the_second() -> None:
        second.cancel()

    loop.call_at(1.0, cancel_the_second)
    second = loop.call_at(1.0, fired.append, "second")
    await asyncio.sleep(2)
    assert fired == []


@pytest.mark.virtual
async def test_a_timer_in_the_past_fires_at_once_and_time_does_not_go_back() -> None:
    loop, fired = running_loop(), list[float]()
    await asyncio.sleep(10)
    loop.call_at(3.0, lambda: fired.append(loop.time()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert fired == [10.0]


def test_the_clock_refuses_to_go_back() -> None:
    clock = VirtualClock(start_s=5.0)
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance_to(4.0)


def test_wall_time_moves_with_monotonic_time() -> None:
    clock = VirtualClock(epoch_s=1000.0)
    clock.advance_to(2.0)
    assert (clock.monotonic(), clock.wall()) == (2.0, 1002.0)


# --- asyncio on top of it


@pytest.mark.virtual
async def test_timeout_ends_a_wait_at_its_virtual_deadline() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(30):
            await asyncio.Event().wait()
    assert running_loop().time() == 30


@pytest.mark.virtual
async def test_task_group_runs_its_tasks_at_the_same_time() -> None:
    async with asyncio.TaskGroup() as group:
        for delay_s in range(10):
            group.create_task(asyncio.sleep(delay_s))
    assert running_loop().time() == 9


@pytest.mark.virtual
async def test_queue_hands_items_over_in_order() -> None:
    queue, got = asyncio.Queue[int](maxsize=2), list[int]()

    async def consume() -> None:
        while len(got) < 10:
            got.append(await queue.get())

    consumer = asyncio.create_task(consume())
    for number in range(10):
        await queue.put(number)
    await consumer
    assert got == list(range(10))


@pytest.mark.virtual
async def test_blocking_functions_run_inline_in_a_later_turn() -> None:
    threads: list[int] = []
    future = running_loop().run_in_executor(None, lambda: threads.append(threading.get_ident()))
    assert threads == []
    await future
    await asyncio.to_thread(lambda: threads.append(threading.get_ident()))
    assert threads == [threading.get_ident()] * 2


@pytest.mark.virtual
async def test_an_error_of_a_blocking_function_reaches_whoever_awaits_it() -> None:
    with pytest.raises(ZeroDivisionError):
        await asyncio.to_thread(lambda: 1 // 0)


@pytest.mark.virtual
async def test_an_eager_task_factory_is_honoured() -> None:
    eager_task_factory = getattr(asyncio, "eager_task_factory", None)
    if eager_task_factory is None:
        pytest.skip("eager tasks came with Python 3.12")
    ran: list[str] = []

    async def note() -> None:
        ran.append("ran")

    running_loop().set_task_factory(eager_task_factory)
    task = asyncio.create_task(note())
    assert ran == ["ran"]
    await task


def test_runner_closes_tasks_and_async_generators_and_the_loop() -> None:
    ended: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            ended.append("generator")

    async def wait_for_ever() -> None:
        try:
            await asyncio.sleep(1e9)
        finally:
            ended.append("task")

    kept: list[object] = []

    async def main() -> None:
        kept.append(asyncio.create_task(wait_for_ever()))
        generator = numbers()
        kept.append(generator)
        await anext(generator)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main())
        loop = runner.get_loop()
    assert ended == ["task", "generator"]
    assert loop.is_closed()
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_soon(print)
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_later(1, print)


def test_debug_mode_works() -> None:
    async def main() -> float:
        await asyncio.sleep(1)
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=VirtualLoop, debug=True) as runner:
        assert runner.run(main()) == 1


def test_run_forever_ends_after_the_turn_that_stops_it_and_can_go_on() -> None:
    loop, ran = VirtualLoop(), list[str]()
    try:
        loop.call_soon(loop.stop)
        loop.call_soon(ran.append, "same turn")
        loop.call_soon(lambda: loop.call_soon(ran.append, "next turn"))
        loop.run_forever()
        assert ran == ["same turn"]
        loop.call_later(1, loop.stop)
        loop.run_forever()
        assert ran == ["same turn", "next turn"]
    finally:
        loop.close()


def test_an_interrupt_in_a_callback_loses_none_of_the_others() -> None:
    loop, ran = VirtualLoop(), list[str]()

    def interrupt() -> None:
        raise KeyboardInterrupt

    try:
        loop.call_soon(interrupt)
        loop.call_soon(ran.append, "after")
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()
        loop.run_until_complete(asyncio.sleep(0))
        assert ran == ["after"]
    finally:
        loop.close()


@pytest.mark.virtual
async def test_tasks_and_futures_hash_by_number_so_that_sets_of_them_have_one_order() -> None:
    tasks = [asyncio.create_task(asyncio.sleep(0)) for _ in range(100)]
    futures = [running_loop().create_future() for _ in range(100)]
    first = hash(tasks[0])
    assert first < 1000
    assert [hash(one) for one in (*tasks, *futures)] == list(range(first, first + 200))
    done, _ = await asyncio.wait(tasks)
    assert len(done) == 100


@pytest.mark.virtual
async def test_a_cancelled_task_group_cancels_in_the_order_of_creation() -> None:
    ended: list[int] = []

    async def wait(number: int) -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append(number)

    async def fail() -> None:
        await asyncio.sleep(1)
        raise LookupError

    async def run_group() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(20):
                group.create_task(wait(number))
            group.create_task(fail())

    with pytest.raises(ExceptionGroup):
        await run_group()
    begin = ended.index(0)  # small numbers in a small set: ascending, from wherever the table wraps
    assert ended[begin:] + ended[:begin] == list(range(20))


# --- deadlocks and errors


def test_a_deadlock_names_the_waiting_tasks_and_where_they_wait() -> None:
    async def take(queue: asyncio.Queue[int]) -> None:
        await queue.get()

    async def main() -> None:
        taker = asyncio.create_task(take(asyncio.Queue()), name="taker")
        await taker

    with pytest.raises(VirtualDeadlock) as caught:
        run_virtual(main)
    assert len(caught.value.waiting) == 2
    assert "taker waits at" in str(caught.value)
    assert "in Queue.get" in str(caught.value)


def test_the_loop_of_a_deadlock_can_be_closed_and_its_tasks_run_their_finally() -> None:
    ended: list[str] = []

    async def main() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(5)
            ended.append("finally")

    with pytest.raises(VirtualDeadlock):
        run_virtual(main)
    assert ended == ["finally"]


def test_run_virtual_raises_what_a_callback_raised() -> None:
    def fail() -> None:
        raise LookupError("nobody catches me")

    async def main() -> None:
        loop = running_loop()
        unhandled = loop.unhandled
        # asyncio would also log it, which every test here takes for a failure.
        loop.set_exception_handler(lambda loop, context: unhandled.append(context["exception"]))
        loop.call_soon(fail)
        await asyncio.sleep(1)

    with pytest.raises(BaseExceptionGroup) as caught:
        run_virtual(main)
    assert [type(error) for error in caught.value.exceptions] == [LookupError]


@pytest.mark.virtual
async def test_the_default_exception_handler_logs_and_keeps(caplog: pytest.LogCaptureFixture) -> None:
    loop, seen = running_loop(), list[BaseException]()

    def handle(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        seen.append(context["exception"])

    loop.set_exception_handler(handle)
    loop.call_soon(lambda: 1 // 0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [type(error) for error in seen] == [ZeroDivisionError]
    assert not loop.unhandled

    with caplog.at_level("CRITICAL", logger="asyncio"):
        loop.default_exception_handler({"message": "no exception, only words"})
        loop.default_exception_handler({"message": "failed", "exception": seen[0]})
    assert str(loop.unhandled[0]) == "no exception, only words"
    assert loop.unhandled[1] is seen[0]


def test_an_abandoned_failed_task_is_not_lost() -> None:
    async def fail() -> None:
        raise LookupError("nobody awaits me")

    async def main() -> None:
        unhandled = running_loop().unhandled
        # asyncio would also log it, which every test here takes for a failure.
        running_loop().set_exception_handler(lambda loop, context: unhandled.append(context["exception"]))
        task = asyncio.create_task(fail())
        await asyncio.sleep(1)
        del task

    with pytest.raises(BaseExceptionGroup):
        run_virtual(main)


def test_a_cancelled_timer_does_not_delay_the_report_of_a_deadlock() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_later(3600, print).cancel()
        await asyncio.Event().wait()

    loop = VirtualLoop()
    try:
        task = loop.create_task(main())
        with pytest.raises(VirtualDeadlock):
            loop.run_until_complete(task)
        assert loop.time() == 0.0
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            loop.run_until_complete(task)
    finally:
        loop.close()


# --- the fence


def call_from_thread(function: Callable[[], object]) -> BaseException | None:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            function()
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return errors[0] if errors else None


@pytest.mark.virtual
async def test_call_soon_threadsafe_works_here_and_refuses_another_thread() -> None:
    loop, ran = running_loop(), list[str]()
    loop.call_soon_threadsafe(ran.append, "here")
    error = call_from_thread(lambda: loop.call_soon_threadsafe(ran.append, "elsewhere"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert ran == ["here"]
    assert "another thread" in str(error)


@pytest.mark.virtual
async def test_the_real_world_is_refused_by_name() -> None:
    loop = running_loop()
    refused: dict[str, Callable[[], object]] = {
        "create_connection": lambda: loop.create_connection(asyncio.Protocol, "127.0.0.1", 1),
        "create_server": lambda: loop.create_server(asyncio.Protocol, "127.0.0.1", 0),
        "getaddrinfo": lambda: loop.getaddrinfo("localhost", 80),
        "add_reader": lambda: loop.add_reader(0, print),
        "add_signal_handler": lambda: loop.add_signal_handler(1, print),
        "subprocess_exec": lambda: loop.subprocess_exec(asyncio.SubprocessProtocol, "true"),
    }
    for name, call in refused.items():
        with pytest.raises(
            FenceError, match=rf"loop\.{name}\(\) at .*test_virtual_loop\.py:\d+ would leave the virtual world"
        ):
            call()


HARMLESS = """
    call_at call_exception_handler call_later call_soon call_soon_threadsafe close create_future create_task
    default_exception_handler get_debug get_exception_handler get_task_factory is_closed is_running run_forever
    run_in_executor run_until_complete set_debug set_exception_handler set_task_factory shutdown_asyncgens
    shutdown_default_executor stop time
"""


def test_every_method_of_asyncio_that_touches_the_world_is_refused() -> None:
    public = {name for name in dir(asyncio.SelectorEventLoop) if not name.startswith("_")}
    methods = {
        name for name in public.difference(HARMLESS.split()) if callable(getattr(asyncio.SelectorEventLoop, name))
    }
    assert [name for name in sorted(methods) if "Refuse" not in str(getattr(VirtualLoop, name).__doc__)] == []


@pytest.mark.virtual
async def test_handles_fill_all_that_asyncio_keeps_in_its_own() -> None:
    loop = running_loop()
    soon, timer = loop.call_soon(lambda: None), loop.call_later(1, lambda: None)

    for handle, kind in ((soon, asyncio.Handle), (timer, asyncio.TimerHandle)):
        slots = [slot for base in kind.__mro__ for slot in getattr(base, "__slots__", ()) if slot != "__weakref__"]
        assert all(hasattr(handle, slot) for slot in slots)
        assert "lambda" in repr(handle)
    assert timer.when() == loop.time() + 1
