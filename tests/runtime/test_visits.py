"""Visits: what an actor handled in one go is looked back on, once, at its end."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from coterie.runtime.actor import Actor
from coterie.runtime.messages import Ask, message
from coterie.runtime.system import System
from coterie.runtime.virtual.host import VirtualHost

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
        context = ref.postbox.actor.context  # type: ignore[attr-defined]
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
