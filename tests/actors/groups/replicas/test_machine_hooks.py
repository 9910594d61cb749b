"""Whatever the code of a state machine throws, in any hook: its caller hears of it, it is logged, the group goes on.

`docs/failures.md` has the table that these tests check. What is thrown is that of `tests/runtime/failing_hooks.py`.
"""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest

from coterie import Ask, CommandRefused, Query, StateMachine, Topology, message
from coterie.actors.groups.replicas.typed_machine import TypedMachine
from coterie.actors.groups.typed_commands import decode_result
from coterie.errors import CommandTimeout, CommandUnsettled, Outcome, TopologyError
from coterie.testing import Cluster
from tests.runtime.failing_hooks import THROWN, thrown

pytestmark = pytest.mark.virtual

PAGE = Path(__file__).parent.parent.parent.parent.parent / "docs" / "failures.md"
NODES = ("n1", "n2", "n3")


@dataclass(frozen=True)
class MachineHook:
    """A hook that throws. `outcome`: the class of the error that the caller gets. `event`: with which it is logged.

    `is_local`: whether a MemoryError says something of the node: it stops.
    """

    where: str
    outcome: str
    event: str = "none"
    is_local: bool = False


HOOKS: Final = (
    MachineHook("apply", "CommandFailed", "group.apply_failed", is_local=True),
    MachineHook("apply of a query", "CommandFailed", "group.apply_failed", is_local=True),
    MachineHook("read", "CommandFailed", "group.read_failed"),
    MachineHook("__post_init__ of a command", "CommandRefused", is_local=True),
    MachineHook("__post_init__ of a part of a command", "CommandRefused", is_local=True),
    MachineHook("__post_init__ of a reply", "CommandFailed", "group.apply_failed", is_local=True),
    MachineHook("__post_init__ of a reply, at the caller", "CommandFailed"),
    MachineHook("declared error", "CommandFailed", "group.apply_failed"),
    MachineHook("__init__ of a declared error", "CommandFailed", "group.apply_failed", is_local=True),
    MachineHook("__init__ of a CommandRefused", "CommandFailed", "group.apply_failed", is_local=True),
    MachineHook("__str__ of a CommandRefused", "CommandRefused"),
)


CALLERS: Final = {
    "__post_init__ of a reply": (TypedMachine._encode,),
    "__post_init__ of a reply, at the caller": (decode_result,),
}
"""In the call of which functions a reply throws: not where the machine makes it."""


def called_by(*functions: Any) -> bool:
    """Return whether this code runs within a call of one of the functions."""
    codes = [function.__code__ for function in functions]
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code in codes:
            return True
        frame = frame.f_back
    return False


class Fail:
    """`where`: the hook that throws `what` now."""

    where = ""
    what = ""

    @classmethod
    def at(cls, where: str) -> None:
        if where and where == cls.where:
            raise thrown(cls.what)


@pytest.fixture(autouse=True)
def nothing_fails_afterwards() -> Iterator[None]:
    yield
    Fail.where = ""


class Denied(Exception):
    """A declared error."""

    def __init__(self) -> None:
        Fail.at("__init__ of a declared error")
        super().__init__()


class Refused(CommandRefused):
    """A refusal whose own code fails."""

    def __init__(self) -> None:
        Fail.at("__init__ of a CommandRefused")
        super().__init__("by rule")

    def __str__(self) -> str:
        Fail.at("__str__ of a CommandRefused")
        return "by rule"


@message(name="hooks.machine.Result")
class Result:
    """A reply that checks itself: `where` it was made for."""

    where: str

    def __post_init__(self) -> None:
        if self.where in CALLERS and called_by(*CALLERS[self.where]):
            Fail.at(self.where)


@message(name="hooks.machine.Part")
class Part:
    """A part of a command that checks itself."""

    where: str

    def __post_init__(self) -> None:
        if self.where == "__post_init__ of a part of a command" and called_by(TypedMachine.apply):
            Fail.at(self.where)


