"""Raft's messages in short, for directed schedules: plain numbers in, the real things out."""

from __future__ import annotations

from collections.abc import Iterable

from coterie.protocols.algorithm import NodeId, Received, Send
from coterie.protocols.raft.raft_effects import RaftEffect
from coterie.protocols.raft.raft_messages import AppendEntries, AppendEntriesReply, PreVote, RaftMessage, RequestVote
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, Term

__all__ = ["append", "entry", "messages", "pre_vote", "received", "refusal", "request_vote", "sends", "success"]


def entry(index: int, term: int, command: bytes = b"x") -> Entry:
    """Return a command's entry."""
    return Entry(LogIndex(index), Term(term), EntryKind.COMMAND, command)


def append(term: int, prev: int, prev_term: int, *entries: Entry, commit: int = 0) -> AppendEntries:
    """Return the AppendEntries of the leader of `term`."""
    return AppendEntries(Term(term), LogIndex(prev), Term(prev_term), LogIndex(commit), entries)


def success(term: int, match_index: int) -> AppendEntriesReply:
    """Return the answer of a follower that has everything up to `match_index`."""
    return AppendEntriesReply(Term(term), True, LogIndex(match_index), LogIndex(0), Term(0))


def refusal(term: int, refused: int, conflict_index: int, conflict_term: int = 0) -> AppendEntriesReply:
    """Return the answer of a follower whose entry `refused` is missing or of `conflict_term`."""
    return AppendEntriesReply(Term(term), False, LogIndex(refused), LogIndex(conflict_index), Term(conflict_term))


def request_vote(term: int, last: int = 0, last_term: int = 0) -> RequestVote:
    """Return the RequestVote of a candidate whose log ends with entry `last` of `last_term`."""
    return RequestVote(Term(term), LogIndex(last), Term(last_term))


def pre_vote(term: int, last: int = 0, last_term: int = 0) -> PreVote:
    """Return the same question asked in advance."""
    return PreVote(Term(term), LogIndex(last), Term(last_term))


def received(sender: str, message: RaftMessage) -> Received[RaftMessage]:
    """Return the event that `message` came from `sender`."""
    return Received(NodeId(sender), message)


def sends(effects: Iterable[RaftEffect]) -> list[Send[RaftMessage]]:
    """Return the `Send`s among `effects`, in order."""
    return [effect for effect in effects if isinstance(effect, Send)]


def messages(effects: Iterable[RaftEffect]) -> list[RaftMessage]:
    """Return what is sent among `effects`, in order."""
    return [send.message for send in sends(effects)]
