"""`Topology`: declares a cluster in code: its nodes, and the actors, pools and groups that run on them.

topology = Topology("kv", nodes=["n1", "n2", "n3"])          # the name is the cluster id
topology.raft("store", machine=KeyValue)                     # one RaftActor per node
topology.pool("workers", Worker, per_node=2)                 # Worker(node) on every node
topology.actor("front", Front, nodes=["n1"])                 # Front(node) on one; topology.singleton: in the cluster
topology.balancer("gate", Prequal(), over="workers")         # passes messages on to the least loaded worker
topology.detector(Swim.local())                              # every node monitors the others
Topology("kv", nodes=Members(founders=["n1", "n2", "n3"]))   # other nodes may join and leave
await topology.run(node="n1", listen="127.0.0.1:7401", peers={"n2": "127.0.0.1:7402", …}, data="…")
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Literal

from coterie.actors.groups.compaction.snapshot_policy import STANDARD_POLICY, SnapshotPolicy
from coterie.actors.groups.state_machine import StateMachine
from coterie.actors.membership.cluster_nodes import Everywhere, Members, NodeSelector
from coterie.actors.membership.member_addresses import check_seeds
from coterie.actors.network_addresses import parse_address
from coterie.actors.node import Node
from coterie.actors.pools.pool import DEFAULT_RETRY_BUDGET
from coterie.actors.topology.membership_start import membership_part, own_member, spawn_membership
from coterie.actors.topology.node_start import NodeStore, spawn_parts
from coterie.actors.topology.parts import (
    ActorPart,
    BalancerPart,
    DetectorPart,
    Part,
    PoolPart,
    RaftPart,
    SingletonPart,
    SynodPart,
)
from coterie.actors.topology.start_checks import (
    WantedStart,
    add_peers,
    check_start,
    listen_for,
    warn_of_missing,
    with_operators,
)
from coterie.actors.topology.stored_groups import settle_stored_groups
from coterie.actors.topology.stored_schemas import check_stored_schemas
from coterie.actors.topology.topology_diagrams import dot, mermaid, tree
from coterie.actors.topology.validation import find_mistakes
from coterie.errors import TopologyError
from coterie.protocols.algorithm import NodeId
from coterie.protocols.balancing import Policy, RoundRobin, RoutingKey
from coterie.protocols.balancing.guards import Hedging, RetryBudget
from coterie.protocols.detection.failure_detector import Failed, MakeDetector, Suspected, Trusted
from coterie.protocols.membership.singletons import Epoch
from coterie.protocols.paxos.synod_config import SynodConfig
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.runtime.actor import Actor
from coterie.runtime.cells.mailbox import Overflow
from coterie.runtime.cells.supervision import Supervision
from coterie.runtime.hosts.host import Host
from coterie.runtime.hosts.real_host import RealHost
from coterie.runtime.hosts.tls_config import TlsConfig
from coterie.runtime.storage.log_store import LogStore
from coterie.runtime.system import System, SystemConfig
from coterie.runtime.transport.descriptor_budget import NODE_FILES, check_room
from coterie.runtime.transport.handshake.shared_key import SharedKey

__all__ = ["Bootstrap", "Topology"]

Bootstrap = Literal["new", "join"]


class Topology:
    """The declaration of a cluster. Nothing runs, and nothing is checked, before `validate`, `start` or `run`.

    Args:
        name: the cluster's id: nodes link only with nodes of the same cluster.
        nodes: the names of all nodes; or `Members`, whose founders hold a view of the cluster, and any others may join.
        operators: the clients with a key or certificate of these names: they operate the cluster. They read the reports
            of nodes, and make code active, as do clients that prove themselves as a node would, or all without proofs.
    """

    def __init__(self, name: str, nodes: Sequence[str] | Members, *, operators: Sequence[str] = ()) -> None:
        self.name = name
        self.members = nodes if isinstance(nodes, Members) else None
        self.nodes = tuple(nodes.founders if isinstance(nodes, Members) else nodes)
        if isinstance(operators, str):
            raise TypeError(f"operators={operators!r} is one text: give a list of names")
        self.operators = tuple(operators)
        self._parts: list[Part] = [] if self.members is None else [membership_part(self.members)]

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts of the cluster, in the order of declaration."""
        return tuple(self._parts)

    def with_parts(self, parts: Sequence[Part], *, name: str | None = None) -> Topology:
        """Return a topology of the same nodes with other parts, and with `name` (None: the same)."""
        other = Topology(name or self.name, self.nodes, operators=self.operators)
        other.members = self.members
        other._parts += parts
        return other

    def pool_part(self, name: str) -> PoolPart | None:
        """Return the pool of that name; None if there is none."""
        return next((part for part in self._parts if isinstance(part, PoolPart) and part.name == name), None)

    @property
    def group_names(self) -> tuple[str, ...]:
        """The names of its groups, in the order of their declaration."""
        return tuple(part.name for part in self._parts if isinstance(part, RaftPart))

    @property
    def singleton_names(self) -> tuple[str, ...]:
        """The names of its singletons."""
        return tuple(part.name for part in self._parts if isinstance(part, SingletonPart))

    # --- declaration ------------------------------------------------------------------------------------------------

    def actor(
        self,
        name: str,
        make: Callable[[Node], Actor[Any]],
        *,
        nodes: Sequence[str] | NodeSelector | None = None,
        supervision: Supervision | None = None,
        exported: bool = True,
        capacity: int | None = None,
        overflow: Overflow = Overflow.FAIL,
        service: str | None = None,
    ) -> None:
        """Run an actor named `name` on each of `nodes` (default: all, also those that join); `make(node)` makes one.

        `nodes`: names; or `Role` or `Label`, where nodes join. `service`: what each provides, see `Receptionist`.
        `supervision`: how it is restarted; with `Supervision(ends_system=True)` the node ends when its restart budget
        is spent, so that what runs the node (`coterie up`, an init system) starts it again. `exported`: whether clients
        of the cluster reach it. `capacity`: the most messages that wait in a lane of its mailbox (default: that of
        `SystemConfig`, 10,000); `overflow`: what becomes of a message that finds no room there.
        """
        members, where = self._placed(nodes)
        part = ActorPart(name, make, members, supervision, exported, capacity, overflow, where, service)
        self._parts.append(part)

    def singleton(
        self,
        name: str,
        make: Callable[[Node, Epoch], Actor[Any]],
        *,
        nodes: Sequence[str] | NodeSelector | None = None,
        supervision: Supervision | None = None,
        exported: bool = True,
        capacity: int | None = None,
        overflow: Overflow = Overflow.FAIL,
        messages: Sequence[type] | None = None,
    ) -> None:
        """Run one actor named `name` in the whole cluster, on one of `nodes` (default: any) at a time.

        `make(node, epoch)` makes it; the epoch is its fencing token. The topology has `Members` as its nodes.
        `messages`: the classes that it takes, if `make` does not say. The others: as `actor`.
        """
        (members, where), taken = self._placed(nodes), None if messages is None else tuple(messages)
        options = (supervision, exported, capacity, overflow, where, taken)
        self._parts.append(SingletonPart(name, make, members, *options))

    def pool(
        self,
        name: str,
        worker: Callable[[Node], Actor[Any]],
        *,
        per_node: int = 1,
        max_per_node: int | None = None,
        nodes: Sequence[str] | NodeSelector | None = None,
        balance: Policy = RoundRobin(),  # noqa: B008 (it is frozen)
        weights: Mapping[str, float] | None = None,
        retry_budget: RetryBudget | None = DEFAULT_RETRY_BUDGET,
        hedging: Hedging | None = None,
        exported: bool = True,
        capacity: int | None = None,
        overflow: Overflow = Overflow.FAIL,
    ) -> None:
        """Run workers on each of `nodes` (default: all, also those that join); `worker(node)` makes one.

        Args:
            name: callers find it with `node.pool(name)` and `client.pool(name)`.
            worker: a class, or a function, of the node.
            per_node: how many run on a node; at least so many if the number changes.
            max_per_node: the most that run on a node (default: `per_node`): one is added when messages wait, and one
                ends when it was not needed for long; see `SizeLimits`.
            nodes: where they run: names; or `Role` or `Label`, where nodes join.
            balance: the policy of the callers within the cluster, each with its own state; clients choose their own.
            weights: the weight of a worker by its node, for policies that use it (default: 1 each).
            retry_budget: limits the retries of each caller within the cluster; None: no limit.
            hedging: when callers within the cluster send slow `Idempotent` requests a second time (default: never).
            exported: whether clients of the cluster reach them.
            capacity: of the mailbox of each worker, as for `actor`.
            overflow: the same.
        """
        most = per_node if max_per_node is None else max_per_node
        members, where = self._placed(nodes)
        callers = (balance, dict(weights or {}), retry_budget, hedging)
        part = PoolPart(name, worker, members, per_node, most, *callers, exported, capacity, overflow, where)
        self._parts.append(part)

    def balancer(
        self,
        name: str,
        policy: Policy,
        *,
        over: str,
        nodes: Sequence[str] | NodeSelector | None = None,
        messages: Sequence[type] | None = None,
        key_of: Callable[[Any], RoutingKey | None] | None = None,
        retry_budget: RetryBudget | None = DEFAULT_RETRY_BUDGET,
        hedging: Hedging | None = None,
        exported: bool = True,
    ) -> None:
        """Run a `BalancerActor` named `name` on each of `nodes` (default: all): it passes messages on to `over`.

        Args:
            name: callers find it with `node.actor(name, node=…)`.
            policy: picks the target of each message; each balancer has its own state of it.
            over: the name of a pool (its workers are the targets), of another balancer, or of an actor.
            nodes: where it runs.
            messages: the classes of the messages that it accepts from other nodes (default: those that the class of the
                targets takes; give them if the targets are made by a function whose return type is not that class).
            key_of: returns the key of a message, for policies that hash keys.
            retry_budget: limits its retries; None: no limit.
            hedging: when it sends slow `Idempotent` requests a second time (default: never).
            exported: whether clients of the cluster reach it.
        """
        (members, where), taken = self._placed(nodes), None if messages is None else tuple(messages)
        part = BalancerPart(name, policy, over, members, taken, key_of, retry_budget, hedging, exported, where)
        self._parts.append(part)

    def raft(
        self,
        name: str,
        *,
        machine: Callable[[], StateMachine[Any]],
        nodes: Sequence[str] | None = None,
        config: Callable[[tuple[NodeId, ...]], RaftConfig] = RaftConfig,
        activate_after_s: float | None = None,
        snapshots: SnapshotPolicy = STANDARD_POLICY,
    ) -> None:
        """Replicate a state machine with Raft: a `RaftActor` named `name` on each of `nodes` (default: all founders).

        `machine` (a class) makes it, empty. `config` makes the `RaftConfig` from the voters, for other timeouts.

        `activate_after_s`: the schema of newer code becomes active once all voters have had that code for so long (s);
        None: at `coterie raft activate`. Too short: code that is rolled back soon after has to be rolled forward again.

        `snapshots`: when each replica saves its state, and how much of the log it keeps behind that.
        """
        voters = self._members(nodes)
        part = RaftPart(name, machine, voters, config, activate_after_s=activate_after_s, snapshots=snapshots)
        self._parts.append(part)

    def synod(
        self,
        name: str,
        *,
        nodes: Sequence[str] | None = None,
        config: Callable[[tuple[NodeId, ...]], SynodConfig] = SynodConfig,
    ) -> None:
        """Choose one value with single-decree Paxos: a `SynodActor` named `name` on `nodes` (default: all founders).

        `config` makes the `SynodConfig` from the members, for other time-outs or quorums.
        """
        self._parts.append(SynodPart(name, self._members(nodes), config))

    def detector(
        self,
        config: MakeDetector,
        *,
        on_suspected: Callable[[Node, Suspected], object] | None = None,
        on_failed: Callable[[Node, Failed], object] | None = None,
        on_trusted: Callable[[Node, Trusted], object] | None = None,
    ) -> None:
        """Let every node monitor the others with a failure detector: `Swim.local()`, or the settings of another one.

        Its messages travel as datagrams, to the port number at which the nodes listen. Pools and groups prefer nodes
        that are not suspected, and actors that watch an actor of a failed node are told with the cause. A topology has
        at most one detector.

        The hooks are called on each node with that `Node` and the change of its opinion, after `node.health` has taken
        it. They run on the event loop and must be quick (no `async def`); an error that they raise is logged.
        """
        self._parts.append(DetectorPart(config, self.nodes, on_suspected, on_failed, on_trusted))

    def _members(self, nodes: Sequence[str] | None) -> tuple[str, ...]:
        return self.nodes if nodes is None else tuple(nodes)

    def _placed(self, nodes: Sequence[str] | NodeSelector | None) -> tuple[tuple[str, ...], NodeSelector | None]:
        """Return the names of declared nodes that run a part; and what decides it for those that join, if any may."""
        if isinstance(nodes, Sequence) or (nodes is None and self.members is None):
            return self._members(nodes), None
        where = Everywhere() if nodes is None else nodes
        if not callable(getattr(where, "selects", None)):
            return (), where  # a mistake, see `validate`
        roles_of = (self.members or Members(self.nodes)).roles_of
        return tuple(node for node in self.nodes if where.selects(roles_of(node), {})), where

    # --- validation -------------------------------------------------------------------------------------------------

    def validate(self) -> None:
        """Check the whole declaration.

        Raises:
            TopologyError: with all mistakes: missing or duplicate nodes, parts on unknown nodes, duplicate names,
                makers that do not take the node, invalid state machines, pools without workers, invalid weights,
                detectors that are no detectors, and hooks that cannot be called.
        """
        if mistakes := tuple(find_mistakes(self.nodes, self._parts, self.members)):
            raise TopologyError(self.name, mistakes)

    # --- display ----------------------------------------------------------------------------------------------------

    def __str__(self) -> str:
        """Return the topology as a text tree."""
        return tree(self.name, self.nodes, self._parts, has_view=self.members is not None)

    def diagram(self, language: Literal["mermaid", "dot"] = "mermaid") -> str:
        """Return the topology as a Mermaid or Graphviz diagram."""
        draw = {"mermaid": mermaid, "dot": dot}.get(language)
        if draw is None:
            raise ValueError(f"no diagram in {language!r}: choose 'mermaid' or 'dot'")
        return draw(self.name, self.nodes, self._parts)

    # --- running ----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def start(
        self,
        *,
        node: str,
        listen: str = "127.0.0.1:0",
        peers: Mapping[str, str] | None = None,
        join: Sequence[str] = (),
        roles: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        advertise: str | None = None,
        data: str | None = None,
        bootstrap: Bootstrap | None = None,
        forget_groups: Sequence[str] = (),
        insecure: bool = False,
        auth: SharedKey | None = None,
        tls: TlsConfig | None = None,
        host: Host | None = None,
        config: SystemConfig | None = None,
    ) -> AsyncIterator[Node]:
        """Run one node of the cluster for as long as the `async with` lasts.

        Args:
            node: which node.
            listen: `host:port` to listen on; port 0 picks a free one (see `Node.address`).
            peers: `host:port` of the other nodes, by name; a node that is missing is warned about. None: they are
                added later, with `node.system.add_peer`.
            join: `host:port` of nodes that are in the cluster already, of which one must answer: for a node of a
                topology with `Members` that does not know its peers.
            roles: what this node is for, beside its roles in `Members`.
            labels: what else is known about it, such as its zone.
            advertise: `host:port` where the other nodes reach it (default: where it listens).
            data: the data directory; None: in memory, and a node of a group or synod must not restart under its name.
            bootstrap: formats the data directory first: once in a node's life. If the start fails, nothing is left
                formatted. "new": the node founds the groups of which it is one of the nodes. "join": the groups exist
                already; it stores nothing until a leader invites it, see `GroupClient.add` and `GroupClient.replace`.
            forget_groups: groups in the store that the topology does not declare any more: what they hold is removed
                for good. A group that is neither declared nor forgotten refuses the start.
            insecure: allow listening beyond loopback without `auth` and `tls`.
            auth: the key that both ends of each link must prove to know.
            tls: the certificates for mutual TLS on every link.
            host: the outside world (default: this machine).
            config: see `SystemConfig`.

        Raises:
            TopologyError, ValueError: an argument is invalid; the text names it.
            TopologyError: the store holds a group that is not declared on this node, and not forgotten; or the code of
                a state machine contradicts the schema in its group's log.
            StorageError: the data directory is in use, unformatted, formatted already, of another node, or damaged.
            OSError: the address cannot be bound.
            TransportError: the limit of open files is too low.
        """
        where = (tuple(join), advertise, tuple(forget_groups), insecure)
        wanted = WantedStart(node, listen, peers or {}, data, bootstrap, auth, *where)
        check_start(self, wanted, roles=roles, labels=labels or {})
        used_host: Host = host if host is not None else RealHost()
        check_room(used_host.resources.descriptors(), members=len(self.nodes) - 1, files=NODE_FILES)
        config = with_operators(config or SystemConfig(), self.operators)
        async with System(node, cluster=self.name, host=used_host, config=config, auth=auth, tls=tls) as system:
            if peers is not None and not join:
                warn_of_missing(system, wanted, self.nodes)
            node_store = NodeStore(system, data, bootstrap)
            store, address = await self._open(system, wanted, node_store)
            member = Node(system, self, store, address)
            if self.members is not None:
                me = own_member(member, self.members, advertise=advertise, roles=roles, labels=labels or {})
                spawn_membership(member, self.members, me, join)
            spawn_parts(member, self._parts, self.nodes)
            add_peers(system, wanted, moves=self.members is not None)
            node_store.keep()
            try:
                yield member
            finally:
                await member.handles.close()

    async def _open(
        self, system: System, wanted: WantedStart, node_store: NodeStore
    ) -> tuple[LogStore, tuple[str, int]]:
        """Open the store, and listen; return it and the address.

        A store that contradicts the topology refuses the start before anything listens. A new store contradicts
        nothing: it is formatted once the address is ours, so that one in use leaves nothing formatted. Seeds are tried
        before that, in the name of the store.
        """
        node, where, forget = wanted.node, wanted.data or "memory", wanted.forget_groups
        begin_listening = partial(listen_for, system, wanted, self.nodes, self._parts)
        if wanted.bootstrap is not None or wanted.data is None:
            await check_seeds(system, wanted.join, topology=self.name)
        address = None if wanted.bootstrap is None else await begin_listening()
        store = await node_store.open(self.group_names)
        await settle_stored_groups(store, self._parts, topology=self.name, node=node, data=where, forget=forget)
        await check_stored_schemas(store, self._parts, topology=self.name, node=node, data=where)
        if wanted.bootstrap is None and wanted.data is not None:
            await check_seeds(system, wanted.join, topology=self.name)
        return store, address or await begin_listening()

    async def run(
        self,
        *,
        node: str,
        listen: str,
        peers: Mapping[str, str] | None = None,
        join: Sequence[str] = (),
        roles: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        advertise: str | None = None,
        data: str | None = None,
        bootstrap: Bootstrap | None = None,
        forget_groups: Sequence[str] = (),
        insecure: bool = False,
        auth: SharedKey | None = None,
        tls: TlsConfig | None = None,
    ) -> None:
        """Run one node of the cluster until cancelled; then it hands over what it leads, and stops. See `start`."""
        async with self.start(
            node=node,
            listen=listen,
            peers=peers or {},
            join=join,
            roles=roles,
            labels=labels,
            advertise=advertise,
            data=data,
            bootstrap=bootstrap,
            forget_groups=forget_groups,
            insecure=insecure,
            auth=auth,
            tls=tls,
        ) as member:
            try:
                await member.ended()
            finally:
                await member.drain()

    @asynccontextmanager
    async def together(
        self,
        *,
        data: str | None = None,
        bootstrap: Bootstrap | None = None,
        host: Callable[[str], Host] | None = None,
        config: SystemConfig | None = None,
    ) -> AsyncIterator[dict[str, Node]]:
        """Run all nodes in this process, linked over loopback, for as long as the `async with` lasts.

        For tests and experiments. Yields the nodes by name.

        Args:
            data: the directory of the data directories (one for each node, named after it); None: all in memory.
            bootstrap: formats the data directories first, see `start`.
            host: makes the outside world of a node (default: this machine).
            config: see `SystemConfig`.

        Raises:
            As `start`.
        """
        nodes: dict[str, Node] = {}
        async with AsyncExitStack() as stack:
            for name in self.nodes:
                where = None if data is None else f"{data}/{name}"
                used_host = None if host is None else host(name)
                running = self.start(node=name, data=where, bootstrap=bootstrap, host=used_host, config=config)
                nodes[name] = await stack.enter_async_context(running)
            for name, node in nodes.items():
                for peer in nodes.values():
                    if peer.name != name:
                        node.system.add_peer(peer.name, *parse_address(peer.address))
            yield nodes
