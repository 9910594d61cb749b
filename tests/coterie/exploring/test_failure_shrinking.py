"""A failure is shrunk to a case that fails in the same way and can be replayed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coterie.exploring.failure_shrinking import _failure_signature, shrink_failure
from coterie.exploring.run_jobs import Job, run_job
from coterie.protocols.checking.violation import Violation
from coterie.protocols.simulation.scenarios.run_result import RunResult
from tests.coterie.exploring import toy

FRAGILE = Job(f"{toy.WHERE}:fragile", 5)


def a_failure(job: Job = FRAGILE) -> RunResult:
    result = run_job(job)
    assert result.violation is not None
    return result


def test_three_crashes_of_one_node_are_left() -> None:
    shrunk = shrink_failure(FRAGILE, a_failure())

    assert shrunk.plan is not None
    assert len(shrunk.plan.faults) == 3
    assert len(shrunk.plan.nodes) == 3
    assert shrunk.job.operations == 3
    assert shrunk.is_complete


def test_what_is_left_fails_again_with_the_same_trace() -> None:
    shrunk = shrink_failure(FRAGILE, a_failure())

    again = run_job(shrunk.job)

    assert again.violation is not None
    assert str(again.violation) == str(shrunk.result.violation)
    assert shrunk.result.trace
    assert shrunk.result.digest is not None


def test_other_invariant_is_another_failure() -> None:
    raising = Job(f"{toy.WHERE}:raising", 5)

    shrunk = shrink_failure(raising, a_failure())

    assert shrunk.job.plan is None  # that it fails at all is not enough
    assert shrunk.job.seed == 5


def test_without_tries_nothing_is_shrunk() -> None:
    shrunk = shrink_failure(FRAGILE, a_failure(), tries=0)

    assert shrunk.job.plan is None
    assert shrunk.plan == toy.a_plan(5)
    assert shrunk.result.trace


def test_time_ends_the_search() -> None:
    now = iter(range(1000))

    shrunk = shrink_failure(FRAGILE, a_failure(), within_s=5, clock=lambda: next(now))

    assert not shrunk.is_complete
    assert shrunk.tries < 10
    assert shrunk.result.violation is not None


def test_candidates_that_fail_late_or_never_are_ended_soon_after_the_failure_so_far(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[tuple[Job, RunResult]] = []

    def run(job: Job) -> RunResult:
        result = run_job(job)
        runs.append((job, result))
        return result

    monkeypatch.setattr("coterie.exploring.failure_shrinking.run_job", run)
    found = a_failure()
    shrunk = shrink_failure(FRAGILE, found)

    assert found.violation is not None
    assert runs[0][0].max_s is None
    second, third = runs[1:3]
    assert second[0].max_s == 1.25 * found.violation.time_s + 0.5
    assert second[1].violation is not None
    assert third[0].max_s == 1.25 * second[1].violation.time_s + 0.5
    assert runs[-1][0].max_s is None
    assert shrunk.job.max_s is None


def test_candidates_are_not_ended_if_to_take_too_long_is_the_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = replace(
        a_failure(), violation=Violation("program", "SimulationStuck: 3600 s", node=None, step=1, time_s=5.0)
    )
    jobs: list[Job] = []

    def run(job: Job) -> RunResult:
        jobs.append(job)
        return stuck

    monkeypatch.setattr("coterie.exploring.failure_shrinking.run_job", run)
    shrink_failure(FRAGILE, stuck, tries=20)

    assert [job.max_s for job in jobs] == [None] * len(jobs)


def test_interrupt_ends_the_search_with_the_best_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = 0

    def run(job: Job) -> RunResult:
        nonlocal runs
        runs += 1
        if runs == 6:
            raise KeyboardInterrupt
        return run_job(job)

    monkeypatch.setattr("coterie.exploring.failure_shrinking.run_job", run)
    shrunk = shrink_failure(FRAGILE, a_failure())

    assert not shrunk.is_complete
    assert runs == 6 + 2  # the smallest so far is run once for its trace and once for its digest
    assert shrunk.result.violation is not None


def test_run_that_passed_cannot_be_shrunk() -> None:
    good = Job(f"{toy.WHERE}:good", 5)

    with pytest.raises(ValueError, match="did not fail"):
        shrink_failure(good, run_job(good))


def test_two_processes_find_the_same_small_case() -> None:
    alone, together = shrink_failure(FRAGILE, a_failure()), shrink_failure(FRAGILE, a_failure(), processes=2)

    assert together.job == alone.job
    assert together.tries == alone.tries
    assert together.is_complete


def test_other_error_of_a_program_is_another_failure() -> None:
    violations = [
        Violation(invariant, detail, node=None, step=0, time_s=0.0)
        for invariant, detail in (
            ("program", "KeyError: 'a'"),
            ("program", "KeyError: 'b'"),
            ("program", "TimeoutError: 1 s"),
            ("raft.log_matching", "one"),
            ("raft.log_matching", "other"),
        )
    ]

    one, same, other, matching, same_matching = map(_failure_signature, violations)

    assert one == same != other
    assert matching == same_matching
