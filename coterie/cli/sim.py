"""`coterie sim`: run an algorithm under faults, seed after seed, before its judges; or see the judges kill mutants.

    coterie sim raft --seeds 2000 --jobs 2      many seeds
    coterie sim raft --seed 123                 one seed again, with the hash of its trace
    coterie sim mutants                         twelve deliberate bugs: each must be killed

Exit codes: 0 all passed, 1 an invariant broke (or a mutant survived), 2 some runs were void (nothing broke, but too
little happened), 130 interrupted.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from coterie.protocols.simulation.mutants import MUTANTS, Hunt, hunt
from coterie.protocols.simulation.scenarios import SCENARIOS
from coterie.protocols.simulation.verdict import Outcome, Summary, Verdict, summarise

__all__ = ["add_parser", "run"]

DEFAULT_SEEDS = 100
PROGRESS_S = 2.0
RARE_COLLECTIONS = 200_000
"""Net allocations between collections: a simulated world is one big cycle until its seed is done."""
INTERRUPTED = 130
EXIT_CODE_BY_OUTCOME = {Outcome.PASSED: 0, Outcome.FAILED: 1, Outcome.VOID: 2}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """Add the command `sim` to the command line; `run` carries it out."""
    parser = subparsers.add_parser(
        "sim",
        help="run an algorithm under seeded faults, before its judges",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenario", choices=[*SCENARIOS, "mutants"], help="what to run")
    parser.add_argument("--seeds", type=_positive, metavar="N", help=f"how many seeds (default {DEFAULT_SEEDS})")
    parser.add_argument("--seed", type=int, metavar="S", help="the first seed; alone: only this one, and its hash")
    parser.add_argument("--nodes", type=int, choices=(3, 5), help="how many nodes (default: as the seed says)")
    parser.add_argument("--jobs", type=_positive, default=1, metavar="J", help="how many processes (default 1)")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.set_defaults(run=run)
    return parser


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie sim`; return the exit code."""
    if args.scenario == "mutants":
        return _run_mutants(is_json=args.json)
    if args.seed is not None and args.seeds is None:
        return _run_one(args)
    return _run_many(args)


def _run_one(args: argparse.Namespace) -> int:
    began_s = time.perf_counter()
    verdict = SCENARIOS[args.scenario](args.seed, nodes=args.nodes, hashed=True)
    _explain(args, verdict)
    print(f"trace {verdict.digest}")
    return _report(args, [verdict], time.perf_counter() - began_s, is_interrupted=False)


def _run_many(args: argparse.Namespace) -> int:
    first = args.seed or 0
    seeds = range(first, first + (args.seeds or DEFAULT_SEEDS))
    verdicts: list[Verdict] = []
    began_s = time.perf_counter()
    is_interrupted = False
    with _verdicts(args, seeds) as arriving:
        try:
            _collect(args, arriving, verdicts, len(seeds), began_s)
        except KeyboardInterrupt:
            is_interrupted = True
    verdicts.sort(key=lambda verdict: verdict.seed)
    failure = next((verdict for verdict in verdicts if verdict.outcome is Outcome.FAILED), None)
    if failure is not None:
        _explain(args, failure)
    return _report(args, verdicts, time.perf_counter() - began_s, is_interrupted=is_interrupted)


