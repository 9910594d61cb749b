"""`PartialPartition`: names the links that a partial partition breaks, seen from the leader; `PARTITIONS` lists them.

The first three are those of OmniPaxos (Ng, Kroll and Haridi, EuroSys 2023, §2), drawn for five nodes; L leads when the
links break, and H is the hub, the only node that still reaches a quorum:

    quorum-loss       L ─ H ─ c, d, e           each node reaches only the hub, and the hub hears the leader
    constrained       L   H ─ c, d, e           the leader reaches nobody, and the hub's log is older than c's, d's, e's
    chained           L ─ b ─ c ─ d ─ e         each node reaches only its neighbours

With three nodes the first and the third are the same; and the second leaves two nodes that both reach a quorum. With
five it is the one that Raft does not survive by itself: see `coterie.protocols.raft.log.log_adoption`.

The others break links in one direction only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from coterie.protocols.algorithm import NodeId
from coterie.protocols.simulation.protocol_network import NodePair

__all__ = ["PARTITIONS", "SIZES", "PartialPartition"]

SIZES = (3, 5)
"""The sizes of groups that are measured."""

Links = Callable[[Sequence[NodeId]], list[NodePair]]
"""Returns links, each in one direction. Its argument: all nodes, the leader first and the hub (if any) second."""


def _none(_nodes: Sequence[NodeId]) -> list[NodePair]:
    return []


@dataclass(frozen=True, slots=True)
class PartialPartition:
    """One partial partition.

    Attributes:
        name: its name on the command line.
        meaning: what it breaks, in a few words.
        broken: the links that break, of the nodes in this order: the leader, the hub, the others.
        broken_before: the links that break earlier, while the leader goes on with the others.
        limit_by_size: within how many longest election time-outs a group of so many nodes must commit again; a size
            that is missing does not recover as long as the partition lasts.
        keeps_leader: whether the leader must lead on, and nobody else may lead.
    """

    name: str
    meaning: str
    broken: Links
    limit_by_size: Mapping[int, float]
    broken_before: Links = _none
    keeps_leader: bool = False


def _star(nodes: Sequence[NodeId]) -> list[NodePair]:
    hub = nodes[1]
    return [(one, other) for one in nodes for other in nodes if one != other and hub not in (one, other)]


def _without_leader(nodes: Sequence[NodeId]) -> list[NodePair]:
    return _star(nodes) + _both_ways(nodes[0], nodes[1])


def _chain(nodes: Sequence[NodeId]) -> list[NodePair]:
    size = len(nodes)
    return [(nodes[one], nodes[other]) for one in range(size) for other in range(size) if abs(one - other) > 1]


def _leader_and_hub(nodes: Sequence[NodeId]) -> list[NodePair]:
    return _both_ways(nodes[0], nodes[1])


def _from_leader(nodes: Sequence[NodeId]) -> list[NodePair]:
    return [(nodes[0], other) for other in nodes[1:]]


def _to_leader(nodes: Sequence[NodeId]) -> list[NodePair]:
    return [(other, nodes[0]) for other in nodes[1:]]


def _to_last(nodes: Sequence[NodeId]) -> list[NodePair]:
    return [(other, nodes[-1]) for other in nodes[:-1]]


def _both_ways(one: NodeId, other: NodeId) -> list[NodePair]:
    return [(one, other), (other, one)]


_ALL = (
    PartialPartition("quorum-loss", "each node reaches only the hub", _star, {3: 1.0, 5: 4.0}),
    PartialPartition(
        "constrained-election",
        "the leader reaches nobody; the others only the hub, whose log is older than theirs",
        _without_leader,
        {3: 4.0, 5: 4.0},
        broken_before=_leader_and_hub,
    ),
    PartialPartition("chained", "each node reaches only its neighbours", _chain, {3: 1.0, 5: 4.0}),
    PartialPartition("leader-unheard", "no message of the leader arrives", _from_leader, {3: 4.0, 5: 4.0}),
    PartialPartition("leader-deaf", "no message to the leader arrives", _to_leader, {3: 4.0, 5: 4.0}),
    PartialPartition(
        "follower-deaf", "no message to one follower arrives", _to_last, {3: 1.0, 5: 1.0}, keeps_leader=True
    ),
)

PARTITIONS: Mapping[str, PartialPartition] = MappingProxyType({partition.name: partition for partition in _ALL})
"""All partial partitions, by name."""
