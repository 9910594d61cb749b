"""`ReportedWeights`: balances load by weights that follow the targets' reports: gRPC's weighted round robin."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import ClassVar, Final

from coterie.protocols.balancing.choices.reported_weight import ReportedWeight
from coterie.protocols.balancing.choices.stride_sequence import StrideSequence
from coterie.protocols.balancing.load_report import LoadReport
from coterie.protocols.balancing.policy import Picker, Probe, RequestOutcome, RoutingKey, Target

__all__ = ["ReportedWeights"]

RATIO_MAX: Final = 10.0
"""The highest weight is at most this multiple of the mean: a pick takes that many steps at most, on average."""
RATIO_MIN: Final = 0.1
"""The lowest weight is at least this multiple of the mean: an overloaded target is heard of again."""


@dataclass(frozen=True, slots=True)
class ReportedWeights:
    """Picks by weight = requests per second / utilization: what each target could handle at full use.

    It needs `LoadReport.utilization` and `requests_per_s` with the replies (out-of-band reports of A58 are left out:
    answers to probes count, but it sends none). Configured weights are ignored. A target whose weight is unusable gets
    the mean of the usable ones; if fewer than two are usable, all are equal: round robin. Weights are held within 0.1
    and 10 times their mean, as in gRPC's implementations.

    Source: gRFC A58, "`weighted_round_robin` LB policy".

    Attributes:
        blackout_s: a target must have reported for this long before its weight is used, s, at least 0. Default 10. Too
            low: first reports of a cold target count; too high: new targets get the mean for long.
        expiry_s: without a usable report for this long the weight is dropped, and the blackout starts anew, s, above 0.
            Default 180. Too low: rarely used targets lose their weight; too high: stale weights are used.
        update_s: how often the weights in use are computed anew, s; values below 0.1 count as 0.1. Default 1. Too low:
            each computation looks at all targets; too high: the weights lag.
        error_penalty: the utilization that a target is charged for failing all its requests, at least 0. Default 1: as
            much as full use. Too low: a target that fails fast attracts requests.
    """

    uses_load_reports: ClassVar[bool] = True

    blackout_s: float = 10.0
    expiry_s: float = 180.0
    update_s: float = 1.0
    error_penalty: float = 1.0

    def __post_init__(self) -> None:
        for name in ("blackout_s", "error_penalty"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 0 and finite")
        for name in ("expiry_s", "update_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0 and finite")

    def make(self, rng: random.Random) -> Picker:
        """Return a picker without reports: it starts as round robin, at a random position."""
        return _ReportedWeightsPicker(self, rng)


class _ReportedWeightsPicker(Picker):
    def __init__(self, settings: ReportedWeights, rng: random.Random) -> None:
        self._settings = settings
        self._rng = rng
        self._update_s = max(0.1, settings.update_s)
        self._reported: dict[str, ReportedWeight] = {}
        self._keys: list[str] = []
        self._sequence = StrideSequence([1.0], rng.randrange(1 << 30))
        self._usable = 0
        self._update_at = 0.0
        self._last: str | None = None

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        known = self._reported
        self._reported = {target.key: known.get(target.key) or ReportedWeight() for target in targets}
        self._keys = list(self._reported)
        self._weigh(now)

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        if now >= self._update_at:
            self._weigh(now)
        self._last = self._sequence.take_allowed(self._keys, exclude, self._rng)
        return self._last

    def settled(
        self, target: str, outcome: RequestOutcome, *, latency_s: float, load: LoadReport | None, now: float
    ) -> None:
        if load is not None:
            self._reported[target].report(load, error_penalty=self._settings.error_penalty, now=now)

    def probed(self, probe: Probe, load: LoadReport | None, *, now: float) -> None:
        if load is not None and probe.target in self._reported:
            self._reported[probe.target].report(load, error_penalty=self._settings.error_penalty, now=now)

    def _weigh(self, now: float) -> None:
        """Compute the weights in use; the walk continues at its position."""
        self._update_at = now + self._update_s
        blackout_s, expiry_s = self._settings.blackout_s, self._settings.expiry_s
        weights = [it.usable(blackout_s=blackout_s, expiry_s=expiry_s, now=now) for it in self._reported.values()]
        usable = [weight for weight in weights if weight is not None]
        self._usable = len(usable)
        if not weights:
            return
        if len(usable) < 2:
            self._sequence = StrideSequence([1.0] * len(weights), self._sequence.position)
            return
        mean = sum(usable) / len(usable)
        low, high = mean * RATIO_MIN, mean * RATIO_MAX
        in_use = [mean if weight is None else min(high, max(low, weight)) for weight in weights]
        self._sequence = StrideSequence(in_use, self._sequence.position)

    def explain(self) -> str:
        if self._last is None:
            return "no target is allowed" if self._keys else "there are no targets"
        if self._usable < 2:
            return (
                f"it was the turn of {self._last}: round robin, as only {self._usable} of {len(self._keys)} weights are"
                " usable"
            )
        share = self.shares(now=0.0).get(self._last, 0.0)
        return (
            f"it was the turn of {self._last}, which has a share of {share:.3g}; {self._usable} of {len(self._keys)}"
            " weights are usable"
        )

    def states(self, *, now: float) -> Mapping[str, str]:
        blackout_s = self._settings.blackout_s
        states = {key: it.describe(blackout_s=blackout_s, now=now) for key, it in self._reported.items()}
        return {key: state for key, state in states.items() if state is not None}

    def shares(self, *, now: float) -> Mapping[str, float]:
        return self._sequence.shares(self._keys)
