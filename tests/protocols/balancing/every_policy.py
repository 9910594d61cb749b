"""Every policy of the package, by name, for tests that all of them must pass. A new policy belongs into this list."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from coterie.protocols.balancing import (
    C3,
    InFlight,
    LeastLoaded,
    LeastRequest,
    LoadReport,
    PeakEwma,
    Picker,
    Policy,
    PowerOfTwoChoices,
    Prequal,
    RandomChoice,
    ReportedInFlight,
    ReportedWeights,
    RequestOutcome,
    RoundRobin,
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
    "least_loaded": LeastLoaded(),
    "c3": LeastLoaded(C3(clients=3)),
    "prequal": Prequal(),
    "prequal_with_fractions": Prequal(probes_per_pick=1.3, removals_per_pick=0.25, pool_size=4),
}


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
