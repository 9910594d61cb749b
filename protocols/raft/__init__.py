"""Raft (Ongaro and Ousterhout, 2014), pure: `Raft` is one node, `raft.py` the map of the rest."""

from coterie.protocols.raft.config import RaftConfig
from coterie.protocols.raft.effects import RaftEffect, RaftEvent
from coterie.protocols.raft.messages import (
    AppendEntries,
    AppendEntriesReply,
    HardState,
    LogWrite,
    PreVote,
    PreVoteReply,
    RaftMessage,
    RequestVote,
    RequestVoteReply,
    Restored,
)
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.standing import Role

__all__ = [
    "AppendEntries",
    "AppendEntriesReply",
    "HardState",
    "LogWrite",
    "PreVote",
    "PreVoteReply",
    "Raft",
    "RaftConfig",
    "RaftEffect",
    "RaftEvent",
    "RaftMessage",
    "RequestVote",
    "RequestVoteReply",
    "Restored",
    "Role",
]
