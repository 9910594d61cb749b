"""Raft messages: define those of the Raft paper (Figure 2) and of pre-vote, and the state that must be durable."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

from coterie.protocols.algorithm import NodeId
from coterie.protocols.fast_dataclass import fast_dataclass
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.snapshots.snapshot_messages import Chunk, InstallSnapshot, ReadChunk
from coterie.protocols.replicated_log import Entry, LogIndex, LogPosition, Term

__all__ = [
    "AppendEntries",
    "AppendEntriesReply",
    "HardState",
    "LogSuffix",
    "LogWrite",
    "NotAMember",
    "PreVote",
    "PreVoteReply",
    "RaftMessage",
    "ReadIndex",
    "ReadIndexReply",
    "ReadLog",
    "RequestVote",
    "RequestVoteReply",
    "Restored",
    "Round",
    "TimeoutNow",
]

NOT_FOUNDED = GroupFacts()

Round = NewType("Round", int)
"""A number of one leadership's messages: 1 for the first ones, and one more from each heartbeat on."""


@dataclass(frozen=True, slots=True)
class RequestVote:
    """Raft §5.2, §5.4.1: asks for a vote in `term`. Leaves only after term and own vote are durable.

    `is_transfer`: the leader itself asked for this election (dissertation §3.10): voters need not wait for it to fall
    silent (§4.2.3).
    """

    term: Term
    last_log_index: LogIndex
    last_log_term: Term
    is_transfer: bool = False


@dataclass(frozen=True, slots=True)
class RequestVoteReply:
    """Raft §5.2: a grant leaves only after the vote is durable. `term` is the voter's term."""

    term: Term
    granted: bool


@dataclass(frozen=True, slots=True)
class TimeoutNow:
    """Dissertation §3.10: the leader of `term` asks the receiver to become a candidate at once."""

    term: Term


@dataclass(frozen=True, slots=True)
class PreVote:
    """Ongaro's dissertation §9.6: asks whether a vote in `term` (the sender's + 1) would be granted.

    It changes no state anywhere.
    """

    term: Term
    last_log_index: LogIndex
    last_log_term: Term


@dataclass(frozen=True, slots=True)
class PreVoteReply:
    """Dissertation §9.6. `term` is the requested term when granted, the voter's own term when not.

    `last_log_index`, `last_log_term`: the end of the voter's log, if it refuses only since the candidate's is older; 0
    else.
    """

    term: Term
    granted: bool
    last_log_index: LogIndex = LogIndex(0)
    last_log_term: Term = Term(0)


@dataclass(frozen=True, slots=True)
class ReadLog:
    """Asks a voter for entries, whose log is newer than the sender's, which ends so; see `LogAdoption`.

    `hints`: where the logs may agree, as in `AppendEntriesReply`.
    """

    term: Term
    last_log_index: LogIndex
    last_log_term: Term
    hints: tuple[tuple[LogIndex, Term], ...]


@fast_dataclass
@dataclass(frozen=True, slots=True)
class LogSuffix:
    """Answers a `ReadLog` with those ends: entries of the sender's log after `prev_log_index`, not all perhaps.

    The sender's log is more up-to-date than one that ends so (Raft §5.4.1).
    """

    term: Term
    last_log_index: LogIndex
    last_log_term: Term
    prev_log_index: LogIndex
    prev_log_term: Term
    entries: tuple[Entry, ...]


@fast_dataclass
@dataclass(frozen=True, slots=True)
class AppendEntries:
    """Raft §5.3; empty `entries` are the heartbeat of §5.2. The sender is the leader of `term`.

    `round` is the leader's present one. Its answer shows that the follower still followed when the round had begun.
    """

    term: Term
    round: Round
    prev_log_index: LogIndex
    prev_log_term: Term
    leader_commit: LogIndex
    entries: tuple[Entry, ...]


