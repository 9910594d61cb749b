"""Remote asks: measures asks per second between two processes, 64 at a time, and the processor time per ask.

Each process has its own core. Each of 64 askers asks again when it has its reply. `cpu_us_per_ask` is the sum of both
processes.
The floor is a raw socket with MessagePack arrays of up to 256 rows, a future per ask in a dictionary, and no
time-outs.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

from benchmarks.harness.comparison import Comparison
from benchmarks.harness.processes import Child, cpu_seconds
from benchmarks.harness.results import Measurement, Result
from benchmarks.harness.settings import Settings
from benchmarks.messaging.ask import ask_in_turn
from benchmarks.messaging.pairs import bare_pair, pair
from benchmarks.messaging.receivers import ADD, Add

__all__ = ["run"]

COUNT = 200_000
IN_FLIGHT = 64


async def floor(count: int) -> Measurement:
    async with bare_pair() as linked:
        return await _measured(lambda: linked.ask(ADD, 1), linked.receiver, count)


async def coterie(count: int) -> Measurement:
    async with pair() as linked:
        adder, add = linked.at("adder"), Add(1)
        return await _measured(lambda: adder.ask(add), linked.receiver, count)


async def _measured(ask: Callable[[], Awaitable[int]], receiver: Child, count: int) -> Measurement:
    """Ask about `count` times. RuntimeError unless each one was handled exactly once."""
    pids = [os.getpid(), receiver.pid]
    before_s = cpu_seconds(pids)
    measurement = await ask_in_turn(ask, count, IN_FLIGHT)
    cpu_s = cpu_seconds(pids) - before_s
    asked = max(1, count // IN_FLIGHT) * IN_FLIGHT
    if (total := await ask()) != asked + 1:
        raise RuntimeError(f"the run is invalid: {total - 1} of {asked} asks were handled")
    return Measurement(measurement.value, {"cpu_us_per_ask": 1e6 * cpu_s / asked})


async def run(settings: Settings) -> list[Result]:
    """Measure 64 in flight."""
    return await Comparison(f"remote_ask/{IN_FLIGHT}", "asks/s", COUNT, floor, coterie).run(settings)
