"""Node start: opens one node's store, and spawns the actors that the topology declares for this node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, assert_never

from coterie.actors.detection.detector_kinds import detector_class
from coterie.actors.groups.members.joining import mark_joining
from coterie.actors.groups.replicas.typed_machine import TypedMachine
from coterie.actors.groups.state_machine import StateMachine
from coterie.actors.membership.cluster_nodes import MEMBERSHIP_GROUP
from coterie.actors.membership.singleton.singleton_actor import SingletonActor, SingletonOptions
from coterie.actors.membership.view_machine import ViewMachine
from coterie.actors.node import Node
from coterie.actors.node_report import NODE_REPORT_PATH, NodeReportActor
from coterie.actors.pools.balancer_actor import BalancerActor
from coterie.actors.pools.pool_actor import PoolActor
from coterie.actors.pools.pool_size import SizeLimits
from coterie.actors.pools.requests.target_source import MakeSource
from coterie.actors.topology.balanced_messages import accepted_messages, singleton_messages
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
from coterie.actors.topology.stopped_parts import StoppedParts
from coterie.actors.topology.stored_groups import TOPOLOGY_GROUP
from coterie.errors import StorageError
from coterie.protocols.algorithm import NodeId
from coterie.runtime.refs import Ref
from coterie.runtime.storage.data_directory import format_store, new_store_id, undo_format
from coterie.runtime.storage.log_store import LogStore
from coterie.runtime.storage.memory_log import MemoryLog
from coterie.runtime.storage.segmented_log import SegmentedLog
from coterie.runtime.system import System

__all__ = ["NodeStore", "runs_on", "spawn_parts"]


class NodeStore:
    """Opens the store of a node that starts, closes it when the system ends, and undoes a formatting in vain.

    Args:
        system: the node's system, which runs.
        data: the data directory; None: the store is in memory.
        bootstrap: whether the directory is formatted first, and to what end, see `Topology.start`.
    """

    def __init__(self, system: System, data: str | None, bootstrap: str | None) -> None:
        self._system = system
        system.registry.is_starting = True  # until `spawn_parts`
        self._data = data
        self._is_joining = bootstrap == "join"
        self._new_store_id: str | None = None
        self._is_formatted = False
        if bootstrap is not None and data is not None:
            self._new_store_id = new_store_id(system.host)
            system.remoting.identify_store(self._new_store_id)  # before it listens, although it is formatted after that

    async def open(self, groups: Sequence[str]) -> LogStore:
        """Open the store, which is formatted first if that was asked for. Unless `keep` is called, that is undone.

        `groups`: those that a node that joins does not found.

        Raises:
            StorageError: as `format_store` and `SegmentedLog.open`.
        """
        system, data = self._system, self._data
        if data is None:
            memory = MemoryLog(system.host)
            system.at_end(memory.close)
            return memory
        cluster = system.identity.cluster
        if self._new_store_id is not None:
            store_id, joins = self._new_store_id, self._is_joining
            await format_store(system.host, data, cluster=cluster, node=system.node, store_id=store_id, joins=joins)
            self._is_formatted = True
            system.at_end(self._undo_format)  # called after the store is closed: the last one is called first
        store = await SegmentedLog.open(system.host, data, cluster=cluster, node=system.node, on_failure=system.fail)
        system.at_end(store.close)
        if self._new_store_id is None:
            system.remoting.identify_store(store.store_id)
        if store.joins and TOPOLOGY_GROUP not in store.groups():  # its first start has not come so far
            await mark_joining(store, groups)
        return store

    def keep(self) -> None:
        """Keep what was formatted: the node has started."""
        self._is_formatted = False

    async def _undo_format(self) -> None:
        if not self._is_formatted or self._new_store_id is None or self._data is None:
            return
        try:
            await undo_format(self._system.host, self._data, self._new_store_id)
        except (StorageError, OSError) as error:
            self._system.log.warning("store.format_not_undone", path=self._data, error=str(error))


def runs_on(part: Part, node: Node) -> bool:
    """Return whether a part runs on `node`: also a Raft group which that node has joined, or is to join.

    A singleton has an actor on every node, which passes messages on to where it runs.
    """
    if isinstance(part, SingletonPart):
        return True
    where, membership = getattr(part, "where", None), node.membership
    if where is not None and membership is not None:
        return bool(where.selects(membership.me.roles, dict(membership.me.labels)))
    return node.name in part.nodes or (isinstance(part, RaftPart) and part.name in node.store.groups())


def spawn_parts(node: Node, parts: Sequence[Part], nodes: Sequence[str]) -> None:
    """Spawn the parts that run on this node, and the `NodeReportActor` that reports them and all `nodes`.

    From then on the node says of what it has not that it is not there, and no more that it is starting.
    """
    here = [part for part in parts if runs_on(part, node)]
    for part in here:
        _spawn(node, part)
    if node.membership is not None:
        StoppedParts(node.system, node.membership, here, partial(_spawn, node))

    def names_of(kind: type[Part]) -> tuple[str, ...]:
        return tuple(part.name for part in here if isinstance(part, kind))

    others = [part for part in parts if not isinstance(part, RaftPart | DetectorPart)]
    serving = dict.fromkeys(place for part in others for place in part.nodes)
    report_actor = partial(
        NodeReportActor,
        nodes=tuple(nodes),
        all_groups=node.topology.group_names,
        serving=tuple(serving),
        groups=names_of(RaftPart),
        synods=names_of(SynodPart),
        pools=names_of(PoolPart),
        actors=names_of(ActorPart),
        balancers=names_of(BalancerPart),
        has_detector=bool(names_of(DetectorPart)),
        singletons=node.topology.singleton_names,
    )
    node.system.spawn(report_actor, name=NODE_REPORT_PATH, exported=True)
    node.system.registry.is_starting = False


def _spawn(node: Node, part: Part) -> None:
    exported = getattr(part, "exported", True)
    spawn = partial(node.system.spawn, name=part.name, exported=exported)
    match part:
        case RaftPart():
            config = part.config(tuple(NodeId(voter) for voter in part.nodes))
            machine = partial(_typed_machine, part.machine)
            spawn(partial(part.engine, part.name, config, machine, node.store, part.activate_after_s, part.snapshots))
        case SynodPart():
            synod = part.config(tuple(NodeId(member) for member in part.nodes))
            spawn(partial(part.engine, part.name, synod, node.store))
        case PoolPart():
            weight = part.weight_on(node.name)
            limits = SizeLimits(part.per_node, part.max_per_node)
            workers = partial(PoolActor, partial(part.worker, node), limits, weight=weight, exported=exported)
            spawn(partial(workers, capacity=part.capacity, overflow=part.overflow))
        case BalancerPart():
            spawn(_balancer(node, part))
        case ActorPart():
            make = partial(part.make, node)
            actor = spawn(make, supervision=part.supervision, capacity=part.capacity, overflow=part.overflow)
            if part.service is not None:
                node.receptionist.register(part.service, actor)  # a refusal is logged
        case SingletonPart():
            spawn(_singleton(node, part))
        case DetectorPart():
            _spawn_detector(node, part)
        case _:
            assert_never(part)


def _balancer(node: Node, part: BalancerPart) -> Callable[[], BalancerActor[Any]]:
    """Return what makes a balancer. Its targets are a pool's workers, or the actors of another part at their nodes."""
    part_by_name = {each.name: each for each in node.topology.parts}
    over = part_by_name[part.over]
    targets: MakeSource | list[Ref[Any]] = partial(node.handles.worker_lists, over.name)
    if not isinstance(over, PoolPart):
        targets = [node.actor(over.name, node=place) for place in over.nodes]
    return partial(
        BalancerActor,
        part.policy,
        targets,
        messages=accepted_messages(part, part_by_name) or (),
        key_of=part.key_of,
        probes_targets=isinstance(over, BalancerPart),
        retry_budget=part.retry_budget,
        hedging=part.hedging,
        opinions=node.health,
    )


