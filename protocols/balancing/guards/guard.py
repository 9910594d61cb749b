"""`Guard`: wraps a policy: decides which targets the inner picker may pick, and adds its own reasons and states."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from coterie.protocols.algorithm import Observe
from coterie.protocols.balancing.kept_events import KeptEvents
from coterie.protocols.balancing.load_report import LoadReport
from coterie.protocols.balancing.policy import Picker, Probe, RequestOutcome, RoutingKey, Target

__all__ = ["Guard", "both", "guarded"]


class Guard(ABC):
    """What a wrapper adds to `inner`, the picker of the policy that it wraps. Arguments are as in `Picker`.

    Calls are passed to the inner picker first, and then to the guard (`guarded`). A guard needs no timers: what is due
    by `now` it does in the next call.
    """

    def __init__(self, inner: Picker) -> None:
        self.inner = inner
        self.events = KeptEvents()

    @abstractmethod
    def update(self, targets: Sequence[Target], *, now: float) -> None:
        """Replace the targets; the state of those that stay is kept."""

    @abstractmethod
    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        """Return a target that `inner` chooses and the guard accepts; None if there is none."""

    def picked(self, target: str, *, now: float) -> None:  # noqa: B027 (not every guard counts requests)
        """Record that a request goes to `target`."""

    def settled(self, target: str, outcome: RequestOutcome, *, latency_s: float, now: float) -> None:  # noqa: B027
        """Record how a request to `target` ended."""

    def recovered(self, target: str, *, now: float) -> None:  # noqa: B027 (as `picked`)
        """Record that `target` is used again after it was left out."""

    def explain(self) -> str:
        """Return what the guard changed in the last `choose`; empty if nothing."""
        return ""

    def states(self, *, now: float) -> Mapping[str, str]:
        """Return the targets that the guard does not treat as usual, with the reason."""
        return {}

    def parts(self, *, now: float) -> Mapping[str, float]:
        """Return the part (0 … 1) of its inner share that the guard leaves to a target, where it is below 1."""
        return {}


def guarded(guard: Guard) -> Picker:
    """Return the picker of a wrapper: a guard, and the picker inside it."""
    return _GuardedPicker(guard)


class _GuardedPicker(Picker):
    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._inner = guard.inner

    def update(self, targets: Sequence[Target], *, now: float) -> None:
        self._inner.update(targets, now=now)
        self._guard.update(targets, now=now)

    def choose(self, *, now: float, key: RoutingKey | None, exclude: AbstractSet[str]) -> str | None:
        return self._guard.choose(now=now, key=key, exclude=exclude)

    def picked(self, target: str, *, now: float) -> Sequence[Probe]:
        probes = self._inner.picked(target, now=now)
        self._guard.picked(target, now=now)
        return probes

    def settled(
        self, target: str, outcome: RequestOutcome, *, latency_s: float, load: LoadReport | None, now: float
    ) -> None:
        self._inner.settled(target, outcome, latency_s=latency_s, load=load, now=now)
        self._guard.settled(target, outcome, latency_s=latency_s, now=now)

    def recovered(self, target: str, *, now: float) -> None:
        self._inner.recovered(target, now=now)
        self._guard.recovered(target, now=now)

    def probed(self, probe: Probe, load: LoadReport | None, *, now: float) -> None:
        self._inner.probed(probe, load, now=now)

    def deadline(self) -> float | None:
        return self._inner.deadline()

    def tick(self, *, now: float) -> Sequence[Probe]:
        return self._inner.tick(now=now)

    def observations(self) -> Sequence[Observe]:
        return [*self._inner.observations(), *self._guard.events.fetch()]

    def explain(self) -> str:
        return "; ".join(filter(None, (self._inner.explain(), self._guard.explain())))

    def states(self, *, now: float) -> Mapping[str, str]:
        inner, own = self._inner.states(now=now), self._guard.states(now=now)
        joint = {key: ", ".join(filter(None, (own.get(key), inner.get(key)))) for key in inner}
        return {**own, **joint}

    def shares(self, *, now: float) -> Mapping[str, float] | None:
        inner, parts = self._inner.shares(now=now), self._guard.parts(now=now)
        if inner is None or not parts:
            return inner
        left = {key: share * parts.get(key, 1.0) for key, share in inner.items()}
        total = sum(left.values())
        return {key: share / total for key, share in left.items()} if total > 0 else inner


def both(exclude: AbstractSet[str], refused: AbstractSet[str]) -> AbstractSet[str]:
    """Return the union of two sets, without a copy if the first is empty."""
    return refused if not exclude else exclude | refused
