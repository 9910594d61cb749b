"""`SavedCase`: saves and loads a simulation run as JSON, for replays and for the regression runs in `tests/corpus`.

Replaying a seed: a run follows from scenario, level, seed, plan (or profile and number of nodes) and operations.
This module stores them; `cli/sim_run.py` (`--replay`) reads them; `run_jobs.run_job` runs them again. The scenario
draws all randomness from the seed (`protocols/simulation/protocol_world.py`,
`runtime/hosts/simulation/simulated_world.py`), and `fixed_hash_seed.py` fixes the string hashes.

    {"format": 1, "scenario": "raft", "level": "protocol", "seed": 17, "profile": "everything", "nodes": 3,
     "operations": 8, "note": "entries of old terms were committed by counting", "plan": {…}}

`scenario` and `seed` are required. Without a `plan` one is drawn with the seed from `profile`; with one the nodes are
those of the plan.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from coterie.errors import PlanError
from coterie.exploring.run_jobs import Job
from coterie.protocols.faults.kinds.fault_kinds import Level
from coterie.protocols.faults.nearest_name import hint
from coterie.protocols.faults.plan_format import decode_plan, encode_plan
from coterie.protocols.simulation.scenarios.protocol_scenarios import EVERYTHING

__all__ = ["CASE_FILE", "SavedCase", "dump_case", "load_case", "read_case", "read_plan_or_case"]

T = TypeVar("T")

CASE_FILE = "case.json"
FORMAT = 1
FIELDS = ("format", "scenario", "level", "seed", "profile", "nodes", "operations", "note", "plan")


@dataclass(frozen=True, slots=True)
class SavedCase:
    """A run, and a note with the reason for saving it."""

    job: Job
    note: str = ""


def dump_case(case: SavedCase) -> str:
    """Return `case` as JSON text with one line per fault."""
    job = case.job
    facts: dict[str, object] = {"format": FORMAT, "scenario": job.scenario}
    if job.level is not None:
        facts["level"] = job.level.value
    facts |= {"seed": job.seed, "profile": job.profile}
    optional = {"nodes": job.nodes, "operations": job.operations, "note": case.note or None}
    facts |= {name: value for name, value in optional.items() if value is not None}
    if job.plan is None:
        return json.dumps(facts) + "\n"
    plan = encode_plan(job.plan)
    faults = plan.pop("faults")
    lines = ",\n  ".join(json.dumps(fault) for fault in faults) if isinstance(faults, list) else ""
    listed = f"[\n  {lines}\n]" if lines else "[]"
    return f'{json.dumps(facts)[:-1]}, "plan": {json.dumps(plan)[:-1]}, "faults": {listed}}}}}\n'


def load_case(text: str) -> SavedCase:
    """Return the case that `text` (JSON) holds.

    Raises:
        PlanError: it is not a case; the error names the wrong part.
    """
    facts = _object(text)
    for name in facts:
        if name not in FIELDS:
            raise PlanError(f"a case has no field {name!r}{hint(name, FIELDS)}")
    if facts.get("format", FORMAT) != FORMAT:
        raise PlanError(f"the case has format {facts['format']!r}, but this release reads format {FORMAT}")
    level = facts.get("level")
    plan = facts.get("plan")
    job = Job(
        scenario=_text(facts, "scenario"),
        seed=_number(facts, "seed"),
        level=None if level is None else _level(level),
        profile=_text(facts, "profile", EVERYTHING),
        nodes=_number(facts, "nodes") if "nodes" in facts else None,
        operations=_number(facts, "operations") if "operations" in facts else None,
        plan=None if plan is None else decode_plan(plan),
    )
    return SavedCase(job, _text(facts, "note", ""))


def read_case(path: Path) -> SavedCase:
    """Return the case in the file `path`, or in the run folder `path`.

    Raises:
        PlanError: there is no such file, or no case in it; the error names the file.
    """
    file = path / CASE_FILE if path.is_dir() else path
    return _named(file, load_case)


def read_plan_or_case(path: Path) -> Job:
    """Return a job with the plan in the file or run folder `path`: a plan alone, or a whole case.

    Raises:
        PlanError: there is no such file, or no plan in it; the error names the file.
    """
    file = path / CASE_FILE if path.is_dir() else path
    return _named(file, _job_with_plan)


def _job_with_plan(text: str) -> Job:
    if "faults" in (facts := _object(text)):
        return Job("", 0, plan=decode_plan(facts))
    job = load_case(text).job
    if job.plan is None:
        raise PlanError("the case has no plan of its own: it is drawn from its seed")
    return job


def _named(file: Path, load: Callable[[str], T]) -> T:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise PlanError(f"there is no file {str(file)!r}{_nearest(file)}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"cannot read {str(file)!r}: {error}") from error
    try:
        return load(text)
    except PlanError as error:
        raise PlanError(f"{str(file)!r}: {error}") from error


def _nearest(missing: Path) -> str:
    """Return a hint at the file or run folder beside `missing` with the most similar name, "" if there is none."""
    there = {
        path.name: path for path in missing.parent.glob("*") if path.suffix == ".json" or (path / CASE_FILE).exists()
    }
    near = difflib.get_close_matches(missing.name, there, n=1)
    return f": did you mean {str(there[near[0]])!r}?" if near else ""


def _object(text: str) -> Mapping[str, object]:
    try:
        facts = json.loads(text)
    except ValueError as error:
        raise PlanError(f"it is not JSON: {error}") from error
    if not isinstance(facts, dict):
        raise PlanError("it is not a JSON object")
    return facts


def _text(facts: Mapping[str, object], name: str, default: str | None = None) -> str:
    value = facts.get(name, default)
    if not isinstance(value, str):
        raise PlanError(f"the field {name!r} of a case must be a string, not {value!r}")
    return value


def _number(facts: Mapping[str, object], name: str) -> int:
    value = facts.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise PlanError(f"the field {name!r} of a case must be a whole number, not {value!r}")
    return value


def _level(value: object) -> Level:
    names = [level.value for level in Level]
    if value not in names:
        raise PlanError(f"the case has the unknown level {value!r}{hint(str(value), names)}")
    return Level(value)
