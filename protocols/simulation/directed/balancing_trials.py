"""Balancing trials: run policies, guards and budgets through schedules in which one promise would show if broken.

Each raises `Violation` with an invariant `balancing.…` if it is.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import NoReturn

from coterie.protocols.balancing import (
    Balancer,
    LeastLoaded,
    LoadReport,
    NodeResources,
    PeakEwma,
    Policy,
    ReportedWeights,
    RequestOutcome,
    RoundRobin,
    Target,
    UnknownPick,
)
from coterie.protocols.balancing.guards import OutlierEjection, RetryBudget, SlowStart
from coterie.protocols.balancing.resources import ResourceWeights
from coterie.protocols.checking.violation import Violation

__all__ = [
    "fail",
    "failing_requests",
    "first_reports",
    "joining_target",
    "most_ejected",
    "picked",
    "recovered_target",
    "repeated_report",
    "silent_node",
    "stale_report",
]


def recovered_target() -> None:
    """Let a target answer slowly once, and leave it alone for a minute: it must be tried again.

    Raises:
        Violation: `balancing.decays_on_read`, if it is not.
    """
    balancer = _balancer(LeastLoaded(PeakEwma(decay_s=10.0)), "ab")
    _request(balancer, "a", now=0.0, latency_s=1.0)
    for second in range(1, 61):
        _request(balancer, "b", now=float(second), latency_s=0.1)
    if (target := picked(balancer, now=61.5)) != "a":
        fail("balancing.decays_on_read", f"{target} is picked still: a minute ago a took 1 s")


def first_reports() -> None:
    """Let a target report an odd load right after it has joined: its weight must not count before the blackout ends.

    Raises:
        Violation: `balancing.blackout`, if it does.
    """
    balancer = _balancer(ReportedWeights(), "abc")
    for second in range(21):
        for target in "ab":
            _request(balancer, target, now=float(second), load=_load(0.5))
    _request(balancer, "c", now=20.0, load=_load(0.01))
    if not 0.32 < (share := _share(balancer, "c", now=22.0)) < 0.35:
        fail("balancing.blackout", f"after its first report c has a share of {share:.2f} instead of the mean")


def stale_report() -> None:
    """Let a target stop to report: after the expiry it must have the mean weight.

    Raises:
        Violation: `balancing.expiry`, if it has not.
    """
    balancer = _balancer(ReportedWeights(expiry_s=30.0), "abc")
    for second in range(80):
        for target in "abc" if second < 20 else "ab":
            _request(balancer, target, now=float(second), load=_load(0.05 if target == "c" else 0.5))
    if not 0.32 < (share := _share(balancer, "c", now=80.0)) < 0.35:
        fail("balancing.expiry", f"a minute after its last report c has a share of {share:.2f} instead of the mean")


def failing_requests() -> None:
    """Let 1,000 requests fail, and each of their retries: there must be 200 retries at a ratio of 0.2.

    Raises:
        Violation: `balancing.retry_budget`, if there are more.
    """
    budget, retries = RetryBudget(ratio=0.2, min_per_s=0.0).make(), 0
    for number in range(1000):
        budget.sent(now=number / 1000)
        for _ in range(3):
            retries += budget.take(now=number / 1000)
    if retries > 200:
        fail("balancing.retry_budget", f"1000 requests were retried {retries} times: 200 are allowed")


def repeated_report() -> None:
    """Report one pick twice: the second report must be refused, and change nothing.

    Raises:
        Violation: `balancing.settled_once`, if it is not.
    """
    balancer = _balancer(RoundRobin(), "a")
    pick = balancer.pick(now=0.0)
    for _ in range(2 if pick else 0):
        try:
            balancer.report(pick.token if pick else 0, RequestOutcome.ANSWERED, now=1.0)
        except UnknownPick:
            return
    in_flight = balancer.statuses(now=1.0)[0].in_flight
    fail("balancing.settled_once", f"a pick was settled twice, and {in_flight} requests are in flight")


def most_ejected() -> None:
    """Let three of four targets fail until they are ejected: the fourth must not get the whole load.

    Raises:
        Violation: `balancing.panic`, if it does.
    """
    balancer = _balancer(OutlierEjection(RoundRobin(), max_ejected_share=1.0), "abcd")
    for _ in range(40):
        for target in "abc":
            _request(balancer, target, now=1.0, outcome=RequestOutcome.FAILED)
    picks = Counter(picked(balancer, now=2.0) for _ in range(100))
    if picks["d"] > 50:
        fail("balancing.panic", f"the last target that is not ejected gets {picks['d']} of 100 requests")


def joining_target() -> None:
    """Let a third target join: at first it must get much less than a third of the requests.

    Raises:
        Violation: `balancing.slow_start`, if it does not.
    """
    balancer = _balancer(SlowStart(RoundRobin(), window_s=30.0), "ab")
    balancer.update([Target(key) for key in "abc"], now=100.0)
    picks = Counter(picked(balancer, now=100.0) for _ in range(1000))
    if picks["c"] > 150:
        fail("balancing.slow_start", f"a cold target gets {picks['c']} of 1000 requests")


def silent_node() -> None:
    """Let a node report, and fall silent for 20 s: its weight must be forgotten.

    Raises:
        Violation: `balancing.weight_expires`, if it is not.
    """
    balancer = _balancer(ResourceWeights(), "ab")
    _request(balancer, "a", now=0.0, load=_resources(0.1))
    for second in range(20):
        _request(balancer, "b", now=float(second), load=_resources(1.0))
    if not 0.49 < (share := _share(balancer, "a", now=20.0)) < 0.51:
        fail("balancing.weight_expires", f"a, silent for 20 s, has a share of {share:.2f} instead of the mean")


def picked(balancer: Balancer, *, now: float) -> str:
    """Pick a target for a request that stays open.

    Raises:
        Violation: `balancing.picked`, if there is none.
    """
    pick = balancer.pick(now=now, expires_at=now + 1e6)
    return pick.target if pick is not None else fail("balancing.picked", "no target was picked")


def fail(invariant: str, detail: str) -> NoReturn:
    """Report a broken promise.

    Raises:
        Violation: always.
    """
    raise Violation(invariant, detail, node=None, step=0, time_s=0.0)


def _balancer(policy: Policy, keys: str) -> Balancer:
    balancer = Balancer(policy, rng=random.Random(1))
    balancer.update([Target(key) for key in keys], now=0.0)
    return balancer


def _request(
    balancer: Balancer,
    target: str,
    *,
    now: float,
    latency_s: float = 0.001,
    outcome: RequestOutcome = RequestOutcome.ANSWERED,
    load: LoadReport | None = None,
) -> None:
    """Send a request to this target, and settle it."""
    others = {status.target for status in balancer.statuses(now=now)} - {target}
    pick = balancer.pick(now=now, exclude=others)
    if pick is None:
        fail("balancing.picked", f"{target} was not picked, although all others are excluded")
    balancer.report(pick.token, outcome, now=now + latency_s, load=load)


def _share(balancer: Balancer, target: str, *, now: float) -> float:
    """Return the share of a target in 3,000 picks."""
    picks: Mapping[str, int] = Counter(picked(balancer, now=now) for _ in range(3000))
    return picks.get(target, 0) / 3000


def _load(utilization: float) -> LoadReport:
    return LoadReport(requests_per_s=10.0, utilization=utilization)


def _resources(capacity: float) -> LoadReport:
    return LoadReport(resources=NodeResources(loop_used_elsewhere=1.0 - capacity))
