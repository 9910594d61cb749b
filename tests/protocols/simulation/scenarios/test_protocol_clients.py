"""Simulated clients insist: same session and sequence until there is an answer, and not a command more."""

from __future__ import annotations

import random

import pytest

from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.linearizability import History
from coterie.protocols.checking.sessions_checker import SessionsChecker
from coterie.protocols.checking.violation import Violation, ViolationContext
from coterie.protocols.replicated_log import LogIndex, Refusal, Reject
from coterie.protocols.sessions import (
    Command,
    CommandBatch,
    Done,
    Opened,
    OpenSession,
    SessionCommand,
    SessionId,
    UnknownSession,
    decode_command,
)
from coterie.protocols.simulation.event_heap import EventHeap
from coterie.protocols.simulation.scenarios.protocol_clients import ProtocolClient

MEMBERS = (NodeId("a"), NodeId("b"), NodeId("c"))

SESSION = SessionId(b"s" * 16)


class Bed:
    """One client, and all its attempts."""

    def __init__(self, commands: int = 2, seed: int = 4, think_s: float = 0.9) -> None:
        context = ViolationContext()
        self.heap = EventHeap(context)
        self.checker = SessionsChecker(context)
        self.checker.started(MEMBERS[0])
        self.attempts: list[tuple[NodeId, int, Command]] = []
        self.history = History()
        self._is_single = False
        self.client = ProtocolClient(
            1,
            commands,
            MEMBERS,
            think_s=think_s,
            heap=self.heap,
            rng=random.Random(seed),
            checker=self.checker,
            submit=self._submit,
            history=self.history,
        )

    def run_for(self, duration_s: float) -> None:
        self.heap.run(until_s=self.heap.now + duration_s)

    def run_until_attempt(self) -> None:
        self._is_single = True
        self.heap.run(until_s=1e9)
        self._is_single = False

    def _submit(self, client: ProtocolClient, node: NodeId, attempt: int, command: bytes, delay_s: float) -> None:
        assert delay_s >= 0.0
        self.attempts.append((node, attempt, decode_command(command)))
        if self._is_single:
            self.heap.stop()


def opened() -> Bed:
    bed = Bed()
    bed.run_until_attempt()
    bed.client.answered(0, Opened(SESSION))
    bed.run_until_attempt()
    return bed


def test_client_opens_a_session_first() -> None:
    bed = Bed()
    bed.run_until_attempt()

    assert bed.attempts[0][2] == OpenSession((1).to_bytes(16, "big"))


def test_client_repeats_an_unanswered_command_under_its_number_at_several_nodes() -> None:
    bed = opened()
    bed.run_for(20.0)

    commands = [command for _, _, command in bed.attempts if isinstance(command, SessionCommand)]
    doubled = [each for _, _, command in bed.attempts if isinstance(command, CommandBatch) for each in command.commands]
    assert len(commands) > 20
    assert len(doubled) > 2
    assert commands == [SessionCommand(SESSION, 1, 1, b"c1-1")] * len(commands)
    assert [decode_command(each) for each in doubled] == commands[:1] * len(doubled)
    assert sorted(dict.fromkeys(node for node, _, _ in bed.attempts)) == list(MEMBERS)


def test_client_submits_some_attempts_twice_on_purpose() -> None:
    bed = opened()
    bed.run_for(100.0)

    numbers = [attempt for _, attempt, _ in bed.attempts]
    twice = len(numbers) - len(dict.fromkeys(numbers))
    assert 0.03 * len(numbers) < twice < 0.2 * len(numbers)


def test_client_follows_a_redirect_to_the_leader() -> None:
    bed = opened()
    _, attempt, _ = bed.attempts[-1]

    bed.client.rejected(attempt, Reject(1, Refusal.NOT_LEADER, MEMBERS[2]))
    bed.run_until_attempt()

    assert bed.attempts[-1][0] == MEMBERS[2]


def test_client_ignores_the_refusal_of_an_older_attempt() -> None:
    bed = opened()
    _, attempt, _ = bed.attempts[-1]
    bed.run_until_attempt()
    before = len(bed.attempts)

    bed.client.rejected(attempt, Reject(1, Refusal.NOT_LEADER, MEMBERS[2]))
    bed.run_for(0.021)

    assert len(bed.attempts) == before


def test_client_does_its_commands_and_no_more() -> None:
    bed = opened()
    for sequence in (1, 2):
        assert not bed.client.is_done
        bed.checker.executed(MEMBERS[0], LogIndex(sequence), b"c1-%d" % sequence)
        bed.client.answered(sequence, Done(sequence.to_bytes(8, "big")))
        bed.client.answered(sequence, UnknownSession())  # a second answer to the same operation: nobody listens
        bed.run_for(2.0)

    count = len(bed.attempts)
    bed.run_for(50.0)
    assert bed.client.is_done
    assert bed.checker.acknowledged == 2
    assert len(bed.attempts) == count


def test_client_brings_an_error_about_its_open_command_before_the_checker() -> None:
    bed = opened()

    with pytest.raises(Violation, match=r"sessions\.answer_differs"):
        bed.client.answered(1, UnknownSession())


@pytest.mark.parametrize("has_session", [False, True])
def test_client_in_long_thought_can_be_hastened(*, has_session: bool) -> None:
    bed = Bed(think_s=1e6)
    if has_session:
        bed.run_until_attempt()
        bed.client.answered(0, Opened(SESSION))
    began_s, before = bed.heap.now, len(bed.attempts)

    bed.client.limit_think_time(0.2)
    bed.run_until_attempt()

    assert bed.heap.now - began_s <= 0.2
    assert len(bed.attempts) == before + 1
    assert isinstance(bed.attempts[-1][2], SessionCommand if has_session else OpenSession)


def test_client_writes_down_what_it_asked_and_where_that_took_effect() -> None:
    bed = opened()
    payload = bed.history.operations[0].input
    assert payload == ("append", b"c1-1")

    bed.checker.executed(MEMBERS[0], LogIndex(7), b"c1-1")
    bed.client.answered(1, Done((7).to_bytes(8, "big")))

    [operation] = bed.history.operations
    assert (operation.client, operation.output) == ("c1", 7)
