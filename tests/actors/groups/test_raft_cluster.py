"""A Raft group of real actors, transport and storage in virtual time: acknowledged writes are kept."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from coterie import Client, Outcome
from coterie.actors.groups.group_messages import GroupStatus
from coterie.actors.groups.key_value import Increment, Put
from coterie.errors import CommandTimeout, StorageFailed

pytestmark = pytest.mark.virtual


async def test_what_was_put_can_be_read(cluster: Any) -> None:
    store = (await cluster.client()).key_value("store")

    await store.put(b"k", b"v")

    assert await store.get(b"k") == b"v"
    assert await store.get(b"missing") is None


async def test_acknowledged_writes_survive_the_death_of_the_leader(cluster: Any) -> None:
    store = (await cluster.client()).key_value("store")
    await store.put(b"before", b"1")

    await cluster.kill(await cluster.leader_of("store"))
    await store.put(b"after", b"2")

    assert await store.get(b"before") == b"1"
    assert await store.get(b"after") == b"2"


async def test_a_killed_node_comes_back_and_catches_up(cluster: Any) -> None:
    client = await cluster.client()
    store = client.key_value("store")
    victim = await cluster.leader_of("store")
    await cluster.kill(victim)
    for number in range(50):
        await store.put(b"%d" % number, b"x" * 100)

    await cluster.start(victim)

    goal = max(status.commit_index for status in await _statuses(client))
    while True:
        await asyncio.sleep(0.1)
        status = (await client.group("store").status()).get(victim)
        if isinstance(status, GroupStatus) and status.applied_index >= goal:
            break


async def test_acknowledged_writes_survive_the_death_of_all_nodes(cluster: Any) -> None:
    client = await cluster.client()
    store = client.key_value("store")
    acknowledged = []
    for number in range(40):
        await store.put(b"%d" % number, b"value")
        acknowledged.append(b"%d" % number)

    for name in list(cluster):
        await cluster.kill(name)
    await cluster.start()

    for key in acknowledged:
        assert await store.get(key) == b"value"


async def test_every_increment_happens_exactly_once_while_connections_break(cluster: Any) -> None:
    store = (await cluster.client()).key_value("store")
    rng = random.Random(7)

    async def break_links() -> None:
        while True:
            await asyncio.sleep(rng.uniform(0.05, 0.5))
            cluster.network.reset(rng.choice(["n1", "n2", "n3", "client"]))

    async def count() -> None:
        for _ in range(25):
            await store.group.execute(Increment(b"total"), timeout_s=60.0)

    breaking = asyncio.create_task(break_links())
    await asyncio.gather(*(count() for _ in range(8)))
    breaking.cancel()

    assert await store.get(b"total") == b"200"


async def test_every_increment_happens_exactly_once_while_nodes_die(cluster: Any) -> None:
    store = (await cluster.client()).key_value("store")
    rng = random.Random(11)
    is_done = asyncio.Event()

    async def count() -> None:
        for _ in range(40):
            await store.group.execute(Increment(b"total"), timeout_s=120.0)

    async def kill_and_restart() -> None:
        while not is_done.is_set():
            await asyncio.sleep(rng.uniform(0.1, 0.6))
            victim = rng.choice(sorted(cluster))
            await cluster.kill(victim)
            await asyncio.sleep(rng.choice([0.0, 0.002, 0.5]))
            await cluster.start(victim)

    killing = asyncio.create_task(kill_and_restart())
    await asyncio.gather(*(count() for _ in range(8)))
    is_done.set()
    await killing

    assert await store.get(b"total") == b"320"


async def test_a_leader_that_stands_still_is_replaced_and_never_read_again(cluster: Any) -> None:
    store = (await cluster.client()).key_value("store")
    await store.put(b"k", b"old")
    stopped = await cluster.leader_of("store")

    cluster.network.freeze(stopped)
    await store.put(b"k", b"new")
    cluster.network.thaw(stopped)

    for _ in range(20):
        assert await store.get(b"k") == b"new"


async def test_a_leader_cut_off_from_the_others_commits_nothing(cluster: Any) -> None:
    client = await cluster.client()
    store = client.key_value("store")
    await store.put(b"k", b"v")
    for name in cluster:
        for other in cluster:
            if name < other:
                cluster.network.partition(name, other)

    with pytest.raises(CommandTimeout) as caught:
        await store.group.execute(Put(b"k", b"w"), timeout_s=3.0)

    assert caught.value.outcome is Outcome.UNKNOWN
    cluster.network.heal()
    assert await store.get(b"k") in (b"v", b"w")


async def test_a_command_that_reached_nobody_definitely_did_not_happen(cluster: Any) -> None:
    client = await cluster.client()
    store = client.key_value("store")
    await store.put(b"k", b"v")
    for name in list(cluster):
        await cluster.kill(name)
    await asyncio.sleep(10)

    with pytest.raises(CommandTimeout) as caught:
        await store.group.execute(Put(b"k", b"w"), timeout_s=2.0)

    assert caught.value.outcome is Outcome.DEFINITE
    assert "it was not executed" in str(caught.value)


async def test_a_wiped_node_is_not_believed_under_its_old_name(cluster: Any) -> None:
    client = await cluster.client()
    store = client.key_value("store")
    await store.put(b"k", b"v")
    await asyncio.sleep(1)
    leader = await cluster.leader_of("store")
    wiped, third = sorted(set(cluster) - {leader})
    await cluster.kill(wiped)
    cluster.wipe(wiped)
    await cluster.start(wiped)
    await cluster.kill(third)

    with pytest.raises(CommandTimeout):  # the wiped node's acknowledgement must not complete a quorum
        await store.group.execute(Put(b"k", b"w"), timeout_s=5.0)

    await cluster.start(third)
    assert await store.get(b"k") in (b"v", b"w")


async def test_a_failed_sync_stops_the_node_and_is_raised_to_its_host(make_cluster: Any) -> None:
    cluster = make_cluster()
    await cluster.start()
    store = (await cluster.client()).key_value("store")
    await store.put(b"k", b"v")
    victim = await cluster.leader_of("store")
    cluster.disks[victim].fail_next_sync()

    await store.put(b"k", b"w")

    assert await store.get(b"k") == b"w"
    with pytest.raises(StorageFailed):
        await cluster.ended(victim)


async def test_a_group_without_a_leader_elects_one_and_a_steady_one_keeps_it(cluster: Any) -> None:
    client = await cluster.client()
    await client.key_value("store").put(b"k", b"v")
    before = await _statuses(client)

    await asyncio.sleep(60)

    after = await _statuses(client)
    assert {status.term for status in after} == {status.term for status in before}
    assert [status.role for status in after].count("leader") == 1


async def _statuses(client: Client) -> list[GroupStatus]:
    answers = (await client.group("store").status()).values()
    return [answer for answer in answers if isinstance(answer, GroupStatus)]
