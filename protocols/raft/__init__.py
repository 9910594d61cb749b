"""Raft (Ongaro and Ousterhout, 2014): implements one node of a group as an algorithm without I/O.

* `raft.py`: `Raft`, one node: takes events, returns effects; the map of the other modules.
* `raft_messages.py`: the messages of Figure 2, and the writes that must be durable.
* `raft_effects.py`: all inputs and outputs of a node; `Outbox` collects the outputs of one call.
* `raft_config.py`: `RaftConfig`, the settings of a group.
* `role.py`: `RoleState`, holds role, term and leader of the node, and changes its role (Figure 4).
* `elections.py`: starts elections, grants votes and counts received ones (§5.2, §5.4.1; dissertation §9.6).
* `follower.py`: `Follower`, handles AppendEntries (§5.3).
* `leadership.py`: `Leadership`, leads one term: replicates and commits, checks that a quorum answers (§5.3, §5.4.2).
* `replication/`: what a leader knows about its followers (`Progress`: nextIndex, matchIndex) and its commit index.
* `reads/`: answers reads without entries: which index they must see, once a quorum has answered (dissertation §6.4).
* `transfer.py`: `Transfer`, hands leadership to another member (dissertation §3.10).
* `raft_log.py`: `RaftLog`, keeps in memory the term of every entry, and the newest entries in full.
* `entry_loading.py`: `EntryLoading`, requests entries that are no longer in memory from the disk.
* `durability.py`: `Durability`, collects the writes, and decides which write each message must wait for.
* `pending_proposals.py`: `PendingProposals`, keeps the proposals that this leader has not answered yet.
* `applier.py`: `Applier`, hands committed entries to the state machine.
* `raft_observations.py`: names the events that a node reports to operators.
* `log/`: the terms of the log, the log time, and entries that a node takes from a voter before it is elected.
* `snapshots/`: shortens the log behind a snapshot, and sends a snapshot to a follower that lags behind it (§7).
* `membership/`: the members of the group as its log has them, their changes, and which stores count in its quorums.

Figure 2 of the paper, and where it is here:

| Figure 2 | here |
| --- | --- |
| currentTerm, votedFor | `HardState.term`, `HardState.voted_for`, kept by `Durability.hard_state` |
| log[] | `RaftLog`; on disk, what `LogWrite`s leave after the base |
| commitIndex, lastApplied | `RaftLog.commit_index`, `Applier.applied_index` |
| nextIndex[], matchIndex[] | `Progress.next_index`, `Progress.match_index` |
| AppendEntries: term, prevLogIndex, prevLogTerm, entries[], leaderCommit | `AppendEntries`; leaderId is the sender |
| AppendEntries: results | `AppendEntriesReply`; what follows `success` is the fast back-up of §5.3 |
| AppendEntries: receiver, rules 1 to 5 | `Follower.handle_append_entries` |
| RequestVote: term, lastLogIndex, lastLogTerm | `RequestVote`; candidateId is the sender |
| RequestVote: results | `RequestVoteReply` |
| RequestVote: receiver, rules 1 and 2 | `Elections.handle_request_vote` |
| All servers: apply up to commitIndex | `Applier.advance` |
| All servers: a newer term converts to follower | `RoleState.adopt_term` |
| Followers: election timeout | `Raft.tick`, `Elections.start_pre_vote` |
| Candidates: start election | `RoleState.become_candidate` |
| Candidates: votes from a majority | `Elections.count_vote`, `RoleState.become_leader` |
| Leaders: heartbeats | `Leadership.heartbeat` |
| Leaders: append a command, respond after it is applied | `Leadership.append`, `PendingProposals` |
| Leaders: send entries from nextIndex on | `Leadership.replicate` |
| Leaders: success or failure of AppendEntries | `Leadership.handle_append_entries_reply` |
| Leaders: advance commitIndex (§5.3, §5.4) | `Leadership.advance_commit`, `Leadership.may_commit` |

Beyond Figure 2: pre-vote (dissertation §9.6), check-quorum (§6.2) by rounds (`AppendEntries.round`: an answer shows
that its sender still followed when that round began), no votes while a leader is active (§6), read-only requests
(dissertation §6.4), the transfer of leadership (dissertation §3.10), and entries taken from voters where the links let
only a node with an older log reach a quorum (`log/log_adoption.py`). Members are entries of the log (dissertation
§4.1), and are known by their stores; they change by joint consensus (dissertation §4.3, `membership/`), after a learner
has caught up (§4.2.1). InstallSnapshot only offers a snapshot: the follower asks for its chunks itself (`snapshots/`).
"""

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
from coterie.protocols.raft.role import RaftRole

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
    "RaftRole",
    "RequestVote",
    "RequestVoteReply",
    "Restored",
]
