"""Raft survives two dozen seeds, and the runs are worth something."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from coterie.protocols.sessions import Batch, SessionCommand, decode_command
from coterie.protocols.simulation.plan import Plan
from coterie.protocols.simulation.raft_scenario import CLIENTS, COMMANDS_PER_CLIENT, RaftScenario, run_raft_seed
from coterie.protocols.simulation.verdict import Outcome

HASH_PROGRAM = """
from coterie.protocols.simulation.scenarios import SCENARIOS
print([SCENARIOS[name](7, hashed=True).digest for name in sorted(SCENARIOS)])
"""


@pytest.mark.parametrize("seed", range(24))
def test_raft_keeps_every_invariant_under_faults(seed: int) -> None:
    verdict = run_raft_seed(seed)

    assert verdict.violation is None, "\n".join([*verdict.tail, f"replay: coterie sim raft --seed {seed}"])
    assert verdict.outcome is Outcome.PASSED, (verdict.void, verdict.missed())
    assert verdict.operations == CLIENTS * COMMANDS_PER_CLIENT >= 300


@pytest.mark.parametrize("nodes", [3, 5])
def test_raft_scenario_runs_with_the_number_of_nodes_it_is_told(nodes: int) -> None:
    scenario = RaftScenario(100, nodes)

    verdict = scenario.run()

    assert verdict.outcome is Outcome.PASSED
    assert len(scenario.world.nodes) == nodes


def test_raft_run_has_restarts_several_leaders_and_duplicates_in_the_log() -> None:
    scenario = RaftScenario(0, 3)
    scenario.run()

    committed = [decode_command(entry.command) for entry in scenario.judge.committed if entry.command]
    doubled = [decode_command(command.commands[-1]) for command in committed if isinstance(command, Batch)]
    payloads = [command.payload for command in committed + doubled if isinstance(command, SessionCommand)]
    assert doubled
    assert sum(node.life for node in scenario.world.nodes.values()) >= 6
    assert scenario.judge.committed[-1].term >= 3
    assert len(payloads) > len(dict.fromkeys(payloads)) == CLIENTS * COMMANDS_PER_CLIENT


def test_raft_without_faults_needs_one_election() -> None:
    scenario = RaftScenario(3, 3, plan=Plan((), 1.0))

    verdict = scenario.run()

    assert verdict.outcome is Outcome.PASSED
    assert scenario.judge.committed[-1].term == 1


def test_one_seed_is_one_trace() -> None:
    digests = [run_raft_seed(seed, hashed=True).digest for seed in (11, 11, 12)]

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
