"""Synod records: encodes and decodes the durable state of a Paxos node: promise, accepted proposal and round."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import msgpack

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId
from coterie.protocols.paxos.synod_messages import AcceptorState, Ballot, Proposal, ProposerState, SynodState

__all__ = ["decode_state", "encode_state"]

T = TypeVar("T")


def encode_state(state: SynodState) -> bytes:
    """Encode the state of one node."""
    accepted = state.acceptor.accepted
    row = (
        _row(state.acceptor.promised),
        None if accepted is None else (_row(accepted.ballot), accepted.value),
        state.proposer.round,
    )
    return cast("bytes", msgpack.packb(row))


def decode_state(data: bytes) -> SynodState:
    """Decode the state of one node. InvariantViolated if it is malformed."""
    try:
        promised, accepted, round_ = msgpack.unpackb(data, use_list=False)
        acceptor = AcceptorState(_ballot(promised), None if accepted is None else _proposal(*accepted))
        return SynodState(acceptor, ProposerState(_exact(int, round_)))
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise InvariantViolated(f"metadata of {len(data)} bytes is no state of a synod: {error}") from error


def _row(ballot: Ballot | None) -> tuple[int, str] | None:
    return None if ballot is None else (ballot.round, ballot.node)


def _ballot(row: Any) -> Ballot | None:
    if row is None:
        return None
    round_, node = row
    return Ballot(_exact(int, round_), NodeId(_exact(str, node)))


def _proposal(row: Any, value: Any) -> Proposal:
    ballot = _ballot(row)
    if ballot is None:
        raise ValueError("a proposal without a ballot")
    return Proposal(ballot, _exact(bytes, value))


def _exact(kind: type[T], value: object) -> T:
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, got {value!r:.60}")
    return value
