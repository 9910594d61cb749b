"""Simulated time: an event heap, and one named random stream for each purpose."""

from __future__ import annotations

import random
from collections.abc import Callable
from heapq import heappop, heappush
from typing import TypeVarTuple

from coterie.protocols.checking.violation import Bench

__all__ = ["Timeline", "stream"]

Arguments = TypeVarTuple("Arguments")


def stream(seed: str, name: str) -> random.Random:
    """Return the random stream `name` of `seed`: further draws from one stream leave all others as they were."""
    return random.Random(f"{seed}/{name}")  # strings are seeded by SHA-512: the same in every process


class Timeline:
    """What happens when. Simultaneous events happen in the order in which they were scheduled.

    Each event is one step; `bench` is told its number and time before it happens. `events` counts what an algorithm
    sees: deliveries, timers and completions of its disk; whoever makes one happen counts it.
    """

    __slots__ = ("_bench", "_heap", "_is_stopped", "_scheduled", "events", "now")

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._heap: list[tuple[float, int, Callable[..., object], tuple[object, ...]]] = []
        self._scheduled = 0
        self._is_stopped = False
        self.now = 0.0
        self.events = 0

    @property
    def steps(self) -> int:
        """How many steps there were."""
        return self._bench.step

    def at(self, time_s: float, action: Callable[[*Arguments], object], *arguments: *Arguments) -> None:
        """Let `action(*arguments)` happen at `time_s`, or now if that is past."""
        self._scheduled += 1
        heappush(self._heap, (max(time_s, self.now), self._scheduled, action, arguments))

    def after(self, delay_s: float, action: Callable[[*Arguments], object], *arguments: *Arguments) -> None:
        """Let `action(*arguments)` happen `delay_s` from now."""
        self._scheduled += 1
        heappush(self._heap, (self.now + delay_s, self._scheduled, action, arguments))

    def stop(self) -> None:
        """Let the present step be the last one."""
        self._is_stopped = True

    def run(self, *, until_s: float) -> None:
        """Let things happen until somebody calls `stop`, `until_s` is reached or nothing is left."""
        heap, bench = self._heap, self._bench
        self._is_stopped = False
        while heap and not self._is_stopped:
            now, number, action, arguments = heappop(heap)
            if now > until_s:
                heappush(heap, (now, number, action, arguments))
                break
            self.now = bench.time_s = now
            bench.step += 1
            action(*arguments)
