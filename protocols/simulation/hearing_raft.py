"""`HearingRaft`: tells a simulated Raft node the store of every sender, as its actor does.

Stores are named like their nodes; but a store that is to replace another one on node n2 is called n2/2 (or n2/3, …).
"""

from __future__ import annotations

from collections.abc import Sequence

from coterie.protocols.algorithm import NodeId, Received
from coterie.protocols.raft.membership.membership import StoreId
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.raft_effects import RaftEffect, RaftEvent, StoreKnown

__all__ = ["HearingRaft", "node_of_store"]


def node_of_store(store: str) -> NodeId:
    """Return the node of a simulated store."""
    return NodeId(store.partition("/")[0])


class HearingRaft(Raft):
    """A `Raft` that is told of the store of a sender before each message."""

    def handle(self, events: Sequence[RaftEvent], *, now: float) -> list[RaftEffect]:
        """Handle `events`, each message after the news of its sender."""
        told: list[RaftEvent] = []
        for event in events:
            if isinstance(event, Received):
                told.append(StoreKnown(node_of_store(event.sender), StoreId(event.sender)))
            told.append(event)
        return super().handle(told, now=now)
