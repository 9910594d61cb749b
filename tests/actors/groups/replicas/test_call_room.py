"""What nests deeply in `apply` succeeds or fails on every replica alike, however deep the stack is that calls it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import pytest

from coterie import Ask, StateMachine, message
from coterie.actors.groups.replicas.call_room import CALLS_MAX, call_room
from coterie.actors.groups.replicas.typed_machine import TypedMachine
from coterie.actors.groups.typed_commands import encode_command
from coterie.protocols.replicated_log import LogIndex
from tests.actors.groups.replicas.test_replica import pack


@message(name="test_call_room.Nest")
class Nest(Ask[int]):
    calls: int


class Nester(StateMachine[Nest]):
    def apply(self, command: Nest, /) -> int:
        return self._nest(command.calls)

    def _nest(self, calls: int) -> int:
        return 0 if calls == 0 else 1 + self._nest(calls - 1)


def outcomes(depth: int) -> list[bytes]:
    """Return the replies to commands that nest more and more, applied within `depth` calls."""
    if depth:
        return outcomes(depth - 1)
    machine = TypedMachine(Nester())
    with call_room():
        return [
            machine.apply(LogIndex(calls), encode_command(Nest(calls), pack))
            for calls in range(CALLS_MAX - 40, CALLS_MAX + 10)
        ]


@pytest.fixture(params=[1000, 3000], ids=["usual limit", "raised limit"])
def limit(request: pytest.FixtureRequest) -> Iterator[int]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(request.param)
    yield request.param
    sys.setrecursionlimit(before)


def test_the_depth_of_the_caller_does_not_decide(limit: int) -> None:
    shallow = outcomes(0)

    assert any(reply == pack((0, CALLS_MAX - 40)) for reply in shallow)
    assert any(b"RecursionError" in reply for reply in shallow)
    for depth in (1, 2, 3, 50, 300):
        assert outcomes(depth) == shallow
    assert sys.getrecursionlimit() == limit


def test_the_limit_of_the_program_is_back_whatever_is_raised(limit: int) -> None:
    def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError), call_room():  # noqa: PT011
        fail()

    assert sys.getrecursionlimit() == limit


def test_a_program_that_is_deeper_than_the_limit_allows_can_go_on() -> None:
    def at_depth(depth: int, then: Callable[[], None]) -> None:
        if depth:
            at_depth(depth - 1, then)
        else:
            then()

    reached: list[int] = []

    def nest(calls: int) -> None:
        if calls:
            nest(calls - 1)
        else:
            reached.append(calls)

    def apply() -> None:
        with call_room():
            nest(CALLS_MAX - 40)

    at_depth(600, apply)

    assert reached == [0]
    at_depth(600, lambda: nest(100))
    assert reached == [0, 0]
