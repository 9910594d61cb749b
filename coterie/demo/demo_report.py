"""`DemoReport`: holds the result of a demo run, and formats it as text and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coterie.demo.count_comparison import Comparison, PlainCount
from coterie.demo.node_kill import KillRecord
from coterie.demo.store_keys import StoredCounts

__all__ = ["DemoReport"]

IDENTICAL = 0
DIFFERENT = 1
VOID = 2
NAMED_MAX = 20


@dataclass(frozen=True, slots=True)
class DemoReport:
    """One run. `void`: reasons why it proves nothing; `skipped`: reason by file; `resent`: attempts after the first.

    `balance`: the policy that picked the workers. `requests_by_node`: files sent to each, also those sent again.
    `term`: the last term. `work_s`: from the first file sent to the last acknowledged. `seconds`: the whole run.
    """

    comparison: Comparison
    plain: PlainCount
    found: StoredCounts
    killed: KillRecord | None
    void: Sequence[str]
    skipped: Mapping[str, str]
    acknowledged: int
    resent: int
    balance: str
    requests_by_node: Mapping[str, int]
    term: int
    work_s: float
    seconds: float

    @property
    def exit_code(self) -> int:
        """1: not identical. 2: identical, but void. 0: identical."""
        if not self.comparison.is_identical or self.acknowledged != len(self.plain.files):
            return DIFFERENT
        return VOID if self.void else IDENTICAL

    def lines(self) -> list[str]:
        """Return the report as lines for people."""
        return ["", *self._frequent(), *self._skipped(), *self._differences(), "", *self._conclusion()]

    def reasons(self) -> list[str]:
        """Return why the exit code is not 0: the differences, or what makes the run void."""
        if self.exit_code != DIFFERENT:
            return list(self.void)
        total = len(self.plain.files)
        missing = [] if self.acknowledged == total else [f"{self.acknowledged} of {total} files are acknowledged"]
        return [*self._differences(), *missing]

    def facts(self) -> dict[str, object]:
        """Return the report as one JSON object. Times in s or ms; `identifiers` are distinct ones."""
        killed = self.killed
        return {
            "files": len(self.plain.files),
            "identifiers": len(self.found.totals),
            "occurrences": sum(self.found.totals.values()),
            "identical": self.comparison.is_identical,
            "acknowledged": self.acknowledged,
            "lost": len(self.comparison.lost),
            "duplicated": len(self.comparison.duplicated),
            "failover_ms": None if killed is None or killed.failover_ms is None else round(killed.failover_ms, 1),
            "commands_per_s": round(self.acknowledged / self.work_s, 1),
            "seconds": round(self.seconds, 2),
            "skipped": sorted(self.skipped),
            "resent": self.resent,
            "balance": self.balance,
            "requests_by_node": dict(self.requests_by_node),
            "term": self.term,
            "killed": None if killed is None else killed.node,
            "killed_leader": None if killed is None else killed.was_leader,
            "in_flight": None if killed is None else killed.in_flight,
            "unanswered": None if killed is None else killed.unanswered,
            "acknowledged_away": None if killed is None else killed.acknowledged_while_down,
            "catch_up_ms": None if killed is None or killed.catch_up_ms is None else round(killed.catch_up_ms, 1),
            "void": list(self.void),
        }

    def _frequent(self) -> list[str]:
        by_count = sorted(self.found.totals.items(), key=lambda item: (-item[1], item[0]))
        return ["the ten most frequent identifiers", *(f"  {count:>9}  {name}" for name, count in by_count[:10])]

    def _skipped(self) -> list[str]:
        if not self.skipped:
            return []
        named = [f"  {_plain(file)}: {_plain(reason)}" for file, reason in sorted(self.skipped.items())]
        return ["", f"{len(named)} files count nothing, on both sides", *_some(named)]

    def _differences(self) -> list[str]:
        comparison = self.comparison
        lines = [f"lost: {_plain(file)}" for file in comparison.lost]
        lines += [f"duplicated: {_plain(file)}" for file in comparison.duplicated]
        lines += [f"seen by one side only: {_plain(file)}" for file in comparison.foreign]
        lines += [f"skipped by one side only: {_plain(file)}" for file in comparison.skipped_apart]
        lines += [
            f"{each.identifier}: {each.cluster}, but {each.plain} in the plain count" for each in comparison.wrong
        ]
        return _some(lines)

    def _conclusion(self) -> list[str]:
        found, comparison = self.found, self.comparison
        size = (
            f"{len(self.plain.files)} files, {len(found.totals)} identifiers, {sum(found.totals.values())} occurrences"
        )
        rate = (
            f"{self.acknowledged} commits acknowledged, {self.acknowledged / self.work_s:.0f}/s; {self.seconds:.1f} s"
        )
        faults = (
            f"lost {len(comparison.lost)}, duplicated {len(comparison.duplicated)}, "
            f"wrong totals {len(comparison.wrong)}"
        )
        void = [f"VOID: {reason}" for reason in self.void]
        result = "IDENTICAL to the plain count" if comparison.is_identical else "NOT IDENTICAL"
        return [size, self._shares(), rate, f"{faults}; {self.resent} sent again", *void, result]

    def _shares(self) -> str:
        total = max(1, sum(self.requests_by_node.values()))
        shares = (f"{node} {count} ({count / total:.0%})" for node, count in self.requests_by_node.items())
        return f"files sent by {self.balance}: {', '.join(shares) or 'none'}"


def _plain(text: str) -> str:
    """Return a file's name so that every terminal can print it."""
    return text.encode(errors="backslashreplace").decode()


def _some(lines: list[str]) -> list[str]:
    return lines if len(lines) <= NAMED_MAX else [*lines[:NAMED_MAX], f"  … and {len(lines) - NAMED_MAX} more"]
