"""One peer at one task: `python -m benchmarks.peers.lap <module> <contest> <seconds> <runs> <other core>`.

The module's `WORKLOADS` has a coroutine function by the contest's name, which does the ordered work and returns a lap;
its `MOST` says, where there is a limit, how many operations one lap can be asked for. How much work takes about the
wanted time is found out first; that is the warm-up. Prints `ready`, then a lap a line.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import uvloop

from benchmarks.results import Lap

__all__ = ["Order", "Workload"]

_FIRST_COUNT = 100
_CALIBRATION_SHARE = 5


@dataclass(frozen=True, slots=True)
class Order:
    """How many operations to do, and the core for a second process (-1: any)."""

    count: int
    other_core: int


Workload = Callable[[Order], Awaitable[Lap]]


async def _calibrated(work: Workload, seconds: float, most: int, other_core: int) -> int:
    """Return how many operations take about that long: at least a hundred, at most `most`."""
    count = min(_FIRST_COUNT, most)
    while True:
        lap = await work(Order(count, other_core))
        if count >= most or count / lap.value >= seconds / _CALIBRATION_SHARE:
            return max(1, min(most, int(lap.value * seconds)))
        count = min(most, count * 10)


async def _main(module: str, contest: str, seconds: float, runs: int, other_core: int) -> None:
    adapter = importlib.import_module(module)
    work: Workload | None = adapter.WORKLOADS.get(contest)
    print("ready" if work is not None else "nothing", flush=True)
    if work is None:
        return
    most: int = adapter.MOST.get(contest, sys.maxsize)
    count = await _calibrated(work, seconds, most, other_core)
    for _ in range(runs):
        gc.collect()
        lap = await work(Order(count, other_core))
        detail = {**lap.detail, **({"count": float(count)} if count == most else {})}
        print(json.dumps({"value": lap.value, "detail": detail}), flush=True)


def _terminate(_number: int, _frame: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminate)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_main(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is ending already
