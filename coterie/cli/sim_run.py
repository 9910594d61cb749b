"""Simulation run: runs a scenario with each seed, shrinks and saves a failing run, prints results (`coterie sim`)."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from coterie.cli.command_loop import INTERRUPTED, WrongUsage
from coterie.cli.commands.sim_command import SEEDS
from coterie.cli.commands.simulating.partitions_command import PARTIAL_PARTITIONS, run_partial_partitions
from coterie.cli.log_options import NOTHING
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.json_envelope import Code, problems
from coterie.exploring import exploration_report
from coterie.exploring.determinism_check import check_determinism
from coterie.exploring.failure_folder import folder_for, save
from coterie.exploring.failure_shrinking import TRIES_MAX, shrink_failure
from coterie.exploring.fixed_hash_seed import restart_with_fixed_hash_seed
from coterie.exploring.run_jobs import Job, run_job, worker_settings
from coterie.exploring.saved_case import read_case, read_plan_or_case
from coterie.exploring.scenario_discovery import find_scenario
from coterie.exploring.seed_exploration import Exploration, explore
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.simulation.scenarios.run_result import RunOutcome, RunResult
from coterie.terminal_output import print_error

__all__ = ["run_sim"]

PROGRESS_S = 2.0
VOID = 2
EXIT_CODE_BY_OUTCOME = {RunOutcome.PASSED: 0, RunOutcome.FAILED: 1, RunOutcome.VOID: VOID}
VERDICT_BY_EXIT_CODE = {code: outcome.value for outcome, code in EXIT_CODE_BY_OUTCOME.items()} | {INTERRUPTED: None}


def run_sim(args: argparse.Namespace) -> int:
    """Carry out `coterie sim`; return the exit code.

    Raises:
        ScenarioError, PlanError: there is no such scenario, profile or plan; the nearest is named.
    """
    if getattr(args, "is_whole_process", False):
        restart_with_fixed_hash_seed()
    if args.scenario == "mutants":
        from coterie.cli.commands.mutants_command import run_mutants  # noqa: PLC0415 (they import all of coterie)

        args.out.command = "sim mutants"
        return run_mutants(args.out, only=args.only or (), jobs=args.jobs)
    if args.scenario == PARTIAL_PARTITIONS:
        return _run_partial_partitions(args)
    if args.only:
        raise WrongUsage(f"--only {args.only[0]!r} selects mutants: use coterie sim mutants --only …")
    if args.replay is not None:
        return _replay(args)
    job, seeds = _job(args), _seeds(args)
    if args.check_determinism:
        return _check_determinism(args, job, seeds)
    exploration = explore(job, seeds, processes=args.jobs, progress=_Progress(job), is_logging=_is_logging(args))
    return _report(args, job, exploration)


def _run_partial_partitions(args: argparse.Namespace) -> int:
    args.out.command = f"sim {PARTIAL_PARTITIONS}"
    first_seed, seeds = args.seed or 0, args.seeds if args.seed is None else args.seeds or 1
    return run_partial_partitions(
        args.out, only=args.only or (), nodes=args.nodes, first_seed=first_seed, seeds=seeds, jobs=args.jobs
    )


def _job(args: argparse.Namespace) -> Job:
    level = None if args.level is None else Level(args.level)
    level = find_scenario(args.scenario, level).level
    plan = None if args.plan is None else read_plan_or_case(Path(args.plan)).plan
    is_alone = args.seed is not None and args.seeds is None
    return Job(args.scenario, 0, level, args.profile, args.nodes, args.operations, plan, hashed=is_alone)


def _is_logging(args: argparse.Namespace) -> bool:
    return getattr(args, "log_level", NOTHING) != NOTHING


def _seeds(args: argparse.Namespace) -> range:
    first = args.seed or 0
    default = SEEDS if args.seed is None else 1
    return range(first, first + (args.seeds or default))


class _Progress:
    """Prints the progress of an exploration on stderr, every 2 s."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._printed_s = time.perf_counter()

    def __call__(self, exploration: Exploration) -> None:
        if time.perf_counter() - self._printed_s > PROGRESS_S:
            self._printed_s = time.perf_counter()
            print_error(exploration_report.progress(self._job, exploration))


def _report(args: argparse.Namespace, job: Job, exploration: Exploration) -> int:
    facts = exploration_report.facts(job, exploration, jobs=args.jobs)
    failure = exploration.first_failure()
    if failure is not None:
        facts |= _shrink_and_save(args, job, failure, is_interrupted=exploration.is_interrupted)
    if job.hashed and exploration.results:
        args.out.say([f"trace {exploration.results[0].digest}"])
        facts["trace_hash"] = exploration.results[0].digest
    args.out.say(exploration_report.summary(job, exploration))
    _say_continuation(args, job, exploration)
    exit_code = _exit_code_of(exploration)
    _show_facts(args.out, facts, exploration, exit_code)
    return exit_code


