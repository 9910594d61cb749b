"""Leadership of a group is handed over: by a call, and by a node before it stops; no command fails meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie import KeyValue, Topology
from coterie.actors.groups.key_value import Increment
from coterie.errors import CommandRefused

pytestmark = pytest.mark.virtual


async def test_another_node_leads_and_no_time_passes(cluster: Any) -> None:
    group = (await cluster.client()).group("store")
    old = await cluster.leader_of("store")
    to = next(name for name in cluster if name != old)
    loop = asyncio.get_running_loop()
    before = loop.time()
    assert (await group.transfer(to)).leader == to
    assert loop.time() - before < 0.15  # an election time-out is 0.2 s
    assert (await group.transfer(to)).leader == to
    assert (await group.transfer()).leader != to


async def test_no_command_fails_while_leadership_moves(cluster: Any) -> None:
    client = await cluster.client()
    group = client.group("store")
    await group.execute(Increment(b"n"))
    is_over = False
    sums: list[int] = []

    async def write() -> None:
        while not is_over:
            sums.append(await group.execute(Increment(b"n"), timeout_s=5.0))

    writers = [asyncio.create_task(write()) for _ in range(5)]
    for _ in range(6):
        await asyncio.sleep(0.1)
        await group.transfer()
    is_over = True
    await asyncio.gather(*writers)
    assert sorted(sums) == list(range(2, len(sums) + 2))


async def test_what_cannot_be_is_refused_and_the_leader_goes_on(cluster: Any) -> None:
    group = (await cluster.client()).group("store")
    old = await cluster.leader_of("store")
    with pytest.raises(CommandRefused, match=f"{old!r} leads on: 'n9' cannot lead next"):
        await group.transfer("n9")
    cut_off = next(name for name in cluster if name != old)
    for other in cluster:
        if other != cut_off:
            cluster.network.partition(cut_off, other)
    await asyncio.sleep(2.0)
    with pytest.raises(CommandRefused, match="must be another member, and answer"):
        await cluster[old].group("store").transfer(cut_off)
    assert await cluster[old].group("store").execute(Increment(b"n")) == 1


async def test_a_node_that_is_drained_leads_nothing(cluster: Any) -> None:
    old = await cluster.leader_of("store")
    assert await cluster[old].drain() == ()
    assert await cluster.leader_of("store") != old
    assert await cluster[old].drain() == ()


async def test_a_node_alone_says_that_it_leads_still(make_cluster: Any) -> None:
    topology = Topology("alone", nodes=["n1"])
    topology.raft("store", machine=KeyValue)
    cluster = make_cluster(topology)
    await cluster.start()
    await cluster.leader_of("store")
    assert await cluster["n1"].drain() == ("store",)
