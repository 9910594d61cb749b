"""Synod's durable state: what is written reads back; what is none of ours is never guessed."""

from __future__ import annotations

import random

import msgpack
import pytest

from coterie.actors.paxos.synod_records import decode_state, encode_state
from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId
from coterie.protocols.paxos.synod_messages import AcceptorState, Ballot, Proposal, ProposerState, SynodState

LOW, HIGH = Ballot(1, NodeId("n2")), Ballot(2**40, NodeId("nœud"))


@pytest.mark.parametrize(
    "state",
    [
        SynodState(),
        SynodState(AcceptorState(LOW), ProposerState(7)),
        SynodState(AcceptorState(HIGH, Proposal(LOW, b"value")), ProposerState(2**40)),
        SynodState(AcceptorState(HIGH, Proposal(HIGH, b"")), ProposerState(0)),
    ],
)
def test_a_state_reads_back(state: SynodState) -> None:
    assert decode_state(encode_state(state)) == state


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        msgpack.packb(7),
        msgpack.packb(()),
        msgpack.packb((None, None)),
        msgpack.packb((None, None, None)),
        msgpack.packb((None, None, "many")),
        msgpack.packb((None, None, "7")),
        msgpack.packb((None, None, 1.5)),
        msgpack.packb((None, None, 1, 1)),
        msgpack.packb(((1,), None, 1)),
        msgpack.packb((("1", "n1"), None, 1)),
        msgpack.packb(((1, 2), None, 1)),
        msgpack.packb((None, (1, b"v"), 1)),
        msgpack.packb((None, ((1, "n1"),), 1)),
        msgpack.packb((None, ((1, "n1"), "text"), 1)),
        msgpack.packb(({}, None, 1)),
        encode_state(SynodState()) + b"\x00",
    ],
)
def test_metadata_that_does_not_read_is_a_violation(data: bytes) -> None:
    with pytest.raises(InvariantViolated, match="is no state of a synod"):
        decode_state(data)


def test_metadata_that_was_cut_or_changed_never_makes_another_error() -> None:
    whole = encode_state(SynodState(AcceptorState(HIGH, Proposal(LOW, b"value")), ProposerState(3)))
    rng = random.Random(5)

    for _ in range(2000):
        data = bytearray(whole[: rng.randrange(len(whole) + 1)])
        for _ in range(rng.randrange(3)):
            if data:
                data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            decode_state(bytes(data))
        except InvariantViolated:
            continue
