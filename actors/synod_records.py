"""How Synod's durable state lies in a log store: promise, accepted proposal and round, in one register."""

from __future__ import annotations

from typing import Any

import msgpack

from coterie.errors import InvariantViolated
from coterie.protocols.paxos.messages import AcceptorState, Ballot, Proposal, ProposerState, SynodState
from coterie.protocols.seam import NodeId

__all__ = ["decode_state", "encode_state"]


def encode_state(state: SynodState) -> bytes:
    """Encode the register of one node."""
    accepted = state.acceptor.accepted
    row = (
        _row(state.acceptor.promised),
        None if accepted is None else (_row(accepted.ballot), accepted.value),
        state.proposer.round,
    )
    packed: bytes = msgpack.packb(row)
    return packed


def decode_state(data: bytes) -> SynodState:
    """Decode the register of one node. InvariantViolated if it is none."""
    try:
        promised, accepted, round_ = msgpack.unpackb(data, use_list=False)
        proposal = None if accepted is None else Proposal(_required(accepted[0]), accepted[1])
        return SynodState(AcceptorState(_ballot(promised), proposal), ProposerState(int(round_)))
    except (ValueError, TypeError, IndexError, msgpack.UnpackException) as error:
        raise InvariantViolated(f"a register of {len(data)} bytes is no state of a synod: {error}") from error


def _row(ballot: Ballot | None) -> tuple[int, str] | None:
    return None if ballot is None else (ballot.round, ballot.node)


def _ballot(row: Any) -> Ballot | None:
    return None if row is None else _required(row)


def _required(row: Any) -> Ballot:
    round_, node = row
    return Ballot(int(round_), NodeId(node))