@fast_dataclass
@dataclass(frozen=True, slots=True)
class AppendEntriesReply:
    """Raft §5.3. `round` and `prev_log_index` are those of the message that is answered.

    Success: the logs agree up to `prev_log_index`. `match_index` is the last entry that agrees *and is durable here*:
    an answer to entries leaves once they are durable, with the index of the last of them (never the end of the log); an
    empty message is answered at once, with min(`prev_log_index`, last durable index), so a disk that stalls delays no
    heartbeat's answer.

    Refusal: the follower has no entry at `prev_log_index`, or one of another term. `hints`: the places at which its log
    may agree, as (index, term), the last one first: the last entry of each run of equal terms, up to the refused place
    and term (etcd's raft sends the first of them), at most `HINTS_MAX`; (0, 0) is the place before the first entry.

    `is_short`: the follower's disk has no room for commands, so it should not lead: see `ShortOfSpace`.
    """

    term: Term
    round: Round
    success: bool
    prev_log_index: LogIndex
    match_index: LogIndex = LogIndex(0)
    hints: tuple[tuple[LogIndex, Term], ...] = ()
    is_short: bool = False


@dataclass(frozen=True, slots=True)
class ReadIndex:
    """Dissertation §6.4: asks the leader of `term` which entry reads must see. `number`: of the sender's question."""

    term: Term
    number: int


@dataclass(frozen=True, slots=True)
class ReadIndexReply:
    """Dissertation §6.4. `index`: everything that was acknowledged before the question came is in the entries up to it.

    None: the sender does not lead the term in which it was asked.
    """

    term: Term
    number: int
    index: LogIndex | None = None


@dataclass(frozen=True, slots=True)
class NotAMember:
    """Tells the receiver, which asked for a vote, that it was removed: the committed members lack its store.

    `index`: of the entry of these members. `membership`: they, encoded. `term`: of the sender.
    """

    term: Term
    index: LogIndex
    membership: bytes


RaftMessage = (
    RequestVote
    | RequestVoteReply
    | PreVote
    | PreVoteReply
    | AppendEntries
    | AppendEntriesReply
    | ReadIndex
    | ReadIndexReply
    | ReadLog
    | LogSuffix
    | TimeoutNow
    | NotAMember
    | InstallSnapshot
    | ReadChunk
    | Chunk
)

RareMessage = NotAMember | ReadIndex | ReadIndexReply | ReadLog | LogSuffix | InstallSnapshot | ReadChunk | Chunk
"""The messages that are part neither of an election nor of every command."""


@dataclass(frozen=True, slots=True)
class HardState:
    """The register of a group in a store: term and vote (Raft Figure 2, "persistent state") and the facts of the group.

    It is written as a whole, so that its parts survive a crash together. `voted_for` is the key of a member.
    """

    term: Term
    voted_for: NodeId | None
    facts: GroupFacts = NOT_FOUNDED


@fast_dataclass
@dataclass(frozen=True, slots=True)
class LogWrite:
    """One write, carried out in this order: hard state, truncation, append (these three are atomic), drop.

    `hard_state`: replaces the stored one (None: unchanged); a write that drops membership or schema entries or appends
    one has it, and appends at most one. `truncate_from`: drop this index and all after it (None: nothing). `entries`:
    append these; they continue the log without a gap. `drop_before`: this is the first index from now on (None:
    unchanged), even if the log ends before it: then it is empty, and goes on there. The hard state then has the base
    and the snapshot that covers what goes; a store that is stopped between the two drops the entries at its next start.
    """

    hard_state: HardState | None = None
    truncate_from: LogIndex | None = None
    entries: tuple[Entry, ...] = ()
    drop_before: LogIndex | None = None


@dataclass(frozen=True, slots=True)
class Restored:
    """The contents of the disk when this life began.

    `terms`: where each run of equal terms begins, as (first index, term), ascending; empty for an empty log.
    `last_index`: the last durable entry, that of the base for an empty log. `last_stamp_ms`: its stamp, that of the
    snapshot for an empty log.
    """

    hard_state: HardState = HardState(Term(0), None)
    terms: tuple[tuple[LogIndex, Term], ...] = ()
    last_index: LogIndex = LogIndex(0)
    last_stamp_ms: int = 0

    @property
    def base(self) -> LogPosition:
        """The position before the first entry."""
        return self.hard_state.facts.base
