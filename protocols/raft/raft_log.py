"""`RaftLog`: keeps one node's log in memory: the term of every entry, and the newest entries in full.

    index   1 ……………………………… cache_first …………… commit_index …………… last_index
    terms   ├── runs of equal terms, for every index ─────────────────────────┤
    entries   (on disk only)       ├── in memory: recent or not yet durable ──┤

Terms are kept for the whole log as runs (one pair of numbers per leader that ever wrote), so every check of the
paper is answered from memory. Old entries are not kept: they are read from the disk by `Load`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from coterie.errors import InvariantViolated
from coterie.protocols.replicated_log import Entry, LogIndex, Term

__all__ = ["RaftLog", "TermRuns", "cut"]


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

    def first_index_of_run(self, index: LogIndex) -> LogIndex:
        """Return where the run that `index` lies in begins."""
        return self._starts[bisect_right(self._starts, index) - 1]

    def end_of_term(self, term: Term, last_index: LogIndex) -> LogIndex | None:
        """Return the last index with `term` in a log that ends at `last_index`; None if no entry has it."""
        place = bisect_right(self._terms, term)
        if place == 0 or self._terms[place - 1] != term:
            return None
        return LogIndex(self._starts[place] - 1) if place < len(self._starts) else last_index


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

    def conflict_hint(self, index: LogIndex) -> tuple[LogIndex, Term]:
        """Return (conflict_index, conflict_term) for a refused `index`; see `AppendEntriesReply` (Raft §5.3, end)."""
        term = self.term_at(index)
        if not term:
            return LogIndex(self.last_index + 1), Term(0)
        return self._runs.first_index_of_run(index), term

    def end_of_term(self, term: Term) -> LogIndex | None:
        """Return the last index that has `term`; None if no entry has it."""
        return self._runs.end_of_term(term, self.last_index)

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
