"""Every policy of the package, by name, for tests that all of them must pass. A new policy belongs into this list."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from coterie.protocols.balancing import (
    C3,
    BoundedLoads,
    CircuitBreaker,
    HashRing,
    InFlight,
    JumpHash,
    LeastLoaded,
    LeastRequest,
    LoadReport,
    Maglev,
    OrleansScore,
    OutlierEjection,
    PeakEwma,
    Picker,
    Policy,
    PowerOfTwoChoices,
    Prequal,
    RandomChoice,
    Rendezvous,
    ReportedInFlight,
    ReportedWeights,
    RequestOutcome,
    ResourceWeights,
    RoundRobin,
    SlowStart,
    SmoothWeighted,
    StaticStride,
    Target,
)

EVERY_POLICY: dict[str, Policy] = {
    "random": RandomChoice(),
    "round_robin": RoundRobin(),
    "smooth_weighted": SmoothWeighted(),
    "static_stride": StaticStride(),
    "reported_weights": ReportedWeights(blackout_s=0.5, expiry_s=3.0, update_s=0.1),
    "least_request": LeastRequest(),
    "least_request_of_five": LeastRequest(choices=5),
    "two_choices_in_flight": PowerOfTwoChoices(InFlight()),
    "two_choices_peak_ewma": PowerOfTwoChoices(PeakEwma()),
    "two_choices_reported": PowerOfTwoChoices(ReportedInFlight()),
    "two_choices_c3": PowerOfTwoChoices(C3()),
    "least_loaded": LeastLoaded(),
    "least_loaded_peak_ewma": LeastLoaded(PeakEwma()),
    "least_loaded_reported": LeastLoaded(ReportedInFlight()),
    "c3": LeastLoaded(C3(clients=3)),
    "prequal": Prequal(),
    "prequal_with_fractions": Prequal(probes_per_pick=1.3, removals_per_pick=0.25, pool_size=4),
    "hash_ring": HashRing(virtual_nodes=16),
    "rendezvous": Rendezvous(),
    "maglev": Maglev(table_size=101),
    "jump_hash": JumpHash(),
    "bounded_loads": BoundedLoads(HashRing(virtual_nodes=16)),
    "bounded_rendezvous": BoundedLoads(Rendezvous(), factor=1.1),
    "resource_weights": ResourceWeights(expiry_s=1.5),
    "resource_weights_by_orleans": ResourceWeights(formula=OrleansScore(), smoothing_s=0.0),
    "slow_start": SlowStart(RandomChoice(), window_s=2.0),
    "outlier_ejection": OutlierEjection(
        LeastRequest(), consecutive_failures=2, interval_s=0.5, base_ejection_s=0.5, max_ejection_s=2.0,
        max_ejected_share=1.0, min_targets=2, min_requests=3,
    ),
    "circuit_breaker": CircuitBreaker(RoundRobin(), failures=1_000_000),
    "nested_guards": OutlierEjection(
        SlowStart(BoundedLoads(), window_s=1.0), consecutive_failures=1, base_ejection_s=0.3, panic_share=0.2,
        max_ejected_share=0.6,
    ),
}  # fmt: skip


def targets(keys: str | Iterable[str], *weights: float) -> list[Target]:
    """Targets of these keys and weights (default: 1)."""
    return [Target(key, weight) for key, weight in zip(keys, weights or [1.0] * len(list(keys)), strict=True)]


def picker_of(policy: Policy, given: Sequence[Target], *, seed: int = 1, now: float = 0.0) -> Picker:
    """A picker of this policy with these targets."""
    picker = policy.make(random.Random(seed))
    picker.update(given, now=now)
    return picker


def pick(picker: Picker, *, now: float = 0.0, exclude: str = "") -> str | None:
    """Pick one target, as a `Balancer` does; `exclude`: keys of one letter."""
    target = picker.choose(now=now, key=None, exclude=frozenset(exclude))
    if target is not None:
        picker.picked(target, now=now)
    return target


def picks(picker: Picker, count: int, *, exclude: str = "") -> str:
    """Pick `count` times, and return the keys (of one letter) as one text."""
    return "".join(pick(picker, exclude=exclude) or "-" for _ in range(count))


def settle(
    picker: Picker, target: str, *, latency_s: float = 0.1, load: LoadReport | None = None, now: float = 0.0
) -> None:
    """Report an answered request."""
    picker.settled(target, RequestOutcome.ANSWERED, latency_s=latency_s, load=load, now=now)
