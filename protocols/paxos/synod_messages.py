"""Synod messages: define the messages, events and durable states of Paxos, named as in *Paxos Made Simple*."""

from __future__ import annotations

from dataclasses import dataclass

from coterie.protocols.algorithm import NodeId

__all__ = [
    "Accept",
    "Accepted",
    "AcceptorState",
    "Ballot",
    "Chosen",
    "Learned",
    "Nack",
    "Prepare",
    "Promise",
    "Proposal",
    "Propose",
    "ProposerState",
    "ReadRound",
    "SynodMessage",
    "SynodState",
]


@dataclass(frozen=True, slots=True, order=True)
class Ballot:
    """A proposal number (§2.2): totally ordered, and different proposers draw from disjoint sets.

    `round` counts from 1 and comes first in the order; `node` is the proposer and breaks ties.
    """

    round: int
    node: NodeId


@dataclass(frozen=True, slots=True)
class Proposal:
    """A value under a ballot (§2.2), which acceptors accept. `value` is opaque bytes."""

    ballot: Ballot
    value: bytes


@dataclass(frozen=True, slots=True)
class Prepare:
    """Phase 1a: ask for a promise of `ballot`. Sent only after its round is durable at the proposer."""

    ballot: Ballot


@dataclass(frozen=True, slots=True)
class Promise:
    """Phase 1b: nothing below `ballot` will be accepted here. Sent only after the promise is durable.

    `accepted` is the highest-numbered proposal accepted so far, None if there is none.
    """

    ballot: Ballot
    accepted: Proposal | None


@dataclass(frozen=True, slots=True)
class Accept:
    """Phase 2a: accept `value` under `ballot`."""

    ballot: Ballot
    value: bytes


@dataclass(frozen=True, slots=True)
class Accepted:
    """Phase 2b, to every learner: accepted here. Sent only after ballot, value and promise are durable."""

    ballot: Ballot
    value: bytes


@dataclass(frozen=True, slots=True)
class Nack:
    """The optimisation of §2.5: `ballot` was ignored because `promised`, a higher one, was promised here."""

    ballot: Ballot
    promised: Ballot


SynodMessage = Prepare | Promise | Accept | Accepted | Nack


@dataclass(frozen=True, slots=True)
class AcceptorState:
    """The durable state of an acceptor (§2.2): its promise and its highest accepted proposal."""

    promised: Ballot | None = None
    accepted: Proposal | None = None


@dataclass(frozen=True, slots=True)
class ProposerState:
    """The durable state of a proposer (§2.4): the highest round it has ever used, 0 for none."""

    round: int = 0


@dataclass(frozen=True, slots=True)
class SynodState:
    """The durable state of one node: both states in one atomic write."""

    acceptor: AcceptorState = AcceptorState()
    proposer: ProposerState = ProposerState()


@dataclass(frozen=True, slots=True)
class Propose:
    """Event: have a value chosen, `value` if none is yet.

    `ref` is the caller's own number, unique in this life. It comes back exactly once, in `Chosen`.
    """

    ref: int
    value: bytes


@dataclass(frozen=True, slots=True)
class ReadRound:
    """Event: read the chosen value. Answered by `Chosen(ref, …)`, after a round if this node does not know it.

    None is answered only after a quorum, asked after this event, promised and had accepted nothing.
    """

    ref: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """Effect: the answer to `Propose` or `ReadRound`. `value` is the one chosen value; None only for a read."""

    ref: int
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Learned:
    """A learner's effect and a proposer's event: `value` was accepted by a quorum under `ballot`: it is chosen."""

    ballot: Ballot
    value: bytes
