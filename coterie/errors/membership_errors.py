"""Membership errors: why a node is not in the view of its cluster."""

from __future__ import annotations

from coterie.errors.root_error import CoterieError

__all__ = ["NotInView", "RemovedFromView"]


class NotInView(CoterieError):
    """Node `node` is not in the view of its cluster as it was expected to be, or not in time; `why` says more."""

    def __init__(self, node: str, why: str) -> None:
        super().__init__(f"node {node!r} is not in the view as expected: {why}")
        self.node = node


class RemovedFromView(CoterieError):
    """The cluster has decided that this life of the node is out, so its system has ended: start the process again."""

    def __init__(self, node: str, why: str) -> None:
        super().__init__(f"node {node!r} has ended: {why}; start it again, so that it joins as a new member")
        self.node = node
