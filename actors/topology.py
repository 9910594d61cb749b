"""A cluster, declared in code: which nodes there are, and what runs on them.

topology = Topology("kv", nodes=["n1", "n2", "n3"])          # the name is the cluster id
topology.raft("store", machine=KeyValue)                     # one RaftActor per node
topology.pool("workers", Worker, per_node=2)                 # Worker(node) on every node
await topology.run(node="n1", listen="127.0.0.1:7401", peers={"n2": "127.0.0.1:7402", …}, data="…")
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from coterie.actors.addresses import parse_address
from coterie.actors.directory import DIRECTORY, DirectoryActor
from coterie.actors.node import Node
from coterie.actors.pool import PoolActor
from coterie.actors.raft_actor import RaftActor
from coterie.actors.state_machine import StateMachine, TypedMachine, commands_of
from coterie.actors.synod_actor import SynodActor
from coterie.errors import MessageTypeError, TopologyError
from coterie.protocols.paxos.config import SynodConfig
from coterie.protocols.raft.config import RaftConfig
from coterie.protocols.seam import NodeId
from coterie.runtime.actor import Actor
from coterie.runtime.host import Host
from coterie.runtime.real_host import RealHost
from coterie.runtime.storage.log import LogStore
from coterie.runtime.storage.memory import MemoryLog
from coterie.runtime.storage.meta import format_store
from coterie.runtime.storage.segmented import SegmentedLog
from coterie.runtime.system import System, SystemConfig

__all__ = ["Bootstrap", "Topology"]

Bootstrap = Literal["new"]


@dataclass(frozen=True, slots=True)
class _Raft:
    name: str
    machine: Callable[[], StateMachine[Any]]
    nodes: tuple[str, ...]
    config: Callable[[tuple[NodeId, ...]], RaftConfig]


@dataclass(frozen=True, slots=True)
class _Synod:
    name: str
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Pool:
    name: str
    worker: Callable[[Node], Actor[Any]]
    per_node: int


class Topology:
    """A cluster in code. Nothing runs, and nothing is checked, before `validate`, `start` or `run`.

    Args:
        name: the cluster's id: its nodes link only with nodes of the same one.
        nodes: the names of all nodes.
    """

    def __init__(self, name: str, nodes: Sequence[str]) -> None:
        self.name = name
        self.nodes = tuple(nodes)
        self._rafts: list[_Raft] = []
        self._synods: list[_Synod] = []
        self._pools: list[_Pool] = []

    # --- declaring --------------------------------------------------------------------------------------------------

    def raft(
        self,
        name: str,
        *,
        machine: Callable[[], StateMachine[Any]],
        nodes: Sequence[str] | None = None,
        config: Callable[[tuple[NodeId, ...]], RaftConfig] = RaftConfig,
    ) -> None:
        """Replicate a state machine with Raft: a `RaftActor` named `name` on each of `nodes` (default: all).

        `machine` makes it, empty (a class). `config` makes the `RaftConfig` of the voters, for other time-outs.
        """
        self._rafts.append(_Raft(name, machine, self._members(nodes), config))

    def synod(self, name: str, *, nodes: Sequence[str] | None = None) -> None:
        """Choose one value with single-decree Paxos: a `SynodActor` named `name` on each of `nodes` (default: all)."""
        self._synods.append(_Synod(name, self._members(nodes)))

    def pool(self, name: str, worker: Callable[[Node], Actor[Any]], *, per_node: int = 1) -> None:
        """Run `per_node` workers on every node; `worker(node)` makes one. Callers pick in turn (round robin)."""
        self._pools.append(_Pool(name, worker, per_node))

    def _members(self, nodes: Sequence[str] | None) -> tuple[str, ...]:
        return self.nodes if nodes is None else tuple(nodes)

    # --- checking ---------------------------------------------------------------------------------------------------

    def validate(self) -> None:
        """Check everything at once.

        Raises:
            TopologyError: with all mistakes: no or doubled nodes, unknown nodes in groups, doubled names, machines
                that are none, pools without workers.
        """
        mistakes = [*self._node_mistakes(), *self._name_mistakes(), *self._group_mistakes()]
        mistakes += [f"pool {pool.name!r} has {pool.per_node} workers" for pool in self._pools if pool.per_node < 1]
        if mistakes:
            raise TopologyError(self.name, tuple(mistakes))

    def _node_mistakes(self) -> list[str]:
        if not self.nodes:
            return ["it has no nodes"]
        doubled = sorted({node for node in self.nodes if self.nodes.count(node) > 1})
        return [f"node {node!r} is named twice" for node in doubled]

    def _name_mistakes(self) -> list[str]:
        parts: list[_Raft | _Synod | _Pool] = [*self._rafts, *self._synods, *self._pools]
        names = [part.name for part in parts]
        doubled = sorted({name for name in names if names.count(name) > 1})
        bad = [name for name in names if not name or "/" in name or "#" in name]
        return [f"{name!r} names two things" for name in doubled] + [f"{name!r} is no name" for name in bad]

    def _group_mistakes(self) -> list[str]:
        mistakes: list[str] = []
        groups: list[_Raft | _Synod] = [*self._rafts, *self._synods]
        for group in groups:
            if not group.nodes:
                mistakes.append(f"group {group.name!r} has no nodes")
            mistakes += [
                f"group {group.name!r} is on node {node!r}, which the topology does not have"
                for node in group.nodes
                if node not in self.nodes
            ]
            doubled = sorted({node for node in group.nodes if group.nodes.count(node) > 1})
            mistakes += [f"group {group.name!r} is on node {node!r} twice" for node in doubled]
        for raft in self._rafts:
            mistakes += _raft_mistakes(raft)
        return mistakes

    def _check_start(self, node: str, peers: Mapping[str, str], data: str | None, bootstrap: Bootstrap | None) -> None:
        self.validate()
        mistakes = []
        if node not in self.nodes:
            mistakes.append(f"node {node!r} is not one of {', '.join(self.nodes)}")
        mistakes += [f"peer {peer!r} is not one of its nodes" for peer in peers if peer not in self.nodes]
        if node in peers:
            mistakes.append(f"node {node!r} is named as its own peer")
        if bootstrap is not None and data is None:
            mistakes.append('bootstrap="new" formats a data directory, but data= is not given')
        if mistakes:
            raise TopologyError(self.name, tuple(mistakes))

    # --- running ----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def start(
        self,
        *,
        node: str,
        listen: str = "127.0.0.1:0",
        peers: Mapping[str, str] | None = None,
        data: str | None = None,
        bootstrap: Bootstrap | None = None,
        insecure: bool = False,
        host: Host | None = None,
        config: SystemConfig | None = None,
    ) -> AsyncIterator[Node]:
        """Run one node of the cluster for as long as the `async with` lasts.

        Args:
            node: which node.
            listen: `host:port` to listen on; port 0 picks a free one (see `Node.address`).
            peers: `host:port` of the other nodes, by name.
            data: the data directory; None keeps everything in memory, and the node may not come back under its name.
            bootstrap: "new" formats the data directory first: once in a node's life.
            insecure: allow listening beyond loopback without authentication.
            host: the outside world (default: this machine).
            config: see `SystemConfig`.

        Raises:
            TopologyError, ValueError: what was given does not fit; it names what.
            StorageError: the data directory is in use, unformatted, formatted already, of another node, or damaged.
            OSError: the address cannot be bound.
        """
        peers = peers or {}
        self._check_start(node, peers, data, bootstrap)
        listen_at = parse_address(listen)
        peer_at = {peer: parse_address(address) for peer, address in peers.items()}
        world: Host = host if host is not None else RealHost()
        async with System(node, cluster=self.name, host=world, config=config) as system:
            # The address first: if it is taken nothing has been formatted, and the same call works the next time.
            address = await system.listen(*listen_at, insecure=insecure)
            store = await self._open_store(system, data, bootstrap)
            system.at_end(store.close)
            member = Node(system, self, store, address)
            self._spawn(member)
            for peer, (peer_host, peer_port) in peer_at.items():
                system.add_peer(peer, peer_host, peer_port)
            try:
                yield member
            finally:
                await member.close_handles()

    async def run(
        self,
        *,
        node: str,
        listen: str,
        peers: Mapping[str, str] | None = None,
        data: str | None = None,
        bootstrap: Bootstrap | None = None,
        insecure: bool = False,
    ) -> None:
        """Run one node of the cluster until cancelled. See `start`."""
        async with self.start(node=node, listen=listen, peers=peers, data=data, bootstrap=bootstrap, insecure=insecure):
            await asyncio.Event().wait()

    async def _open_store(self, system: System, data: str | None, bootstrap: Bootstrap | None) -> LogStore:
        if data is None:
            return MemoryLog(system.host)
        if bootstrap == "new":
            await format_store(system.host, data, cluster=self.name, node=system.node)
        return await SegmentedLog.open(system.host, data, cluster=self.name, node=system.node, on_failure=system.fail)

    def _spawn(self, node: Node) -> None:
        system, store = node.system, node.store
        for raft in self._rafts:
            if system.node in raft.nodes:
                config = raft.config(tuple(NodeId(voter) for voter in raft.nodes))
                machine = partial(_typed, raft.machine)
                system.spawn(partial(RaftActor, raft.name, config, machine, store), name=raft.name, exported=True)
        for synod in self._synods:
            if system.node in synod.nodes:
                members = SynodConfig(tuple(NodeId(member) for member in synod.nodes))
                system.spawn(partial(SynodActor, synod.name, members, store), name=synod.name, exported=True)
        for pool in self._pools:
            make = partial(pool.worker, node)
            system.spawn(partial(PoolActor, make, pool.per_node, exported=True), name=pool.name, exported=True)
        system.spawn(partial(DirectoryActor, *self._parts_on(system.node)), name=DIRECTORY, exported=True)

    def _parts_on(self, node: str) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        return (
            tuple(raft.name for raft in self._rafts if node in raft.nodes),
            tuple(synod.name for synod in self._synods if node in synod.nodes),
            tuple(pool.name for pool in self._pools),
        )


def _raft_mistakes(raft: _Raft) -> list[str]:
    """What a group's machine and configuration say when they are made for a try."""
    mistakes: list[str] = []
    try:
        commands_of(type(raft.machine()))
    except (MessageTypeError, TypeError) as error:
        mistakes.append(f"group {raft.name!r}: machine= makes no state machine: {error}")
    if raft.nodes and len(set(raft.nodes)) == len(raft.nodes):  # else it is said already
        try:
            raft.config(tuple(NodeId(voter) for voter in raft.nodes))
        except ValueError as error:
            mistakes.append(f"group {raft.name!r}: config= makes no configuration: {error}")
    return mistakes


def _typed(machine: Callable[[], StateMachine[Any]]) -> TypedMachine:
    return TypedMachine(machine())
