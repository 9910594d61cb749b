"""Synod survives its seeds of many instances each, under every profile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coterie.protocols.faults.fault_plan import Plan
from coterie.protocols.faults.kinds.fault_kinds import Crash, WipedDisk
from coterie.protocols.faults.profiles.fault_profiles import PROFILES
from coterie.protocols.simulation.scenarios.run_outcome import Outcome
from coterie.protocols.simulation.scenarios.synod_run import SynodRun
from coterie.protocols.simulation.scenarios.synod_scenario import INSTANCE_S, INSTANCES, SynodScenario

THREE = ("n1", "n2", "n3")
SYNOD = SynodScenario()


@pytest.mark.parametrize("seed", range(16))
def test_synod_keeps_every_invariant_under_everything(seed: int) -> None:
    verdict = SYNOD.run(seed)

    assert verdict.violation is None, "\n".join([*verdict.tail, f"replay: coterie sim synod --seed {seed}"])
    assert verdict.outcome is Outcome.PASSED, (verdict.void, verdict.missed())
    assert verdict.operations >= 5 * INSTANCES


@pytest.mark.parametrize("profile", PROFILES)
def test_synod_keeps_every_invariant_under_each_profile(profile: str) -> None:
    for seed in range(3):
        verdict = SYNOD.run(seed, profile=profile, nodes=5)

        assert verdict.outcome is Outcome.PASSED, (seed, verdict.violation, verdict.void, verdict.missed())
        assert len(verdict.nodes) == 5


def test_each_instance_suffers_its_own_part_of_the_plan() -> None:
    plan = Plan(THREE, (Crash(0.1, "n1"), Crash(INSTANCE_S + 0.2, "n1"), Crash(INSTANCE_S + 0.3, "n2")), 2 * INSTANCE_S)

    verdict = SYNOD.run(1, plan=plan)

    assert verdict.fired == {"crash": 3}
    assert verdict.plan == plan
    assert SYNOD.run(1, plan=Plan(THREE, plan.faults[:1], INSTANCE_S)).fired == {"crash": 1}


def test_fewer_operations_are_asked_for_and_that_is_not_void() -> None:
    verdict = SYNOD.run(1, plan=Plan(THREE, (), INSTANCE_S), operations=2)

    assert verdict.outcome is Outcome.PASSED
    assert verdict.operations < SYNOD.run(1, plan=Plan(THREE, (), INSTANCE_S)).operations


def test_instance_whose_majority_has_forgotten_stops_and_tells_no_lies() -> None:
    plan = Plan(THREE, (WipedDisk(0.0, "n1"), WipedDisk(0.0, "n2")), INSTANCE_S, "beyond-budget")

    verdict = SYNOD.run(1, plan=plan)

    assert verdict.outcome is Outcome.PASSED
    assert verdict.operations == 0


def test_instances_have_duels_and_restarts() -> None:
    plan = SYNOD.plan(0, nodes=3)
    faults = [fault for fault in plan.faults if fault.at_s < INSTANCE_S]
    runs = [SynodRun(f"many/{n}", replace(plan, faults=tuple(faults), ends_at_s=INSTANCE_S)) for n in range(20)]
    for run in runs:
        run.run()

    lives = [node.life for run in runs for node in run.world.nodes.values()]
    rounds = [run.judge.disk(node).proposer.round for run in runs for node in run.world.nodes]
    chosen = [run.judge.chosen for run in runs]
    assert max(lives) >= 3
    assert max(rounds) >= 5
    assert len(dict.fromkeys(chosen)) >= 3


def test_one_seed_is_one_trace() -> None:
    digests = [SYNOD.run(seed, hashed=True).digest for seed in (11, 11, 12)]

    assert digests[0] == digests[1] != digests[2]
