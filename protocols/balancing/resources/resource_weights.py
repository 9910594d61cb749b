"""`ResourceWeights`: balances load by weights that follow the remaining capacity of the targets' nodes.

replies ────────▶ ┌────────────────────────┐
with resources    │ capacity of each node: │ ──▶ weight = capacity × configured weight / targets on the node
probes' answers ▶ │ formula, then smoothed │ ──▶ picks by stride, in exact proportion
                  └────────────────────────┘ ──▶ probes the nodes that have not reported for a while
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Final

from coterie.protocols.algorithm import Observe
from coterie.protocols.balancing.choices.stride_sequence import StrideSequence
from coterie.protocols.balancing.kept_events import KeptEvents
from coterie.protocols.balancing.load_report import LoadReport
from coterie.protocols.balancing.policy import Picker, Probe, RequestOutcome, RoutingKey, Target
from coterie.protocols.balancing.resources.capacity_formulas import CapacityFormula, RemainingCapacity
from coterie.protocols.balancing.resources.node_capacity import NodeCapacity, says_something
from coterie.protocols.balancing.settings_checks import formula_mistake, refuse
from coterie.protocols.balancing.weights_in_range import weights_in_range

__all__ = ["ResourceWeights"]

UPDATE_S: Final = 0.2
"""How often the weights are computed again, s."""

UPDATE_S_PER_TARGET: Final = 0.0002
"""For very many targets they are computed less often: the time between two grows with the work of one, s."""


@dataclass(frozen=True, slots=True)
class ResourceWeights:
    """Picks by the capacity that the targets' nodes have left, times the configured weights.

    Targets of the same `Target.node` share its capacity, and a report of one counts for all; a target without a node is
    its own. A node that has not reported yet, or not for `expiry_s`, gets the mean of the others. New targets start
    slowly only inside `SlowStart`; suspected ones are the caller's to exclude.

    Attributes:
        formula: computes the capacities; default `RemainingCapacity`.
        smoothing_s: the time constant with which a weight follows the capacity, s, at least 0. Default 1: after a jump
            a weight is within 5 % of it in 3 s. Too low: weights swing with each sample; too high: an overloaded node
            is burdened for longer.
        probe_interval_s: a node without a report for so long is probed, s, above 0. Default 1. Too low: probes are a
            load of their own; too high: the weights of unused nodes are old.
        probe_timeout_s: how long the answer of a probe is waited for, s, above 0. Default 0.5.
        expiry_s: after so long without a report a weight is forgotten, s; above `probe_interval_s`. Default 5. Too low:
            a few lost probes make a busy node look average; too high: a weight outlives its node.
        min_part: the least weight, as a part of the highest, 0 … 1. Default 0.02: enough requests to notice that a node
            has recovered. Too low: only probes notice it; too high: exhausted nodes get requests.

    Raises:
        TypeError: `formula` is not a capacity formula; the error names it.
        ValueError: a field is out of its range; the error names the value.
    """

    uses_load_reports = True
    """The targets' resources come with their reports."""

    formula: CapacityFormula = field(default_factory=RemainingCapacity)
    smoothing_s: float = 1.0
    probe_interval_s: float = 1.0
    probe_timeout_s: float = 0.5
    expiry_s: float = 5.0
    min_part: float = 0.02

    def __post_init__(self) -> None:
        refuse(type(self).__name__, formula_mistake("formula", self.formula))
        if not 0 <= self.smoothing_s < math.inf:
            raise ValueError(f"smoothing_s={self.smoothing_s} must be at least 0 and finite")
        for name in ("probe_interval_s", "probe_timeout_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name}={getattr(self, name)} must be above 0 and finite")
        if not self.probe_interval_s < self.expiry_s < math.inf:
            least = f"probe_interval_s={self.probe_interval_s}"
            raise ValueError(f"expiry_s={self.expiry_s} must be above {least}, and finite")
        if not 0 <= self.min_part <= 1:
            raise ValueError(f"min_part={self.min_part} must be from 0 to 1")

    def make(self, rng: random.Random) -> Picker:
        """Return a picker without reports: its first picks are by the configured weights."""
        return _ResourceWeightsPicker(self, rng)


