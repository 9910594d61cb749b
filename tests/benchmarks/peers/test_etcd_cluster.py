"""Three real etcd members: they elect leaders, say why they end, and leave nothing behind. Skipped without etcd."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from benchmarks.peers.etcd.etcd_cluster import EtcdCluster

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("etcd") is None, reason="no program 'etcd' (apt install etcd-server)"),
]


def pids_of(cluster: EtcdCluster) -> list[int]:
    return [process.pid for process in cluster._process_by_member.values()]


def has_data(cluster: EtcdCluster) -> bool:
    return Path(cluster._data).exists()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_members_elect_another_leader_when_the_first_is_killed() -> None:
    async with EtcdCluster(["--heartbeat-interval=20", "--election-timeout=100"]) as cluster:
        first, term = await cluster.leader(), max(status.term for status in await cluster.status())
        cluster.signal(first, signal.SIGKILL)
        await cluster._process_by_member[first].wait()
        leading = [status for status in await cluster.status() if status.is_leader and status.term > term]
        while not leading:
            leading = [status for status in await cluster.status() if status.is_leader and status.term > term]

        assert leading[0].name != first


async def test_nothing_is_left_of_a_cluster() -> None:
    async with EtcdCluster() as cluster:
        pids = pids_of(cluster)
        assert len(pids) == 3
        assert has_data(cluster)
        assert all(is_alive(pid) for pid in pids)

    assert not any(is_alive(pid) for pid in pids)
    assert not has_data(cluster)


async def test_a_member_that_does_not_start_is_named_with_its_last_words() -> None:
    cluster = EtcdCluster(["--heartbeat-interval=100", "--election-timeout=101"])

    with pytest.raises(RuntimeError, match=r"etcd member e\d has ended with code 1: .*election-timeout"):
        async with cluster:
            raise AssertionError

    assert not any(is_alive(pid) for pid in pids_of(cluster))
    assert not has_data(cluster)


async def test_settings_of_the_environment_do_not_reach_the_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETCD_ELECTION_TIMEOUT", "nonsense")

    async with EtcdCluster() as cluster:
        assert await cluster.leader() in cluster.names
