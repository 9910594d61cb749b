"""Real processes under a fault plan: the checks pass on a correct cluster and find injected errors."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest
import uvloop

from coterie.actors.simulation.scenarios.raft_kv import LISTS, KeyValueWorkload, list_key
from coterie.actors.simulation.simulated_client import SimulatedClient
from coterie.cluster_processes import ClusterProcesses
from coterie.errors import PlanError
from coterie.nemesis import process_injector, recorded_clients
from coterie.nemesis.attack import Attack, AttackOptions
from coterie.protocols.checking.linearizability import AppendList
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Crash, Outage, Partition, Shape, SlowNode, TargetRole
from coterie.protocols.simulation.scenarios.run_result import RunOutcome, RunResult

NODES = ("n1", "n2", "n3")
CRASH_AND_PARTITION = FaultPlan(
    NODES,
    (Crash(0.5, "n1", TargetRole.LEADER, down_s=0.1), Partition(1.5, 1.0, Shape.LEADER, "n2")),
    5.0,
)


def carry_out(attack: Attack) -> RunResult:
    """Run it as the command does."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(attack.run())


@pytest.mark.slow
def test_store_survives_a_crash_and_a_partition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_injector, "ROLE_TIMEOUT_S", 30.0)  # on a busy machine an election takes longer
    attack = Attack(AttackOptions(CRASH_AND_PARTITION, tmp_path, think_s=0.02))

    result = carry_out(attack)

    assert result.outcome is RunOutcome.PASSED, (result.violation, result.void, result.missed())
    assert result.operations >= 100
    assert result.fired == {"crash": 1, "partition.leader": 1}
    assert sorted(attack.recordings.by_group) == ["store", "store.lists"]
    assert all(recording.result is not None for recording in attack.recordings.by_group.values())
    assert any(line.what == "leads" for line in attack.run_log.lines)
    assert f"{result.operations} operations; fired: crash 1, partition.leader 1" in attack.describe()


@pytest.mark.slow
def test_after_a_short_plan_clients_continue_until_there_is_enough_to_check(tmp_path: Path) -> None:
    result = carry_out(Attack(AttackOptions(FaultPlan(NODES, (), 0.1), tmp_path, clients=3, think_s=0.05)))

    assert result.outcome is RunOutcome.PASSED, (result.violation, result.void)
    assert result.operations >= 100


class LyingWork(KeyValueWorkload):
    """A client that records an append as acknowledged that was never sent."""

    def __init__(self, client: SimulatedClient, **options: float) -> None:
        super().__init__(client, rounds=1_000_000, think_s=options["think_s"])
        self._lying = client.recorder(LISTS, AppendList())

    async def run(self) -> None:
        """Lie, and work on."""
        await self._lying.record(("append", -1), asyncio.sleep(0), key=list_key(0))
        await super().run()


@pytest.mark.slow
def test_write_that_was_only_said_to_be_acknowledged_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded_clients, "KeyValueWorkload", LyingWork)

    result = carry_out(Attack(AttackOptions(FaultPlan(NODES, (), 1.0), tmp_path)))

    assert result.outcome is RunOutcome.FAILED
    assert result.violation is not None
    assert result.violation.invariant == "nemesis.lost_write"


class ForgetfulCluster(ClusterProcesses):
    """Nodes that lose everything they have written whenever they are killed, and are formatted anew."""

    async def kill(self, node: str) -> None:
        """Kill, and burn the disk."""
        await super().kill(node)
        shutil.rmtree(Path(self._data) / node)


@pytest.mark.slow
def test_cluster_that_forgets_at_a_power_failure_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coterie.nemesis.attack.ClusterProcesses", ForgetfulCluster)

    result = carry_out(Attack(AttackOptions(FaultPlan(NODES, (Outage(1.0, (0.1,)),), 2.0), tmp_path)))

    assert result.outcome is RunOutcome.FAILED
    assert result.violation is not None
    assert result.violation.invariant in {"nemesis.lost_write", "linearizability"}


class DyingCluster(ClusterProcesses):
    """Nodes that cannot be started twice."""

    async def start(self, node: str) -> None:
        """Break the data directory of a node that was there before."""
        meta = Path(self._data) / node / "meta"
        if meta.exists():
            meta.write_bytes(b"rubbish")
            process = await self._begin(node, None)
            self._watches[node] = asyncio.create_task(self._watch(node, process))
        else:
            await super().start(node)


@pytest.mark.slow
def test_node_that_ends_by_itself_fails_the_run_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("coterie.nemesis.attack.ClusterProcesses", DyingCluster)

    result = carry_out(Attack(AttackOptions(FaultPlan(NODES, (Crash(0.5, "n2"),), 30.0), tmp_path)))

    assert result.violation is not None
    assert result.violation.invariant == "nemesis.node_ended"
    assert "'n2'" in result.violation.detail


def test_plan_with_unsupported_faults_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="slow_node"):
        Attack(AttackOptions(FaultPlan(NODES, (SlowNode(1.0, "n1", 1.0, 0.01),), 3.0), tmp_path))

    assert list(tmp_path.iterdir()) == []


def test_at_least_one_client_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="clients=0"):
        AttackOptions(CRASH_AND_PARTITION, tmp_path, clients=0)
