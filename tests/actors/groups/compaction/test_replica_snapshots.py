"""Replicas take snapshots, drop the log behind them, begin from them, and give them to members that are behind."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie import KeyValue, SnapshotPolicy, StateMachine, Topology
from coterie.actors.groups.compaction.snapshot_taking import SLICE_BYTES, _Room
from coterie.errors import StorageFailed
from coterie.protocols.checkpoints.checkpoint_rounds import INTERVAL_S
from coterie.protocols.replicated_log import LogIndex
from tests.actors.groups.compaction.kept_totals import (
    SMALL,
    Add,
    Total,
    add,
    started,
    status_of,
    topology_of,
    until_compacted,
    until_one_snapshot,
    until_same_state,
)

pytestmark = pytest.mark.virtual


async def test_every_replica_takes_snapshots_and_drops_the_log_behind_them(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology_of())

    await add(cluster, 30)
    await until_compacted(cluster)

    for name in cluster:
        status = await status_of(cluster, name)
        store = cluster[name].store
        assert 0 < status.base_index == status.snapshot_index - SMALL.trailing_entries
        assert (await store.state("totals")).first == status.base_index + 1
        await until_one_snapshot(cluster, name)


async def test_nothing_is_dropped_before_a_quorum_has_confirmed_the_state(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology_of())
    await add(cluster, 1)
    for name in cluster:
        cell: Any = cluster[name].system.registry.cell_at("totals")
        cell.actor._digests.advance = lambda **_: None  # no checkpoints

    await add(cluster, 30)
    await asyncio.sleep(30)

    for name in cluster:
        status = await status_of(cluster, name)
        assert (status.base_index, status.snapshot_index) == (0, 0)
        assert len(cluster[name].store.snapshots.names("totals")) == 1  # it is there, and not used


async def test_a_snapshot_of_any_replica_is_confirmed_long_before_the_next_regular_checkpoint(
    make_cluster: Any,
) -> None:
    cluster = await started(make_cluster, topology_of())
    await add(cluster, 1)
    await asyncio.sleep(2 * INTERVAL_S)
    await add(cluster, 12)
    await until_compacted(cluster)  # whenever that is: from now on no regular one is due
    leader = await cluster.leader_of("totals")
    cell: Any = cluster[leader].system.registry.cell_at("totals")
    cell.actor._snapshots._taking._policy = SnapshotPolicy()  # it takes none, so only the followers wait for one
    followers = [name for name in cluster if name != leader]
    bases = [(await status_of(cluster, name)).base_index for name in followers]
    begun_s = asyncio.get_running_loop().time()

    await add(cluster, 14)
    await until_compacted(cluster, *followers, above=max(bases))

    assert asyncio.get_running_loop().time() - begun_s < INTERVAL_S / 2


async def test_a_snapshot_is_confirmed_although_the_senders_of_all_letters_are_examined_again(
    make_cluster: Any,
) -> None:
    """Each change of the facts of a group lets it examine its peers again, and each snapshot is one."""
    cluster = await started(make_cluster, topology_of())
    await add(cluster, 1)
    for name in cluster:
        letters: Any = cluster[name].system.registry.cell_at("totals")
        letters = letters.actor._letters
        letters.admission.remember = lambda *_: None

    await add(cluster, 30)
    await until_compacted(cluster)


async def test_trailing_entries_take_no_more_bytes_than_the_policy_says(make_cluster: Any) -> None:
    policy = SnapshotPolicy(after_bytes=100_000, share=0.0, trailing_bytes=20_000)
    topology = Topology("kept", nodes=["n1"])
    topology.raft("totals", machine=KeyValue, snapshots=policy)
    cluster = await started(make_cluster, topology)
    store = (await cluster.client()).key_value("totals")

    for number in range(60):
        await store.put(b"key-%d" % number, bytes(4000))
        await asyncio.sleep(0.1)  # so the snapshot is confirmed before much more is applied
    await until_compacted(cluster)

    status = await status_of(cluster, "n1")
    assert 0 < status.snapshot_index - status.base_index <= 5


async def test_a_snapshot_is_due_earlier_if_much_was_applied_while_the_last_one_was_taken(make_cluster: Any) -> None:
    policy = SnapshotPolicy(after_bytes=1000, share=0.0)
    cluster = await started(make_cluster, topology_of(nodes=1, snapshots=policy))
    await add(cluster, 1)
    cell: Any = cluster["n1"].system.registry.cell_at("totals")
    taking = cell.actor._snapshots._taking

    def due_at(meanwhile_bytes: int) -> int:
        taking._meanwhile_bytes = meanwhile_bytes
        for taking._bytes in range(0, 2000, 100):
            if taking._is_due():
                return int(taking._bytes)
        raise AssertionError("never")

    assert [due_at(0), due_at(300), due_at(500), due_at(5000)] == [1000, 700, 500, 500]
    taking._bytes = 0


def test_more_of_a_snapshot_is_encoded_at_once_the_longer_the_loop_was_away() -> None:
    def slice_of(away_s: float) -> tuple[int, int]:
        room = _Room(1.0, away_s)
        return round((room.until_s - 1.0) * 1e6), room.size_bytes

    assert slice_of(0.0) == slice_of(0.001) == (2000, SLICE_BYTES)
    assert slice_of(0.012) == (3000, 3 * SLICE_BYTES // 2)
    assert slice_of(10.0) == (4000, 2 * SLICE_BYTES)


async def test_a_restarted_node_begins_from_its_snapshot_and_goes_on(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology_of())
    await add(cluster, 30)
    await until_compacted(cluster)

    for name in tuple(cluster):
        await cluster.kill(name)
    for name in ("n1", "n2", "n3"):
        await cluster.start(name)
    await add(cluster, 1)

    await until_same_state(cluster, 31)


async def test_sessions_are_in_the_snapshot_so_a_command_is_not_executed_again_after_it(make_cluster: Any) -> None:
    """A client's handle keeps its session over the restart of all nodes, whose logs no longer have its opening."""
    cluster = await started(make_cluster, topology_of())
    group = (await cluster.client()).group("totals")
    for _ in range(30):
        await group.execute(Add(1), timeout_s=60)
    await until_compacted(cluster, above=5)

    for name in tuple(cluster):
        await cluster.kill(name)
    for name in ("n1", "n2", "n3"):
        await cluster.start(name)

    assert await group.execute(Add(1), timeout_s=60) == 31


