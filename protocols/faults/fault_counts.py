"""`FaultCounts`: counts how often each kind of fault took effect in a run."""

from __future__ import annotations

__all__ = ["FaultCounts"]


class FaultCounts:
    """Counts the faults that took effect: a life ended, a paused node missed an event, a message was lost.

    A planned fault counts only once it has changed what happens. Names are those of `fault_kinds.kind`.
    """

    __slots__ = ("count_by_kind",)

    def __init__(self) -> None:
        self.count_by_kind: dict[str, int] = {}

    def count(self, fault: str) -> int:
        """Return how often faults of this kind took effect."""
        return self.count_by_kind.get(fault, 0)

    def note(self, fault: str) -> None:
        """Note that a fault of this kind took effect."""
        self.count_by_kind[fault] = self.count_by_kind.get(fault, 0) + 1
