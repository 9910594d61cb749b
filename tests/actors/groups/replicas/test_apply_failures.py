"""Whatever comes out of `apply` is that command's outcome, equal on all replicas, and told once with its traceback."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgpack
import pytest

from coterie import Outcome, Topology
from coterie.actors.groups.replicas.typed_machine import Failed, TypedMachine
from coterie.actors.groups.state_machine import StateMachine
from coterie.actors.groups.typed_commands import decode_result, encode_command
from coterie.errors import CommandFailed, CommandRefused, CommandTimeout
from coterie.protocols.replicated_log import LogIndex
from coterie.runtime.messages.message import Ask, message

pytestmark = pytest.mark.virtual


class NoText(Exception):
    """An exception whose text cannot be had."""

    def __str__(self) -> str:
        raise AttributeError("detail")

    __repr__ = __str__


class Skip(BaseException):
    """A `BaseException` that is no exit, as test frameworks have them."""


@message(name="test.failures.Try")
class Try(Ask[int]):
    """Do what the machine has under this name."""

    how: str


@message(name="test.failures.Count")
class Count(Ask[int]):
    """Add one, return the sum."""


@message(name="test.failures.Picky")
class Picky(Ask[int]):
    """Its fields are checked by code that raises what is no Exception, or what has no text."""

    how: str

    def __post_init__(self) -> None:
        if self.how == "skip":
            raise Skip("from the message")
        if self.how == "no text":
            raise NoText


def throw(error: BaseException) -> Any:
    raise error


async def work() -> int:
    return 1


def recurse(number: int) -> int:
    return recurse(number + 1) + 1


WRONG_REPLY = "BadMessage: the reply of command 'test.failures.Try' is not of its declared type int: got"

OUTCOMES: dict[str, tuple[Callable[[], object], str]] = {
    "exception": (lambda: throw(ValueError("broken")), "ValueError: broken"),
    "no text": (lambda: throw(NoText()), "NoText: (its text cannot be had: AttributeError)"),
    "long": (lambda: throw(ValueError("x" * 10**6)), "ValueError: xxx"),
    "cancelled": (lambda: throw(asyncio.CancelledError("c")), "CancelledError: c"),
    "base exception": (lambda: throw(Skip("s")), "Skip: s"),
    "group": (lambda: throw(ExceptionGroup("g", [ValueError("v"), NoText()])), "ExceptionGroup: g (2 sub-exceptions)"),
    "stop": (lambda: throw(StopIteration(3)), "StopIteration: 3"),
    "generator exit": (lambda: throw(GeneratorExit("g")), "GeneratorExit: g"),
    "recursion": (lambda: recurse(0), "RecursionError: maximum recursion depth exceeded"),
    "other type": (lambda: "a text", f"{WRONG_REPLY} 'a text' (BadMessage: expected int, got str"),
    "coroutine": (work, f"{WRONG_REPLY} <coroutine"),
    "generator": (lambda: (number for number in range(3)), f"{WRONG_REPLY} <generator"),
    "beyond 64 bits": (lambda: 2**70, f"{WRONG_REPLY} {2**70} (OverflowError: "),
    "cause": (lambda: throw(_caused()), "KeyError: 'k'"),
}


def _caused() -> BaseException:
    error = KeyError("k")
    error.__cause__ = NoText()
    return error


class Fragile(StateMachine[Try | Count | Picky]):
    def __init__(self) -> None:
        self.count = 0

    def apply(self, command: Try | Count | Picky, /) -> object:
        self.count += 1
        return OUTCOMES[command.how][0]() if isinstance(command, Try) else self.count


pack = msgpack.Packer().pack


def reported_machine() -> tuple[TypedMachine, list[tuple[LogIndex, object, str]]]:
    machine = TypedMachine(Fragile())
    reported: list[tuple[LogIndex, object, str]] = []

    def report(failed: Failed, index: LogIndex, command: object, error: BaseException) -> None:
        assert failed is Failed.APPLY
        reported.append((index, command, type(error).__name__))

    machine.report_failures_to(report)
    return machine, reported


@pytest.mark.parametrize("how", OUTCOMES)
def test_any_exception_is_the_outcome_of_its_command_and_the_machine_goes_on(how: str) -> None:
    machine, reported = reported_machine()

    reply = machine.apply(LogIndex(5), encode_command(Try(how), pack))

    with pytest.raises(CommandFailed) as caught:
        decode_result(Try(how), reply)
    assert f"Try failed where it was executed: {OUTCOMES[how][1]}" in str(caught.value)
    assert len(str(caught.value)) < 1200
    assert caught.value.outcome is Outcome.HAPPENED
    assert [(index, command) for index, command, _ in reported] == [(5, Try(how))]
    assert decode_result(Count(), machine.apply(LogIndex(6), encode_command(Count(), pack))) == 2


@pytest.mark.parametrize(("how", "text"), [("skip", "Skip: from the message"), ("no text", "NoText: .its text cannot")])
def test_a_command_that_refuses_its_fields_is_refused(how: str, text: str) -> None:
    machine, reported = reported_machine()
    command = pack(("test.failures.Picky", (how,)))

    reply = machine.apply(LogIndex(5), command)

    with pytest.raises(CommandRefused, match=text):
        decode_result(Count(), reply)
    assert reported == []


def test_a_refusal_whose_text_cannot_be_had_is_a_refusal() -> None:
    class Shy(CommandRefused):
        def __str__(self) -> str:
            raise ValueError("no")

    class Refusing(StateMachine[Count]):
        def apply(self, command: Count, /) -> int:
            raise Shy

    reply = TypedMachine(Refusing()).apply(LogIndex(1), encode_command(Count(), pack))

    with pytest.raises(CommandRefused, match="its text cannot be had: ValueError"):
        decode_result(Count(), reply)


def test_a_report_that_fails_does_not_change_the_outcome() -> None:
    machine = TypedMachine(Fragile())
    machine.report_failures_to(lambda failed, index, command, error: throw(OSError("the log is full")))

    reply = machine.apply(LogIndex(1), encode_command(Try("exception"), pack))

    with pytest.raises(CommandFailed, match="ValueError: broken"):
        decode_result(Try("exception"), reply)


def test_replies_of_replicas_that_failed_with_other_texts_are_equal_without_their_texts() -> None:
    class Addressed(StateMachine[Count]):
        def apply(self, command: Count, /) -> int:
            raise ValueError(f"{object()} is odd")

    one, other = (TypedMachine(Addressed()).apply(LogIndex(1), encode_command(Count(), pack)) for _ in range(2))
    keep = object()  # noqa: F841 (so that the second machine's object has another address)

    digested = TypedMachine(Addressed()).digested
    assert digested(one) == digested(other) == pack((2, "ValueError"))
    for reply in (pack((0, 7)), pack((0, (1, 2, 3))), pack((0, None))):
        assert digested(reply) is reply


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        SystemExit(3),
        KeyboardInterrupt(),
        BaseExceptionGroup("g", [ValueError("v"), BaseExceptionGroup("inner", [SystemExit(1)])]),
        ExceptionGroup("g", [MemoryError()]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_local_condition_is_no_outcome(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    machine, reported = reported_machine()
    monkeypatch.setitem(OUTCOMES, "local", (lambda: throw(error), ""))

    with pytest.raises(type(error)):
        machine.apply(LogIndex(5), encode_command(Try("local"), pack))

    assert reported == [(5, Try("local"), type(error).__name__)]


# In a group.


def topology() -> Topology:
    made = Topology("test", nodes=["n1", "n2", "n3"])
    made.raft("store", machine=Fragile)
    return made


def told(caplog: pytest.LogCaptureFixture, event: str) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.getMessage().startswith(f"{event} ")]


def facts(record: logging.LogRecord) -> dict[str, Any]:
    found: dict[str, Any] = vars(record)["facts"]
    return found


@pytest.mark.parametrize("how", OUTCOMES)
async def test_each_replica_tells_an_exception_with_traceback_command_and_index_and_serves_on(
    make_cluster: Any, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    cluster = make_cluster(topology())
    await cluster.start()
    group = (await cluster.client()).group("store")
    await group.execute(Count())

    with pytest.raises(CommandFailed):
        await group.execute(Try(how))
    await asyncio.sleep(1)

    records = told(caplog, "group.apply_failed")
    assert sorted(facts(record)["node"] for record in records) == ["n1", "n2", "n3"]
    assert {record.levelname for record in records} == {"ERROR"}
    assert len({facts(record)["index"] for record in records}) == 1
    for record in records:
        assert facts(record)["command"] == f"Try(how={how!r})"
        assert facts(record)["error"].startswith(OUTCOMES[how][1][:40])
        assert record.exc_info
        assert len(logging.Formatter().format(record)) < 20_000
    assert await group.execute(Count()) == 3
    assert all(node.system.failures == 0 for node in cluster.values())


async def test_repeated_failures_are_counted_and_told_at_each_doubling(
    make_cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = make_cluster(topology())
    await cluster.start()
    group = (await cluster.client()).group("store")

    await asyncio.gather(*(group.execute(Try("exception")) for _ in range(1000)), return_exceptions=True)
    await asyncio.gather(*(group.execute(Try("cancelled")) for _ in range(3)), return_exceptions=True)
    await asyncio.sleep(1)

    first = [facts(record) for record in told(caplog, "group.apply_failed") if facts(record)["node"] == "n1"]
    again = [facts(record) for record in told(caplog, "group.apply_failed_again") if facts(record)["node"] == "n1"]
    assert [each["error"] for each in first] == ["ValueError: broken", "CancelledError: c"]
    assert [each["count"] for each in again] == [2, 4, 8, 16, 32, 64, 128, 256, 512, 2]


async def test_failures_of_the_replay_after_a_restart_are_one_line_and_later_ones_are_told_in_full(
    make_cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = make_cluster(topology())
    await cluster.start()
    group = (await cluster.client()).group("store")
    await asyncio.gather(*(group.execute(Try("exception")) for _ in range(10)), return_exceptions=True)
    await asyncio.sleep(1)
    for name in list(cluster):
        await cluster.kill(name)
    caplog.clear()

    await cluster.start()
    assert await group.execute(Count(), timeout_s=30.0) == 11
    await asyncio.sleep(1)

    assert told(caplog, "group.apply_failed") == told(caplog, "group.apply_failed_again") == []
    summaries = [facts(record) for record in told(caplog, "group.apply_failed_in_replay")]
    assert sorted(summary["node"] for summary in summaries) == ["n1", "n2", "n3"]
    assert {(each["count"], each["first_error"], each["first_command"]) for each in summaries} == {
        (10, "ValueError", "Try")
    }
    with pytest.raises(CommandFailed):
        await group.execute(Try("exception"))
    await asyncio.sleep(1)
    assert len(told(caplog, "group.apply_failed")) == 3


class Hungry(StateMachine[Count]):
    """Has no memory on the node that is short of it."""

    short_of_memory = False

    def __init__(self) -> None:
        self.count = 0

    def apply(self, command: Count, /) -> int:
        self.count += 1
        if Hungry.short_of_memory:
            Hungry.short_of_memory = False  # one replica only: the next one has memory
            raise MemoryError
        return self.count


async def test_a_node_that_is_out_of_memory_stops_before_the_entry_counts_and_applies_it_again(
    make_cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    made = Topology("test", nodes=["n1", "n2", "n3"])
    made.raft("store", machine=Hungry)
    cluster = make_cluster(made)
    await cluster.start()
    group = (await cluster.client()).group("store")
    assert await group.execute(Count()) == 1
    leader = await cluster.leader_of("store")
    await asyncio.sleep(1)
    Hungry.short_of_memory = True  # on the leader, which applies the next entry first

    second = asyncio.create_task(group.execute(Count(), timeout_s=30.0))
    with pytest.raises(MemoryError):
        await cluster.ended(leader)

    assert await second == 2  # from another replica, under the same identity: executed once
    assert told(caplog, "group.apply_failed") == []
    (stopped,) = told(caplog, "group.apply_stops_node")
    for part in ("Count()", "MemoryError", "start code whose `apply` does not", "index"):
        assert part in str(facts(stopped)) + stopped.getMessage()
    await cluster.start(leader)
    await asyncio.sleep(3)
    assert await group.execute(Count()) == 3
    await asyncio.sleep(1)
    machines = [cluster[name].system.registry.cell_at("store").actor._machine.machine for name in cluster]
    assert [machine.count for machine in machines] == [3, 3, 3]


async def test_callers_of_a_node_that_runs_out_of_memory_do_not_hear_that_nothing_was_executed(
    make_cluster: Any,
) -> None:
    made = Topology("test", nodes=["n1"])
    made.raft("store", machine=Hungry)
    cluster = make_cluster(made)
    await cluster.start()
    group = (await cluster.client()).group("store")
    await group.execute(Count())
    Hungry.short_of_memory = True

    with pytest.raises(CommandTimeout) as caught:
        await group.execute(Count(), timeout_s=2.0)
    assert caught.value.outcome is Outcome.UNKNOWN
    with pytest.raises(MemoryError):
        await cluster.ended("n1")
