"""A group that has lost its quorum begins anew from one log: all of it, or it is as it was; and it goes on."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from dataclasses import replace
from typing import Any

import pytest

from coterie import SnapshotPolicy
from coterie.actors.groups.backups.backup_errors import RestoreRefused
from coterie.actors.groups.compaction.group_snapshots import read_manifest, snapshot_name
from coterie.actors.groups.raft_records import entries_of, read_restored, write_of
from coterie.actors.recovery.quorum_recovery import RecoveredGroup, acceptance_token, recover_group
from coterie.errors import DataDirectoryInUse, StorageError
from coterie.protocols.raft.membership.membership import MemberRole, Membership
from coterie.protocols.raft.raft_messages import LogWrite, Restored
from coterie.protocols.replicated_log import Entry, EntryKind, LogIndex
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.runtime.hosts.virtual.virtual_host import VirtualHost
from coterie.runtime.hosts.virtual.virtual_loop import run_virtual
from coterie.runtime.storage.segmented_log import SegmentedLog
from coterie.testing import Cluster
from tests.actors.groups.compaction.kept_totals import (
    SMALL,
    Add,
    add,
    machine_of,
    started,
    status_of,
    topology_of,
    until_compacted,
)

GROUP = "totals"
RARELY = SnapshotPolicy(after_entries=1_000_000)
DATA = "data"


SEEDS = itertools.count(1)


def host_of(disk: VirtualDisk, node: str = "n1") -> VirtualHost:
    """Return a host that draws other numbers each time."""
    return VirtualHost(node, disk=disk, seed=next(SEEDS))


async def opened(disk: VirtualDisk) -> SegmentedLog:
    return await SegmentedLog.open(host_of(disk), DATA, cluster="kept", node="n1")


async def found_in(disk: VirtualDisk) -> tuple[str, Restored]:
    """Return the id of the store, and what is in it of the group."""
    store = await opened(disk)
    restored = await read_restored(store, GROUP)
    await store.close()
    return store.store_id, restored


async def recovered(disk: VirtualDisk) -> RecoveredGroup:
    store_id, restored = await found_in(disk)
    token = acceptance_token(store_id, restored.hard_state, restored.last_index)
    return await recover_group(host_of(disk), DATA, GROUP, token=token)


async def stopped_group(make_cluster: Any, *, policy: SnapshotPolicy, commands: int) -> Cluster:
    """Return a cluster of three nodes that have executed commands, all of which are down."""
    cluster = await started(make_cluster, topology_of(snapshots=policy))
    await add(cluster, commands)
    if policy is SMALL:
        await until_compacted(cluster)
    await asyncio.sleep(12)  # a checkpoint is behind the last command, on all of them
    for name in tuple(cluster):
        await cluster.kill(name)
    return cluster


@pytest.mark.virtual
@pytest.mark.parametrize("policy", [RARELY, SMALL])
async def test_the_group_goes_on_from_the_log_of_one_store_with_all_that_is_in_it(
    make_cluster: Any, policy: SnapshotPolicy
) -> None:
    cluster = await stopped_group(make_cluster, policy=policy, commands=30)

    told = await recovered(cluster.disks["n1"])
    await cluster.start("n1")
    group = (await cluster.client()).group(GROUP)
    assert await group.execute(Add(1), timeout_s=60) == 31

    status = await status_of(cluster, "n1")
    assert (status.role, status.quarantine, status.trouble) == ("leader", None, None)
    assert [(member.node, member.store) for member in status.members] == [("n1", told.store_id)]
    assert machine_of(cluster, "n1").history == list(range(1, 32))


@pytest.mark.virtual
async def test_a_recovered_group_starts_again_and_takes_snapshots_like_any_other(make_cluster: Any) -> None:
    cluster = await stopped_group(make_cluster, policy=SMALL, commands=30)
    await recovered(cluster.disks["n1"])
    await cluster.start("n1")
    before = (await status_of(cluster, "n1")).snapshot_index
    await add(cluster, 30)
    await until_compacted(cluster, above=before)
    await cluster.kill("n1")

    await cluster.start("n1")
    await add(cluster, 1)

    assert machine_of(cluster, "n1").total == 61


@pytest.mark.virtual
async def test_it_can_be_recovered_again(make_cluster: Any) -> None:
    cluster = await stopped_group(make_cluster, policy=RARELY, commands=5)
    first = await recovered(cluster.disks["n1"])
    await cluster.start("n1")
    await add(cluster, 5)
    await cluster.kill("n1")

    second = await recovered(cluster.disks["n1"])
    await cluster.start("n1")
    await add(cluster, 1)

    assert second.former_incarnation == first.incarnation != second.incarnation
    assert machine_of(cluster, "n1").total == 11


@pytest.mark.virtual
async def test_what_is_written_is_one_new_term_with_this_store_as_the_only_voter(make_cluster: Any) -> None:
    cluster = await stopped_group(make_cluster, policy=SMALL, commands=30)
    disk = cluster.disks["n1"]
    store_id, before = await found_in(disk)

    told = await recovered(disk)

    store = await opened(disk)
    after = await read_restored(store, GROUP)
    facts = after.hard_state.facts
    entries = entries_of(GROUP, before.last_index + 1, await store.read(GROUP, before.last_index + 1, 1 << 40, 1 << 20))
    assert [entry.kind for entry in entries] == [EntryKind.INCARNATION, EntryKind.MEMBERSHIP]
    assert {entry.term for entry in entries} == {before.hard_state.term + 1} == {after.hard_state.term}
    assert entries[0].command == facts.incarnation == told.incarnation != before.hard_state.facts.incarnation
    assert Membership.decode(entries[1].command) == facts.membership == facts.founders
    (member,) = facts.membership.members
    assert (member.node, member.store_id, member.role) == ("n1", store_id, MemberRole.VOTER)
    assert facts.snapshot is not None
    assert (await read_manifest(store, GROUP, facts.snapshot)).facts.incarnation == told.incarnation
    assert store.snapshots.names(GROUP) == (snapshot_name(facts.snapshot),)
    assert after.base == before.base
    await store.close()


@pytest.mark.virtual
async def test_nothing_is_changed_unless_exactly_what_was_found_is_accepted(make_cluster: Any) -> None:
    cluster = await stopped_group(make_cluster, policy=RARELY, commands=5)
    disk = cluster.disks["n1"]
    store_id, before = await found_in(disk)
    stale = acceptance_token(store_id, before.hard_state, before.last_index - 1)

    for token in (stale, "", "00000000"):
        with pytest.raises(RestoreRefused, match="does not stand for what group 'totals' in 'data' is now"):
            await recover_group(host_of(disk), DATA, GROUP, token=token)

    assert await found_in(disk) == (store_id, before)


@pytest.mark.virtual
async def test_a_store_that_is_in_use_or_lacks_the_group_is_told(make_cluster: Any) -> None:
    cluster = await stopped_group(make_cluster, policy=RARELY, commands=1)
    disk = cluster.disks["n1"]
    with pytest.raises(RestoreRefused, match="there is no group 'total' in 'data': the groups are 'totals'"):
        await recover_group(host_of(disk), DATA, "total", token="")
    store = await opened(disk)

    with pytest.raises(DataDirectoryInUse):
        await recover_group(host_of(disk), DATA, GROUP, token="")
    await store.close()


@pytest.mark.virtual
async def test_a_snapshot_that_does_not_read_back_is_told_and_nothing_is_changed(make_cluster: Any) -> None:
    cluster = await stopped_group(make_cluster, policy=SMALL, commands=30)
    disk = cluster.disks["n1"]
    before = await found_in(disk)
    (name,) = [name for name in disk.names(DATA) if name.endswith(".snapshot")]
    path = f"{DATA}/{name}"
    content = bytearray(disk.contents(path))
    content[-30] ^= 1
    disk.replace(path, bytes(content))

    with pytest.raises(RestoreRefused, match="cannot be written anew"):
        await recovered(disk)

    assert await found_in(disk) == before


@pytest.mark.virtual
async def test_a_store_that_lost_promises_counts_again_for_the_group_that_begins_anew(make_cluster: Any) -> None:
    """All disks were restored from copies: nobody takes part, until an operator says from which the group goes on."""
    cluster = await stopped_group(make_cluster, policy=RARELY, commands=5)
    for name in ("n1", "n2", "n3"):
        store = await SegmentedLog.open(host_of(cluster.disks[name]), DATA, cluster="kept", node=name)
        await store.mark_lost("it was a copy")
        await store.close()
    await cluster.start("n1")
    assert (await status_of(cluster, "n1")).role == "lost_promises"
    await cluster.kill("n1")

    await recovered(cluster.disks["n1"])
    await cluster.start("n1")

    await add(cluster, 1)
    status = await status_of(cluster, "n1")
    assert (status.role, status.quarantine) == ("leader", None)
    assert cluster["n1"].store.lost_promises == "it was a copy"  # for its other groups


@pytest.mark.virtual
@pytest.mark.parametrize("policy", [RARELY, SMALL])
async def test_a_majority_of_the_group_as_it_was_changes_nothing_in_the_one_that_begins_anew(
    make_cluster: Any, policy: SnapshotPolicy
) -> None:
    cluster = await stopped_group(make_cluster, policy=policy, commands=30)
    await recovered(cluster.disks["n1"])
    await cluster.start("n1")
    await add(cluster, 1)
    before = await status_of(cluster, "n1")

    await cluster.start("n2", "n3")  # a majority of the group as it was
    await asyncio.sleep(20)

    after = await status_of(cluster, "n1")
    assert (after.role, after.term, after.commit_index >= before.commit_index) == ("leader", before.term, True)
    for name in ("n2", "n3"):
        assert len(machine_of(cluster, name).history) == 30
        assert (await status_of(cluster, name)).leader != "n1"


@pytest.mark.virtual
async def test_old_nodes_are_refused_although_the_log_names_their_stores(
    make_cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody has made the old stores members again, with what they hold of the group as it was."""
    cluster = await stopped_group(make_cluster, policy=RARELY, commands=5)
    _, before = await found_in(cluster.disks["n1"])
    await recovered(cluster.disks["n1"])
    await make_members_again(cluster.disks["n1"], before.hard_state.facts.membership)

    await cluster.start("n1", "n2")
    await asyncio.sleep(20)

    for name, other in (("n1", "n2"), ("n2", "n1")):
        assert (await status_of(cluster, name)).leader is None
        refusals = [record.getMessage() for record in caplog.records if "letter.refused" in record.getMessage()]
        assert [text for text in refusals if f"node={name}" in text and f"peer={other}" in text]
    assert all("it is of another group of this name" in text for text in refusals)


