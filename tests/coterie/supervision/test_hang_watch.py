"""`HangWatch`: fences a node that does not answer, and nobody while it itself stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from coterie import Topology
from coterie.protocols.detection.swim.swim import Swim
from coterie.runtime.system import System, SystemConfig
from coterie.runtime.transport.handshake.identity import PeerRole
from coterie.runtime.transport.transport_config import TransportConfig
from coterie.supervision.cluster_supervisor import LINKS
from coterie.supervision.hang_watch import HangWatch
from coterie.supervision.node_supervisor import NodeSupervisor
from coterie.testing import Cluster

pytestmark = pytest.mark.virtual

NODES = ("n1", "n2", "n3")
UP = SystemConfig(transport=LINKS)
FULL = SystemConfig(transport=TransportConfig(connections_max=4))  # those of the other nodes: none is left for clients


class Supervised:
    """Stands in for a `NodeSupervisor`: the process runs in the cluster of the test."""

    def __init__(self, node: str) -> None:
        self.node = node
        self.life = 1
        self.is_running = self.is_up = True
        self.has_given_up = False
        self.fenced: list[str] = []
        self.noted: list[str] = []

    def fence(self, reason: str) -> None:
        self.is_running = self.is_up = False
        self.fenced.append(reason)

    def note(self, text: str) -> None:
        self.noted.append(text)

    def restarted(self, *, is_up: bool) -> None:
        self.life += 1
        self.is_running, self.is_up = True, is_up


class Skew:
    """How far a test has moved the clock of the watch on."""

    def __init__(self) -> None:
        self.offset_s = 0.0


def topology(*, detects: bool) -> Topology:
    made = Topology("watched", nodes=NODES)
    if detects:
        made.detector(Swim.local())
    return made


@asynccontextmanager
async def watched(cluster: Cluster, hang_timeout_s: float) -> AsyncIterator[tuple[dict[str, Supervised], Skew]]:
    """Watch a cluster for as long as the block lasts."""
    supervisors = {node: Supervised(node) for node in NODES}
    host, skew = cluster.host("up"), Skew()
    monotonic = host.clock.monotonic
    cast("Any", host.clock).monotonic = lambda: monotonic() + skew.offset_s
    async with System("up", cluster="watched", role=PeerRole.CLIENT, host=host, config=UP) as system:
        for address in cluster.addresses.values():
            name, port = address.rsplit(":", 1)
            system.dial(name, int(port))
        watch = HangWatch(system, cast("Mapping[str, NodeSupervisor]", supervisors), cluster.addresses, hang_timeout_s)
        task = asyncio.get_running_loop().create_task(watch.run())
        await asyncio.sleep(5)
        try:
            yield supervisors, skew
        finally:
            task.cancel()


def isolate(cluster: Cluster, node: str) -> None:
    """Cut a node off from everybody: as a stopped process, it keeps its links and says nothing."""
    cluster.partition([node], [*(set(NODES) - {node}), "up"])


async def test_healthy_nodes_are_left_alone() -> None:
    async with Cluster(topology(detects=True)) as cluster, watched(cluster, 10.0) as (supervisors, _):
        await asyncio.sleep(60)

        assert [supervisor.fenced for supervisor in supervisors.values()] == [[], [], []]


@pytest.mark.parametrize("detects", [True, False])
async def test_nodes_that_refuse_every_link_because_they_are_full_are_left_alone(detects: bool) -> None:
    async with (
        Cluster(topology(detects=detects), config=FULL) as cluster,
        watched(cluster, 2.0) as (supervisors, _),
    ):
        await asyncio.sleep(60)
        assert [supervisor.fenced for supervisor in supervisors.values()] == [[], [], []]


async def test_a_full_node_that_hangs_is_fenced_all_the_same() -> None:
    async with (
        Cluster(topology(detects=False), config=FULL) as cluster,
        watched(cluster, 4.0) as (supervisors, _),
    ):
        isolate(cluster, "n2")
        await asyncio.sleep(20)
        assert len(supervisors["n2"].fenced) == 1
        assert supervisors["n1"].fenced == supervisors["n3"].fenced == []


async def test_a_silent_node_is_fenced_after_the_time_out_without_a_detector() -> None:
    async with Cluster(topology(detects=False)) as cluster, watched(cluster, 10.0) as (supervisors, _):
        isolate(cluster, "n2")
        await asyncio.sleep(8)
        early = list(supervisors["n2"].fenced)
        await asyncio.sleep(8)

        assert early == []
        (reason,) = supervisors["n2"].fenced
        assert reason.startswith("it has not answered for 1")
        assert supervisors["n1"].fenced == supervisors["n3"].fenced == []


async def test_the_verdict_of_the_other_nodes_fences_sooner() -> None:
    async with Cluster(topology(detects=True)) as cluster, watched(cluster, 60.0) as (supervisors, _):
        isolate(cluster, "n2")
        await asyncio.sleep(8)

        assert supervisors["n2"].fenced == ["2 of the 2 other nodes that answer say that it has failed"]


async def test_the_next_hung_node_is_fenced_when_the_first_is_up_again() -> None:
    async with Cluster(topology(detects=False)) as cluster, watched(cluster, 4.0) as (supervisors, _):
        cluster.partition(["n2"], ["n3"], ["n1", "up"])
        await asyncio.sleep(20)
        first = {node: len(supervisor.fenced) for node, supervisor in supervisors.items()}
        cluster.heal()
        cluster.partition(["n3"], ["n1", "n2", "up"])
        supervisors["n2"].restarted(is_up=True)
        await asyncio.sleep(60)
        second = {node: len(supervisor.fenced) for node, supervisor in supervisors.items()}

    assert first == {"n1": 0, "n2": 1, "n3": 0}
    assert second == {"n1": 0, "n2": 1, "n3": 1}


async def test_a_node_is_not_fenced_while_it_starts_and_silence_counts_from_then_on() -> None:
    async with Cluster(topology(detects=False)) as cluster, watched(cluster, 4.0) as (supervisors, _):
        isolate(cluster, "n2")
        supervisors["n2"].restarted(is_up=False)
        await asyncio.sleep(60)
        while_starting = list(supervisors["n2"].fenced)
        supervisors["n2"].is_up = True
        await asyncio.sleep(3)
        just_up = list(supervisors["n2"].fenced)
        await asyncio.sleep(10)

        assert while_starting == just_up == []
        assert len(supervisors["n2"].fenced) == 1


async def hang_again(cluster: Cluster, supervisors: dict[str, Supervised], *, is_up: bool) -> None:
    """Let n2 be fenced, and its next process hang; then n3 hangs, too."""
    isolate(cluster, "n2")
    await asyncio.sleep(6)
    supervisors["n2"].restarted(is_up=is_up)
    cluster.partition(["n2", "n3"], ["n1", "up"])
    cluster.partition(["n2"], ["n3"])


async def test_a_fenced_node_that_hangs_again_before_its_first_answer_is_fenced_again() -> None:
    async with Cluster(topology(detects=False)) as cluster, watched(cluster, 4.0) as (supervisors, _):
        await hang_again(cluster, supervisors, is_up=True)
        await asyncio.sleep(10)

        assert len(supervisors["n2"].fenced) == 2
        assert supervisors["n3"].fenced == []


async def test_a_fenced_node_that_hangs_while_it_starts_blocks_the_others_for_30_s_and_a_line_says_so() -> None:
    async with Cluster(topology(detects=False)) as cluster, watched(cluster, 4.0) as (supervisors, _):
        await hang_again(cluster, supervisors, is_up=False)
        await asyncio.sleep(20)
        early = list(supervisors["n3"].fenced)
        await asyncio.sleep(20)

        assert early == []
        assert len(supervisors["n3"].fenced) == 1
        assert supervisors["n2"].noted == [
            "has not answered for 30 s since it was fenced: other nodes may be fenced again"
        ]


async def test_a_node_that_is_given_up_after_a_fence_does_not_block_the_fencing_of_others() -> None:
    async with Cluster(topology(detects=False)) as cluster, watched(cluster, 4.0) as (supervisors, _):
        isolate(cluster, "n2")
        await asyncio.sleep(6)
        supervisors["n2"].has_given_up = True
        cluster.partition(["n3"], ["n1", "up"])
        await asyncio.sleep(10)

        assert len(supervisors["n3"].fenced) == 1
        assert supervisors["n2"].noted == []


async def test_the_first_process_of_a_node_is_fenced_by_verdict_also_before_its_first_answer() -> None:
    async with Cluster(topology(detects=True)) as cluster:
        isolate(cluster, "n2")
        async with watched(cluster, 60.0) as (supervisors, _):
            await asyncio.sleep(5)

            assert supervisors["n2"].fenced == ["2 of the 2 other nodes that answer say that it has failed"]


async def test_a_restarted_node_is_not_fenced_for_the_verdict_on_its_former_process() -> None:
    async with Cluster(topology(detects=True)) as cluster, watched(cluster, 60.0) as (supervisors, _):
        supervisors["n2"].is_running = supervisors["n2"].is_up = False  # killed
        isolate(cluster, "n2")
        await asyncio.sleep(8)
        supervisors["n2"].restarted(is_up=True)
        await asyncio.sleep(5)  # not linked yet, and the others still say that it has failed
        cluster.heal()
        await asyncio.sleep(30)

        assert [supervisor.fenced for supervisor in supervisors.values()] == [[], [], []]


@pytest.mark.parametrize("blocked_s", [1.5, 3.0])
async def test_a_node_whose_answers_are_late_again_and_again_is_not_fenced(blocked_s: float) -> None:
    async with Cluster(topology(detects=False)) as cluster, watched(cluster, 10.0) as (supervisors, _):
        for _ in range(40):
            cluster.network.freeze("n2")
            await asyncio.sleep(blocked_s)
            cluster.network.thaw("n2")
            await asyncio.sleep(0.02)

        assert supervisors["n2"].fenced == []


async def test_a_stall_of_the_watch_itself_fences_nobody() -> None:
    async with Cluster(topology(detects=False)) as cluster, watched(cluster, 10.0) as (supervisors, skew):
        isolate(cluster, "n2")
        await asyncio.sleep(1)
        skew.offset_s += 3600.0
        await asyncio.sleep(1)
        cluster.heal()
        await asyncio.sleep(30)

        assert [supervisor.fenced for supervisor in supervisors.values()] == [[], [], []]


async def test_a_time_out_of_0_watches_nothing() -> None:
    async with Cluster(topology(detects=True)) as cluster, watched(cluster, 0) as (supervisors, _):
        isolate(cluster, "n2")
        await asyncio.sleep(60)

        assert supervisors["n2"].fenced == []
