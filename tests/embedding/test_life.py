"""Systems come and go inside a program that owns the loop: again and again, several at once, each leaving nothing."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable

import pytest
import uvloop

from coterie import Actor, Address, Ref, System, SystemConfig
from coterie.errors import ActorFailed, WrongThread
from coterie.testing import no_leaks
from tests.embedding.actors import Add, Counter, Slow

FACTORIES = pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop])


async def use(system: System) -> int:
    """Let an actor use a thread, a timer, a child and a supervised restart."""
    return await system.spawn(Slow).ask(Add(3))


async def linked_pair(a: System, b: System) -> Ref[Add]:
    """Link two systems over real sockets; return a counter of `b` as `a` reaches it."""
    linked = asyncio.Event()
    a.on_link(lambda event: linked.set() if event.kind == "up" else None)
    at_a, at_b = await a.listen(), await b.listen()
    a.add_peer(b.node, *at_b)
    b.add_peer(a.node, *at_a)
    b.spawn(Counter, name="counter")
    await asyncio.wait_for(linked.wait(), 60)
    return a.at(Address(b.node, "counter"))


async def test_two_cycles_on_one_loop() -> None:
    for _ in range(2):
        async with no_leaks(), System() as system:
            assert await use(system) == 3


async def test_two_cycles_on_the_same_addresses() -> None:
    ports: list[int] = [0, 0]
    for _ in range(2):
        async with System("a") as a, System("b") as b:
            linked = asyncio.Event()
            a.on_link(lambda event, linked=linked: linked.set() if event.kind == "up" else None)  # type: ignore[misc]
            ports = [(await a.listen(port=ports[0]))[1], (await b.listen(port=ports[1]))[1]]
            a.add_peer("b", "127.0.0.1", ports[1])
            b.add_peer("a", "127.0.0.1", ports[0])
            b.spawn(Counter, name="counter")
            await asyncio.wait_for(linked.wait(), 60)
            assert await a.at(Address("b", "counter")).ask(Add(3)) == 3


async def test_two_systems_at_once_know_nothing_of_each_other() -> None:
    async with System("a") as a, System("a") as b:
        one, other = a.spawn(Counter, name="counter"), b.spawn(Counter, name="counter")

        answers = [await one.ask(Add(1)), await other.ask(Add(10)), await one.ask(Add(1))]

        assert answers == [1, 10, 2]
        assert one != other
        assert (a.stats().handled, b.stats().handled) == (2, 1)


async def test_two_systems_at_once_end_in_any_order() -> None:
    first, second = System("first"), System("second")
    await first.__aenter__()
    await second.__aenter__()
    counter = second.spawn(Counter)
    await use(first)

    await first.__aexit__(None, None, None)

    assert await counter.ask(Add(1)) == 1
    await second.__aexit__(None, None, None)


async def test_linked_systems_of_one_process_leave_nothing() -> None:
    async with System("a") as a, System("b") as b:
        counter = await linked_pair(a, b)

        answers = await asyncio.gather(*(counter.ask(Add(1)) for _ in range(100)))

        assert answers == list(range(1, 101))


async def test_a_body_that_raises_leaves_nothing_either() -> None:
    async def main() -> None:
        async with System("a") as a, System("b") as b:
            counter = await linked_pair(a, b)
            asks = [counter.ask(Add(1)) for _ in range(10)]
            await use(b)
            assert len(asks) == 10
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await main()


async def test_a_cancelled_program_leaves_nothing() -> None:
    is_up = asyncio.Event()

    async def main() -> None:
        async with System() as system:
            await use(system)
            is_up.set()
            await asyncio.Event().wait()

    program = asyncio.create_task(main())
    await is_up.wait()
    program.cancel()

    with pytest.raises(asyncio.CancelledError):
        await program


async def test_a_system_that_listens_and_is_never_linked_leaves_nothing() -> None:
    async with System("a") as a:
        await a.listen()
        a.add_peer("b", "127.0.0.1", 1)
        await asyncio.sleep(0)


async def test_a_blocking_function_that_nobody_awaits_holds_up_nobody() -> None:
    go = threading.Event()

    class Working(Actor[Add]):
        def receive(self, msg: Add, /) -> int:
            self.context.run_blocking(go.wait)
            return msg.amount

    async with System() as system:
        await system.spawn(Working).ask(Add(1))

    assert any(thread.name.startswith("coterie-worker") for thread in threading.enumerate())
    go.set()


async def test_a_fatal_fault_comes_out_of_the_async_with_and_nothing_is_left() -> None:
    async def main() -> None:
        async with System() as system:
            await use(system)
            system.fail(OSError("the disk is gone"))
            await asyncio.Event().wait()

    with pytest.raises(OSError, match="the disk is gone"):
        await main()


async def test_an_actor_that_does_not_stop_is_cancelled_after_the_stop_timeout() -> None:
    started = asyncio.Event()

    class Stubborn(Actor[Add]):
        async def receive(self, msg: Add, /) -> int:
            started.set()
            return await asyncio.Event().wait()

    async with System(config=SystemConfig(stop_timeout_s=0.05)) as system:
        system.spawn(Stubborn).tell(Add(1))
        await started.wait()


async def test_the_hosts_signals_reach_the_host_while_a_system_runs() -> None:
    came = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, came.set)
    async with System("a") as a, System("b") as b:
        counter = await linked_pair(a, b)
        os.kill(os.getpid(), signal.SIGUSR1)

        await asyncio.wait_for(came.wait(), 60)

        assert await counter.ask(Add(1)) == 1
    asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)


def test_without_a_handler_failures_reach_stderr_as_any_librarys_do() -> None:
    program = """
