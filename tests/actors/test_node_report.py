"""What a node reports of itself: its parts, and those that are gone for good."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie import KeyValue, RoundRobin, Supervision, Topology
from coterie.actors.node_report import NODE_REPORT_PATH, NodeReport, ReportNode
from coterie.runtime.actor import Actor
from coterie.runtime.messages.message import Ask, message

pytestmark = pytest.mark.virtual


@message(name="test.report.Work")
class Work(Ask[int]):
    """Fails if `fails`."""

    fails: bool


class Worker(Actor[Work]):
    def receive(self, msg: Work, /) -> int:
        if msg.fails:
            raise ValueError("as asked")
        return 1


def topology() -> Topology:
    made = Topology("test", nodes=["n1", "n2", "n3"])
    made.raft("store", machine=KeyValue)
    made.synod("config")
    made.actor("clerk", lambda _: Worker(), supervision=Supervision(max_restarts=2))
    made.pool("workers", lambda _: Worker())
    made.balancer("front", RoundRobin(), over="workers", messages=[Work])
    return made


async def report_of(client: Any, node: str) -> NodeReport:
    report: NodeReport = await client.actor(NODE_REPORT_PATH, node=node).ask(ReportNode())
    return report


async def test_a_declared_actor_never_vanishes_quietly(make_cluster: Any) -> None:
    cluster = make_cluster(topology())
    await cluster.start()
    client = await cluster.client()
    await asyncio.sleep(2)
    assert [(await report_of(client, node)).ended for node in cluster.names] == [(), (), ()]

    clerk = client.actor("clerk", node="n2")
    for _ in range(4):
        with pytest.raises(Exception, match=r"ValueError|ended for good|stopped|not there|no actor"):
            await clerk.ask(Work(fails=True))
        await asyncio.sleep(1)

    assert [(await report_of(client, node)).ended for node in cluster.names] == [(), ("clerk",), ()]
