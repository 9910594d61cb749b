"""Topology validation: finds all mistakes in the declaration of a cluster, and describes each mistake in one line.

Pure, except that it makes each state machine once.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, assert_never

from coterie.actors.groups.evolution.machine_schema import machine_schema
from coterie.actors.groups.state_machine import machine_mistake, queries_read_by, snapshot_mistake
from coterie.actors.membership.cluster_nodes import Members
from coterie.actors.part_names import check_name
from coterie.actors.pools.pool_options import option_mistakes
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
    callable_name,
)
from coterie.errors import MessageTypeError
from coterie.protocols.algorithm import NodeId
from coterie.protocols.balancing.policy import uses_keys
from coterie.protocols.paxos.synod_config import SynodConfig
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.runtime.actor import Actor
from coterie.runtime.cells.mailbox import Overflow
from coterie.runtime.observing.error_texts import error_line, error_text
from coterie.runtime.observing.printable_text import printable
from coterie.runtime.user_code import is_exit

__all__ = ["find_mistakes", "mistake_in_node_name"]


_PlacedPart = ActorPart | SingletonPart | PoolPart | BalancerPart | RaftPart | SynodPart
"""A part that has a name and nodes of its own."""


def find_mistakes(nodes: Sequence[str], parts: Sequence[Part], members: Members | None = None) -> Iterator[str]:
    """Yield all mistakes: in the nodes, then in the names, then in each part."""
    yield from () if members is None else members.mistakes()
    if not nodes:
        yield "it has no nodes"
    for node in _duplicates(nodes):
        yield f"node {node!r} is named twice"
    for node in dict.fromkeys(nodes):
        if mistake := mistake_in_node_name(node):
            yield mistake
    names = [part.name for part in parts if not isinstance(part, DetectorPart)]
    for name in _duplicates(names):
        yield f"two parts have the name {name!r}"
    for name in names:
        if mistake := _mistake_in_name(name, "/#"):
            yield f"{name!r:.80} is not a valid name: {mistake}"
    detectors = [part for part in parts if isinstance(part, DetectorPart)]
    if len(detectors) > 1:
        yield f"it has {len(detectors)} detectors: it may have one"
    for detector in detectors:
        yield from _mistakes_in_detector(detector)
    for part in parts:
        if not isinstance(part, DetectorPart):
            yield from _mistakes_in_part(part, nodes, has_view=members is not None)
    yield from _mistakes_in_balancers(parts)
    yield from _mistakes_in_singletons(parts, has_view=members is not None)


def _mistakes_in_part(part: _PlacedPart, nodes: Sequence[str], *, has_view: bool) -> Iterator[str]:
    label = f"{_kind(part)} {part.name!r}"
    yield from _mistakes_in_placement(label, part, has_view=has_view)
    for node in part.nodes:
        if node not in nodes:
            yield f"{label} is on node {node!r}, which the topology does not have"
    for node in _duplicates(part.nodes):
        yield f"{label} is on node {node!r} twice"
    if isinstance(part, ActorPart | PoolPart | SingletonPart):
        yield from _mistakes_in_mailbox(label, part)
    if isinstance(part, ActorPart):
        yield from _mistakes_in_maker(label, part.make)
    if isinstance(part, PoolPart):
        yield from _mistakes_in_maker(label, part.worker)
        yield from _mistakes_in_pool(part)
    if isinstance(part, BalancerPart):
        yield from _mistakes_in_balancer(part)
    if isinstance(part, RaftPart):
        yield from _mistakes_in_raft(part)
    if isinstance(part, RaftPart | SynodPart):
        yield from _mistakes_in_config(part)


def mistake_in_node_name(name: str) -> str | None:
    """Return why a node cannot have this name, in a sentence; None: it can."""
    mistake = _mistake_in_name(name, "/#= \t\n")
    return None if mistake is None else f"{name!r:.80} is not a valid name for a node: {mistake}"


def _mistakes_in_placement(label: str, part: _PlacedPart, *, has_view: bool) -> Iterator[str]:
    where = getattr(part, "where", None)
    if where is None and not part.nodes:
        yield f"{label} has no nodes"
    elif where is not None and not callable(getattr(where, "selects", None)):
        yield f"{label}: nodes={where!r:.60} are neither names nor a Role or Label"
    elif where is not None and not has_view:
        yield f"{label}: nodes={where!r:.60} is for topologies with Members(…) as nodes: name the nodes here"


def _mistake_in_name(name: str, signs: str) -> str | None:
    """Return why a part or node cannot have this name; None: it can. It must not contain one of `signs`."""
    try:
        check_name(name)
    except (TypeError, ValueError) as error:
        return str(error)
    found = [sign for sign in signs if sign in name]
    return f"it contains {found[0]!r}" if found else None


def _mistakes_in_singletons(parts: Sequence[Part], *, has_view: bool) -> Iterator[str]:
    for part in parts:
        if isinstance(part, SingletonPart):
            yield from _mistakes_in_singleton(part, has_view=has_view)


def _mistakes_in_singleton(singleton: SingletonPart, *, has_view: bool) -> Iterator[str]:
    label = f"singleton {singleton.name!r}"
    if not has_view:
        yield (
            f"{label} needs a cluster with a view, which decides where it runs: declare the nodes as "
            'Topology(…, nodes=Members(founders=["n1", "n2", "n3"]))'
        )
    yield from _mistakes_in_maker(label, singleton.make, "the node and the epoch", "the node", "the epoch")
    try:
        if singleton_messages(singleton) is None:
            yield f"{label}: the class of its actor is not known: give messages=, or annotate what makes it"
    except MessageTypeError as error:
        yield f"{label}: the class of its actor does not say what it takes: {error}"


def _mistakes_in_maker(
    label: str, make: object, taken: str = "the node that it runs on", *arguments: str
) -> Iterator[str]:
    """Yield a mistake if `make` cannot be called with the node of its actor, as far as its signature is known."""
    if not callable(make):
        yield f"{label}: {make!r:.60} cannot be called: give an actor class, or a function of the node"
        return
    if isinstance(make, type) and not issubclass(make, Actor):
        yield f"{label}: {callable_name(make)} is no actor class: give one, or a function of the node"
        return
    try:
        signature = inspect.signature(make)
    except ValueError:
        return
    try:
        signature.bind(*(arguments or ("the node",)))
    except TypeError as error:
        how = "arguments" if arguments else "its one argument"
        yield f"{label}: {callable_name(make)} must take {taken} as {how}: {error}"


def _mistakes_in_mailbox(label: str, part: ActorPart | PoolPart | SingletonPart) -> Iterator[str]:
    capacity: object = part.capacity
    overflow: object = part.overflow
    if capacity is not None and (not isinstance(capacity, int) or capacity < 1):
        yield f"{label}: capacity={capacity!r:.60} must be a number of messages, 1 or more"
    if not isinstance(overflow, Overflow):
        yield f"{label}: overflow={overflow!r:.60} must be one of {', '.join(map(str, Overflow))}"


def _mistakes_in_pool(pool: PoolPart) -> Iterator[str]:
    if pool.per_node < 1:
        yield f"pool {pool.name!r} has {pool.per_node} workers per node: it must have at least 1"
    if pool.max_per_node < pool.per_node:
        yield f"pool {pool.name!r} has {pool.per_node} workers per node, more than max_per_node={pool.max_per_node}"
    for node, weight in pool.weights.items():
        if node not in pool.nodes and pool.where is None:
            yield f"pool {pool.name!r} gives a weight to node {node!r}, which it is not on"
        if not 0 < weight < float("inf"):
            yield f"pool {pool.name!r} gives node {node!r} the weight {weight}: it must be above 0 and finite"
    for mistake in option_mistakes("balance", pool.balance, retry_budget=pool.retry_budget, hedging=pool.hedging):
        yield f"pool {pool.name!r}: {mistake}"


def _mistakes_in_balancer(balancer: BalancerPart) -> Iterator[str]:
    label, policy = f"balancer {balancer.name!r}", balancer.policy
    for mistake in option_mistakes("policy", policy, retry_budget=balancer.retry_budget, hedging=balancer.hedging):
        yield f"{label}: {mistake}"
    if balancer.key_of is None and not isinstance(policy, type) and uses_keys(policy):
        yield f"{label}: policy={policy!r:.60} picks by keys: give key_of=, which returns the key of a message"


def _mistakes_in_balancers(parts: Sequence[Part]) -> Iterator[str]:
    """Yield the mistakes in what balancers pass messages on to."""
    part_by_name = {part.name: part for part in parts}
    in_a_circle: list[str] = []
    for balancer in [part for part in parts if isinstance(part, BalancerPart)]:
        label = f"balancer {balancer.name!r}"
        over = part_by_name.get(balancer.over)
        if over is None:
            yield f"{label} is over {balancer.over!r}, which the topology does not have"
        elif not isinstance(over, ActorPart | PoolPart | BalancerPart):
            yield f"{label} is over {balancer.over!r}, a {over.summary}: it can be over a pool, a balancer or an actor"
        elif balancer.name in in_a_circle:
            continue
        elif cycle := _cycle_from(balancer, part_by_name):
            in_a_circle += cycle
            yield f"{label} passes messages on in a circle: {' → '.join(cycle)}"
        else:
            yield from _mistakes_in_messages(label, balancer, part_by_name)


def _cycle_from(balancer: BalancerPart, part_by_name: Mapping[str, Part]) -> list[str]:
    """Return the names from a balancer back to itself; empty if its messages do not come back."""
    names, part = [balancer.name], part_by_name.get(balancer.over)
    while isinstance(part, BalancerPart) and part.name not in names:
        names.append(part.name)
        part = part_by_name.get(part.over)
    return [*names, balancer.name] if part is balancer else []


def _mistakes_in_messages(label: str, balancer: BalancerPart, part_by_name: Mapping[str, Part]) -> Iterator[str]:
    try:
        if accepted_messages(balancer, part_by_name) is None:
            yield f"{label}: the class of its targets is not known: give messages=, or annotate what makes them"
    except MessageTypeError as error:
        yield f"{label}: the class of its targets does not say what it takes: {error}"
    except ValueError:
        return  # the balancer further on has the mistake


def _mistakes_in_raft(raft: RaftPart) -> Iterator[str]:
    """Yield the errors of making the machine and the configuration."""
    try:
        machine = raft.machine()
        machine_schema(type(machine))
        queries_read_by(type(machine))
    except BaseException as error:
        if is_exit(error):
            raise
        is_mistake = issubclass(type(error), (MessageTypeError, TypeError))
        why = error_text(error) if is_mistake else error_line(error)
        yield f"group {raft.name!r}: machine= makes no state machine: {printable(why)}"
    else:
        if (mistake := machine_mistake(machine) or snapshot_mistake(machine)) is not None:
            yield f"group {raft.name!r}: {mistake}"
    bake_s = raft.activate_after_s
    if bake_s is not None and not 0 <= bake_s < float("inf"):
        yield f"group {raft.name!r}: activate_after_s={bake_s} must be 0 or more, and finite"


def _mistakes_in_config(group: RaftPart | SynodPart) -> Iterator[str]:
    """Yield a mistake if `config=` does not make a configuration of the group's kind for exactly its nodes."""
    if not group.nodes or _duplicates(group.nodes):  # reported already
        return
    members = tuple(NodeId(node) for node in group.nodes)
    try:
        made: object = group.config(members)
    except (TypeError, ValueError) as error:
        yield f"group {group.name!r}: config= makes no configuration: {error}"
        return
    match made:
        case RaftConfig() if isinstance(group, RaftPart):
            configured = made.voters
        case SynodConfig() if isinstance(group, SynodPart):
            configured = made.members
        case _:
            yield f"group {group.name!r}: config= makes no configuration, but a {type(made).__name__}"
            return
    if sorted(configured) != sorted(members):
        yield f"group {group.name!r}: config= is for {', '.join(configured)}, not for its nodes {', '.join(members)}"


