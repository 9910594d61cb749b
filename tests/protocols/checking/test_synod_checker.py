"""The checker of Synod: for each invariant a run that breaks it."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.synod_checker import SynodChecker
from coterie.protocols.checking.violation import Violation, ViolationContext
from coterie.protocols.paxos import (
    Accept,
    Accepted,
    AcceptorState,
    Ballot,
    Nack,
    Prepare,
    Promise,
    Proposal,
    ProposerState,
    SynodState,
)
from coterie.protocols.quorums import Quorum, Weighted

A, B, C, D, E = (NodeId(name) for name in "abcde")
B1, B2, B3 = Ballot(1, A), Ballot(2, B), Ballot(3, C)


def state(promised: Ballot | None = None, accepted: Proposal | None = None, round_: int = 0) -> SynodState:
    return SynodState(AcceptorState(promised, accepted), ProposerState(round_))


def checker(*members: NodeId, quorum: Quorum | None = None) -> SynodChecker:
    it = SynodChecker(members or (A, B, C), ViolationContext(), quorum=quorum)
    for value in (b"v", b"w"):
        it.asked(value)
    return it


def breaks(invariant: str) -> pytest.RaisesExc[Violation]:
    return pytest.RaisesExc(Violation, match=rf"^{invariant} broken")


def test_checker_accepts_a_correct_run() -> None:
    it = checker()
    it.wrote(A, state(round_=1))
    it.sent(A, Prepare(B1))
    it.wrote(A, state(B1, round_=1))
    it.wrote(B, state(B1))
    it.sent(B, Promise(B1, None))
    it.sent(A, Accept(B1, b"v"))
    it.wrote(A, state(B1, Proposal(B1, b"v"), 1))
    assert it.chosen is None
    it.wrote(B, state(B1, Proposal(B1, b"v")))
    it.sent(B, Accepted(B1, b"v"))
    it.answered(A, b"v", was_chosen=None)
    it.sent(B, Nack(Ballot(0, C), B1))

    assert it.chosen == b"v"


def test_one_value_is_chosen() -> None:
    it = checker()
    for node in (A, B):
        it.wrote(node, state(B1, Proposal(B1, b"v")))
    it.wrote(A, state(B2, Proposal(B2, b"w")))

    with breaks("synod.one_value_chosen"):
        it.wrote(B, state(B2, Proposal(B2, b"w")))


def test_only_proposed_values_are_proposed() -> None:
    with breaks("synod.only_proposed"):
        checker().sent(A, Accept(B1, b"nobody's"))


@pytest.mark.parametrize("promised", [B1, None])
def test_a_durable_promise_never_falls(promised: Ballot | None) -> None:
    it = checker()
    it.wrote(A, state(B2))

    with breaks("synod.promise_monotone"):
        it.wrote(A, state(promised))


def test_accepting_promises() -> None:
    with breaks("synod.promise_monotone"):
        checker().wrote(A, state(B1, Proposal(B2, b"v")))


@pytest.mark.parametrize("accepted", [None, Proposal(B1, b"v"), Proposal(B2, b"w")])
def test_a_durable_acceptance_is_never_taken_back(accepted: Proposal | None) -> None:
    it = checker()
    it.wrote(A, state(B2, Proposal(B2, b"v")))

    with breaks("synod.accepted_monotone"):
        it.wrote(A, state(B3, accepted))


def test_a_durable_round_never_falls() -> None:
    it = checker()
    it.wrote(A, state(round_=2))

    with breaks("synod.round_monotone"):
        it.wrote(A, state(round_=1))


@pytest.mark.parametrize("message", [Promise(B2, None), Nack(B1, B2)])
def test_a_promise_is_on_disk_before_it_is_sent(message: Promise | Nack) -> None:
    it = checker()
    it.wrote(C, state(B1))

    with breaks("synod.promise_ahead_of_disk"):
        it.sent(C, message)


def test_a_promise_hides_no_acceptance() -> None:
    it = checker()
    it.wrote(C, state(B2, Proposal(B1, b"v")))

    with breaks("synod.promise_ahead_of_disk"):
        it.sent(C, Promise(B2, None))


def test_an_acceptance_is_on_disk_before_it_is_sent() -> None:
    it = checker()
    it.wrote(C, state(B1))

    with breaks("synod.accepted_ahead_of_disk"):
        it.sent(C, Accepted(B1, b"v"))


def test_an_acceptance_may_be_told_late() -> None:
    it = checker()
    it.wrote(C, state(B1, Proposal(B1, b"v")))
    it.wrote(C, state(B2, Proposal(B2, b"w")))

    it.sent(C, Accepted(B1, b"v"))


def test_a_round_is_on_disk_before_it_is_prepared() -> None:
    with breaks("synod.round_ahead_of_disk"):
        checker().sent(A, Prepare(B1))


def test_a_ballot_belongs_to_its_node() -> None:
    it = checker()
    it.wrote(A, state(round_=2))

    with breaks("synod.ballot_reused"):
        it.sent(A, Prepare(B2))
    with breaks("synod.ballot_reused"):
        it.sent(A, Accept(B2, b"v"))


def test_a_ballot_is_prepared_in_one_life_only() -> None:
    it = checker()
    it.wrote(A, state(round_=1))
    it.sent(A, Prepare(B1))
    it.sent(A, Prepare(B1))
    it.started(A)

    with breaks("synod.ballot_reused"):
        it.sent(A, Prepare(B1))


def test_a_ballot_has_one_value() -> None:
    it = checker()
    it.wrote(A, state(B1))
    it.wrote(B, state(B1))
    it.sent(A, Accept(B1, b"v"))
    it.sent(A, Accept(B1, b"v"))

    with breaks("synod.ballot_two_values"):
        it.sent(A, Accept(B1, b"w"))


def test_a_free_value_needs_a_quorum_of_promises() -> None:
    it = checker()
    it.wrote(B, state(B1))

    with breaks("synod.value_not_highest"):
        it.sent(A, Accept(B1, b"v"))


def test_the_value_of_the_highest_ballot_is_proposed_not_the_most_frequent() -> None:
    it = checker(A, B, C, D, E)
    high = Ballot(9, C)
    for node, ballot, value in ((A, B1, b"v"), (B, B1, b"v"), (C, B2, b"w")):
        it.wrote(node, state(ballot, Proposal(ballot, value)))
        it.wrote(node, state(high, Proposal(ballot, value)))

    with breaks("synod.value_not_highest"):
        it.sent(C, Accept(high, b"v"))


def test_any_quorum_of_the_promises_may_justify_the_value() -> None:
    """A, B and C promised; without C's the free choice stands, for C's promise may have been lost."""
    it = checker()
    high = Ballot(9, A)
    for node in (A, B):
        it.wrote(node, state(high))
    it.wrote(C, state(B1, Proposal(B1, b"w")))
    it.wrote(C, state(high, Proposal(B1, b"w")))

    it.sent(A, Accept(high, b"v"))


def test_an_answer_tells_the_chosen_value() -> None:
    it = checker()
    it.wrote(A, state(B1, Proposal(B1, b"v")))

    with breaks("synod.answer_not_chosen"):
        it.answered(A, b"v", was_chosen=None)


def test_a_read_sees_what_was_chosen_before_it() -> None:
    it = checker()
    it.answered(A, None, was_chosen=None)

    with breaks("synod.read_missed_choice"):
        it.answered(A, None, was_chosen=b"v")


def test_the_synods_own_quorum_decides_what_is_chosen() -> None:
    it = checker(quorum=Weighted({A: 1, B: 2, C: 1}))
    for node in (A, C):
        it.wrote(node, state(B1, Proposal(B1, b"v")))
    assert it.chosen is None

    it.wrote(B, state(B1, Proposal(B1, b"v")))

    assert it.chosen == b"v"


def test_promises_of_the_synods_own_quorum_allow_a_value() -> None:
    it = checker(quorum=Weighted({A: 1, B: 2, C: 1}))
    it.wrote(A, state(B1, round_=1))
    it.wrote(C, state(B1))

    with breaks("synod.value_not_highest"):
        it.sent(A, Accept(B1, b"v"))
