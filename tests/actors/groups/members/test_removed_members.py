"""A node that was removed while it was down learns it from any member, also if it does not know the present leader."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from coterie.actors.groups.group_messages import GroupStatus
from coterie.testing import Cluster
from tests.actors.groups.members.test_member_changes import NODES, add, group_of, topology_of, until

pytestmark = pytest.mark.virtual


@pytest.mark.parametrize("is_voter", [True, False])
async def test_a_removed_node_learns_it_although_a_stranger_leads(
    make_cluster: Callable[..., Cluster], is_voter: bool
) -> None:
    cluster = make_cluster(topology_of(), joining=NODES[3:])
    await cluster.start()
    group = await group_of(cluster)
    await add(group, 3)
    if not is_voter:
        await group.remove("n3")
        await cluster.kill("n3")
        cluster.wipe("n3", join=True)
        await cluster.start("n3")
        await group.add("n3", learner=True)
        learner: Any = cluster["n3"].system.registry.cell_at("totals")
        await until(lambda: learner.actor._raft.is_member)
    await cluster.kill("n3")
    await group.add("n4")
    await group.remove("n3")
    await group.transfer("n4")

    await cluster.start("n3")
    cell: Any = cluster["n3"].system.registry.cell_at("totals")
    await until(lambda: hasattr(cell.actor, "_raft"))
    assert "n4" not in [member.node for member in cell.actor._raft.facts.known_members]
    assert cell.actor._raft.is_member
    await until(lambda: not cell.actor._raft.is_member)
    await until(lambda: "n3" in group._nodes())

    status = (await group.status())["n3"]
    assert isinstance(status, GroupStatus)
    assert status.role == "not_a_member"
    assert await cluster.leader_of("totals") == "n4"
