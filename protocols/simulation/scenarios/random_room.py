"""`RandomRoom`: tells nodes of some simulated groups that their disks have no room for commands, or have it again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Final

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.raft_effects import ShortOfSpace
from coterie.protocols.simulation.protocol_world import ProtocolWorld

__all__ = ["RandomRoom"]

RUNS: Final = 0.3
"""The share of runs in which disks are full now and then."""

ALL: Final = 0.2
"""How often all disks change at once."""

PAUSE: Final = 0.1
"""The longest time between two changes, relative to the plan's."""


class RandomRoom:
    """The disks of one run. A life begins with room.

    Args:
        rng: decides whether, when and which disks are full.
        world: runs the nodes.
        nodes: those of the group.
        ends_at_s: when the plan's faults end; `end` is to be called then.
    """

    def __init__(
        self, rng: random.Random, world: ProtocolWorld[Any, Any], nodes: Sequence[NodeId], ends_at_s: float
    ) -> None:
        self._rng = rng
        self._world = world
        self._nodes = nodes
        self._pause_s = PAUSE * ends_at_s
        self._is_active = rng.random() < RUNS
        if self._is_active:
            world.heap.after(0.0, self._change)

    def end(self) -> None:
        """Give all disks room."""
        if self._is_active:
            self._is_active = False
            self._tell(self._nodes, is_short=False)

    def _change(self) -> None:
        """Change one disk, or all, and schedule the next change."""
        if not self._is_active:
            return
        rng, heap = self._rng, self._world.heap
        heap.events += 1
        chosen = self._nodes if rng.random() < ALL else (rng.choice(self._nodes),)
        self._tell(chosen, is_short=rng.random() < 0.5)
        heap.after(self._pause_s * rng.random(), self._change)

    def _tell(self, nodes: Sequence[NodeId], *, is_short: bool) -> None:
        for node in nodes:
            if self._world.nodes[node].is_up:
                self._world.nodes[node].receive(ShortOfSpace(is_short))
