from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from coterie.errors import PlanError
from coterie.nemesis.process_faults import WipedNodeRan
from coterie.nemesis.process_injector import ProcessInjector, check_plan
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import (
    KINDS,
    Bandwidth,
    Clog,
    Corrupt,
    Crash,
    Delay,
    Fault,
    Flap,
    HalfOpen,
    Level,
    Loss,
    Outage,
    Partition,
    Pause,
    Reset,
    ResetMidFrame,
    Shape,
    SlowNode,
    TargetRole,
    WipedDisk,
    kind,
)
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop
from tests.coterie.nemesis.fakes import NODES, FakeNetwork, FakeObserver, FakeProcesses

ONE_OF_EACH: Sequence[Fault] = (
    Bandwidth(0.5, 0.2, 1000),
    Clog(0.5, 0.4, (("n1", "n2"), ("n2", "n1"))),
    Corrupt(0.5, 0.2, 1.0),
    Crash(0.5, "n1"),
    Delay(0.5, 0.2, 0.01),
    Flap(0.5, 0.4, 0.2),
    HalfOpen(0.5, 0.2),
    Loss(0.5, 0.2, 1.0),
    Outage(0.5, (0.1,)),
    Partition(0.5, 0.2, Shape.ONE, "n1"),
    Partition(0.5, 0.2, Shape.ONE_WAY, "n1"),
    Partition(0.5, 0.2, Shape.HALVES, "n1"),
    Partition(0.5, 0.2, Shape.RING, "n1"),
    Partition(0.5, 0.2, Shape.LEADER, "n1"),
    Pause(0.5, "n1", 0.2),
    Reset(0.5),
    ResetMidFrame(0.5),
    WipedDisk(0.5, "n1"),
)


class Setup:
    """An injector of these faults, and the fakes that it acts on."""

    def __init__(self, *faults: Fault, ends_at_s: float = 5.0) -> None:
        self.processes, self.network, self.observer = FakeProcesses(), FakeNetwork(), FakeObserver()
        self.lines: list[str] = []
        self.clock = VirtualLoop.running().clock
        self.injector = ProcessInjector(
            FaultPlan(NODES, faults, ends_at_s),
            self.processes,
            self.network,
            ["c1"],
            self.observer,
            self.clock,
            lambda _, what, __: self.lines.append(what),
        )

    async def run(self) -> None:
        """Carry the plan out while there is traffic."""
        began_s = self.clock.monotonic()
        traffic = asyncio.create_task(self._traffic())
        try:
            await self.injector.run_plan()
        finally:
            traffic.cancel()
            self.took_s = self.clock.monotonic() - began_s

    async def _traffic(self) -> None:
        while True:
            if self.network.is_busy:
                self.network.send_everywhere()
            await asyncio.sleep(0.03)


def test_there_is_a_case_for_each_kind_of_the_level() -> None:
    of_the_level = [name for name, each in KINDS.items() if Level.PROCESS in each.LEVELS]

    assert sorted(of_the_level) == sorted({fault.KIND for fault in ONE_OF_EACH})


@pytest.mark.virtual
@pytest.mark.parametrize("fault", ONE_OF_EACH, ids=kind)
async def test_every_kind_takes_effect_and_heals(fault: Fault) -> None:
    setup = Setup(fault)

    await setup.run()

    assert setup.injector.fault_counts.count(kind(fault)) >= 1
    assert setup.lines == [f"fault.{kind(fault)}", "plan.ended"]
    assert setup.network.is_healed
    assert not any(link.is_blocked or link.is_black_hole for link in setup.network.links.values())
    assert all(
        link.extra_delay is None and link.loss == 0 and link.corruption == 0 for link in setup.network.links.values()
    )
    assert setup.took_s == pytest.approx(5.0, abs=0.2)


@pytest.mark.virtual
async def test_conditions_of_all_links_include_clients_and_those_of_one_direction_only_that() -> None:
    everywhere, one_way = Setup(Loss(0.0, 1.0, 1.0)), Setup(Loss(0.0, 1.0, 1.0, "n1", "n2"))

    await everywhere.run()
    await one_way.run()

    assert everywhere.network.links["c1", "n1"].fired["lost"] > 0
    lossy = [way for way, link in one_way.network.links.items() if link.fired["lost"]]
    assert lossy == [("n1", "n2")]


