"""`MemberRow`: merges the opinions of several nodes into one row per member, for `coterie members`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from coterie.actors.detection.detector_messages import MemberLine, MembersReport
from coterie.errors import CoterieError

__all__ = ["MemberRow", "MembersByNode", "member_rows", "member_table"]

MembersByNode = Mapping[str, MembersReport | CoterieError]
"""The report of each node, or the error in its place."""

_WORST_FIRST = ("failed", "suspected", "left", "alive")


@dataclass(frozen=True, slots=True)
class MemberRow:
    """One member, as the nodes that answered see it.

    Attributes:
        member: its name.
        state: the opinion of most of them (of two equally frequent ones the worse); if there is none, `alive` if it
            answers itself, else `unknown`.
        opinions: how many of them have each opinion, worst first.
        suspicion: the highest.
        incarnation: the highest.
        round_trip_s: the median of those that are measured; None if none is.
        suspected_by: the nodes that suspect it or have declared it failed, sorted.
        reason: the reason of one that shares the opinion `state`.
        answers: whether it answered itself; None: it was not asked.
        error: why it did not answer, if that is known.
    """

    member: str
    state: str
    opinions: Mapping[str, int]
    suspicion: float
    incarnation: int
    round_trip_s: float | None
    suspected_by: tuple[str, ...]
    reason: str
    answers: bool | None
    error: str | None


def member_rows(reports: MembersByNode, *, never_linked: int = 0) -> list[MemberRow]:
    """Return a row for each node that was asked or is named in a report, sorted by name.

    `never_linked`: how many addresses were dialled without an answer. Which nodes these are is not known: if more nodes
    are missing in `reports`, those that most nodes see alive count as not asked.
    """
    lines: dict[str, dict[str, MemberLine]] = {node: {} for node in reports}
    for observer, report in reports.items():
        if isinstance(report, MembersReport):
            for line in report.members:
                lines.setdefault(line.peer, {})[observer] = line
    rows = [_merged(member, lines[member], reports.get(member)) for member in sorted(lines)]
    others = [row for row in rows if row.member not in reports]
    are_all_dialled = len(others) <= never_linked
    silent = {row.member for row in others if never_linked and (are_all_dialled or row.state != "alive")}
    return [replace(row, answers=False) if row.member in silent else row for row in rows]


def _merged(
    member: str, line_by_observer: Mapping[str, MemberLine], own: MembersReport | CoterieError | None
) -> MemberRow:
    """Return the row of one member. `own`: its own answer, or the error in its place; None: it was not asked."""
    lines = line_by_observer.values()
    opinions = {state: sum(line.state == state for line in lines) for state in _WORST_FIRST}
    state = (
        max(opinions, key=lambda one: opinions[one])
        if lines
        else "alive"
        if isinstance(own, MembersReport)
        else "unknown"
    )
    round_trips_s = [line.round_trip_s for line in lines if line.round_trip_s is not None]
    accusers = {accuser for line in lines for accuser in line.suspected_by}
    accusers |= {observer for observer, line in line_by_observer.items() if line.state in ("suspected", "failed")}
    return MemberRow(
        member=member,
        state=state,
        opinions={state: count for state, count in opinions.items() if count},
        suspicion=max((line.suspicion for line in lines), default=0.0),
        incarnation=max((line.incarnation for line in lines), default=0),
        round_trip_s=median(round_trips_s) if round_trips_s else None,
        suspected_by=tuple(sorted(accusers)),
        reason=next((line.reason for line in lines if line.state == state and line.reason), ""),
        answers=None if own is None else isinstance(own, MembersReport),
        error=str(own) if isinstance(own, CoterieError) else None,
    )


def member_table(rows: Sequence[MemberRow]) -> list[str]:
    """Return the rows as lines of a table, with a heading."""
    heads = f"{'suspicion':>9} {'incarnation':>11} {'round trip':>10}"
    return [f"{'member':<12} {'answers':<8} {'state':<10} {heads}  {'suspected by':<16} reason", *map(_line, rows)]


def _line(row: MemberRow) -> str:
    round_trip = "-" if row.round_trip_s is None else f"{1000 * row.round_trip_s:.1f} ms"
    numbers = f"{row.suspicion:>9.2f} {row.incarnation:>11} {round_trip:>10}"
    answers = {True: "yes", False: "no", None: "-"}[row.answers]
    accusers = ", ".join(row.suspected_by) or "-"
    return f"{row.member:<12} {answers:<8} {row.state:<10} {numbers}  {accusers:<16} {_remark(row)}".rstrip()


def _remark(row: MemberRow) -> str:
    """Return the reason, the opinions if they differ, and the error."""
    differ = ", ".join(f"{count} say {state}" for state, count in row.opinions.items()) if len(row.opinions) > 1 else ""
    return "; ".join(part for part in (row.reason, differ, row.error) if part)
