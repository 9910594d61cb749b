"""`HearingRaft`: tells a simulated Raft node the store of every sender, as its actor does.

Stores are named like their nodes.
"""

from __future__ import annotations

from collections.abc import Sequence

from coterie.protocols.algorithm import Received
from coterie.protocols.raft.membership.membership import StoreId
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.raft_effects import RaftEffect, RaftEvent, StoreKnown

__all__ = ["HearingRaft"]


class HearingRaft(Raft):
    """A `Raft` that is told of the store of a sender before each message."""

    def handle(self, events: Sequence[RaftEvent], *, now: float) -> list[RaftEffect]:
        """Handle `events`, each message after the news of its sender."""
        told: list[RaftEvent] = []
        for event in events:
            if isinstance(event, Received):
                told.append(StoreKnown(event.sender, StoreId(event.sender)))
            told.append(event)
        return super().handle(told, now=now)
