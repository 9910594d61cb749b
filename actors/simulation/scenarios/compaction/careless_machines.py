"""Careless machines: simulates machines whose `snapshot` loses something; a failed run raises `Violation`.

Their log must be kept: once the machine is mended and its nodes are started again, every acknowledged command counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from coterie.actors.groups.compaction.snapshot_policy import SnapshotPolicy
from coterie.actors.groups.state_machine import StateMachine
from coterie.actors.simulation.simulated_client import SimulatedClient
from coterie.actors.simulation.simulation import Simulation
from coterie.actors.topology import Topology
from coterie.errors import CommandError
from coterie.protocols.algorithm import NodeId
from coterie.runtime.messages.message import Ask, message

__all__ = ["attribute_filled_late", "attribute_left_out", "machine_emptied"]

NODES: Final = ("n1", "n2", "n3")
GROUP: Final = "marks"
EVERY_FIVE: Final = SnapshotPolicy(after_entries=5, share=0.0, trailing_entries=0)
COMMANDS: Final = 40
LATE_AFTER: Final = 20
SETTLE_S: Final = 20.0


@message(name="simulation.Mark")
class Mark(Ask[int]):
    """Leave a mark."""


class Marks(StateMachine[Mark]):
    """Counts marks; of those after the twentieth it keeps the numbers."""

    def __init__(self) -> None:
        self.total = 0
        self.late: list[int] = []

    def apply(self, command: Mark, /) -> int:
        """Return how many marks there are."""
        del command
        self.total += 1
        if self.total > LATE_AFTER:
            self.late.append(self.total)
        return self.total

    def snapshot(self) -> Iterator[bytes]:
        """Return everything."""
        return iter([json.dumps([self.total, self.late]).encode()])

    def restore(self, piece: bytes) -> None:
        """Restore everything."""
        self.total, self.late = json.loads(piece)


class WithoutTotal(Marks):
    """Leaves the total out."""

    def snapshot(self) -> Iterator[bytes]:
        """Return the late ones."""
        return iter([json.dumps([0, self.late]).encode()])


class WithoutLate(Marks):
    """Leaves the late ones out, of which there are none at first."""

    def snapshot(self) -> Iterator[bytes]:
        """Return the total, always in as many bytes."""
        return iter([f"[{self.total:9d}, []]".encode()])


class Emptied(Marks):
    """Takes out what it saves."""

    def snapshot(self) -> Iterator[bytes]:
        """Return everything, and forget the late ones."""
        late, self.late = self.late, []
        return iter([json.dumps([self.total, late]).encode()])


def attribute_left_out(seed: int) -> None:
    """Let the snapshots of a group lack an attribute, from which its nodes then start.

    Raises:
        Violation: `snapshot.state_lost`: an acknowledged command is lost.
    """
    _run(WithoutTotal, seed)


def attribute_filled_late(seed: int) -> None:
    """Let the snapshots of a group lack an attribute that is empty when the first ones are taken; start from them.

    Raises:
        Violation: as `attribute_left_out`.
    """
    _run(WithoutLate, seed)


def machine_emptied(seed: int) -> None:
    """Let snapshots empty the machines in use; start from what there is, with code that is mended.

    Raises:
        Violation: as `attribute_left_out`.
    """
    _run(Emptied, seed)


def _run(machine: type[Marks], seed: int) -> None:
    sim = Simulation(seed)
    sim.run(partial(_lose, sim, machine))


def _topology(machine: type[Marks]) -> Topology:
    topology = Topology("careless", nodes=NODES)
    topology.raft(GROUP, machine=machine, snapshots=EVERY_FIVE)
    return topology


async def _lose(sim: Simulation, machine: type[Marks]) -> None:
    sim.deploy(_topology(machine))
    await sim.ready()
    acknowledged: list[int] = []
    await sim.clients(1, partial(_mark, acknowledged))
    await asyncio.sleep(SETTLE_S)
    for name in NODES:
        sim.upgrade(name, _topology(Marks))
    await sim.ready()
    await asyncio.sleep(SETTLE_S)
    expected = list(range(LATE_AFTER + 1, max(acknowledged, default=0) + 1))
    for name in NODES:
        found = _machine_on(sim, name)
        if found.total < len(acknowledged) or found.late[: len(expected)] != expected:
            detail = f"{len(acknowledged)} commands were acknowledged, and {found.total} count, {len(found.late)} late"
            sim.check(sim.violation_context.fail, "snapshot.state_lost", NodeId(name), detail)


async def _mark(acknowledged: list[int], client: SimulatedClient) -> None:
    for _ in range(COMMANDS):
        with contextlib.suppress(CommandError):
            acknowledged.append(await client.access.group(GROUP).execute(Mark(), timeout_s=10.0))


def _machine_on(sim: Simulation, name: str) -> Any:
    cell: Any = sim.node(name).system.registry.cell_at(GROUP)
    return cell.actor.machine.state
