"""A node of a synod: three roles, one durable state, and self-delivery that waits for the disk."""

from __future__ import annotations

import random

import pytest

from coterie.protocols.algorithm import NodeId, Observe, Persist, Persisted, Received, Send, Token
from coterie.protocols.paxos import (
    Accept,
    Accepted,
    AcceptorState,
    Ballot,
    Chosen,
    Nack,
    Prepare,
    Promise,
    Proposal,
    Propose,
    ProposerState,
    ReadRound,
    Synod,
    SynodConfig,
    SynodEffect,
    SynodState,
)
from coterie.protocols.paxos.synod_messages import SynodMessage
from coterie.protocols.paxos.synod_observations import BALLOT_IMPLAUSIBLE, VALUE_CHOSEN
from coterie.protocols.plausibility import JUMP_MAX

A, B, C = NodeId("a"), NodeId("b"), NodeId("c")


def synod(node: NodeId = A, *, members: tuple[NodeId, ...] = (A, B, C), restored: SynodState | None = None) -> Synod:
    return Synod(node, SynodConfig(members), restored=restored or SynodState(), rng=random.Random(1))


def writes(effects: list[SynodEffect]) -> list[Persist[SynodState]]:
    return [effect for effect in effects if isinstance(effect, Persist)]


def sends(effects: list[SynodEffect]) -> list[tuple[NodeId, object, Token | None]]:
    return [(effect.to, effect.message, effect.after) for effect in effects if isinstance(effect, Send)]


def test_synod_node_must_be_a_member() -> None:
    with pytest.raises(ValueError, match="not among the members"):
        synod(NodeId("x"))


def test_synod_of_one_decides_alone_but_only_as_its_disk_allows() -> None:
    it = synod(members=(A,))

    first = it.handle([Propose(1, b"v")], now=0.0)
    assert writes(first) == [Persist(Token(1), SynodState(AcceptorState(), ProposerState(1)))]
    assert it.chosen is None

    second = it.handle([Persisted(Token(1))], now=0.0)  # its own Prepare may arrive now
    assert [write.write.acceptor.promised for write in writes(second)] == [Ballot(1, A)]

    third = it.handle([Persisted(Token(2))], now=0.0)  # its own Promise; then its own Accept
    assert [write.write.acceptor.accepted for write in writes(third)] == [Proposal(Ballot(1, A), b"v")]
    assert it.chosen is None

    observed, answer = it.handle([Persisted(Token(3))], now=0.0)
    assert observed == Observe(VALUE_CHOSEN, {"node": A, "round": 1, "value_bytes": 1})
    assert answer == Chosen(1, b"v")
    assert it.chosen == b"v"


def test_synod_never_sends_to_itself_through_the_network() -> None:
    it = synod()
    effects = it.handle([Propose(1, b"v")], now=0.0)
    effects += it.handle([Persisted(Token(1))], now=0.0)
    effects += it.handle([Persisted(Token(2)), Received(B, Promise(Ballot(1, A), None))], now=0.0)
    effects += it.handle([Persisted(Token(3)), Received(B, Accepted(Ballot(1, A), b"v"))], now=0.0)

    assert all(to != A for to, _, _ in sends(effects))
    assert effects[-1] == Chosen(1, b"v")


def test_synod_does_not_count_its_own_promise_before_it_is_durable() -> None:
    it = synod()
    it.handle([Propose(1, b"v")], now=0.0)
    it.handle([Persisted(Token(1))], now=0.0)

    effects = it.handle([Received(B, Promise(Ballot(1, A), None))], now=0.0)

    assert not any(isinstance(message, Accept) for _, message, _ in sends(effects))
    effects = it.handle([Persisted(Token(2))], now=0.0)
    assert any(isinstance(message, Accept) for _, message, _ in sends(effects))


def test_synod_tokens_are_one_sequence_over_both_states() -> None:
    it = synod()

    effects = it.handle([Received(B, Prepare(Ballot(1, B))), ReadRound(1)], now=0.0)
    effects += it.handle([Received(B, Accept(Ballot(1, B), b"w"))], now=0.0)

    assert [write.token for write in writes(effects)] == [1, 2, 3]
    assert writes(effects)[-1].write == SynodState(
        AcceptorState(Ballot(1, B), Proposal(Ballot(1, B), b"w")), ProposerState(1)
    )
    assert (B, Promise(Ballot(1, B), None), Token(1)) in sends(effects)
    assert (B, Accepted(Ballot(1, B), b"w"), Token(3)) in sends(effects)


def test_synod_keeps_both_states_across_a_restart() -> None:
    restored = SynodState(AcceptorState(Ballot(4, B), Proposal(Ballot(3, C), b"w")), ProposerState(9))
    it = synod(restored=restored)

    effects = it.handle([Received(B, Prepare(Ballot(5, B))), Propose(1, b"v")], now=0.0)

    assert (B, Promise(Ballot(5, B), Proposal(Ballot(3, C), b"w")), Token(1)) in sends(effects)
    assert (B, Prepare(Ballot(10, A)), Token(2)) in sends(effects)


def test_synod_deadline_is_its_proposers() -> None:
    it = synod()
    it.handle([Propose(1, b"v")], now=3.0)
    deadline = it.deadline
    assert deadline is not None

    effects = it.tick(now=deadline)

    assert synod().deadline is None

    assert (B, Prepare(Ballot(2, A)), Token(2)) in sends(effects)


def test_synod_hears_members_only() -> None:
    it = synod()

    assert it.handle([Received(NodeId("x"), Prepare(Ballot(5, NodeId("x"))))], now=0.0) == []
    assert it.state == SynodState()


def claims(round_number: int) -> list[SynodMessage]:
    far = Ballot(round_number, B)
    return [Prepare(far), Accept(far, b"x"), Nack(Ballot(1, A), far), Promise(far, None), Accepted(far, b"x")]


@pytest.mark.parametrize("which", range(5))
def test_a_ballot_that_no_honest_run_reaches_is_told_once_and_changes_nothing(which: int) -> None:
    it = synod()
    it.handle([Propose(1, b"v"), Persisted(Token(1))], now=0.0)
    before = it.state
    for number in (2 + JUMP_MAX, 2**63, 2**64 - 1):
        effects = it.handle([Received(B, claims(number)[which])], now=0.0)
        told = [effect.event for effect in effects if isinstance(effect, Observe)]
        assert told == ([BALLOT_IMPLAUSIBLE] if number == 2 + JUMP_MAX else [])
        assert len(effects) == len(told)
    assert it.state == before
    it.tick(now=1e9)
    assert it._proposer._round < 10


def test_a_ballot_far_ahead_that_an_honest_run_can_reach_counts() -> None:
    it = synod()
    it.handle([Received(B, Prepare(Ballot(JUMP_MAX, B)))], now=0.0)
    assert it.state.acceptor.promised == Ballot(JUMP_MAX, B)
