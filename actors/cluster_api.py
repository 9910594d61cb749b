"""`ClusterApi`: finds a cluster's actors, groups, stores, synods and pools by name; base of `Node` and `Client`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar, overload

from coterie.actors.detection.node_health import NodeHealth
from coterie.actors.groups.group_client import GroupClient
from coterie.actors.groups.key_value_client import KeyValueClient
from coterie.actors.groups.state_machine import StateMachine
from coterie.actors.part_names import check_name
from coterie.actors.paxos.synod_client import SynodClient
from coterie.actors.pools.pool import Pool
from coterie.actors.pools.pool_options import PoolOptions
from coterie.actors.pools.requests.worker_lists import WorkerLists
from coterie.protocols.balancing import Policy
from coterie.protocols.balancing.guards import Hedging, RetryBudget
from coterie.protocols.balancing.settings_checks import refuse
from coterie.runtime.refs import Address, Ref
from coterie.runtime.remote.link_events import LinkEvent
from coterie.runtime.system import System
from coterie.runtime.transport.handshake.identity import PeerRole

__all__ = ["ClusterApi"]

C = TypeVar("C")


class ClusterApi:
    """Handles to what runs in a cluster, one per name.

    Args:
        system: a node of the cluster, or a client linked to it.
        health: what the node's failure detector thinks of the other nodes; None for a client.
    """

    def __init__(self, system: System, health: NodeHealth | None = None) -> None:
        self.system = system
        self._health = health
        self._nodes: list[str] | None = None  # cached until a link changes
        system.on_link(self._link_changed)
        self._groups: dict[tuple[str, type[StateMachine[Any]] | None], GroupClient[Any]] = {}
        self._pools: dict[str, tuple[Pool, PoolOptions]] = {}

    @property
    def nodes(self) -> list[str]:
        """The names of the nodes that can be reached now, sorted; this node included, if it is one."""
        if self._nodes is None:
            own = [self.system.node] if self.system.identity.role is PeerRole.NODE else []
            self._nodes = sorted({*own, *(peer.node for peer in self.system.links if peer.role is PeerRole.NODE)})
        return self._nodes

    def _link_changed(self, _: LinkEvent) -> None:
        self._nodes = None

    def actor(self, name: str, *, node: str) -> Ref[Any]:
        """Return a ref to the actor that the topology runs under that name on a node; restarts do not invalidate it."""
        ref: Ref[Any] = self.system.at(Address(node, name))
        return ref

    actor.__qualname__ = "actor"  # in the error of a call without node=: this class is not public

    @overload
    def group(self, name: str, machine: None = None) -> GroupClient[Any]: ...
    @overload
    def group(self, name: str, machine: type[StateMachine[C]]) -> GroupClient[C]: ...
    def group(self, name: str, machine: type[StateMachine[Any]] | None = None) -> GroupClient[Any]:
        """Return the replicated group of that name, the same handle each time.

        `machine`: the class of its state machine, for example `client.group("stock", Stock)`. Type checkers then see
        which commands it takes, and any other one is refused before it is sent. Without it the group itself refuses
        what it does not take. Whether there is such a group is asked when the first command is executed.

        Raises:
            TypeError, ValueError: no group can have that name.
            MessageTypeError: the class does not declare its commands.
        """
        check_name(name)
        key = name, machine
        if key not in self._groups:
            self._groups[key] = GroupClient(
                self.system,
                name,
                lambda: self.nodes,
                self._health,
                machine=machine,
                known_groups=lambda: self.known_groups,
            )
        return self._groups[key]

    @property
    def known_groups(self) -> frozenset[str] | None:
        """The names of the groups that there are; None: not known yet."""
        return None

    def key_value(self, name: str) -> KeyValueClient:
        """Return the group of that name as a key-value store."""
        return KeyValueClient(self.group(name))

    def synod(self, name: str) -> SynodClient:
        """Return the synod of that name. TypeError, ValueError: as `group`."""
        check_name(name)
        return SynodClient(self.system, name, lambda: self.nodes)

    def pool(
        self,
        name: str,
        *,
        balance: Policy | None = None,
        retry_budget: RetryBudget | None = None,
        hedging: Hedging | None = None,
    ) -> Pool:
        """Return the pool of that name, the same one until it is closed. The policy picks here: no hop is added.

        Args:
            name: the pool's name in the topology.
            balance: its policy (default: on a node the topology's, elsewhere `SmoothWeighted()`).
            retry_budget: limits the retries of this caller (default: the topology's, elsewhere `RetryBudget()`).
            hedging: when slow `Idempotent` requests are sent a second time (default: the topology's, elsewhere never).

        Raises:
            TypeError: an argument is not what it must be; the error names it.
            ValueError: the pool is open, and an argument differs from those that it was opened with.
        """
        opened = self._opened_pool(name)
        used = self._pool_options(name) if opened is None else opened[1]
        options = used.replaced_by(balance, retry_budget, hedging)
        refuse(f"pool {name!r}", *options.mistakes())
        if opened is not None:
            used.refuse_others(name, options)
            return opened[0]
        pool = Pool(
            self.system,
            name,
            partial(self.worker_lists, name),
            policy=options.balance,
            retry_budget=options.retry_budget,
            hedging=options.hedging,
            opinions=self._health,
        )
        self._pools[name] = pool, options
        return pool

    def _opened_pool(self, name: str) -> tuple[Pool, PoolOptions] | None:
        opened = self._pools.get(name)
        return None if opened is None or opened[0].is_closed else opened

    def worker_lists(self, name: str, is_used: Callable[[], bool], subscribes: bool) -> WorkerLists:
        """Return the workers of a pool as its nodes list them; see `MakeSource`."""
        return WorkerLists(
            self.system,
            name,
            lambda: self.nodes,
            is_suspected=self._is_suspected,
            is_used=is_used,
            subscribes=subscribes,
        )

    def _is_suspected(self, node: str) -> bool:
        return self._health is not None and self._health.is_suspected(node)

    def _pool_options(self, _pool: str) -> PoolOptions:
        """Return the defaults of a pool. A client has no topology: it balances by weight."""
        return PoolOptions()

    async def close_handles(self) -> None:
        """Stop the background tasks of the handles."""
        for pool, _ in self._pools.values():
            pool.close()
        for group in self._groups.values():
            await group.close()