@message(name="hooks.machine.Do", raises=(Denied,))
class Do(Ask[Result]):
    """Let the hook `where` throw."""

    where: str
    part: Part

    def __post_init__(self) -> None:
        if self.where == "__post_init__ of a command" and called_by(TypedMachine.apply):
            Fail.at(self.where)


@message(name="hooks.machine.Look")
class Look(Query[int]):
    """Read, or let `apply of a query` throw."""

    where: str = ""


@message(name="hooks.machine.Peek")
class Peek(Query[int]):
    """Let `read` throw."""

    where: str = ""


class Machine(StateMachine[Do | Look | Peek]):
    """Fails where it is told to."""

    def __init__(self) -> None:
        self.applied = 0

    def apply(self, command: Do | Look, /) -> Result | int:
        if isinstance(command, Look):
            Fail.at(command.where)
            return self.applied
        self.applied += 1
        if command.where == "apply":
            Fail.at("apply")
        if "declared error" in command.where:
            raise Denied
        if "CommandRefused" in command.where:
            raise Refused
        return Result(command.where)

    def read(self, query: Peek, /) -> int:
        Fail.at(query.where)
        return self.applied


def topology_of(machine: type[StateMachine[Any]] = Machine) -> Topology:
    topology = Topology("hooks", nodes=list(NODES))
    topology.raft("group", machine=machine)
    return topology


async def outcome_of(group: Any, command: Any) -> str:
    try:
        return str(await group.execute(command, timeout_s=5.0))
    except BaseException as error:  # noqa: BLE001 (whatever it is, it is what the caller hears)
        return type(error).__name__


def command_for(hook: MachineHook) -> Do | Look | Peek:
    if hook.where in ("apply of a query", "read"):
        return (Peek if hook.where == "read" else Look)(hook.where)
    return Do(hook.where, Part(hook.where))


def errors(caplog: pytest.LogCaptureFixture) -> set[str]:
    return {record.getMessage().split()[0] for record in caplog.records if record.levelno >= logging.ERROR}


OUTCOMES: Final = [(hook, what) for hook in HOOKS for what in THROWN if not (hook.is_local and what == "MemoryError")]


@pytest.mark.parametrize(("hook", "what"), OUTCOMES, ids=[f"{hook.where}-{what}" for hook, what in OUTCOMES])
async def test_whatever_a_machine_throws_its_caller_hears_of_it_and_the_group_goes_on(
    make_cluster: Any, caplog: pytest.LogCaptureFixture, hook: MachineHook, what: str
) -> None:
    cluster: Cluster = make_cluster(topology_of())
    await cluster.start()
    group = (await cluster.client()).group("group")
    assert await group.execute(Look()) == 0
    caplog.clear()

    Fail.where, Fail.what = hook.where, what
    begun = asyncio.get_running_loop().time()
    outcome = await outcome_of(group, command_for(hook))
    took_s = asyncio.get_running_loop().time() - begun
    await asyncio.sleep(1)
    Fail.where = ""

    expected = hook if not (what == "RecursionError" and hook in AT_DECODING) else DEPTH
    assert outcome == expected.outcome
    assert took_s < 1.0
    assert errors(caplog) == {expected.event} - {"none"}
    for record in caplog.records:
        if record.levelno >= logging.ERROR:
            facts = vars(record)["facts"]
            assert record.exc_info
            assert facts["index"] > 0
            assert type(command_for(hook)).__name__ in facts["command"]
    changes_nothing = hook.where in ("apply of a query", "read") or hook in AT_DECODING
    assert await group.execute(Look()) == (0 if changes_nothing else 1)
    for node in cluster.values():
        assert node.system.fault is None
        assert node.system.failures == 0
        assert len(node.system.remoting.linked_names) >= 2


AT_DECODING: Final = tuple(hook for hook in HOOKS if hook.outcome == "CommandRefused" and "__post_init__" in hook.where)

