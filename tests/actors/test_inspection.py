"""Inspection: what a node reports of its actors."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from coterie import Actor, Ask, KeyValue, Node, Overflow, Topology, message
from coterie.actors import inspection
from coterie.actors.inspection import ActorsReport, ReportActors, UnknownOrder
from coterie.actors.node_report import NODE_REPORT_PATH
from coterie.runtime.observing.dead_letters import Reason
from coterie.runtime.refs import Address

pytestmark = pytest.mark.virtual


@message(name="test.inspection.Sleep")
class Sleep(Ask[None]):
    pass


@message(name="test.inspection.Fail")
class Fail:
    pass


class Sleeper(Actor[Sleep | Fail]):
    def __init__(self, node: Node) -> None:
        self._node = node

    async def receive(self, msg: Sleep | Fail, /) -> None:
        if isinstance(msg, Fail):
            raise RuntimeError("told to")
        await asyncio.sleep(3600)


class Idler(Sleeper):
    """Its mailbox is small."""


class Front(Actor[Sleep]):
    """Waits for the sleeper."""

    def __init__(self, node: Node) -> None:
        self._sleeper = node.actor("sleeper", node="n1")

    async def receive(self, msg: Sleep, /) -> None:
        await self._sleeper.ask(Sleep(), timeout_s=3600)


@pytest.fixture
async def cluster(make_cluster: Any) -> Any:
    topology = Topology("inspected", nodes=["n1", "n2", "n3"])
    topology.raft("store", machine=KeyValue)
    topology.actor("sleeper", Sleeper, nodes=["n1"])
    topology.actor("front", Front, nodes=["n1"])
    topology.actor("small", Idler, nodes=["n1"], capacity=2)
    topology.pool("workers", Idler, nodes=["n1"], capacity=3, overflow=Overflow.DROP_NEW)
    cluster = make_cluster(topology)
    await cluster.start()
    return cluster


async def look(cluster: Any, **asked: Any) -> ActorsReport:
    client = await cluster.client()
    report: ActorsReport = await client.system.at(Address("n1", NODE_REPORT_PATH)).ask(ReportActors(**asked))
    return report


async def test_a_client_sees_depth_handling_restarts_and_waits(cluster: Any) -> None:
    client = await cluster.client()
    client.actor("sleeper", node="n1").tell(Fail())
    await asyncio.sleep(1)
    abandoned = [client.actor("front", node="n1").ask(Sleep(), timeout_s=3600.0) for _ in range(3)]
    await asyncio.sleep(1)

    report = await look(cluster)

    by_path = {line.path: line for line in report.actors}
    assert by_path["front"].depth == 2
    assert by_path["front"].handling == "Sleep"
    assert by_path["sleeper"].restarts == 1
    assert by_path["sleeper"].last_error == "RuntimeError: told to"
    assert by_path["store"].type == "RaftActor"
    assert by_path["store"].handled > 0
    assert [(wait.asker.split("@")[0], wait.target.split("@")[0], wait.message) for wait in report.waits] == [
        ("front", "sleeper", "Sleep")
    ]
    assert report.actors[0].path == "front"  # the deepest first
    assert report.failures == 1
    for ask in abandoned:
        ask.cancel()


async def test_pattern_order_and_limit_choose_what_is_listed_but_not_what_is_summed(cluster: Any) -> None:
    listed = await look(cluster, pattern="Sleeper")
    one = await look(cluster, order="handled", limit=1)

    assert [line.path for line in listed.actors] == ["sleeper"]
    assert sum(line.actors for line in listed.types) == sum(line.actors for line in one.types) >= 4
    assert len(one.actors) == 1


async def test_an_unknown_order_is_an_error_that_names_it(cluster: Any) -> None:
    with pytest.raises(UnknownOrder, match="sorted by 'size': choose one of depth, busy"):
        await look(cluster, order="size")


async def test_what_ended_actors_had_handled_still_counts(cluster: Any) -> None:
    class Brief(Actor[Fail]):
        def receive(self, msg: Fail, /) -> None:
            pass

    system = cluster["n1"].system
    before = await look(cluster)
    brief = system.spawn(Brief, name="brief", capacity=10_000)
    for _ in range(5000):
        brief.tell(Fail())
    await asyncio.sleep(1)
    await system.stop(brief)

    after = await look(cluster)

    assert "brief" not in {line.path for line in after.actors}
    assert 5000 <= after.handled - before.handled < 6000


async def test_a_look_at_many_actors_gives_the_loop_its_turn(cluster: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "SLICE_ACTORS", 2)
    assert len((await look(cluster, limit=2)).actors) == 2


async def test_the_bound_of_a_mailbox_and_what_it_refused_are_reported(cluster: Any) -> None:
    system = cluster["n1"].system
    for path, count in (("small", 8), ("workers/1", 5)):
        ref = system.at(Address("n1", path))
        ref.tell(Sleep())
        await asyncio.sleep(1)
        for _ in range(count):
            ref.tell(Sleep())

    lines = {line.path: (line.depth, line.capacity, line.refused) for line in (await look(cluster)).actors}

    assert lines["small"] == (2, 2, 6)
    assert lines["workers/1"] == (3, 3, 2)
    assert lines["front"] == (0, 10_000, 0)
    counts = system.dead_letters.counts
    assert (counts[Reason.MAILBOX_FULL], counts[Reason.DROPPED]) == (6, 2)
