"""`RelayedProbes`: remembers the probes that this node makes on behalf of others, until they are answered or expire."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.protocols.algorithm import NodeId

__all__ = ["RelayedProbe", "RelayedProbes"]


@dataclass(slots=True)
class RelayedProbe:
    """A probe of `target` for `requester`, who calls it `request_number`; it expires at `due_at` (monotonic, s)."""

    requester: NodeId
    request_number: int
    target: NodeId
    due_at: float


class RelayedProbes:
    """The relayed probes that are still without answer, by this node's own number for them. The caller bounds them."""

    __slots__ = ("_by_number",)

    def __init__(self) -> None:
        self._by_number: dict[int, RelayedProbe] = {}

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._by_number)

    @property
    def earliest(self) -> float | None:
        """When the first one expires (monotonic, s); None if there is none."""
        return min((relayed.due_at for relayed in self._by_number.values()), default=None)

    def add(self, number: int, relayed: RelayedProbe) -> None:
        """Remember a probe that is sent with `number`."""
        self._by_number[number] = relayed

    def forget_oldest(self) -> None:
        """Forget the one that was added first."""
        del self._by_number[next(iter(self._by_number))]

    def answered(self, target: NodeId, number: int) -> RelayedProbe | None:
        """Remove and return the probe that `target` has answered; None if the answer fits none."""
        relayed = self._by_number.get(number)
        if relayed is None or relayed.target != target:
            return None
        return self._by_number.pop(number)

    def pop_expired(self, *, now: float) -> list[RelayedProbe]:
        """Remove and return those whose time has expired."""
        expired = [number for number, relayed in self._by_number.items() if relayed.due_at <= now]
        return [self._by_number.pop(number) for number in expired]

    def postpone(self, pause_s: float) -> None:
        """Let all of them expire `pause_s` seconds later."""
        for relayed in self._by_number.values():
            relayed.due_at += pause_s
