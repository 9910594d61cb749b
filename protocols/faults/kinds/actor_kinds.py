"""Actor faults: define faults of one actor (its handler raises …), and changes of the order in which actors run.

`actor` is a path at the node `target`, or "*".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from coterie.protocols.faults.kinds.fault_targets import ANYWHERE, SIMULATED, Level

__all__ = [
    "CancelHandler",
    "FullMailbox",
    "HangHandler",
    "PoisonMessage",
    "Priorities",
    "RaiseInHandler",
    "RandomOrder",
    "Starve",
]

RUNTIME = frozenset({Level.SYSTEM})


@dataclass(frozen=True, slots=True)
class RaiseInHandler:
    """The next message that `actor` handles makes its handler raise."""

    KIND: ClassVar[str] = "raise_in_handler"
    LEVELS: ClassVar[frozenset[Level]] = RUNTIME

    at_s: float
    target: str
    actor: str = ANYWHERE


@dataclass(frozen=True, slots=True)
class CancelHandler:
    """The next handler of `actor` that awaits is cancelled."""

    KIND: ClassVar[str] = "cancel_handler"
    LEVELS: ClassVar[frozenset[Level]] = RUNTIME

    at_s: float
    target: str
    actor: str = ANYWHERE


@dataclass(frozen=True, slots=True)
class HangHandler:
    """The next handler of `actor` does not return for `duration_s`."""

    KIND: ClassVar[str] = "hang_handler"
    LEVELS: ClassVar[frozenset[Level]] = RUNTIME

    at_s: float
    target: str
    duration_s: float
    actor: str = ANYWHERE


@dataclass(frozen=True, slots=True)
class PoisonMessage:
    """A message of a type that `actor` does not handle is sent to it."""

    KIND: ClassVar[str] = "poison_message"
    LEVELS: ClassVar[frozenset[Level]] = RUNTIME

    at_s: float
    target: str
    actor: str = ANYWHERE


@dataclass(frozen=True, slots=True)
class FullMailbox:
    """For `duration_s` the mailbox of `actor` accepts no message."""

    KIND: ClassVar[str] = "full_mailbox"
    LEVELS: ClassVar[frozenset[Level]] = RUNTIME

    at_s: float
    target: str
    duration_s: float
    actor: str = ANYWHERE


@dataclass(frozen=True, slots=True)
class RandomOrder:
    """For `duration_s` ready actors run in random order, not in the order in which they became ready."""

    KIND: ClassVar[str] = "random_order"
    LEVELS: ClassVar[frozenset[Level]] = SIMULATED

    at_s: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class Priorities:
    """For `duration_s` actors have random priorities, and lower ones wait; they are drawn again `changes` times.

    Source: Burckhardt et al., A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs, ASPLOS 2010.
    """

    KIND: ClassVar[str] = "priorities"
    LEVELS: ClassVar[frozenset[Level]] = SIMULATED

    at_s: float
    duration_s: float
    changes: int = 2


@dataclass(frozen=True, slots=True)
class Starve:
    """For `duration_s` `actor` (at level PROTOCOL: the whole node) runs only when no other actor is ready."""

    KIND: ClassVar[str] = "starve"
    LEVELS: ClassVar[frozenset[Level]] = SIMULATED

    at_s: float
    target: str
    duration_s: float
    actor: str = ANYWHERE
