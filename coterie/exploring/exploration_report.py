"""Exploration report: formats the progress, results and failures of simulation runs as text lines and as JSON."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from coterie.exploring.failure_shrinking import ShrunkFailure
from coterie.exploring.run_jobs import Job
from coterie.exploring.scenario_discovery import find_scenario
from coterie.exploring.seed_exploration import Exploration
from coterie.protocols.simulation.scenarios.protocol_scenarios import EVERYTHING
from coterie.protocols.simulation.scenarios.run_result import RunResult

__all__ = ["command", "explanation", "facts", "progress", "shrunk_lines", "summary"]

_SEEDS_NAMED_MAX = 20


def progress(job: Job, exploration: Exploration) -> str:
    """Return the progress of an exploration, as one line."""
    summary = exploration.summary
    kinds = f"{len(summary.fired)} kinds of faults fired"
    if summary.missed:
        kinds += f", not yet: {' '.join(summary.missed)}"
    return (
        f"{job.scenario}: {summary.seeds}/{len(exploration.requested_seeds)} seeds, {summary.failed} failed, "
        f"{summary.void} void; {summary.simulated_s / 3600:.2f} simulated h, {summary.events} events, "
        f"{exploration.seeds_per_minute:.0f} seeds/min; {kinds}"
    )


def explanation(result: RunResult) -> Iterator[str]:
    """Yield the last trace records of a failed seed, and its violation."""
    yield from result.tail
    yield f"seed {result.seed}: {result.violation}"


def shrunk_lines(shrunk: ShrunkFailure, folder: Path) -> Iterator[str]:
    """Yield the result of shrinking a failure, its folder, and the command that replays it."""
    job, result = shrunk.job, shrunk.result
    if shrunk.plan is not None:
        before = "?" if shrunk.original.plan is None else len(shrunk.original.plan.faults)
        nodes = len(shrunk.plan.nodes)
        ended = "" if shrunk.is_complete else ", stopped by the time limit"
        operations = "the default operations"
        if job.operations is not None:
            operations = f"at most {job.operations} operation{'s' * (job.operations != 1)}"
        yield (
            f"shrunk in {shrunk.wall_s:.1f} s, {shrunk.tries} tries{ended}: {len(shrunk.plan.faults)} of "
            f"{before} faults, {nodes} nodes, {operations}, fails at {result.simulated_s:.3f} s"
        )
    yield f"saved: {folder}"
    yield f"replay: {shlex.join(['coterie', 'sim', job.scenario, '--replay', str(folder)])}"


def summary(job: Job, exploration: Exploration) -> Iterator[str]:
    """Yield the results of many seeds."""
    it, wall_s = exploration.summary, max(exploration.wall_s, 1e-9)
    ended = "interrupted after" if exploration.is_interrupted else "ran"
    pace = f"{it.simulated_s / 3600:.2f} simulated h ({it.simulated_s / wall_s:.0f} x real time)"
    yield (
        f"{job.scenario}: {ended} {it.seeds} seeds in {wall_s:.1f} s ({exploration.seeds_per_minute:.0f}/min): "
        f"{it.passed} passed, {it.failed} failed, {it.void} void; {it.operations} operations, {it.messages} messages "
        f"({it.messages / wall_s:.0f}/s), {it.events} events ({it.events / wall_s:.0f}/s), {pace}"
    )
    if it.fired:
        yield f"faults: {', '.join(f'{name} {count}' for name, count in sorted(it.fired.items()))}"
    if it.missed:
        yield f"never fired: {' '.join(it.missed)}"
    if it.void_seeds:
        yield f"void seeds: {_named(it.void_seeds)}"
        yield _reason(job, next(result for result in exploration.results if result.seed == it.void_seeds[0]))
    if it.failing_seeds:
        yield f"failing seeds: {_named(it.failing_seeds)}"
    yield f"result: {it.outcome.value}"


def command(
    job: Job, *, seed: int, seeds: int, jobs: int, plan_file: str | None, checks_determinism: bool = False
) -> str:
    """Return the command that runs seeds `seed` … `seed + seeds - 1` of `job`, or checks their determinism."""
    words = ["coterie", "sim", job.scenario, "--seed", str(seed), "--seeds", str(seeds)]
    if job.level is not None:
        words += ["--level", job.level.value]
    if job.profile != EVERYTHING:
        words += ["--profile", job.profile]
    for option, value in (("--nodes", job.nodes), ("--operations", job.operations), ("--plan", plan_file)):
        words += [] if value is None else [option, str(value)]
    words += [] if jobs == 1 else ["--jobs", str(jobs)]
    return shlex.join(words + (["--check-determinism"] if checks_determinism else []))


def facts(job: Job, exploration: Exploration, *, jobs: int) -> dict[str, object]:
    """Return the results as a JSON object (times in s)."""
    it, wall_s = exploration.summary, max(exploration.wall_s, 1e-9)
    return {
        "scenario": job.scenario,
        "level": find_scenario(job.scenario, job.level).level.value,
        "profile": job.profile if job.plan is None else job.plan.profile,
        "nodes": job.nodes if job.plan is None else len(job.plan.nodes),
        "jobs": jobs,
        "seeds": it.seeds,
        "passed": it.passed,
        "failed": it.failed,
        "void": it.void,
        "operations": it.operations,
        "messages": it.messages,
        "messages_per_s": round(it.messages / wall_s),
        "events": it.events,
        "events_per_s": round(it.events / wall_s),
        "simulated_s": round(it.simulated_s, 3),
        "wall_s": round(wall_s, 3),
        "realtime_factor": round(it.simulated_s / wall_s, 1),
        "seeds_per_minute": round(exploration.seeds_per_minute, 1),
        "failing_seeds": list(it.failing_seeds),
        "void_seeds": list(it.void_seeds),
        "fired": dict(sorted(it.fired.items())),
        "never_fired": list(it.missed),
        "interrupted": exploration.is_interrupted,
    }


def _reason(job: Job, void: RunResult) -> str:
    if void.void is not None:
        return f"seed {void.seed} is void: {void.void}"
    missed = void.missed()
    hint = f" (can such faults not occur here? @scenario(excluded_kinds={missed}))" if ":" in job.scenario else ""
    return f"seed {void.seed} is void: never fired: {' '.join(missed)}{hint}"


def _named(seeds: tuple[int, ...]) -> str:
    more = f" and {len(seeds) - _SEEDS_NAMED_MAX} more" if len(seeds) > _SEEDS_NAMED_MAX else ""
    return f"{' '.join(map(str, seeds[:_SEEDS_NAMED_MAX]))}{more}"
