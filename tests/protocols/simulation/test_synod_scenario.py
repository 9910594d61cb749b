"""Synod survives two dozen seeds of many instances each."""

from __future__ import annotations

import pytest

from coterie.protocols.simulation.synod_scenario import INSTANCES, SynodInstance, run_synod_seed
from coterie.protocols.simulation.verdict import Outcome


@pytest.mark.parametrize("seed", range(24))
def test_synod_keeps_every_invariant_under_faults(seed: int) -> None:
    verdict = run_synod_seed(seed)

    assert verdict.violation is None, "\n".join([*verdict.tail, f"replay: coterie sim synod --seed {seed}"])
    assert verdict.outcome is Outcome.PASSED, (verdict.void, verdict.missed())
    assert verdict.operations >= 5 * INSTANCES


@pytest.mark.parametrize("nodes", [3, 5])
def test_synod_scenario_runs_with_the_number_of_nodes_it_is_told(nodes: int) -> None:
    instance = SynodInstance("any", 0, nodes)

    verdict = instance.run()

    assert verdict.violation is None
    assert len(instance.world.nodes) == nodes


def test_instances_have_duels_and_restarts() -> None:
    instances = [SynodInstance(f"many/{number}", number, 3) for number in range(20)]
    for instance in instances:
        instance.run()

    lives = [node.life for instance in instances for node in instance.world.nodes.values()]
    rounds = [instance.judge.disk(node).proposer.round for instance in instances for node in instance.world.nodes]
    chosen = [instance.judge.chosen for instance in instances]
    assert max(lives) >= 3
    assert max(rounds) >= 5
    assert len(dict.fromkeys(chosen)) >= 3


def test_one_seed_is_one_trace() -> None:
    digests = [run_synod_seed(seed, hashed=True).digest for seed in (11, 11, 12)]

    assert digests[0] == digests[1] != digests[2]
