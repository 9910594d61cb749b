"""What is left of a group as it was, or a founding anew, cannot mix with the group that was restored or recovered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from coterie import SnapshotPolicy
from coterie.actors.recovery.backup_restore import restore_backup
from coterie.errors import CommandRefused, CommandTooLate, Outcome
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk
from coterie.testing import Cluster
from tests.actors.groups.compaction.kept_totals import (
    SMALL,
    Add,
    add,
    machine_of,
    started,
    status_of,
    topology_of,
)
from tests.actors.recovery.test_quorum_recovery import DATA, GROUP, RARELY, host_of, recovered

pytestmark = pytest.mark.virtual

BACKUP = "/backups/totals"


async def recover(cluster: Cluster, disk: Any) -> None:
    await recovered(cluster.disks["n1"])


async def restore(cluster: Cluster, disk: Any) -> None:
    cluster.disks["n1"] = VirtualDisk()
    await restore_backup(host_of(cluster.disks["n1"]), BACKUP, DATA, node="n1", backup_disk=disk)


BeginAnew = Callable[[Cluster, Any], Awaitable[None]]
both_ways = pytest.mark.parametrize("begin_anew", [recover, restore])


async def stopped(make_cluster: Any, policy: SnapshotPolicy = RARELY) -> tuple[Cluster, Any, Any]:
    """Return a cluster of three nodes that is down, a client that has used it, and the disk with its backup."""
    cluster = await started(make_cluster, topology_of(snapshots=policy))
    client = await cluster.client()
    disk = client.system.host.disk
    disk.make_directories("/backups")
    for _ in range(5 if policy is RARELY else 40):
        await client.group(GROUP).execute(Add(1), timeout_s=60)
    await client.group(GROUP).backup(BACKUP)
    await asyncio.sleep(12)
    for name in tuple(cluster):
        await cluster.kill(name)
    return cluster, client, disk


@both_ways
async def test_a_majority_of_the_old_nodes_that_comes_back_changes_nothing(
    make_cluster: Any, begin_anew: BeginAnew
) -> None:
    cluster, _, disk = await stopped(make_cluster)
    await begin_anew(cluster, disk)
    await cluster.start("n1")
    await add(cluster, 1)
    before = await status_of(cluster, "n1")

    await cluster.start("n2", "n3")
    await asyncio.sleep(20)

    after = await status_of(cluster, "n1")
    assert (after.role, after.term, after.members) == ("leader", before.term, before.members)
    assert machine_of(cluster, "n1").total == 6
    assert [machine_of(cluster, name).total for name in ("n2", "n3")] == [5, 5]


@both_ways
async def test_nodes_with_new_directories_that_found_the_group_again_are_refused(
    make_cluster: Any, begin_anew: BeginAnew
) -> None:
    """They were started with `--bootstrap new` by mistake: alone they are no group, and n1 confirms none of them."""
    cluster, _, disk = await stopped(make_cluster)
    await begin_anew(cluster, disk)
    await cluster.start("n1")
    cluster.wipe("n2")
    cluster.wipe("n3")

    await cluster.start("n2", "n3")
    await asyncio.sleep(20)

    assert [(await status_of(cluster, name)).role for name in ("n2", "n3")] == ["founders_differ", "founders_differ"]
    assert (await status_of(cluster, "n1")).role == "leader"


@both_ways
async def test_a_command_of_an_old_session_is_not_executed_and_says_so(
    make_cluster: Any, begin_anew: BeginAnew
) -> None:
    cluster, client, disk = await stopped(make_cluster)
    session = client.group(GROUP)._own.session
    identity = await session.next()
    await begin_anew(cluster, disk)
    await cluster.start("n1")

    with pytest.raises(CommandTooLate, match="does not know its session") as refused:
        await client.group(GROUP).execute_as(identity, Add(1), timeout_s=60)

    assert refused.value.outcome is Outcome.UNKNOWN  # another holder of the identity may have sent it before
    assert await client.group(GROUP).execute(Add(1), timeout_s=60) == 6  # in a session of its own


@both_ways
async def test_a_command_that_was_executed_before_is_not_executed_again(
    make_cluster: Any, begin_anew: BeginAnew
) -> None:
    cluster = await started(make_cluster, topology_of(snapshots=RARELY))
    client = await cluster.client()
    disk = client.system.host.disk
    disk.make_directories("/backups")
    session = await client.group(GROUP).open_session()
    identity = await session.next()
    assert await client.group(GROUP).execute_as(identity, Add(1), timeout_s=60) == 1
    await client.group(GROUP).backup(BACKUP)
    for name in tuple(cluster):
        await cluster.kill(name)
    await begin_anew(cluster, disk)
    await cluster.start("n1")

    with pytest.raises(CommandTooLate):
        await client.group(GROUP).execute_as(identity, Add(1), timeout_s=60)

    assert await client.group(GROUP).execute(Add(1), timeout_s=60) == 2


@both_ways
@pytest.mark.parametrize("policy", [RARELY, SMALL])
async def test_the_other_nodes_join_with_new_directories_and_then_one_may_be_lost(
    make_cluster: Any, begin_anew: BeginAnew, policy: SnapshotPolicy
) -> None:
    cluster, client, disk = await stopped(make_cluster, policy)
    before = 5 if policy is RARELY else 40
    await begin_anew(cluster, disk)
    await cluster.start("n1")
    group = client.group(GROUP)
    assert await group.execute(Add(1), timeout_s=60) == before + 1
    for name in ("n2", "n3"):
        cluster.wipe(name, join=True)
        await cluster.start(name)
        await group.add(name)
    assert await group.execute(Add(1), timeout_s=60) == before + 2
    await asyncio.sleep(12)  # the replicas compare their digests

    for name in ("n1", "n2", "n3"):
        status = await status_of(cluster, name)
        assert (status.quarantine, status.trouble) == (None, None)
        assert machine_of(cluster, name).history == list(range(1, before + 3))
    await cluster.kill("n1")
    assert await group.execute(Add(1), timeout_s=60) == before + 3
    await cluster.kill("n2")
    await cluster.start("n1", "n2")
    assert await group.execute(Add(1), timeout_s=60) == before + 4


@both_ways
async def test_an_old_node_cannot_be_added_again_with_what_it_holds(make_cluster: Any, begin_anew: BeginAnew) -> None:
    cluster, client, disk = await stopped(make_cluster)
    await begin_anew(cluster, disk)
    await cluster.start("n1")
    group = client.group(GROUP)
    assert await group.execute(Add(1), timeout_s=60) == 6
    await cluster.start("n2")

    with pytest.raises(CommandRefused, match="its store holds another group of this name"):
        await group.add("n2")
