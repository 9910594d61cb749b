"""Timers: measures timers per second, once with timers that fire, and once with timers that are cancelled.

1,000 actors set ten timers of 1 ms each when they get a start message; the next round follows when all timers have
fired and were handled, or are cancelled. The floor is the event loop's own `call_later`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from benchmarks.harness.comparison import Comparison
from benchmarks.harness.measured_system import measured_system
from benchmarks.harness.results import Measurement, Result
from benchmarks.harness.rounds import in_rounds
from benchmarks.harness.settings import Settings
from coterie import Actor, message

__all__ = ["run"]

COUNT = 200_000
ACTORS = 1_000
EACH = 10
DELAY_S = 0.001


@message
class Tick:
    number: int


@message
class Begin:
    is_cancelled: bool


class Clock(Actor[Tick | Begin]):
    def __init__(self, counts: list[int]) -> None:
        self.counts = counts

    def receive(self, msg: Tick | Begin) -> None:
        if isinstance(msg, Tick):
            self.counts[0] += 1
            return
        timers = [self.context.after(DELAY_S, _TICK) for _ in range(EACH)]
        if msg.is_cancelled:
            for timer in timers:
                timer.cancel()
            self.counts[0] += EACH


class BareClock:
    def __init__(self, counts: list[int]) -> None:
        self.counts = counts
        self.loop = asyncio.get_running_loop()

    def receive(self, msg: Tick | Begin) -> None:
        if isinstance(msg, Tick):
            self.counts[0] += 1
            return
        timers = [self.loop.call_later(DELAY_S, self.receive, _TICK) for _ in range(EACH)]
        if msg.is_cancelled:
            for timer in timers:
                timer.cancel()
            self.counts[0] += EACH


_TICK = Tick(1)


async def floor(is_cancelled: bool, count: int) -> Measurement:
    counts = [0]
    return await _rounds([BareClock(counts).receive for _ in range(ACTORS)], is_cancelled, counts, count)


async def coterie(is_cancelled: bool, count: int) -> Measurement:
    async with measured_system() as system:
        counts = [0]
        clocks = [system.spawn(partial(Clock, counts)) for _ in range(ACTORS)]
        return await _rounds([clock.tell for clock in clocks], is_cancelled, counts, count)


async def _rounds(
    tells: Sequence[Callable[[Begin], None]], is_cancelled: bool, counts: list[int], count: int
) -> Measurement:
    begin = Begin(is_cancelled)

    def send() -> None:
        for tell in tells:
            tell(begin)

    return await in_rounds(send, ACTORS * EACH, lambda: counts[0], count)


async def run(settings: Settings) -> list[Result]:
    """Measure timers that fire, and timers that are cancelled."""
    results = []
    for name, is_cancelled in (("fire", False), ("cancel", True)):
        own, bare = partial(coterie, is_cancelled), partial(floor, is_cancelled)
        results += await Comparison(f"timers/{name}", "timers/s", COUNT, bare, own).run(settings)
    return results
