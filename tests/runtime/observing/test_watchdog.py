"""`Watchdog`: reports the actor and the message that block the loop, and no others."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest

from coterie.runtime.actor import Actor
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.observing.actor_events import Event
from coterie.runtime.observing.watchdog import Watchdog
from coterie.runtime.system import System, SystemConfig

STALL_S = 0.05


@message(name="watchdog.Block")
class Block(Ask[bool]):
    pass


class Reports(logging.Handler):
    """Releases the blocking handler once it is reported."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.came = threading.Event()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())
        self.came.set()


class Blocker(Actor[Block]):
    def __init__(self, came: threading.Event) -> None:
        self.came = came

    def receive(self, msg: Block) -> bool:
        return self.came.wait(10)


class AsyncBlocker(Blocker):
    async def receive(self, msg: Block) -> bool:  # type: ignore[override]
        await asyncio.sleep(0)
        return self.came.wait(10)


class Fake(Actor[Block]):
    """Calls `look` from within its handler, as if from another thread, with the clock moved on in between."""

    def __init__(self, looks: Any) -> None:
        self.looks = looks

    def receive(self, msg: Block) -> bool:
        self.looks()
        return True


class BlockingHook(Blocker):
    def receive(self, msg: Block) -> bool:
        return True

    def on_visit_end(self) -> None:
        self.came.wait(10)


class Named(Blocker):
    """Blocks in what it has named, in a handler and in a task of its own."""

    def receive(self, msg: Block) -> bool:
        with self.context.system.run_queue.naming(self.context.self_ref.path, "Jobs.snapshot"):
            return self.came.wait(10)


class NamedInTask(Blocker):
    async def receive(self, msg: Block) -> bool:  # type: ignore[override]
        async def save() -> bool:
            with self.context.system.run_queue.naming(self.context.self_ref.path, "Jobs.snapshot"):
                return self.came.wait(10)

        return await asyncio.ensure_future(save())


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (Named, "Jobs.snapshot"),
        (NamedInTask, "Jobs.snapshot"),
        (Blocker, "Block"),
        (AsyncBlocker, "Block"),
        (BlockingHook, "none: a hook, or apply"),
    ],
)
async def test_an_actor_that_blocks_the_loop_is_reported_while_it_does(kind: type[Blocker], named: str) -> None:
    reports = Reports()
    logger = logging.getLogger("coterie.runtime")
    logger.addHandler(reports)
    try:
        async with System(config=SystemConfig(stall_s=STALL_S)) as system:
            events: list[Event] = []
            system.events.subscribe(events.append)
            ref = system.spawn(lambda: kind(reports.came), name="blocker")
            assert await ref.ask(Block(), timeout_s=30), "it was let go because it was reported"
            while not events or events[-1].name != "actor.stalled":  # noqa: ASYNC110 (the test's timeout bounds it)
                await asyncio.sleep(0)
            stalls = [event for event in events if event.name == "actor.stalled"]
            assert [(event.actor, event.facts["message"]) for event in stalls] == [("blocker", named)]
    finally:
        logger.removeHandler(reports)
    assert "actor.stalled" in reports.texts[0]
    assert "actor=blocker" in reports.texts[0]
    assert f"message={named}" in reports.texts[0]


@pytest.mark.virtual
async def test_it_is_reported_once_and_only_after_its_time(virtual_host: VirtualHost) -> None:
    said: list[int] = []

    async with System(host=virtual_host) as system:
        watchdog = Watchdog(system, 1.0)
        reported: list[object] = []
        watchdog._report = lambda *facts: reported.append(facts)  # type: ignore[method-assign]

        def looks() -> None:
            for _ in range(6):
                watchdog.check()
                said.append(len(reported))
                virtual_host.clock.advance_to(virtual_host.clock.monotonic() + 0.4)

        await system.spawn(lambda: Fake(looks)).ask(Block())
    assert said == [0, 0, 0, 1, 1, 1]


@pytest.mark.virtual
async def test_a_handler_between_whose_steps_the_loop_goes_on_is_no_stall(virtual_host: VirtualHost) -> None:
    reported: list[object] = []

    class Stepper(Actor[Block]):
        async def receive(self, msg: Block) -> bool:
            for _ in range(20):
                watchdog.check()
                await asyncio.sleep(0.4)
            return True

    async with System(host=virtual_host) as system:
        watchdog = Watchdog(system, 1.0)
        watchdog._report = lambda *facts: reported.append(facts)  # type: ignore[method-assign]
        await system.spawn(Stepper).ask(Block(), timeout_s=60)
    assert reported == []


async def test_no_watchdog_no_thread() -> None:
    before = {thread.name for thread in threading.enumerate()}
    async with System(config=SystemConfig(stall_s=None)):
        assert {thread.name for thread in threading.enumerate()} == before


async def test_its_thread_ends_with_the_system() -> None:
    async with System():
        assert any(thread.name == "coterie-watch" for thread in threading.enumerate())
    assert not any(thread.name == "coterie-watch" for thread in threading.enumerate())


def test_a_stall_time_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="stall_s is 0"):
        SystemConfig(stall_s=0)
