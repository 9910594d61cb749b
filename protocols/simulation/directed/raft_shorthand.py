"""Raft shorthand: builds Raft messages, log entries and disks from plain numbers, for tests that run step by step."""

from __future__ import annotations

from collections.abc import Iterable

from coterie.protocols.algorithm import NodeId, Received, Send
from coterie.protocols.checking.raft_disk import RaftDisk
from coterie.protocols.raft.raft_effects import RaftEffect
from coterie.protocols.raft.raft_messages import (
    AppendEntries,
    AppendEntriesReply,
    HardState,
    LogWrite,
    PreVote,
    RaftMessage,
    RequestVote,
    Round,
)
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex, Term

__all__ = [
    "append",
    "disk_of",
    "entry",
    "messages",
    "pre_vote",
    "received",
    "refusal",
    "request_vote",
    "sends",
    "success",
]


def entry(index: int, term: int, command: bytes = b"x", *, stamp_ms: int = 0) -> Entry:
    """Return a command's entry."""
    return Entry(LogIndex(index), Term(term), EntryKind.COMMAND, command, stamp_ms)


def disk_of(*terms: int, term: int | None = None, voted_for: str | None = None) -> RaftDisk:
    """Return the disk of a log whose entries have `terms`; the hard state's `term` is the last of them if None.

    The command of entry 3 of term 2 is b"2.3".
    """
    disk = RaftDisk()
    hard_state = HardState(
        Term(max(terms, default=0) if term is None else term), NodeId(voted_for) if voted_for else None
    )
    entries = tuple(entry(index, of_term, b"%d.%d" % (of_term, index)) for index, of_term in enumerate(terms, 1))
    disk.write(LogWrite(hard_state, None, entries))
    return disk


def append(term: int, prev: int, prev_term: int, *entries: Entry, commit: int = 0, round_: int = 1) -> AppendEntries:
    """Return the AppendEntries of the leader of `term`, in its round `round_`."""
    return AppendEntries(Term(term), Round(round_), LogIndex(prev), Term(prev_term), LogIndex(commit), entries)


def success(term: int, match_index: int, *, prev: int | None = None, round_: int = 1) -> AppendEntriesReply:
    """Return the answer of a follower whose log agrees up to `prev` (None: `match_index`), durably to `match_index`."""
    agreed = match_index if prev is None else prev
    return AppendEntriesReply(Term(term), Round(round_), True, LogIndex(agreed), LogIndex(match_index))


def refusal(term: int, refused: int, *hints: tuple[int, int], round_: int = 1) -> AppendEntriesReply:
    """Return the answer of a follower whose entry `refused` is missing or of another term."""
    places = tuple((LogIndex(index), Term(of_term)) for index, of_term in hints)
    return AppendEntriesReply(Term(term), Round(round_), False, LogIndex(refused), hints=places)


def request_vote(term: int, last: int = 0, last_term: int = 0) -> RequestVote:
    """Return the RequestVote of a candidate whose log ends with entry `last` of `last_term`."""
    return RequestVote(Term(term), LogIndex(last), Term(last_term))


def pre_vote(term: int, last: int = 0, last_term: int = 0) -> PreVote:
    """Return the PreVote of such a candidate."""
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
