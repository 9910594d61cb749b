"""`NodeCapacity`: holds the smoothed capacity of one node, from its last report until that expires."""

from __future__ import annotations

import math

from coterie.protocols.balancing.load_report import NodeResources

__all__ = ["NodeCapacity", "says_something"]


class NodeCapacity:
    """What is known of one node.

    Attributes:
        targets: the keys of its targets.
        resources: as last reported; None before the first report, and after it has expired.
        reported_at, probed_at: when it last reported and was last probed, s.
        capacity: smoothed; None while `resources` is.
    """

    __slots__ = ("capacity", "probed_at", "reported_at", "resources", "smoothed_at", "targets")

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.resources: NodeResources | None = None
        self.reported_at = self.probed_at = self.smoothed_at = -math.inf
        self.capacity: float | None = None

    def report(self, resources: NodeResources, *, now: float) -> None:
        """Take a report."""
        self.resources = resources
        self.reported_at = now

    def expire(self, expiry_s: float, *, now: float) -> bool:
        """Forget a report that is too old; return whether there was one."""
        if self.resources is None or now - self.reported_at < expiry_s:
            return False
        self.resources = self.capacity = None
        return True

    def smooth(self, capacity: float, smoothing_s: float, *, now: float) -> None:
        """Move towards the capacity of the last report, exponentially, with a time constant; the first counts whole."""
        if self.capacity is None or smoothing_s == 0:
            self.capacity = capacity
        else:
            newest = 1.0 - math.exp(-(now - self.smoothed_at) / smoothing_s)
            self.capacity += newest * (capacity - self.capacity)
        self.smoothed_at = now

    def probe_due_at(self, interval_s: float) -> float:
        """Return when it must be probed, if it does not report before, s."""
        return max(self.reported_at, self.probed_at) + interval_s


def says_something(resources: NodeResources | None) -> bool:
    """Return whether a report has any resource that was measured: a node that has just started has none."""
    if resources is None:
        return False
    measured = (resources.loop_used_elsewhere, resources.cpu_granted, resources.cpu_used, resources.memory_used)
    return any(share is not None for share in measured)
