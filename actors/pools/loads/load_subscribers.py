"""`LoadSubscribers`: remembers, for a stated time, which nodes get a pool's load reports with their replies."""

from __future__ import annotations

from typing import Final

__all__ = ["LEASE_S", "NODES_MAX", "LoadSubscribers"]

LEASE_S: Final = 30.0
"""How long a node gets reports after it has subscribed, s. It subscribes again in time, or has lost interest."""

NODES_MAX: Final = 1000
"""The most subscribed nodes; the one whose lease ends first gives way to another one."""


class LoadSubscribers:
    """The nodes that subscribed, each until its lease ends. `now` is monotonic, in seconds."""

    def __init__(self) -> None:
        self._lease_end_by_node: dict[str, float] = {}  # the lease that ends first is the first

    def subscribe(self, node: str, *, now: float) -> None:
        """Begin or renew the lease of a node."""
        self._lease_end_by_node.pop(node, None)
        if len(self._lease_end_by_node) >= NODES_MAX:
            del self._lease_end_by_node[next(iter(self._lease_end_by_node))]
        self._lease_end_by_node[node] = now + LEASE_S

    def has(self, node: str, *, now: float) -> bool:
        """Return whether a node gets reports now."""
        ends_at = self._lease_end_by_node.get(node)
        if ends_at is None:
            return False
        if now < ends_at:
            return True
        del self._lease_end_by_node[node]
        return False

    def has_any(self, *, now: float) -> bool:
        """Return whether any node gets reports now."""
        return any(now < ends_at for ends_at in self._lease_end_by_node.values())

    def __len__(self) -> int:
        return len(self._lease_end_by_node)
