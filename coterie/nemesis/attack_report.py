"""Attack report: formats the result of a nemesis attack as text lines and as JSON, and saves it in files."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping

from coterie.nemesis.attack import Attack
from coterie.protocols.checking.linearizability import history_lines, history_page
from coterie.protocols.faults.plan_format import dump_plan
from coterie.protocols.simulation.scenarios.run_result import RunResult
from coterie.runtime.observing.printable_text import printable

__all__ = ["explanation", "facts", "omissions", "replay", "save", "summary"]

PLAN_FILE = "plan.json"


def omissions(skipped: Mapping[str, int]) -> Iterator[str]:
    """Yield the faults that were left out of a plan."""
    if skipped:
        kinds = ", ".join(f"{name} {count}" for name, count in skipped.items())
        yield f"skipped, not supported by real processes: {kinds}"


def summary(result: RunResult) -> Iterator[str]:
    """Yield the result of a run."""
    yield (
        f"nemesis: {len(result.nodes)} nodes, {result.simulated_s:.1f} s, {result.operations} operations answered; "
        f"profile {result.profile or 'none'}, seed {result.seed}"
    )
    if result.fired:
        yield f"faults: {', '.join(f'{name} {count}' for name, count in result.fired.items())}"
    if missed := result.missed():
        yield f"never fired: {' '.join(missed)}"
    if result.void is not None:
        yield f"void: {result.void}"
    yield f"result: {result.outcome.value}"


def explanation(result: RunResult) -> Iterator[str]:
    """Yield the last records of the run, and the violation."""
    yield from result.tail
    if result.violation is not None:
        yield f"{result.violation.invariant} broken: {result.violation.detail}"


def replay(attack: Attack) -> str:
    """Return the command that runs the saved plan again."""
    options = attack.options
    words = [
        "coterie",
        "nemesis",
        str(options.folder / PLAN_FILE),
        "--seed",
        str(options.seed),
        "--clients",
        str(options.clients),
    ]
    return shlex.join(words)


def facts(attack: Attack, result: RunResult) -> dict[str, object]:
    """Return the result as a JSON object. Times in s; `by_group` counts operations."""
    return {
        "outcome": result.outcome.value,
        "profile": result.profile or None,
        "seed": result.seed,
        "nodes": list(result.nodes),
        "clients": attack.options.clients,
        "faults": len(attack.options.plan.faults),
        "fired": result.fired,
        "never_fired": result.missed(),
        "skipped": dict(attack.options.skipped),
        "operations": result.operations,
        "unknown": sum(each.returned_at is None for it in attack.recordings.by_group.values() for each in it.history),
        "by_group": {
            group: {
                "operations": len(recording.history),
                "answered": recording.answered,
                "linearizable": None if recording.result is None else recording.result.status.value,
            }
            for group, recording in attack.recordings.by_group.items()
        },
        "seconds": round(result.simulated_s, 2),
        "void": result.void,
        "violation": None if result.violation is None else result.violation.invariant,
        "detail": None if result.violation is None else result.violation.detail,
    }


def save(attack: Attack, result: RunResult | None) -> None:
    """Write the files of a run into its folder, beside the nodes' data and logs.

    | file | content |
    | --- | --- |
    | `plan.json` | the faults: `coterie nemesis FOLDER/plan.json` runs them again |
    | `trace.txt` | faults and leaders, one line each |
    | `history-GROUP.jsonl`, `timeline-GROUP.html` | the clients' operations |
    | `verdict.json` | the result |
    | `nodes/` | data directories and logs (`n1.log`) |

    Raises:
        OSError: a file cannot be written.
    """
    for name, text in _files(attack, result):
        (attack.options.folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")


def _files(attack: Attack, result: RunResult | None) -> Iterator[tuple[str, str]]:
    yield PLAN_FILE, dump_plan(attack.options.plan)
    yield "trace.txt", "".join(f"{printable(str(line))}\n" for line in attack.run_log.lines)
    for group, recording in attack.recordings.by_group.items():
        title = f"{group}, seed {attack.options.seed}"
        yield f"history-{group}.jsonl", "".join(f"{line}\n" for line in history_lines(recording.history))
        yield f"timeline-{group}.html", history_page(recording.history, recording.result, title=title)
    if result is not None:
        yield "verdict.json", json.dumps(facts(attack, result), indent=2) + "\n"
