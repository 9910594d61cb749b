"""`Applier`: hands the committed entries to the state machine in log order, each once per process start (Raft §5.3).

It hands them over in chunks of bounded size.
"""

from __future__ import annotations

from coterie.protocols.algorithm import NodeId
from coterie.protocols.raft.entry_loading import EntryLoading
from coterie.protocols.raft.pending_proposals import PendingProposals
from coterie.protocols.raft.raft_config import RaftConfig
from coterie.protocols.raft.raft_effects import Outbox
from coterie.protocols.raft.raft_log import RaftLog
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.raft.snapshots.snapshot_messages import RestoreMachine
from coterie.protocols.replicated_log import Apply, Entry, LogIndex

__all__ = ["Applier"]


class Applier:
    """How far the state machine is, and the one chunk that it is working on.

    The machine is only in memory, so a new life begins from the snapshot, or empty at the base if there is none, and
    applies the entries after that, reading what is not in memory.
    """

    __slots__ = (
        "_config",
        "_handed_index",
        "_is_stopped",
        "_loading",
        "_log",
        "_node_id",
        "_outbox",
        "_proposals",
        "_snapshot",
        "applied_index",
    )

    def __init__(
        self,
        node_id: NodeId,
        config: RaftConfig,
        *,
        log: RaftLog,
        loading: EntryLoading,
        proposals: PendingProposals,
        outbox: Outbox,
        snapshot: SnapshotId | None = None,
    ) -> None:
        self._node_id = node_id
        self._config = config
        self._log = log
        self._loading = loading
        self._proposals = proposals
        self._outbox = outbox
        self._is_stopped = False
        self._snapshot = snapshot
        self._handed_index = log.base.index if snapshot is None else LogIndex(0)
        self.applied_index = self._handed_index
        """Everything up to here has been applied."""

    def stop(self) -> None:
        """Hand over nothing more in this life: the state machine must not be used."""
        self._is_stopped = True

    def restore(self, snapshot: SnapshotId) -> None:
        """Let the machine begin from `snapshot`, once it is not busy, unless it is beyond that."""
        self._snapshot = snapshot

    def advance(self) -> None:
        """Hand over the next committed chunk, or read it, unless the machine is busy, up to date or stopped."""
        handed = self._handed_index
        if self._is_stopped or handed >= self._log.commit_index or self.applied_index < handed:
            return  # the machine is up to date, or busy
        if self._snapshot is not None and handed < self._snapshot.position.index:
            self._handed_index = self._snapshot.position.index
            self._outbox.add(RestoreMachine(self._snapshot))
            return
        first = LogIndex(handed + 1)
        if first >= self._log.cache_first:
            config = self._config
            last = self._log.commit_index
            self._hand_over(self._log.read(first, last, config.max_apply_entries, config.max_apply_bytes))
        else:
            last = LogIndex(min(self._log.commit_index, self._handed_index + self._config.max_apply_entries))
            self._loading.request(self._node_id, first, last, self._config.max_apply_bytes)

    def loaded(self, entries: tuple[Entry, ...]) -> None:
        """Hand over the entries that were asked for, unless a snapshot covers them: it came while they were read."""
        if not self._is_stopped and entries[0].index == self._handed_index + 1:
            self._hand_over(entries)

    def applied(self, index: LogIndex) -> None:
        """Note that the machine has applied everything up to `index`."""
        self.applied_index = max(self.applied_index, min(index, self._handed_index))

    def _hand_over(self, entries: tuple[Entry, ...]) -> None:
        self._handed_index = entries[-1].index
        self._outbox.add(Apply(entries, self._proposals.take(self._handed_index)))
