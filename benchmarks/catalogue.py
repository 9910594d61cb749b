"""Benchmark catalogue: lists the name, the description and the function of each benchmark."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType

from benchmarks import linearizability
from benchmarks.detection import detection_quality, slow_and_fast_link
from benchmarks.harness.results import Result
from benchmarks.harness.settings import Settings
from benchmarks.messaging import (
    ask,
    fan_in,
    heartbeat_delay,
    ping_pong,
    remote_ask,
    remote_tell,
    ring,
    skynet,
    spawn,
    tell,
    timers,
)
from benchmarks.raft import raft_failover, raft_put, raft_steady

__all__ = ["BENCHMARKS", "Benchmark"]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark: the first line of its module, and its function."""

    description: str
    run: Callable[[Settings], Awaitable[list[Result]]]


def _messaging(module: ModuleType) -> Benchmark:
    return Benchmark(_description(module), module.run)


def _raft(module: ModuleType, **quick: object) -> Benchmark:
    """Return a benchmark with its own defaults, and with `quick` arguments for a quick run."""

    def run(settings: Settings) -> Awaitable[list[Result]]:
        answer: Awaitable[list[Result]] = partial(module.run, **(quick if settings.is_quick else {}))()
        return answer

    return Benchmark(_description(module), run)


def _description(module: ModuleType) -> str:
    return (module.__doc__ or "").splitlines()[0]


BENCHMARKS: dict[str, Benchmark] = {
    "tell": _messaging(tell),
    "ask": _messaging(ask),
    "ping_pong": _messaging(ping_pong),
    "fan_in": _messaging(fan_in),
    "ring": _messaging(ring),
    "spawn": _messaging(spawn),
    "skynet": _messaging(skynet),
    "timers": _messaging(timers),
    "remote_tell": _messaging(remote_tell),
    "remote_ask": _messaging(remote_ask),
    "heartbeat_delay": _messaging(heartbeat_delay),
    "linearizability": _messaging(linearizability),
    "detection_quality": _messaging(detection_quality),
    "slow_and_fast_link": _messaging(slow_and_fast_link),
    "raft_put": _raft(raft_put, runs=1, seconds=0.5, clients=(16,)),
    "raft_failover": _raft(raft_failover, trials=1),
    "raft_steady": _raft(raft_steady, seconds=1.0),
}
