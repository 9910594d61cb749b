"""The acceptor: P1a, and nothing ahead of its durability."""

from __future__ import annotations

import pytest

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId, Persist, Received, Send, Token
from coterie.protocols.paxos import Accept, Accepted, Acceptor, AcceptorState, Ballot, Nack, Prepare, Promise, Proposal
from coterie.protocols.paxos.acceptor import AcceptorEffect

A, B = NodeId("a"), NodeId("b")
LOW, HIGH = Ballot(1, A), Ballot(2, B)


def acceptor(restored: AcceptorState | None = None) -> Acceptor:
    return Acceptor([A, B], restored=restored or AcceptorState())


def ask(target: Acceptor, request: Prepare | Accept, sender: NodeId = B) -> list[AcceptorEffect]:
    return target.handle([Received(sender, request)], now=0.0)


def test_acceptor_promises_the_first_ballot_it_sees_once_that_is_durable() -> None:
    """§2.2, phase 1b; the promise must survive a failure before it is told."""
    effects = ask(acceptor(), Prepare(HIGH))

    assert effects == [Persist(Token(1), AcceptorState(HIGH)), Send(B, Promise(HIGH, None), Token(1))]


def test_acceptor_refuses_prepare_with_lower_ballot() -> None:
    """§2.2: it responds to a prepare only if its number is greater than any it has responded to; §2.5: it says so."""
    it = acceptor()
    ask(it, Prepare(HIGH))

    assert ask(it, Prepare(LOW), A) == [Send(A, Nack(LOW, HIGH), Token(1))]
    assert it.state == AcceptorState(HIGH)


def test_acceptor_promises_with_the_highest_proposal_it_has_accepted() -> None:
    """§2.2, phase 1b."""
    it = acceptor(AcceptorState(LOW, Proposal(LOW, b"v")))

    assert ask(it, Prepare(HIGH))[-1] == Send(B, Promise(HIGH, Proposal(LOW, b"v")), Token(1))


def test_acceptor_accepts_the_ballot_it_promised_and_tells_all_learners_once_that_is_durable() -> None:
    """§2.2, phase 2b; §2.3: every acceptor responds to all learners."""
    it = acceptor()
    ask(it, Prepare(HIGH))

    effects = ask(it, Accept(HIGH, b"v"))

    state = AcceptorState(HIGH, Proposal(HIGH, b"v"))
    told = Accepted(HIGH, b"v")
    assert effects == [Persist(Token(2), state), Send(A, told, Token(2)), Send(B, told, Token(2))]


def test_acceptor_accepts_a_higher_ballot_than_it_promised_and_thereby_promises_it() -> None:
    """§2.2, P1a: an unseen prepare does not forbid; what it accepts it must also honour."""
    it = acceptor(AcceptorState(LOW))

    ask(it, Accept(HIGH, b"v"))

    assert it.state == AcceptorState(HIGH, Proposal(HIGH, b"v"))
    assert ask(it, Accept(LOW, b"w"), A) == [Send(A, Nack(LOW, HIGH), Token(1))]


def test_acceptor_refuses_to_accept_below_its_promise() -> None:
    """§2.2, P1a."""
    it = acceptor(AcceptorState(HIGH))

    assert ask(it, Accept(LOW, b"v"), A) == [Send(A, Nack(LOW, HIGH), None)]
    assert it.state.accepted is None


def test_acceptor_answers_duplicates_again_without_a_new_write() -> None:
    it = acceptor()
    ask(it, Prepare(HIGH))
    assert ask(it, Prepare(HIGH)) == [Send(B, Promise(HIGH, None), Token(1))]

    ask(it, Accept(HIGH, b"v"))
    again = ask(it, Accept(HIGH, b"v"))
    assert again == [Send(A, Accepted(HIGH, b"v"), Token(2)), Send(B, Accepted(HIGH, b"v"), Token(2))]


def test_acceptor_keeps_its_promise_across_a_restart() -> None:
    """§2.2: an acceptor must remember this information even if it fails and then restarts."""
    first = acceptor()
    write = ask(first, Prepare(HIGH))[0]
    assert isinstance(write, Persist)

    second = acceptor(write.write)

    assert ask(second, Prepare(LOW), A) == [Send(A, Nack(LOW, HIGH), None)]


def test_acceptor_halts_when_a_ballot_comes_with_a_second_value() -> None:
    it = acceptor()
    ask(it, Accept(HIGH, b"v"))

    with pytest.raises(InvariantViolated, match="two values"):
        ask(it, Accept(HIGH, b"w"))


def test_acceptor_wants_no_time() -> None:
    it = acceptor()

    assert it.deadline is None
    assert it.tick(now=1e9) == []
