"""`PlacementConfig`: sets how many replicas a shard has, how even nodes are filled, and how much moves at once."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PlacementConfig"]


@dataclass(frozen=True, slots=True)
class PlacementConfig:
    """The settings of `plan`; the same on all nodes.

    Attributes:
        name: of the keyspace. Two with different names prefer different nodes for shards of the same number.
        replicas: of each shard, 1 or more. Default 3.
        imbalance: how far the load of a node may be from its share before a replica is moved for balance only: load
            within share × (1 ± imbalance), and always within one replica of the share. 0 … 1. Default 0.1. Too low:
            replicas move whenever a node comes or goes; too high: a new node gets little.
        moves_max: the most replicas that are copied at once: steps of one plan, and those still under way. Default 16.
            Removals and founding steps do not count. Too low: a lost node is recovered slowly; too high: clients feel
            the copying.
        moves_per_node_max: the most of these that one node, unless it is lost, gives or takes. Default 2.

    Raises:
        ValueError: a setting is out of its range; the error names it.
    """

    name: str = ""
    replicas: int = 3
    imbalance: float = 0.1
    moves_max: int = 16
    moves_per_node_max: int = 2

    def __post_init__(self) -> None:
        for name in ("replicas", "moves_max", "moves_per_node_max"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be 1 or more")
        if not 0 <= self.imbalance <= 1:
            raise ValueError(f"imbalance={self.imbalance} must be 0 to 1")
