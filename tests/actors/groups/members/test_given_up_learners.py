"""A learner that cannot keep the snapshot that it is sent is given up, and the reason says where to look."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from coterie import CommandRefused
from coterie.testing import Cluster
from tests.actors.groups.members.test_member_changes import NODES, SMALL, add, group_of, roles, topology_of, until

pytestmark = pytest.mark.virtual


async def test_a_learner_whose_disk_is_full_is_given_up_with_the_reason(make_cluster: Callable[..., Cluster]) -> None:
    cluster = make_cluster(topology_of(snapshots=SMALL), joining=NODES[3:])
    await cluster.start()
    group = await group_of(cluster)
    await add(group, 100)
    disk, clock = cluster.disks["n4"], asyncio.get_running_loop()
    leader: Any = cluster[await cluster.leader_of("totals")].system.registry.cell_at("totals")
    await until(lambda: leader.actor._raft.facts.base.index > 0)
    disk.capacity_bytes = disk.used_bytes + 300  # enough to be invited
    before_s = clock.time()

    with pytest.raises(CommandRefused, match="n4 answers, but takes no entries: its disk may be stuck or full"):
        await group.add("n4", timeout_s=300)

    assert clock.time() - before_s < 60
    assert roles(await group.members())["n4"] == "learner"
    disk.capacity_bytes = None
    assert roles(await group.add("n4"))["n4"] == "voter"
