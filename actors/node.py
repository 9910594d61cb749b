"""`Node`: holds one running node's actor system and store; finds the cluster's actors, groups and pools by name."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final

from coterie.actors.cluster_api import ClusterApi
from coterie.actors.detection.node_health import NodeHealth
from coterie.actors.groups.group_messages import HandOver, HandOverAnswer
from coterie.actors.membership.cluster_membership import ClusterMembership
from coterie.actors.membership.receptionist.receptionist import Receptionist
from coterie.actors.network_addresses import format_address
from coterie.actors.pools.pool_options import PoolOptions
from coterie.errors import NotInView
from coterie.runtime.refs import Address
from coterie.runtime.storage.log_store import LogStore
from coterie.runtime.system import System

if TYPE_CHECKING:
    from coterie.actors.topology import Topology

__all__ = ["Node"]

DRAIN_S: Final = 1.0
LEAVE_S: Final = 3.0
"""For so long a node that is stopped tries to leave the view."""


class Node(ClusterApi):
    """A running node: its system, its store, and handles to everything in the cluster.

    `health`: what its failure detector thinks of the other nodes.
    """

    def __init__(self, system: System, topology: Topology, store: LogStore, address: tuple[str, int]) -> None:
        self.health = NodeHealth(system)
        super().__init__(system, self.health)
        self.topology = topology
        self.store = store
        self.address = format_address(address)
        self.membership: ClusterMembership | None = None
        """What this node knows of the cluster's view; None in a topology without `Members`."""
        self._receptionist: Receptionist | None = None

    def _pool_options(self, pool: str) -> PoolOptions:
        part = self.topology.pool_part(pool)
        return (
            super()._pool_options(pool) if part is None else PoolOptions(part.balance, part.retry_budget, part.hedging)
        )

    @property
    def known_groups(self) -> frozenset[str]:
        """The names of the topology's groups."""
        return frozenset(self.topology.group_names)

    def _singleton_names(self) -> frozenset[str]:
        return frozenset(self.topology.singleton_names)

    def _node_names(self) -> tuple[str, ...]:
        joined = () if self.membership is None else (member.name for member in self.membership.view)
        return tuple(dict.fromkeys((*self.topology.nodes, *joined)))

    @property
    def receptionist(self) -> Receptionist:
        """Registers and finds services. RuntimeError in a topology without `Members`."""
        if self._receptionist is None:
            raise RuntimeError(
                f"topology {self.topology.name!r} has no view, and so no services: declare it with nodes=Members(…)"
            )
        return self._receptionist

    @receptionist.setter
    def receptionist(self, receptionist: Receptionist) -> None:
        self._receptionist = receptionist

    async def ended(self) -> None:
        """Wait until this node has left the view of its cluster; for ever in a topology without `Members`."""
        if self.membership is None:
            await asyncio.Event().wait()
        else:
            await self.membership.until(lambda: self.membership is None or self.membership.has_ended, None)

    async def drain(self, *, timeout_s: float = DRAIN_S) -> tuple[str, ...]:
        """Hand over what this node holds: singletons, and every group that it leads; return those that it leads still.

        Call it before the node is stopped: clients then wait some round trips instead of an election time-out,
        singletons start elsewhere at once, and services are found on other nodes.
        """
        if self.membership is not None:
            await self._give_up(self.membership)
        groups = self.topology.group_names
        asks: list[Any] = [
            self.system.at(Address(self.name, group)).ask(HandOver(), timeout_s=timeout_s) for group in groups
        ]
        answers = await asyncio.gather(*asks, return_exceptions=True)
        return tuple(
            group
            for group, answer in zip(groups, answers, strict=True)
            if isinstance(answer, HandOverAnswer) and not answer.is_done and answer.leader == self.name
        )

    async def _give_up(self, membership: ClusterMembership) -> None:
        """Leave the view; a founder, which comes back at its address, stays and gives up what it holds."""
        if self.name not in self.topology.nodes and not membership.has_ended:
            with contextlib.suppress(NotInView):
                await membership.leave(LEAVE_S)
                return
        await membership.feed.hand_over()

    @property
    def name(self) -> str:
        """This node's name."""
        return self.system.node
