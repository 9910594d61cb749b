"""Ray adapter: runs the benchmarks on Ray, where an actor is a process; the ring of 1,000 actors is left out.

Local and remote work are the same; the ring would need too many processes. Ray is not pinned: its own processes need
all cores. Its session ends with this process.
"""

# An extra that need not be installed.
# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio
import atexit
import functools
import logging
import os
import time
from typing import Any

import ray

from benchmarks.harness.results import Measurement
from benchmarks.peers.peer_runs import RunRequest, Workload

__all__ = ["COUNT_MAX", "WORKLOADS"]

CHUNK = 1_000
PAYLOAD = b"x" * 1024


class Counter:
    def __init__(self) -> None:
        self.handled = 0

    def count(self, _number: int, _payload: bytes = b"") -> None:
        self.handled += 1

    def mark(self) -> int:
        return self.handled


class Adder:
    def __init__(self) -> None:
        self.total = 0

    def add(self, amount: int) -> int:
        self.total += amount
        return self.total


class Player:
    def __init__(self) -> None:
        self.next: Any = None
        self.is_over = False

    def meet(self, following: Any) -> None:
        self.next = following

    def play(self, left: int) -> None:
        if left > 1:
            self.next.play.remote(left - 1)
        else:
            self.is_over = True

    def over(self) -> bool:
        return self.is_over


@functools.cache
def _begun() -> None:
    """Start Ray once, on all cores."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    ray.init(include_dashboard=False, num_cpus=8, logging_level=logging.ERROR, log_to_driver=False)
    atexit.register(ray.shutdown)


def _spawned(cls: type) -> Any:
    _begun()
    return ray.remote(cls).remote()


async def tell(payload: bytes, request: RunRequest) -> Measurement:
    counter, sent = _spawned(Counter), 0
    ray.get(counter.mark.remote())
    begin = time.perf_counter()
    while sent < request.count:
        for number in range(CHUNK):
            counter.count.remote(number, payload)
        sent += CHUNK
        if (handled := ray.get(counter.mark.remote())) != sent:
            raise RuntimeError(f"the run is invalid: {handled} of {sent} messages were handled")
    measurement = Measurement(sent / (time.perf_counter() - begin))
    ray.kill(counter)
    return measurement


async def ask(in_flight: int, request: RunRequest) -> Measurement:
    adder, rounds = _spawned(Adder), max(1, request.count // in_flight)
    ray.get(adder.add.remote(1))
    begin = time.perf_counter()
    for _ in range(rounds):
        ray.get([adder.add.remote(1) for _ in range(in_flight)])
    measurement = Measurement(rounds * in_flight / (time.perf_counter() - begin))
    ray.kill(adder)
    return measurement


async def ping_pong(request: RunRequest) -> Measurement:
    first, second = _spawned(Player), _spawned(Player)
    ray.get([first.meet.remote(second), second.meet.remote(first)])
    begin = time.perf_counter()
    first.play.remote(request.count)
    while not any(ray.get([first.over.remote(), second.over.remote()])):  # noqa: ASYNC110 (the actors are in other processes)
        await asyncio.sleep(0.001)
    measurement = Measurement(request.count / (time.perf_counter() - begin))
    ray.kill(first)
    ray.kill(second)
    return measurement


async def spawn(request: RunRequest) -> Measurement:
    _begun()
    begin = time.perf_counter()
    adders = [_spawned(Adder) for _ in range(request.count)]
    ray.get([adder.add.remote(1) for adder in adders])
    measurement = Measurement(request.count / (time.perf_counter() - begin))
    for adder in adders:
        ray.kill(adder)
    return measurement


WORKLOADS: dict[str, Workload] = {
    "tell/sync": functools.partial(tell, b""),
    "ask/1": functools.partial(ask, 1),
    "ask/64": functools.partial(ask, 64),
    "ping_pong": ping_pong,
    "spawn/100000": spawn,
    "remote_tell/small": functools.partial(tell, b""),
    "remote_tell/1KiB": functools.partial(tell, PAYLOAD),
    "remote_ask/64": functools.partial(ask, 64),
}

COUNT_MAX = {"spawn/100000": 4}
"""Operations in one measurement: processes are scarce."""