class _ResourceWeightsPicker(Picker):
    def __init__(self, settings: ResourceWeights, rng: random.Random) -> None:
        self._settings = settings
        self._rng = rng
        self._targets: list[Target] = []
        self._configured: dict[str, float] = {}  # weight by target
        self._keys: list[str] = []
        self._node_by_target: dict[str, NodeCapacity] = {}
        self._nodes: dict[str, NodeCapacity] = {}
        self._sequence = StrideSequence([1.0], rng.randrange(1 << 30))
        self._weigh_at = self._probe_at = math.inf
        self._last_probe = 0
        self._last: str | None = None
        self._events = KeptEvents()

    # --- targets and picks

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        known, self._nodes = self._nodes, {}
        self._targets = list(targets)
        self._keys = [target.key for target in targets]
        self._configured = dict(zip(self._keys, weights_in_range([it.weight for it in targets]), strict=True))
        for target in targets:
            name = target.node or target.key
            if name not in self._nodes:
                self._nodes[name] = known.get(name) or NodeCapacity()
                self._nodes[name].targets = []
            self._nodes[name].targets.append(target.key)
            self._node_by_target[target.key] = self._nodes[name]
        self._node_by_target = {key: self._node_by_target[key] for key in self._keys}
        self._weigh(now)
        self._schedule()

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        if now >= self._weigh_at:
            self._weigh(now)
        self._last = self._sequence.take_allowed(self._keys, exclude, self._rng)
        return self._last

    # --- reports and probes

    def settled(
        self, target: str, outcome: RequestOutcome, *, latency_s: float, load: LoadReport | None, now: float
    ) -> None:
        self._report(target, load, now)

    def probed(self, probe: Probe, load: LoadReport | None, *, now: float) -> None:
        self._report(probe.target, load, now)

    def _report(self, target: str, load: LoadReport | None, now: float) -> None:
        node = self._node_by_target.get(target)
        if node is not None and load is not None and load.resources is not None and says_something(load.resources):
            node.report(load.resources, now=now)

    def deadline(self) -> float | None:
        return self._probe_at if self._nodes else None

    def tick(self, *, now: float) -> Sequence[Probe]:
        if now < self._probe_at:
            return ()
        interval_s, probes = self._settings.probe_interval_s, list[Probe]()
        for node in self._nodes.values():
            if now >= node.probe_due_at(interval_s):
                node.probed_at = now
                self._last_probe += 1
                target = node.targets[int(self._rng.random() * len(node.targets))]
                probes.append(Probe(target, self._last_probe, self._settings.probe_timeout_s))
        self._schedule()
        return probes

    def _schedule(self) -> None:
        due = (node.probe_due_at(self._settings.probe_interval_s) for node in self._nodes.values())
        self._probe_at = min(due, default=math.inf)

    # --- weights

    def _weigh(self, now: float) -> None:
        """Compute the weights from the reports so far."""
        self._weigh_at = now + max(UPDATE_S, UPDATE_S_PER_TARGET * len(self._targets))
        for name, node in self._nodes.items():
            if node.expire(self._settings.expiry_s, now=now):
                self._events.observe("balancing.weight_expired", node=name, silent_s=now - node.reported_at)
        reported = {name: node.resources for name, node in self._nodes.items() if node.resources is not None}
        for name, capacity in self._settings.formula.capacities(reported).items():
            self._nodes[name].smooth(capacity, self._settings.smoothing_s, now=now)
        if self._targets:
            self._sequence = StrideSequence(self._weights(), self._sequence.position)

    def _weights(self) -> list[float]:
        known = [node.capacity for node in self._nodes.values() if node.capacity is not None]
        highest = max(known, default=0.0)
        if highest <= 0.0:  # nothing is known, or nothing is left anywhere
            return [self._configured[target.key] / self._sharers(target) for target in self._targets]
        least, mean = self._settings.min_part * highest, math.fsum(known) / len(known)
        return [
            max(least, mean if (capacity := self._node_by_target[target.key].capacity) is None else capacity)
            * (self._configured[target.key] / self._sharers(target))
            for target in self._targets
        ]

    def _sharers(self, target: Target) -> int:
        return len(self._node_by_target[target.key].targets)

    # --- what it says

    def observations(self) -> Sequence[Observe]:
        return self._events.fetch()

    def explain(self) -> str:
        if self._last is None or self._last not in self._node_by_target:
            return "no target is allowed" if self._keys else "there are no targets"
        share = self.shares(now=0.0)[self._last]
        return f"it was the turn of {self._last}, which has a share of {share:.3g}: {self._describe(self._last)}"

    def _describe(self, target: str) -> str:
        node = self._node_by_target[target]
        if node.capacity is None or node.resources is None:
            return "its node has not reported, and gets the mean"
        it = node.resources
        facts = {"loop used elsewhere": it.loop_used_elsewhere, "processor granted": it.cpu_granted,
                 "memory used": it.memory_used}  # fmt: skip
        named = ", ".join(f"{name} {share:.0%}" for name, share in facts.items() if share is not None)
        return f"its node has a capacity of {node.capacity:.3g} ({named})"

    def states(self, *, now: float) -> Mapping[str, str]:
        silent = {key: node for key, node in self._node_by_target.items() if node.resources is None}
        return dict.fromkeys(silent, "no report of its node: mean weight")

    def shares(self, *, now: float) -> Mapping[str, float]:
        return self._sequence.shares(self._keys)
