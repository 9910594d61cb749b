"""`TermRuns`: keeps the term of every entry as runs of equal terms, one pair of numbers per leader that ever wrote."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence

from coterie.errors import InvariantViolated
from coterie.protocols.replicated_log import LogIndex, Term

__all__ = ["TermRuns"]


class TermRuns:
    """The index at which each run of equal terms begins. Terms never fall along the log (Raft §5.3)."""

    __slots__ = ("_starts", "_terms")

    def __init__(self, runs: Sequence[tuple[LogIndex, Term]] = ()) -> None:
        self._starts = [first for first, _ in runs]
        self._terms = [term for _, term in runs]
        if any(b <= a for a, b in zip(self._starts, self._starts[1:], strict=False)):
            raise ValueError(f"runs must begin at ascending indexes: {runs}")
        if any(b <= a for a, b in zip(self._terms, self._terms[1:], strict=False)):
            raise ValueError(f"runs must have ascending terms: {runs}")

    @property
    def last_term(self) -> Term:
        """The term of the last run, 0 if there is none."""
        return self._terms[-1] if self._terms else Term(0)

    def add(self, index: LogIndex, term: Term) -> None:
        """Let a new run begin at `index`. InvariantViolated if its term is not above the last one."""
        if self._terms and term <= self._terms[-1]:
            raise InvariantViolated(f"entry {index} has term {term} after term {self._terms[-1]}: terms never fall")
        self._starts.append(index)
        self._terms.append(term)

    def truncate_from(self, index: LogIndex) -> None:
        """Drop the runs that begin at `index` or after it."""
        while self._starts and self._starts[-1] >= index:
            self._starts.pop()
            self._terms.pop()

    def drop_before(self, index: LogIndex, last: LogIndex) -> None:
        """Forget the terms before `index`: the run that it lies in begins there. `last`: the end of the log."""
        if index > last:
            self._starts, self._terms = [], []
            return
        covering = bisect_right(self._starts, index) - 1
        if covering >= 0:
            del self._starts[:covering], self._terms[:covering]
            self._starts[0] = max(self._starts[0], index)

    def term_at(self, index: LogIndex) -> Term:
        """Return the term of the run that `index` lies in, 0 before the first run."""
        place = bisect_right(self._starts, index)
        return self._terms[place - 1] if place else Term(0)

    def last_at_most(self, term: Term, index: LogIndex) -> LogIndex:
        """Return the last index up to `index` whose term is at most `term`; that before the first run if none is."""
        place = bisect_right(self._terms, term)
        return min(index, LogIndex(self._starts[place] - 1)) if place < len(self._starts) else index

    def ends_up_to(self, index: LogIndex, term: Term) -> Iterator[tuple[LogIndex, Term]]:
        """Yield the last index and the term of each run, cut at `index`, whose term is at most `term`; last first."""
        for place in range(min(bisect_right(self._terms, term), bisect_right(self._starts, index)) - 1, -1, -1):
            yield (
                index if place + 1 == len(self._starts) else min(index, LogIndex(self._starts[place + 1] - 1)),
                (self._terms[place]),
            )