async def test_a_node_that_was_away_fetches_a_snapshot(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology_of())
    await add(cluster, 3)
    leader = await cluster.leader_of("totals")
    follower = next(name for name in cluster if name != leader)
    await cluster.kill(follower)
    await add(cluster, 40)
    await until_compacted(cluster, *[name for name in cluster if name != follower], above=20)

    await cluster.start(follower)
    await add(cluster, 2)

    await until_same_state(cluster, 45)
    assert (await status_of(cluster, follower)).snapshot_index > 20


async def test_no_snapshot_is_taken_of_a_state_that_is_being_restored(make_cluster: Any) -> None:
    """A snapshot was due by the entries applied before; the leader's came first (`byzantine-client`, seed 1)."""
    cluster = await started(make_cluster, topology_of())
    await add(cluster, 3)
    cell: Any = cluster["n1"].system.registry.cell_at("totals")
    cell.actor._snapshots._taking._entries = SMALL.after_entries
    cell.actor._replica.begin_restore(LogIndex(2), lambda: None)

    cell.actor._snapshots.advance()

    assert cell.actor._replica.is_restoring
    assert not cell.actor._snapshots._taking._is_writing


async def test_a_member_with_memory_only_catches_up_by_a_snapshot(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology_of(), durable=False)
    await add(cluster, 30)
    await until_compacted(cluster)

    store = cluster["n1"].store

    assert (await store.state("totals")).first > 1


async def test_a_group_of_one_node_compacts_its_log(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology_of(nodes=1))

    await add(cluster, 30)
    await until_compacted(cluster)
    await cluster.kill("n1")
    await cluster.start("n1")

    assert await (await cluster.client()).group("totals").execute(Total(), timeout_s=60) == 30


class Closed(StateMachine[Add | Total]):
    """Keeps something that cannot be saved, from its first command on."""

    def __init__(self) -> None:
        self.total = 0

    def apply(self, command: Add | Total, /) -> int:
        if isinstance(command, Add):
            self.callback = lambda: None
            self.total += command.amount
        return self.total


async def test_a_machine_that_cannot_be_saved_is_told_with_what_to_do_and_goes_on(
    make_cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = await started(make_cluster, topology_of(Closed, nodes=1))

    await add(cluster, 100)

    lines = [record.getMessage() for record in caplog.records if "group.snapshot_failed" in record.getMessage()]
    assert 1 <= len(lines) <= 4  # at each doubling
    assert "Closed.callback" in lines[0]
    status = await status_of(cluster, "n1")
    assert status.base_index == 0
    assert "no snapshot can be taken: Closed.callback" in str(status.trouble)


async def test_a_full_disk_at_a_snapshot_costs_nothing_but_the_snapshot(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology_of(nodes=1))
    snapshots: Any = cluster["n1"].store.snapshots
    create = snapshots.create

    async def fail(group: str) -> Any:
        raise StorageFailed("data", "no space")

    snapshots.create = fail
    await add(cluster, 20)
    snapshots.create = create
    await add(cluster, 40)

    await until_compacted(cluster)
