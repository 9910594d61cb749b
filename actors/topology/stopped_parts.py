"""`StoppedParts`: stops a node's actors, pools and balancers while its partition policy says STOP; then starts them.

Groups and synods go on: they answer only with a quorum of their own. Singletons stop with the node's lease.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from coterie.actors.membership.cluster_membership import ClusterMembership
from coterie.actors.topology.parts import ActorPart, BalancerPart, Part, PoolPart
from coterie.protocols.membership.partition_policy import Stand
from coterie.runtime.system import System

__all__ = ["StoppedParts"]


class StoppedParts:
    """Follows the stand of one node.

    Args:
        system: the node's system.
        membership: its membership.
        parts: the parts that run on it.
        spawn: starts one of them.
    """

    def __init__(
        self, system: System, membership: ClusterMembership, parts: Sequence[Part], spawn: Callable[[Part], None]
    ) -> None:
        self._system = system
        self._membership = membership
        self._parts = [part for part in parts if isinstance(part, ActorPart | PoolPart | BalancerPart)]
        self._spawn = spawn
        self._are_stopped = False
        self._stopping: list[asyncio.Future[None]] = []
        membership.on_change(self._look)

    def _look(self) -> None:
        stand = self._membership.stand
        if stand is Stand.STOP and not self._are_stopped:
            self._are_stopped = True
            cells = [self._system.registry.cell_at(part.name) for part in self._parts]
            self._system.log.warning("membership.parts_stopped", parts=", ".join(part.name for part in self._parts))
            self._stopping = [self._system.stop(cell.ref) for cell in cells if cell is not None]
        elif stand in (Stand.ACT, Stand.SERVE) and self._are_stopped:
            self._are_stopped = False
            asyncio.gather(*self._stopping, return_exceptions=True).add_done_callback(lambda _: self._start())

    def _start(self) -> None:
        if self._are_stopped or self._system.registry.not_running:
            return
        self._system.log.warning("membership.parts_started", parts=", ".join(part.name for part in self._parts))
        for part in self._parts:
            if self._system.registry.cell_at(part.name) is None:
                self._spawn(part)