@contextmanager
def _verdicts(args: argparse.Namespace, seeds: Sequence[int]) -> Iterator[Iterator[Verdict]]:
    """Give the verdicts as they arrive, in any order; an early end stops what is still running."""
    run_seed = partial(_run_seed, args.scenario, args.nodes)
    if args.jobs == 1:
        with _rare_collections():
            yield map(run_seed, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(args.jobs, _prepare_worker) as pool:
        yield pool.imap_unordered(run_seed, seeds, chunksize=4)


def _run_seed(scenario: str, nodes: int | None, seed: int) -> Verdict:
    return SCENARIOS[scenario](seed, nodes=nodes)


def _prepare_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears the Ctrl-C and ends the pool
    gc.set_threshold(RARE_COLLECTIONS)


@contextmanager
def _rare_collections() -> Iterator[None]:
    usual = gc.get_threshold()
    gc.set_threshold(RARE_COLLECTIONS)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def _collect(
    args: argparse.Namespace, arriving: Iterator[Verdict], verdicts: list[Verdict], wanted: int, began_s: float
) -> None:
    told_s = began_s
    for verdict in arriving:
        verdicts.append(verdict)
        now_s = time.perf_counter()
        if now_s - told_s > PROGRESS_S:
            told_s = now_s
            _tell_progress(args.scenario, summarise(verdicts), wanted, now_s - began_s)


def _tell_progress(scenario: str, summary: Summary, wanted: int, wall_s: float) -> None:
    bad = f"{summary.failed} failed, {summary.void} void"
    pace = f"{summary.simulated_s / wall_s:.0f} x real time"
    print(f"{scenario}: {summary.seeds}/{wanted} seeds, {bad}, {pace}", file=sys.stderr)


def _explain(args: argparse.Namespace, verdict: Verdict) -> None:
    """Tell why a seed did not pass, and how to see it again."""
    if verdict.violation is not None:
        print("\n".join(verdict.tail))
        print(f"seed {verdict.seed}: {verdict.violation}")
    elif verdict.outcome is Outcome.VOID:
        print(f"seed {verdict.seed} is void: {verdict.void or f'never fired: {verdict.missed()}'}")
    else:
        return
    nodes = "" if args.nodes is None else f" --nodes {args.nodes}"
    print(f"replay: coterie sim {args.scenario} --seed {verdict.seed}{nodes}")


def _report(args: argparse.Namespace, verdicts: Sequence[Verdict], wall_s: float, *, is_interrupted: bool) -> int:
    summary = summarise(verdicts)
    ended = "interrupted after" if is_interrupted else "ran"
    print(
        f"{args.scenario}: {ended} {summary.seeds} seeds in {wall_s:.1f} s: {summary.passed} passed, "
        f"{summary.failed} failed, {summary.void} void; {summary.operations} operations, {summary.events} events "
        f"({summary.events / wall_s:.0f}/s), {summary.simulated_s:.0f} simulated s "
        f"({summary.simulated_s / wall_s:.0f} x real time)"
    )
    if summary.void_seeds:
        print(f"void seeds: {' '.join(map(str, summary.void_seeds))}")
    if summary.failing_seeds:
        print(f"failing seeds: {' '.join(map(str, summary.failing_seeds))}")
    if args.json:
        digest = verdicts[0].digest if verdicts else None
        print(json.dumps(_facts(args, summary, wall_s, digest, is_interrupted=is_interrupted)))
    if is_interrupted and not summary.failed:
        return INTERRUPTED
    return EXIT_CODE_BY_OUTCOME[summary.outcome]


def _facts(
    args: argparse.Namespace, summary: Summary, wall_s: float, digest: str | None, *, is_interrupted: bool
) -> dict[str, object]:
    return {
        "scenario": args.scenario,
        "nodes": args.nodes,
        "jobs": args.jobs,
        "seeds": summary.seeds,
        "passed": summary.passed,
        "failed": summary.failed,
        "void": summary.void,
        "operations": summary.operations,
        "events": summary.events,
        "events_per_s": round(summary.events / wall_s),
        "simulated_s": round(summary.simulated_s, 3),
        "wall_s": round(wall_s, 3),
        "realtime_factor": round(summary.simulated_s / wall_s, 1),
        "failing_seeds": list(summary.failing_seeds),
        "void_seeds": list(summary.void_seeds),
        "interrupted": is_interrupted,
        "trace_hash": digest,
    }


def _run_mutants(*, is_json: bool) -> int:
    hunts: list[Hunt] = []
    print(f"{'mutant':<42} {'killed by':<28} {'seed':>5} {'clean':<6} {'s':>6}")
    with _rare_collections():
        for mutant in MUTANTS:
            began_s = time.perf_counter()
            ended = hunt(mutant)
            hunts.append(ended)
            clean = "passes" if ended.is_clean_code_fine else "FAILS"
            killed_by = ended.killed_by or f"SURVIVED {ended.seeds} seeds"
            wall_s = time.perf_counter() - began_s
            print(f"{mutant.name:<42} {killed_by:<28} {ended.seed:>5} {clean:<6} {wall_s:>6.1f}", flush=True)
    killed = sum(ended.is_success for ended in hunts)
    if is_json:
        facts = {ended.mutant.name: {"killed_by": ended.killed_by, "seed": ended.seed} for ended in hunts}
        print(json.dumps({"scenario": "mutants", "killed": killed, "survived": len(hunts) - killed, "mutants": facts}))
    else:
        print(f"{killed} killed, {len(hunts) - killed} survived")
    return 0 if killed == len(hunts) else 1


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not positive")
    return number
