"""`RequestsByNode`: counts the unanswered requests of each node; another balancing policy chooses the workers."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from coterie.protocols.algorithm import Observe
from coterie.protocols.balancing import LoadReport, Picker, Policy, Probe, RequestOutcome, RoutingKey, Target
from coterie.protocols.balancing.policy import uses_load_reports
from coterie.protocols.balancing.policy_text import policy_text

__all__ = ["RequestsByNode"]


class RequestsByNode:
    """A policy that lets another one choose, and counts requests: settled by the answer, or if they are given up."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.uses_load_reports = uses_load_reports(policy)
        self.sent_by_node: Counter[str] = Counter()
        self.settled_by_node: Counter[str] = Counter()

    def __str__(self) -> str:
        """Return the other policy as its user writes it."""
        return policy_text(self._policy)

    def make(self, rng: random.Random) -> Picker:
        """Return a picker of the other policy, counted."""
        return _CountingPicker(self._policy.make(rng), self)


class _CountingPicker(Picker):
    """Counts the open requests of a target that leaves as settled: nothing more is reported of them."""

    def __init__(self, picker: Picker, requests: RequestsByNode) -> None:
        self._picker = picker
        self._requests = requests
        self._node_by_target: dict[str, str] = {}
        self._open_by_target: Counter[str] = Counter()

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        staying = {target.key: target.node for target in targets}
        for key, node in self._node_by_target.items():
            if key not in staying:
                self._requests.settled_by_node[node] += self._open_by_target.pop(key, 0)
        self._node_by_target = staying
        self._picker.update(targets, now=now)

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        return self._picker.choose(now=now, key=key, exclude=exclude)

    def picked(self, target: str, *, now: float) -> Sequence[Probe]:
        self._open_by_target[target] += 1
        self._requests.sent_by_node[self._node_by_target[target]] += 1
        return self._picker.picked(target, now=now)

    def settled(
        self, target: str, outcome: RequestOutcome, *, latency_s: float, load: LoadReport | None, now: float
    ) -> None:
        self._open_by_target[target] -= 1
        self._requests.settled_by_node[self._node_by_target[target]] += 1
        self._picker.settled(target, outcome, latency_s=latency_s, load=load, now=now)

    def probed(self, probe: Probe, load: LoadReport | None, *, now: float) -> None:
        self._picker.probed(probe, load, now=now)

    def recovered(self, target: str, *, now: float) -> None:
        self._picker.recovered(target, now=now)

    def deadline(self) -> float | None:
        return self._picker.deadline()

    def tick(self, *, now: float) -> Sequence[Probe]:
        return self._picker.tick(now=now)

    def observations(self) -> Sequence[Observe]:
        return self._picker.observations()

    def explain(self) -> str:
        return self._picker.explain()

    def states(self, *, now: float) -> Mapping[str, str]:
        return self._picker.states(now=now)

    def shares(self, *, now: float) -> Mapping[str, float] | None:
        return self._picker.shares(now=now)
