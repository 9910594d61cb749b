"""An exception whose own code raises, lies or nests endlessly is the outcome of one command, and ends no node."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from coterie import Outcome, Topology
from coterie.actors.groups.replicas.typed_machine import is_local
from coterie.actors.groups.state_machine import StateMachine
from coterie.errors import CommandFailed
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.observing.error_texts import loggable

pytestmark = pytest.mark.virtual


@message(name="test.hostile.Try")
class Try(Ask[int]):
    how: str


@message(name="test.hostile.Count")
class Count(Ask[int]):
    """Add one, return the sum."""


class NoClass(Exception):
    @property  # type: ignore[misc]
    def __class__(self) -> NoReturn:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        raise ValueError("no class")


class SaysOutOfMemory(Exception):
    @property  # type: ignore[misc]
    def __class__(self) -> type:  # pyright: ignore[reportIncompatibleMethodOverride]
        return MemoryError


class NoMembers(BaseExceptionGroup):
    @property
    def exceptions(self) -> NoReturn:
        raise ValueError("no members")


class NoAttributes(Exception):
    def __getattribute__(self, name: str) -> NoReturn:
        raise ValueError(name)


class ExitingCause(Exception):
    @property
    def __cause__(self) -> NoReturn:  # type: ignore[override]
        raise SystemExit(3)


class ExitingLine(SyntaxError):
    @property
    def lineno(self) -> NoReturn:  # type: ignore[override]
        raise GeneratorExit


def nested(depth: int) -> ExceptionGroup[Exception]:
    group: ExceptionGroup[Exception] = ExceptionGroup("g", [ValueError("innermost")])
    for _ in range(depth):
        group = ExceptionGroup("g", [group])
    return group


ERRORS: dict[str, Any] = {
    "no class": NoClass,
    "says it is out of memory": SaysOutOfMemory,
    "no members": lambda: NoMembers("g", [ValueError()]),
    "no attributes": NoAttributes,
    "exiting cause": ExitingCause,
    "exiting line": lambda: ExitingLine("s"),
    "nested 600 deep": lambda: nested(600),
    "nested 5,000 deep": lambda: nested(5_000),
}


class Fragile(StateMachine[Try | Count]):
    def __init__(self) -> None:
        self.count = 0

    def apply(self, command: Try | Count, /) -> int:
        self.count += 1
        if isinstance(command, Try):
            error: BaseException = ERRORS[command.how]()
            raise error
        return self.count


@pytest.mark.parametrize("how", ERRORS)
async def test_it_is_the_outcome_of_its_command_and_the_group_goes_on_also_after_a_restart(
    how: str, make_cluster: Any
) -> None:
    topology = Topology("hostile", nodes=["n1", "n2", "n3"])
    topology.raft("counts", machine=Fragile)
    cluster = make_cluster(topology)
    await cluster.start()
    group = (await cluster.client()).group("counts")

    with pytest.raises(CommandFailed) as caught:
        await group.execute(Try(how))

    assert caught.value.outcome is Outcome.HAPPENED
    assert await group.execute(Count()) == 2
    for name in ("n1", "n2", "n3"):
        await cluster.kill(name)
    for name in ("n1", "n2", "n3"):
        await cluster.start(name)
    assert await group.execute(Count()) == 3
    assert [cluster[name].system.fault for name in ("n1", "n2", "n3")] == [None] * 3


def test_a_local_condition_is_found_in_any_group() -> None:
    assert is_local(BaseExceptionGroup("g", [ValueError(), BaseExceptionGroup("h", [SystemExit()])]))
    assert is_local(NoMembers("g", [MemoryError()]))
    assert not is_local(nested(5_000))


@pytest.mark.parametrize("how", ["no class", "no attributes", "exiting cause", "nested 600 deep"])
def test_what_is_logged_in_place_of_such_an_error_has_a_text(how: str) -> None:
    assert type(ERRORS[how]()).__name__ in str(loggable(ERRORS[how]()))
