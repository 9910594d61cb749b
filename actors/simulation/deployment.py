"""A topology in a world: its nodes, and the judges beside its groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from coterie.actors.groups.raft_actor import RaftActor
from coterie.actors.paxos.synod_actor import SynodActor
from coterie.actors.simulation.checkers.raft_group_checker import RaftWatch, WatchedRaftActor
from coterie.actors.simulation.checkers.run_checkers import Stand
from coterie.actors.simulation.checkers.synod_group_checker import SynodWatch, WatchedSynodActor
from coterie.actors.simulation.message_capture import Letters
from coterie.actors.simulation.run_log import Story
from coterie.actors.simulation.simulated_node import Habits, SimulatedNode
from coterie.actors.topology import Topology
from coterie.actors.topology.parts import Part, RaftPart, SynodPart
from coterie.errors import TopologyError
from coterie.protocols.faults.kinds.fault_kinds import Role
from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld
from coterie.runtime.system import SystemConfig

__all__ = ["Deployment"]

FIRST_PORT = 7401

Watch = RaftWatch | SynodWatch


class Deployment:
    """What was deployed. Nobody lives before `start`.

    Args:
        topology: what runs.
        world: where.
        stand: where the judges of its groups sit.
        shows: hears when a node of a group shows itself in a role.
        story: where it is told what happens.
        failed: hears when a node has ended by itself, in an error.
        is_durable: whether nodes have data directories.
        config: of their systems.

    Raises:
        TopologyError: the topology is none.
    """

    def __init__(
        self,
        topology: Topology,
        world: SimulatedWorld,
        stand: Stand,
        *,
        shows: Callable[[Role, str], None],
        story: Story,
        failed: Callable[[SimulatedNode, BaseException], None],
        is_durable: bool,
        config: SystemConfig | None,
    ) -> None:
        topology.validate()
        self.watches: dict[str, Watch] = {}
        """The judges of its groups, by the group's name."""
        self.addresses = {name: f"127.0.0.1:{FIRST_PORT + at}" for at, name in enumerate(topology.nodes)}
        """Where the nodes listen, by name."""
        self._stand = stand
        self._shows = shows
        self._story = story
        self._letters = Letters(story)
        self.topology = topology.with_parts([self._watched(part) for part in topology.parts])
        """What runs, with its judges."""
        habits = Habits(self.topology, self.addresses, is_durable, config, self._hear, failed)
        self.nodes: Mapping[str, SimulatedNode] = {name: SimulatedNode(name, world, habits) for name in topology.nodes}
        """The nodes by name."""

    def start(self) -> None:
        """Begin a life of every node."""
        for node in self.nodes.values():
            node.start()

    def node(self, name: str) -> SimulatedNode:
        """Return a node. TopologyError if there is none of that name; it names those there are."""
        if name not in self.nodes:
            raise TopologyError(self.topology.name, (f"it has no node {name!r}: it has {', '.join(self.nodes)}",))
        return self.nodes[name]

    def paths_on(self, node: SimulatedNode) -> list[str]:
        """Return where the topology's actors live on `node`, those of its groups and pools too."""
        return [part.name for part in self.topology.parts if node.name in part.nodes]

    def peopled(self, first: SimulatedNode) -> SimulatedNode:
        """Return `first`, or if no actors live there the next node, round, on which some do (or `first`)."""
        nodes = list(self.nodes.values())
        at = nodes.index(first)
        return next((node for node in nodes[at:] + nodes[:at] if self.paths_on(node)), first)

    @property
    def rafts(self) -> tuple[RaftWatch, ...]:
        """The judges of its Raft groups."""
        return tuple(watch for watch in self.watches.values() if isinstance(watch, RaftWatch))

    def _watched(self, part: Part) -> Part:
        if isinstance(part, RaftPart) and part.engine is RaftActor:
            raft = self.watches[part.name] = RaftWatch(part.name, part.nodes, self._stand, self._shows, self._story)
            return replace(part, engine=partial(WatchedRaftActor, raft))
        if isinstance(part, SynodPart) and part.engine is SynodActor:
            synod = self.watches[part.name] = SynodWatch(part.name, part.nodes, self._stand, self._shows, self._story)
            return replace(part, engine=partial(WatchedSynodActor, synod))
        return part

    def _hear(self, node: str, what: str, detail: object) -> None:
        self._story.tell(node, what, detail)
        if what == "node.up" and self._story.is_whole:
            self._letters.follow(self.nodes[node].system)
        for watch in self.watches.values():
            if what == "node.forgot":
                watch.forgot(node)
            elif what in {"node.crashed", "node.failed", "node.stopped"}:
                watch.ended(node)
