"""`RaftLog`: keeps one node's log in memory: the term of every entry, and the newest entries in full.

    index   1 ……………………………… cache_first …………… commit_index …………… last_index
    terms   ├── runs of equal terms, for every index ─────────────────────────┤
    entries   (on disk only)       ├── in memory: recent or not yet durable ──┤

Terms are kept for the whole log as runs (one pair of numbers per leader that ever wrote), so every check of the
paper is answered from memory. Old entries are not kept: they are read from the disk by `Load`.
"""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from coterie.errors import InvariantViolated
from coterie.protocols.replicated_log import Entry, LogIndex, Term

__all__ = ["HINTS_MAX", "RaftLog", "TermRuns", "cut"]

HINTS_MAX = 64
"""The most hints in a refusal: two refusals find where two logs part, although each has a hundred terms of its own."""

BEFORE_THE_FIRST = (LogIndex(0), Term(0))
"""The place before the first entry, at which all logs agree."""


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

    def term_at(self, index: LogIndex) -> Term:
        """Return the term of the run that `index` lies in, 0 before the first run."""
        place = bisect_right(self._starts, index)
        return self._terms[place - 1] if place else Term(0)

    def last_at_most(self, term: Term, index: LogIndex) -> LogIndex:
        """Return the last index up to `index` whose term is at most `term`; 0 if there is none."""
        place = bisect_right(self._terms, term)
        return min(index, LogIndex(self._starts[place] - 1)) if place < len(self._starts) else index

    def ends_up_to(self, index: LogIndex, term: Term) -> Iterator[tuple[LogIndex, Term]]:
        """Yield the last index and the term of each run, cut at `index`, whose term is at most `term`; last first."""
        for place in range(min(bisect_right(self._terms, term), bisect_right(self._starts, index)) - 1, -1, -1):
            yield (
                index if place + 1 == len(self._starts) else min(index, LogIndex(self._starts[place + 1] - 1)),
                (self._terms[place]),
            )


class RaftLog:
    """All terms, the newest entries, and how far the log is committed."""

    __slots__ = ("_entries", "_runs", "cache_first", "commit_index", "entries_bytes", "last_index", "last_term")

    def __init__(self, runs: Sequence[tuple[LogIndex, Term]] = (), last_index: LogIndex = LogIndex(0)) -> None:
        if (runs[0][0] if runs else 0) != min(1, last_index) or (runs and runs[-1][0] > last_index):
            raise ValueError(f"runs must cover the entries 1 to {last_index}: {runs}")
        self._runs = TermRuns(runs)
        self._entries: list[Entry] = []
        self.entries_bytes = 0
        """The size of the commands of the entries in memory."""
        self.last_index = last_index
        self.last_term = self._runs.last_term
        self.commit_index = LogIndex(0)
        self.cache_first = LogIndex(last_index + 1)
        """The first index whose entry is in memory; last_index + 1 when none is."""

    def term_at(self, index: LogIndex) -> Term | None:
        """Return the term of entry `index`: 0 for index 0, None beyond the end."""
        if index > self.last_index or index < 0:
            return None
        return self.last_term if index == self.last_index else self._runs.term_at(index)

    # The checks of the paper.

    def is_up_to_date(self, last_log_index: LogIndex, last_log_term: Term) -> bool:
        """Return whether a candidate's log that ends so is at least as up-to-date as this one (Raft §5.4.1)."""
        return (last_log_term, last_log_index) >= (self.last_term, self.last_index)

    def find_conflict(self, entries: Sequence[Entry]) -> int:
        """Return the place in `entries` of the first that is missing here or has another term; their number if none."""
        for place, entry in enumerate(entries):
            if self.term_at(entry.index) != entry.term:
                return place
        return len(entries)

    def hints(self, index: LogIndex, term: Term) -> tuple[tuple[LogIndex, Term], ...]:
        """Return where this log may agree with one that has `term` at `index`; see `AppendEntriesReply`."""
        ends = self._runs.ends_up_to(min(index, self.last_index), term)
        return tuple(itertools.islice(itertools.chain(ends, (BEFORE_THE_FIRST,)), HINTS_MAX))

    def last_agreeing(self, hints: Sequence[tuple[LogIndex, Term]], below: LogIndex) -> LogIndex:
        """Return the last index, less than `below`, at which a log with these `hints` may agree with this one.

        If a hint's entry is in this log, everything up to it agrees (Raft §5.3, Log Matching). If none is, the last
        hint bounds what may agree. Hints that no log can have only lower the result.
        """
        index = LogIndex(below - 1)
        for hinted, term in hints[:HINTS_MAX]:
            index = max(LogIndex(0), self._runs.last_at_most(term, min(index, hinted)))
            if self.term_at(index) == term:
                break
        return index

    # Changes.

    def append(self, entry: Entry) -> None:
        """Append `entry`, whose index must be last_index + 1 and whose term must not be below the last one."""
        if entry.index != self.last_index + 1:
            raise InvariantViolated(f"entry {entry.index} cannot follow entry {self.last_index}")
        if entry.term != self.last_term:
            self._runs.add(entry.index, entry.term)
            self.last_term = entry.term
        self._entries.append(entry)
        self.entries_bytes += len(entry.command)
        self.last_index = entry.index

    def truncate_from(self, index: LogIndex) -> None:
        """Drop `index` and all after it. InvariantViolated if a committed entry is among them (Raft §5.4)."""
        if index <= self.commit_index:
            raise InvariantViolated(f"entry {index} is committed (up to {self.commit_index}) and cannot be dropped")
        keep = max(0, index - self.cache_first)
        self.entries_bytes -= sum(len(entry.command) for entry in self._entries[keep:])
        del self._entries[keep:]
        self._runs.truncate_from(index)
        self.last_index = LogIndex(index - 1)
        self.last_term = self._runs.last_term
        self.cache_first = min(self.cache_first, index)

    def commit_to(self, index: LogIndex) -> None:
        """Commit everything up to `index`; never goes back. InvariantViolated beyond the end of the log."""
        if index > self.last_index:
            raise InvariantViolated(f"entry {index} cannot be committed: the log ends at {self.last_index}")
        if index > self.commit_index:
            self.commit_index = index

    # The entries in memory.

    def read(self, first: LogIndex, last: LogIndex, max_entries: int, max_bytes: int) -> tuple[Entry, ...]:
        """Return entries from `first` (in memory: at least `cache_first`) to `last`, cut as `cut` says."""
        start, count = first - self.cache_first, min(last - first + 1, max_entries)
        return cut(self._entries[start : start + count], max_bytes)

    def evict(self, durable_index: LogIndex, *, max_entries: int, max_bytes: int) -> None:
        """Drop the oldest entries from memory until the rest fits, but none beyond `durable_index`."""
        if len(self._entries) <= max_entries and self.entries_bytes <= max_bytes:
            return
        droppable = min(len(self._entries), durable_index - self.cache_first + 1)
        dropped = 0
        while dropped < droppable and (len(self._entries) - dropped > max_entries or self.entries_bytes > max_bytes):
            self.entries_bytes -= len(self._entries[dropped].command)
            dropped += 1
        del self._entries[:dropped]
        self.cache_first = LogIndex(self.cache_first + dropped)


def cut(entries: Sequence[Entry], max_bytes: int) -> tuple[Entry, ...]:
    """Return the head of `entries` whose commands fit into `max_bytes`, but at least the first."""
    size_bytes = 0
    for place, entry in enumerate(entries):
        size_bytes += len(entry.command)
        if size_bytes > max_bytes and place:
            return tuple(entries[:place])
    return tuple(entries)
