"""A backup has all that was acknowledged before it, whatever happens meanwhile; it is written whole, or not at all."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any, cast

import pytest

from coterie import SnapshotPolicy
from coterie.actors.groups.backups import backup_serving, backup_transfer
from coterie.actors.groups.backups.backup_errors import BackupFailed
from coterie.actors.groups.backups.backup_file import examine_backup
from coterie.actors.groups.backups.backup_messages import BackupPending, BackupRefused, ReadBackup, TakeBackup
from coterie.actors.groups.backups.backup_serving import BackupServing
from coterie.actors.groups.backups.backup_transfer import BackupProgress
from coterie.runtime.refs import Address
from coterie.testing import Cluster
from tests.actors.groups.compaction.kept_totals import Add, Total, Totals, add, started, topology_of

pytestmark = pytest.mark.virtual

RARELY = SnapshotPolicy(after_entries=1_000_000)


async def client_and_disk(cluster: Cluster) -> tuple[Any, Any]:
    client = await cluster.client()
    disk = client.system.host.disk
    disk.make_directories("/backups")
    return client, disk


async def test_a_backup_has_every_command_that_was_acknowledged_before_it(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology_of(snapshots=RARELY))
    await add(cluster, 7)
    client, disk = await client_and_disk(cluster)

    taken = await client.group("totals").backup("/backups/totals")

    content = examine_backup(disk, "/backups/totals")
    assert content.header == taken.header
    assert (content.size_bytes, content.digest) == (taken.size_bytes, taken.digest)
    assert (taken.header.cluster, taken.header.group) == ("kept", "totals")
    assert taken.header.node == await cluster.leader_of("totals")
    assert content.manifest.facts.base == taken.header.snapshot.position
    assert disk.names("/backups") == ["totals"]


async def test_a_follower_gives_a_backup_that_has_what_the_leader_acknowledged(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology_of(snapshots=RARELY))
    await add(cluster, 3)
    leader = await cluster.leader_of("totals")
    follower = next(name for name in cluster if name != leader)
    client, disk = await client_and_disk(cluster)

    taken = await client.group("totals").backup("/backups/totals", node=follower)

    assert taken.header.node == follower
    assert examine_backup(disk, "/backups/totals").header.snapshot.position.index >= await last_command(cluster, leader)


async def last_command(cluster: Cluster, name: str) -> int:
    cell: Any = cluster[name].system.registry.cell_at("totals")
    return int(cell.actor._replica.changed_index)


async def test_a_second_backup_has_the_commands_since_the_first(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology_of(snapshots=RARELY))
    await add(cluster, 1)
    client, disk = await client_and_disk(cluster)
    first = await client.group("totals").backup("/backups/first")
    await add(cluster, 5)

    second = await client.group("totals").backup("/backups/second")

    assert second.header.snapshot.position.index >= first.header.snapshot.position.index + 5
    assert examine_backup(disk, "/backups/first").header == first.header


async def test_a_backup_of_an_idle_group_takes_no_second_snapshot(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology_of(snapshots=RARELY))
    await add(cluster, 1)
    client, _ = await client_and_disk(cluster)
    first = await client.group("totals").backup("/backups/first")

    second = await client.group("totals").backup("/backups/second")

    assert second.header.snapshot == first.header.snapshot


async def test_nothing_is_given_that_no_quorum_has_confirmed(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology_of(snapshots=RARELY))
    await add(cluster, 1)
    client, disk = await client_and_disk(cluster)
    for name in cluster:
        cell: Any = cluster[name].system.registry.cell_at("totals")
        cell.actor._digests.advance = lambda **_: None  # no checkpoints

    with pytest.raises(BackupFailed, match="no progress in 30 s"):
        await client.group("totals").backup("/backups/totals")

    assert disk.names("/backups") == []


async def test_an_existing_file_is_replaced_only_if_that_is_said(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology_of(snapshots=RARELY))
    await add(cluster, 1)
    client, disk = await client_and_disk(cluster)
    group = client.group("totals")
    await group.backup("/backups/totals")
    before = disk.contents("/backups/totals")
    await add(cluster, 1)

    with pytest.raises(BackupFailed, match="exists: choose another name, or replace it with --force"):
        await group.backup("/backups/totals")
    assert disk.contents("/backups/totals") == before

    await group.backup("/backups/totals", overwrite=True)
    assert disk.contents("/backups/totals") != before
    assert disk.names("/backups") == ["totals"]


async def test_a_backup_goes_on_at_another_node_if_the_first_one_dies(
    make_cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup_serving, "CHUNK_BYTES", 200)  # several chunks
    cluster = await started(make_cluster, topology_of(snapshots=RARELY))
    await add(cluster, 30)
    client, disk = await client_and_disk(cluster)
    seen: list[BackupProgress] = []
    killed: list[asyncio.Task[None]] = []
    leader = await cluster.leader_of("totals")

    def note(progress: BackupProgress) -> None:
        seen.append(progress)
        if progress.step == f"fetching it from {leader}" and not killed:
            killed.append(asyncio.ensure_future(cluster.kill(leader)))

    taken = await client.group("totals").backup("/backups/totals", on_progress=note)

    assert killed
    assert taken.header.node != leader
    assert examine_backup(disk, "/backups/totals").header == taken.header


async def test_a_snapshot_that_is_gone_is_taken_again(make_cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    refusals: list[int] = []
    give = BackupServing._give

    def refuse_once(self: BackupServing, msg: Any, later: Any) -> None:
        if refusals:
            give(self, msg, later)
        else:
            refusals.append(1)
            later.reply(BackupRefused("gone", None, is_gone=True))

    monkeypatch.setattr(BackupServing, "_give", refuse_once)
    cluster = await started(make_cluster, topology_of(snapshots=RARELY))
    await add(cluster, 1)
    client, disk = await client_and_disk(cluster)

    taken = await client.group("totals").backup("/backups/totals")

    assert examine_backup(disk, "/backups/totals").header == taken.header


async def test_a_backup_that_fails_leaves_no_file(make_cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_transfer, "BEGINNINGS_MAX", 2)
    monkeypatch.setattr(
        BackupServing, "_give", lambda self, msg, later: later.reply(BackupRefused("gone", None, is_gone=True))
    )
    cluster = await started(make_cluster, topology_of(snapshots=RARELY))
    await add(cluster, 1)
    client, disk = await client_and_disk(cluster)

    with pytest.raises(BackupFailed, match=r"it began 2 times \(last: n\d: gone\)"):
        await client.group("totals").backup("/backups/totals")

    assert disk.names("/backups") == []


async def test_the_snapshot_of_a_backup_compacts_the_log_like_any_other(make_cluster: Any) -> None:
    policy = SnapshotPolicy(after_entries=1_000_000, trailing_entries=3)
    cluster = await started(make_cluster, topology_of(snapshots=policy, nodes=1))
    await add(cluster, 40)
    client, _ = await client_and_disk(cluster)

    taken = await client.group("totals").backup("/backups/totals")

    status = (await client.group("totals").status())["n1"]
    assert status.snapshot_index == taken.header.snapshot.position.index == status.base_index + 3


async def test_a_snapshot_that_no_quorum_has_confirmed_is_not_given_to_one_that_knows_its_digest(
    make_cluster: Any,
) -> None:
    cluster = await started(make_cluster, topology_of(snapshots=SnapshotPolicy(after_entries=10, share=0.0)))
    await add(cluster, 1)
    for name in cluster:
        cell: Any = cluster[name].system.registry.cell_at("totals")
        cell.actor._digests.advance = lambda **_: None  # no checkpoints
    await add(cluster, 20)
    await asyncio.sleep(5)
    store = cluster["n1"].store
    (name,) = store.snapshots.names("totals")
    content = await store.snapshots.read("totals", name, 0, 1 << 30) or b""
    client, _ = await client_and_disk(cluster)

    answer = await client.system.at(Address("n1", "totals")).ask(ReadBackup(hashlib.sha256(content).digest(), 0))

    assert isinstance(answer, BackupRefused)


async def test_a_chunk_that_is_lost_is_asked_for_again(make_cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup_serving, "CHUNK_BYTES", 200)
    lost: list[int] = []
    asked: list[int] = []
    give = BackupServing._give

    def lose_one(self: BackupServing, msg: ReadBackup, later: Any) -> None:
        asked.append(msg.offset)
        if msg.offset == 400 and not lost:
            lost.append(msg.offset)
        else:
            give(self, msg, later)

    monkeypatch.setattr(BackupServing, "_give", lose_one)
    cluster = await started(make_cluster, topology_of(snapshots=RARELY))
    await add(cluster, 10)
    client, disk = await client_and_disk(cluster)

    taken = await client.group("totals").backup("/backups/totals")

    assert asked == sorted(asked)  # it has not begun anew
    assert asked.count(400) == 2
    assert examine_backup(disk, "/backups/totals").header == taken.header


async def test_a_machine_that_cannot_be_saved_is_told(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology_of(Unsavable, snapshots=RARELY, nodes=1))
    await add(cluster, 1)
    client, disk = await client_and_disk(cluster)

    with pytest.raises(BackupFailed, match=r"no progress in 30 s \(last: n1: .*wake_up"):
        await client.group("totals").backup("/backups/totals")

    assert disk.names("/backups") == []


class Unsavable(Totals):
    """From its first command on: before that nobody could know."""

    def apply(self, command: Add | Total, /) -> int:
        self.wake_up = lambda: None
        return super().apply(command)


async def test_a_snapshot_is_confirmed_once_a_quorum_answers_again(make_cluster: Any) -> None:
    """The first question for digests got no answer, and no command comes after it."""
    cluster = await started(make_cluster, topology_of(snapshots=RARELY))
    await add(cluster, 1)
    leader = await cluster.leader_of("totals")
    others = [name for name in cluster if name != leader]
    client, disk = await client_and_disk(cluster)
    drops = {name: cast("Any", cluster[name].system.registry.cell_at("totals")).actor._digests for name in others}
    for exchange in drops.values():
        exchange.receive = lambda key, body, *, now: None
    await asyncio.sleep(12)
    for exchange in drops.values():
        del exchange.receive

    await client.group("totals").backup("/backups/totals")

    assert disk.names("/backups") == ["totals"]


async def test_a_question_for_what_is_not_there_yet_is_in_no_backups_way(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology_of(snapshots=RARELY))
    await add(cluster, 1)
    client, disk = await client_and_disk(cluster)
    for name in cluster:
        answer = await client.system.at(Address(name, "totals")).ask(TakeBackup(1 << 60))
        assert answer == BackupPending(1 << 60, 0)

    await client.group("totals").backup("/backups/totals")

    assert disk.names("/backups") == ["totals"]
