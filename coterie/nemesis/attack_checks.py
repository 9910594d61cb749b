"""Attack checks: checks the clients' histories after a nemesis attack for lost writes and linearizability."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from coterie.actors.simulation.checkers.history_recording import GroupRecording, Recordings
from coterie.protocols.checking.linearizability import Datum, History, Key, Status, check
from coterie.protocols.checking.violation import Violation

__all__ = ["check_histories", "undecided_groups"]


def check_histories(recordings: Recordings, *, now_s: float) -> Violation | None:
    """Check all histories of a run; return the first violated invariant.

    | invariant | broken when |
    | --- | --- |
    | `nemesis.lost_write` | an acknowledged append is missing in the last whole list that was read after it |
    | `nemesis.doubled_write` | an append is in a list twice |
    | `linearizability` | no order of a history's operations explains what the clients saw |

    Each recording keeps its check result. The first two follow from the third; they are checked separately because
    their messages are direct, and because they share only the history with the linearizability checker.
    """
    for recording in recordings.by_group.values():
        recording.result = check(recording.history, recording.model)
    found = [*_violations(recordings)]
    step = recordings.answered
    return Violation(*found[0], node=None, step=step, time_s=now_s) if found else None


def undecided_groups(recordings: Recordings) -> list[str]:
    """Return the groups whose histories could not be checked within the checker's budget."""
    return [
        group for group, each in recordings.by_group.items() if each.result and each.result.status is Status.UNKNOWN
    ]


def _violations(recordings: Recordings) -> Iterator[tuple[str, str]]:
    for recording in recordings.by_group.values():
        yield from _list_violations(recording.history)
    for recording in recordings.by_group.values():
        yield from _linearizability_violations(recording)


def _linearizability_violations(recording: GroupRecording) -> Iterator[tuple[str, str]]:
    result = recording.result
    if result is not None and result.status is Status.VIOLATION:
        yield "linearizability", f"group {recording.group!r}: {result.text}"


def _list_violations(history: History) -> Iterator[tuple[str, str]]:
    read: dict[Key, tuple[int, tuple[Datum, ...]]] = {}  # by key: the invocation of the last read, and its result
    appends: dict[Key, list[tuple[int, Datum]]] = {}  # by key: the acknowledgement of each append
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
                f"list {key!r} lacks {lost!r:.200}: {len(lost)} acknowledged appends are lost",
            )
