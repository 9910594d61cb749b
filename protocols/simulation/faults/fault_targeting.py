"""`FaultTargeting`: chooses the node that a fault hits (a named node, the busiest one, the next leader or voter …)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from coterie.protocols.algorithm import NodeId
from coterie.protocols.faults.kinds.fault_kinds import TargetRole
from coterie.protocols.simulation.event_heap import EventHeap
from coterie.protocols.simulation.protocol_node import ProtocolNode

__all__ = ["RETRY_INTERVAL_S", "ROLE_TIMEOUT_S", "FaultTargeting"]

W = TypeVar("W")
M = TypeVar("M")

ROLE_TIMEOUT_S = 1.0
"""How long a fault waits for a node that shows its role."""

RETRY_INTERVAL_S = 0.1
"""The interval at which a fault that has hit nothing is tried, or prolonged, again."""


class FaultTargeting(Generic[W, M]):
    """Applies faults to nodes. `waiting`: faults that wait for a role; without any, do not call `role_shown`."""

    __slots__ = ("_heap", "_is_over", "_nodes", "_role_timeout_s", "waiting")

    def __init__(
        self, heap: EventHeap, nodes: Sequence[ProtocolNode[W, M]], role_timeout_s: float = ROLE_TIMEOUT_S
    ) -> None:
        self._heap = heap
        self._nodes = nodes
        self._role_timeout_s = role_timeout_s
        self.waiting: list[_Attempt[W, M]] = []
        self._is_over = False

    def apply_to(self, role: TargetRole, target: str, apply: Callable[[ProtocolNode[W, M]], bool]) -> None:
        """Call `apply` with the chosen node, and repeat that until it returns True, which means that the fault has hit.

        A target that is down or paused is replaced by the first node that is not.
        """
        attempt = _Attempt(role, target, apply)
        if role is TargetRole.ANY or role is TargetRole.BUSIEST:
            self._try(attempt)
            return
        self.waiting.append(attempt)
        self._heap.after(self._role_timeout_s, self._role_timed_out, attempt)

    def role_shown(self, role: TargetRole, node_id: NodeId) -> None:
        """Note that a node has just shown `role`: the first fault that waits for it is applied."""
        for attempt in self.waiting:
            if attempt.role is role:
                self.waiting.remove(attempt)
                if not attempt.apply(self.node(node_id)):
                    self._try_later(attempt)
                return

    def stop(self) -> None:
        """Apply no further faults."""
        self._is_over = True
        self.waiting.clear()

    def node(self, node_id: str) -> ProtocolNode[W, M]:
        """Return the node called `node_id`."""
        return next(node for node in self._nodes if node.node_id == node_id)

    def _role_timed_out(self, attempt: _Attempt[W, M]) -> None:
        if attempt in self.waiting:
            self.waiting.remove(attempt)
            self._try(attempt)

    def _try(self, attempt: _Attempt[W, M]) -> None:
        if self._is_over:
            return
        node = self._choose(attempt)
        if node is None or not attempt.apply(node):
            self._try_later(attempt)

    def _try_later(self, attempt: _Attempt[W, M]) -> None:
        self._heap.after(RETRY_INTERVAL_S, self._try, attempt)

    def _choose(self, attempt: _Attempt[W, M]) -> ProtocolNode[W, M] | None:
        awake = [node for node in self._nodes if node.is_awake]
        if attempt.role is TargetRole.BUSIEST:
            return max(awake, key=lambda node: node.turns, default=None)
        target = self.node(attempt.target)
        return target if target.is_awake else next(iter(awake), None)


@dataclass(frozen=True, slots=True, eq=False)
class _Attempt(Generic[W, M]):
    role: TargetRole
    target: str
    apply: Callable[[ProtocolNode[W, M]], bool]
