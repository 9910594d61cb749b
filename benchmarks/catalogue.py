"""Benchmark catalogue: lists the name, the description and the function of each benchmark."""

from __future__ import annotations

import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Final

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
    view_stability,
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
from benchmarks.operations import raft_catch_up, raft_operations, singleton_failover
from benchmarks.raft import (
    connection_storm,
    large_reads,
    raft_failover,
    raft_get,
    raft_put,
    raft_steady,
    stranger_storm,
)
from benchmarks.raft.beside import (
    failover_beside_etcd,
    failover_beside_pysyncobj,
    raft_beside_etcd,
    raft_beside_pysyncobj,
)
from benchmarks.raft.compaction import cluster_overwrites, history_restart, overwrites, snapshot_latency

__all__ = ["BENCHMARKS", "Benchmark"]


QUICK_S: Final = 5.0
"""How long any benchmark takes in a quick run, at most, seconds."""

PEER_S: Final = 15.0
"""How long one peer takes in one benchmark with five runs: its start, and the search for the right amount of work."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark: the first line of its module, and its function.

    `takes_s`: about how long it takes with five runs and without peers, on two cores. `is_long`: it runs only if it is
    named. `has_runs`: the number of runs is that of the command line, else its own.
    """

    description: str
    run: Callable[[Settings], Awaitable[list[Result]]]
    takes_s: float
    is_long: bool = False
    has_runs: bool = True

    def estimate_s(self, settings: Settings) -> float:
        """Return about how long it takes with these settings, seconds."""
        if settings.is_quick:
            return min(QUICK_S, self.takes_s)
        return (self.takes_s + PEER_S * len(settings.peers)) * settings.runs / 5 if self.has_runs else self.takes_s


def _messaging(module: ModuleType, takes_s: float) -> Benchmark:
    return Benchmark(_description(module), module.run, takes_s)


def _own_defaults(
    module: ModuleType,
    takes_s: float,
    *,
    is_long: bool = False,
    full: Mapping[str, object] | None = None,
    **quick: object,
) -> Benchmark:
    """Return a benchmark with its own defaults, or the arguments `full`, and with `quick` arguments for a quick run.

    Its function puts each result into `results`, so that those before an interrupt are kept.
    """

    async def run(settings: Settings) -> list[Result]:
        results: list[Result] = []
        try:
            await module.run(**(quick if settings.is_quick else full or {}), results=results)
        finally:
            settings.kept.add(results)
        return results

    description = _description(module) if full is None else f"{_description(module)} At full size."
    return Benchmark(description, run, takes_s, is_long, has_runs=False)


def _description(module: ModuleType) -> str:
    return (module.__doc__ or "").splitlines()[0]


