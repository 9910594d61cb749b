"""Results of runs: what counts as passed, failed and void, and how they add up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from coterie.protocols.checking.violation import Violation, ViolationContext
from coterie.protocols.simulation.scenarios.run_result import RunOutcome, RunResult, combine, summarise

GOOD = RunResult(
    seed=1,
    violation=None,
    void=None,
    operations=10,
    events=100,
    simulated_s=2.0,
    planned=("crash", "pause"),
    fired={"crash": 2, "pause": 1},
    digest="aa",
    tail=(),
    messages=7,
)


def a_violation() -> Violation:
    with pytest.raises(Violation) as caught:
        ViolationContext().fail("raft.log_matching", None, "x")
    return caught.value


def test_run_in_which_a_planned_fault_never_fired_is_void() -> None:
    result = replace(GOOD, fired={"crash": 1})

    assert result.outcome is RunOutcome.VOID
    assert result.missed() == ["pause"]


def test_run_in_which_too_little_happened_is_void_and_a_violation_counts_more() -> None:
    assert GOOD.outcome is RunOutcome.PASSED
    assert replace(GOOD, void="only 3 commands").outcome is RunOutcome.VOID
    assert replace(GOOD, void="only 3 commands", violation=a_violation()).outcome is RunOutcome.FAILED


def test_instances_of_a_seed_fire_their_faults_together() -> None:
    first = replace(GOOD, planned=("crash",), fired={"crash": 1})
    second = replace(GOOD, planned=("pause", "crash"), fired={"pause": 1}, digest="bb")

    both = combine([first, second])

    assert both.outcome is RunOutcome.PASSED
    assert (both.operations, both.events, both.simulated_s, both.messages) == (20, 200, 4.0, 14)
    assert both.fired == {"crash": 1, "pause": 1}
    assert both.digest not in (None, "aa", "bb")
    assert combine([first, replace(second, void="nothing was chosen")]).outcome is RunOutcome.VOID


def test_summary_fails_if_one_seed_fails() -> None:
    failed = replace(GOOD, seed=2, violation=a_violation())
    void = replace(GOOD, seed=3, void="nothing")

    summary = summarise([GOOD, failed, void])

    assert (summary.seeds, summary.passed, summary.failed, summary.void) == (3, 1, 1, 1)
    assert summary.messages == 21
    assert summary.failing_seeds == (2,)
    assert summary.void_seeds == (3,)
    assert summary.outcome is RunOutcome.FAILED
    assert summarise([GOOD, void]).outcome is RunOutcome.VOID
    assert summarise([GOOD]).outcome is RunOutcome.PASSED


def test_summary_of_nothing_is_void() -> None:
    assert summarise([]).outcome is RunOutcome.VOID


def test_summary_tells_what_fired_in_all_and_what_never_did() -> None:
    other = replace(GOOD, seed=2, planned=("crash", "flap"), fired={"crash": 3})

    summary = summarise([GOOD, other])

    assert summary.fired == {"crash": 5, "pause": 1}
    assert summary.missed == ("flap",)
