"""`Deployment`: builds and starts the simulated nodes of a topology, with an invariant checker for each group."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar

from coterie.actors.groups.compaction.snapshot_policy import STANDARD_POLICY, SnapshotPolicy
from coterie.actors.groups.raft_actor import RaftActor
from coterie.actors.paxos.synod_actor import SynodActor
from coterie.actors.simulation.checkers.raft_group_checker import CheckedRaftActor, RaftGroupChecker
from coterie.actors.simulation.checkers.run_checkers import RunCheckers
from coterie.actors.simulation.checkers.synod_group_checker import CheckedSynodActor, SynodGroupChecker
from coterie.actors.simulation.message_capture import MessageCapture
from coterie.actors.simulation.run_log import RunLog
from coterie.actors.simulation.simulated_node import NodeSettings, SimulatedNode
from coterie.actors.topology import Topology
from coterie.actors.topology.parts import Part, RaftPart, SynodPart
from coterie.errors import TopologyError
from coterie.protocols.algorithm import NodeId
from coterie.protocols.faults.kinds.fault_kinds import TargetRole
from coterie.protocols.quorums import Quorum
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.replicated_log import LogPosition
from coterie.protocols.simulation.scenarios.random_foundings import random_base
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.system import SystemConfig

__all__ = ["Deployment"]

FIRST_PORT = 7401

STANDARD_SNAPSHOTS = 0.2
"""The probability that the replicas of a group take snapshots as real ones do, so never in a short run."""

GroupChecker = RaftGroupChecker | SynodGroupChecker
C = TypeVar("C", RaftGroupChecker, SynodGroupChecker)


class Deployment:
    """Builds the nodes of a topology with a checker for each group. No node runs before `start`.

    Args:
        topology: to deploy.
        world: the simulated world in which it runs.
        checkers: calls the checkers of its groups.
        on_role: is called with a role and a node whenever a message of a group shows that the node has that role.
        run_log: gets a line for each event of a node or group.
        on_failure: is called when a node has ended with an error of its own.
        seed: of the positions at which the logs of its groups begin.
        is_durable: whether nodes have data directories.
        joining: the nodes that found no group: their first start is with `bootstrap="join"`.
        guests: nodes that the topology does not name; they join its view, with its founders as seeds.
        config: of the nodes' systems.

    Raises:
        TopologyError: the topology is not valid.
    """

    def __init__(
        self,
        topology: Topology,
        world: SimulatedWorld,
        checkers: RunCheckers,
        *,
        on_role: Callable[[TargetRole, str], None],
        run_log: RunLog,
        on_failure: Callable[[SimulatedNode, BaseException], None],
        seed: int,
        is_durable: bool,
        joining: Collection[str] = (),
        guests: Collection[str] = (),
        config: SystemConfig | None,
    ) -> None:
        topology.validate()
        names = (*topology.nodes, *guests)
        if unknown := [name for name in joining if name not in topology.nodes]:
            raise TopologyError(topology.name, (f"it has no nodes {', '.join(unknown)}, which are to join",))
        self.joining = (*joining, *guests)
        """The nodes whose first start is with `bootstrap="join"`."""
        self.checkers = checkers
        """Calls all checkers of this run."""
        self.group_checkers: dict[str, GroupChecker] = {}
        """The checkers of its groups, by the group's name."""
        self.addresses = {name: f"127.0.0.1:{FIRST_PORT + at}" for at, name in enumerate(names)}
        """The address on which each node listens, by name."""
        self._seed = seed
        self._on_role = on_role
        self._run_log = run_log
        self._message_capture = MessageCapture(run_log)
        self.topology = self._with_checkers(topology)
        """The topology with its checkers built in."""
        settings = NodeSettings(self.topology, self.addresses, is_durable, config, self._on_node_event, on_failure)
        self.nodes: Mapping[str, SimulatedNode] = {
            name: SimulatedNode(name, world, settings, is_joining=name in self.joining) for name in names
        }
        """The nodes by name."""

    def replace_topology(self, name: str, topology: Topology) -> None:
        """Let the next process life of node `name` run `topology`: other code, for the same cluster.

        Raises:
            TopologyError: no node has that name; the topology is not valid, or has another name or other nodes.
        """
        node = self.node(name)
        topology.validate()
        if (topology.name, topology.nodes) != (self.topology.name, self.topology.nodes):
            deployed = f"{self.topology.name!r} with the nodes {', '.join(self.topology.nodes)}"
            raise TopologyError(topology.name, (f"{name} cannot run it: the cluster is {deployed}",))
        node.topology = self._with_checkers(topology)

    def start(self) -> None:
        """Start every node."""
        for node in self.nodes.values():
            node.start()

    def end_run(self) -> None:
        """Compare the states of all replicas of each Raft group, and audit their disks, at the end of a run."""
        for checker in self.raft_checkers:
            checker.end_run()

    def node(self, name: str) -> SimulatedNode:
        """Return a node. TopologyError if no node has that name; it lists the nodes."""
        if name not in self.nodes:
            raise TopologyError(self.topology.name, (f"it has no node {name!r}: it has {', '.join(self.nodes)}",))
        return self.nodes[name]

    def paths_on(self, node: SimulatedNode) -> list[str]:
        """Return the paths of the topology's actors on `node`, including those of its groups and pools."""
        return [part.name for part in self.topology.parts if node.name in part.nodes]

    def first_with_actors(self, first: SimulatedNode) -> SimulatedNode:
        """Return `first`, or the next node in cyclic order that runs actors of the topology; `first` if none does."""
        nodes = list(self.nodes.values())
        at = nodes.index(first)
        return next((node for node in nodes[at:] + nodes[:at] if self.paths_on(node)), first)

    def snapshots_on(self, node: SimulatedNode) -> list[SnapshotId]:
        """Return the snapshots that the durable registers of the Raft groups on `node` name."""
        disks = [checker.disk_of(node.name) for checker in self.raft_checkers]
        snapshots = [disk.hard_state.facts.snapshot for disk in disks if disk is not None]
        return [snapshot for snapshot in snapshots if snapshot is not None]

    @property
    def founders(self) -> tuple[str, ...]:
        """The nodes that are there from the beginning: those that do not join later."""
        return tuple(name for name in self.nodes if name not in self.joining)

    @property
    def raft_checkers(self) -> tuple[RaftGroupChecker, ...]:
        """The checkers of its Raft groups."""
        return tuple(checker for checker in self.group_checkers.values() if isinstance(checker, RaftGroupChecker))

    def _with_checkers(self, topology: Topology) -> Topology:
        return topology.with_parts([self._with_checker(part) for part in topology.parts])

    def _with_checker(self, part: Part) -> Part:
        """Return `part` with the checker of its group: one checker for all lives of all its nodes."""
        known = self.group_checkers.get(part.name)
        if isinstance(part, RaftPart) and part.engine is RaftActor:
            raft = known if isinstance(known, RaftGroupChecker) else self._new_raft_checker(part)
            self.group_checkers[part.name] = raft
            return replace(part, engine=partial(CheckedRaftActor, raft), snapshots=self._snapshots(part))
        if isinstance(part, SynodPart) and part.engine is SynodActor:
            synod = (
                known
                if isinstance(known, SynodGroupChecker)
                else SynodGroupChecker(part.name, part.nodes, *self._observed, _synod_quorum(part))
            )
            self.group_checkers[part.name] = synod
            return replace(part, engine=partial(CheckedSynodActor, synod))
        return part

    def _new_raft_checker(self, part: RaftPart) -> RaftGroupChecker:
        quorum = part.config(tuple(NodeId(node) for node in part.nodes)).quorum
        base = self._base(part.name)
        return RaftGroupChecker(part.name, part.nodes, tuple(self.addresses), *self._observed, quorum, base=base)

    @property
    def _observed(self) -> tuple[RunCheckers, Callable[[TargetRole, str], None], RunLog]:
        return self.checkers, self._on_role, self._run_log

    def _snapshots(self, part: RaftPart) -> SnapshotPolicy:
        """Return when the replicas of a group take snapshots: often in most runs, as no real group would."""
        rng = random.Random(f"{self._seed}/snapshots/{part.name}")
        if part.snapshots != STANDARD_POLICY or rng.random() < STANDARD_SNAPSHOTS:
            return part.snapshots
        entries = rng.choice((1, 5, 20, 100))
        trailing = rng.choice((0, 0, 3, 30))
        return SnapshotPolicy(after_entries=entries, share=0.0, trailing_entries=trailing)

    def _base(self, group: str) -> LogPosition:
        return random_base(random.Random(f"{self._seed}/base/{group}"))

    def _on_node_event(self, node: str, what: str, detail: object) -> None:
        self._run_log.record(node, what, detail)
        if what == "node.up" and self._run_log.keeps_all:
            self._message_capture.follow(self.nodes[node].system)
        for checker in self.group_checkers.values():
            if what == "node.forgot":
                checker.disk_replaced(node)
            elif what in {"node.crashed", "node.failed", "node.stopped"}:
                checker.ended(node)


def _synod_quorum(part: SynodPart) -> Quorum:
    return part.config(tuple(NodeId(node) for node in part.nodes)).quorums