async def make_members_again(disk: VirtualDisk, members: Membership) -> None:
    store = await opened(disk)
    found = await read_restored(store, GROUP)
    entry = Entry(LogIndex(found.last_index + 1), found.hard_state.term, EntryKind.MEMBERSHIP, members.encode())
    register = replace(found.hard_state, facts=found.hard_state.facts.with_entry(entry))
    store.write(write_of(GROUP, LogWrite(register, entries=(entry,))), lambda: None)
    await store.close()


@pytest.mark.virtual
async def test_sessions_end_and_a_handle_that_had_one_opens_another(make_cluster: Any) -> None:
    cluster = await started(make_cluster, topology_of(snapshots=RARELY))
    group = (await cluster.client()).group(GROUP)
    assert await group.execute(Add(1), timeout_s=60) == 1
    assert group._own.session is not None
    old = group._own.session.id
    for name in tuple(cluster):
        await cluster.kill(name)
    await recovered(cluster.disks["n1"])
    await cluster.start("n1")

    assert await group.execute(Add(1), timeout_s=60) == 2

    assert group._own.session.id != old


@pytest.mark.parametrize("seed", range(4))
def test_after_a_crash_at_any_step_the_group_is_the_old_one_or_the_new_one(seed: int) -> None:
    rng, start = random.Random(seed), run_virtual(disk_of_a_stopped_group)
    old = run_virtual(lambda: found_in(start.copy()))[1].hard_state.facts.incarnation
    outcomes: set[bool] = set()
    for steps in range(400):
        disk = start.copy()
        disk.cut_power_after(steps)
        is_done = False
        with contextlib.suppress(OSError, StorageError, RestoreRefused):
            run_virtual(lambda disk=disk: recovered(disk))  # type: ignore[misc]
            is_done = True
        disk.crash(rng if seed else None)
        is_new = run_virtual(lambda disk=disk: check_whole(disk, old))  # type: ignore[misc]
        outcomes.add(is_new)
        if is_done:
            assert is_new
            assert outcomes == {False, True}
            return
        if not is_new:
            run_virtual(lambda disk=disk: recovered(disk))  # type: ignore[misc]
            assert run_virtual(lambda disk=disk: check_whole(disk, old))  # type: ignore[misc]
    raise AssertionError("it never ended")


async def disk_of_a_stopped_group() -> VirtualDisk:
    async with Cluster(topology_of(snapshots=SMALL)) as cluster:
        await add(cluster, 20)
        await until_compacted(cluster)
        disk = cluster.disks["n1"]
        await cluster.kill("n1")
        return disk.copy()


async def check_whole(disk: VirtualDisk, old: bytes) -> bool:
    """Check that the store holds all of one group; return whether it is the one that begins anew."""
    store = await opened(disk)
    found = await read_restored(store, GROUP)
    facts = found.hard_state.facts
    is_new = facts.incarnation != old
    assert facts.snapshot is not None
    manifest = await read_manifest(store, GROUP, facts.snapshot)
    assert manifest.facts.incarnation == facts.incarnation
    last = entries_of(GROUP, found.last_index, await store.read(GROUP, found.last_index, found.last_index, 1))[0]
    assert (last.kind is EntryKind.MEMBERSHIP and len(facts.membership.members) == 1) is is_new
    assert (facts.membership.store_of("n1"), len(facts.membership.members)) == (store.store_id, 1 if is_new else 3)
    await store.close()
    return is_new
