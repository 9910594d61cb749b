"""`coterie sim mutants`: simulates clusters with deliberate bugs, and prints which bugs the checkers find."""

from __future__ import annotations

from collections.abc import Sequence

from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.json_envelope import Code, problems
from coterie.exploring.mutant_jobs import ALL_MUTANTS, TimedMutantResult, mutant_named, run_mutant_jobs
from coterie.protocols.simulation.mutants import MutantTrial
from coterie.protocols.simulation.scenarios.protocol_scenarios import EVERYTHING

__all__ = ["run_mutants"]

WIDTHS = (max(len(mutant.name) for mutant in ALL_MUTANTS), 30, 26, 9, 6, 6, 6)
TITLES = ("mutant", "killed by", "how", "level", "seeds", "s", "clean")


def run_mutants(out: CommandOutput, *, only: Sequence[str], jobs: int) -> int:
    """Run all mutants (or `only` these) and print a line for each; return the exit code: 1 if any survives.

    Raises:
        MutantError: there is no such mutant; the nearest is named.
    """
    names = [mutant_named(name).name for name in only] or [mutant.name for mutant in ALL_MUTANTS]
    out.say([_line(TITLES)])
    results = run_mutant_jobs(names, processes=jobs, on_result=lambda timed: out.say([_line(_row(timed))]))
    survivors = [timed.result.name for timed in results if not timed.result.is_success]
    killed = len(results) - len(survivors)
    out.show(
        {"killed": killed, "survived": len(survivors), "mutants": list(map(_facts, results))},
        [_kill_counts(results), f"{killed} killed, {len(survivors)} survived"],
        verdict="failed" if survivors else "passed",
        errors=problems(Code.FAILED, (f"mutant {name} survived" for name in survivors)),
    )
    return 1 if survivors else 0


def _kill_counts(results: Sequence[TimedMutantResult]) -> str:
    by_profile = sum(timed.result.is_success and timed.trial.is_random for timed in results)
    directed = sum(timed.result.is_success and not timed.trial.is_random for timed in results)
    return f"{by_profile} under the profile {EVERYTHING}, {directed} in directed scenarios"


def _row(timed: TimedMutantResult) -> tuple[str, ...]:
    result, trial = timed.result, timed.trial
    killed_by = result.killed_by or f"SURVIVED {result.seeds} seeds"
    clean = "passes" if result.false_alarm is None else f"FAILS {result.false_alarm}"
    return result.name, killed_by, _how(trial), trial.level.value, str(result.seeds), f"{timed.wall_s:.1f}", clean


def _how(trial: MutantTrial) -> str:
    return f"{EVERYTHING} ({trial.name})" if trial.is_random else f"directed ({trial.name})"


def _line(cells: Sequence[str]) -> str:
    *words, seeds, seconds, clean = (f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True))
    return " ".join([*words, f"{seeds.strip():>5}", f"{seconds.strip():>6}", "", clean.strip()])


def _facts(timed: TimedMutantResult) -> dict[str, object]:
    result, trial = timed.result, timed.trial
    return {
        "mutant": result.name,
        "killed_by": result.killed_by,
        "how": "profile" if trial.is_random else "directed",
        "where": trial.name,
        "level": trial.level.value,
        "seed": result.seed,
        "seeds": result.seeds,
        "wall_s": round(timed.wall_s, 3),
        "alarm": result.false_alarm,
    }
