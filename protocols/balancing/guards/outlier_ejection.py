"""`OutlierEjection`: leaves out targets that fail more than the others, for a time, and never too many of them.

          5 failures in a row, or a success rate far below the others'
serving ────────────────────────────────────────────────────────────▶ ejected for base_ejection_s × its count
   ▲                                                                     │
   └──────── its time is over: it starts as a new target ◀───────────────┘

Panic: if fewer than panic_share of the targets are not ejected, all are used, the ejected ones as well.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from coterie.protocols.balancing.guards.guard import Guard, both, guarded
from coterie.protocols.balancing.guards.success_rate import success_rate_outliers
from coterie.protocols.balancing.policy import Picker, Policy, RequestOutcome, RoutingKey, Target
from coterie.protocols.balancing.settings_checks import policy_mistake, refuse

__all__ = ["OutlierEjection"]


@dataclass(frozen=True, slots=True)
class OutlierEjection:
    """Wraps a policy: targets that fail are ejected for a time. Formulas and defaults: Envoy's, and gRPC's A50.

    A target is ejected after `consecutive_failures`, or, at the end of an interval, if its success rate is below the
    mean of all by `deviations` standard deviations. Failures are the requests without an answer: refused, failed or
    lost. It returns when its time is over, as a new target (`Picker.recovered`): inside, `SlowStart` warms it up.
    If only ejected targets are left for a request, one of them gets it, and `explain` says so.

    Attributes:
        policy: the inner policy.
        consecutive_failures: so many failures in a row eject, at least 1; None: they do not. Default 5 (Envoy). Too
            low: a burst of bad requests ejects a healthy target; too high: a dead one is used for longer.
        interval_s: how often success rates are compared, s, above 0. Default 10 (Envoy). Too short: few requests to
            compare; too long: an outlier stays for longer.
        base_ejection_s: the time of the first ejection, s, above 0. Default 30 (Envoy). The n-th lasts n times as
            long; n shrinks by 1 in each interval without ejection.
        max_ejection_s: the longest ejection, s; at least `base_ejection_s`. Default 300 (Envoy).
        max_ejected_share: no target is ejected while this share is, 0 … 1. Default 0.1 (Envoy). One target may always
            be ejected, unless it is 0. Too high: a fault that all share leaves few targets for the whole load.
        deviations: see above, at least 0; None: success rates are not compared. Default 1.9 (Envoy).
        min_targets, min_requests: success rates are compared if so many targets had so many requests in the interval.
            Defaults 5 and 100 (Envoy).
        panic_share: if a smaller share of the targets is not ejected, all are used, 0 … 1; 0: never. Default 0.5
            (Envoy's panic threshold). Too low: the last healthy targets are overloaded by the whole load; too high:
            failing targets get requests although others could serve them.

    Raises:
        TypeError: `policy` is not a policy; the error names it.
        ValueError: a field is out of its range; the error names the value.
    """

    policy: Policy
    consecutive_failures: int | None = 5
    interval_s: float = 10.0
    base_ejection_s: float = 30.0
    max_ejection_s: float = 300.0
    max_ejected_share: float = 0.1
    deviations: float | None = 1.9
    min_targets: int = 5
    min_requests: int = 100
    panic_share: float = 0.5

    def __post_init__(self) -> None:
        refuse(type(self).__name__, policy_mistake("policy", self.policy))
        if self.consecutive_failures is not None and self.consecutive_failures < 1:
            raise ValueError(f"consecutive_failures={self.consecutive_failures} must be at least 1, or None")
        for name in ("interval_s", "base_ejection_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0 and finite")
        if not self.base_ejection_s <= self.max_ejection_s < math.inf:
            least = f"base_ejection_s={self.base_ejection_s}"
            raise ValueError(f"max_ejection_s={self.max_ejection_s} must be at least {least}, and finite")
        for name in ("max_ejected_share", "panic_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)} must be from 0 to 1")
        if self.deviations is not None and not 0 <= self.deviations < math.inf:
            raise ValueError(f"deviations={self.deviations} must be at least 0 and finite, or None")
        for name in ("min_targets", "min_requests"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")

    def ejection_s(self, count: int) -> float:
        """Return how long the `count`-th ejection of a target lasts, s."""
        return min(self.base_ejection_s * count, self.max_ejection_s)

    def is_panic(self, ejected: int, targets: int) -> bool:
        """Return whether so many targets are ejected that all must be used."""
        return targets - ejected < self.panic_share * targets

    def make(self, rng: random.Random) -> Picker:
        """Return a picker without targets."""
        return guarded(_Ejection(self, rng))


class _Record:
    """What is counted for one target."""

    __slots__ = ("ejections", "failures_in_a_row", "requests", "successes")

    def __init__(self) -> None:
        self.ejections = 0  # it grows by 1 with each, and shrinks by 1 in each interval without
        self.failures_in_a_row = 0
        self.successes = self.requests = 0  # in this interval


class _Ejection(Guard):
    def __init__(self, settings: OutlierEjection, rng: random.Random) -> None:
        super().__init__(settings.policy.make(rng))
        self._settings = settings
        self._records: dict[str, _Record] = {}
        self._ejected: dict[str, float] = {}  # until when, by target
        self._next_return = math.inf
        self._interval_ends: float | None = None
        self._is_panic = False
        self._note = ""

    # --- choosing

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        if self._interval_ends is None:
            self._interval_ends = now + self._settings.interval_s
        self._records = {target.key: self._records.get(target.key) or _Record() for target in targets}
        self._ejected = {key: until for key, until in self._ejected.items() if key in self._records}
        self._changed()

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        if now >= self._next_return:
            self._let_back(now)
        self._note = ""
        ejected = self._ejected
        if not ejected:
            return self.inner.choose(now=now, key=key, exclude=exclude)
        if self._is_panic:
            self._note = f"panic: {len(ejected)} of {len(self._records)} targets are ejected, and all are used"
            return self.inner.choose(now=now, key=key, exclude=exclude)
        target = self.inner.choose(now=now, key=key, exclude=both(exclude, ejected.keys()))
        if target is not None:
            return target
        self._note = f"only ejected targets are left: {len(ejected)} of {len(self._records)}"
        return self.inner.choose(now=now, key=key, exclude=exclude)

    # --- ejecting and letting back

    def settled(self, target: str, outcome: RequestOutcome, *, latency_s: float, now: float) -> None:
        if self._interval_ends is not None and now >= self._interval_ends:
            self._compare(now, self._interval_ends)
        record, limit = self._records[target], self._settings.consecutive_failures
        record.requests += 1
        if outcome.is_success:
            record.successes += 1
            record.failures_in_a_row = 0
            return
        record.failures_in_a_row += 1
        if limit is not None and record.failures_in_a_row >= limit and target not in self._ejected:
            self._eject(target, f"{record.failures_in_a_row} failures in a row", now)

    def _compare(self, now: float, interval_ended: float) -> None:
        """End an interval: eject the outliers of the success rate, and start to count again."""
        settings = self._settings
        counts = {key: (it.successes, it.requests) for key, it in self._records.items() if key not in self._ejected}
        if settings.deviations is not None:
            outliers, threshold = success_rate_outliers(
                counts,
                factor=settings.deviations,
                min_targets=settings.min_targets,
                min_requests=settings.min_requests,
            )
            for key, rate in outliers.items():
                self._eject(key, f"{rate:.1%} succeeded, the threshold is {threshold:.1%}", now)
        intervals = 1 + int((now - interval_ended) / settings.interval_s)
        for key, record in self._records.items():
            record.successes = record.requests = 0
            if key not in self._ejected:
                record.ejections = max(0, record.ejections - intervals)
        self._interval_ends = now + settings.interval_s

    def _eject(self, target: str, reason: str, now: float) -> None:
        if len(self._ejected) >= self._settings.max_ejected_share * len(self._records):
            return
        record = self._records[target]
        record.ejections += 1
        record.failures_in_a_row = 0
        for_s = self._settings.ejection_s(record.ejections)
        self._ejected[target] = now + for_s
        self.events.observe(
            "balancing.target_ejected", target=target, reason=reason, for_s=for_s, ejected=len(self._ejected)
        )
        self._changed()

    def _let_back(self, now: float) -> None:
        for target in [key for key, until in self._ejected.items() if now >= until]:
            del self._ejected[target]
            record = self._records[target]
            record.failures_in_a_row = record.successes = record.requests = 0
            self.inner.recovered(target, now=now)
            self.events.observe("balancing.target_restored", target=target, ejected=len(self._ejected))
        self._changed()

    def _changed(self) -> None:
        self._next_return = min(self._ejected.values(), default=math.inf)
        total = len(self._records)
        is_panic = self._settings.is_panic(len(self._ejected), total)
        if is_panic != self._is_panic:
            event = "balancing.panic_began" if is_panic else "balancing.panic_ended"
            self.events.observe(
                event, ejected=len(self._ejected), targets=total, panic_share=self._settings.panic_share
            )
        self._is_panic = is_panic

    # --- reports

    def explain(self) -> str:
        return self._note

    def states(self, *, now: float) -> Mapping[str, str]:
        used = ", but used: panic" if self._is_panic else ""
        return {key: f"ejected for {until - now:.1f} s{used}" for key, until in self._left_out(now).items()}

    def parts(self, *, now: float) -> Mapping[str, float]:
        return {} if self._is_panic else dict.fromkeys(self._left_out(now), 0.0)

    def _left_out(self, now: float) -> dict[str, float]:
        return {key: until for key, until in self._ejected.items() if until > now}
