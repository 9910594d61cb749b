"""Evolution trials: run one node, or two releases, through a known change of code, and check one rule each.

| invariant | broken when |
| --- | --- |
| `evolution.one_meaning` | two releases that follow one schema make different values of the same bytes |
| `evolution.inactive_not_logged` | a command that is not active is in the log |
| `evolution.contradiction_refused` | a node starts with code that contradicts its log |
| `evolution.older_code_quarantined` | a node that cannot follow its log leads |
| `evolution.one_code` | a schema would become active although a voter runs other code |
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgpack

from coterie.actors.groups.evolution.group_schemas import GroupSchemas
from coterie.actors.groups.evolution.machine_schema import machine_schema
from coterie.actors.groups.evolution.recorded_commands import RecordedCommands
from coterie.actors.groups.evolution.schema_leadership import SchemaLeadership
from coterie.actors.groups.group_messages import GroupStatus
from coterie.actors.groups.replicas.typed_machine import TypedMachine
from coterie.actors.groups.state_machine import StateMachine, commands_of
from coterie.actors.groups.typed_commands import encode_command
from coterie.actors.node import Node
from coterie.actors.simulation.scenarios.upgrades.ledger_releases import (
    GROUP,
    OLD,
    OTHER_RELEASE_OF_THE_SAME_VERSION,
    RELEASES,
    Add,
    Bonus,
    Item,
    Read,
    Rowed,
    Sum,
    topology_of,
)
from coterie.actors.topology.topology import Topology
from coterie.errors import CommandError, TopologyError
from coterie.protocols.algorithm import NodeId
from coterie.protocols.checking.violation import ViolationContext
from coterie.protocols.evolution.schema_text import schema_hash
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_loop import run_virtual
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.observing.loggers import logger

__all__ = ["activation_of_other_code", "contradicting_code", "inactive_command", "older_code", "two_releases"]

NODE = NodeId("n1")


@message(name="upgrade.Add")
class _AddWithOtherDefault(Ask[Sum]):
    """The command of "field", whose developers have changed their minds about the default."""

    number: int
    items: tuple[Item, ...]
    times: int = 7


class _LedgerWithOtherDefault(Rowed, StateMachine[_AddWithOtherDefault | Read]):
    version = 2


@message(name="upgrade.Add")
class _AddText(Ask[Sum]):
    """The command, with a field of another type."""

    number: str
    items: tuple[Item, ...]


class _LedgerOfTexts(Rowed, StateMachine[_AddText | Read]):
    def apply(self, command: object, /) -> object:
        """Do nothing."""
        return None


def two_releases(seed: int) -> None:
    """Let two releases decode a command that leaves a field out, under the schema of one of them.

    Raises:
        Violation: `evolution.one_meaning`.
    """
    recorded, other = RELEASES["field"].machine, _LedgerWithOtherDefault
    payload = encode_command(Add(1, (Item("tea", 2),)), msgpack.Packer().pack)
    schema = machine_schema(recorded)
    times = [RecordedCommands(schema, commands_of(machine)).decode(payload)[1].times for machine in (recorded, other)]
    if times[0] != times[1]:
        ViolationContext().fail("evolution.one_meaning", None, f"`times` is {times[0]} here and {times[1]} there")


def inactive_command(seed: int) -> None:
    """Send a command of newer code to a group in which the older schema is active.

    Raises:
        Violation: `evolution.inactive_not_logged`.
    """
    run_virtual(_inactive_command)


async def _inactive_command() -> None:
    disk = VirtualDisk()
    async with _started(topology_of(OLD, [NODE]), disk, bootstrap="new") as node:
        await node.group(GROUP).execute(Read())
    async with _started(topology_of(RELEASES["command"], [NODE]), disk) as node:
        group = node.group(GROUP)
        with contextlib.suppress(CommandError):  # which opens the session of this client
            await group.execute(Add(1, ()), timeout_s=5)
        before = await _status(node)
        with contextlib.suppress(CommandError):
            await group.execute(Bonus(2, 5), timeout_s=5)
        after = await _status(node)
    if after.last_index != before.last_index:
        ViolationContext().fail("evolution.inactive_not_logged", NODE, f"the bonus is entry {after.last_index}")


def contradicting_code(seed: int) -> None:
    """Start a node with code that contradicts its log.

    Raises:
        Violation: `evolution.contradiction_refused`.
    """
    run_virtual(_contradicting_code)


async def _contradicting_code() -> None:
    disk = VirtualDisk()
    async with _started(topology_of(OLD, [NODE]), disk, bootstrap="new") as node:
        await node.group(GROUP).execute(Read())
        await node.group(GROUP).execute(Add(1, ()))
    wrong = Topology("upgrade", nodes=[NODE])
    wrong.raft(GROUP, machine=_LedgerOfTexts)
    try:
        async with _started(wrong, disk):
            ViolationContext().fail("evolution.contradiction_refused", NODE, "`number` was an int and is a str")
    except TopologyError:
        return


def older_code(seed: int) -> None:
    """Start the only node of a group with older code than is active.

    Raises:
        Violation: `evolution.older_code_quarantined`.
    """
    run_virtual(_older_code)


async def _older_code() -> None:
    disk = VirtualDisk()
    async with _started(topology_of(RELEASES["field"], [NODE]), disk, bootstrap="new") as node:
        await node.group(GROUP).execute(Read())
    async with _started(topology_of(OLD, [NODE]), disk) as node:
        with contextlib.suppress(CommandError):
            await node.group(GROUP).execute(Read(), timeout_s=5)
        status = await _status(node)
    if status.role == "leader":
        detail = f"version {status.code_version} leads a group of which {status.quarantine or 'nothing'} is told"
        ViolationContext().fail("evolution.older_code_quarantined", NODE, detail)


def activation_of_other_code(seed: int) -> None:
    """Let two voters run code that calls itself the same version.

    Raises:
        Violation: `evolution.one_code`.
    """
    mine, other = RELEASES["field"].machine, OTHER_RELEASE_OF_THE_SAME_VERSION.machine
    leadership = SchemaLeadership(GroupSchemas(TypedMachine(mine())), NODE, None, logger("trial"))
    leadership.heard("n2", schema_hash(machine_schema(other)))
    if not leadership.held_up_by([NODE, "n2"]):
        ViolationContext().fail("evolution.one_code", NODE, "n2 runs another version 2")


@contextlib.asynccontextmanager
async def _started(topology: Topology, disk: VirtualDisk, **options: Any) -> AsyncIterator[Node]:
    host = VirtualHost(NODE, disk=disk, seed=7)
    async with topology.start(node=NODE, data="data", host=host, **options) as node:
        yield node


async def _status(node: Node) -> GroupStatus:
    (status,) = (await node.group(GROUP).status()).values()
    if not isinstance(status, GroupStatus):
        raise status
    return status
