"""Visits: `on_visit_end` is called once after the messages of one visit."""

from __future__ import annotations

import asyncio
import itertools
from functools import partial
from typing import Any

import pytest

from coterie.runtime.actor import Actor
from coterie.runtime.hosts.virtual.virtual_clock import VirtualClock
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.system import System

pytestmark = pytest.mark.virtual


@message(name="visits.Do")
class Do(Ask[str]):
    what: str = "nothing"


class Batcher(Actor[Do]):
    """Collects messages and notes the batches."""

    def __init__(self, batches: list[list[str]]) -> None:
        self.batches = batches
        self.batch: list[str] = []

    def receive(self, msg: Do) -> str:
        self.batch.append(msg.what)
        if msg.what == "stop":
            self.context.stop()
        return "done"

    def on_visit_end(self) -> None:
        self.batches.append(self.batch)
        self.batch = []


class AsyncBatcher(Batcher):
    async def receive(self, msg: Do) -> str:  # type: ignore[override]
        await asyncio.sleep(0.001)
        return super().receive(msg)


@pytest.mark.parametrize("kind", [Batcher, AsyncBatcher])
async def test_the_end_of_a_visit_looks_back_on_a_batch(virtual_host: VirtualHost, kind: type[Batcher]) -> None:
    batches: list[list[str]] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(kind, batches))
        for at in range(100):
            ref.tell(Do(str(at)))
        await asyncio.sleep(1)

        assert [len(batch) for batch in batches] == [64, 36]


@pytest.mark.parametrize("kind", [Batcher, AsyncBatcher])
async def test_what_was_handled_before_a_stop_is_looked_back_on(virtual_host: VirtualHost, kind: type[Batcher]) -> None:
    batches: list[list[str]] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(kind, batches))
        for what in ("a", "b", "stop", "c"):
            ref.tell(Do(what))
        await asyncio.sleep(1)

    assert batches == [["a", "b", "stop"]]


@pytest.mark.parametrize("kind", [Batcher, AsyncBatcher])
async def test_an_idle_actor_that_is_woken_looks_back_on_nothing(
    virtual_host: VirtualHost, kind: type[Batcher]
) -> None:
    batches: list[list[str]] = []
    async with System(host=virtual_host) as system:
        ref = system.spawn(partial(kind, batches))
        context = ref.delivery.actor.context  # type: ignore[attr-defined]
        context.wake()
        await asyncio.sleep(0.1)
        assert batches == [[]]


async def test_a_wake_during_the_last_step_of_a_task_is_answered(virtual_host: VirtualHost) -> None:
    batches: list[list[str]] = []

    class Rewaking(AsyncBatcher):
        def on_visit_end(self) -> None:
            super().on_visit_end()
            if len(batches) == 1:
                self.context.wake()  # the cell's task is still at work: the run queue leaves it alone

    async with System(host=virtual_host) as system:
        system.spawn(partial(Rewaking, batches)).tell(Do("a"))
        await asyncio.sleep(1)

        assert batches == [["a"], []]


class Counting(Actor[Do]):
    """Counts what it handles; each message takes it `each_s` on the host's clock."""

    def __init__(self, host: SlowHost, each_s: float) -> None:
        self.host = host
        self.each_s = each_s
        self.handled = 0

    async def receive(self, msg: Do) -> str:
        self.handled += 1
        self.host.slow.offset_s += self.each_s
        return ""


class SlowClock:
    """A virtual clock that can be moved while nothing else happens."""

    def __init__(self, inner: VirtualClock) -> None:
        self.inner = inner
        self.offset_s = 0.0

    def monotonic(self) -> float:
        return self.inner.monotonic() + self.offset_s

    def wall(self) -> float:
        return self.inner.wall() + self.offset_s


class SlowHost(VirtualHost):
    def __init__(self) -> None:
        super().__init__("n1")
        self.slow = SlowClock(super().clock)

    @property
    def clock(self) -> Any:
        return self.slow


async def handled_by_turn_of_the_loop(counting: Counting, each: int) -> list[int]:
    """Return how many messages were handled in each turn of the loop in which there were any."""
    counts = [0]
    while counts[-1] < each:
        await asyncio.sleep(0)
        counts.append(counting.handled)
    return [now - before for before, now in itertools.pairwise(counts) if now > before]


async def test_an_async_actor_goes_on_while_its_slice_lasts() -> None:
    async with System("n1", host=SlowHost()) as system:
        counting = Counting(SlowHost(), 0.0)
        ref = system.spawn(lambda: counting)
        for _ in range(500):
            ref.tell(Do())

        assert await handled_by_turn_of_the_loop(counting, 500) == [500]


async def test_an_async_actor_gives_way_after_a_batch_when_its_slice_is_over() -> None:
    host = SlowHost()
    async with System("n1", host=host) as system:
        counting = Counting(host, 0.001)
        ref = system.spawn(lambda: counting)
        for _ in range(150):
            ref.tell(Do())

        assert await handled_by_turn_of_the_loop(counting, 150) == [64, 64, 22]


async def test_an_async_actor_gives_way_after_a_batch_when_another_waits() -> None:
    host = SlowHost()
    async with System("n1", host=host) as system:
        counting = Counting(host, 0.0)
        seen: list[int] = []

        class Other(Actor[Do]):
            def receive(self, msg: Do) -> str:
                seen.append(counting.handled)
                return ""

        class First(Counting):
            async def receive(self, msg: Do) -> str:
                if not counting.handled:
                    other.tell(Do())
                counting.handled += 1
                return ""

        other = system.spawn(Other)
        ref = system.spawn(partial(First, host, 0.0))
        for _ in range(500):
            ref.tell(Do())
        await asyncio.sleep(1)

        assert seen == [64]