DEPTH: Final = MachineHook("", "CommandFailed", "group.apply_failed")
"""Of a RecursionError in a command's `__post_init__`: the depth of calls has the rule of `apply`."""


@pytest.mark.parametrize("hook", [hook for hook in HOOKS if hook.is_local], ids=lambda hook: hook.where)
async def test_a_machine_that_is_out_of_memory_stops_its_node_aloud(
    make_cluster: Any, caplog: pytest.LogCaptureFixture, hook: MachineHook
) -> None:
    cluster: Cluster = make_cluster(topology_of())
    await cluster.start()
    group = (await cluster.client()).group("group")
    assert await group.execute(Look()) == 0
    leader = await cluster.leader_of("group")
    caplog.clear()

    Fail.where, Fail.what = hook.where, "MemoryError"
    with pytest.raises(CommandTimeout) as caught:
        await group.execute(command_for(hook), timeout_s=5.0)
    Fail.where = ""
    stopped = [name for name in NODES if cluster[name].system.fault is not None]
    for name in stopped:  # the leader first; the others as far as they have applied the entry, too
        with pytest.raises(MemoryError):
            await cluster.ended(name)

    assert leader in stopped
    assert caught.value.outcome is Outcome.UNKNOWN
    assert {"group.apply_stops_node", "system.failed"} <= errors(caplog)
    stops = [record for record in caplog.records if record.getMessage().startswith("group.apply_stops_node ")]
    assert {record.levelno for record in stops} == {logging.CRITICAL}
    assert leader in {vars(record)["facts"]["node"] for record in stops}


# The hooks without a command.


class Second(Machine):
    """Newer code, whose `migrate` throws."""

    version = 2

    def migrate(self, old: int, new: int) -> None:
        Fail.at("migrate")


@pytest.mark.parametrize("what", THROWN)
async def test_a_migration_that_throws_is_a_quarantine_and_is_logged_with_its_traceback(
    make_cluster: Any, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    cluster: Cluster = make_cluster(topology_of())
    await cluster.start()
    assert await (await cluster.client()).group("group").execute(Look()) == 0
    for name in NODES:
        await cluster.kill(name)
    cluster.topology = topology_of(Second)
    await cluster.start()
    client = await cluster.client()
    await asyncio.sleep(3)
    caplog.clear()

    Fail.where, Fail.what = "migrate", what
    with pytest.raises(CommandUnsettled, match=r"it is in quarantine: migrate to version 2 raised"):
        await client.group("group").activate(timeout_s=3.0)
    statuses = await client.group("group").status()

    assert {getattr(status, "role", status) for status in statuses.values()} == {"quarantined"}
    assert all("migrate to version 2 raised" in str(getattr(status, "quarantine", "")) for status in statuses.values())
    assert errors(caplog) == {"group.migrate_failed", "raft.quarantine_entered"}
    failed = [record for record in caplog.records if record.getMessage().startswith("group.migrate_failed ")]
    assert sorted(vars(record)["facts"]["node"] for record in failed) == list(NODES)
    assert all(record.exc_info for record in failed)
    assert [cluster[name].system.fault for name in NODES] == [None] * 3


@pytest.mark.parametrize("what", THROWN)
def test_a_machine_that_cannot_be_made_is_a_mistake_of_the_topology(what: str) -> None:
    class Unmade(Machine):
        def __init__(self) -> None:
            Fail.at("__init__")

    Fail.where, Fail.what = "__init__", what
    with pytest.raises(TopologyError, match="group 'group': machine= makes no state machine: ") as caught:
        topology_of(Unmade).validate()

    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 2000


# The page.


def test_the_page_has_the_table_that_is_checked_here() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([^`]+)` \| `(Command\w+)` \| `?([\w.]+)`? \| (stops|goes on) \|", page, re.MULTILINE)

    found = {where: outcome for where, *outcome in rows}
    assert found == {hook.where: [hook.outcome, hook.event, "stops" if hook.is_local else "goes on"] for hook in HOOKS}
