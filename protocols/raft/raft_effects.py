"""Raft events and effects: define all inputs and all outputs of a Raft node; `Outbox` collects those of one call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from coterie.protocols.algorithm import NodeId, Observe, Persist, Persisted, Received, Send, Token
from coterie.protocols.raft.membership.member_changes import MemberChange
from coterie.protocols.raft.membership.membership import StoreId
from coterie.protocols.raft.raft_messages import LogWrite, RaftMessage
from coterie.protocols.raft.snapshots.snapshot_messages import (
    ChunkLoaded,
    ChunkStored,
    LoadChunk,
    RestoreMachine,
    SnapshotStored,
    SnapshotTaken,
    StoreChunk,
)
from coterie.protocols.replicated_log import (
    Applied,
    Apply,
    Load,
    Loaded,
    LogIndex,
    Propose,
    Quarantine,
    Read,
    ReadReady,
    Reject,
)

__all__ = [
    "ChangeEnded",
    "ChangeMembers",
    "MayPromote",
    "Outbox",
    "OwnEffect",
    "RaftEffect",
    "RaftEvent",
    "RareEvent",
    "SchemaReached",
    "ShortOfSpace",
    "StoreKnown",
    "TransferEnded",
    "TransferLeadership",
]


@dataclass(frozen=True, slots=True)
class StoreKnown:
    """Event: `node` has the store `store`, since a message of Raft came from it, and it belongs to this incarnation.

    It counts as long as the log does not say which store the voter on `node` has. A store that is no member here counts
    for nothing, but answers to it go to `node`. Report it before the message.
    """

    node: NodeId
    store: StoreId


@dataclass(frozen=True, slots=True)
class SchemaReached:
    """Event: the state machine has come to the schema entry at `index`, so it is committed; this is made durable."""

    index: LogIndex


@dataclass(frozen=True, slots=True)
class ShortOfSpace:
    """Event: whether this node's disk has no room for commands; a life begins with room.

    Without room it refuses commands, hands leadership over to a voter with room (`Transfer`), and lets such voters
    stand first (`role.PATIENCE`); it still stores what leaders send, votes, and leads if no other voter can.
    """

    is_short: bool
    waiting_bytes_max: int | None = None
    """While it is short: the most that entries may take which wait for this disk, one entry at least; None: no matter.
    """


@dataclass(frozen=True, slots=True)
class TransferLeadership:
    """Event: hand leadership to the member on `target` (None: the one that is furthest). `ref` is as in `Propose`."""

    ref: int
    target: NodeId | None


@dataclass(frozen=True, slots=True)
class TransferEnded:
    """Effect: the transfer `ref` is over. `is_done`: this node leads no more; else `reason` says why it does."""

    ref: int
    is_done: bool
    reason: str


@dataclass(frozen=True, slots=True)
class ChangeMembers:
    """Event: change the members of the group (dissertation §4). `ref` is as in `Propose`.

    `may_promote` False: a learner becomes a voter only once `MayPromote` allows it.
    """

    ref: int
    change: MemberChange
    may_promote: bool = True


@dataclass(frozen=True, slots=True)
class MayPromote:
    """Event: whether the change that is under way may make its learner a voter.

    `because`: why not (for operators); None: it may.
    """

    because: str | None = None


@dataclass(frozen=True, slots=True)
class ChangeEnded:
    """Effect: the change `ref` is over. `is_done`: the group has the new members, and knows it.

    Else `reason` says why not: the change was refused and nothing has changed, or how far it came, or that this is
    unknown. A change can be repeated: what is done already is not done again. `is_passing`: it is worth repeating soon,
    at the leader then: this one leads no more, or has only just begun to. `has_changed`: this request has put a
    membership into the log.
    """

    ref: int
    is_done: bool
    reason: str
    is_passing: bool = False
    has_changed: bool = False


RareEvent = (
    StoreKnown
    | SchemaReached
    | ShortOfSpace
    | Quarantine
    | TransferLeadership
    | ChangeMembers
    | MayPromote
    | SnapshotTaken
    | SnapshotStored
    | ChunkLoaded
    | ChunkStored
)
"""The events that are not part of every command."""

RaftEvent = Received[RaftMessage] | Propose | Read | Persisted | Applied | Loaded | RareEvent
OwnEffect = Apply | Load | ReadReady | Reject | TransferEnded | ChangeEnded | LoadChunk | StoreChunk | RestoreMachine
"""The effects of Raft's own: a driver of any algorithm knows the others."""

RaftEffect = Persist[LogWrite] | Send[RaftMessage] | OwnEffect | Observe


class Outbox:
    """Collects the effects of one call in order; its writes are put in front when it is emptied.

    Args:
        node: this node.
        node_of: returns the node of a member's key, None if it is no member; None: no name is a key.
    """

    __slots__ = ("_effects", "_node", "_node_of")

    def __init__(self, node: NodeId, node_of: Callable[[NodeId], NodeId | None] | None = None) -> None:
        self._node = node
        self._node_of = node_of
        self._effects: list[RaftEffect] = []

    def add(self, effect: RaftEffect) -> None:
        """Append any effect but a `Persist`: those come from `Durability`."""
        self._effects.append(effect)

    def send(self, to: NodeId, message: RaftMessage, after: Token | None) -> None:
        """Append a `Send` that may leave once the write `after` is durable."""
        self._effects.append(Send(to, message, after))

    def observe(self, event: str, **facts: object) -> None:
        """Append an `Observe` of `event`; this node is added to its facts, and keys of members become nodes."""
        named = {name: self._named(fact) if type(fact) is str else fact for name, fact in facts.items()}
        self._effects.append(Observe(event, {"node": self._node, **named}))

    def _named(self, fact: str) -> str:
        return (None if self._node_of is None else self._node_of(NodeId(fact))) or fact

    def empty(self, writes: Sequence[RaftEffect]) -> list[RaftEffect]:
        """Return `writes` and then everything that was collected, and clear the collection."""
        effects = [*writes, *self._effects] if writes else self._effects
        self._effects = []
        return effects
