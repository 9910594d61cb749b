"""Skynet: measures how fast a tree of actors with a million leaves is spawned and the leaves' numbers are summed up.

The root makes ten children, each of them ten, down to 1,000,000 leaves; a leaf sends its number to its parent, a parent
the sum of its ten children to its own, and stops. Each measurement runs in a separate process. The floor is the same
tree of bare objects that share one deque, drained by one `call_soon`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from benchmarks.harness.bare_queues import BareSwitch
from benchmarks.harness.comparison import Comparison
from benchmarks.harness.measured_system import measured_system
from benchmarks.harness.results import Measurement, Result
from benchmarks.harness.separate_process import in_separate_process
from benchmarks.harness.settings import Settings
from coterie import Actor, Ref, message

__all__ = ["run"]

COUNT = 1_000_000
CHILDREN = 10


@message
class Total:
    value: int


class Branch(Actor[Total]):
    """The part of the tree that has the leaves `first` … `first + size - 1`."""

    def __init__(self, parent: Ref[Total], first: int, size: int) -> None:
        self.parent = parent
        self.first = first
        self.size = size
        self.left = CHILDREN
        self.total = 0

    def on_start(self) -> None:
        if self.size == 1:
            self._end(self.first)
            return
        part = self.size // CHILDREN
        for first in range(self.first, self.first + self.size, part):
            self.context.spawn(partial(Branch, self.context.self_ref, first, part))

    def receive(self, msg: Total) -> None:
        self.total += msg.value
        self.left -= 1
        if not self.left:
            self._end(self.total)

    def _end(self, total: int) -> None:
        self.parent.tell(Total(total))
        self.context.stop()


class Root(Actor[Total]):
    def __init__(self, done: asyncio.Future[int]) -> None:
        self.done = done

    def receive(self, msg: Total) -> None:
        self.done.set_result(msg.value)


class BareBranch:
    def __init__(self, switch: BareSwitch, parent: Callable[[int], None], first: int, size: int) -> None:
        self.switch = switch
        self.parent = parent
        self.first = first
        self.size = size
        self.left = CHILDREN
        self.total = 0

    def start(self, _: None) -> None:
        if self.size == 1:
            self.switch.tell(self.parent, self.first)
            return
        part = self.size // CHILDREN
        for first in range(self.first, self.first + self.size, part):
            self.switch.tell(BareBranch(self.switch, self.receive, first, part).start, None)

    def receive(self, value: int) -> None:
        self.total += value
        self.left -= 1
        if not self.left:
            self.switch.tell(self.parent, self.total)


async def floor(leaves: int) -> Measurement:
    """Grow and sum up the bare tree."""
    done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    switch = BareSwitch()
    begin = time.perf_counter()
    switch.tell(BareBranch(switch, done.set_result, 0, leaves).start, None)
    return _measurement(leaves, await done, begin)


async def coterie(leaves: int) -> Measurement:
    """Grow and sum up the tree of actors."""
    async with measured_system() as system:
        done: asyncio.Future[int] = system.loop.create_future()
        root = system.spawn(partial(Root, done))
        begin = time.perf_counter()
        system.spawn(partial(Branch, root, 0, leaves))
        return _measurement(leaves, await done, begin)


def _measurement(leaves: int, total: int, begin: float) -> Measurement:
    if total != leaves * (leaves - 1) // 2:
        raise RuntimeError(f"the run is invalid: the leaves sum up to {total}")
    return Measurement(leaves / (time.perf_counter() - begin))


async def run(settings: Settings) -> list[Result]:
    """Measure one tree per process."""
    in_process = partial(in_separate_process, "benchmarks.messaging.skynet")
    floor, coterie = partial(in_process, "floor"), partial(in_process, "coterie")
    return await Comparison("skynet", "leaves/s", COUNT, floor, coterie, is_warmed=False).run(settings)
