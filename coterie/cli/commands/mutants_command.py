"""`coterie sim mutants`: deliberate bugs, each of which the judges must catch, in a table."""

from __future__ import annotations

import json
from collections.abc import Sequence

from coterie.exploring.mutant_jobs import ALL_MUTANTS, Catch, hunt_all, mutant_named
from coterie.protocols.simulation.mutants import Trial
from coterie.protocols.simulation.scenarios.protocol_scenarios import EVERYTHING

__all__ = ["run_mutants"]

WIDTHS = (max(len(mutant.name) for mutant in ALL_MUTANTS), 30, 26, 9, 6, 6, 6)
TITLES = ("mutant", "killed by", "how", "level", "seeds", "s", "clean")


def run_mutants(*, only: Sequence[str], jobs: int, is_json: bool) -> int:
    """Hunt all mutants (or `only` those), and print a line for each; return the exit code: 1 if any survives.

    Raises:
        MutantError: there is no such mutant; the nearest is named.
    """
    names = [mutant_named(name).name for name in only] or [mutant.name for mutant in ALL_MUTANTS]
    print(_line(TITLES))
    catches = hunt_all(names, processes=jobs, caught=lambda catch: print(_line(_row(catch)), flush=True))
    killed = sum(catch.hunt.is_success for catch in catches)
    survived = len(catches) - killed
    if is_json:
        facts = [_facts(catch) for catch in catches]
        print(json.dumps({"scenario": "mutants", "killed": killed, "survived": survived, "mutants": facts}))
    else:
        _tell_how_they_fell(catches)
        print(f"{killed} killed, {survived} survived")
    return 1 if survived else 0


def _tell_how_they_fell(catches: Sequence[Catch]) -> None:
    by_profile = sum(catch.hunt.is_success and catch.trial.is_random for catch in catches)
    directed = sum(catch.hunt.is_success and not catch.trial.is_random for catch in catches)
    print(f"{by_profile} under the profile {EVERYTHING}, {directed} in directed scenarios")


def _row(catch: Catch) -> tuple[str, ...]:
    hunt, trial = catch.hunt, catch.trial
    killed_by = hunt.killed_by or f"SURVIVED {hunt.seeds} seeds"
    clean = "passes" if hunt.alarm is None else f"FAILS {hunt.alarm}"
    return hunt.name, killed_by, _how(trial), trial.level.value, str(hunt.seeds), f"{catch.wall_s:.1f}", clean


def _how(trial: Trial) -> str:
    return f"{EVERYTHING} ({trial.name})" if trial.is_random else f"directed ({trial.name})"


def _line(cells: Sequence[str]) -> str:
    *words, seeds, seconds, clean = (f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True))
    return " ".join([*words, f"{seeds.strip():>5}", f"{seconds.strip():>6}", "", clean.strip()])


def _facts(catch: Catch) -> dict[str, object]:
    hunt, trial = catch.hunt, catch.trial
    return {
        "mutant": hunt.name,
        "killed_by": hunt.killed_by,
        "how": "profile" if trial.is_random else "directed",
        "where": trial.name,
        "level": trial.level.value,
        "seed": hunt.seed,
        "seeds": hunt.seeds,
        "wall_s": round(catch.wall_s, 3),
        "alarm": hunt.alarm,
    }
