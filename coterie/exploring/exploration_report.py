"""What exploring tells people, line by line, and programs, as facts."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from coterie.exploring.failure_shrinking import Reduction
from coterie.exploring.run_jobs import Job
from coterie.exploring.scenario_discovery import find
from coterie.exploring.seed_exploration import Exploration
from coterie.protocols.simulation.scenarios.protocol_scenarios import EVERYTHING
from coterie.protocols.simulation.scenarios.run_outcome import Verdict

__all__ = ["command", "explanation", "facts", "progress", "reduced", "summary"]

_MOST_NAMED = 20


def progress(job: Job, found: Exploration) -> str:
    """Return where an exploration stands, in one line."""
    summary = found.summary
    kinds = f"{len(summary.fired)} kinds of faults fired"
    if summary.missed:
        kinds += f", not yet: {' '.join(summary.missed)}"
    return (
        f"{job.scenario}: {summary.seeds}/{len(found.wanted)} seeds, {summary.failed} failed, {summary.void} void; "
        f"{summary.simulated_s / 3600:.2f} simulated h, {summary.events} events, "
        f"{found.seeds_per_minute:.0f} seeds/min; {kinds}"
    )


def explanation(verdict: Verdict) -> Iterator[str]:
    """Tell how a seed failed: what happened last, and what that broke."""
    yield from verdict.tail
    yield f"seed {verdict.seed}: {verdict.violation}"


def reduced(reduction: Reduction, folder: Path) -> Iterator[str]:
    """Tell what became of a failure, and the one command that shows it again."""
    job, verdict = reduction.job, reduction.verdict
    if reduction.plan is not None:
        before = "?" if reduction.found.plan is None else len(reduction.found.plan.faults)
        nodes = len(reduction.plan.nodes)
        ended = "" if reduction.is_complete else ", time was up"
        operations = "the usual operations"
        if job.operations is not None:
            operations = f"at most {job.operations} operation{'s' * (job.operations != 1)}"
        yield (
            f"cut down in {reduction.wall_s:.1f} s, {reduction.tries} tries{ended}: {len(reduction.plan.faults)} of "
            f"{before} faults, {nodes} nodes, {operations}, fails at {verdict.simulated_s:.3f} s"
        )
    yield f"saved: {folder}"
    yield f"replay: {shlex.join(['coterie', 'sim', job.scenario, '--replay', str(folder)])}"


def summary(job: Job, found: Exploration) -> Iterator[str]:
    """Tell what many seeds came to."""
    it, wall_s = found.summary, max(found.wall_s, 1e-9)
    ended = "interrupted after" if found.is_interrupted else "ran"
    pace = f"{it.simulated_s / 3600:.2f} simulated h ({it.simulated_s / wall_s:.0f} x real time)"
    yield (
        f"{job.scenario}: {ended} {it.seeds} seeds in {wall_s:.1f} s ({found.seeds_per_minute:.0f}/min): "
        f"{it.passed} passed, {it.failed} failed, {it.void} void; {it.operations} operations, {it.messages} messages "
        f"({it.messages / wall_s:.0f}/s), {it.events} events ({it.events / wall_s:.0f}/s), {pace}"
    )
    if it.fired:
        yield f"faults: {', '.join(f'{name} {count}' for name, count in sorted(it.fired.items()))}"
    if it.missed:
        yield f"never fired: {' '.join(it.missed)}"
    if it.void_seeds:
        yield f"void seeds: {_named(it.void_seeds)}"
        yield _reason(job, next(verdict for verdict in found.verdicts if verdict.seed == it.void_seeds[0]))
    if it.failing_seeds:
        yield f"failing seeds: {_named(it.failing_seeds)}"
    yield f"verdict: {it.outcome.value}"


def command(job: Job, *, seed: int, seeds: int, jobs: int, plan_file: str | None, is_double: bool = False) -> str:
    """Return the command that runs `seeds` seeds of `job` from `seed` on; `is_double`: to check their determinism."""
    words = ["coterie", "sim", job.scenario, "--seed", str(seed), "--seeds", str(seeds)]
    if job.level is not None:
        words += ["--level", job.level.value]
    if job.profile != EVERYTHING:
        words += ["--profile", job.profile]
    for option, value in (("--nodes", job.nodes), ("--operations", job.operations), ("--plan", plan_file)):
        words += [] if value is None else [option, str(value)]
    words += [] if jobs == 1 else ["--jobs", str(jobs)]
    return shlex.join(words + (["--check-determinism"] if is_double else []))


def facts(job: Job, found: Exploration, *, jobs: int) -> dict[str, object]:
    """Return the facts for programs."""
    it, wall_s = found.summary, max(found.wall_s, 1e-9)
    return {
        "scenario": job.scenario,
        "level": find(job.scenario, job.level).level.value,
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
        "seeds_per_minute": round(found.seeds_per_minute, 1),
        "failing_seeds": list(it.failing_seeds),
        "void_seeds": list(it.void_seeds),
        "fired": dict(sorted(it.fired.items())),
        "never_fired": list(it.missed),
        "interrupted": found.is_interrupted,
    }


def _reason(job: Job, void: Verdict) -> str:
    if void.void is not None:
        return f"seed {void.seed} is void: {void.void}"
    missed = void.missed()
    hint = f" (nothing there to strike? @scenario(leaves_out={missed}))" if ":" in job.scenario else ""
    return f"seed {void.seed} is void: never fired: {' '.join(missed)}{hint}"


def _named(seeds: tuple[int, ...]) -> str:
    more = f" and {len(seeds) - _MOST_NAMED} more" if len(seeds) > _MOST_NAMED else ""
    return f"{' '.join(map(str, seeds[:_MOST_NAMED]))}{more}"
