"""Synod survives its seeds of many instances each, under every profile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Crash, WipedDisk
from coterie.protocols.faults.profiles.fault_profiles import PROFILES
from coterie.protocols.simulation.scenarios.run_result import RunOutcome
from coterie.protocols.simulation.scenarios.synod_run import SynodRun
from coterie.protocols.simulation.scenarios.synod_scenario import INSTANCE_S, INSTANCES, SynodScenario

THREE = ("n1", "n2", "n3")
SYNOD = SynodScenario()


@pytest.mark.parametrize("seed", range(16))
def test_synod_keeps_every_invariant_under_everything(seed: int) -> None:
    result = SYNOD.run(seed)

    assert result.violation is None, "\n".join([*result.tail, f"replay: coterie sim synod --seed {seed}"])
    assert result.outcome is RunOutcome.PASSED, (result.void, result.missed())
    assert result.operations >= 5 * INSTANCES


@pytest.mark.parametrize("profile", PROFILES)
def test_synod_keeps_every_invariant_under_each_profile(profile: str) -> None:
    for seed in range(3):
        result = SYNOD.run(seed, profile=profile, nodes=5)

        assert result.outcome is RunOutcome.PASSED, (seed, result.violation, result.void, result.missed())
        assert len(result.nodes) == 5


def test_each_instance_suffers_its_own_part_of_the_plan() -> None:
    plan = FaultPlan(
        THREE, (Crash(0.1, "n1"), Crash(INSTANCE_S + 0.2, "n1"), Crash(INSTANCE_S + 0.3, "n2")), 2 * INSTANCE_S
    )

    result = SYNOD.run(1, plan=plan)

    assert result.fired == {"crash": 3}
    assert result.plan == plan
    assert SYNOD.run(1, plan=FaultPlan(THREE, plan.faults[:1], INSTANCE_S)).fired == {"crash": 1}


def test_fewer_operations_are_asked_for_and_that_is_not_void() -> None:
    result = SYNOD.run(1, plan=FaultPlan(THREE, (), INSTANCE_S), operations=2)

    assert result.outcome is RunOutcome.PASSED
    assert result.operations < SYNOD.run(1, plan=FaultPlan(THREE, (), INSTANCE_S)).operations


def test_instance_whose_majority_has_forgotten_stops_and_tells_no_lies() -> None:
    plan = FaultPlan(THREE, (WipedDisk(0.0, "n1"), WipedDisk(0.0, "n2")), INSTANCE_S, "beyond-budget")

    result = SYNOD.run(1, plan=plan)

    assert result.outcome is RunOutcome.PASSED
    assert result.operations == 0


def test_instances_have_duels_and_restarts() -> None:
    plan = SYNOD.plan(0, nodes=3)
    faults = [fault for fault in plan.faults if fault.at_s < INSTANCE_S]
    runs = [SynodRun(f"many/{n}", replace(plan, faults=tuple(faults), ends_at_s=INSTANCE_S)) for n in range(20)]
    for run in runs:
        run.run()

    lives = [node.life for run in runs for node in run.world.nodes.values()]
    rounds = [run.checker.disk(node).proposer.round for run in runs for node in run.world.nodes]
    chosen = [run.checker.chosen for run in runs]
    assert max(lives) >= 3
    assert max(rounds) >= 5
    assert len(dict.fromkeys(chosen)) >= 3


def test_one_seed_is_one_trace() -> None:
    digests = [SYNOD.run(seed, hashed=True).digest for seed in (11, 11, 12)]

    assert digests[0] == digests[1] != digests[2]
