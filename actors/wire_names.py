"""The only table of wire names: under which name each message of the protocols crosses between nodes.

Messages that are written for the wire (`@message(name=…)`) say theirs where they stand; the pure protocols do not know
that there is a wire, so theirs stand here. A name is for ever: nodes of two releases talk to each other.
"""

from __future__ import annotations

from typing import Final

from coterie.protocols.paxos.synod_messages import Accept, Accepted, Ballot, Nack, Prepare, Promise, Proposal
from coterie.protocols.raft.raft_messages import (
    AppendEntries,
    AppendEntriesReply,
    PreVote,
    PreVoteReply,
    RequestVote,
    RequestVoteReply,
)
from coterie.protocols.replicated_log import Entry
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import message, register

__all__ = ["NAMES", "RaftLetter", "Register", "Registered", "SynodLetter"]

NAMES: Final[dict[str, type]] = {
    "log.Entry": Entry,
    "raft.AppendEntries": AppendEntries,
    "raft.AppendEntriesReply": AppendEntriesReply,
    "raft.PreVote": PreVote,
    "raft.PreVoteReply": PreVoteReply,
    "raft.RequestVote": RequestVote,
    "raft.RequestVoteReply": RequestVoteReply,
    "synod.Ballot": Ballot,
    "synod.Proposal": Proposal,
    "synod.Prepare": Prepare,
    "synod.Promise": Promise,
    "synod.Accept": Accept,
    "synod.Accepted": Accepted,
    "synod.Nack": Nack,
}

for _name, _cls in NAMES.items():
    register(_cls, name=_name, lane=Lane.CONSENSUS)


@message(name="raft.Letter", lane=Lane.CONSENSUS)
class RaftLetter:
    """One message of a Raft peer: `sender` is its node, `store` the id of the store its votes and entries are in."""

    sender: str
    store: str
    body: AppendEntries | AppendEntriesReply | RequestVote | RequestVoteReply | PreVote | PreVoteReply


@message(name="synod.Letter", lane=Lane.CONSENSUS)
class SynodLetter:
    """One message of a Synod peer: `sender` is its node, `store` the id of the store its promises are in."""

    sender: str
    store: str
    body: Prepare | Promise | Accept | Accepted | Nack


@message(name="voter.Register", lane=Lane.CONSENSUS)
class Register:
    """The voter `sender` has the store `store`: remember that durably, and say so."""

    sender: str
    store: str


@message(name="voter.Registered", lane=Lane.CONSENSUS)
class Registered:
    """`sender` remembers durably, and for ever, that the receiver's store is `store`: another one is refused."""

    sender: str
    store: str
