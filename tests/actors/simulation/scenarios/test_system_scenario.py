from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from coterie.actors.simulation.scenarios.raft_kv import RAFT_KV
from coterie.actors.simulation.scenarios.synod_duels import SYNOD
from coterie.actors.simulation.scenarios.system_scenario import scenario
from coterie.actors.simulation.simulated_client import SimulatedClient
from coterie.actors.simulation.simulation import Simulation
from coterie.actors.topology import Topology
from coterie.errors import PlanError
from coterie.protocols.checking.linearizability import Counter
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Crash, Level, TargetRole
from coterie.protocols.simulation.scenarios.protocol_scenarios import Scenario
from coterie.protocols.simulation.scenarios.run_result import RunOutcome


@scenario(nodes=["a", "b"], duration_s=1.0)
async def broken(sim: Simulation) -> None:
    assert sim.plan is not None
    raise LookupError("it is broken")


def test_a_program_is_a_scenario() -> None:
    one: Scenario = broken

    assert (one.name, one.level) == ("broken", Level.SYSTEM)
    assert one.plan(1).nodes == ("a", "b")
    assert one.plan(1) == one.plan(1) != one.plan(2)


def test_an_error_of_the_program_is_the_result_of_the_run() -> None:
    result = broken.run(1)

    assert result.outcome is RunOutcome.FAILED
    assert "LookupError: it is broken" in str(result.violation)


@scenario(nodes=["n1", "n2"], duration_s=5.0)
async def beating(sim: Simulation) -> None:
    sim.deploy(Topology("beating", nodes=["n1", "n2"]), durable=False)
    await sim.ready()
    await asyncio.sleep(7.3)
    raise LookupError("it is over")


def test_a_run_that_is_ended_later_than_it_fails_is_the_very_same_run() -> None:
    whole = beating.run(1, hashed=True)

    for max_s in (7.5, 8.0, 60.0):
        ended = beating.ending_at(max_s).run(1, hashed=True)
        assert (ended.digest, str(ended.violation)) == (whole.digest, str(whole.violation))


@scenario(nodes=["n1"], duration_s=60.0)
async def lying(sim: Simulation) -> None:
    sim.deploy(Topology("lying", nodes=["n1"]), durable=False)

    async def lie(client: SimulatedClient) -> None:
        await asyncio.sleep(2.0)
        await client.recorder("account", Counter()).record(("increment", 1), asyncio.sleep(1.0, result=7))

    await sim.clients(1, lie)
    await asyncio.sleep(50.0)
    sim.assert_linearizable()


def test_a_wrong_answer_is_dated_by_its_return_and_not_by_the_check() -> None:
    result = lying.run(1, profile="calm")

    assert result.violation is not None
    assert result.simulated_s > 50.0
    assert 3.0 <= result.violation.time_s < 4.0


def test_a_run_that_is_ended_early_is_checked_by_the_history_so_far() -> None:
    result = lying.ending_at(5.0).run(1, profile="calm")

    assert result.violation is not None
    assert result.violation.invariant == "linearizability"
    assert result.simulated_s < 10.0


def test_a_run_that_is_ended_before_it_fails_says_so() -> None:
    ended = beating.ending_at(3.5).run(1)

    assert ended.violation is not None
    assert "SimulationStuck" in ended.violation.detail
    assert 3.5 <= ended.simulated_s < 5.6  # looked at once a second, and main has a second for its last words
    assert "it is over" in str(beating.run(1).violation), "the scenario itself stays as it is"


def test_an_error_in_a_callback_of_the_loop_is_reported_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("asyncio"), "disabled", True)

    @scenario(nodes=["n1"])
    async def careless(sim: Simulation) -> None:
        def lose() -> None:
            raise KeyError("lost")

        sim.deploy(Topology("careless", nodes=["n1"]), durable=False)
        asyncio.get_running_loop().call_soon(lose)
        await asyncio.sleep(1)

    result = careless.run(1, profile="calm")

    assert result.violation is not None
    assert "unhandled errors" in result.violation.detail
    assert "KeyError: 'lost'" in result.violation.detail


def test_a_scenario_with_nodes_of_its_own_has_no_others() -> None:
    with pytest.raises(PlanError, match="has 2 nodes, it cannot run with 5"):
        broken.plan(1, nodes=5)


@pytest.mark.slow
def test_replicas_of_raft_kv_take_send_and_install_snapshots() -> None:
    result = RAFT_KV.run(2, traced=True)

    found = {line.what for line in result.trace}
    assert result.violation is None
    assert found >= {"raft.log_compacted", "raft.snapshot_needed", "raft.snapshot_installed"}


@pytest.mark.slow
def test_raft_kv_passes_under_everything() -> None:
    result = RAFT_KV.run(1)

    assert result.outcome is RunOutcome.PASSED, result.violation or result.void or result.missed()
    assert result.operations >= 1000
    assert result.history is not None
    assert result.linearizability is not None
    assert result.linearizability.is_ok


def test_synods_pass_under_their_own_profile() -> None:
    result = SYNOD.run(1, profile="synod")

    assert result.outcome is RunOutcome.PASSED, result.violation or result.void or result.missed()
    assert result.operations >= 200


def test_a_given_plan_replaces_that_of_the_seed_and_fewer_operations_are_not_void() -> None:
    plan = FaultPlan(("n1", "n2", "n3"), (Crash(0.5, "n1", TargetRole.LEADER),), 2.0)

    result = RAFT_KV.run(1, plan=plan, operations=20, traced=True)

    assert result.outcome is RunOutcome.PASSED
    assert result.fired == {"crash": 1}
    assert result.nodes == plan.nodes
    assert result.operations < 60
    assert any(line.sender == "n2" for line in result.trace)


@pytest.mark.slow
def test_a_planned_fault_that_never_took_effect_makes_a_run_void() -> None:
    result = RAFT_KV.run(1, plan=FaultPlan(("n1", "n2", "n3"), (), 1.0))

    assert replace(result, planned=("clog",)).outcome is RunOutcome.VOID


def test_beyond_the_budget_only_safety_is_expected() -> None:
    assert RAFT_KV.run(2, profile="beyond-budget", nodes=3).violation is None
