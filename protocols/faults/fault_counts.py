"""What took effect: the faults that hit something, counted by kind."""

from __future__ import annotations

__all__ = ["Firings"]


class Firings:
    """Counts which faults took effect: a life ended, a paused node missed an event, a message was stopped.

    A plan only promises; a fault counts here when it has changed what happened. Names are those of `kinds.kind`.
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
