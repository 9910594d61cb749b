"""`Prequal`: balances load by probes in advance: picks by requests in flight (RIF) and by estimated latency.

Wydrowski, Kleinberg, Rumble, Archer: "Load is not what you should balance: Introducing Prequal", NSDI 2024, §4.

    each pick ──▶ ┌────────────────────────────┐ ──▶ the best probe's target: RIF + 1, one use less
                  │ pool: at most 16 probes,   │ ──▶ removes 1 probe: the oldest and the worst in turn
    answers ────▶ │ at most 1 s old,           │ ──▶ sends 3 probes to random targets
                  │ at most one of each target │
                  └────────────────────────────┘     fewer than 2 usable: a random target

A probe is hot if its RIF exceeds the quantile `rif_quantile` of the targets' RIF. If any probe is cold, the cold one of
lowest latency wins, else the one of lowest RIF: latency decides, unless a queue grows.

Ours: latencies that differ by less than `latency_tolerance` count as equal, and then the lower RIF wins. An estimate is
a median of few requests; without a tolerance all callers follow its noise to the same target, until that is slow.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from coterie.protocols.balancing.load_report import LoadReport
from coterie.protocols.balancing.policy import Picker, Probe, RoutingKey, Target
from coterie.protocols.balancing.prequal.probe_pool import HeldProbe, PoolChoice, ProbePool
from coterie.protocols.balancing.prequal.probe_rates import FractionalRate, reuse_budget, round_at_random
from coterie.protocols.balancing.prequal.rif_distribution import RifDistribution
from coterie.protocols.balancing.random_draw import draw_allowed, draw_distinct

__all__ = ["Prequal"]

USABLE_MIN: Final = 2
"""Below this number of usable probes a pick is random (§4): with a single one, every caller would follow it."""


@dataclass(frozen=True, slots=True)
class Prequal:
    """Probes targets in advance, and picks by requests in flight and by latency; weights are ignored.

    The defaults are the paper's (§5, baseline), but for those marked as ours; `latency_tolerance=0` is its rule.

    Attributes:
        pool_size: the most probes that are held (m), at least 2. Default 16. Too low: the choice is among few; too
            high: old probes are used.
        probe_age_s: older probes are dropped, s. Default 1. Too low: the pool is empty between picks, which are random
            then; too high: picks follow loads that are gone.
        probes_per_pick: probes that each pick sends (r_probe), above 0, need not be whole. Default 3; YouTube's 5.
            Below 1 the tail becomes visibly longer (§5.3); too high: probes are a load of their own.
        removals_per_pick: probes that each pick removes besides the used one (r_remove), at least 0. Default 1. Too
            low: bad probes fill the pool; too high: the pool runs empty.
        delta: δ of the reuse budget (equation 1), above -1: how much faster than it is filled the pool may be used.
            Default 1. Too low: a probe is dropped early; too high: many requests follow one old probe.
        rif_quantile: a probe is hot if its RIF exceeds this quantile of the targets' RIF (Q_RIF), 0 … 1. Default
            2^-0.25 = 0.84; the paper advises 0.6 … 0.9. At 0 RIF decides and latency settles ties; at 1 latency alone
            decides, and queues grow.
        latency_tolerance: latencies of cold probes up to 1 + this times the lowest count as equal, and the lowest RIF
            of these wins; at least 0 (ours). Default 0.5. Too low: requests follow the noise of the estimates, which is
            worst with few targets; too high: a target that is slow, but not by that much, gets as much as the others.
        probe_timeout_s: how long an answer is awaited, s. Default 0.05 (ours; the paper's is 0.003: in an event loop a
            probe waits behind the handlers that run, and on a busy machine half of the answers were lost, and their
            picks random). Too low: answers of busy nodes are lost, and only these; too high: old answers are used.
        idle_probe_s: probes are sent after this time without any, s (ours: the paper gives no number). Default 1: as
            old as a probe gets. Too low: idle callers send probes; too high: the first picks after a pause are random.
        rif_age_s: an RIF that is older counts no longer in the distribution, s, at least `probe_age_s` (ours: the paper
            says "recent"). Default 10. Too low: the quantile is of few targets; too high: it is of loads that are gone.
    """

    pool_size: int = 16
    probe_age_s: float = 1.0
    probes_per_pick: float = 3.0
    removals_per_pick: float = 1.0
    delta: float = 1.0
    rif_quantile: float = 2**-0.25
    latency_tolerance: float = 0.5
    probe_timeout_s: float = 0.05
    idle_probe_s: float = 1.0
    rif_age_s: float = 10.0

    def __post_init__(self) -> None:
        if self.pool_size < USABLE_MIN:
            raise ValueError(
                f"pool_size={self.pool_size} must be at least {USABLE_MIN}: with fewer, all picks are random"
            )
        if not 0 <= self.rif_quantile <= 1:
            raise ValueError(f"rif_quantile={self.rif_quantile} must be 0 … 1")
        if not 0 <= self.latency_tolerance < math.inf:
            raise ValueError(f"latency_tolerance={self.latency_tolerance} must be at least 0 and finite")
        for name in ("probe_age_s", "probes_per_pick", "probe_timeout_s", "idle_probe_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0 and finite")
        if not 0 <= self.removals_per_pick < math.inf:
            raise ValueError(f"removals_per_pick={self.removals_per_pick} must be at least 0 and finite")
        if not -1 < self.delta < math.inf:
            raise ValueError(f"delta={self.delta} must be above -1 and finite")
        if not self.probe_age_s <= self.rif_age_s < math.inf:
            raise ValueError(f"rif_age_s={self.rif_age_s} must be at least probe_age_s={self.probe_age_s} and finite")

    def make(self, rng: random.Random) -> Picker:
        """Return a picker without probes: its first picks are random."""
        return _PrequalPicker(self, rng)


class _PrequalPicker(Picker):
    def __init__(self, settings: Prequal, rng: random.Random) -> None:
        self._settings = settings
        self._rng = rng
        self._keys: list[str] = []
        self._joined_at_probe: dict[str, int] = {}  # by target: the last probe before it joined
        self._pool = ProbePool(settings.pool_size, settings.probe_age_s)
        self._rifs = RifDistribution(settings.rif_quantile, settings.rif_age_s)
        self._probe_rate = FractionalRate(settings.probes_per_pick, rng.random())
        self._removal_rate = FractionalRate(settings.removals_per_pick, rng.random())
        self._uses = math.inf
        self._last_probe = 0
        self._unanswered = 0
        self._probe_due_at = 0.0
        self._last: PoolChoice | str | None = None
        self._last_held = 0

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        if not self._keys:
            self._probe_due_at = now
        self._keys = [target.key for target in targets]
        joined = self._joined_at_probe
        self._joined_at_probe = {key: joined.get(key, self._last_probe) for key in self._keys}
        for key in joined:
            if key not in self._joined_at_probe:
                self._pool.drop(key)
                self._rifs.forget(key)
        self._uses = reuse_budget(
            pool_size=self._settings.pool_size,
            targets=len(self._keys),
            probes_per_pick=self._settings.probes_per_pick,
            removals_per_pick=self._settings.removals_per_pick,
            delta=self._settings.delta,
        )

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        pool, tolerance = self._pool, self._settings.latency_tolerance
        pool.expire(now)
        choice = pool.choose(self._rifs.limit(), exclude, usable_min=USABLE_MIN, tolerance=tolerance)
        if choice is not None:
            self._last = choice
            return choice.probe.target
        self._last_held = len(self._pool)
        self._last = draw_allowed(self._keys, exclude, self._rng)
        return self._last

    def picked(self, target: str, *, now: float) -> Sequence[Probe]:
        pool = self._pool
        pool.use(target)
        for _ in range(self._removal_rate.take()):
            pool.remove_one(self._rifs.limit())
        return self._probes(self._probe_rate.take(), now)

    def _probes(self, count: int, now: float) -> Sequence[Probe]:
        """Return probes of `count` different targets, drawn at random (§4: without replacement)."""
        if count == 0:
            return ()
        settings = self._settings
        self._probe_due_at = now + settings.idle_probe_s
        number, timeout_s, make, probes = self._last_probe, settings.probe_timeout_s, tuple.__new__, list[Probe]()
        for target in draw_distinct(self._keys, count, self._rng):
            number += 1
            probes.append(make(Probe, (target, number, timeout_s)))  # a third of the time of Probe(…)
        self._last_probe = number
        return probes

    def probed(self, probe: Probe, load: LoadReport | None, *, now: float) -> None:
        if load is None:
            self._unanswered += 1
            return
        joined_at = self._joined_at_probe.get(probe.target)
        if joined_at is None or probe.number <= joined_at:
            return  # the target has left since, or it has left and joined again
        self._rifs.record(probe.target, load.in_flight, now=now)
        uses = round_at_random(self._uses, self._rng)
        self._pool.add(HeldProbe(probe.target, load.in_flight, load.latency_s, now, uses))

    def deadline(self) -> float | None:
        return self._probe_due_at if self._keys else None

    def tick(self, *, now: float) -> Sequence[Probe]:
        if now < self._probe_due_at or not self._keys:
            return ()
        return self._probes(math.ceil(self._settings.probes_per_pick), now)

    def explain(self) -> str:
        if self._last is None:
            return "no target is allowed" if self._keys else "there are no targets"
        reason = self._explain_random(self._last) if isinstance(self._last, str) else self._explain_choice(self._last)
        return f"{reason}; {self._unanswered} of {self._last_probe} probes were not answered in time"

    def _explain_random(self, target: str) -> str:
        return f"{target} was drawn at random: fewer than {USABLE_MIN} usable probes (of {self._last_held})"

    def _explain_choice(self, choice: PoolChoice) -> str:
        quantile = f"the {self._settings.rif_quantile:.2f} quantile of {len(self._rifs)} targets"
        rif, target = choice.in_flight, choice.probe.target
        if choice.is_cold:
            return (
                f"{target} has {rif} in flight and {_described(choice.probe.latency_s)}, among the lowest latencies of"
                f" the cold ones among {choice.usable} probes: at most {choice.limit:g} in flight, {quantile}"
            )
        return (
            f"{target} has the fewest in flight, {rif}, of {choice.usable} probes, which are all hot: above"
            f" {choice.limit:g}, {quantile}"
        )


def _described(latency_s: float | None) -> str:
    return "no known latency" if latency_s is None else f"{latency_s * 1000:.3g} ms"
