"""Jobs run alike here and in workers, and workers have the string hashes that they were told."""

from __future__ import annotations

import logging
import os
import signal
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace

import pytest

from coterie.errors import PlanError
from coterie.exploring.run_jobs import Job, carry_out, many_runs, workers
from coterie.exploring.scenario_discovery import ScenarioError
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.simulation.scenarios.run_outcome import Outcome
from tests.coterie.exploring import toy

FRAGILE = Job(f"{toy.WHERE}:fragile", 5)


def hash_of_a_string() -> int:
    return hash("coterie")


def blocked_signals() -> set[int]:
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


def is_anything_logged() -> bool:
    return logging.getLogger("coterie.toy").isEnabledFor(logging.CRITICAL)


def test_history_comes_with_failures_only() -> None:
    failed, passed = carry_out(FRAGILE), carry_out(Job(f"{toy.WHERE}:good", 5))

    assert failed.outcome is Outcome.FAILED
    assert failed.history is not None
    assert failed.plan == toy.a_plan(5)
    assert passed.outcome is Outcome.PASSED
    assert (passed.history, passed.plan) == (None, None)


def test_whatever_a_scenario_raises_is_a_failure_of_its_seed() -> None:
    verdict = carry_out(Job(f"{toy.WHERE}:raising", 5))

    assert verdict.violation is not None
    assert verdict.violation.invariant == "scenario.raised"
    assert "RuntimeError: seed 5 hits a bug" in verdict.violation.detail
    assert any("toy.py" in line for line in verdict.tail)


def test_bad_input_is_no_failure_of_a_seed() -> None:
    with pytest.raises(ScenarioError):
        carry_out(Job("no_such_thing", 1))
    with pytest.raises(PlanError, match="no_such_profile"):
        carry_out(Job("raft", 1, profile="no_such_profile"))


def test_job_ends_early_if_its_scenario_can() -> None:
    whole = Job("actors", 1, Level.SYSTEM, profile="calm")

    ended = carry_out(replace(whole, max_s=2.0))

    assert ended.violation is not None
    assert "SimulationStuck" in ended.violation.detail
    assert ended.simulated_s < 5.0
    assert str(carry_out(replace(FRAGILE, max_s=0.001)).violation) == str(carry_out(FRAGILE).violation)


def test_worker_finds_the_same_and_knows_its_hash_seed() -> None:
    here = carry_out(FRAGILE)
    before = os.environ.get("PYTHONHASHSEED")

    with workers(1, hash_seed=1) as one, workers(1, hash_seed=2) as other, workers(1, hash_seed=1) as again:
        hashes = [pool.submit(hash_of_a_string).result() for pool in (one, other, again)]
        there = other.submit(carry_out, FRAGILE).result()

    assert hashes[0] == hashes[2] != hashes[1]
    assert str(there.violation) == str(here.violation)
    assert (there.plan, there.events, there.fired) == (here.plan, here.events, here.fired)
    assert os.environ.get("PYTHONHASHSEED") == before


def test_ctrl_c_reaches_no_worker_not_even_while_it_starts() -> None:
    with workers(1) as pool:
        assert signal.SIGINT in pool.submit(blocked_signals).result()
        assert signal.SIGINT not in blocked_signals()


def test_workers_let_nobody_log() -> None:
    with workers(1) as pool:
        assert not pool.submit(is_anything_logged).result()


def test_runs_here_let_nobody_log_unless_they_are_heard() -> None:
    with many_runs():
        assert not is_anything_logged()
    with many_runs(is_heard=True):
        assert is_anything_logged()
    assert is_anything_logged()


def test_worker_that_dies_is_no_silence() -> None:
    with workers(1) as pool, pytest.raises(BrokenProcessPool):
        pool.submit(os._exit, 3).result()
