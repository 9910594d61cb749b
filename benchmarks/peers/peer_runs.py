"""Peer runs: measures one workload on one other actor system (the main module of the separate process).

    python -m benchmarks.peers.peer_runs MODULE COMPARISON SECONDS RUNS OTHER_CORE

The module's `WORKLOADS` maps the name of the comparison to a coroutine function, which does the requested work and
returns a measurement; its `COUNT_MAX` limits the operations of one run, and the counts of the workloads in its
`POWERS_OF_TEN` (optional) are powers of ten. The count that takes about the wanted time is
found first; that is the warm-up. Prints `ready`, then one measurement per line.
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

from benchmarks.harness.results import Measurement

__all__ = ["RunRequest", "Workload", "power_of_ten"]

_FIRST_COUNT = 100
_CALIBRATION_SHARE = 5


@dataclass(frozen=True, slots=True)
class RunRequest:
    """The number of operations, and the core for a second process (-1: any)."""

    count: int
    other_core: int


Workload = Callable[[RunRequest], Awaitable[Measurement]]


async def _calibrated(work: Workload, seconds: float, count_max: int, other_core: int) -> int:
    """Return how many operations take about that long: from 1 to `count_max`."""
    count = min(_FIRST_COUNT, count_max)
    while True:
        measurement = await work(RunRequest(count, other_core))
        if count >= count_max or count / measurement.value >= seconds / _CALIBRATION_SHARE:
            return max(1, min(count_max, int(measurement.value * seconds)))
        count = min(count_max, count * 10)


def power_of_ten(count: int) -> int:
    """Return the greatest power of ten that is not above `count`, which is at least 1."""
    return int(10 ** (len(str(count)) - 1))


async def _main(module: str, comparison: str, seconds: float, runs: int, other_core: int) -> None:
    adapter = importlib.import_module(module)
    work: Workload | None = adapter.WORKLOADS.get(comparison)
    print("ready" if work is not None else "nothing", flush=True)
    if work is None:
        return
    count_max: int = adapter.COUNT_MAX.get(comparison, sys.maxsize)
    count = await _calibrated(work, seconds, count_max, other_core)
    if comparison in getattr(adapter, "POWERS_OF_TEN", ()):
        count = power_of_ten(count)
    for _ in range(runs):
        gc.collect()
        measurement = await work(RunRequest(count, other_core))
        detail = {**measurement.detail, **({"count": float(count)} if count == count_max else {})}
        print(json.dumps({"value": measurement.value, "detail": detail}), flush=True)


def _terminate(_number: int, _frame: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminate)
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_main(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it is ending already