def _mistakes_in_detector(detector: DetectorPart) -> Iterator[str]:
    config: Any = detector.config
    label = f"detector {callable_name(config) if isinstance(config, type) else type(config).__name__}"
    if isinstance(config, type):
        yield f"{label} is a class: give its settings, for example Swim.local()"
    elif not callable(getattr(config, "make", None)):
        yield f"{label}: {config!r:.60} makes no detector: give the settings of one, for example Swim.local()"
    elif detector.nodes and not _duplicates(detector.nodes):  # otherwise reported already
        try:
            config.make(NodeId(detector.nodes[0]), [NodeId(node) for node in detector.nodes[1:]], seed=0)
        except ValueError as error:
            yield f"{label} cannot be made for these nodes: {error}"
    for name, hook in detector.hooks.items():
        yield from _mistakes_in_hook(label, name, hook)


def _mistakes_in_hook(label: str, name: str, hook: object) -> Iterator[str]:
    """Yield a mistake if a hook cannot be called with the node and the change, as far as its signature is known."""
    if not callable(hook):
        yield f"{label}: {name}={hook!r:.60} cannot be called"
        return
    if inspect.iscoroutinefunction(hook):
        yield f"{label}: {name}={callable_name(hook)} is `async def`: a hook must be `def`"
    try:
        inspect.signature(hook).bind("the node", "the change")
    except ValueError:
        return
    except TypeError as error:
        yield f"{label}: {name}={callable_name(hook)} must take the node and the change: {error}"


def _kind(part: _PlacedPart) -> str:
    match part:
        case ActorPart():
            return "actor"
        case SingletonPart():
            return "singleton"
        case PoolPart():
            return "pool"
        case BalancerPart():
            return "balancer"
        case RaftPart() | SynodPart():
            return "group"
        case _:
            assert_never(part)


def _duplicates(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
