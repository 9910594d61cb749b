"""A Raft group of real actors under a burst of large commands, with small frames, and while disks stall."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from coterie import KeyValue, Topology
from coterie.actors.groups.key_value import Increment, Put
from coterie.actors.groups.raft_actor import RaftActor
from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_observations import COMMIT_RESUMED, COMMIT_STALLED
from coterie.runtime.storage.log_store import LogStore, Write

pytestmark = pytest.mark.virtual


def topology_with(config: Callable[[tuple[NodeId, ...]], RaftConfig]) -> Topology:
    topology = Topology("test", nodes=["n1", "n2", "n3"])
    topology.raft("store", machine=KeyValue, config=config)
    return topology


def boundless(voters: tuple[NodeId, ...]) -> RaftConfig:
    """More at once than any store or frame takes."""
    return RaftConfig(
        voters,
        max_uncommitted_bytes=1 << 40,
        max_inflight_bytes=1 << 40,
        max_append_bytes=1 << 40,
        max_append_entries=1 << 30,
        max_write_bytes=1 << 40,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("count", "size_bytes"), [(30, 3_000_000), (3000, 10)])
async def test_a_burst_is_written_in_parts_that_the_store_and_the_frames_take(
    make_cluster: Any, count: int, size_bytes: int
) -> None:
    cluster = make_cluster(topology_with(boundless))
    await cluster.start()
    leader = cluster[await cluster.leader_of("store")]
    group = leader.group("store")
    await group.execute(Put(b"k", b"v"))

    puts = (group.execute(Put(b"k%d" % number, bytes(size_bytes)), timeout_s=60) for number in range(count))
    results = await asyncio.gather(*puts, return_exceptions=True)

    assert [result for result in results if isinstance(result, BaseException)] == []
    assert [cluster[name].system.restarts for name in cluster] == [0, 0, 0]


def stall(store: LogStore, until_s: float) -> None:
    """Let no write of `store` become durable before `until_s` (the loop's time)."""
    loop, write_now = asyncio.get_running_loop(), store.write

    def write(write: Write, done: Callable[[], None]) -> None:
        def finish() -> None:
            if loop.time() < until_s:
                loop.call_at(until_s, done)
            else:
                done()

        write_now(write, finish)

    store.write = write  # type: ignore[method-assign]


def reports_of(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Return the facts of all stalls of commit indexes that are reported from now on, and of their ends."""
    reports, observed = [], RaftActor.observed

    def observe(self: RaftActor, event: str, facts: Any) -> None:
        if event in {COMMIT_STALLED, COMMIT_RESUMED}:
            reports.append(dict(facts))
        observed(self, event, facts)

    monkeypatch.setattr(RaftActor, "observed", observe)
    return reports


async def test_followers_whose_disks_stall_for_three_seconds_cause_no_election(
    cluster: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = (await cluster.client()).group("store")
    await group.execute(Increment(b"n"))
    leader, loop = await cluster.leader_of("store"), asyncio.get_running_loop()
    reports = reports_of(monkeypatch)
    before = {name: node.term for name, node in (await group.status()).items()}
    end = loop.time() + 3.0
    for name in cluster:
        if name != leader:
            stall(cluster[name].store, end)

    assert await group.execute(Increment(b"n"), timeout_s=10) == 2

    assert loop.time() >= end
    assert await cluster.leader_of("store") == leader
    assert {name: node.term for name, node in (await group.status()).items()} == before
    await asyncio.sleep(0.1)
    stalled, resumed = reports
    assert (stalled["node"], sorted(stalled["held_up_by"])) == (
        leader,
        sorted(name for name in cluster if name != leader),
    )
    assert (resumed["node"], resumed["stalled_s"] > 2.9) == (leader, True)
