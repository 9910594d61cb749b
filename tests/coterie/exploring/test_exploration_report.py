"""Exploration reports: progress, results, and commands that can be pasted."""

from __future__ import annotations

import shlex
from pathlib import Path

from coterie.exploring import exploration_report
from coterie.exploring.failure_shrinking import shrink_failure
from coterie.exploring.run_jobs import Job, run_job
from coterie.exploring.seed_exploration import Exploration, explore
from coterie.protocols.faults.kinds.fault_kinds import Level
from tests.coterie.exploring import toy

SELDOM = Job(f"{toy.WHERE}:seldom", 0)
FRAGILE = Job(f"{toy.WHERE}:fragile", 5)


def test_progress_tells_hours_events_pace_and_faults() -> None:
    line = exploration_report.progress(SELDOM, explore(SELDOM, range(3)))

    assert "3/3 seeds, 0 failed, 0 void" in line
    assert "0.01 simulated h" in line
    assert "seeds/min; 1 kinds of faults fired" in line


def test_kind_that_never_fired_is_named() -> None:
    found = explore(SELDOM, range(1))
    found.results[0].fired.clear()

    assert "not yet: crash" in exploration_report.progress(SELDOM, found)
    assert "never fired: crash" in exploration_report.summary(SELDOM, found)


def test_summary_ends_with_the_result() -> None:
    lines = list(exploration_report.summary(FRAGILE, explore(FRAGILE, range(30))))

    assert lines[0].startswith(f"{toy.WHERE}:fragile: ran 30 seeds in ")
    assert lines[1] == f"faults: crash {30 * 12}"
    assert lines[-2].startswith("failing seeds: ")
    assert lines[-2].endswith(" more")
    assert lines[-1] == "result: failed"


def test_shrunk_failure_is_printed_with_one_command() -> None:
    lines = list(exploration_report.shrunk_lines(shrink_failure(FRAGILE, run_job(FRAGILE)), Path("my runs/toy-5")))

    assert "3 of 12 faults, 3 nodes, at most 3 operations" in lines[0]
    commands = [line for line in lines if "coterie sim" in line]
    assert commands == [lines[-1]]
    assert shlex.split(lines[-1])[1:] == ["coterie", "sim", FRAGILE.scenario, "--replay", "my runs/toy-5"]


def test_command_repeats_every_option() -> None:
    job = Job("raft", 0, Level.PROTOCOL, "crashes", nodes=5, operations=50)

    words = exploration_report.command(job, seed=3, seeds=7, jobs=2, plan_file="my plan.json", checks_determinism=True)

    assert words == (
        "coterie sim raft --seed 3 --seeds 7 --level protocol --profile crashes --nodes 5 --operations 50 "
        "--plan 'my plan.json' --jobs 2 --check-determinism"
    )
    assert exploration_report.command(Job("raft", 0), seed=3, seeds=7, jobs=1, plan_file=None) == (
        "coterie sim raft --seed 3 --seeds 7"
    )


def test_facts_of_nothing_are_facts() -> None:
    facts = exploration_report.facts(SELDOM, Exploration(range(3)), jobs=1)

    assert (facts["seeds"], facts["passed"], facts["events_per_s"], facts["seeds_per_minute"]) == (0, 0, 0, 0)
    assert facts["level"] == "protocol"


def test_first_void_seed_is_told_with_its_reason() -> None:
    void = Job(f"{toy.WHERE}:void", 0)
    silent = explore(SELDOM, range(2))
    silent.results[0].fired.clear()

    assert "seed 0 is void: only 3 commands were answered" in exploration_report.summary(void, explore(void, range(3)))
    told = list(exploration_report.summary(SELDOM, silent))
    assert (
        "seed 0 is void: never fired: crash (can such faults not occur here? @scenario(excluded_kinds=['crash']))"
        in told
    )
    assert "seed 0 is void: never fired: crash" in exploration_report.summary(Job("raft", 0), silent)
