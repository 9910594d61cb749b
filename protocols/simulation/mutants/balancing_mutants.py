"""Balancing mutants: define bugs of load-balancing policies, each of which a directed trial must detect."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Set as AbstractSet
from functools import partial

from coterie.protocols.balancing.balancer import Balancer
from coterie.protocols.balancing.choices.reported_weight import ReportedWeight
from coterie.protocols.balancing.guards.outlier_ejection import OutlierEjection
from coterie.protocols.balancing.guards.retry_budget import RetryTokens
from coterie.protocols.balancing.guards.slow_start import SlowStart
from coterie.protocols.balancing.load_report import LoadReport
from coterie.protocols.balancing.measures.peak_ewma import _PeakEwmaMeter
from coterie.protocols.balancing.policy import RequestOutcome
from coterie.protocols.balancing.prequal import prequal
from coterie.protocols.balancing.prequal.probe_pool import HeldProbe, PoolChoice, ProbePool
from coterie.protocols.balancing.prequal.probe_rates import FractionalRate
from coterie.protocols.balancing.prequal.rif_distribution import RifDistribution
from coterie.protocols.balancing.resources.node_capacity import NodeCapacity
from coterie.protocols.simulation.directed.balancing_trials import (
    failing_requests,
    first_reports,
    joining_target,
    most_ejected,
    recovered_target,
    repeated_report,
    silent_node,
    stale_report,
)
from coterie.protocols.simulation.directed.prequal_trials import (
    cold_before_hot,
    few_targets,
    half_a_probe_a_pick,
    latency_among_cold,
    one_target_probed_often,
    quantile_of_four,
    removal_in_turn,
    used_probe,
)
from coterie.protocols.simulation.mutants.mutation_testing import Mutant, Patch, directed_mutant

__all__ = ["BALANCING_MUTANTS"]

_report = Balancer.report


# --- Prequal


def _hot_first(
    self: ProbePool, limit: float, exclude: AbstractSet[str], *, usable_min: int, tolerance: float = 0.0
) -> PoolChoice | None:
    usable = [it for it in self._by_target.values() if it.target not in exclude]
    hot = [it for it in usable if it.in_flight > limit]
    if len(usable) < usable_min:
        return None
    best = min(hot, key=_latency_s) if hot else min(usable, key=lambda it: it.in_flight)
    return PoolChoice(best, not hot, best.in_flight, limit, len(usable))


def _by_product(
    self: ProbePool, limit: float, exclude: AbstractSet[str], *, usable_min: int, tolerance: float = 0.0
) -> PoolChoice | None:
    usable = [it for it in self._by_target.values() if it.target not in exclude]
    if len(usable) < usable_min:
        return None
    best = min(usable, key=lambda it: it.in_flight * _latency_s(it))
    return PoolChoice(best, best.in_flight <= limit, best.in_flight, limit, len(usable))


def _latency_s(probe: HeldProbe) -> float:
    return probe.latency_s or 0.0


def _above_the_quantile(self: RifDistribution) -> float:
    if not self._sorted or self._quantile >= 1:
        return math.inf
    return self._sorted[min(len(self._sorted) - 1, math.floor(self._quantile * len(self._sorted)))]


def _record_every_probe(self: RifDistribution, target: str, rif: int, *, now: float) -> None:
    self._rif_by_target[target] = (rif, now)
    insort(self._sorted, rif)
    self._limit = None


def _use_without_count(self: ProbePool, target: str) -> None:
    probe = self._by_target.get(target)
    if probe is not None:
        probe.uses_left -= 1


def _remove_oldest(self: ProbePool, limit: float) -> None:
    if self._by_target:
        self._remove_oldest()


def _remove_worst(self: ProbePool, limit: float) -> None:
    worst = self._worst(limit)
    if worst is not None:
        del self._by_target[worst.target]


def _truncated(self: FractionalRate) -> int:
    return self._whole


def _bounded_reuse(
    *, pool_size: int, targets: int, probes_per_pick: float, removals_per_pick: float, delta: float
) -> float:
    added_per_pick = (1 - pool_size / targets) * probes_per_pick - removals_per_pick
    return max(1.0, (1 + delta) / (added_per_pick or 1.0))


# --- measures and weights


def _load_without_decay(self: _PeakEwmaMeter, target: str, *, now: float) -> float:
    cost = self._by_target[target]
    if cost.cost_s == 0:
        return self._penalty_s + cost.in_flight if cost.in_flight else 0.0
    return cost.cost_s * (cost.in_flight + 1)


def _without_blackout(self: ReportedWeight, *, blackout_s: float, expiry_s: float, now: float) -> float | None:
    return self._weight if self._since is not None and now - self._reported_at < expiry_s else None


def _without_expiry(self: ReportedWeight, *, blackout_s: float, expiry_s: float, now: float) -> float | None:
    return self._weight if self._since is not None and now - self._since >= blackout_s else None


def _never_expire(self: NodeCapacity, expiry_s: float, *, now: float) -> bool:
    return False


# --- guards and the balancer


def _take_beyond_the_budget(self: RetryTokens, *, now: float) -> bool:
    return True


def _no_panic(self: OutlierEjection, ejected: int, targets: int) -> bool:
    return False


def _full_from_the_start(self: SlowStart, age_s: float) -> float:
    return 1.0


def _report_without_closing(
    self: Balancer, token: int, outcome: RequestOutcome, *, now: float, load: LoadReport | None = None
) -> None:
    opened = self._open.get(token)
    _report(self, token, outcome, now=now, load=load)
    if opened is not None:
        self._open[token] = opened


_mutant = partial(directed_mutant, "balancing")


BALANCING_MUTANTS: tuple[Mutant, ...] = (
    _mutant("hot and cold inverted", cold_before_hot, Patch(ProbePool, "choose", _hot_first)),
    _mutant("quantile with > for >=", quantile_of_four, Patch(RifDistribution, "_compute", _above_the_quantile)),
    _mutant("score by product", latency_among_cold, Patch(ProbePool, "choose", _by_product)),
    _mutant("used probe not counted", used_probe, Patch(ProbePool, "use", _use_without_count)),
    _mutant("always the oldest removed", removal_in_turn, Patch(ProbePool, "remove_one", _remove_oldest)),
    _mutant("always the worst removed", removal_in_turn, Patch(ProbePool, "remove_one", _remove_worst)),
    _mutant("fractional rate truncated", half_a_probe_a_pick, Patch(FractionalRate, "take", _truncated)),
    _mutant(
        "quantile over duplicated probes",
        one_target_probed_often,
        Patch(RifDistribution, "record", _record_every_probe),
    ),
    _mutant("reuse bound of a divisor below 0", few_targets, Patch(prequal, "reuse_budget", _bounded_reuse)),
    _mutant("EWMA without decay on read", recovered_target, Patch(_PeakEwmaMeter, "load", _load_without_decay)),
    _mutant("blackout ignored", first_reports, Patch(ReportedWeight, "usable", _without_blackout)),
    _mutant("expiry ignored", stale_report, Patch(ReportedWeight, "usable", _without_expiry)),
    _mutant("retry outside the budget", failing_requests, Patch(RetryTokens, "take", _take_beyond_the_budget)),
    _mutant("report counted twice", repeated_report, Patch(Balancer, "report", _report_without_closing)),
    _mutant("ejection without panic", most_ejected, Patch(OutlierEjection, "is_panic", _no_panic)),
    _mutant("ramp that starts at full", joining_target, Patch(SlowStart, "part", _full_from_the_start)),
    _mutant("weight of a dead node kept", silent_node, Patch(NodeCapacity, "expire", _never_expire)),
)
"""Each is killed by its own trial."""
