"""Probe order: decides which member is probed next."""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Sequence
from typing import Protocol

from coterie.protocols.algorithm import NodeId

__all__ = ["OrderKind", "ProbeOrder", "RandomOrder", "RoundRobinOrder", "make_order"]


class OrderKind(enum.Enum):
    """A probe order by name."""

    ROUND_ROBIN = "round_robin"
    RANDOM = "random"


class ProbeOrder(Protocol):
    """Picks the members to probe."""

    @property
    def nodes(self) -> Sequence[NodeId]:
        """All members."""
        ...

    def add(self, node: NodeId) -> None:
        """Add a member."""
        ...

    def next(self, may_probe: Callable[[NodeId], bool]) -> NodeId | None:
        """Return the next member for which `may_probe` is true; None if there is none."""
        ...


class RoundRobinOrder:
    """Goes through a shuffled list and shuffles it again at its end (SWIM §4.3).

    Every member is probed once in each pass, so the time to the first probe of a crashed member has a bound: less than
    two passes. Each member has an order of its own; with one order for all, all would probe the same member at once.
    The list is shuffled step by step (Fisher and Yates): the next member is drawn from those not yet probed.
    """

    def __init__(self, nodes: Sequence[NodeId], rng: random.Random) -> None:
        self.nodes: list[NodeId] = list(nodes)
        self._rng = rng
        self._at = 0  # the members before it were probed in this pass

    def add(self, node: NodeId) -> None:
        """Add a member at a random place of this pass (SWIM §4.3)."""
        self.nodes.append(node)

    def next(self, may_probe: Callable[[NodeId], bool]) -> NodeId | None:
        """Return the next member in this pass, or the first one of a new pass."""
        for _ in range(2 * len(self.nodes)):
            node = self._draw()
            if may_probe(node):
                return node
        return None

    def _draw(self) -> NodeId:
        nodes, at = self.nodes, self._at
        drawn = at + int(self._rng.random() * (len(nodes) - at))
        nodes[at], nodes[drawn] = nodes[drawn], nodes[at]
        self._at = (at + 1) % len(nodes)
        return nodes[at]


class RandomOrder:
    """Picks each member with the same probability, whatever was picked before (SWIM §3.1): no bound for one member."""

    def __init__(self, nodes: Sequence[NodeId], rng: random.Random) -> None:
        self.nodes: list[NodeId] = list(nodes)
        self._rng = rng

    def add(self, node: NodeId) -> None:
        """Add a member."""
        self.nodes.append(node)

    def next(self, may_probe: Callable[[NodeId], bool]) -> NodeId | None:
        """Return a random member."""
        for _ in self.nodes:
            node = self.nodes[int(self._rng.random() * len(self.nodes))]
            if may_probe(node):
                return node
        candidates = [node for node in self.nodes if may_probe(node)]
        return self._rng.choice(candidates) if candidates else None


def make_order(kind: OrderKind, nodes: Sequence[NodeId], rng: random.Random) -> ProbeOrder:
    """Return a probe order of that kind over `nodes`."""
    return RoundRobinOrder(nodes, rng) if kind is OrderKind.ROUND_ROBIN else RandomOrder(nodes, rng)
