from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from coterie.actors.simulation.faults.fault_timing import FaultTiming
from coterie.nemesis.process_faults import ProcessFaults, WipedNodeRan
from coterie.protocols.faults.fault_counts import FaultCounts
from coterie.protocols.faults.kinds.fault_kinds import Crash, Outage, Pause, WipedDisk
from tests.coterie.nemesis.fakes import FakeProcesses


class Setup:
    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.processes = FakeProcesses()
        self.fault_counts = FaultCounts()
        self.timing = FaultTiming(loop.time, loop.call_later)
        self.tasks: list[asyncio.Task[None]] = []
        self.faults = ProcessFaults(self.processes, self.timing, self.fault_counts, self._begin)

    def _begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.tasks.append(asyncio.ensure_future(coroutine))

    @property
    def calls(self) -> list[tuple[float, str, str]]:
        return self.processes.calls


@pytest.mark.virtual
async def test_crash_kills_after_its_delay_and_starts_after_its_down_time() -> None:
    setup = Setup()

    setup.faults.inject(Crash(0.0, "n1", delay_s=0.5, down_s=2.0), "n1")
    await asyncio.sleep(10)

    assert setup.calls == [(0.5, "kill", "n1"), (2.5, "start", "n1")]
    assert setup.fault_counts.count_by_kind == {"crash": 1}


@pytest.mark.virtual
async def test_fault_for_a_node_that_is_down_waits_until_it_is_up() -> None:
    setup = Setup()

    setup.faults.inject(Crash(0.0, "n1", down_s=1.05), "n1")
    await asyncio.sleep(0.1)
    setup.faults.inject(Pause(0.0, "n1", 1.0), "n1")
    await asyncio.sleep(10)

    assert [what for _, what, _ in setup.calls] == ["kill", "start", "pause", "resume"]
    assert setup.fault_counts.count_by_kind == {"crash": 1, "pause": 1}


@pytest.mark.virtual
async def test_pause_stops_and_resumes() -> None:
    setup = Setup()

    setup.faults.inject(Pause(0.0, "n2", 1.5), "n2")
    await asyncio.sleep(10)

    assert setup.calls == [(0.0, "pause", "n2"), (1.5, "resume", "n2")]


@pytest.mark.virtual
async def test_power_failure_kills_all_and_each_comes_back_in_its_time() -> None:
    setup = Setup()
    setup.faults.inject(Pause(0.0, "n2", 100.0), "n2")

    setup.faults.fail_power(Outage(0.0, (1.0, 2.0)))
    await asyncio.sleep(10)

    assert setup.calls[1:] == [
        (0.0, "kill", "n1"), (0.0, "kill", "n2"), (0.0, "kill", "n3"),
        (1.0, "start", "n1"), (1.0, "start", "n3"), (2.0, "start", "n2"),
    ]  # fmt: skip
    assert setup.fault_counts.count("outage") == 3


@pytest.mark.virtual
async def test_wiped_node_refuses_to_start_and_stays_away() -> None:
    setup = Setup()

    setup.faults.inject(WipedDisk(0.0, "n3", down_s=0.5), "n3")
    setup.faults.inject(Crash(0.0, "n3"), "n3")
    await asyncio.sleep(10)
    await setup.faults.recover()

    assert setup.calls == [(0.0, "kill", "n3"), (0.5, "start wiped", "n3")]
    assert setup.faults.is_gone("n3")
    assert not setup.faults.is_gone("n1")
    assert setup.fault_counts.count_by_kind == {"wiped_disk": 1}


@pytest.mark.virtual
@pytest.mark.parametrize("code", [None, 0])
async def test_wiped_node_that_runs_is_an_error(code: int | None) -> None:
    setup = Setup()
    setup.processes.code_when_wiped = code

    setup.faults.inject(WipedDisk(0.0, "n3"), "n3")
    await asyncio.sleep(1)

    with pytest.raises(WipedNodeRan, match="n3"):
        await asyncio.gather(*setup.tasks)


@pytest.mark.virtual
async def test_recovery_resumes_paused_nodes_and_restarts_killed_ones() -> None:
    setup = Setup()
    setup.faults.inject(Crash(0.0, "n1", down_s=100.0), "n1")
    setup.faults.inject(Pause(0.0, "n2", 100.0), "n2")
    await asyncio.sleep(1)
    setup.timing.end()

    await setup.faults.recover()
    await asyncio.sleep(1000)

    assert setup.calls[2:] == [(1.0, "resume", "n2"), (1.0, "start", "n1")]
