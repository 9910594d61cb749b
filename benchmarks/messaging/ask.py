"""Ask throughput: measures asks (request and reply) per second, one at a time and 64 at a time, with time-outs.

Each asker sends its next ask when it has its reply; the message is always the same one. The floor is a future per ask,
resolved through one deque, with the cheapest time-out: a dictionary of pending futures per 20 ms, one timer each.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from benchmarks.harness.bare_queues import BareAsks
from benchmarks.harness.comparison import Comparison
from benchmarks.harness.measured_system import measured_system
from benchmarks.harness.results import Measurement, Result
from benchmarks.harness.settings import Settings
from coterie import Actor, Ask, message

__all__ = ["ask_in_turn", "run"]

COUNT = 200_000


@message
class Add(Ask[int]):
    amount: int


class Adder(Actor[Add]):
    total = 0

    def receive(self, msg: Add) -> int:
        self.total += msg.amount
        return self.total


class BareAdder:
    def __init__(self) -> None:
        self.total = 0

    def receive(self, msg: Add) -> int:
        self.total += msg.amount
        return self.total


async def ask_in_turn(ask: Callable[[], Awaitable[object]], count: int, in_flight: int) -> Measurement:
    """Send about `count` asks in total from `in_flight` concurrent askers."""
    each = max(1, count // in_flight)

    async def asker() -> None:
        for _ in range(each):
            await ask()

    begin = time.perf_counter()
    await asyncio.gather(*(asker() for _ in range(in_flight)))
    return Measurement(each * in_flight / (time.perf_counter() - begin))


async def floor(in_flight: int, count: int) -> Measurement:
    adder, add = BareAdder(), Add(1)
    ask = BareAsks(adder.receive).ask
    measurement = await ask_in_turn(lambda: ask(add), count, in_flight)
    _check(adder.total, count, in_flight)
    return measurement


async def coterie(in_flight: int, count: int) -> Measurement:
    async with measured_system() as system:
        adder, add = Adder(), Add(1)
        ask = system.spawn(lambda: adder).ask
        measurement = await ask_in_turn(lambda: ask(add), count, in_flight)
        _check(adder.total, count, in_flight)
        return measurement


def _check(total: int, count: int, in_flight: int) -> None:
    if total != max(1, count // in_flight) * in_flight:
        raise RuntimeError(f"the run is invalid: {total} asks were handled")


async def run(settings: Settings) -> list[Result]:
    """Measure one asker, and 64."""
    results = []
    for in_flight in (1, 64):
        comparison = Comparison(
            f"ask/{in_flight}", "asks/s", COUNT, partial(floor, in_flight), partial(coterie, in_flight)
        )
        results += await comparison.run(settings)
    return results
