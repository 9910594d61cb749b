"""A change that is done already ends at once and says so; progress is told once a second; members without a leader."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from coterie import CommandRefused, CommandTimeout
from coterie.actors.groups.group_messages import GroupStatus
from coterie.actors.groups.members.group_members import GroupMembers
from coterie.actors.groups.members.group_operations import LEADERLESS_S, SAY_EVERY_S
from coterie.actors.groups.members.operator_requests import OperatorRequests
from coterie.testing import Cluster
from tests.actors.groups.members.test_member_changes import NODES, add, group_of, roles, store_of, topology_of

pytestmark = pytest.mark.virtual


@pytest.fixture
async def cluster(make_cluster: Callable[..., Cluster]) -> Cluster:
    made = make_cluster(topology_of(), joining=NODES[3:])
    await made.start()
    return made


async def changed_at_once(change: Awaitable[GroupMembers]) -> bool:
    """Return whether the change changed anything. It takes a round trip or two."""
    clock = asyncio.get_running_loop()
    before_s = clock.time()
    members = await change
    assert clock.time() - before_s < 0.5
    return members.has_changed


async def test_what_is_done_already_ends_at_once_also_while_the_node_is_down(cluster: Cluster) -> None:
    group = await group_of(cluster)
    await add(group, 3)
    first = await group.add("n4")
    assert (first.has_changed, first.leader) == (True, await cluster.leader_of("totals"))
    assert (await group.add("n5", learner=True)).has_changed
    await cluster.kill("n4")
    await cluster.kill("n5")

    assert not await changed_at_once(group.add("n4"))
    assert not await changed_at_once(group.add("n5", learner=True))
    assert not await changed_at_once(group.promote("n4"))
    assert (await group.remove("n5")).has_changed
    assert not await changed_at_once(group.remove("n5"))
    assert not (await group.members()).has_changed


async def test_a_store_that_has_replaced_the_lost_one_is_not_replaced_again(cluster: Cluster) -> None:
    group = await group_of(cluster)
    await add(group, 3)
    lost = store_of(await group.members(), "n3")
    await cluster.kill("n3")
    cluster.wipe("n3", join=True)
    await cluster.start("n3")
    assert (await group.replace("n3", store=lost[:6])).has_changed
    assert not await changed_at_once(group.replace("n3", store=lost[:6]))
    await cluster.kill("n3")

    assert not await changed_at_once(group.replace("n3", store=lost[:6]))


async def test_a_member_that_runs_with_another_store_is_not_taken_for_added(cluster: Cluster) -> None:
    group = await group_of(cluster)
    await add(group, 3)
    await group.add("n4")
    await cluster.kill("n4")
    cluster.wipe("n4", join=True)
    await cluster.start("n4")
    await asyncio.sleep(10)

    with pytest.raises(
        CommandRefused, match=r"n4 is a member with the store .*: coterie raft replace totals n4 --store "
    ):
        await group.add("n4")


async def test_a_change_whose_answer_was_lost_is_still_told_as_a_change(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = await group_of(cluster)
    await add(group, 3)
    leader = await cluster.leader_of("totals")
    follower = next(name for name in NODES[:3] if name != leader)
    answer = OperatorRequests.change_ended
    lost: list[Any] = []

    def losing(self: OperatorRequests, effect: Any) -> None:
        if effect.is_done and not lost:
            lost.append(self._changes.pop(effect.ref))
            lost[0].later.fail(CommandRefused("lost on its way"))
        else:
            answer(self, effect)

    monkeypatch.setattr(OperatorRequests, "change_ended", losing)

    assert (await group.remove(follower)).has_changed
    assert len(lost) == 1


async def test_progress_is_told_once_a_second_at_most_and_only_when_it_changes(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = await group_of(cluster)
    await add(group, 3)
    counts = iter(range(1000, 0, -1))
    monkeypatch.setattr(OperatorRequests, "activity", property(lambda _: f"{next(counts)} entries left"))
    said: list[tuple[float, str]] = []
    clock = asyncio.get_running_loop()
    await cluster.kill("n4")

    with pytest.raises(CommandRefused):
        await group.add("n4", timeout_s=60, on_progress=lambda text: said.append((clock.time(), text)))

    assert 5 <= len(said) <= 12
    assert all(later - earlier >= SAY_EVERY_S for (earlier, _), (later, _) in itertools.pairwise(said))
    assert len({text for _, text in said}) == len(said)

    monkeypatch.setattr(OperatorRequests, "activity", "waiting")
    said.clear()
    with pytest.raises(CommandRefused):
        await group.add("n4", timeout_s=60, on_progress=lambda text: said.append((clock.time(), text)))
    assert len(said) == 1


async def test_without_a_leader_the_members_are_told_as_the_newest_replica_knows_them(cluster: Cluster) -> None:
    group = await group_of(cluster)
    await add(group, 3)
    await group.add("n4")
    for name in ("n1", "n2"):
        await cluster.kill(name)
    cell: Any = cluster["n3"].system.registry.cell_at("totals")
    await asyncio.sleep(5)
    clock = asyncio.get_running_loop()
    before_s = clock.time()

    members = await group.members()

    assert clock.time() - before_s < 2 * LEADERLESS_S + 0.1
    assert (roles(members)["n4"], members.leader) == ("voter", None)
    assert (members.node in ("n3", "n4"), members.last_index) == (True, cell.actor._raft.last_index)


async def test_a_group_that_elects_a_leader_within_a_second_is_told_by_that_leader(cluster: Cluster) -> None:
    group = await group_of(cluster)
    await add(group, 3)
    await cluster.kill(await cluster.leader_of("totals"))

    members = await group.members()

    assert members.leader in NODES[:3]


async def test_members_that_nobody_tells_are_a_time_out(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    group = await group_of(cluster)
    for name in NODES:
        await cluster.kill(name)

    with pytest.raises(CommandTimeout, match=r"no node says that it leads \(.*\); nothing was changed"):
        await group.members(timeout_s=3)


async def test_of_two_replicas_without_a_leader_the_one_with_the_longer_log_is_believed(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = await group_of(cluster)
    await add(group, 3)
    found = (await group.status())["n1"]
    assert isinstance(found, GroupStatus)
    three = tuple(member for member in found.members if member.node in NODES[:3])
    said = {
        "n1": replace(found, node="n1", role="follower", leader=None, last_index=9, members=three[:2]),
        "n2": replace(found, node="n2", role="follower", leader=None, last_index=17, members=three),
        "n5": replace(found, node="n5", role="not_a_member", leader=None, last_index=99, members=()),
    }

    async def status(*, timeout_s: float) -> dict[str, GroupStatus]:
        return said

    monkeypatch.setattr(group._operations, "_status", status)

    members = await group.members()

    assert (members.node, members.last_index, members) == ("n2", 17, three)
