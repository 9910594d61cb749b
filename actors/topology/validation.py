"""What is wrong with a topology: everything at once, a line each. Pure, but for making each machine once for a try."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import assert_never

from coterie.actors.groups.state_machine import commands_of
from coterie.actors.topology.parts import ActorPart, Part, PoolPart, RaftPart, SynodPart, name_of
from coterie.errors import MessageTypeError
from coterie.protocols.algorithm import NodeId

__all__ = ["mistakes_of"]


def mistakes_of(nodes: Sequence[str], parts: Sequence[Part]) -> Iterator[str]:
    """Yield what is wrong: nodes, then names, then each part."""
    if not nodes:
        yield "it has no nodes"
    for node in _doubled(nodes):
        yield f"node {node!r} is named twice"
    for node in dict.fromkeys(nodes):
        if not node or any(sign in node for sign in "/#= \t\n"):
            yield f"{node!r} is no name for a node"
    names = [part.name for part in parts]
    for name in _doubled(names):
        yield f"{name!r} names two things"
    for name in names:
        if not name or "/" in name or "#" in name:
            yield f"{name!r} is no name"
    for part in parts:
        yield from _of_part(part, nodes)


def _of_part(part: Part, nodes: Sequence[str]) -> Iterator[str]:
    called = f"{_kind(part)} {part.name!r}"
    if not part.nodes:
        yield f"{called} has no nodes"
    for node in part.nodes:
        if node not in nodes:
            yield f"{called} is on node {node!r}, which the topology does not have"
    for node in _doubled(part.nodes):
        yield f"{called} is on node {node!r} twice"
    if isinstance(part, ActorPart):
        yield from _of_maker(called, part.make)
    if isinstance(part, PoolPart):
        yield from _of_maker(called, part.worker)
        yield from _of_pool(part)
    if isinstance(part, RaftPart):
        yield from _of_raft(part)


def _of_maker(called: str, make: Callable[..., object]) -> Iterator[str]:
    """Say if `make` does not take the node that its actor will live on, as far as its signature can be seen."""
    try:
        signature = inspect.signature(make)
    except ValueError:
        return
    try:
        signature.bind("the node")
    except TypeError as error:
        yield f"{called}: {name_of(make)} is called with the node that it runs on, and does not take it: {error}"


def _of_pool(pool: PoolPart) -> Iterator[str]:
    if pool.per_node < 1:
        yield f"pool {pool.name!r} has {pool.per_node} workers"
    for node, weight in pool.weights.items():
        if node not in pool.nodes:
            yield f"pool {pool.name!r} gives a weight to node {node!r}, which it is not on"
        if not 0 < weight < float("inf"):
            yield f"pool {pool.name!r} gives node {node!r} the weight {weight}: it must be above 0 and finite"


def _of_raft(raft: RaftPart) -> Iterator[str]:
    """Say what the machine and the configuration say when they are made for a try."""
    try:
        commands_of(type(raft.machine()))
    except (MessageTypeError, TypeError) as error:
        yield f"group {raft.name!r}: machine= makes no state machine: {error}"
    if raft.nodes and not _doubled(raft.nodes):  # else it is said already
        try:
            raft.config(tuple(NodeId(voter) for voter in raft.nodes))
        except ValueError as error:
            yield f"group {raft.name!r}: config= makes no configuration: {error}"


def _kind(part: Part) -> str:
    match part:
        case ActorPart():
            return "actor"
        case PoolPart():
            return "pool"
        case RaftPart() | SynodPart():
            return "group"
        case _:
            assert_never(part)


def _doubled(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
