"""What is kept of a failure: a folder that shows it, and from which it can be run again.

| file | what |
| --- | --- |
| `case.json` | everything a replay needs: `coterie sim SCENARIO --replay FOLDER` |
| `plan.json` | the faults alone, for other runs and for real processes |
| `trace.txt` | everything that happened, one line each |
| `history.jsonl`, `timeline.html` | what the clients asked and saw, if the scenario has recorded it |
| `sequence.svg` | the last messages before the failure |
| `log.txt` | what the simulated nodes logged last, if they did |
| `verdict.json` | what broke, where and when, and what it was cut down from |
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from coterie.exploring.failure_shrinking import Reduction
from coterie.exploring.saved_case import CASE_FILE, SavedCase, dump_case
from coterie.exploring.sequence_chart import sequence_chart
from coterie.protocols.checking.linearizability import history_lines, timeline
from coterie.protocols.faults.plan_format import dump_plan
from coterie.protocols.simulation.scenarios.run_outcome import Verdict

__all__ = ["folder_for", "save"]


def folder_for(runs: Path, scenario: str, seed: int) -> Path:
    """Return where the failure of `seed` belongs; whatever cannot stand in a file's name becomes a dash."""
    return runs / f"{re.sub(r'[^A-Za-z0-9_.]+', '-', scenario)}-{seed}"


def save(reduction: Reduction, folder: Path) -> None:
    """Write everything about a failure into `folder`, which is made; files of an earlier run are replaced.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = dict(_files(reduction))
    for name in _NAMES:
        (folder / name).unlink(missing_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


_NAMES = (
    CASE_FILE, "plan.json", "trace.txt", "history.jsonl", "timeline.html", "sequence.svg", "log.txt", "verdict.json",
)  # fmt: skip


def _files(reduction: Reduction) -> Iterator[tuple[str, str]]:
    verdict, job = reduction.verdict, reduction.job
    ending = str(verdict.violation or "")
    title = f"{job.scenario}, seed {verdict.seed}"
    yield CASE_FILE, dump_case(SavedCase(job, ending))
    if reduction.plan is not None:
        yield "plan.json", dump_plan(reduction.plan)
    yield "trace.txt", "".join(f"{line}\n" for line in verdict.trace)
    if verdict.history is not None:
        yield "history.jsonl", "".join(f"{line}\n" for line in history_lines(verdict.history))
        yield "timeline.html", timeline(verdict.history, verdict.linearizability, title=title)
    yield "sequence.svg", sequence_chart(verdict.trace, verdict.nodes, title=title, ending=ending)
    if reduction.log:
        yield "log.txt", "".join(f"{line}\n" for line in reduction.log)
    yield "verdict.json", json.dumps(_facts(reduction), indent=2) + "\n"


def _facts(reduction: Reduction) -> dict[str, object]:
    return {
        "scenario": reduction.job.scenario,
        "level": None if reduction.job.level is None else reduction.job.level.value,
        **_outcome(reduction.verdict),
        "faults": None if reduction.plan is None else len(reduction.plan.faults),
        "trace_hash": reduction.verdict.digest,
        "tries": reduction.tries,
        "wall_s": round(reduction.wall_s, 3),
        "is_smallest": reduction.is_complete,
        "found": _outcome(reduction.found),
    }


def _outcome(verdict: Verdict) -> dict[str, object]:
    violation = verdict.violation
    broke = (
        None
        if violation is None
        else {
            "invariant": violation.invariant,
            "detail": violation.detail,
            "node": violation.node,
            "step": violation.step,
            "time_s": violation.time_s,
        }
    )
    return {
        "seed": verdict.seed,
        "profile": verdict.profile,
        "nodes": list(verdict.nodes),
        "outcome": verdict.outcome.value,
        "violation": broke,
        "operations": verdict.operations,
        "events": verdict.events,
        "simulated_s": verdict.simulated_s,
        "fired": verdict.fired,
    }
