"""`Measure`: defines the interface of measures: settings that make a `Meter`, which says how loaded each target is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from coterie.protocols.balancing.load_report import LoadReport
from coterie.protocols.balancing.policy import RequestOutcome, Target

__all__ = ["Measure", "Meter"]


class Meter(ABC):
    """What one caller knows of its targets' load. `now` is monotonic, in seconds."""

    @abstractmethod
    def update(self, targets: Sequence[Target], *, now: float) -> None:
        """Replace the targets; the state of those that stay is kept."""

    @abstractmethod
    def load(self, target: str, *, now: float) -> float:
        """Return the load of a target, at least 0; only comparisons have a meaning. Lower is better."""

    def picked(self, target: str, *, now: float) -> None:  # noqa: B027 (not every measure needs it)
        """Record that a request goes to `target`."""

    def settled(  # noqa: B027 (as `picked`)
        self, target: str, outcome: RequestOutcome, *, latency_s: float, load: LoadReport | None, now: float
    ) -> None:
        """Record how a request ended: as in `Picker`."""

    @abstractmethod
    def describe(self, target: str, *, now: float) -> str:
        """Return the load in words, for `explain`: `2 in flight`, `12 ms × 3`."""


class Measure(Protocol):
    """The settings of a measure, a frozen dataclass."""

    def make(self) -> Meter:
        """Return a new meter without targets."""
        ...
