"""A topology with a failure detector: its declaration is checked, and each node monitors the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from coterie import KeyValue, Node, Topology
from coterie.actors.detection.detector_actor import DetectorActor
from coterie.actors.detection.detector_kinds import detector_class
from coterie.actors.detection.detector_messages import DETECTOR_PATH, MembersReport, ReportMembers
from coterie.actors.node_report import NODE_REPORT_PATH
from coterie.errors import ActorNotFound, TopologyError
from coterie.protocols.detection.failure_detector import MakeDetector, StateChange
from coterie.protocols.detection.heartbeats.chen_nfde import ChenConfig
from coterie.protocols.detection.heartbeats.deadline import DeadlineConfig
from coterie.protocols.detection.heartbeats.phi_accrual import PhiAccrualConfig
from coterie.protocols.detection.probes.rtt_phi_config import RttPhiConfig
from coterie.protocols.detection.swim.swim import Swim
from coterie.protocols.detection.swim.swim_config import SwimConfig
from coterie.runtime.refs import Address
from coterie.testing import Cluster
from tests.actors.detection.fake_detectors import FakeConfig

pytestmark = pytest.mark.virtual

NODES = ["n1", "n2", "n3"]

Heard = list[tuple[str, str, str]]


def note(heard: Heard, kind: str, node: Node, change: StateChange) -> None:
    heard.append((kind, node.name, change.peer))


def monitored(heard: Heard) -> Topology:
    topology = Topology("monitored", nodes=NODES)
    topology.raft("store", machine=KeyValue)
    topology.detector(
        Swim.local(),
        on_suspected=partial(note, heard, "suspected"),
        on_failed=partial(note, heard, "failed"),
        on_trusted=partial(note, heard, "trusted"),
    )
    return topology


def mistakes_of(topology: Topology) -> tuple[str, ...]:
    with pytest.raises(TopologyError) as caught:
        topology.validate()
    return caught.value.mistakes


# --- the declaration


async def test_a_detector_without_hooks_is_valid() -> None:
    topology = Topology("t", nodes=NODES)
    topology.detector(Swim.lan())

    topology.validate()


async def test_a_second_detector_is_a_mistake() -> None:
    topology = Topology("t", nodes=NODES)
    topology.detector(Swim.lan())
    topology.detector(Swim.local())

    assert mistakes_of(topology) == ("it has 2 detectors: it may have one",)


@pytest.mark.parametrize(
    ("config", "mistake"),
    [
        (SwimConfig, "detector SwimConfig is a class: give its settings, for example Swim.local()"),
        (5, "detector int: 5 makes no detector: give the settings of one, for example Swim.local()"),
    ],
)
async def test_what_makes_no_detector_is_named(config: Any, mistake: str) -> None:
    topology = Topology("t", nodes=NODES)
    topology.detector(config)

    assert mistakes_of(topology) == (mistake,)


async def test_settings_that_do_not_suit_the_nodes_are_named() -> None:
    class Pairs(FakeConfig):
        def make(self, node: Any, peers: Any, *, seed: int) -> Any:
            raise ValueError("it monitors one peer")

    topology = Topology("t", nodes=NODES)
    topology.detector(Pairs())

    assert mistakes_of(topology) == ("detector Pairs cannot be made for these nodes: it monitors one peer",)


def takes_one(_: Node) -> None:
    raise NotImplementedError


async def waits(_: Node, __: StateChange) -> None:
    raise NotImplementedError


@pytest.mark.parametrize(
    ("hook", "mistake"),
    [
        (5, "on_failed=5 cannot be called"),
        (takes_one, "on_failed=takes_one must take the node and the change: too many positional arguments"),
        (waits, "on_failed=waits is `async def`: a hook must be `def`"),
    ],
)
async def test_a_hook_that_cannot_be_called_is_named(hook: Any, mistake: str) -> None:
    topology = Topology("t", nodes=NODES)
    topology.detector(Swim.lan(), on_failed=hook)

    assert mistakes_of(topology) == (f"detector SwimConfig: {mistake}",)


# --- running


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("not within 30 s")


async def test_a_killed_node_is_suspected_then_failed_and_trusted_when_it_is_back() -> None:
    heard: Heard = []
    async with Cluster(monitored(heard)) as cluster:
        await asyncio.sleep(5)
        heard.clear()

        await cluster.kill("n3")
        await until(lambda: all(cluster[node].health.failed == ("n3",) for node in ("n1", "n2")))
        assert heard[:2] == [("suspected", "n1", "n3"), ("suspected", "n2", "n3")]
        assert sorted(heard[2:]) == [("failed", "n1", "n3"), ("failed", "n2", "n3")]

        await cluster.start("n3")
        await until(lambda: not any(node.health.unhealthy for node in cluster.values()))
        assert {("trusted", "n1", "n3"), ("trusted", "n2", "n3")} <= set(heard)


async def test_a_node_that_stops_in_order_is_not_suspected() -> None:
    heard: Heard = []
    async with Cluster(monitored(heard)) as cluster:
        await asyncio.sleep(5)
        heard.clear()

        await cluster.stop("n3")
        await asyncio.sleep(10)

        assert heard == []


async def test_a_detector_that_fails_is_restarted_and_does_not_announce_that_it_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = Swim.tick
    async with Cluster(monitored([])) as cluster:
        await asyncio.sleep(5)
        detector = actor_at(cluster["n2"])._detector  # type: ignore[attr-defined]

        def tick(self: Swim, *, now: float) -> Any:
            if self is detector:
                raise RuntimeError("a bug")
            return original(self, now=now)

        monkeypatch.setattr(Swim, "tick", tick)
        states = set()
        for _ in range(100):
            await asyncio.sleep(0.05)
            report: MembersReport = await cluster["n1"].actor(NODE_REPORT_PATH, node="n1").ask(ReportMembers())
            states.add(next(line.state for line in report.members if line.peer == "n2"))

        assert cluster["n2"].system.restarts == 1
        assert "left" not in states


async def test_a_client_reads_reports_but_cannot_reach_the_detector() -> None:
    async with Cluster(monitored([])) as cluster:
        client = await cluster.client()
        report: MembersReport = await client.actor(NODE_REPORT_PATH, node="n1").ask(ReportMembers())

        with pytest.raises(ActorNotFound):
            await client.actor(DETECTOR_PATH, node="n1").ask(ReportMembers())

    assert [line.peer for line in report.members] == ["n2", "n3"]


async def test_a_report_of_a_detector_that_has_stopped_is_an_error_and_harms_nothing() -> None:
    async with Cluster(monitored([])) as cluster:
        client = await cluster.client()
        system = cluster["n1"].system
        await system.stop(system.at(Address("n1", DETECTOR_PATH)))

        with pytest.raises(ActorNotFound):
            await client.actor(NODE_REPORT_PATH, node="n1").ask(ReportMembers())
        assert system.failures == 0


@pytest.mark.parametrize("detects", [True, False])
async def test_datagrams_are_open_exactly_where_there_is_a_detector(detects: bool) -> None:
    topology = monitored([]) if detects else Topology("bare", nodes=NODES)
    async with Cluster(topology) as cluster:
        await asyncio.sleep(5)
        systems = [node.system for node in cluster.values()]

        assert [system.datagrams.is_open for system in systems] == [detects] * 3
        assert [system.datagrams.stats()["sent"] > 0 for system in systems] == [detects] * 3


async def test_a_node_without_a_detector_says_so() -> None:
    async with Cluster(Topology("bare", nodes=["n1"])) as cluster:
        client = await cluster.client()

        report = await client.actor(NODE_REPORT_PATH, node="n1").ask(ReportMembers())

        assert report == MembersReport("n1", None, ())
        assert cluster["n1"].health.unhealthy == ()


KINDS = [
    DeadlineConfig.local(),
    PhiAccrualConfig.local(),
    ChenConfig.local(),
    RttPhiConfig.local(),
    Swim.local(),
]


@pytest.mark.parametrize("config", KINDS, ids=lambda config: type(config).__name__)
async def test_every_kind_of_detector_finds_a_killed_node_within_seconds(config: MakeDetector) -> None:
    topology = Topology("monitored", nodes=NODES)
    topology.detector(config)
    async with Cluster(topology) as cluster:
        await asyncio.sleep(5)
        healthy = [node.health.unhealthy for node in cluster.values()]
        await cluster.kill("n3")
        await asyncio.sleep(1.5)
        suspected = [cluster[node].health.is_suspected("n3") for node in ("n1", "n2")]
        await asyncio.sleep(8.5)
        failed = [cluster[node].health.failed for node in ("n1", "n2")]

        assert (healthy, suspected, failed) == ([(), (), ()], [True, True], [("n3",), ("n3",)])
        assert type(actor_at(cluster["n1"])) is detector_class(config) is not DetectorActor


def actor_at(node: Node) -> object:
    cell = node.system.registry.cell_at(DETECTOR_PATH)
    assert cell is not None
    return cell.actor
