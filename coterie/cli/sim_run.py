"""What `coterie sim` does: it runs the seeds with progress, keeps what failed, and concludes."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from coterie.cli.commands.sim_command import SEEDS
from coterie.cli.log_options import NOTHING
from coterie.exploring import exploration_report
from coterie.exploring.determinism_check import check_determinism
from coterie.exploring.failure_folder import folder_for, save
from coterie.exploring.failure_shrinking import MOST_TRIES, reduce
from coterie.exploring.fixed_hash_seed import with_fixed_hashes
from coterie.exploring.run_jobs import Job, many_runs
from coterie.exploring.run_jobs import carry_out as carry_out_job
from coterie.exploring.saved_case import read_case, read_plan_or_case
from coterie.exploring.scenario_discovery import find
from coterie.exploring.seed_exploration import Exploration, explore
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.simulation.scenarios.run_outcome import Outcome, Verdict

__all__ = ["carry_out"]

PROGRESS_S = 2.0
INTERRUPTED = 130
EXIT_CODE_BY_OUTCOME = {Outcome.PASSED: 0, Outcome.FAILED: 1, Outcome.VOID: 2}


def carry_out(args: argparse.Namespace) -> int:
    """Carry out `coterie sim`; return the exit code.

    Raises:
        ScenarioError, PlanError: there is no such scenario, profile or plan; the nearest is named.
    """
    if getattr(args, "is_whole_process", False):
        with_fixed_hashes()
    if args.scenario == "mutants":
        from coterie.cli.commands.mutants_command import run_mutants  # noqa: PLC0415 (they bring all of coterie along)

        return run_mutants(only=args.only or (), jobs=args.jobs, is_json=args.json)
    if args.only:
        raise ValueError(f"--only {args.only[0]!r} chooses among mutants: coterie sim mutants --only …")
    if args.replay is not None:
        return _replay(args)
    job, seeds = _job(args), _seeds(args)
    if args.check_determinism:
        return _check_determinism(args, job, seeds)
    found = explore(job, seeds, processes=args.jobs, progress=_Progress(job), is_heard=_is_heard(args))
    return _conclude(args, job, found)


def _job(args: argparse.Namespace) -> Job:
    level = None if args.level is None else Level(args.level)
    level = find(args.scenario, level).level
    plan = None if args.plan is None else read_plan_or_case(Path(args.plan)).plan
    is_alone = args.seed is not None and args.seeds is None
    return Job(args.scenario, 0, level, args.profile, args.nodes, args.operations, plan, hashed=is_alone)


def _is_heard(args: argparse.Namespace) -> bool:
    return getattr(args, "log_level", NOTHING) != NOTHING


def _seeds(args: argparse.Namespace) -> range:
    first = args.seed or 0
    default = SEEDS if args.seed is None else 1
    return range(first, first + (args.seeds or default))


class _Progress:
    """Tells now and then on stderr where an exploration stands."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._told_s = time.perf_counter()

    def __call__(self, found: Exploration) -> None:
        if time.perf_counter() - self._told_s > PROGRESS_S:
            self._told_s = time.perf_counter()
            print(exploration_report.progress(self._job, found), file=sys.stderr)


def _conclude(args: argparse.Namespace, job: Job, found: Exploration) -> int:
    facts = exploration_report.facts(job, found, jobs=args.jobs)
    failure = found.first_failure()
    if failure is not None:
        facts |= _keep(args, job, failure, is_hasty=found.is_interrupted)
    if job.hashed and found.verdicts:
        print(f"trace {found.verdicts[0].digest}")
        facts["trace_hash"] = found.verdicts[0].digest
    _tell(exploration_report.summary(job, found))
    _tell_how_to_go_on(args, job, found)
    return _end(args, facts, found)


def _end(args: argparse.Namespace, facts: dict[str, object], found: Exploration) -> int:
    if args.json:
        print(json.dumps(facts))
    if found.is_interrupted and not found.summary.failed:
        return INTERRUPTED
    return EXIT_CODE_BY_OUTCOME[found.summary.outcome]


def _keep(args: argparse.Namespace, job: Job, failure: Verdict, *, is_hasty: bool) -> dict[str, object]:
    """Cut a failure down, save it, tell it; return facts about it."""
    _tell(exploration_report.explanation(failure))
    tries = 0 if is_hasty or args.shrink <= 0 else MOST_TRIES
    reduction = reduce(replace(job, hashed=False), failure, processes=args.jobs, within_s=args.shrink, tries=tries)
    folder = folder_for(Path(args.runs), args.scenario, failure.seed)
    save(reduction, folder)
    _tell(exploration_report.reduced(reduction, folder))
    faults = None if reduction.plan is None else len(reduction.plan.faults)
    return {"saved": str(folder), "shrunk_faults": faults, "shrinking_s": round(reduction.wall_s, 3)}


def _tell_how_to_go_on(args: argparse.Namespace, job: Job, found: Exploration) -> None:
    if found.is_interrupted and found.left:
        first, count, is_double = found.left[0], len(found.left), args.check_determinism
        words = exploration_report.command(
            job, seed=first, seeds=count, jobs=args.jobs, plan_file=args.plan, is_double=is_double
        )
        print(f"go on: {words}")


def _check_determinism(args: argparse.Namespace, job: Job, seeds: range) -> int:
    found, differences = check_determinism(job, seeds, processes=args.jobs, progress=_Progress(job))
    _tell(map(str, differences))
    _tell(exploration_report.summary(job, found))
    print(f"{job.scenario}: {len(found.verdicts)} seeds twice each, {len(differences)} of them not deterministic")
    _tell_how_to_go_on(args, job, found)
    facts = exploration_report.facts(job, found, jobs=args.jobs)
    facts |= {"nondeterministic_seeds": [difference.seed for difference in differences]}
    code = _end(args, facts, found)
    if differences:
        return 1
    return 0 if code == EXIT_CODE_BY_OUTCOME[Outcome.VOID] else code  # a void run has a trace like any other


def _replay(args: argparse.Namespace) -> int:
    """Run a saved case once and tell what it comes to; nothing is cut down or saved."""
    saved = read_case(Path(args.replay)).job
    if saved.scenario != args.scenario:
        raise ValueError(f"{args.replay!r} holds a case of scenario {saved.scenario!r}, not of {args.scenario!r}")
    began_s = time.perf_counter()
    with many_runs(is_heard=_is_heard(args)):
        verdict = carry_out_job(replace(saved, hashed=True))
    found = Exploration([saved.seed], [verdict], time.perf_counter() - began_s)
    if verdict.violation is not None:
        _tell(exploration_report.explanation(verdict))
    print(f"trace {verdict.digest}")
    _tell(exploration_report.summary(saved, found))
    return _end(args, exploration_report.facts(saved, found, jobs=1) | {"trace_hash": verdict.digest}, found)


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)
