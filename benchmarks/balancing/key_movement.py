"""Key movement: keys that move if a target leaves or joins, and the fullest target, for each way to hash keys.

The value is the share of the keys that move when a target in the middle leaves; the floor is its own share, 1/n, which
must move. `joins`: the share that moves when one joins at the end, at least 1/(n + 1). `last_leaves`: when the last
one leaves (for jump hash this differs). `peak_to_mean`: keys of the fullest target, by the mean. With bounded loads
each key is one open request, assigned in turn, and none is answered.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable

from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result
from coterie.protocols.balancing import (
    Balancer,
    BoundedLoads,
    HashRing,
    JumpHash,
    Maglev,
    Policy,
    Rendezvous,
    Target,
    stable_hash,
)

__all__ = ["run"]

Assign = Callable[[list[str], list[str]], list[str]]
"""Takes targets and keys; returns the target of each key."""


async def run(*, targets: int = 50, keys: int = 20_000, results: list[Result] | None = None) -> list[Result]:
    """Measure all ways."""
    progress = Progress(len(WAYS))
    results = [] if results is None else results
    for name, assign in WAYS.items():
        progress.show(name)
        results.append(measure(name, assign, targets, keys))
    progress.clear()
    return results


def measure(name: str, assign: Assign, count: int, key_count: int) -> Result:
    """Let a target leave and join; count the keys that move."""
    targets, keys = [f"t{number}" for number in range(count)], [f"key/{number}" for number in range(key_count)]
    before = assign(targets, keys)
    middle = count // 2
    detail: dict[str, float | int | str] = {
        "joins": _moved(before, assign([*targets, f"t{count}"], keys)),
        "last_leaves": _moved(before, assign(targets[:-1], keys)),
        "peak_to_mean": max(Counter(before).values()) * count / key_count,
    }
    leaves = _moved(before, assign(targets[:middle] + targets[middle + 1 :], keys))
    own = before.count(targets[middle]) / key_count
    return Result(f"key_movement/{name}", "coterie", "of the keys", (leaves,), own, detail)


def _moved(before: list[str], after: list[str]) -> float:
    return sum(one != other for one, other in zip(before, after, strict=True)) / len(before)


def _modulo(targets: list[str], keys: list[str]) -> list[str]:
    return [targets[stable_hash(key) % len(targets)] for key in keys]


def _with(policy: Policy) -> Assign:
    def assign(targets: list[str], keys: list[str]) -> list[str]:
        balancer = Balancer(policy, rng=random.Random(1))
        balancer.update([Target(target) for target in targets], now=0.0)
        return [pick.target for key in keys if (pick := balancer.pick(now=0.0, key=key))]

    return assign


WAYS: dict[str, Assign] = {
    "mod_n": _modulo,
    "ring_1": _with(HashRing(virtual_nodes=1)),
    "ring_16": _with(HashRing(virtual_nodes=16)),
    "ring_256": _with(HashRing(virtual_nodes=256)),
    "rendezvous": _with(Rendezvous()),
    "jump": _with(JumpHash()),
    "maglev": _with(Maglev()),
    "bounded_1.25": _with(BoundedLoads(HashRing(virtual_nodes=256), factor=1.25)),
    "bounded_1.25_ring_16": _with(BoundedLoads(HashRing(virtual_nodes=16), factor=1.25)),
}
