"""Raft survives its seeds, under every profile, and the runs are worth something."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from coterie.errors import PlanError
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Corrupt, Crash, Partition, Shape, TargetRole, WipedDisk
from coterie.protocols.faults.profiles.fault_profiles import PROFILES
from coterie.protocols.sessions import CommandBatch, SessionCommand, decode_command
from coterie.protocols.simulation.scenarios.raft_run import RaftRun
from coterie.protocols.simulation.scenarios.raft_scenario import RaftScenario
from coterie.protocols.simulation.scenarios.run_result import RunOutcome

THREE = ("n1", "n2", "n3")
RAFT = RaftScenario()

HASH_PROGRAM = """
from coterie.protocols.simulation.scenarios.protocol_scenarios import SCENARIOS
print([SCENARIOS[name].run(7, operations=100, hashed=True).digest for name in sorted(SCENARIOS)])
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_raft_keeps_every_invariant_under_everything(seed: int) -> None:
    result = RAFT.run(seed)

    assert result.violation is None, "\n".join([*result.tail, f"replay: coterie sim raft --seed {seed}"])
    assert result.outcome is RunOutcome.PASSED, (result.void, result.missed())
    assert result.operations == 1000


@pytest.mark.parametrize("profile", PROFILES)
def test_raft_keeps_every_invariant_under_each_profile(profile: str) -> None:
    for seed in range(3):
        result = RAFT.run(seed, profile=profile, nodes=5, operations=200)

        assert result.outcome is RunOutcome.PASSED, (seed, result.violation, result.missed())
        assert result.profile == profile
        assert len(result.nodes) == 5


def test_raft_run_has_restarts_several_leaders_and_duplicates_in_the_log() -> None:
    run = RaftRun("raft/0", RAFT.plan(0, nodes=3), commands=300)
    assert run.run() is None

    committed = [decode_command(entry.command) for entry in run.checker.committed if entry.command]
    doubled = [decode_command(command.commands[-1]) for command in committed if isinstance(command, CommandBatch)]
    payloads = [command.payload for command in committed + doubled if isinstance(command, SessionCommand)]
    assert doubled
    assert sum(node.life for node in run.world.nodes.values()) >= 6
    assert run.checker.committed[-1].term >= 3
    assert len(payloads) > len(dict.fromkeys(payloads)) == 300


def test_raft_without_faults_needs_one_election() -> None:
    run = RaftRun("raft/3", FaultPlan(THREE, (), 2.0), commands=50)

    assert run.run() is None

    assert len({entry.term for entry in run.checker.committed}) == 1
    assert run.world.fault_counts.count_by_kind == {}


def test_given_plan_is_what_happens_and_its_nodes_are_the_nodes() -> None:
    plan = FaultPlan(THREE, (Crash(1.0, "n2", TargetRole.LEADER, down_s=0.1),), 3.0)

    result = RAFT.run(1, plan=plan, operations=100)

    assert result.outcome is RunOutcome.PASSED
    assert (result.plan, result.nodes, result.fired) == (plan, THREE, {"crash": 1})


def test_fewer_operations_are_asked_for_and_that_is_not_void() -> None:
    result = RAFT.run(1, plan=FaultPlan(THREE, (), 1.0), operations=7)

    assert result.operations == 7
    assert result.outcome is RunOutcome.PASSED


def test_plan_beyond_its_budget_or_its_level_is_refused() -> None:
    with pytest.raises(PlanError, match="beyond the fault budget"):
        RAFT.run(1, plan=FaultPlan(THREE, (WipedDisk(1, "n1"), WipedDisk(1, "n2")), 3.0))
    with pytest.raises(PlanError, match="cannot be carried out at level 'protocol'"):
        RAFT.run(1, plan=FaultPlan(THREE, (Corrupt(1, 1, 0.5),), 3.0))
    with pytest.raises(PlanError, match="no profile 'evrything': did you mean 'everything'"):
        RAFT.run(1, profile="evrything")


def test_group_goes_on_when_a_minority_has_forgotten() -> None:
    result = RAFT.run(1, plan=FaultPlan(THREE, (WipedDisk(1.0, "n1"),), 3.0), operations=100)

    assert result.outcome is RunOutcome.PASSED
    assert result.operations == 100


def test_group_whose_majority_has_forgotten_stops_and_tells_no_lies() -> None:
    plan = FaultPlan(THREE, (WipedDisk(1.0, "n1"), WipedDisk(1.0, "n2")), 3.0, "beyond-budget")

    result = RAFT.run(1, plan=plan)

    assert result.outcome is RunOutcome.PASSED
    assert 50 < result.operations < 900
    assert result.simulated_s > 3.0


def test_group_that_cannot_recover_is_not_live(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("coterie.protocols.simulation.faults.active_faults.ActiveFaults.heal", lambda self: None)
    plan = FaultPlan(THREE, (Partition(1.0, 100.0, Shape.ONE, "n1"), Partition(1.0, 100.0, Shape.ONE, "n2")), 2.0)

    result = RAFT.run(1, plan=plan, operations=100)

    assert result.violation is not None
    assert result.violation.invariant == "liveness.leader"


def test_some_plans_last_for_minutes() -> None:
    ends = [RAFT.plan(seed).ends_at_s for seed in range(100)]

    assert 1 <= ends.count(240.0) <= 10
    assert ends.count(30.0) >= 90


def test_one_seed_is_one_trace() -> None:
    digests = [RAFT.run(seed, operations=100, hashed=True).digest for seed in (11, 11, 12)]

    assert digests[0] == digests[1] != digests[2]


def test_traces_do_not_depend_on_the_hash_seed_of_the_process() -> None:
    outputs = [
        subprocess.run(
            [sys.executable, "-c", HASH_PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    ]

    assert outputs[0] == outputs[1]
    assert len(outputs[0]) > 128
