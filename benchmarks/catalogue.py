"""Benchmark catalogue: lists the name, the description and the function of each benchmark."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from types import ModuleType

from benchmarks import linearizability
from benchmarks.balancing import (
    balls_into_bins,
    equal_servers,
    key_movement,
    load_ramp,
    nine_rules,
    pick_cost,
    pool_ask,
    real_hog,
    real_policies,
    slow_backend,
)
from benchmarks.detection import (
    detection_quality,
    real_detection,
    real_restart,
    slow_and_fast_link,
    swim_accuracy,
    swim_chitchat,
    swim_detection_time,
    swim_first_detection,
    swim_lifeguard,
    swim_load,
)
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
    """One benchmark: the first line of its module, and its function. One that `is_long` runs only if it is named."""

    description: str
    run: Callable[[Settings], Awaitable[list[Result]]]
    is_long: bool = False


def _messaging(module: ModuleType) -> Benchmark:
    return Benchmark(_description(module), module.run)


def _own_defaults(module: ModuleType, *, is_long: bool = False, **quick: object) -> Benchmark:
    """Return a benchmark with its own defaults, and with `quick` arguments for a quick run."""

    def run(settings: Settings) -> Awaitable[list[Result]]:
        answer: Awaitable[list[Result]] = partial(module.run, **(quick if settings.is_quick else {}))()
        return answer

    return Benchmark(_description(module), run, is_long)


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
    "balls_into_bins": _own_defaults(balls_into_bins, sizes=(100,), seeds=3),
    "key_movement": _own_defaults(key_movement, targets=10, keys=2000),
    "pick_cost": _messaging(pick_cost),
    "pool_ask": _messaging(pool_ask),
    "slow_backend": _own_defaults(slow_backend, is_long=True, policies=("round_robin",), seeds=1),
    "load_ramp": _own_defaults(load_ramp, is_long=True, step_s=0.2, steps=(0.75,)),
    "nine_rules": _own_defaults(nine_rules, is_long=True, seconds=0.1),
    "equal_servers": _own_defaults(equal_servers, is_long=True, requests=1000),
    "real_policies": _own_defaults(real_policies, is_long=True, rounds=1, seconds=0.5, policies=("round_robin",)),
    "real_hog": _own_defaults(real_hog, is_long=True, calm_s=6, hog_s=6, trials=1),
    "detection_quality": _messaging(detection_quality),
    "slow_and_fast_link": _messaging(slow_and_fast_link),
    "swim_first_detection": _own_defaults(swim_first_detection, is_long=True, sizes=(8,), crashes=100),
    "swim_detection_time": _own_defaults(swim_detection_time, is_long=True, sizes=(5,), crashes=2),
    "swim_accuracy": _own_defaults(swim_accuracy, is_long=True, node_hours=1, run_s=60.0),
    "swim_lifeguard": _own_defaults(
        swim_lifeguard, is_long=True, members=16, duration_s=6.0, stalled=(1,), spells=((2.0, 0.1),), crashes=1
    ),
    "swim_load": _own_defaults(swim_load, sizes=(16,)),
    "swim_chitchat": _own_defaults(swim_chitchat, sizes=(10,), runs=1),
    "real_detection": _own_defaults(real_detection, is_long=True, kills=2, stress_s=0.0, names=("swim",)),
    "real_restart": _own_defaults(real_restart, is_long=True, trials=2, calm_s=4.0, names=("swim",)),
    "raft_put": _own_defaults(raft_put, runs=1, seconds=0.5, clients=(16,)),
    "raft_failover": _own_defaults(raft_failover, trials=1),
    "raft_steady": _own_defaults(raft_steady, seconds=1.0),
}