import asyncio, logging, sys
from coterie import Actor, Ask, System, message
@message(name="quiet.Add")
class Add(Ask[int]): pass
class Failing(Actor[Add]):
    def receive(self, msg: Add, /) -> int:
        raise RuntimeError("as I always do")
async def main():
    async with System() as system:
        await asyncio.gather(system.spawn(Failing, name="failing").ask(Add()), return_exceptions=True)
if sys.argv[1:]:
    logging.getLogger("coterie").addHandler(logging.NullHandler())
asyncio.run(main())
"""
    loud, quiet = (
        subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True).stderr
        for arguments in ([], ["quiet"])
    )

    told = "actor.failed node=local actor=failing error=RuntimeError: as I always do message=Add"
    assert loud.splitlines()[:2] == [told, "  Traceback (most recent call last):"]
    assert loud.splitlines()[-1] == "  RuntimeError: as I always do"
    assert quiet == ""


async def test_the_host_sees_records_where_it_wants_to(capfd: pytest.CaptureFixture[str]) -> None:
    class Failing(Actor[Add]):
        def receive(self, msg: Add, /) -> int:
            raise RuntimeError("as I always do")

    handler = logging.StreamHandler(sys.stdout)
    logging.getLogger("coterie").addHandler(handler)
    async with System() as system:
        with pytest.raises(ActorFailed):
            await system.spawn(Failing, name="failing").ask(Add(1))
    logging.getLogger("coterie").removeHandler(handler)

    printed = capfd.readouterr()
    assert printed.err == ""
    assert printed.out.count("actor.failed node=local actor=failing error=RuntimeError: as I always do") == 1


@FACTORIES
def test_a_system_on_each_of_two_loops_of_one_process(factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def main() -> int:
        async with no_leaks(), System() as system:
            return await use(system)

    for _ in range(2):
        with asyncio.Runner(loop_factory=factory) as runner:
            assert runner.run(main()) == 3


@FACTORIES
async def test_a_system_off_the_main_thread(factory: Callable[[], asyncio.AbstractEventLoop]) -> None:
    async def main() -> int:
        async with no_leaks(), System("a") as a, System("b") as b:
            counter = await linked_pair(a, b)
            return await use(a) + await counter.ask(Add(4))

    def run() -> int:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(main())

    assert await asyncio.to_thread(run) == 7


async def test_a_system_here_and_one_on_another_thread_ask_across_threads() -> None:
    async with System("here") as here:
        counter = here.spawn(Counter)

        async def main() -> int:
            async with System("there") as there:
                own = await there.spawn(Counter).ask(Add(5))
                with pytest.raises(WrongThread, match="'here'"):
                    counter.ask(Add(1))
                return own + await asyncio.wrap_future(here.threadsafe.ask(counter, Add(2)))

        assert await asyncio.to_thread(lambda: asyncio.run(main())) == 7
