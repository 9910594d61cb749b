"""`Algorithm`: defines the interface of consensus algorithms, which take events (such as messages) and return effects.

    events (a batch) ──▶ Algorithm.handle ──▶ effects (ordered data)
          ▲                                        │
          └── Persisted, Applied, Loaded ◀── driver or simulator, through a `DurabilityGate`

An algorithm has no side effects; it returns effects: what must be done, in which order, and what must be durable first.
The driver (`coterie.actors.driver`) or the simulator (`coterie.protocols.simulation`) carries the effects out and
answers with events. Each algorithm has one closed union of effects and one of events, made of these and its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NewType, NoReturn, Protocol, TypeVar, final

from coterie.protocols.fast_dataclass import fast_dataclass

__all__ = ["Algorithm", "NodeId", "Observe", "Persist", "Persisted", "Received", "Send", "Token"]

NodeId = NewType("NodeId", str)
"""The name of a node, as the topology gives it; unique in a cluster."""

Token = NewType("Token", int)
"""The number of one write within one life of an algorithm: 1, 2, 3, … in the order of its `Persist` effects."""

M = TypeVar("M")
W = TypeVar("W")
EventT = TypeVar("EventT", contravariant=True)
EffectT = TypeVar("EffectT", covariant=True)


@final
@fast_dataclass
@dataclass(frozen=True, slots=True)
class Persist(Generic[W]):
    """Effect: make `write` durable, atomically, after all earlier writes; then answer `Persisted(token)`.

    Writes are carried out in token order. A crash keeps a prefix of them, never a part of one.
    """

    token: Token
    write: W

    def __init_subclass__(cls) -> NoReturn:
        raise _one_class_only("Persist")


@final
@fast_dataclass
@dataclass(frozen=True, slots=True)
class Send(Generic[M]):
    """Effect: send `message` to node `to`, but not before the write `after` (None: no write) is durable.

    Sending is at most once: the message may be lost, delayed, duplicated or overtaken.
    """

    to: NodeId
    message: M
    after: Token | None = None

    def __init_subclass__(cls) -> NoReturn:
        raise _one_class_only("Send")


@dataclass(frozen=True, slots=True)
class Observe:
    """Effect: report an event: `event` is `subject.past_verb`, `facts` its data; keys carry units.

    The driver logs it, the simulator records it, tests read it. It never changes the behaviour of the algorithm.
    """

    event: str
    facts: Mapping[str, object] = field(default_factory=dict)


@fast_dataclass
@dataclass(frozen=True, slots=True)
class Received(Generic[M]):
    """Event: `message` came from node `sender` (never from this node itself)."""

    sender: NodeId
    message: M


@fast_dataclass
@dataclass(frozen=True, slots=True)
class Persisted:
    """Event: every write up to and including `token` is durable. Writes of an earlier life are never reported."""

    token: Token


class Algorithm(Protocol[EventT, EffectT]):
    """A pure protocol. Neither method blocks, raises on bad input of a peer, or keeps a reference to its arguments.

    `InvariantViolated` (a safety invariant is broken) is the one error that either may raise: the driver then halts
    the group, which is not restarted.
    """

    def handle(self, events: Sequence[EventT], *, now: float) -> Sequence[EffectT]:
        """Take a batch of events in their order of arrival at monotonic time `now` (s); return ordered effects."""
        ...

    def tick(self, *, now: float) -> Sequence[EffectT]:
        """Handle expired timers: call it at or after `deadline`. An earlier call is allowed and has no effect."""
        ...

    @property
    def deadline(self) -> float | None:
        """The next time (monotonic, s) at which `tick` must be called; None: not before another event."""
        ...


def _one_class_only(name: str) -> TypeError:
    return TypeError(
        f"{name} has no subclasses: a DurabilityGate compares exact classes, and would let instances of a subclass pass"
    )
