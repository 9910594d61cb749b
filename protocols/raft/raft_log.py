"""`RaftLog`: keeps one node's log in memory: the term of every entry, and the newest entries in full.

    index   base + 1 ………………… cache_first …………… commit_index …………… last_index
    terms   ├── runs of equal terms, for every index ─────────────────────────┤
    entries   (on disk only)       ├── in memory: recent or not yet durable ──┤

Terms are kept for the whole log as runs (one pair of numbers per leader that ever wrote), so every check of the
paper is answered from memory. Old entries are not kept: they are read from the disk by `Load`. Entries up to the base
are gone from the disk, too: they are committed, and what they did is part of every state from which a node starts.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from coterie.errors import InvariantViolated
from coterie.protocols.raft.log.term_runs import TermRuns
from coterie.protocols.replicated_log import Entry, LogIndex, LogPosition, Term

__all__ = ["HINTS_MAX", "RaftLog", "cut"]

HINTS_MAX = 64
"""The most hints in a refusal: two refusals find where two logs part, although each has a hundred terms of its own."""

BEFORE_THE_FIRST = LogPosition(LogIndex(0))


class RaftLog:
    """All terms above the base, the newest entries, and how far the log is committed.

    Args:
        runs: the terms of the entries after the base, as of `TermRuns`.
        last_index: the last entry; None: there are none.
        base: the position before the first entry.

    Raises:
        ValueError: the runs do not cover exactly the entries after the base.
    """

    __slots__ = ("_entries", "_runs", "base", "cache_first", "commit_index", "entries_bytes", "last_index", "last_term")

    def __init__(
        self,
        runs: Sequence[tuple[LogIndex, Term]] = (),
        last_index: LogIndex | None = None,
        *,
        base: LogPosition = BEFORE_THE_FIRST,
    ) -> None:
        last_index = base.index if last_index is None else last_index
        first_index = base.index + 1
        is_covered = runs[0][0] == first_index and runs[-1][0] <= last_index if runs else last_index == base.index
        if not is_covered or (runs and runs[0][1] < base.term):
            raise ValueError(f"runs must cover the entries {first_index} to {last_index} after {base}: {runs}")
        self.base = base
        """The position before the first entry: everything up to it is committed."""
        self._runs = TermRuns(runs)
        self._entries: list[Entry] = []
        self.entries_bytes = 0
        """The size of the commands of the entries in memory."""
        self.last_index = last_index
        self.last_term = self._runs.last_term if runs else base.term
        self.commit_index = base.index
        self.cache_first = LogIndex(last_index + 1)
        """The first index whose entry is in memory; last_index + 1 when none is."""

    def term_at(self, index: LogIndex) -> Term | None:
        """Return the term of entry `index`: that of the base for its index, None below it and beyond the end."""
        if index == self.last_index:
            return self.last_term
        base = self.base
        if index > self.last_index or index < base.index:
            return None
        return base.term if index == base.index else self._runs.term_at(index)

    def matches(self, index: LogIndex, term: Term) -> bool:
        """Return whether the entry `index` of a leader's log, of `term`, is in this log (Raft §5.3, Log Matching).

        Everything up to the base is committed: every later leader has it (§5.4.3, Leader Completeness).
        """
        return 0 <= index < self.base.index or self.term_at(index) == term

    def agrees_with(self, position: LogPosition) -> bool:
        """Return whether the entry at `position` is in this log, and so everything before it (Raft §7, rule 6)."""
        return self.term_at(position.index) == position.term

    # The checks of the paper.

    def is_up_to_date(self, last_log_index: LogIndex, last_log_term: Term) -> bool:
        """Return whether a candidate's log that ends so is at least as up-to-date as this one (Raft §5.4.1)."""
        return (last_log_term, last_log_index) >= (self.last_term, self.last_index)

    def find_conflict(self, entries: Sequence[Entry]) -> int:
        """Return the place in `entries` of the first that is missing here or has another term; their number if none."""
        for place, entry in enumerate(entries):
            if not self.matches(entry.index, entry.term):
                return place
        return len(entries)

    def hints(self, index: LogIndex, term: Term) -> tuple[tuple[LogIndex, Term], ...]:
        """Return where this log may agree with one that has `term` at `index`; see `AppendEntriesReply`."""
        ends, base = self._runs.ends_up_to(min(index, self.last_index), term), (self.base.index, self.base.term)
        return tuple(itertools.islice(itertools.chain(ends, (base,)), HINTS_MAX))

    def last_agreeing(self, hints: Sequence[tuple[LogIndex, Term]], below: LogIndex) -> LogIndex:
        """Return the last index, less than `below`, at which a log with these `hints` may agree with this one.

        If a hint's entry is in this log, everything up to it agrees (Raft §5.3, Log Matching). If none is, the last
        hint bounds what may agree. Hints that no log can have only lower the result. It may lie below the base.
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
        if entry.term != self.last_term or self.last_index == self.base.index:
            if entry.term < self.base.term:
                raise InvariantViolated(
                    f"entry {entry.index} has term {entry.term} after {self.base}: terms never fall"
                )
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
        self.last_term = max(self._runs.last_term, self.base.term)
        self.cache_first = min(self.cache_first, index)

    def compact(self, base: LogPosition) -> None:
        """Forget the entries up to `base`, which is in the log: a snapshot holds what they did."""
        if not self.base.index <= base.index <= self.last_index:
            raise InvariantViolated(f"{base} is not in the log from {self.base} to {self.last_index}")
        dropped = max(0, min(base.index + 1 - self.cache_first, len(self._entries)))
        self.entries_bytes -= sum(len(entry.command) for entry in self._entries[:dropped])
        del self._entries[:dropped]
        self.cache_first = max(self.cache_first, LogIndex(base.index + 1))
        self._runs.drop_before(LogIndex(base.index + 1), self.last_index)
        self.base = base

    def reset(self, base: LogPosition) -> None:
        """Begin anew after `base`: a snapshot takes the place of all entries, with which the log does not agree."""
        if base.index <= self.commit_index:
            raise InvariantViolated(f"entry {self.commit_index} is committed: the log cannot begin anew after {base}")
        self.base = base
        self._runs = TermRuns()
        self._entries = []
        self.entries_bytes = 0
        self.last_index, self.last_term = base
        self.cache_first = LogIndex(base.index + 1)

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
