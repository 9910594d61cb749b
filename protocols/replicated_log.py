"""Replicated log: defines the entries, events and effects that all algorithms for a replicated log share.

Raft uses them today and Multi-Paxos will, so that one argument selects the algorithm. Each of them is an
`Algorithm` whose events include `Propose`, `Applied` and `Loaded`, and whose effects include `Apply`, `Load` and
`Reject`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, NamedTuple, NewType

from coterie.protocols.algorithm import NodeId
from coterie.protocols.fast_dataclass import fast_dataclass

__all__ = [
    "ENTRY_OVERHEAD_BYTES",
    "INCARNATION_BYTES",
    "Applied",
    "Apply",
    "Entry",
    "EntryKind",
    "Load",
    "Loaded",
    "LogIndex",
    "LogPosition",
    "Propose",
    "Quarantine",
    "Read",
    "ReadReady",
    "Refusal",
    "Reject",
    "Term",
]

Term = NewType("Term", int)
"""A term (Raft §5.1), which has at most one leader: 0 before the first election, then 1, 2, …"""

LogIndex = NewType("LogIndex", int)
"""A position in the replicated log: the first entry has 1; 0 means "before the first"."""


class LogPosition(NamedTuple):
    """The position of an entry, with its term; (0, 0) is "before the first"."""

    index: LogIndex  # type: ignore[assignment]  # hides tuple.index, which a position does not need
    term: Term = Term(0)


INCARNATION_BYTES: Final = 16
"""The length of a group's incarnation, which tells it from a group of the same name at another time."""

ENTRY_OVERHEAD_BYTES: Final = 64
"""Upper bound of what an entry takes in addition to its command, in a message and in a write to the disk."""


class EntryKind(enum.IntEnum):
    """The purpose of an entry. Numbers are durable: never reuse one."""

    COMMAND = 0  # opaque bytes for the state machine
    NOOP = 1  # a new leader's first entry of its term (Raft §8)
    MEMBERSHIP = 2  # the members of the group from here on (dissertation §4.1)
    SCHEMA = 3  # the schema of the state machine from here on
    CHECKPOINT = 4  # a digest of the state machine that a quorum agreed on
    INCARNATION = 5  # the group was recovered: it begins another incarnation (its 16 bytes), and all sessions end


class Entry(NamedTuple):
    """One entry of the replicated log: `command` is opaque bytes (empty for a no-op).

    `stamp_ms` is the log time (ms) at which its leader appended it: see `coterie.protocols.raft.log.log_clock`. It
    never falls along the log.

    A NamedTuple, because a busy node makes tens of thousands a second: that takes less than half the time of a frozen
    dataclass.
    """

    index: LogIndex  # type: ignore[assignment]  # hides tuple.index, which an entry does not need
    term: Term
    kind: EntryKind
    command: bytes
    stamp_ms: int = 0


@fast_dataclass
@dataclass(frozen=True, slots=True)
class Propose:
    """Event: replicate `command` in an entry of `kind`.

    `ref` is the caller's own number, unique in this life. It comes back exactly once: in `Apply.refs` (it was
    committed and is being applied) or in `Reject`.
    """

    ref: int
    command: bytes
    kind: EntryKind = EntryKind.COMMAND


@fast_dataclass
@dataclass(frozen=True, slots=True)
class Applied:
    """Event: the state machine has applied everything up to and including `index`."""

    index: LogIndex


@fast_dataclass
@dataclass(frozen=True, slots=True)
class Loaded:
    """Event: the answer to a `Load` of the same `reader` and `first`: the entries that were read, in order.

    At least one unless the range is gone; no more than were asked for; possibly fewer (max_bytes).
    """

    reader: NodeId
    first: LogIndex
    entries: tuple[Entry, ...]


@fast_dataclass
@dataclass(frozen=True, slots=True)
class Apply:
    """Effect: apply these committed entries, in order, exactly once each; then answer `Applied(last index)`.

    `refs` maps the index of an entry to the `Propose.ref` with which this node proposed it, if it did.
    """

    entries: tuple[Entry, ...]
    refs: dict[LogIndex, int]


@fast_dataclass
@dataclass(frozen=True, slots=True)
class Load:
    """Effect: read durable entries `first`..`last` (inclusive), at most `max_bytes` of commands but at least one entry.

    `reader` needs them: a peer that lags, or this node itself (to apply). At most one Load per reader is open.
    """

    reader: NodeId
    first: LogIndex
    last: LogIndex
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Read:
    """Event: answer a read from this node's state machine, without an entry, so that it is linearizable.

    `ref` is the caller's own number, unique in this life, among those of `Propose`, too. It comes back exactly once: in
    `ReadReady`, or in `Reject`: then the read has had no effect.
    """

    ref: int


@dataclass(frozen=True, slots=True)
class ReadReady:
    """Effect: the state machine may answer these reads now: it has applied all that they must see."""

    refs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Event: the state machine of this node must not be used any more, until the node starts again.

    The node goes on to store entries and to vote, so that the group keeps its quorum. It does not apply, and does not
    lead: a leader steps down. `reason` is for operators.
    """

    reason: str


class Refusal(enum.Enum):
    """The reason for which a proposal was rejected."""

    NOT_LEADER = "not_leader"  # definite: it was not put into the log
    OVERLOADED = "overloaded"  # definite: too much is in flight already
    SHORT_OF_SPACE = "disk_full"  # definite: the leader's disk has no room for commands
    LEADERSHIP_LOST = "leadership_lost"  # unknown: it is in this node's log and may still be committed


@dataclass(frozen=True, slots=True)
class Reject:
    """Effect: the proposal or read `ref` will not be answered otherwise. `leader`: whom to ask next, if known."""

    ref: int
    reason: Refusal
    leader: NodeId | None
