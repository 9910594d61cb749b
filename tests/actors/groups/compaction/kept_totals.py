"""A group that adds numbers up, whose replicas take snapshots often, and what a test asks of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from coterie import Ask, Query, SnapshotPolicy, StateMachine, Topology, message
from coterie.actors.groups.group_messages import GroupStatus, ReportStatus
from coterie.runtime.refs import Address
from coterie.testing import Cluster

SMALL = SnapshotPolicy(after_entries=10, share=0.0, trailing_entries=3)


@message(name="kept.Add")
class Add(Ask[int]):
    amount: int


@message(name="kept.Total")
class Total(Query[int]):
    pass


class Totals(StateMachine[Add | Total]):
    def __init__(self) -> None:
        self.total = 0
        self.history: list[int] = []

    def apply(self, command: Add | Total, /) -> int:
        if isinstance(command, Add):
            self.total += command.amount
            self.history.append(self.total)
        return self.total


def topology_of(
    machine: Callable[[], StateMachine[Any]] = Totals, *, nodes: int = 3, snapshots: SnapshotPolicy = SMALL
) -> Topology:
    topology = Topology("kept", nodes=[f"n{number}" for number in range(1, nodes + 1)])
    topology.raft("totals", machine=machine, snapshots=snapshots)
    return topology


async def started(make_cluster: Any, topology: Topology, **options: Any) -> Cluster:
    cluster: Cluster = make_cluster(topology, **options)
    await cluster.start()
    return cluster


async def status_of(cluster: Cluster, name: str) -> GroupStatus:
    found = await cluster[name].system.at(Address(name, "totals")).ask(ReportStatus())
    assert isinstance(found, GroupStatus)
    return found


def machine_of(cluster: Cluster, name: str) -> Any:
    """Return the user's machine on a node."""
    cell: Any = cluster[name].system.registry.cell_at("totals")
    return cell.actor._machine.machine


async def add(cluster: Cluster, count: int) -> None:
    group = (await cluster.client()).group("totals")
    for _ in range(count):
        await group.execute(Add(1), timeout_s=60)


async def until(is_so: Callable[[], Any], *, within_s: float = 60.0) -> None:
    """Wait until an awaitable condition holds."""
    for _ in range(int(within_s * 10)):
        if await is_so():
            return
        await asyncio.sleep(0.1)
    raise AssertionError("it never came about")


async def until_compacted(cluster: Cluster, *names: str, above: int = 0) -> None:
    """Wait until the logs of these nodes (none: all) begin after entry `above`."""

    async def are_compacted() -> bool:
        return all([(await status_of(cluster, name)).base_index > above for name in names or tuple(cluster)])

    await until(are_compacted)


async def until_one_snapshot(cluster: Cluster, name: str) -> None:
    async def is_alone() -> bool:
        return len(cluster[name].store.snapshots.names("totals")) == 1

    await until(is_alone)


async def until_same_state(cluster: Cluster, total: int) -> None:
    async def is_same() -> bool:
        return all(machine_of(cluster, name).history == list(range(1, total + 1)) for name in cluster)

    await until(is_same)
