"""Probes of a policy: answered by the nodes, on time or not at all, and none when the pool is idle or closed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie import Node, Topology
from coterie.actors.pools.loads.load_messages import ProbeLoad
from coterie.actors.pools.pool_actor import PoolActor
from coterie.protocols.algorithm import NodeId
from coterie.protocols.balancing import LeastLoaded, LoadReport, Prequal, ReportedInFlight
from coterie.protocols.detection.failure_detector import Suspected, Trusted
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message

pytestmark = pytest.mark.virtual


@message(name="test.probes.Work")
class Work(Ask[str]):
    pass


class Worker(Actor[Work]):
    """Slow on the node n3."""

    def __init__(self, node: Node) -> None:
        self._node = node

    async def receive(self, msg: Work, /) -> str:
        await asyncio.sleep(0.5 if self._node.name == "n3" else 0.01)
        return self._node.name


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The nodes that were probed."""
    found: list[str] = []
    receive = PoolActor.receive

    def noted(self: PoolActor, msg: Any, /) -> Any:
        if isinstance(msg, ProbeLoad):
            found.append(self.context.system.node)
        return receive(self, msg)

    monkeypatch.setattr(PoolActor, "receive", noted)
    return found


async def started(make_cluster: Any, policy: Any) -> Any:
    topology = Topology("probed", nodes=["n1", "n2", "n3"])
    topology.pool("workers", Worker, nodes=["n2", "n3"], balance=policy)
    cluster = make_cluster(topology)
    await cluster.start()
    await asyncio.sleep(1)
    return cluster


async def work(pool: Any, count: int) -> list[str]:
    asks = []
    for _ in range(count):
        asks.append(asyncio.create_task(pool.ask(Work(), timeout_s=60.0)))
        await asyncio.sleep(0.05)
    return list(await asyncio.gather(*asks))


async def test_prequal_learns_by_probes_which_worker_is_slow(make_cluster: Any, probed: list[str]) -> None:
    cluster = await started(make_cluster, Prequal())
    pool = cluster["n1"].pool("workers")

    answers = await work(pool, 200)

    assert answers.count("n3") < 60
    assert {"n2", "n3"} == set(probed)


async def test_an_idle_pool_sends_no_probes(make_cluster: Any, probed: list[str]) -> None:
    cluster = await started(make_cluster, Prequal())
    await work(cluster["n1"].pool("workers"), 10)
    await asyncio.sleep(10.0)
    probed.clear()

    await asyncio.sleep(100.0)

    assert probed == []


async def test_a_suspected_node_is_not_probed(make_cluster: Any, probed: list[str]) -> None:
    cluster = await started(make_cluster, Prequal())
    pool = cluster["n1"].pool("workers")
    await work(pool, 10)
    cluster["n1"].health.take(Suspected(NodeId("n3"), "a test"))
    await work(pool, 1)
    probed.clear()

    await work(pool, 20)
    cluster["n1"].health.take(Trusted(NodeId("n3"), "a test"))
    among_suspected = list(probed)
    await work(pool, 20)

    assert set(among_suspected) == {"n2"}
    assert set(probed) == {"n2", "n3"}


async def test_a_probe_that_is_answered_too_late_counts_as_not_answered(make_cluster: Any) -> None:
    cluster = await started(make_cluster, Prequal(probe_timeout_s=1e-6))
    pool = cluster["n1"].pool("workers")
    answers: list[LoadReport | None] = []
    pool._balancer.probed = lambda _probe, load, *, now: answers.append(load)

    await work(pool, 20)

    assert answers
    assert set(answers) == {None}


async def test_a_policy_that_needs_reports_gets_them_with_replies(make_cluster: Any) -> None:
    cluster = await started(make_cluster, LeastLoaded(ReportedInFlight()))
    pool = cluster["n1"].pool("workers")
    loads: list[LoadReport | None] = []
    report = pool._report

    def noted(token: int, outcome: Any, *, now: float, load: LoadReport | None) -> None:
        loads.append(load)
        report(token, outcome, now=now, load=load)

    pool._report = noted

    await work(pool, 20)

    assert sum(load is not None for load in loads) >= 18


async def test_a_pool_that_is_closed_sends_no_probe_and_ignores_answers(make_cluster: Any, probed: list[str]) -> None:
    cluster = await started(make_cluster, Prequal())
    pool = cluster["n1"].pool("workers")
    await work(pool, 10)

    pool.close()
    probed.clear()
    await asyncio.sleep(10.0)

    assert probed == []
