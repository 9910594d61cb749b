"""The gate holds back what is not durable, and nothing else."""

from __future__ import annotations

import pytest

from coterie.errors import InvariantViolated
from coterie.protocols.algorithm import NodeId, Observe, Persist, Send, Token
from coterie.protocols.durability_gate import DurabilityGate

Effect = Persist[str] | Send[str] | Observe

PEER = NodeId("n2")


def write(token: int) -> Persist[str]:
    return Persist(Token(token), f"write {token}")


def message(text: str, after: int | None = None) -> Send[str]:
    return Send(PEER, text, None if after is None else Token(after))


def test_gate_admits_everything_that_waits_for_nothing_in_order() -> None:
    gate: DurabilityGate[Effect] = DurabilityGate()
    effects: list[Effect] = [message("a"), write(1), Observe("something.happened"), message("b")]

    assert gate.admit(effects) == effects


def test_gate_holds_a_send_until_its_write_is_durable() -> None:
    gate: DurabilityGate[Effect] = DurabilityGate()

    assert gate.admit([write(1), message("vote", after=1)]) == [write(1)]
    assert gate.held == 1
    assert gate.persisted(Token(1)) == [message("vote", after=1)]
    assert gate.held == 0


def test_gate_lets_a_later_send_overtake_a_held_one() -> None:
    gate: DurabilityGate[Effect] = DurabilityGate()

    admitted = gate.admit([write(1), message("vote", after=1), message("heartbeat")])

    assert admitted == [write(1), message("heartbeat")]


def test_gate_admits_at_once_what_waits_for_a_write_that_is_already_durable() -> None:
    gate: DurabilityGate[Effect] = DurabilityGate()
    gate.admit([write(1)])
    gate.persisted(Token(1))

    assert gate.admit([message("vote", after=1)]) == [message("vote", after=1)]


def test_gate_takes_tokens_as_cumulative_and_releases_in_order_of_admission() -> None:
    gate: DurabilityGate[Effect] = DurabilityGate()
    gate.admit([write(1), write(2), write(3)])
    gate.admit([message("b", after=2), message("a", after=1), message("c", after=3)])

    assert gate.persisted(Token(2)) == [message("b", after=2), message("a", after=1)]
    assert gate.persisted(Token(3)) == [message("c", after=3)]


def test_gate_releases_nothing_twice_and_ignores_an_older_token() -> None:
    gate: DurabilityGate[Effect] = DurabilityGate()
    gate.admit([write(1), write(2), message("a", after=2)])

    assert gate.persisted(Token(2)) == [message("a", after=2)]
    assert gate.persisted(Token(2)) == []
    assert gate.persisted(Token(1)) == []
    assert gate.admit([message("b", after=2)]) == [message("b", after=2)]


def test_gate_refuses_a_token_of_an_earlier_life() -> None:
    gate: DurabilityGate[Effect] = DurabilityGate()
    gate.admit([write(1)])

    with pytest.raises(ValueError, match="never issued"):
        gate.persisted(Token(2))


@pytest.mark.parametrize("token", [0, 1, 3])
def test_gate_refuses_writes_out_of_order(token: int) -> None:
    gate: DurabilityGate[Effect] = DurabilityGate()
    gate.admit([write(1)])

    with pytest.raises(InvariantViolated, match="in order"):
        gate.admit([write(token)])


def test_gate_refuses_a_send_that_waits_for_a_write_nobody_asked_for() -> None:
    gate: DurabilityGate[Effect] = DurabilityGate()

    with pytest.raises(InvariantViolated, match="waits for write 1"):
        gate.admit([message("early", after=1), write(1)])


@pytest.mark.parametrize("effect", [Persist, Send])
def test_no_subclass_can_slip_past_the_gate(effect: type) -> None:
    with pytest.raises(TypeError, match=f"{effect.__name__} has no subclasses"):
        type("Urgent", (effect,), {})
