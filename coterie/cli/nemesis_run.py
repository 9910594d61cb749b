"""Nemesis run: reads or generates a fault plan, runs it on real processes, prints the result (`coterie nemesis`)."""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
from pathlib import Path
from typing import Final

from coterie.cli.command_loop import INTERRUPTED, TERMINATED, TerminatedBySignal, WrongUsage, run_async
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.json_envelope import Code, problems
from coterie.errors import PlanError
from coterie.exploring.saved_case import read_plan_or_case
from coterie.nemesis import attack_report
from coterie.nemesis.attack import Attack, AttackOptions
from coterie.nemesis.unsupported_faults import SupportedPlan, drop_unsupported
from coterie.protocols.faults.fault_plan import FaultPlan
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.faults.profiles.fault_profiles import PROFILES, draw_plan
from coterie.protocols.simulation.scenarios.run_result import RunOutcome, RunResult
from coterie.terminal_output import print_error

__all__ = ["run_nemesis"]

DEFAULT_NODES: Final = 5
DEFAULT_SECONDS: Final = 30.0
RUNS: Final = "coterie-runs"
PROGRESS_S: Final = 2.0
EXIT_CODE_BY_OUTCOME: Final = {RunOutcome.PASSED: 0, RunOutcome.FAILED: 1, RunOutcome.VOID: 2}


def run_nemesis(args: argparse.Namespace) -> int:
    """Carry out `coterie nemesis`; return the exit code.

    Raises:
        PlanError: there is no such plan or profile, or real processes do not support it; the fault is named.
        WrongUsage: the options contradict the plan.
        OSError: the folder cannot be created.
    """
    _check_options(args)
    fitted = _plan(args)
    folder = _folder(args, fitted.plan)
    attack = Attack(AttackOptions(fitted.plan, folder, args.seed, args.clients, skipped=fitted.skipped))
    folder.mkdir(parents=True)
    out: CommandOutput = args.out
    out.say(attack_report.omissions(fitted.skipped))
    try:
        result = run_async(_with_progress(attack))
    except (KeyboardInterrupt, TerminatedBySignal) as ended:
        attack_report.save(attack, None)
        out.say([attack.describe(), f"saved: {folder}", f"run again: {attack_report.replay(attack)}"])
        return INTERRUPTED if isinstance(ended, KeyboardInterrupt) else TERMINATED
    _report(args, attack, result)
    return EXIT_CODE_BY_OUTCOME[result.outcome]


def _check_options(args: argparse.Namespace) -> None:
    for option, count in (("--nodes", args.nodes), ("--clients", args.clients)):
        if count is not None and count < 1:
            raise WrongUsage(f"{option} {count}: at least one is needed")
    if args.seconds is not None and not 0 < args.seconds < float("inf"):
        raise WrongUsage(f"--seconds {args.seconds:g}: it must be above 0, and finite")


def _plan(args: argparse.Namespace) -> SupportedPlan:
    path = Path(args.plan)
    is_file = path.exists() or path.suffix == ".json" or len(path.parts) > 1
    if not is_file or args.plan in PROFILES:
        return SupportedPlan(_draw_plan(args), {})
    plan = _read_plan(args)
    return drop_unsupported(plan) if args.skip_unsupported else SupportedPlan(_check_supported(plan), {})


def _draw_plan(args: argparse.Namespace) -> FaultPlan:
    count = DEFAULT_NODES if args.nodes is None else args.nodes
    names = [f"n{number}" for number in range(1, count + 1)]
    duration_s = DEFAULT_SECONDS if args.seconds is None else args.seconds
    return draw_plan(args.plan, random.Random(f"nemesis/{args.seed}"), names, duration_s, level=Level.PROCESS)


def _read_plan(args: argparse.Namespace) -> FaultPlan:
    plan = read_plan_or_case(Path(args.plan)).plan
    assert plan is not None, "a job that was read with a plan has one"
    if args.seconds is not None:
        raise WrongUsage(f"--seconds {args.seconds:g}: the plan {args.plan!r} lasts {plan.ends_at_s:g} s")
    if args.nodes not in (None, len(plan.nodes)):
        raise WrongUsage(f"--nodes {args.nodes}: {args.plan!r} is for {len(plan.nodes)} nodes: {', '.join(plan.nodes)}")
    return plan


def _check_supported(plan: FaultPlan) -> FaultPlan:
    try:
        plan.check_level(Level.PROCESS)
    except PlanError as error:
        raise PlanError(f"{error}; use --skip-unsupported to leave out such faults") from error
    return plan


def _folder(args: argparse.Namespace, plan: FaultPlan) -> Path:
    """Return a directory that does not exist yet."""
    if args.keep is not None:
        if Path(args.keep).exists():
            raise FileExistsError(f"--keep {args.keep!r} exists already: choose a new directory")
        return Path(args.keep)
    name, number = f"nemesis-{plan.profile or 'plan'}-{args.seed}", 1
    while (folder := Path(RUNS) / (name if number == 1 else f"{name}-{number}")).exists():
        number += 1
    return folder


async def _with_progress(attack: Attack) -> RunResult:
    progress = asyncio.create_task(_progress(attack))
    try:
        return await attack.run()
    finally:
        progress.cancel()
        await asyncio.gather(progress, return_exceptions=True)


async def _progress(attack: Attack) -> None:
    while True:
        await asyncio.sleep(PROGRESS_S)
        print_error(attack.describe())


def _report(args: argparse.Namespace, attack: Attack, result: RunResult) -> None:
    folder, out = attack.options.folder, args.out
    is_kept = args.keep is not None or result.outcome is RunOutcome.FAILED
    lines = list(attack_report.explanation(result)) if result.outcome is RunOutcome.FAILED else []
    lines += [*attack_report.omissions(attack.options.skipped), *attack_report.summary(result)]
    if is_kept:
        attack_report.save(attack, result)
        lines += [f"saved: {folder}", f"run again: {attack_report.replay(attack)}"]
    else:
        shutil.rmtree(folder)
    errors = problems(Code.FAILED, [] if result.violation is None else [str(result.violation)])
    errors += problems(Code.VOID, [] if result.void is None else [result.void])
    data = attack_report.facts(attack, result) | {"kept": str(folder) if is_kept else None}
    out.show(data, lines, verdict=result.outcome.value, errors=errors)
