"""`EventHeap`: runs scheduled actions in the order of simulated time. `stream`: makes a random generator from a name.

Each purpose has a random stream of its own, so that draws for one do not affect another.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from heapq import heappop, heappush
from typing import TypeVarTuple

from coterie.protocols.checking.violation import ViolationContext

__all__ = ["EventHeap", "stream"]

Arguments = TypeVarTuple("Arguments")


def stream(seed: str, name: str) -> random.Random:
    """Return the random stream `name` of `seed`: draws from one stream do not affect the others."""
    return random.Random(f"{seed}/{name}")  # strings are seeded by SHA-512: the same in every process


class EventHeap:
    """Runs scheduled actions in order of time. Simultaneous actions run in the order in which they were scheduled.

    Each action is one step; `context` receives its number and time before it runs. `events` counts the events that an
    algorithm observes: deliveries, timers and completed syncs; the code that causes one increments it.
    """

    __slots__ = ("_context", "_heap", "_is_stopped", "_scheduled", "events", "now")

    def __init__(self, context: ViolationContext) -> None:
        self._context = context
        self._heap: list[tuple[float, int, Callable[..., object], tuple[object, ...]]] = []
        self._scheduled = 0
        self._is_stopped = False
        self.now = 0.0
        self.events = 0

    @property
    def steps(self) -> int:
        """The number of steps so far."""
        return self._context.step

    def at(self, time_s: float, action: Callable[[*Arguments], object], *arguments: *Arguments) -> None:
        """Schedule `action(*arguments)` at `time_s`, or now if that is past."""
        self._scheduled += 1
        heappush(self._heap, (max(time_s, self.now), self._scheduled, action, arguments))

    def after(self, delay_s: float, action: Callable[[*Arguments], object], *arguments: *Arguments) -> None:
        """Schedule `action(*arguments)` in `delay_s`."""
        self._scheduled += 1
        heappush(self._heap, (self.now + delay_s, self._scheduled, action, arguments))

    def stop(self) -> None:
        """Stop `run` after the current step."""
        self._is_stopped = True

    def run(self, *, until_s: float) -> None:
        """Run actions until `stop` is called, `until_s` is reached or none is left."""
        heap, context = self._heap, self._context
        self._is_stopped = False
        while heap and not self._is_stopped:
            now, number, action, arguments = heappop(heap)
            if now > until_s:
                heappush(heap, (now, number, action, arguments))
                break
            self.now = context.time_s = now
            context.step += 1
            action(*arguments)
