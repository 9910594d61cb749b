"""Jobs run alike here and in workers, and workers have the string hashes that they were told."""

from __future__ import annotations

import gc
import logging
import os
import signal
import weakref
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any

import pytest

from coterie.errors import PlanError
from coterie.exploring.run_jobs import Job, run_job, worker_pool, worker_settings
from coterie.exploring.scenario_discovery import ScenarioError
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.simulation.scenarios.run_result import RunOutcome, RunResult
from tests.coterie.exploring import toy

FRAGILE = Job(f"{toy.WHERE}:fragile", 5)


def hash_of_a_string() -> int:
    return hash("coterie")


def blocked_signals() -> set[int]:
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


def is_anything_logged() -> bool:
    return logging.getLogger("coterie.toy").isEnabledFor(logging.CRITICAL)


def test_history_comes_with_failures_only() -> None:
    failed, passed = run_job(FRAGILE), run_job(Job(f"{toy.WHERE}:good", 5))

    assert failed.outcome is RunOutcome.FAILED
    assert failed.history is not None
    assert failed.plan == toy.a_plan(5)
    assert passed.outcome is RunOutcome.PASSED
    assert (passed.history, passed.plan) == (None, None)


def test_whatever_a_scenario_raises_is_a_failure_of_its_seed() -> None:
    result = run_job(Job(f"{toy.WHERE}:raising", 5))

    assert result.violation is not None
    assert result.violation.invariant == "scenario.raised"
    assert "RuntimeError: seed 5 hits a bug" in result.violation.detail
    assert any("toy.py" in line for line in result.tail)


class World:
    def __init__(self) -> None:
        self.me = self


@pytest.mark.parametrize("scenario", ["good", "raising"])
def test_world_that_became_old_is_freed_at_the_end_of_its_run(scenario: str, monkeypatch: pytest.MonkeyPatch) -> None:
    worlds: list[weakref.ref[World]] = []
    run = toy.Toy.run

    def run_for_long(self: toy.Toy, seed: int, **settings: Any) -> RunResult:
        world = World()
        worlds.append(weakref.ref(world))
        for generation in (0, 1):
            gc.collect(generation)
        return run(self, seed, **settings)

    monkeypatch.setattr(toy.Toy, "run", run_for_long)
    gc.disable()
    try:
        run_job(Job(f"{toy.WHERE}:{scenario}", 5))
    finally:
        gc.enable()

    assert [world() for world in worlds] == [None]


def test_bad_input_is_no_failure_of_a_seed() -> None:
    with pytest.raises(ScenarioError):
        run_job(Job("no_such_thing", 1))
    with pytest.raises(PlanError, match="no_such_profile"):
        run_job(Job("raft", 1, profile="no_such_profile"))


def test_job_ends_early_if_its_scenario_can() -> None:
    whole = Job("actors", 1, Level.SYSTEM, profile="calm")

    ended = run_job(replace(whole, max_s=2.0))

    assert ended.violation is not None
    assert "SimulationStuck" in ended.violation.detail
    assert ended.simulated_s < 5.0
    assert str(run_job(replace(FRAGILE, max_s=0.001)).violation) == str(run_job(FRAGILE).violation)


def test_worker_finds_the_same_and_knows_its_hash_seed() -> None:
    here = run_job(FRAGILE)
    before = os.environ.get("PYTHONHASHSEED")

    with worker_pool(1, hash_seed=1) as one, worker_pool(1, hash_seed=2) as other, worker_pool(1, hash_seed=1) as again:
        hashes = [pool.submit(hash_of_a_string).result() for pool in (one, other, again)]
        there = other.submit(run_job, FRAGILE).result()

    assert hashes[0] == hashes[2] != hashes[1]
    assert str(there.violation) == str(here.violation)
    assert (there.plan, there.events, there.fired) == (here.plan, here.events, here.fired)
    assert os.environ.get("PYTHONHASHSEED") == before


def test_ctrl_c_reaches_no_worker_not_even_while_it_starts() -> None:
    with worker_pool(1) as pool:
        assert signal.SIGINT in pool.submit(blocked_signals).result()
        assert signal.SIGINT not in blocked_signals()


def test_workers_disable_logging() -> None:
    with worker_pool(1) as pool:
        assert not pool.submit(is_anything_logged).result()


def test_runs_in_this_process_disable_logging_unless_is_logging_is_set() -> None:
    with worker_settings():
        assert not is_anything_logged()
    with worker_settings(is_logging=True):
        assert is_anything_logged()
    assert is_anything_logged()


def test_worker_that_dies_is_no_silence() -> None:
    with worker_pool(1) as pool, pytest.raises(BrokenProcessPool):
        pool.submit(os._exit, 3).result()
