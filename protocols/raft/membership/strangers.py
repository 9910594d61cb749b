"""Strangers: which messages are taken from stores that are no members, as far as this node knows.

A node does not ask its own list of members whether it may hear a leader or vote for a candidate (dissertation §4.1: it
would not otherwise get the entries that tell it of new members, and a vote of a node that lags behind may be needed).
That is safe: what counts is decided by the lists of the leader and of the candidate. The driver sees to it that only
stores of this group's incarnation are heard at all.

Removed members are no danger to it: they get no votes from nodes that hear a leader (§4.2.3) or have newer entries, and
before they have a quorum for it they raise no term (§9.6).

Answers count, so they are taken from members only, and from those to which a leader still sends because they were
members (`Farewells`), as is a request for a chunk of a snapshot. A question about reads, which costs a round, is taken
from members only. A chunk is only taken from the leader that offered it. A node believes that it was removed only if a
member of the later membership says so (`removal_notices`).
"""

from __future__ import annotations

from typing import Final

from coterie.protocols.raft.raft_messages import (
    AppendEntries,
    NotAMember,
    PreVote,
    RaftMessage,
    ReadIndexReply,
    RequestVote,
    TimeoutNow,
)
from coterie.protocols.raft.snapshots.snapshot_messages import Chunk, InstallSnapshot

__all__ = ["is_heard_from_anybody"]

_OF_LEADERS: Final = (AppendEntries, InstallSnapshot, Chunk, TimeoutNow, ReadIndexReply)
_OF_ANYBODY: Final = (*_OF_LEADERS, PreVote, RequestVote, NotAMember)


def is_heard_from_anybody(message: RaftMessage, *, is_seat_open: bool) -> bool:
    """Return whether `message` is taken although its sender is no member here.

    `is_seat_open`: the log does not say which store the member on the sender's node has. Then only the first store that
    was heard may ask for votes: another one may have forgotten which votes it has given.
    """
    return isinstance(message, _OF_ANYBODY) and not (is_seat_open and isinstance(message, PreVote | RequestVote))
