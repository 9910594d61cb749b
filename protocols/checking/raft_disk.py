"""`RaftDisk`: models the disk of one Raft node: holds its term, vote and log, and applies each `LogWrite` to them."""

from __future__ import annotations

from coterie.protocols.raft.raft_log import cut
from coterie.protocols.raft.raft_messages import HardState, LogWrite, Restored
from coterie.protocols.replicated_log import Entry, Load, Loaded, LogIndex, Term

__all__ = ["RaftDisk"]


class RaftDisk:
    """One disk image. `entries[i - 1]` is the entry with index i."""

    __slots__ = ("entries", "hard_state")

    def __init__(self) -> None:
        self.hard_state = HardState(Term(0), None)
        self.entries: list[Entry] = []

    @property
    def last_index(self) -> LogIndex:
        """The last entry's index, 0 for an empty log."""
        return LogIndex(len(self.entries))

    def term_at(self, index: int) -> Term | None:
        """Return the term of entry `index`: 0 for index 0, None if there is no such entry."""
        if 0 < index <= len(self.entries):
            return self.entries[index - 1].term
        return Term(0) if index == 0 else None

    def write(self, write: LogWrite) -> None:
        """Carry out one atomic write.

        Raises:
            ValueError: the entries do not continue the log, or the truncation begins below 1.
        """
        if write.hard_state is not None:
            self.hard_state = write.hard_state
        if write.truncate_from is not None:
            if write.truncate_from < 1:
                raise ValueError(f"truncation from {write.truncate_from}: the first index is 1")
            del self.entries[write.truncate_from - 1 :]
        entries = self.entries
        for entry in write.entries:
            if entry.index != len(entries) + 1:
                raise ValueError(f"entry {entry.index} does not continue a log that ends at {len(entries)}")
            entries.append(entry)

    def restored(self) -> Restored:
        """Return what a new life reads."""
        runs: list[tuple[LogIndex, Term]] = []
        for entry in self.entries:
            if not runs or runs[-1][1] != entry.term:
                runs.append((entry.index, entry.term))
        return Restored(self.hard_state, tuple(runs), self.last_index)

    @property
    def terms(self) -> list[Term]:
        """The terms of all entries."""
        return [entry.term for entry in self.entries]

    def read(self, load: Load) -> Loaded:
        """Return the answer to `load`: the entries that exist, cut at its limit but not before the first."""
        return Loaded(load.reader, load.first, cut(self.entries[load.first - 1 : load.last], load.max_bytes))
