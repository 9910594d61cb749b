"""Wire names: defines the names that identify the Raft and Paxos messages in the encoding sent between nodes.

Other messages have their wire name where they are defined (`@message(name=…)`). The pure protocols do not depend on a
wire, so their names are in this table. A name never changes: nodes of two releases exchange messages.
"""

from __future__ import annotations

from typing import Final

from coterie.protocols.checkpoints import DigestReport, DigestRequest
from coterie.protocols.paxos.synod_messages import Accept, Accepted, Ballot, Nack, Prepare, Promise, Proposal
from coterie.protocols.raft.raft_messages import (
    AppendEntries,
    AppendEntriesReply,
    LogSuffix,
    NotAMember,
    PreVote,
    PreVoteReply,
    ReadIndex,
    ReadIndexReply,
    ReadLog,
    RequestVote,
    RequestVoteReply,
    TimeoutNow,
)
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.raft.snapshots.snapshot_messages import Chunk, InstallSnapshot, ReadChunk
from coterie.protocols.replicated_log import Entry, LogPosition
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.messages.message import message, register_message
from coterie.runtime.messages.speakers import Speaker

__all__ = [
    "NAMES",
    "FoundersDiffer",
    "RaftChunk",
    "RaftPeerMessage",
    "RegisterStore",
    "StoreAccused",
    "StoreRegistered",
    "SynodPeerMessage",
]

NAMES: Final[dict[str, type]] = {
    "log.Entry": Entry,
    "log.Position": LogPosition,
    "raft.SnapshotId": SnapshotId,  # what has it as a field follows
    "checkpoint.DigestReport": DigestReport,
    "checkpoint.DigestRequest": DigestRequest,
    "raft.AppendEntries": AppendEntries,
    "raft.AppendEntriesReply": AppendEntriesReply,
    "raft.Chunk": Chunk,
    "raft.InstallSnapshot": InstallSnapshot,
    "raft.LogSuffix": LogSuffix,
    "raft.NotAMember": NotAMember,
    "raft.PreVote": PreVote,
    "raft.PreVoteReply": PreVoteReply,
    "raft.ReadChunk": ReadChunk,
    "raft.ReadIndex": ReadIndex,
    "raft.ReadIndexReply": ReadIndexReply,
    "raft.ReadLog": ReadLog,
    "raft.RequestVote": RequestVote,
    "raft.RequestVoteReply": RequestVoteReply,
    "raft.TimeoutNow": TimeoutNow,
    "synod.Ballot": Ballot,
    "synod.Proposal": Proposal,
    "synod.Prepare": Prepare,
    "synod.Promise": Promise,
    "synod.Accept": Accept,
    "synod.Accepted": Accepted,
    "synod.Nack": Nack,
}

for _name, _cls in NAMES.items():
    register_message(_cls, name=_name, lane=Lane.CONSENSUS)


@message(name="raft.Letter", lane=Lane.CONSENSUS, speaker=Speaker.MEMBER)
class RaftPeerMessage:
    """One Raft message: `sender` is the node it comes from, `identity` says for which group and from which store.

    See `coterie.actors.groups.letters.letter_identity`.
    """

    sender: str
    identity: bytes
    body: (
        AppendEntries
        | AppendEntriesReply
        | RequestVote
        | RequestVoteReply
        | PreVote
        | PreVoteReply
        | ReadIndex
        | ReadIndexReply
        | ReadLog
        | LogSuffix
        | TimeoutNow
        | NotAMember
        | InstallSnapshot
        | ReadChunk
        | DigestRequest
        | DigestReport
    )


@message(name="raft.ChunkLetter", lane=Lane.BULK, speaker=Speaker.MEMBER)
class RaftChunk:
    """One chunk of a snapshot: as `RaftPeerMessage`, but it must not delay heartbeats."""

    sender: str
    identity: bytes
    body: Chunk


@message(name="synod.Letter", lane=Lane.CONSENSUS, speaker=Speaker.MEMBER)
class SynodPeerMessage:
    """One Synod message: `sender` is the node it comes from, `store` the id of the store of its promises."""

    sender: str
    store: str
    body: Prepare | Promise | Accept | Accepted | Nack


@message(name="voter.Register", lane=Lane.CONSENSUS, speaker=Speaker.MEMBER)
class RegisterStore:
    """Request: remember durably that the voter `sender` has the store `store`, and confirm it.

    `founders`: the members with whom the sender founds the group, as `Membership.encode` gives them.
    """

    sender: str
    store: str
    founders: bytes


@message(name="voter.Registered", lane=Lane.CONSENSUS, speaker=Speaker.MEMBER)
class StoreRegistered:
    """Reply: `sender` remembers durably that the receiver's store is `store`; any other one is refused."""

    sender: str
    store: str


@message(name="voter.FoundersDiffer", lane=Lane.CONSENSUS, speaker=Speaker.MEMBER)
class FoundersDiffer:
    """Reply: `sender` belongs to a group of this name with other `founders`, and confirms nothing."""

    sender: str
    founders: bytes


@message(name="voter.Accused", lane=Lane.CONSENSUS, speaker=Speaker.MEMBER)
class StoreAccused:
    """Warning: `sender` has heard the receiver's `store` in a later life, with this counter and nonce, than now.

    The receiver compares them with its own: a letter that was overtaken by one of a later life accuses no store.
    """

    sender: str
    store: str
    life_counter: int
    life_nonce: int
