"""The seam: the one shape of every algorithm, and the generic effects and events that cross it.

    events (a batch) ──▶ Algorithm.handle ──▶ effects (ordered data)
          ▲                                        │
          └── Persisted, Applied, Loaded ◀── driver or simulator, through a `Gate`

An algorithm never does anything; it says what must be done, in order, and what must be durable first. Whoever runs
it (the driver in `coterie.actors.driver`, the simulator in `coterie.protocols.simulation`) carries the effects out and
answers with events. Each algorithm has one closed union of effects and one of events, made of these and its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, NewType, NoReturn, Protocol, TypeVar, final

from coterie.protocols.fast_dataclass import quickly_made

__all__ = ["Algorithm", "NodeId", "Observe", "Persist", "Persisted", "Received", "Send", "Token"]

NodeId = NewType("NodeId", str)
"""The name of a node, as the topology gives it; unique in a cluster."""

Token = NewType("Token", int)
"""Names one write of one life of an algorithm: 1, 2, 3, … in the order of its `Persist` effects."""

M = TypeVar("M")
W = TypeVar("W")
EventT = TypeVar("EventT", contravariant=True)
EffectT = TypeVar("EffectT", covariant=True)


@final
@quickly_made
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
@quickly_made
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
    """Effect: something worth telling: `event` is `subject.past_verb`, `facts` its keys with units.

    The driver logs it, the simulator records it, tests read it. It never changes what the algorithm does.
    """

    event: str
    facts: Mapping[str, object] = field(default_factory=dict)


@quickly_made
@dataclass(frozen=True, slots=True)
class Received(Generic[M]):
    """Event: `message` came from node `sender` (never from this node itself)."""

    sender: NodeId
    message: M


@quickly_made
@dataclass(frozen=True, slots=True)
class Persisted:
    """Event: every write up to and including `token` is durable. Tokens of an earlier life are never answered."""

    token: Token


class Algorithm(Protocol[EventT, EffectT]):
    """What a driver runs. Neither method blocks, raises on bad peers' input, or keeps its arguments' containers.

    `InvariantViolated` (a safety invariant is broken) is the one error that either may raise: the driver then halts
    the group and nobody restarts it.
    """

    def handle(self, events: Sequence[EventT], *, now: float) -> Sequence[EffectT]:
        """Take a batch of events in their order of arrival at monotonic time `now` (s); return ordered effects."""
        ...

    def tick(self, *, now: float) -> Sequence[EffectT]:
        """Let time pass: call it at or after `deadline`. Earlier calls are allowed and do nothing that is not due."""
        ...

    @property
    def deadline(self) -> float | None:
        """The next moment (monotonic, s) at which `tick` wants to run; None: not until an event comes."""
        ...


def _one_class_only(name: str) -> TypeError:
    return TypeError(f"{name} has no subclasses: a Gate knows it by its very class, and would let them pass")