@pytest.mark.virtual
async def test_partition_around_one_node_breaks_its_links_to_nodes_both_ways() -> None:
    setup = Setup(Partition(0.0, 1.0, Shape.ONE, "n2"))

    await setup.run()

    broken = [(source, target) for what, source, target in setup.network.calls if what == "block"]
    assert sorted(broken) == [("n1", "n2"), ("n2", "n1"), ("n2", "n3"), ("n3", "n2")]


@pytest.mark.virtual
@pytest.mark.parametrize("role", [TargetRole.LEADER, TargetRole.CANDIDATE, TargetRole.VOTER, TargetRole.BUSIEST])
async def test_fault_by_role_waits_for_a_node_in_that_role(role: TargetRole) -> None:
    setup = Setup(Crash(1.0, "n1", role=role))
    asyncio.get_running_loop().call_later(1.5, lambda: setup.observer.shown.update({role: "n3"}))

    await setup.run()

    at_s, what, node = setup.processes.calls[0]
    assert (what, node) == ("kill", "n3")
    assert 1.5 <= at_s < 1.6


@pytest.mark.virtual
async def test_fault_by_role_hits_its_target_if_no_node_has_the_role_within_a_second() -> None:
    setup = Setup(Crash(1.0, "n2", role=TargetRole.LEADER))

    await setup.run()

    at_s, what, node = setup.processes.calls[0]
    assert (what, node) == ("kill", "n2")
    assert 2.0 <= at_s < 2.1


@pytest.mark.virtual
async def test_partition_around_the_leader_asks_who_leads() -> None:
    setup = Setup(Partition(0.0, 1.0, Shape.LEADER, "n1"))
    setup.observer.shown[TargetRole.LEADER] = "n3"

    await setup.run()

    assert ("block", "n3", "n1") in setup.network.calls
    assert ("block", "n1", "n2") not in setup.network.calls


@pytest.mark.virtual
async def test_wiped_node_gets_no_more_faults() -> None:
    setup = Setup(WipedDisk(0.0, "n1"), Crash(1.0, "n1"))

    await setup.run()

    assert [calls[1:] for calls in setup.processes.calls] == [
        ("kill", "n1"), ("start wiped", "n1"), ("kill", "n2"), ("start", "n2"),
    ]  # fmt: skip


@pytest.mark.virtual
async def test_plan_whose_faults_have_not_struck_goes_on_for_moments_only() -> None:
    setup = Setup(Loss(1.0, 1.0, 1.0))
    setup.network.is_busy = False

    await setup.run()

    assert setup.injector.fault_counts.count_by_kind == {}
    assert setup.took_s == pytest.approx(10.0, abs=0.2)


@pytest.mark.virtual
async def test_node_that_is_down_when_the_plan_ends_is_started() -> None:
    setup = Setup(Crash(1.0, "n1", down_s=100.0), Pause(2.0, "n2", 100.0))

    await setup.run()

    assert [calls[1:] for calls in setup.processes.calls] == [
        ("kill", "n1"), ("pause", "n2"), ("resume", "n2"), ("start", "n1"),
    ]  # fmt: skip


@pytest.mark.virtual
async def test_wiped_node_that_runs_ends_the_plan_with_an_error() -> None:
    setup = Setup(WipedDisk(1.0, "n1"))
    setup.processes.code_when_wiped = None

    with pytest.raises(WipedNodeRan):
        await setup.run()

    assert setup.took_s < 2


def test_plan_with_an_unsupported_fault_is_refused_with_its_name_and_levels() -> None:
    plan = FaultPlan(NODES, (Reset(1.0), SlowNode(2.0, "n1", 1.0, 0.01)), 5.0)

    with pytest.raises(PlanError, match=r"faults\[1\] \(slow_node\).*level 'process', only at: protocol, system"):
        check_plan(plan)


def test_plan_beyond_the_budget_is_refused() -> None:
    plan = FaultPlan(NODES, (WipedDisk(1.0, "n1"), WipedDisk(2.0, "n2")), 5.0)

    with pytest.raises(PlanError, match="beyond the fault budget"):
        check_plan(plan)
