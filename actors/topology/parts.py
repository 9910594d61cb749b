"""Topology parts: defines the data classes of what a cluster runs: actor, singleton, pool, group, synod, detector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from coterie.actors.detection.detector_messages import DETECTOR_PATH
from coterie.actors.groups.compaction.snapshot_policy import STANDARD_POLICY, SnapshotPolicy
from coterie.actors.groups.raft_actor import RaftActor
from coterie.actors.groups.state_machine import StateMachine
from coterie.actors.membership.cluster_nodes import NodeSelector
from coterie.actors.node import Node
from coterie.actors.paxos.synod_actor import SynodActor
from coterie.protocols.algorithm import NodeId
from coterie.protocols.balancing import Policy, RoutingKey
from coterie.protocols.balancing.guards import Hedging, RetryBudget
from coterie.protocols.balancing.policy_text import policy_text
from coterie.protocols.detection.failure_detector import Failed, MakeDetector, Suspected, Trusted
from coterie.protocols.detection.swim.swim import Swim
from coterie.protocols.detection.swim.swim_config import SwimConfig
from coterie.protocols.membership.members import Member
from coterie.protocols.membership.singletons import Epoch
from coterie.protocols.paxos.synod_config import SynodConfig
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.sessions import Machine
from coterie.runtime.actor import Actor
from coterie.runtime.cells.mailbox import Overflow
from coterie.runtime.cells.spawn_options import Exported
from coterie.runtime.cells.supervision import Supervision
from coterie.runtime.storage.log_store import LogStore

__all__ = [
    "ActorPart",
    "BalancerPart",
    "DetectorPart",
    "Part",
    "PoolPart",
    "RaftPart",
    "SingletonPart",
    "SynodPart",
    "callable_name",
]


@dataclass(frozen=True, slots=True)
class ActorPart:
    """One actor on each of `nodes`. `exported`: whether clients reach it. `capacity`, `overflow`: of its mailbox.

    `where`: which nodes run it, if nodes join; `nodes` are those founders then of which that is known.
    """

    name: str
    make: Callable[[Node], Actor[Any]]
    nodes: tuple[str, ...]
    supervision: Supervision | None
    exported: bool = True
    capacity: int | None = None
    overflow: Overflow = Overflow.FAIL
    where: NodeSelector | None = None

    @property
    def summary(self) -> str:
        """A short description, for trees and diagrams."""
        return f"actor {callable_name(self.make)}"


@dataclass(frozen=True, slots=True)
class SingletonPart:
    """One actor in the cluster, on one of the nodes that `where` selects, or of `nodes`.

    `make` makes it from the node and the epoch. `messages`: those that it accepts from other nodes; None: those of the
    class. The others: as of `ActorPart`.
    """

    name: str
    make: Callable[[Node, Epoch], Actor[Any]]
    nodes: tuple[str, ...]
    supervision: Supervision | None = None
    exported: bool = True
    capacity: int | None = None
    overflow: Overflow = Overflow.FAIL
    where: NodeSelector | None = None
    messages: tuple[type, ...] | None = None

    @property
    def summary(self) -> str:
        """A short description, for trees and diagrams."""
        return f"singleton {callable_name(self.make)}"

    def is_eligible(self, member: Member) -> bool:
        """Return whether its actor may run on a member."""
        if self.where is None:
            return member.name in self.nodes
        return self.where.selects(member.roles, dict(member.labels))


@dataclass(frozen=True, slots=True)
class PoolPart:
    """`per_node` up to `max_per_node` workers on each of `nodes`; `weights` are by node.

    `balance`, `retry_budget` and `hedging` are those of the callers within the cluster. `exported`: whether clients
    reach them. `capacity`, `overflow`: of the mailbox of each worker. `where`: as of `ActorPart`.
    """

    name: str
    worker: Callable[[Node], Actor[Any]]
    nodes: tuple[str, ...]
    per_node: int
    max_per_node: int
    balance: Policy
    weights: Mapping[str, float]
    retry_budget: RetryBudget | None
    hedging: Hedging | None
    exported: bool = True
    capacity: int | None = None
    overflow: Overflow = Overflow.FAIL
    where: NodeSelector | None = None

    @property
    def summary(self) -> str:
        """A short description, for trees and diagrams."""
        count = f"{self.per_node}" if self.max_per_node == self.per_node else f"{self.per_node} to {self.max_per_node}"
        return f"pool of {count} {callable_name(self.worker)} a node, {policy_text(self.balance)}"

    def weight_on(self, node: str) -> float:
        """Return the weight of each worker on `node`."""
        return self.weights.get(node, 1.0)


@dataclass(frozen=True, slots=True)
class BalancerPart:
    """A balancer actor on each of `nodes`, over the part named `over`: a pool, another balancer, or an actor.

    `messages`: those that it accepts from other nodes; None: those of the targets' class. `exported`: whether clients
    reach it. `where`: as of `ActorPart`.
    """

    name: str
    policy: Policy
    over: str
    nodes: tuple[str, ...]
    messages: tuple[type, ...] | None
    key_of: Callable[[Any], RoutingKey | None] | None
    retry_budget: RetryBudget | None
    hedging: Hedging | None
    exported: bool = True
    where: NodeSelector | None = None

    @property
    def summary(self) -> str:
        """A short description, for trees and diagrams."""
        return f"balancer over {self.over}, {policy_text(self.policy)}"


@dataclass(frozen=True, slots=True)
class RaftPart:
    """A state machine replicated with Raft on `nodes`. `engine` makes the actor of each node.

    `activate_after_s`: how long all voters must have had newer code before its schema becomes active; None: until an
    operator says so. `snapshots`: when its replicas take snapshots. `exported`: which clients reach it.
    """

    name: str
    machine: Callable[[], StateMachine[Any]]
    nodes: tuple[str, ...]
    config: Callable[[tuple[NodeId, ...]], RaftConfig]
    engine: Callable[[str, RaftConfig, Callable[[], Machine], LogStore, float | None, SnapshotPolicy], RaftActor] = (
        RaftActor
    )
    activate_after_s: float | None = None
    snapshots: SnapshotPolicy = STANDARD_POLICY
    exported: Exported = True

    @property
    def summary(self) -> str:
        """A short description, for trees and diagrams."""
        return f"raft group of {callable_name(self.machine)}"


@dataclass(frozen=True, slots=True)
class SynodPart:
    """One value chosen with single-decree Paxos by `nodes`. `engine` makes the actor of each node."""

    name: str
    nodes: tuple[str, ...]
    config: Callable[[tuple[NodeId, ...]], SynodConfig] = SynodConfig
    engine: Callable[[str, SynodConfig, LogStore], SynodActor] = SynodActor

    @property
    def summary(self) -> str:
        """A short description, for trees and diagrams."""
        return "synod"


@dataclass(frozen=True, slots=True)
class DetectorPart:
    """A failure detector on each of `nodes`, which are all nodes; the hooks are called with the node and the change."""

    config: MakeDetector
    nodes: tuple[str, ...]
    on_suspected: Callable[[Node, Suspected], object] | None
    on_failed: Callable[[Node, Failed], object] | None
    on_trusted: Callable[[Node, Trusted], object] | None
    name: str = DETECTOR_PATH

    @property
    def summary(self) -> str:
        """A short description, for trees and diagrams."""
        return f"failure detector, {_detector_text(self.config)}"

    @property
    def hooks(self) -> dict[str, Callable[..., object]]:
        """The hooks that are given, by the name of their argument."""
        found = (("on_suspected", self.on_suspected), ("on_failed", self.on_failed), ("on_trusted", self.on_trusted))
        return {name: hook for name, hook in found if hook is not None}


Part = ActorPart | SingletonPart | PoolPart | BalancerPart | RaftPart | SynodPart | DetectorPart


def callable_name(maker: Callable[..., object]) -> str:
    """Return the name of a class, of a function, or of the one in a partial."""
    while isinstance(maker, partial):
        maker = maker.func
    return str(getattr(maker, "__name__", type(maker).__name__))


def _detector_text(config: MakeDetector) -> str:
    """Return the name of a detector as its user writes it: the preset of SWIM, or the class of the settings."""
    if not isinstance(config, SwimConfig):
        return type(config).__name__
    presets = {"Swim.local()": Swim.local(), "Swim.lan()": Swim.lan(), "Swim.wan()": Swim.wan()}
    return next((text for text, preset in presets.items() if preset == config), "Swim")
