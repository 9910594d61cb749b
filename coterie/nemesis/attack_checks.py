"""What is claimed at the end of a run, and how it is judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from coterie.actors.simulation.checkers.history_recording import Ledger, Recording
from coterie.protocols.checking.linearizability import Datum, History, Key, Status, check
from coterie.protocols.checking.violation import Violation

__all__ = ["judge", "undecided"]


def judge(ledger: Ledger, *, now_s: float) -> Violation | None:
    """Judge all histories of a run; return the first claim that does not hold.

    | claim | broken when |
    | --- | --- |
    | `nemesis.lost_write` | an acknowledged append is missing in the last whole list that was read after it |
    | `nemesis.doubled_write` | an append is in a list twice |
    | `linearizability` | no order of a history's operations explains what the clients saw |

    Each recording keeps its verdict. The first two follow from the third; they are judged apart because they say
    at once what happened, and share nothing with the checker but the history.
    """
    for recording in ledger.by_group.values():
        recording.verdict = check(recording.history, recording.model)
    found = [*_broken(ledger)]
    step = ledger.answered
    return Violation(*found[0], node=None, step=step, time_s=now_s) if found else None


def undecided(ledger: Ledger) -> list[str]:
    """Return the groups whose histories could not be judged within the checker's budget."""
    return [group for group, each in ledger.by_group.items() if each.verdict and each.verdict.status is Status.UNKNOWN]


def _broken(ledger: Ledger) -> Iterator[tuple[str, str]]:
    for recording in ledger.by_group.values():
        yield from _lists(recording.history)
    for recording in ledger.by_group.values():
        yield from _order(recording)


def _order(recording: Recording) -> Iterator[tuple[str, str]]:
    verdict = recording.verdict
    if verdict is not None and verdict.status is Status.VIOLATION:
        yield "linearizability", f"group {recording.group!r}: {verdict.text}"


def _lists(history: History) -> Iterator[tuple[str, str]]:
    read: dict[Key, tuple[int, tuple[Datum, ...]]] = {}  # by key: when the last read began, and what it saw
    appends: dict[Key, list[tuple[int, Datum]]] = {}  # by key: when each was acknowledged
    for operation in history.operations:
        match operation.input, operation.output:
            case ("read",), tuple() as seen if operation.returned_at is not None:
                read[operation.key] = (operation.invoked_at, seen)
            case ("append", item), _ if operation.returned_at is not None:
                appends.setdefault(operation.key, []).append((operation.returned_at, item))
    for key, (began_at, seen) in read.items():
        count = Counter(seen)
        if doubled := [item for item, times in count.items() if times > 1]:
            yield "nemesis.doubled_write", f"list {key!r} holds {doubled[0]!r} {count[doubled[0]]} times"
        if lost := [item for ended_at, item in appends.get(key, ()) if ended_at < began_at and item not in count]:
            yield (
                "nemesis.lost_write",
                f"list {key!r} lacks {lost!r:.200}, which {len(lost)} clients were told it holds",
            )
