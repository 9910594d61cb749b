"""Whom a fault strikes: its target, the busiest node, or whoever shows a role next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from coterie.protocols.algorithm import NodeId
from coterie.protocols.faults.kinds.fault_kinds import Role
from coterie.protocols.simulation.event_heap import Timeline
from coterie.protocols.simulation.protocol_node import Node

__all__ = ["EXTENSION_S", "PATIENCE_S", "Aiming"]

W = TypeVar("W")
M = TypeVar("M")

PATIENCE_S = 1.0
"""How long a fault waits for somebody to show himself in its role."""

EXTENSION_S = 0.1
"""After which time a fault that has hit nothing is tried, or prolonged, again."""


class Aiming(Generic[W, M]):
    """Brings faults and nodes together. `armed` are those that wait for a role: without any, `showed` is needless."""

    __slots__ = ("_is_over", "_nodes", "_patience_s", "_timeline", "armed")

    def __init__(self, timeline: Timeline, nodes: Sequence[Node[W, M]], patience_s: float = PATIENCE_S) -> None:
        self._timeline = timeline
        self._nodes = nodes
        self._patience_s = patience_s
        self.armed: list[_Shot[W, M]] = []
        self._is_over = False

    def strike(self, role: Role, target: str, strike: Callable[[Node[W, M]], bool]) -> None:
        """Call `strike` with the node whom a fault hits, until it returns True: again and again if it cannot hit.

        A target that is down or paused is replaced by the first node that is not.
        """
        shot = _Shot(role, target, strike)
        if role is Role.ANY or role is Role.BUSIEST:
            self._shoot(shot)
            return
        self.armed.append(shot)
        self._timeline.after(self._patience_s, self._lose_patience, shot)

    def showed(self, role: Role, node_id: NodeId) -> None:
        """Note that a node has just shown itself in `role`: the first fault that waits for that strikes."""
        for shot in self.armed:
            if shot.role is role:
                self.armed.remove(shot)
                if not shot.strike(self.node(node_id)):
                    self._shoot_again(shot)
                return

    def stop(self) -> None:
        """Strike no more."""
        self._is_over = True
        self.armed.clear()

    def node(self, node_id: str) -> Node[W, M]:
        """Return the node of that name."""
        return next(node for node in self._nodes if node.node_id == node_id)

    def _lose_patience(self, shot: _Shot[W, M]) -> None:
        if shot in self.armed:
            self.armed.remove(shot)
            self._shoot(shot)

    def _shoot(self, shot: _Shot[W, M]) -> None:
        if self._is_over:
            return
        node = self._choose(shot)
        if node is None or not shot.strike(node):
            self._shoot_again(shot)

    def _shoot_again(self, shot: _Shot[W, M]) -> None:
        self._timeline.after(EXTENSION_S, self._shoot, shot)

    def _choose(self, shot: _Shot[W, M]) -> Node[W, M] | None:
        awake = [node for node in self._nodes if node.is_awake]
        if shot.role is Role.BUSIEST:
            return max(awake, key=lambda node: node.turns, default=None)
        target = self.node(shot.target)
        return target if target.is_awake else next(iter(awake), None)


@dataclass(frozen=True, slots=True, eq=False)
class _Shot(Generic[W, M]):
    role: Role
    target: str
    strike: Callable[[Node[W, M]], bool]
