"""The checker of exactly-once."""

from __future__ import annotations

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.sessions_checker import SessionsChecker
from coterie.protocols.checking.violation import Violation, ViolationContext
from coterie.protocols.replicated_log import LogIndex
from coterie.protocols.sessions import UnknownSession

A, B = NodeId("a"), NodeId("b")
ONE, TWO, THREE = LogIndex(1), LogIndex(2), LogIndex(3)


def checker() -> SessionsChecker:
    it = SessionsChecker(ViolationContext())
    it.started(A)
    it.started(B)
    return it


def breaks(invariant: str) -> pytest.RaisesExc[Violation]:
    return pytest.RaisesExc(Violation, match=rf"^{invariant} broken")


def test_checker_accepts_a_correct_run() -> None:
    it = checker()
    it.submitted(b"x")
    it.executed(A, ONE, b"x")
    it.answered(b"x", ONE)
    it.executed(B, ONE, b"x")
    it.started(A)
    it.executed(A, ONE, b"x")
    it.ended()

    assert it.acknowledged == 1


def test_a_life_executes_a_command_once() -> None:
    it = checker()
    it.executed(A, ONE, b"x")

    with breaks("sessions.executed_twice"):
        it.executed(A, TWO, b"x")


def test_all_lives_execute_a_command_at_one_place() -> None:
    it = checker()
    it.executed(A, ONE, b"x")

    with breaks("sessions.answer_differs"):
        it.executed(B, TWO, b"x")


def test_an_answer_tells_what_happened() -> None:
    it = checker()
    it.executed(A, ONE, b"x")

    with breaks("sessions.answer_differs"):
        it.answered(b"x", TWO)
    with breaks("sessions.answer_differs"):
        it.answered(b"never executed", TWO)


def test_an_open_command_is_not_answered_by_an_error() -> None:
    with breaks("sessions.answer_differs"):
        checker().refused(b"x", UnknownSession())


def test_a_command_takes_effect_after_what_was_answered_before_it_was_asked() -> None:
    it = checker()
    it.executed(A, ONE, b"stale")
    it.executed(A, TWO, b"first")
    it.answered(b"first", TWO)
    it.submitted(b"stale")

    with breaks("sessions.real_time_order"):
        it.answered(b"stale", ONE)


def test_concurrent_commands_may_take_effect_in_any_order() -> None:
    it = checker()
    it.submitted(b"x")
    it.submitted(b"y")
    it.executed(A, ONE, b"y")
    it.executed(A, TWO, b"x")
    it.answered(b"x", TWO)
    it.submitted(b"x")  # a retry does not begin anew

    it.answered(b"y", ONE)

    assert it.acknowledged == 2


def test_every_node_executes_in_the_end_what_was_answered() -> None:
    it = checker()
    it.executed(A, ONE, b"x")
    it.answered(b"x", ONE)

    with breaks("sessions.acknowledged_lost"):
        it.ended()
