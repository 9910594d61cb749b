"""The learner: chosen is what a quorum accepted under one ballot (*Paxos Made Simple* §2.3)."""

from __future__ import annotations

import pytest

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId, Received
from coterie.protocols.paxos import Accepted, Ballot, Learned, Learner
from coterie.protocols.quorums import Majority

A, B, C = NodeId("a"), NodeId("b"), NodeId("c")
B1, B2 = Ballot(1, A), Ballot(2, B)


def heard(learner: Learner, *news: tuple[NodeId, Ballot, bytes]) -> list[Learned]:
    return learner.handle([Received(sender, Accepted(ballot, value)) for sender, ballot, value in news], now=0.0)


def learner() -> Learner:
    return Learner(Majority((A, B, C)))


def test_learner_learns_when_a_quorum_has_accepted_one_ballot() -> None:
    it = learner()

    assert heard(it, (A, B1, b"v")) == []
    assert heard(it, (B, B1, b"v")) == [Learned(B1, b"v")]
    assert it.chosen == b"v"


def test_learner_counts_an_acceptor_once_however_often_it_tells() -> None:
    it = learner()

    assert heard(it, (A, B1, b"v"), (A, B1, b"v"), (A, B1, b"v")) == []


def test_learner_does_not_add_up_one_value_under_two_ballots() -> None:
    it = learner()

    assert heard(it, (A, B1, b"v"), (B, B2, b"v")) == []


def test_learner_does_not_count_an_acceptor_for_a_ballot_it_has_left() -> None:
    it = learner()

    assert heard(it, (A, B1, b"v"), (A, B2, b"w"), (B, B1, b"v")) == []


def test_learner_does_not_count_unknown_acceptors() -> None:
    it = learner()

    assert heard(it, (A, B1, b"v"), (NodeId("x"), B1, b"v")) == []


def test_learner_ignores_what_was_overtaken() -> None:
    it = learner()

    assert heard(it, (A, B2, b"w"), (A, B1, b"v"), (B, B2, b"w")) == [Learned(B2, b"w")]


def test_learner_halts_when_a_second_value_is_chosen() -> None:
    it = learner()
    heard(it, (A, B1, b"v"), (B, B1, b"v"))

    with pytest.raises(InvariantViolated, match="two values"):
        heard(it, (A, B2, b"w"), (C, B2, b"w"))


def test_learner_wants_no_time() -> None:
    it = learner()

    assert it.deadline is None
    assert it.tick(now=1e9) == []
