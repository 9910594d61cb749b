"""All nodes in one process: the same cluster, the same data."""

from __future__ import annotations

from pathlib import Path

import pytest

from coterie import Actor, Ask, Client, KeyValue, Node, RoundRobin, Topology, message
from coterie.actors.detection.detector_messages import MembersReport, ReportMembers
from coterie.actors.node_report import NODE_REPORT_PATH
from coterie.errors import CoterieError, NotFormatted
from coterie.protocols.detection.swim.swim import Swim
from coterie.testing import no_leaks


@message(name="test.together.Where")
class Where(Ask[str]):
    pass


class Front(Actor[Where]):
    def __init__(self, node: Node) -> None:
        self._node = node

    def receive(self, msg: Where, /) -> str:
        return self._node.name


def make() -> Topology:
    topology = Topology("together", nodes=["n1", "n2", "n3"])
    topology.raft("store", machine=KeyValue)
    topology.actor("front", Front, nodes=["n1", "n3"])
    return topology


async def test_all_nodes_run_in_one_process_and_leave_nothing() -> None:
    async with no_leaks(), make().together() as nodes:
        await nodes["n2"].key_value("store").put(b"k", b"v")
        values = [await node.key_value("store").get(b"k") for node in nodes.values()]
        where = [await nodes["n2"].actor("front", node=name).ask(Where()) for name in ("n1", "n3")]

    assert values == [b"v"] * 3
    assert where == ["n1", "n3"]


async def test_data_is_there_again_the_next_time(tmp_path: Path) -> None:
    data = str(tmp_path)
    async with make().together(data=data, bootstrap="new") as nodes:
        await nodes["n1"].key_value("store").put(b"k", b"v")

    async with make().together(data=data) as nodes:
        assert await nodes["n3"].key_value("store").get(b"k") == b"v"


async def test_a_start_that_fails_in_the_middle_stops_what_had_started(tmp_path: Path) -> None:
    async with make().together(data=str(tmp_path), bootstrap="new"):
        pass
    (tmp_path / "n2").rename(tmp_path / "gone")

    async with no_leaks():
        with pytest.raises(NotFormatted):
            await make().together(data=str(tmp_path)).__aenter__()


async def test_all_nodes_of_one_process_monitor_each_other() -> None:
    topology = make()
    topology.detector(Swim.local())
    async with no_leaks(), topology.together() as nodes:
        asks = [node.actor(NODE_REPORT_PATH, node=name).ask(ReportMembers()) for name, node in nodes.items()]
        reports: list[MembersReport] = [await ask for ask in asks]

    assert [report.detector for report in reports] == ["SwimConfig"] * 3
    assert [[line.peer for line in report.members] for report in reports] == [["n2", "n3"], ["n1", "n3"], ["n1", "n2"]]


@pytest.mark.parametrize("kind", ["actor", "pool", "balancer"])
async def test_clients_reach_what_is_exported_and_nodes_reach_all(kind: str) -> None:
    topology = Topology("together", nodes=["n1", "n2"])
    for name, exported in (("open", True), ("inner", False)):
        if kind == "actor":
            topology.actor(name, Front, exported=exported)
        else:
            topology.pool(name if kind == "pool" else f"{name}-workers", Front, exported=exported)
        if kind == "balancer":
            topology.balancer(name, RoundRobin(), over=f"{name}-workers", exported=exported)
    async with topology.together() as nodes, Client([nodes["n1"].address]) as client:
        await nodes["n2"].system.linked("n1")

        async def ask(cluster: Node | Client, name: str) -> str:
            target = cluster.pool(name) if kind == "pool" else cluster.actor(name, node="n1")
            return await target.ask(Where(), timeout_s=2.0)

        for name in ("open", "inner"):
            assert await ask(nodes["n2"], name) in ("n1", "n2")
        assert await ask(client, "open") in ("n1", "n2")
        with pytest.raises(CoterieError):
            await ask(client, "inner")
