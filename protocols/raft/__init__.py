"""Raft (Ongaro and Ousterhout, 2014), pure: `Raft` is one node, `raft.py` the map of the rest."""

from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_effects import RaftEffect, RaftEvent
from coterie.protocols.raft.raft_messages import (
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
from coterie.protocols.raft.role import Role

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
