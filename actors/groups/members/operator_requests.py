"""`OperatorRequests`: hands what operators ask of a replica to the protocol, and answers them once it has ended."""

from __future__ import annotations

from collections.abc import Callable

from coterie.actors.groups.group_messages import HandOver, HandOverAnswer
from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.raft_effects import TransferEnded, TransferLeadership
from coterie.runtime.actor import Later

__all__ = ["OperatorRequests"]


class OperatorRequests:
    """The requests of one life of a replica.

    Args:
        raft: its node.
        next_ref: draws a reference.
        feed: hands an event to the protocol, within a visit.
    """

    def __init__(self, raft: Raft, next_ref: Callable[[], int], feed: Callable[[TransferLeadership], None]) -> None:
        self._raft = raft
        self._next_ref = next_ref
        self._feed = feed
        self._transfers: dict[int, Later[HandOverAnswer]] = {}

    def hand_over(self, msg: HandOver, later: Later[HandOverAnswer], *, takes_part: bool) -> None:
        """Begin to hand over the leadership; `takes_part`: whether this replica votes and counts."""
        if takes_part:
            ref = self._next_ref()
            self._transfers[ref] = later
            self._feed(TransferLeadership(ref, None if msg.target is None else NodeId(msg.target)))
        else:
            later.reply(HandOverAnswer(False, "it takes no part in its group", None))

    def transfer_ended(self, effect: TransferEnded) -> None:
        """Answer who asked."""
        self._transfers.pop(effect.ref).reply(HandOverAnswer(effect.is_done, effect.reason, self._raft.leader))

    def close(self) -> None:
        """Answer all: this replica ends, so it leads no more."""
        for later in self._transfers.values():
            later.reply(HandOverAnswer(True, "", None))
