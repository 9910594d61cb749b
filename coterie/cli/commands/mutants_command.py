"""`coterie sim mutants`: simulates clusters with deliberate bugs, and prints which bugs the checkers find."""

from __future__ import annotations

from collections.abc import Sequence

from coterie.exploring.mutant_jobs import ALL_MUTANTS, TimedMutantResult, mutant_named, run_mutant_jobs
from coterie.protocols.simulation.mutants import MutantTrial
from coterie.protocols.simulation.scenarios.protocol_scenarios import EVERYTHING
from coterie.terminal_output import print_json, print_lines

__all__ = ["run_mutants"]

WIDTHS = (max(len(mutant.name) for mutant in ALL_MUTANTS), 30, 26, 9, 6, 6, 6)
TITLES = ("mutant", "killed by", "how", "level", "seeds", "s", "clean")


def run_mutants(*, only: Sequence[str], jobs: int, is_json: bool) -> int:
    """Run all mutants (or `only` these) and print a line for each; return the exit code: 1 if any survives.

    Raises:
        MutantError: there is no such mutant; the nearest is named.
    """
    names = [mutant_named(name).name for name in only] or [mutant.name for mutant in ALL_MUTANTS]
    print_lines([_line(TITLES)])
    results = run_mutant_jobs(
        names, processes=jobs, on_result=lambda timed: print_lines([_line(_row(timed))], flush=True)
    )
    killed = sum(timed.result.is_success for timed in results)
    survived = len(results) - killed
    if is_json:
        facts = [_facts(timed) for timed in results]
        print_json({"scenario": "mutants", "killed": killed, "survived": survived, "mutants": facts})
    else:
        _print_kill_counts(results)
        print_lines([f"{killed} killed, {survived} survived"])
    return 1 if survived else 0


def _print_kill_counts(results: Sequence[TimedMutantResult]) -> None:
    by_profile = sum(timed.result.is_success and timed.trial.is_random for timed in results)
    directed = sum(timed.result.is_success and not timed.trial.is_random for timed in results)
    print_lines([f"{by_profile} under the profile {EVERYTHING}, {directed} in directed scenarios"])


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
