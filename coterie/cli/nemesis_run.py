"""What `coterie nemesis` does: it finds the plan, runs the attack with progress, and concludes."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from coterie.cli.command_loop import Ended, run_async
from coterie.errors import PlanError
from coterie.exploring.saved_case import read_plan_or_case
from coterie.nemesis import attack_report
from coterie.nemesis.attack import Attack, Options
from coterie.nemesis.unsupported_faults import Fitted, fit
from coterie.protocols.faults.fault_plan import Plan
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.faults.profiles.fault_profiles import PROFILES, draw_plan
from coterie.protocols.simulation.scenarios.run_outcome import Outcome, Verdict

__all__ = ["carry_out"]

DEFAULT_NODES: Final = 5
DEFAULT_SECONDS: Final = 30.0
RUNS: Final = "coterie-runs"
PROGRESS_S: Final = 2.0
INTERRUPTED: Final = 130
TERMINATED: Final = 143
EXIT_CODE_BY_OUTCOME: Final = {Outcome.PASSED: 0, Outcome.FAILED: 1, Outcome.VOID: 2}


def carry_out(args: argparse.Namespace) -> int:
    """Carry out `coterie nemesis`; return the exit code.

    Raises:
        PlanError: there is no such plan or profile, or real processes cannot suffer it; the fault is named.
        ValueError: the options contradict the plan.
        OSError: the folder cannot be made.
    """
    fitted = _plan(args)
    folder = _folder(args, fitted.plan)
    attack = Attack(Options(fitted.plan, folder, args.seed, args.clients, skipped=fitted.skipped))
    folder.mkdir(parents=True)
    _tell(attack_report.omissions(fitted.skipped))
    try:
        verdict = run_async(_with_progress(attack))
    except (KeyboardInterrupt, Ended) as ended:
        attack_report.save(attack, None)
        _tell([attack.describe(), f"kept: {folder}", f"again: {attack_report.replay(attack)}"])
        return INTERRUPTED if isinstance(ended, KeyboardInterrupt) else TERMINATED
    _conclude(args, attack, verdict)
    return EXIT_CODE_BY_OUTCOME[verdict.outcome]


def _plan(args: argparse.Namespace) -> Fitted:
    path = Path(args.plan)
    is_file = path.exists() or path.suffix == ".json" or len(path.parts) > 1
    if not is_file or args.plan in PROFILES:
        return Fitted(_draw_plan(args), {})
    plan = _read_plan(args)
    return fit(plan) if args.skip_unsupported else Fitted(_suffered_whole(plan), {})


def _draw_plan(args: argparse.Namespace) -> Plan:
    count = DEFAULT_NODES if args.nodes is None else args.nodes
    if count < 1:
        raise ValueError(f"--nodes {count}: at least one is needed")
    names = [f"n{number}" for number in range(1, count + 1)]
    duration_s = DEFAULT_SECONDS if args.seconds is None else args.seconds
    return draw_plan(args.plan, random.Random(f"nemesis/{args.seed}"), names, duration_s, level=Level.PROCESS)


def _read_plan(args: argparse.Namespace) -> Plan:
    plan = read_plan_or_case(Path(args.plan)).plan
    assert plan is not None, "a job that was read with a plan has one"
    if args.seconds is not None:
        raise ValueError(f"--seconds {args.seconds:g}: {args.plan!r} says itself that it lasts {plan.ends_at_s:g} s")
    if args.nodes not in (None, len(plan.nodes)):
        raise ValueError(f"--nodes {args.nodes}: {args.plan!r} is for {len(plan.nodes)} nodes: {', '.join(plan.nodes)}")
    return plan


def _suffered_whole(plan: Plan) -> Plan:
    try:
        plan.check_level(Level.PROCESS)
    except PlanError as error:
        raise PlanError(f"{error}; --skip-unsupported leaves such faults out and carries out the rest") from error
    return plan


def _folder(args: argparse.Namespace, plan: Plan) -> Path:
    """Return a directory that does not exist yet."""
    if args.keep is not None:
        if Path(args.keep).exists():
            raise FileExistsError(f"--keep {args.keep!r} exists already: name a new directory")
        return Path(args.keep)
    name, number = f"nemesis-{plan.profile or 'plan'}-{args.seed}", 1
    while (folder := Path(RUNS) / (name if number == 1 else f"{name}-{number}")).exists():
        number += 1
    return folder


async def _with_progress(attack: Attack) -> Verdict:
    telling = asyncio.create_task(_progress(attack))
    try:
        return await attack.run()
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


async def _progress(attack: Attack) -> None:
    while True:
        await asyncio.sleep(PROGRESS_S)
        print(attack.describe(), file=sys.stderr, flush=True)


def _conclude(args: argparse.Namespace, attack: Attack, verdict: Verdict) -> None:
    folder = attack.options.folder
    is_kept = args.keep is not None or verdict.outcome is Outcome.FAILED
    if verdict.outcome is Outcome.FAILED:
        _tell(attack_report.explanation(verdict))
    _tell(attack_report.omissions(attack.options.skipped))
    _tell(attack_report.summary(verdict))
    if is_kept:
        attack_report.save(attack, verdict)
        _tell([f"kept: {folder}", f"again: {attack_report.replay(attack)}"])
    else:
        shutil.rmtree(folder)
    if args.json:
        print(json.dumps(attack_report.facts(attack, verdict) | {"kept": str(folder) if is_kept else None}), flush=True)


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)