BENCHMARKS: dict[str, Benchmark] = {
    "tell": _messaging(tell, 20),
    "ask": _messaging(ask, 40),
    "ping_pong": _messaging(ping_pong, 15),
    "fan_in": _messaging(fan_in, 10),
    "ring": _messaging(ring, 25),
    "spawn": _messaging(spawn, 240),
    "skynet": _messaging(skynet, 180),
    "timers": _messaging(timers, 20),
    "remote_tell": _messaging(remote_tell, 60),
    "remote_ask": _messaging(remote_ask, 60),
    "heartbeat_delay": _messaging(heartbeat_delay, 100),
    "linearizability": _messaging(linearizability, 20),
    "balls_into_bins": _own_defaults(balls_into_bins, 20, sizes=(100,), seeds=3),
    "key_movement": _own_defaults(key_movement, 20, targets=10, keys=2000),
    "pick_cost": _messaging(pick_cost, 60),
    "pool_ask": _messaging(pool_ask, 60),
    "slow_backend": _own_defaults(slow_backend, 60, is_long=True, policies=("round_robin",), seeds=1),
    "load_ramp": _own_defaults(load_ramp, 1200, is_long=True, step_s=0.2, warm_up_s=0.2, steps=(0.75,)),
    "nine_rules": _own_defaults(nine_rules, 1800, is_long=True, seconds=0.1, warm_up_s=0.1),
    "equal_servers": _own_defaults(equal_servers, 240, is_long=True, requests=1000),
    "real_policies": _own_defaults(real_policies, 1200, is_long=True, rounds=1, seconds=0.5, policies=("round_robin",)),
    "real_hog": _own_defaults(real_hog, 200, is_long=True, calm_s=6, hog_s=6, trials=1),
    "detection_quality": _messaging(detection_quality, 400),
    "slow_and_fast_link": _messaging(slow_and_fast_link, 60),
    "swim_first_detection": _own_defaults(swim_first_detection, 600, is_long=True, sizes=(8,), crashes=100),
    "swim_detection_time": _own_defaults(swim_detection_time, 600, is_long=True, sizes=(5,), crashes=2),
    "swim_accuracy": _own_defaults(swim_accuracy, 1800, is_long=True, node_hours=1, run_s=60.0),
    "swim_lifeguard": _own_defaults(
        swim_lifeguard, 1200, is_long=True, members=16, duration_s=6.0, stalled=(1,), spells=((2.0, 0.1),), crashes=1
    ),
    "swim_load": _own_defaults(swim_load, 120, sizes=(16,)),
    "view_stability": _own_defaults(view_stability, 1800, is_long=True, members=60, duration_s=20.0, joiners=10),
    "swim_chitchat": _own_defaults(swim_chitchat, 60, sizes=(10,), runs=1),
    "real_detection": _own_defaults(real_detection, 3600, is_long=True, kills=2, stress_s=0.0, names=("swim",)),
    "real_restart": _own_defaults(real_restart, 1800, is_long=True, trials=2, calm_s=4.0, names=("swim",)),
    "connection_storm": _own_defaults(connection_storm, 90, is_long=True, clients=200, seconds=4.0),
    "stranger_storm": _own_defaults(stranger_storm, 90, is_long=True, strangers=500, seconds=6.0),
    "raft_get": _own_defaults(raft_get, 300, runs=1, seconds=0.5, clients=(16,)),
    "raft_put": _own_defaults(raft_put, 150, runs=1, seconds=0.5, clients=(16,)),
    "raft_catch_up": _own_defaults(raft_catch_up, 240, is_long=True, entries=2000, rounds=1, ways=("log", "snapshot")),
    "raft_failover": _own_defaults(raft_failover, 600, trials=1),
    "large_reads": _own_defaults(large_reads, 60, runs=1, reads=40, clients=(2,)),
    "raft_beside_etcd": _own_defaults(
        raft_beside_etcd, 1500, is_long=True, rounds=1, seconds=0.5, sizes=(100,), clients=(16,)
    ),
    "failover_beside_etcd": _own_defaults(failover_beside_etcd, 240, is_long=True, rounds=1, settle_s=0.2),
    "raft_beside_pysyncobj": _own_defaults(
        raft_beside_pysyncobj, 480, is_long=True, rounds=1, seconds=0.5, clients=(16,)
    ),
    "failover_beside_pysyncobj": _own_defaults(failover_beside_pysyncobj, 240, is_long=True, rounds=1, settle_s=0.2),
    "raft_operations": _own_defaults(raft_operations, 50, is_long=True, clients=2, calm_s=0.2),
    "singleton_failover": _own_defaults(
        singleton_failover, 1300, is_long=True, times=1, sizes=(3,), signals=(signal.SIGKILL,), members=6
    ),
    "raft_steady": _own_defaults(raft_steady, 75, seconds=1.0),
    "history_restart": _own_defaults(history_restart, 60, commands=(1000,), keys=100),
    "history_restart_full": _own_defaults(
        history_restart, 400, is_long=True, full={"commands": (10_000, 1_000_000)}, commands=(1000,), keys=100
    ),
    "cluster_overwrites": _own_defaults(cluster_overwrites, 600, is_long=True, overwrites=2000, keys=100),
    "overwrites": _own_defaults(overwrites, 120, commands=2000, keys=100),
    "overwrites_full": _own_defaults(
        overwrites, 6000, is_long=True, full={"commands": 10_000_000}, commands=2000, keys=100
    ),
    "snapshot_latency": _own_defaults(snapshot_latency, 40, keys=5000, seconds=4.0, after_bytes=100_000),
    "snapshot_latency_full": _own_defaults(
        snapshot_latency,
        150,
        is_long=True,
        full={"keys": 1_000_000, "seconds": 60.0},
        keys=5000,
        seconds=4.0,
        after_bytes=100_000,
    ),
}
