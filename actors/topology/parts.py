"""What a topology is made of: data, one class for each kind of part."""

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

__all__ = ["ActorPart", "Part", "PoolPart", "RaftPart", "SynodPart", "name_of"]


@dataclass(frozen=True, slots=True)
class ActorPart:
    """One actor on each of `nodes`."""

    name: str
    make: Callable[[Node], Actor[Any]]
    nodes: tuple[str, ...]
    supervision: Supervision | None

    @property
    def what(self) -> str:
        """Say it in a few words."""
        return f"actor {name_of(self.make)}"


@dataclass(frozen=True, slots=True)
class PoolPart:
    """`per_node` workers on each of `nodes`; callers share them by `balance`, each node's workers weigh `weights`."""

    name: str
    worker: Callable[[Node], Actor[Any]]
    nodes: tuple[str, ...]
    per_node: int
    balance: MakeBalancer
    weights: Mapping[str, float]

    @property
    def what(self) -> str:
        """Say it in a few words."""
        return f"pool of {self.per_node} {name_of(self.worker)} a node, {name_of(self.balance)}"

    def weight_on(self, node: str) -> float:
        """Return what a worker on `node` weighs."""
        return self.weights.get(node, 1.0)


@dataclass(frozen=True, slots=True)
class RaftPart:
    """A state machine replicated with Raft on `nodes`. `engine` makes what runs on each."""

    name: str
    machine: Callable[[], StateMachine[Any]]
    nodes: tuple[str, ...]
    config: Callable[[tuple[NodeId, ...]], RaftConfig]
    engine: Callable[[str, RaftConfig, Callable[[], Machine], LogStore], RaftActor] = RaftActor

    @property
    def what(self) -> str:
        """Say it in a few words."""
        return f"raft group of {name_of(self.machine)}"


@dataclass(frozen=True, slots=True)
class SynodPart:
    """One value chosen with single-decree Paxos by `nodes`. `engine` makes what runs on each."""

    name: str
    nodes: tuple[str, ...]
    engine: Callable[[str, SynodConfig, LogStore], SynodActor] = SynodActor

    @property
    def what(self) -> str:
        """Say it in a few words."""
        return "synod"


Part = ActorPart | PoolPart | RaftPart | SynodPart


def name_of(made_by: Callable[..., object]) -> str:
    """Return how a class, a function or a partial of one is called."""
    while isinstance(made_by, partial):
        made_by = made_by.func
    return str(getattr(made_by, "__name__", type(made_by).__name__))
