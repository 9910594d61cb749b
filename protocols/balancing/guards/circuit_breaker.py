"""`CircuitBreaker`: sends nothing to a target that fails, until one trial request succeeds, and limits its requests.

          failures in a row                 open_s is over
closed ──────────────────────▶ open ──────────────────────────▶ half-open: one trial request at a time
  ▲                             ▲                                │          │
  │                             └────────── it fails ────────────┘          │
  └──────────────────────────────────────── it succeeds ────────────────────┘
"""

from __future__ import annotations

import enum
import math
import random
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from coterie.protocols.balancing.guards.guard import Guard, both, guarded
from coterie.protocols.balancing.policy import Picker, Policy, RequestOutcome, RoutingKey, Target
from coterie.protocols.balancing.settings_checks import policy_mistake, refuse

__all__ = ["CircuitBreaker"]


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """Wraps a policy: each target has a circuit breaker (Nygard, "Release It!", 2007), and a limit of open requests.

    Unlike `OutlierEjection`, it is strict: if no circuit lets a request through, none is picked, and the caller gets
    its error at once. Failures are the requests without an answer: refused, failed or lost. Results of requests that
    were picked before the circuit opened do not count as the trial's. A target whose trial succeeds is as new
    (`Picker.recovered`): inside, `SlowStart` warms it up.

    Attributes:
        policy: the inner policy.
        failures: so many in a row open the circuit, at least 1. Default 5. Too low: a burst of bad requests stops a
            healthy target; too high: callers wait for a dead one for longer.
        open_s: how long nothing is sent before a trial, s, above 0. Default 10. Too short: trials burden a target
            that recovers; too long: it stays unused after it has recovered.
        max_in_flight: the most requests of this caller that a target has open, at least 1; None (default): no limit.
            Too low: capacity stays unused; too high: a slow target collects requests.

    Raises:
        TypeError: `policy` is not a policy; the error names it.
        ValueError: a field is out of its range; the error names the value.
    """

    policy: Policy
    failures: int = 5
    open_s: float = 10.0
    max_in_flight: int | None = None

    def __post_init__(self) -> None:
        refuse(type(self).__name__, policy_mistake("policy", self.policy))
        if self.failures < 1:
            raise ValueError(f"failures={self.failures} must be at least 1")
        if not 0 < self.open_s < math.inf:
            raise ValueError(f"open_s={self.open_s} must be above 0 and finite")
        if self.max_in_flight is not None and self.max_in_flight < 1:
            raise ValueError(f"max_in_flight={self.max_in_flight} must be at least 1, or None")

    def make(self, rng: random.Random) -> Picker:
        """Return a picker without targets."""
        return guarded(_Breaker(self, rng))


class _State(enum.Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class _Circuit:
    """The circuit of one target."""

    __slots__ = ("failures_in_a_row", "in_flight", "open_until", "state", "trial_at")

    def __init__(self) -> None:
        self.state = _State.CLOSED
        self.failures_in_a_row = 0
        self.in_flight = 0
        self.open_until = math.inf  # while it is open
        self.trial_at: float | None = None  # when the trial that runs was picked, while it is half-open

    def refusal(self, limit: int | None, now: float) -> str:
        """Return why a request must not be sent now; empty if it may."""
        if self.state is _State.OPEN:
            return f"open for {self.open_until - now:.1f} s"
        if self.trial_at is not None:
            return "half-open, its trial runs"
        if limit is not None and self.in_flight >= limit:
            return f"full, {self.in_flight} in flight"
        return ""


class _Breaker(Guard):
    def __init__(self, settings: CircuitBreaker, rng: random.Random) -> None:
        super().__init__(settings.policy.make(rng))
        self._settings = settings
        self._circuits: dict[str, _Circuit] = {}
        self._refused: dict[str, str] = {}  # the reason, by target
        self._next_trial = math.inf
        self._note = ""

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        self._circuits = {target.key: self._circuits.get(target.key) or _Circuit() for target in targets}
        self._refused = {key: reason for key, reason in self._refused.items() if key in self._circuits}
        self._schedule()

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        if now >= self._next_trial:
            self._half_open(now)
        self._note = ""
        if not self._refused:
            return self.inner.choose(now=now, key=key, exclude=exclude)
        target = self.inner.choose(now=now, key=key, exclude=both(exclude, self._refused.keys()))
        if target is None:
            reasons = ", ".join(f"{key} is {reason}" for key, reason in list(self._refused.items())[:3])
            self._note = f"no circuit lets a request through: {reasons}"
        return target

    def picked(self, target: str, *, now: float) -> None:
        circuit = self._circuits[target]
        circuit.in_flight += 1
        if circuit.state is _State.HALF_OPEN:
            circuit.trial_at = now
        self._review(target, circuit, now)

    def settled(self, target: str, outcome: RequestOutcome, *, latency_s: float, now: float) -> None:
        circuit = self._circuits[target]
        circuit.in_flight -= 1
        if circuit.state is _State.CLOSED:
            self._count(target, circuit, outcome, now)
        elif circuit.trial_at is not None and now - latency_s >= circuit.trial_at - 1e-6:
            # Picked with or after the trial, so it is the trial: nothing else is picked while it runs.
            circuit.trial_at = None
            if outcome.is_success:
                self._close(target, circuit, now)
            else:
                self._open(target, circuit, "its trial failed", now)
        self._review(target, circuit, now)

    def _count(self, target: str, circuit: _Circuit, outcome: RequestOutcome, now: float) -> None:
        circuit.failures_in_a_row = 0 if outcome.is_success else circuit.failures_in_a_row + 1
        if circuit.failures_in_a_row >= self._settings.failures:
            self._open(target, circuit, f"{circuit.failures_in_a_row} failures in a row", now)

    def _open(self, target: str, circuit: _Circuit, reason: str, now: float) -> None:
        circuit.state = _State.OPEN
        circuit.open_until = now + self._settings.open_s
        self.events.observe("balancing.circuit_opened", target=target, reason=reason, for_s=self._settings.open_s)
        self._schedule()

    def _half_open(self, now: float) -> None:
        for target, circuit in self._circuits.items():
            if circuit.state is _State.OPEN and now >= circuit.open_until:
                circuit.state = _State.HALF_OPEN
                self._review(target, circuit, now)
        self._schedule()

    def _close(self, target: str, circuit: _Circuit, now: float) -> None:
        circuit.state = _State.CLOSED
        circuit.failures_in_a_row = 0
        self.inner.recovered(target, now=now)
        self.events.observe("balancing.circuit_closed", target=target)

    def _schedule(self) -> None:
        opened = (circuit.open_until for circuit in self._circuits.values() if circuit.state is _State.OPEN)
        self._next_trial = min(opened, default=math.inf)

    def _review(self, target: str, circuit: _Circuit, now: float) -> None:
        reason = circuit.refusal(self._settings.max_in_flight, now)
        if reason:
            self._refused[target] = reason
        elif self._refused:
            self._refused.pop(target, None)

    # --- reports

    def explain(self) -> str:
        return self._note

    def states(self, *, now: float) -> Mapping[str, str]:
        states = {}
        for target, circuit in self._circuits.items():
            if circuit.state is _State.HALF_OPEN or (circuit.state is _State.OPEN and now >= circuit.open_until):
                states[target] = "half-open"
            elif target in self._refused:
                states[target] = circuit.refusal(self._settings.max_in_flight, now)
        return states

    def parts(self, *, now: float) -> Mapping[str, float]:
        return {key: 0.0 for key, circuit in self._circuits.items() if circuit.state is _State.OPEN}
