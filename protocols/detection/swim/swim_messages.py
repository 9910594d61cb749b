"""SWIM messages: defines the record of a member, and the messages that carry records between members.

An answer never carries more bytes of records than its question: forged questions cannot be used to flood others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coterie.protocols.algorithm import NodeId
from coterie.protocols.detection.failure_detector import MemberState
from coterie.protocols.fast_dataclass import fast_dataclass

__all__ = [
    "RECORD_OVERHEAD_BYTES",
    "Ack",
    "Gossip",
    "IndirectPing",
    "MemberRecord",
    "Nack",
    "Ping",
    "Records",
    "StateExchange",
    "SwimMessage",
    "record_size_bytes",
    "records_size_bytes",
]

RECORD_OVERHEAD_BYTES: Final = 26
"""What a record takes in a packet besides the two names: a long incarnation, the longest state, and their headers."""


@fast_dataclass
@dataclass(frozen=True, slots=True)
class MemberRecord:
    """What is said about `node` under its `incarnation`, a number that only `node` itself raises, to refute.

    `accuser` is the member that suspects it or declared it failed; empty for ALIVE and LEFT. Records are immutable and
    shared: thousands of simulated members refer to the same objects.
    """

    node: NodeId
    incarnation: int
    state: MemberState
    accuser: NodeId = NodeId("")


Records = tuple[MemberRecord, ...]


@fast_dataclass
@dataclass(frozen=True, slots=True)
class Ping:
    """Probe: answer with an `Ack` of the same `sequence`."""

    sequence: int
    records: Records = ()


@fast_dataclass
@dataclass(frozen=True, slots=True)
class Ack:
    """Answer to `Ping`, or, relayed, to `IndirectPing`."""

    sequence: int
    records: Records = ()


@fast_dataclass
@dataclass(frozen=True, slots=True)
class IndirectPing:
    """Request (the paper's ping-req): ping `target`, and answer with an `Ack` of `sequence` if it acknowledges.

    Otherwise answer with a `Nack` before `timeout_s` seconds, the requester's limit, have passed.
    """

    sequence: int
    target: NodeId
    timeout_s: float
    records: Records = ()


@fast_dataclass
@dataclass(frozen=True, slots=True)
class Nack:
    """Answer to `IndirectPing`: its target has not acknowledged. It proves that requester and helper are connected."""

    sequence: int


@fast_dataclass
@dataclass(frozen=True, slots=True)
class Gossip:
    """Records that their sender has learned lately. No answer."""

    records: Records


@fast_dataclass
@dataclass(frozen=True, slots=True)
class StateExchange:
    """All records of the sender (`is_answer` False), or those that the receiver did not have (`is_answer` True).

    It grows with the number of members and does not fit into a datagram: send it over a stream.
    """

    records: Records
    is_answer: bool = False


SwimMessage = Ping | Ack | IndirectPing | Nack | Gossip | StateExchange


def record_size_bytes(record: MemberRecord) -> int:
    """Return an upper bound of what `record` takes in a packet."""
    return RECORD_OVERHEAD_BYTES + _utf8_bytes_max(record.node) + _utf8_bytes_max(record.accuser)


def records_size_bytes(records: Records) -> int:
    """Return an upper bound of what `records` take in a packet."""
    return sum(map(record_size_bytes, records)) if records else 0


def _utf8_bytes_max(text: str) -> int:
    return len(text) if text.isascii() else 4 * len(text)
