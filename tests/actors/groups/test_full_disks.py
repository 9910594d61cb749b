"""A leader whose disk is nearly full hands over; with all disks full commands are refused, definitely and at once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie.actors.groups.group_messages import DISK_FULL, Execute, Refused
from coterie.actors.groups.key_value import Get, Increment, Put
from coterie.actors.groups.routed_command import RoutedCommand
from coterie.errors import CommandRefused, CommandUnsettled, CoterieError, Outcome
from coterie.protocols.replicated_log import Refusal
from coterie.runtime.hosts.virtual.virtual_disk import VirtualDisk

pytestmark = pytest.mark.virtual

CAPACITY = 20_000_000
SHORT = "nearly_full"
LARGE = Put(b"k", bytes(400_000))


def fill(disk: VirtualDisk) -> None:
    """Leave 4 % of the disk."""
    disk.capacity_bytes = CAPACITY
    disk.make_directories("other")
    disk.replace("other/file", bytes(CAPACITY * 96 // 100 - disk.used_bytes))


def free(disk: VirtualDisk) -> None:
    disk.remove("other/file")


async def increments(group: Any, count: int) -> tuple[list[int], int]:
    """Return the sums that were returned, and how many increments were refused."""
    sums, refused = [], 0
    for _ in range(count):
        try:
            sums.append(await group.execute(Increment(b"n"), timeout_s=5.0))
        except CommandRefused:
            refused += 1
        await asyncio.sleep(0.1)
    return sums, refused


async def roles(group: Any) -> dict[str, tuple[str, str | None]]:
    """Return role and disk of each node."""
    return {node: (status.role, status.disk) for node, status in (await group.status()).items()}


async def test_a_leader_without_space_hands_over_and_no_command_is_refused(cluster: Any) -> None:
    group = (await cluster.client()).group("store")
    leader = await cluster.leader_of("store")
    assert await increments(group, 3) == ([1, 2, 3], 0)

    fill(cluster.disks[leader])

    assert await increments(group, 40) == (list(range(4, 44)), 0)
    seen = await roles(group)
    assert seen.pop(leader) == ("follower", SHORT)
    assert sorted(seen.values()) == [("follower", None), ("leader", None)]
    term = (await group.status())[leader].term

    free(cluster.disks[leader])
    await asyncio.sleep(10.0)

    assert (await roles(group))[leader] == ("follower", None)
    assert (await group.status())[leader].term == term, "room that comes back moves no leadership"
    assert (await group.transfer(leader)).leader == leader, "it is a voter like any other again"
    assert await increments(group, 1) == ([44], 0)


async def test_with_all_disks_full_commands_are_refused_until_space_is_freed_and_reads_go_on(cluster: Any) -> None:
    group = (await cluster.client()).group("store")
    await cluster.leader_of("store")
    for name in cluster:
        fill(cluster.disks[name])
    sums, refused = await increments(group, 30)
    assert 0 < len(sums) < 25, "it was noticed within about two seconds"
    assert refused == 30 - len(sums)
    assert sums == list(range(1, len(sums) + 1))
    leader = await cluster.leader_of("store")
    loop = asyncio.get_running_loop()
    before_s = loop.time()
    with pytest.raises(CommandRefused, match=f"{leader!r} has too little free space.*free some") as caught:
        await group.execute(Increment(b"n"), timeout_s=100.0)
    assert loop.time() - before_s < 1.0, "it was not retried"
    assert caught.value.outcome is Outcome.DEFINITE
    assert await group.read(Get(b"n")) == str(sums[-1]).encode()
    term = (await group.status())[leader].term
    await asyncio.sleep(60.0)
    assert await cluster.leader_of("store") == leader, "it goes on leading"
    assert (await group.status())[leader].term == term

    other = next(name for name in cluster if name != leader)
    free(cluster.disks[other])
    await asyncio.sleep(2.0)
    assert await cluster.leader_of("store") == other, "the only one with room leads"
    more, refused = await increments(group, 5)
    assert (more, refused) == (list(range(sums[-1] + 1, sums[-1] + 6)), 0)

    await cluster.kill(other)
    await cluster.start(other)
    assert await group.read(Get(b"n")) == str(more[-1]).encode()


async def test_a_client_without_a_session_is_refused_too(cluster: Any) -> None:
    await cluster.leader_of("store")
    group = (await cluster.client()).group("store")
    other = (await cluster.client()).group("store")
    for name in cluster:
        fill(cluster.disks[name])
    await increments(group, 30)
    with pytest.raises(CommandRefused, match="too little free space"):
        await other.execute(Increment(b"n"))


async def test_a_follower_without_space_stores_what_the_leader_sends_and_only_warns(
    cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    group = (await cluster.client()).group("store")
    leader = await cluster.leader_of("store")
    follower = next(name for name in cluster if name != leader)
    fill(cluster.disks[follower])
    assert await increments(group, 30) == (list(range(1, 31)), 0)
    assert cluster[follower].store.is_short_of_space
    assert caplog.text.count("store.short_of_space") == 1
    answer = await group._router.ref(follower).ask(Execute(b"x"), timeout_s=1.0)
    assert answer == Refused(Refusal.NOT_LEADER.value, leader)
    status = (await group.status())[follower]
    assert status.last_index == (await group.status())[leader].last_index


async def test_a_voter_without_space_is_elected_only_if_no_other_can_be(cluster: Any) -> None:
    group = (await cluster.client()).group("store")
    leader = await cluster.leader_of("store")
    full, roomy = (name for name in cluster if name != leader)
    fill(cluster.disks[full])
    await increments(group, 15)
    with pytest.raises(CommandRefused, match="free disk space"):
        await group.transfer(full)

    await cluster.kill(leader)
    assert await cluster.leader_of("store") == roomy
    await cluster.start(leader)
    await increments(group, 1)
    await cluster.kill(roomy)
    assert await cluster.leader_of("store") == leader
    fill(cluster.disks[leader])
    await increments(group, 15)

    await cluster.kill(leader)
    await cluster.start(roomy)
    await cluster.kill(roomy)
    await cluster.start(leader)
    assert await cluster.leader_of("store") in (leader, full), "all that are up are full"
    assert await group.read(Get(b"n")) is not None


def use_up(disk: VirtualDisk) -> None:
    """Leave nothing, but for the zeros that are written ahead of the log: `LARGE` does not fit into them."""
    disk.capacity_bytes = disk.used_bytes


async def test_a_follower_that_can_write_nothing_stays_up_acknowledges_nothing_and_goes_on_with_space_again(
    cluster: Any, caplog: pytest.LogCaptureFixture
) -> None:
    group = (await cluster.client()).group("store")
    leader = await cluster.leader_of("store")
    full = next(name for name in cluster if name != leader)
    use_up(cluster.disks[full])
    await group.execute(LARGE)

    assert await increments(group, 600) == (list(range(1, 601)), 0)

    status = await group.status()
    assert (status[full].role, status[full].disk) == ("follower", "full")
    assert cluster[full].store.failure is None
    assert caplog.text.count("store.full") == 1
    peers = cluster[leader].system.registry.cell_at("store").actor._raft._role_state.leadership
    on_disk = (await cluster[leader].store.state("store")).last
    acknowledged = min(progress.match_index for progress in peers._progress_by_peer.values())
    assert acknowledged < on_disk - 500, "what is not on its disk is not acknowledged"
    assert status[leader].term == status[full].term

    cluster.disks[full].capacity_bytes = None
    await asyncio.sleep(3.0)

    status = await group.status()
    assert status[full].disk is None
    assert status[full].applied_index == status[leader].applied_index
    await cluster.kill(leader)
    assert await increments(group, 1) == ([601], 0)


async def test_a_leader_that_can_write_nothing_hands_over_and_loses_no_command(cluster: Any) -> None:
    group = (await cluster.client()).group("store")
    leader = await cluster.leader_of("store")
    assert await increments(group, 3) == ([1, 2, 3], 0)
    use_up(cluster.disks[leader])
    await group.execute(LARGE)
    sums, refused = await increments(group, 30)
    assert (sums, refused) == (list(range(4, 34)), 0)
    assert await cluster.leader_of("store") != leader
    assert (await group.status())[leader].disk == "full"
    await cluster.kill(leader)
    cluster.disks[leader].capacity_bytes = None
    await cluster.start(leader)
    await asyncio.sleep(3.0)
    status = await group.status()
    assert len({each.applied_index for each in status.values()}) == 1


async def test_all_disks_used_up_nothing_is_acknowledged_reads_go_on_and_space_brings_everything_back(
    cluster: Any,
) -> None:
    group = (await cluster.client()).group("store")
    await cluster.leader_of("store")
    assert await increments(group, 3) == ([1, 2, 3], 0)
    for name in cluster:
        use_up(cluster.disks[name])
    with pytest.raises(CoterieError) as caught:
        await group.execute(LARGE, timeout_s=3.0)
    assert caught.value.outcome is Outcome.UNKNOWN  # the leader had it in memory when it saw that its disk is full
    with pytest.raises(CommandRefused, match="too little free space"):
        await group.execute(Increment(b"n"), timeout_s=3.0)
    leader = await cluster.leader_of("store")
    assert await group.read(Get(b"n")) == b"3"
    assert {status.disk for status in (await group.status()).values()} <= {"full", None}
    for name in cluster:
        cluster.disks[name].capacity_bytes = None
    await asyncio.sleep(5.0)
    assert await cluster.leader_of("store") == leader
    assert await increments(group, 1) == ([4], 0)
    assert await group.read(Get(b"k")) in (None, LARGE.value), "its outcome was unknown"


async def test_a_repetition_that_is_refused_is_unsettled_if_an_earlier_attempt_may_have_been_executed(
    cluster: Any,
) -> None:
    router = cluster["n1"].group("store")._router
    routed = RoutedCommand()
    routed.attempt_ended(Outcome.UNKNOWN)
    with pytest.raises(CommandUnsettled, match="too little free space") as caught:
        router._note_failure("n2", Refused(DISK_FULL, "n2"), routed, 10)
    assert caught.value.outcome is Outcome.UNKNOWN
