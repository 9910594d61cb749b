"""Slow backend: counts how many requests each policy answers in time while one of 11 backends is slow.

The set-up of "Beyond Round Robin: Load Balancing for Latency" (Jenson and Oanta, linkerd.io, 2016): 11 backends answer
after 167 ms (normal, deviation 5 ms), a client sends 1,000 requests/s for 60 s, one backend takes 2 s from t = 15 s to
45 s, and a request without an answer after 1 s has failed. Published: about 95 % (round robin), 99 % (least loaded) and
99.9 % (peak EWMA) succeed. Simulated in virtual time; arrivals are evenly spaced; each policy sees the same latencies.

Two variants, which the article does not tell apart: a request that has timed out counts as in flight until its late
reply arrives (`freed_at_reply`), or only until its time-out (`freed_at_timeout`). Round robin has an exact answer: one
request in 11 of half of the time fails, 95.45 % succeed. Least loaded keeps the slow backend at as many requests as the
others, about 16, of which it fails 16 per 2 s or per 1 s.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks.balancing.event_queue import EventQueue
from benchmarks.harness.progress_line import Progress
from benchmarks.harness.results import Result
from coterie.protocols.balancing import (
    Balancer,
    LeastLoaded,
    PeakEwma,
    Policy,
    PowerOfTwoChoices,
    RandomChoice,
    RequestOutcome,
    RoundRobin,
    Target,
)
from coterie.protocols.balancing.measures.in_flight import InFlight

__all__ = ["POLICIES", "PUBLISHED", "SlowBackend", "answered_share", "run"]

REFERENCE: Final = {
    "round_robin": (95.45, 95.45),
    "least_loaded": (99.57, 99.15),
    "p2c": (99.50, 99.06),
    "peak_ewma": (99.94, 99.82),
}
"""Per cent answered in time in an independent simulation of this set-up: freed at the reply, freed at the time-out."""

PUBLISHED: Final = {"round_robin": 95.0, "least_loaded": 99.0, "peak_ewma": 99.9}
"""Per cent, read off the article."""

POLICIES: Final[dict[str, Policy]] = {
    "random": RandomChoice(),
    "round_robin": RoundRobin(),
    "least_loaded": LeastLoaded(InFlight()),
    "p2c": PowerOfTwoChoices(InFlight()),
    "peak_ewma": PowerOfTwoChoices(PeakEwma()),
}


@dataclass(frozen=True, slots=True)
class SlowBackend:
    """The set-up; times in seconds."""

    backends: int = 11
    latency_s: float = 0.167
    deviation_s: float = 0.005
    requests_per_s: float = 1000.0
    duration_s: float = 60.0
    slow_s: float = 2.0
    slow_from_s: float = 15.0
    slow_until_s: float = 45.0
    timeout_s: float = 1.0
    frees_at_timeout: bool = False


def answered_share(policy: Policy, setup: SlowBackend, *, seed: int) -> float:
    """Return the share of the requests that are answered within the time-out."""
    queue = EventQueue()
    latencies = random.Random(seed)
    balancer = Balancer(policy, rng=random.Random(seed + 1_000_000))
    balancer.update([Target(str(number)) for number in range(setup.backends)], now=0.0)
    count = round(setup.requests_per_s * setup.duration_s)
    answered = 0

    def send() -> None:
        nonlocal answered
        pick = balancer.pick(now=queue.now)
        assert pick is not None
        latency_s = latencies.gauss(setup.latency_s, setup.deviation_s)
        if pick.target == "0" and setup.slow_from_s <= queue.now < setup.slow_until_s:
            latency_s = setup.slow_s
        is_answered = latency_s <= setup.timeout_s
        answered += is_answered
        outcome = RequestOutcome.ANSWERED if is_answered else RequestOutcome.LOST
        freed_s = min(latency_s, setup.timeout_s) if setup.frees_at_timeout else latency_s
        queue.after(freed_s, partial(settle, pick.token, outcome))

    def settle(token: int, outcome: RequestOutcome) -> None:
        balancer.report(token, outcome, now=queue.now)

    for number in range(count):
        queue.at(number / setup.requests_per_s, send)
    queue.run(setup.duration_s + setup.slow_s)
    return answered / count


async def run(
    *, policies: Sequence[str] = tuple(POLICIES), seeds: int = 5, results: list[Result] | None = None
) -> list[Result]:
    """Measure each policy in both variants; the value is the median over the seeds, per cent answered."""
    progress = Progress(2 * len(policies))
    results = [] if results is None else results
    for variant, frees_at_timeout in (("freed_at_reply", False), ("freed_at_timeout", True)):
        setup = SlowBackend(frees_at_timeout=frees_at_timeout)
        for name in policies:
            progress.show(f"{variant}, {name}")
            shares = [100 * answered_share(POLICIES[name], setup, seed=seed) for seed in range(seeds)]
            detail: dict[str, float | int | str] = {}
            if name in REFERENCE:
                detail["reference"] = REFERENCE[name][frees_at_timeout]
            if name in PUBLISHED:
                detail["published"] = PUBLISHED[name]
            results.append(Result(f"slow_backend/{variant}", name, "% answered", tuple(shares), detail=detail))
    progress.clear()
    return results
