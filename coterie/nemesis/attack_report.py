"""What came out of a run, for people, for programs, and on disk."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping

from coterie.nemesis.attack import Attack
from coterie.protocols.checking.linearizability import history_lines, timeline
from coterie.protocols.faults.plan_format import dump_plan
from coterie.protocols.simulation.scenarios.run_outcome import Verdict

__all__ = ["explanation", "facts", "omissions", "replay", "save", "summary"]

PLAN_FILE = "plan.json"


def omissions(skipped: Mapping[str, int]) -> Iterator[str]:
    """Tell which faults of a plan are not carried out."""
    if skipped:
        kinds = ", ".join(f"{name} {count}" for name, count in skipped.items())
        yield f"skipped, since no real process can suffer it: {kinds}"


def summary(verdict: Verdict) -> Iterator[str]:
    """Tell what a run came to."""
    yield (
        f"nemesis: {len(verdict.nodes)} nodes, {verdict.simulated_s:.1f} s, {verdict.operations} operations answered; "
        f"profile {verdict.profile or 'none'}, seed {verdict.seed}"
    )
    if verdict.fired:
        yield f"faults: {', '.join(f'{name} {count}' for name, count in verdict.fired.items())}"
    if missed := verdict.missed():
        yield f"never fired: {' '.join(missed)}"
    if verdict.void is not None:
        yield f"void: {verdict.void}"
    yield f"verdict: {verdict.outcome.value}"


def explanation(verdict: Verdict) -> Iterator[str]:
    """Tell what happened last, and what does not hold."""
    yield from verdict.tail
    if verdict.violation is not None:
        yield f"{verdict.violation.invariant} broken: {verdict.violation.detail}"


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


def facts(attack: Attack, verdict: Verdict) -> dict[str, object]:
    """Return the facts for programs. Times in s; `by_group` counts operations."""
    return {
        "outcome": verdict.outcome.value,
        "profile": verdict.profile or None,
        "seed": verdict.seed,
        "nodes": list(verdict.nodes),
        "clients": attack.options.clients,
        "faults": len(attack.options.plan.faults),
        "fired": verdict.fired,
        "never_fired": verdict.missed(),
        "skipped": dict(attack.options.skipped),
        "operations": verdict.operations,
        "unknown": sum(each.returned_at is None for it in attack.ledger.by_group.values() for each in it.history),
        "by_group": {
            group: {
                "operations": len(recording.history),
                "answered": recording.answered,
                "linearizable": None if recording.verdict is None else recording.verdict.status.value,
            }
            for group, recording in attack.ledger.by_group.items()
        },
        "seconds": round(verdict.simulated_s, 2),
        "void": verdict.void,
        "violation": None if verdict.violation is None else verdict.violation.invariant,
        "detail": None if verdict.violation is None else verdict.violation.detail,
    }


def save(attack: Attack, verdict: Verdict | None) -> None:
    """Write what is known of a run into its folder, beside the nodes' data and logs.

    | file | what |
    | --- | --- |
    | `plan.json` | the faults: `coterie nemesis FOLDER/plan.json` runs them again |
    | `trace.txt` | faults and leaders, one line each |
    | `history-GROUP.jsonl`, `timeline-GROUP.html` | what the clients asked and saw |
    | `verdict.json` | what it came to |
    | `nodes/` | data directories and logs (`n1.log`) |

    Raises:
        OSError: it cannot be written.
    """
    for name, text in _files(attack, verdict):
        (attack.options.folder / name).write_text(text, encoding="utf-8")


def _files(attack: Attack, verdict: Verdict | None) -> Iterator[tuple[str, str]]:
    yield PLAN_FILE, dump_plan(attack.options.plan)
    yield "trace.txt", "".join(f"{line}\n" for line in attack.story.lines)
    for group, recording in attack.ledger.by_group.items():
        title = f"{group}, seed {attack.options.seed}"
        yield f"history-{group}.jsonl", "".join(f"{line}\n" for line in history_lines(recording.history))
        yield f"timeline-{group}.html", timeline(recording.history, recording.verdict, title=title)
    if verdict is not None:
        yield "verdict.json", json.dumps(facts(attack, verdict), indent=2) + "\n"