def _singleton(node: Node, part: SingletonPart) -> Callable[[], SingletonActor[Any]]:
    """Return what makes a node's part in a singleton."""
    membership, members = node.membership, node.topology.members
    if membership is None or members is None:
        raise RuntimeError(f"singleton {part.name!r} needs a topology with Members")
    options = SingletonOptions(
        partial(part.make, node),
        part.is_eligible,
        members.config.lease_s,
        part.supervision,
        part.capacity,
        part.overflow,
    )
    group = node.group(MEMBERSHIP_GROUP, ViewMachine)
    return partial(SingletonActor, membership, group, options, messages=singleton_messages(part) or ())


def _spawn_detector(node: Node, part: DetectorPart) -> None:
    """Spawn the node's failure detector, which feeds `node.health`. Clients cannot reach it: they could forge news."""
    subscribe = {
        "on_suspected": node.health.on_suspected,
        "on_failed": node.health.on_failed,
        "on_trusted": node.health.on_trusted,
    }
    for name, hook in part.hooks.items():
        subscribe[name](partial(hook, node))
    make = partial(detector_class(part.config), part.config, part.nodes, (node.health.take,))
    node.system.spawn(make, name=part.name)


def _typed_machine(machine: Callable[[], StateMachine[Any]]) -> TypedMachine:
    return TypedMachine(machine(), factory=machine)
