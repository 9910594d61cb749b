"""Failure folder: writes a folder for a failed simulation run, with its trace, log and history, and a replayable case.

| file | content |
| --- | --- |
| `case.json` | everything a replay needs: `coterie sim SCENARIO --replay FOLDER` |
| `plan.json` | the faults alone, for other runs and for real processes |
| `trace.txt` | the whole trace, one line per record |
| `history.jsonl`, `timeline.html` | the clients' operations, if the scenario recorded them |
| `sequence.svg` | the last messages before the failure |
| `log.txt` | the last log records of the simulated nodes, if there are any |
| `verdict.json` | the violation (invariant, node, step, time), and the failure before shrinking |
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from coterie.exploring.failure_shrinking import ShrunkFailure
from coterie.exploring.saved_case import CASE_FILE, SavedCase, dump_case
from coterie.exploring.sequence_chart import sequence_chart
from coterie.protocols.checking.linearizability import history_lines, history_page
from coterie.protocols.faults.plan_format import dump_plan
from coterie.protocols.simulation.scenarios.run_result import RunResult
from coterie.runtime.observing.printable_text import printable

__all__ = ["folder_for", "save"]

LINE_BREAK = "\n"  # in a log record, before each line of its traceback


def folder_for(runs: Path, scenario: str, seed: int) -> Path:
    """Return the folder for the failure of `seed`; characters that do not fit a file name become dashes."""
    return runs / f"{re.sub(r'[^A-Za-z0-9_.]+', '-', scenario)}-{seed}"


def save(shrunk: ShrunkFailure, folder: Path) -> None:
    """Write all files of a failure into `folder`, created if missing; files of an earlier run are replaced.

    Raises:
        OSError: a file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = dict(_files(shrunk))
    for name in _NAMES:
        (folder / name).unlink(missing_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")


_NAMES = (
    CASE_FILE, "plan.json", "trace.txt", "history.jsonl", "timeline.html", "sequence.svg", "log.txt", "verdict.json",
)  # fmt: skip


def _files(shrunk: ShrunkFailure) -> Iterator[tuple[str, str]]:
    result, job = shrunk.result, shrunk.job
    ending = str(result.violation or "")
    title = f"{job.scenario}, seed {result.seed}"
    yield CASE_FILE, dump_case(SavedCase(job, ending))
    if shrunk.plan is not None:
        yield "plan.json", dump_plan(shrunk.plan)
    yield "trace.txt", "".join(f"{printable(str(line))}\n" for line in result.trace)
    if result.history is not None:
        yield "history.jsonl", "".join(f"{line}\n" for line in history_lines(result.history))
        yield "timeline.html", history_page(result.history, result.linearizability, title=title)
    yield "sequence.svg", sequence_chart(result.trace, result.nodes, title=title, ending=ending)
    if shrunk.log:
        yield "log.txt", "".join(f"{printable(line, keep=LINE_BREAK)}\n" for line in shrunk.log)
    yield "verdict.json", json.dumps(_facts(shrunk), indent=2) + "\n"


def _facts(shrunk: ShrunkFailure) -> dict[str, object]:
    return {
        "scenario": shrunk.job.scenario,
        "level": None if shrunk.job.level is None else shrunk.job.level.value,
        **_outcome(shrunk.result),
        "faults": None if shrunk.plan is None else len(shrunk.plan.faults),
        "trace_hash": shrunk.result.digest,
        "tries": shrunk.tries,
        "wall_s": round(shrunk.wall_s, 3),
        "is_smallest": shrunk.is_complete,
        "found": _outcome(shrunk.original),
    }


def _outcome(result: RunResult) -> dict[str, object]:
    violation = result.violation
    violation_facts = (
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
        "seed": result.seed,
        "profile": result.profile,
        "nodes": list(result.nodes),
        "outcome": result.outcome.value,
        "violation": violation_facts,
        "operations": result.operations,
        "events": result.events,
        "simulated_s": result.simulated_s,
        "fired": result.fired,
    }
