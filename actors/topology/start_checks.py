"""Start checks: finds what is wrong with how a node is to start, before anything is opened, formatted or bound.

`listen_for` then lets it listen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from coterie.actors.membership.cluster_nodes import Members
from coterie.actors.network_addresses import parse_address
from coterie.actors.topology.membership_start import wildcard_mistake
from coterie.actors.topology.parts import DetectorPart, Part
from coterie.actors.topology.validation import mistake_in_node_name
from coterie.errors import TopologyError
from coterie.runtime.system import System, SystemConfig
from coterie.runtime.transport.handshake.shared_key import SharedKey

if TYPE_CHECKING:
    from coterie.actors.topology.topology import Topology

__all__ = ["WantedStart", "add_peers", "check_start", "listen_for", "warn_of_missing", "with_operators"]


@dataclass(frozen=True, slots=True)
class WantedStart:
    """The arguments of `Topology.start` that are checked together."""

    node: str
    listen: str
    peers: Mapping[str, str]
    data: str | None
    bootstrap: str | None
    auth: SharedKey | None
    join: tuple[str, ...]
    advertise: str | None
    forget_groups: tuple[str, ...] = ()
    insecure: bool = False

    @property
    def peer_at(self) -> dict[str, tuple[str, int]]:
        """The (host, port) of the peers, by name. ValueError names one that is no address."""
        return {peer: parse_address(address) for peer, address in self.peers.items()}


def check_start(
    topology: Topology, wanted: WantedStart, *, roles: Sequence[str] = (), labels: Mapping[str, str] | None = None
) -> None:
    """Check everything that can be checked before anything is opened, formatted or bound.

    Raises:
        TopologyError: with all mistakes.
        ValueError: an address is none.
    """
    topology.validate()
    parse_address(wanted.listen)
    _ = wanted.peer_at
    mistakes = [*_mistakes_in_nodes(topology, wanted)]
    if wanted.bootstrap is not None and wanted.data is None:
        mistakes.append(f'bootstrap="{wanted.bootstrap}" formats a data directory, but data= is not given')
    clients = () if wanted.auth is None else wanted.auth.clients
    mistakes += [f"client {one.name!r} has the name of a node" for one in clients if one.name in topology.nodes]
    mistakes += _shared_addresses(wanted.listen, wanted.peers)
    if topology.members is None:
        given = {"join": wanted.join, "roles": roles, "labels": labels, "advertise": wanted.advertise}
        mistakes += [f"{name}= is for topologies with Members(…) as nodes" for name, value in given.items() if value]
    else:
        mistakes += _mistakes_in_member(topology.members, wanted, roles)
    if mistakes:
        raise TopologyError(topology.name, tuple(mistakes))


def _mistakes_in_nodes(topology: Topology, wanted: WantedStart) -> Iterator[str]:
    node, nodes = wanted.node, topology.nodes
    if node not in nodes and topology.members is None:
        yield f"node {node!r} is not one of {', '.join(nodes)}"
    elif node not in nodes and (mistake := mistake_in_node_name(node)) is not None:
        yield mistake
    elif node not in nodes and not wanted.join:
        yield f"node {node!r} is not one of the founders {', '.join(nodes)}: give join=, where one of them listens"
    if topology.members is None:
        yield from (f"peer {peer!r} is not one of its nodes" for peer in wanted.peers if peer not in nodes)
    if node in wanted.peers:
        yield f"node {node!r} is named as its own peer"


def _mistakes_in_member(members: Members, wanted: WantedStart, roles: Sequence[str]) -> Iterator[str]:
    for seed in wanted.join:
        parse_address(seed)
        if seed == wanted.listen and len(set(wanted.join)) == 1:
            yield f"join={seed!r} is where this node itself listens"
    if (mistake := wildcard_mistake(wanted.listen, wanted.advertise)) is not None:
        yield mistake
    if isinstance(roles, str):
        yield f"roles={roles!r} is one text: give a list of names"
    if wanted.node not in members.founders and wanted.bootstrap == "new":
        yield f'node {wanted.node!r} is no founder: its data directory is formatted with bootstrap="join"'


async def listen_for(
    system: System, wanted: WantedStart, nodes: Sequence[str], parts: Sequence[Part]
) -> tuple[str, int]:
    """Listen; the connections of the peers are those of nodes from the first one on, they take no client's place."""
    has_udp = any(isinstance(part, DetectorPart) for part in parts)
    system.remoting.network().reserve_names(nodes)
    for peer, place in wanted.peer_at.items():
        system.add_peer(peer, *place, may_dial=False)
    return await system.listen(*parse_address(wanted.listen), insecure=wanted.insecure, datagrams=has_udp)


def add_peers(system: System, wanted: WantedStart, *, moves: bool) -> None:
    """Keep links to the peers. `moves`: they may not know this node's address, so that it dials in any case."""
    for peer, place in wanted.peer_at.items():
        system.remoting.network().add_peer(peer, *place, is_known_there=not moves)


def warn_of_missing(system: System, wanted: WantedStart, nodes: Sequence[str]) -> None:
    """Log that no address was given for some of the nodes."""
    missing = [each for each in nodes if each not in (wanted.node, *wanted.peers)]
    if missing:
        advice = " ".join(f"--peer {each}=HOST:PORT" for each in missing)
        system.log.warning("topology.peers_missing", peers=", ".join(missing), advice=f"give {advice} (peers=)")


def with_operators(config: SystemConfig, operators: tuple[str, ...]) -> SystemConfig:
    """Return the settings of a system with these operators, beside its own."""
    remote = replace(config.remote, operators=(*config.remote.operators, *operators))
    return replace(config, remote=remote)


def _shared_addresses(listen: str, peers: Mapping[str, str]) -> Iterator[str]:
    """Yield a mistake for each address that two nodes cannot both have."""
    node_by_address = {} if listen.endswith(":0") else {listen: "this node"}
    for peer, address in peers.items():
        other = node_by_address.setdefault(address, f"peer {peer!r}")
        if other != f"peer {peer!r}":
            yield f"peer {peer!r} has the address {address} of {other}"
