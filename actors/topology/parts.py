"""Topology parts: defines the data classes of what a cluster runs: actor, worker pool, Raft group, synod (Paxos)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from coterie.actors.groups.raft_actor import RaftActor
from coterie.actors.groups.state_machine import StateMachine
from coterie.actors.node import Node
from coterie.actors.paxos.synod_actor import SynodActor
from coterie.protocols.algorithm import NodeId
from coterie.protocols.balancing.balancer import MakeBalancer
from coterie.protocols.paxos.synod_config import SynodConfig
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.sessions import Machine
from coterie.runtime.actor import Actor
from coterie.runtime.cells.supervision import Supervision
from coterie.runtime.storage.log_store import LogStore

__all__ = ["ActorPart", "Part", "PoolPart", "RaftPart", "SynodPart", "callable_name"]


@dataclass(frozen=True, slots=True)
class ActorPart:
    """One actor on each of `nodes`."""

    name: str
    make: Callable[[Node], Actor[Any]]
    nodes: tuple[str, ...]
    supervision: Supervision | None

    @property
    def summary(self) -> str:
        """A short description, for trees and diagrams."""
        return f"actor {callable_name(self.make)}"


@dataclass(frozen=True, slots=True)
class PoolPart:
    """`per_node` workers on each of `nodes`; `balance` makes the callers' policy, `weights` are by node."""

    name: str
    worker: Callable[[Node], Actor[Any]]
    nodes: tuple[str, ...]
    per_node: int
    balance: MakeBalancer
    weights: Mapping[str, float]

    @property
    def summary(self) -> str:
        """A short description, for trees and diagrams."""
        return f"pool of {self.per_node} {callable_name(self.worker)} a node, {callable_name(self.balance)}"

    def weight_on(self, node: str) -> float:
        """Return the weight of each worker on `node`."""
        return self.weights.get(node, 1.0)


@dataclass(frozen=True, slots=True)
class RaftPart:
    """A state machine replicated with Raft on `nodes`. `engine` makes the actor of each node."""

    name: str
    machine: Callable[[], StateMachine[Any]]
    nodes: tuple[str, ...]
    config: Callable[[tuple[NodeId, ...]], RaftConfig]
    engine: Callable[[str, RaftConfig, Callable[[], Machine], LogStore], RaftActor] = RaftActor

    @property
    def summary(self) -> str:
        """A short description, for trees and diagrams."""
        return f"raft group of {callable_name(self.machine)}"


@dataclass(frozen=True, slots=True)
class SynodPart:
    """One value chosen with single-decree Paxos by `nodes`. `engine` makes the actor of each node."""

    name: str
    nodes: tuple[str, ...]
    engine: Callable[[str, SynodConfig, LogStore], SynodActor] = SynodActor

    @property
    def summary(self) -> str:
        """A short description, for trees and diagrams."""
        return "synod"


Part = ActorPart | PoolPart | RaftPart | SynodPart


def callable_name(maker: Callable[..., object]) -> str:
    """Return the name of a class, of a function, or of the one in a partial."""
    while isinstance(maker, partial):
        maker = maker.func
    return str(getattr(maker, "__name__", type(maker).__name__))
