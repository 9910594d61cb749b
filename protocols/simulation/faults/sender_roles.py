"""`sender_role`: tells from a message which role its sender has, for faults that hit roles."""

from __future__ import annotations

from coterie.protocols.faults.kinds.fault_kinds import TargetRole
from coterie.protocols.raft.raft_messages import AppendEntries, RaftMessage, RequestVote, RequestVoteReply

__all__ = ["sender_role"]


def sender_role(message: RaftMessage) -> TargetRole | None:
    """Return the role that a node shows by sending `message`, if any."""
    match message:
        case AppendEntries():
            return TargetRole.LEADER
        case RequestVote():
            return TargetRole.CANDIDATE
        case RequestVoteReply(_, True):
            return TargetRole.VOTER
        case _:
            return None
