"""`ClusterHandles`: knows the linked nodes; keeps, lists and closes what a node or client has opened: groups, pools.

It is the internal side of `ClusterApi`, for the actors of coterie.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from coterie.actors.detection.node_health import NodeHealth
from coterie.actors.groups.group_client import GroupClient
from coterie.actors.groups.state_machine import StateMachine
from coterie.actors.pools.pool import Pool
from coterie.actors.pools.pool_options import PoolOptions
from coterie.actors.pools.requests.worker_lists import WorkerLists
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.identity import PeerRole

__all__ = ["ClusterHandles"]


class ClusterHandles:
    """The handles that one node or client has given out: `groups` by name and class of the machine, `pools` by name.

    Args:
        system: a node of the cluster, or a client linked to it.
        health: what the node's failure detector thinks of the other nodes; None for a client.
    """

    def __init__(self, system: System, health: NodeHealth | None) -> None:
        self._system = system
        self._health = health
        self._nodes: list[str] | None = None  # cached until a link changes
        self.groups: dict[tuple[str, type[StateMachine[Any]] | None], GroupClient[Any]] = {}
        self.pools: dict[str, tuple[Pool, PoolOptions]] = {}
        system.on_link(self._link_changed)

    def nodes(self) -> list[str]:
        """Return the names of the nodes that can be reached now, sorted; this node included, if it is one."""
        if self._nodes is None:
            own = [self._system.node] if self._system.identity.role is PeerRole.NODE else []
            self._nodes = sorted({*own, *(peer.node for peer in self._system.links if peer.role is PeerRole.NODE)})
        return self._nodes

    def worker_lists(self, name: str, is_used: Callable[[], bool], subscribes: bool) -> WorkerLists:
        """Return the workers of a pool as its nodes list them; see `MakeSource`."""
        return WorkerLists(
            self._system,
            name,
            self.nodes,
            is_suspected=self._is_suspected,
            is_used=is_used,
            subscribes=subscribes,
        )

    def opened_pool(self, name: str) -> tuple[Pool, PoolOptions] | None:
        """Return the open pool of that name, and its options; None if there is none."""
        opened = self.pools.get(name)
        return None if opened is None or opened[0].is_closed else opened

    async def close(self) -> None:
        """Stop the background tasks of the handles."""
        for pool, _ in self.pools.values():
            pool.close()
        for group in self.groups.values():
            await group.close()

    def _link_changed(self, _: LinkEvent) -> None:
        self._nodes = None

    def _is_suspected(self, node: str) -> bool:
        return self._health is not None and self._health.is_suspected(node)
