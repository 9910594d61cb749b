"""`ShardWishes`: scores nodes for each shard by weighted rendezvous hashing: where its replicas would be by choice.

Highest random weight (Thaler and Ravishankar, 1998), weighted: each node scores each shard, independently of all other
nodes, so that the shards of one node prefer all the others evenly, and a lost node is recovered by all of them; straw2
of CRUSH (SC 2006) draws in the same way. What differs on purpose: there the scores are the placement, so that every
change of nodes or weights moves data at once. Here they are a wish, which decides among nodes that are about equally
full and only for replicas that move anyway; replicas that are allowed to be where they are stay.

Scores of different weights contain a logarithm, whose last bit may differ between machines. One node makes a plan, and
the others are given the plan, not the scores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from coterie.protocols.algorithm import NodeId
from coterie.protocols.placement.places import Place
from coterie.protocols.placement.shard_table import ShardId
from coterie.protocols.rendezvous_score import rendezvous_score
from coterie.protocols.stable_hash import mix, stable_hash

__all__ = ["ShardWishes"]


class ShardWishes:
    """The scores of nodes for the shards of one keyspace.

    Args:
        name: of the keyspace.
        places: the nodes.
    """

    def __init__(self, name: str, places: Sequence[Place]) -> None:
        self._name = name
        self._hash_by_shard: dict[ShardId, int] = {}
        self._hash_and_weight = {place.node: (stable_hash(place.node), place.weight) for place in places}
        self._last: tuple[ShardId, dict[NodeId, float]] | None = None
        self._has_equal_weights = all(place.weight == places[0].weight for place in places)

    def score(self, shard: ShardId, node: NodeId) -> float:
        """Return the score of a node for a shard: the higher, the better. KeyError if the node has no place."""
        node_hash, weight = self._hash_and_weight[node]
        mixed = mix(self._hash_of(shard) ^ node_hash)
        return mixed if self._has_equal_weights else rendezvous_score(mixed, weight)

    def scores(self, shard: ShardId) -> Mapping[NodeId, float]:
        """Return the score of each node for a shard. Those of the last shard are remembered."""
        if self._last is None or self._last[0] != shard:
            self._last = (shard, {node: self.score(shard, node) for node in self._hash_and_weight})
        return self._last[1]

    def order(self, shard: ShardId) -> list[NodeId]:
        """Return all nodes, the best one first. O(n log n)."""
        scores = self.scores(shard)
        return sorted(scores, key=lambda node: (-scores[node], node))

    def _hash_of(self, shard: ShardId) -> int:
        known = self._hash_by_shard.get(shard)
        if known is None:
            known = self._hash_by_shard[shard] = stable_hash(f"{self._name}/{shard}")
        return known
