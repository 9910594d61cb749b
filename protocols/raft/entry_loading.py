"""`EntryLoading`: requests old log entries from the disk, one read per receiver at a time, and drops late answers."""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.raft_effects import Outbox
from coterie.protocols.raft.raft_log import RaftLog
from coterie.protocols.raft.raft_observations import LOAD_DISCARDED
from coterie.protocols.replicated_log import Load, Loaded, LogIndex

__all__ = ["EntryLoading"]


class EntryLoading:
    """The open loads of one life, by reader: a follower that lacks entries, or this node's own applier."""

    __slots__ = ("_first_by_reader", "_log", "_outbox")

    def __init__(self, log: RaftLog, outbox: Outbox) -> None:
        self._log = log
        self._outbox = outbox
        self._first_by_reader: dict[NodeId, LogIndex] = {}

    def is_open(self, reader: NodeId) -> bool:
        """Return whether an answer for `reader` is still to come."""
        return reader in self._first_by_reader

    def request(self, reader: NodeId, first: LogIndex, last: LogIndex, max_bytes: int) -> None:
        """Ask for the entries `first`..`last` that are no longer in memory, unless `reader` waits for an answer."""
        if self.is_open(reader):
            return
        self._first_by_reader[reader] = first
        last_on_disk = LogIndex(self._log.cache_first - 1)
        self._outbox.add(Load(reader, first, min(last, last_on_disk), max_bytes))

    def answered(self, loaded: Loaded) -> bool:
        """Close the load; return whether its entries still are the log's (if not, the reader asks again)."""
        if self._first_by_reader.get(loaded.reader) != loaded.first:
            return False
        del self._first_by_reader[loaded.reader]
        if self._still_fits(loaded):
            return True
        self._outbox.observe(
            LOAD_DISCARDED, reader=loaded.reader, first_index=loaded.first, entries=len(loaded.entries)
        )
        return False

    def _still_fits(self, loaded: Loaded) -> bool:
        """Return whether every entry has the index and the term that the log has there now.

        The log may have been truncated and overwritten while the disk was read.
        """
        indexes = [entry.index for entry in loaded.entries]
        is_in_order = indexes == list(range(loaded.first, loaded.first + len(indexes)))
        return bool(indexes) and is_in_order and self._log.find_conflict(loaded.entries) == len(indexes)
