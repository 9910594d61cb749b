"""`ClusterApi`: finds a cluster's actors, groups, synods, singletons and pools by name; base of `Node` and `Client`."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Any, TypeVar, overload

from coterie.actors.cluster_handles import ClusterHandles
from coterie.actors.detection.node_health import NodeHealth
from coterie.actors.groups.group_client import GroupClient
from coterie.actors.groups.key_value_client import KeyValueClient
from coterie.actors.groups.state_machine import StateMachine
from coterie.actors.membership.singleton.singleton_client import SingletonClient
from coterie.actors.part_names import check_name
from coterie.actors.paxos.synod_client import SynodClient
from coterie.actors.pools.pool import Pool
from coterie.actors.pools.pool_options import PoolOptions
from coterie.errors import MessageTypeError
from coterie.protocols.balancing import Policy
from coterie.protocols.balancing.guards import Hedging, RetryBudget
from coterie.protocols.balancing.settings_checks import refuse
from coterie.runtime.refs import Address, Ref
from coterie.runtime.system import System

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
        self.handles = ClusterHandles(system, health)

    @property
    def nodes(self) -> list[str]:
        """The names of the nodes that can be reached now, sorted; this node included, if it is one."""
        return self.handles.nodes()

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
            RuntimeError: outside the `async with` of this client or node.
            MessageTypeError: `machine` is no class, or does not declare its commands.
        """
        check_name(name)
        if not isinstance(machine, type | None):
            raise MessageTypeError(
                f"machine={machine!r:.60} of group {name!r} is no class: give the class of its state machine"
            )
        self._check_runs()
        groups = self.handles.groups
        if (name, machine) not in groups:
            groups[name, machine] = GroupClient(
                self.system,
                name,
                self.handles.nodes,
                self._health,
                machine=machine,
                known_groups=lambda: self.known_groups,
                known_nodes=self._node_names,
            )
        return groups[name, machine]

    @property
    def known_groups(self) -> frozenset[str] | None:
        """The names of the groups that there are; None: not known yet."""
        return None

    def _node_names(self) -> Collection[str] | None:
        """Return the names of the nodes that there are, linked or not; None: not known yet."""
        return None

    def _singleton_names(self) -> Collection[str] | None:
        """Return the names of the singletons that there are; None: not known yet."""
        return None

    def _check_runs(self) -> None:
        if self.system.registry.not_running:
            raise RuntimeError(self.system.registry.not_running)

    def key_value(self, name: str) -> KeyValueClient:
        """Return the group of that name as a key-value store."""
        return KeyValueClient(self.group(name))

    def synod(self, name: str) -> SynodClient:
        """Return the synod of that name. TypeError, ValueError: as `group`."""
        check_name(name)
        return SynodClient(self.system, name, self.handles.nodes)

    def singleton(self, name: str) -> SingletonClient:
        """Return the singleton of that name. TypeError, ValueError: as `group`."""
        check_name(name)
        return SingletonClient(self.system, name, self.handles.nodes, self._singleton_names)

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
        opened = self.handles.opened_pool(name)
        used = self._pool_options(name) if opened is None else opened[1]
        options = used.replaced_by(balance, retry_budget, hedging)
        refuse(f"pool {name!r}", *options.mistakes())
        if opened is not None:
            used.refuse_others(name, options)
            return opened[0]
        pool = Pool(
            self.system,
            name,
            partial(self.handles.worker_lists, name),
            policy=options.balance,
            retry_budget=options.retry_budget,
            hedging=options.hedging,
            opinions=self._health,
        )
        self.handles.pools[name] = pool, options
        return pool

    def _pool_options(self, _pool: str) -> PoolOptions:
        """Return the defaults of a pool. A client has no topology: it balances by weight."""
        return PoolOptions()
