"""Snapshot runs: simulates groups that take snapshots all the time; a failed run raises `Violation`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from coterie.actors.groups.compaction.snapshot_policy import SnapshotPolicy
from coterie.actors.groups.key_value import KeyValue
from coterie.actors.groups.state_machine import StateMachine
from coterie.actors.simulation.simulated_client import SimulatedClient
from coterie.actors.simulation.simulation import Simulation
from coterie.actors.topology import Topology
from coterie.errors import CommandError
from coterie.protocols.algorithm import NodeId
from coterie.runtime.messages.message import Ask, message

__all__ = ["apart_leader_compacts", "crash_after_compaction", "damaged_at_the_sender", "restarts_under_load"]

NODES: Final = ("n1", "n2", "n3")
GROUP: Final = "store"
EVERY_FIVE: Final = SnapshotPolicy(after_entries=5, share=0.0, trailing_entries=0)
WITHIN_S: Final = 60.0
CLIENTS: Final = 12
SETTLE_S: Final = 20.0
THINK_S: Final = 0.05
BEFORE_THE_END_BYTES: Final = 60
"""So far before the end of a snapshot is the state of its machine."""


@message(name="simulation.Raise")
class Raise(Ask[int]):
    """Raise the total by one."""


class Totals(StateMachine[Raise]):
    """Adds up what it is told."""

    def __init__(self) -> None:
        self.total = 0

    def apply(self, command: Raise, /) -> int:
        """Return the total after this command."""
        del command
        self.total += 1
        return self.total


class DriftingTotals(StateMachine[Raise]):
    """The same code with a bug: a thousand too much after the seventh command."""

    def __init__(self) -> None:
        self.total = 0

    def apply(self, command: Raise, /) -> int:
        """Return the total after this command, or another number."""
        del command
        self.total += 1000 if self.total == 6 else 1
        return self.total


def _topology(machine: Callable[[], StateMachine[Any]]) -> Topology:
    topology = Topology("compaction", nodes=NODES)
    topology.raft(GROUP, machine=machine, snapshots=EVERY_FIVE)
    return topology


async def _put(client: SimulatedClient, *, count: int, first: int = 0) -> None:
    store = client.key_value(GROUP)
    for number in range(first, first + count):
        await store.put(b"key %d" % (number % 50), b"value %d" % number * 10)


def _base_index(sim: Simulation, name: str) -> int:
    return sim.deployment.raft_checkers[0].protocol_checker.disk(NodeId(name)).base.index


# A crash after the log behind a snapshot is gone.


def crash_after_compaction(seed: int) -> None:
    """Crash nodes as soon as their log behind a snapshot is gone: they must begin from the snapshot.

    Raises:
        Violation: `node.failed`: a node cannot start again, or an acknowledged write is lost.
    """
    sim = Simulation(seed)
    sim.run(partial(_crash_after_compaction, sim))


async def _crash_after_compaction(sim: Simulation) -> None:
    sim.deploy(_topology(KeyValue))
    await sim.ready()
    for number, name in enumerate(NODES * 3):
        base_index = _base_index(sim, name)
        clients = sim.clients(1, partial(_put, count=20, first=number * 20))
        await sim.until(partial(_is_beyond, sim, name, base_index), within_s=WITHIN_S)
        sim.node(name).restart()
        await clients
    await asyncio.sleep(SETTLE_S)
    sim.assert_linearizable()


def _is_beyond(sim: Simulation, name: str, base_index: int) -> bool:
    return _base_index(sim, name) > base_index


# Replicas that begin from snapshots while commands are executed.


def restarts_under_load(seed: int) -> None:
    """Restart the nodes one after the other while clients raise the total: no command counts twice, or not.

    Raises:
        Violation: `raft.state_equal`, `snapshot.replica_apart`: a replica has another total.
            `node.failed`: it cannot begin from its snapshot.
    """
    sim = Simulation(seed)
    sim.run(partial(_restart_under_load, sim))


async def _restart_under_load(sim: Simulation) -> None:
    sim.deploy(_topology(Totals))
    await sim.ready()
    ended: list[bool] = []
    clients = sim.clients(CLIENTS, partial(_raise_until, ended))
    for name in NODES:
        await sim.until(partial(_is_beyond_and_equal, sim, name, _base_index(sim, name)), within_s=WITHIN_S)
        sim.node(name).restart()
    ended.append(True)
    await clients
    await asyncio.sleep(SETTLE_S)
    _none_is_apart(sim)


def _is_beyond_and_equal(sim: Simulation, name: str, base_index: int) -> bool:
    return _none_is_apart(sim) and _is_beyond(sim, name, base_index)


def _none_is_apart(sim: Simulation) -> bool:
    for name in NODES:
        cell: Any = sim.node(name).system.registry.cell_at(GROUP) if sim.node(name).is_up else None
        if cell is not None and cell.actor.quarantined_because is not None:
            detail = f"it answers otherwise than the others: {cell.actor.quarantined_because}"
            sim.check(sim.violation_context.fail, "snapshot.replica_apart", NodeId(name), detail)
    return True


async def _raise_until(ended: list[bool], client: SimulatedClient) -> None:
    while not ended:
        with contextlib.suppress(CommandError):
            await client.access.group(GROUP).execute(Raise())
        await asyncio.sleep(THINK_S)


# A leader that has gone its own way keeps its state to itself.


def apart_leader_compacts(seed: int) -> None:
    """Let a leader go its own way while only one other replica is there to compare with; then the third comes back.

    Raises:
        Violation: `snapshot.unconfirmed_sent`: the third one has the leader's state, not that of its log.
    """
    sim = Simulation(seed)
    sim.run(partial(_let_the_leader_compact, sim))


async def _let_the_leader_compact(sim: Simulation) -> None:
    sim.deploy(_topology(Totals))
    sim.upgrade("n1", _topology(DriftingTotals))
    await sim.ready()
    await sim.until(lambda: sim.leader_of(GROUP), within_s=WITHIN_S)
    await (await sim.observer()).group(GROUP).transfer("n1")
    sim.node("n3").crash()
    await sim.clients(1, partial(_raise, count=40))
    await asyncio.sleep(SETTLE_S)
    sim.node("n3").start()
    await asyncio.sleep(SETTLE_S)
    machine = _machine_on(sim, "n3")
    if machine.total >= 1000:
        detail = f"its total is {machine.total} after 40 commands: the state of a leader that has gone its own way"
        sim.check(sim.violation_context.fail, "snapshot.unconfirmed_sent", NodeId("n3"), detail)


async def _raise(client: SimulatedClient, *, count: int) -> None:
    for _ in range(count):
        await client.access.group(GROUP).execute(Raise())


def _machine_on(sim: Simulation, name: str) -> Any:
    cell: Any = sim.node(name).system.registry.cell_at(GROUP)
    return cell.actor.machine.state


# A snapshot that is damaged on the disk of the leader which sends it.


def damaged_at_the_sender(seed: int) -> None:
    """Flip a bit in the snapshot that a leader sends: the follower must not begin from it.

    Raises:
        Violation: `node.failed`: the follower has installed it, and cannot begin from it.
    """
    sim = Simulation(seed)
    sim.run(partial(_damage_at_the_sender, sim))


async def _damage_at_the_sender(sim: Simulation) -> None:
    sim.deploy(_topology(Totals))
    await sim.ready()
    leader = await sim.until(lambda: sim.leader_of(GROUP), within_s=WITHIN_S)
    behind = next(name for name in NODES if name != leader)
    sim.node(behind).crash()
    base_index = _base_index(sim, leader)
    await sim.clients(1, partial(_raise, count=40))
    await sim.until(partial(_is_beyond, sim, leader, base_index + 20), within_s=WITHIN_S)
    await asyncio.sleep(SETTLE_S)  # no newer one is taken after this
    disk, snapshots = sim.world.disk(leader), sim.node(leader).node.store.snapshots
    path = snapshots.path_of(GROUP, snapshots.names(GROUP)[-1])
    disk.flip(path, len(disk.contents(path)) - BEFORE_THE_END_BYTES)
    sim.node(behind).start()
    await sim.until(partial(_is_beyond, sim, behind, base_index + 20), within_s=WITHIN_S)
    await asyncio.sleep(SETTLE_S)
