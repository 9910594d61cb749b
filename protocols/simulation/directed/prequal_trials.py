"""Prequal trials: run Prequal with chosen answers to its probes, and test whom it picks.

Each raises `Violation` with an invariant `balancing.…` if it picks another.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

from coterie.protocols.balancing import Balancer, LoadReport, Prequal, Target
from coterie.protocols.balancing.prequal.probe_pool import HeldProbe, ProbePool
from coterie.protocols.balancing.prequal.rif_distribution import RifDistribution
from coterie.protocols.simulation.directed.balancing_trials import fail, picked

__all__ = [
    "cold_before_hot",
    "few_targets",
    "half_a_probe_a_pick",
    "latency_among_cold",
    "one_target_probed_often",
    "quantile_of_four",
    "removal_in_turn",
    "used_probe",
]

ANSWERED_S = 0.001


def cold_before_hot() -> None:
    """Answer with a fast target of many requests: the fastest of those with few must be picked.

    Raises:
        Violation: `balancing.cold_before_hot`, if it is not.
    """
    balancer = _probed({"a": (1, 0.05), "b": (2, 0.02), "c": (8, 0.001), "d": (9, 0.002)}, Prequal(rif_quantile=0.4))
    if (target := picked(balancer, now=ANSWERED_S)) not in {"a", "b"}:
        fail("balancing.cold_before_hot", f"{target} was picked, although a and b have fewer requests in flight")


def quantile_of_four() -> None:
    """Let two of four targets have few requests: the quantile 0.5 must be the larger of the two, not the next value.

    Raises:
        Violation: `balancing.quantile`, if a target above it is picked.
    """
    balancer = _probed({"a": (1, 0.05), "b": (2, 0.02), "c": (8, 0.001), "d": (9, 0.002)}, Prequal(rif_quantile=0.5))
    if (target := picked(balancer, now=ANSWERED_S)) != "b":
        fail("balancing.quantile", f"{target} was picked instead of b, the fastest that does not exceed the quantile")


def latency_among_cold() -> None:
    """Let all targets be cold: the lowest latency must decide, however many requests are in flight.

    Raises:
        Violation: `balancing.latency_among_cold`, if it does not.
    """
    balancer = _probed({"a": (3, 0.01), "b": (1, 0.02)}, Prequal(rif_quantile=1.0))
    if (target := picked(balancer, now=ANSWERED_S)) != "a":
        fail("balancing.latency_among_cold", f"{target} was picked, although a has the lower latency")


def used_probe() -> None:
    """Pick five times from the same probes, by requests in flight: the first target must not get them all.

    Raises:
        Violation: `balancing.used_probe_counts`, if it does.
    """
    balancer = _probed({"a": (1, 0.01), "b": (2, 0.01), "c": (2, 0.01)}, Prequal(rif_quantile=0.0))
    targets = [picked(balancer, now=ANSWERED_S) for _ in range(5)]
    if len(set(targets)) == 1:
        fail("balancing.used_probe_counts", f"all five requests went to {targets[0]}")


def removal_in_turn() -> None:
    """Remove two probes of five: the oldest and the worst must be gone.

    Raises:
        Violation: `balancing.worst_removed` or `balancing.oldest_removed`, if one of them is held still.
    """
    pool = ProbePool(16, 1.0)
    probes = (("oldest", 1, 0.001), ("b", 2, 0.01), ("c", 2, 0.01), ("d", 3, 0.02), ("worst", 9, 0.005))
    for number, (target, rif, latency_s) in enumerate(probes):
        pool.add(HeldProbe(target, rif, latency_s, number / 100, 5.0))
    pool.remove_one(4.0)
    pool.remove_one(4.0)
    for target in ("oldest", "worst"):
        if pool.get(target) is not None:
            fail(f"balancing.{target}_removed", f"after two removals the {target} probe is held still")


def half_a_probe_a_pick() -> None:
    """Pick 200 times with half a probe a pick: there must be 100 probes.

    Raises:
        Violation: `balancing.fractional_rate`, if there are not.
    """
    balancer = Balancer(Prequal(probes_per_pick=0.5), rng=random.Random(1))
    balancer.update([Target(key) for key in "abc"], now=0.0)
    probes = sum(len(pick.probes) for _ in range(200) if (pick := balancer.pick(now=0.0)))
    if not 99 <= probes <= 101:
        fail("balancing.fractional_rate", f"there were {probes} probes in 200 picks instead of 100")


def one_target_probed_often() -> None:
    """Let five of seven answers come from one busy target: the quantile must count each target once.

    Raises:
        Violation: `balancing.each_target_once`, if it does not.
    """
    rifs = RifDistribution(0.5, 10.0)
    for target, rif in (("b", 1), ("c", 2), *[("a", 9)] * 5):
        rifs.record(target, rif, now=0.0)
    if rifs.limit() != 2:
        fail("balancing.each_target_once", f"the median of 1, 2 and 9 is {rifs.limit():g}")


def few_targets() -> None:
    """Use the same probes five times with fewer targets than the pool holds: none may be used up.

    Raises:
        Violation: `balancing.reuse_unbounded`, if one is.
    """
    balancer = _probed({"a": (0, 0.001), "b": (0, 0.01), "c": (0, 0.02)}, Prequal(rif_quantile=1.0))
    targets = [picked(balancer, now=ANSWERED_S) for _ in range(5)]
    if set(targets) != {"a"}:
        fail("balancing.reuse_unbounded", f"the requests went to {', '.join(targets)}, although a is the fastest")


def _probed(loads: Mapping[str, tuple[int, float]], settings: Prequal) -> Balancer:
    """Return a balancer whose targets have all answered a probe: (requests in flight, latency in s), by target."""
    policy = Prequal(
        probes_per_pick=float(len(loads)), removals_per_pick=0.0, rif_quantile=settings.rif_quantile, probe_age_s=5.0
    )
    balancer = Balancer(policy, rng=random.Random(1))
    balancer.update([Target(key) for key in loads], now=0.0)
    for probe in sorted(balancer.tick(now=0.0)):
        in_flight, latency_s = loads[probe.target]
        balancer.probed(probe, LoadReport(in_flight=in_flight, latency_s=latency_s), now=ANSWERED_S)
    return balancer
