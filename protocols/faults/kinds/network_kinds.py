"""Network faults: define the faults that can hit messages and links between nodes (delay, loss, partition …).

`source` and `destination` are node names or "*"; a fault hits one direction only.

A connection cannot lose, duplicate or reorder messages: there a lost message is a stall or a reset, and `Duplicate` and
`Reorder` do not exist. The datagrams of a system meet the same faults: `Loss` really loses them and duplicates others,
and under `Delay` they overtake each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from coterie.protocols.faults.kinds.fault_targets import ALL_LEVELS, ANYWHERE, Level, Shape

__all__ = [
    "Bandwidth",
    "Clog",
    "Corrupt",
    "Delay",
    "Duplicate",
    "Flap",
    "HalfOpen",
    "Loss",
    "NodePair",
    "Partition",
    "Reorder",
    "Reset",
    "ResetMidFrame",
]

NodePair = tuple[str, str]
"""(source, destination): one direction."""

MESSAGES = frozenset({Level.PROTOCOL})
CONNECTIONS = frozenset({Level.SYSTEM, Level.PROCESS})


@dataclass(frozen=True, slots=True)
class Delay:
    """For `duration_s` messages take `delay_s` (half to one and a half of it) longer.

    With probability `tail` the extra delay is `delay_s` and a heavy tail of scale `tail_s`, at most ten times it.
    """

    KIND: ClassVar[str] = "delay"
    LEVELS: ClassVar[frozenset[Level]] = ALL_LEVELS

    at_s: float
    duration_s: float
    delay_s: float
    source: str = ANYWHERE
    destination: str = ANYWHERE
    tail: float = 0.0
    tail_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Loss:
    """For `duration_s` each message is lost with `probability`; a connection stalls or is reset instead.

    A datagram that is not lost arrives twice with `probability`.
    """

    KIND: ClassVar[str] = "loss"
    LEVELS: ClassVar[frozenset[Level]] = ALL_LEVELS

    at_s: float
    duration_s: float
    probability: float
    source: str = ANYWHERE
    destination: str = ANYWHERE


@dataclass(frozen=True, slots=True)
class Duplicate:
    """For `duration_s` each message arrives twice with `probability`."""

    KIND: ClassVar[str] = "duplicate"
    LEVELS: ClassVar[frozenset[Level]] = MESSAGES

    at_s: float
    duration_s: float
    probability: float
    source: str = ANYWHERE
    destination: str = ANYWHERE


@dataclass(frozen=True, slots=True)
class Reorder:
    """For `duration_s` each message is held back with `probability`, up to `hold_s`, while later ones overtake it."""

    KIND: ClassVar[str] = "reorder"
    LEVELS: ClassVar[frozenset[Level]] = MESSAGES

    at_s: float
    duration_s: float
    probability: float
    hold_s: float
    source: str = ANYWHERE
    destination: str = ANYWHERE


@dataclass(frozen=True, slots=True)
class Reset:
    """At `at_s` connections break: messages in flight on these links, in this direction, are lost."""

    KIND: ClassVar[str] = "reset"
    LEVELS: ClassVar[frozenset[Level]] = ALL_LEVELS

    at_s: float
    source: str = ANYWHERE
    destination: str = ANYWHERE


@dataclass(frozen=True, slots=True)
class ResetMidFrame:
    """From `at_s` on, the next frame on each of these links arrives in part, then its connection breaks."""

    KIND: ClassVar[str] = "reset_mid_frame"
    LEVELS: ClassVar[frozenset[Level]] = CONNECTIONS

    at_s: float
    source: str = ANYWHERE
    destination: str = ANYWHERE


@dataclass(frozen=True, slots=True)
class HalfOpen:
    """For `duration_s` bytes in this direction are lost without an error; then the connection is reset."""

    KIND: ClassVar[str] = "half_open"
    LEVELS: ClassVar[frozenset[Level]] = CONNECTIONS

    at_s: float
    duration_s: float
    source: str = ANYWHERE
    destination: str = ANYWHERE


@dataclass(frozen=True, slots=True)
class Corrupt:
    """For `duration_s` each chunk of bytes arrives with one bit flipped, with `probability`."""

    KIND: ClassVar[str] = "corrupt"
    LEVELS: ClassVar[frozenset[Level]] = CONNECTIONS

    at_s: float
    duration_s: float
    probability: float
    source: str = ANYWHERE
    destination: str = ANYWHERE


@dataclass(frozen=True, slots=True)
class Bandwidth:
    """For `duration_s` at most `bytes_per_s` pass."""

    KIND: ClassVar[str] = "bandwidth"
    LEVELS: ClassVar[frozenset[Level]] = CONNECTIONS

    at_s: float
    duration_s: float
    bytes_per_s: int
    source: str = ANYWHERE
    destination: str = ANYWHERE


@dataclass(frozen=True, slots=True)
class Partition:
    """For `duration_s` nothing passes over the links that `shape` breaks around `target`.

    `others`: the other nodes on the side of `target`, for HALVES only.
    """

    KIND: ClassVar[str] = "partition"
    LEVELS: ClassVar[frozenset[Level]] = ALL_LEVELS

    at_s: float
    duration_s: float
    shape: Shape
    target: str
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Clog:
    """`links` clog one by one during the first half of `duration_s`, and open one by one during the second.

    A clogged link queues its messages and delivers them when it opens. `opens`: the same links in the order in which
    they open; empty: the order in which they clog.
    """

    KIND: ClassVar[str] = "clog"
    LEVELS: ClassVar[frozenset[Level]] = ALL_LEVELS

    at_s: float
    duration_s: float
    links: tuple[NodePair, ...]
    opens: tuple[NodePair, ...] = ()


@dataclass(frozen=True, slots=True)
class Flap:
    """For `duration_s` these links are down for the first half of each `period_s`, and up for the second."""

    KIND: ClassVar[str] = "flap"
    LEVELS: ClassVar[frozenset[Level]] = ALL_LEVELS

    at_s: float
    duration_s: float
    period_s: float
    source: str = ANYWHERE
    destination: str = ANYWHERE
