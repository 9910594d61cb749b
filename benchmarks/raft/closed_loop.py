"""Closed-loop load: runs clients that each send a command when the last is acknowledged, and measures latencies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

__all__ = ["ClosedLoopResult", "closed_loop"]

VALUE = b"v" * 100

Put = Callable[[bytes, bytes], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class ClosedLoopResult:
    """The result of a load: `latencies_s` of the commands that ended within the measured `seconds`."""

    latencies_s: tuple[float, ...]
    seconds: float

    @property
    def per_s(self) -> float:
        """Commands per second."""
        return len(self.latencies_s) / self.seconds


async def closed_loop(put: Put, clients: int, *, warm_up_s: float, measure_s: float) -> ClosedLoopResult:
    """Let `clients` write 100-byte values for the warm-up and the measured time."""
    begin = time.perf_counter() + warm_up_s
    end = begin + measure_s
    latencies: list[float] = []

    async def client(number: int) -> None:
        key = b"key-%d" % number
        while (sent := time.perf_counter()) < end:
            await put(key, VALUE)
            done = time.perf_counter()
            if begin <= done < end:
                latencies.append(done - sent)

    await asyncio.gather(*(client(number) for number in range(clients)))
    return ClosedLoopResult(tuple(latencies), measure_s)