def _exit_code_of(exploration: Exploration) -> int:
    if exploration.is_interrupted and not exploration.summary.failed:
        return INTERRUPTED
    return EXIT_CODE_BY_OUTCOME[exploration.summary.outcome]


def _show_facts(
    out: CommandOutput,
    facts: dict[str, object],
    exploration: Exploration,
    exit_code: int,
    nondeterministic_seeds: Iterable[int] = (),
) -> None:
    """Print the JSON envelope, if that is asked for: the lines for people are printed already."""
    results = exploration.results
    broken = [one for one in results if one.violation is not None]
    errors = problems(Code.FAILED, (f"seed {one.seed}: {one.violation}" for one in broken))
    errors += problems(Code.FAILED, (f"seed {seed} is not deterministic" for seed in nondeterministic_seeds))
    if exit_code == VOID:
        errors += problems(Code.VOID, (f"seed {one.seed}: {one.void}" for one in results if one.void is not None))
    if exit_code == INTERRUPTED:
        errors += problems(Code.INTERRUPTED, [f"interrupted after {len(results)} seeds"])
    out.show(facts, verdict=VERDICT_BY_EXIT_CODE[exit_code], errors=errors)


def _shrink_and_save(
    args: argparse.Namespace, job: Job, failure: RunResult, *, is_interrupted: bool
) -> dict[str, object]:
    """Shrink a failure, save it, print it; return its JSON facts."""
    args.out.say(exploration_report.explanation(failure))
    tries = 0 if is_interrupted or args.shrink <= 0 else TRIES_MAX
    shrunk = shrink_failure(replace(job, hashed=False), failure, processes=args.jobs, within_s=args.shrink, tries=tries)
    folder = folder_for(Path(args.runs), args.scenario, failure.seed)
    save(shrunk, folder)
    args.out.say(exploration_report.shrunk_lines(shrunk, folder))
    faults = None if shrunk.plan is None else len(shrunk.plan.faults)
    return {"saved": str(folder), "shrunk_faults": faults, "shrinking_s": round(shrunk.wall_s, 3)}


def _say_continuation(args: argparse.Namespace, job: Job, exploration: Exploration) -> None:
    if exploration.is_interrupted and exploration.remaining_seeds:
        first, count, checks_determinism = (
            exploration.remaining_seeds[0],
            len(exploration.remaining_seeds),
            args.check_determinism,
        )
        words = exploration_report.command(
            job, seed=first, seeds=count, jobs=args.jobs, plan_file=args.plan, checks_determinism=checks_determinism
        )
        args.out.say([f"continue: {words}"])


def _check_determinism(args: argparse.Namespace, job: Job, seeds: range) -> int:
    exploration, differences = check_determinism(job, seeds, processes=args.jobs, progress=_Progress(job))
    args.out.say(map(str, differences))
    args.out.say(exploration_report.summary(job, exploration))
    count = len(exploration.results)
    args.out.say([f"{job.scenario}: {count} seeds twice each, {len(differences)} of them not deterministic"])
    _say_continuation(args, job, exploration)
    seeds_found = [difference.seed for difference in differences]
    facts = exploration_report.facts(job, exploration, jobs=args.jobs) | {"nondeterministic_seeds": seeds_found}
    code = _exit_code_of(exploration)
    exit_code = 1 if differences else 0 if code == VOID else code  # a void run can be deterministic
    _show_facts(args.out, facts, exploration, exit_code, seeds_found)
    return exit_code


def _replay(args: argparse.Namespace) -> int:
    """Run a saved case once and print its result; nothing is shrunk or saved."""
    saved = read_case(Path(args.replay)).job
    if saved.scenario != args.scenario:
        raise ValueError(f"{args.replay!r} holds a case of scenario {saved.scenario!r}, not of {args.scenario!r}")
    began_s = time.perf_counter()
    with worker_settings(is_logging=_is_logging(args)):
        result = run_job(replace(saved, hashed=True))
    exploration = Exploration([saved.seed], [result], time.perf_counter() - began_s)
    if result.violation is not None:
        args.out.say(exploration_report.explanation(result))
    args.out.say([f"trace {result.digest}", *exploration_report.summary(saved, exploration)])
    facts = exploration_report.facts(saved, exploration, jobs=1) | {"trace_hash": result.digest}
    exit_code = _exit_code_of(exploration)
    _show_facts(args.out, facts, exploration, exit_code)
    return exit_code
