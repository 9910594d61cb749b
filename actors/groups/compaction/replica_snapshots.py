"""`ReplicaSnapshots`: everything that one replica does with snapshots, for one life of its actor.

Raft ── RestoreMachine, LoadChunk, StoreChunk ──▶ restoring, files ── Applied, ChunkLoaded, … ──▶ Raft
applied entries ────────────────────────────────▶ taking ──────────── SnapshotTaken ────────────▶ Raft
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from coterie.actors.groups.backups.backup_serving import BackupServing
from coterie.actors.groups.compaction.group_snapshots import SnapshotFiles
from coterie.actors.groups.compaction.snapshot_policy import SnapshotPolicy
from coterie.actors.groups.compaction.snapshot_restoring import SnapshotRestoring
from coterie.actors.groups.compaction.snapshot_taking import SnapshotTaking
from coterie.actors.groups.evolution.schema_keeper import SchemaKeeper
from coterie.actors.groups.replicas.replica import Replica
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.raft_effects import RaftEvent
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.raft.snapshots.snapshot_messages import LoadChunk, RestoreMachine, StoreChunk
from coterie.protocols.replicated_log import Applied, Entry, LogIndex
from coterie.runtime.actor import Context
from coterie.runtime.storage.log_store import LogStore

__all__ = ["ReplicaSnapshots"]

_MB = 1_000_000


class ReplicaSnapshots:
    """The snapshots of one replica.

    Args:
        group: its name.
        store: where its log and its snapshots are.
        raft: its node.
        replica: its state.
        schemas: says which schema was active where.
        context: of the actor.
        policy: when a snapshot is due.
        answer: hands an event to the protocol, and requests a visit.
        quarantine: called with the reason why the machine cannot be used.
        why_no_backups: returns why this replica has no state to give; None: it has.
    """

    def __init__(
        self,
        group: str,
        store: LogStore,
        raft: Raft,
        replica: Replica,
        schemas: SchemaKeeper,
        context: Context,
        policy: SnapshotPolicy,
        *,
        answer: Callable[[RaftEvent], None],
        quarantine: Callable[[str], None],
        why_no_backups: Callable[[], str | None],
    ) -> None:
        self._raft = raft
        self._answer = answer
        self._files = SnapshotFiles(group, store, raft.facts.incarnation, context, answer)
        self._restoring = SnapshotRestoring(
            group,
            store,
            replica,
            self._files,
            context,
            adopt_at=schemas.adopt_at,
            done=self._restored,
            quarantine=quarantine,
        )
        self._taking = SnapshotTaking(
            group, store, raft, replica, self._files, context, policy, taken=answer, quarantine=quarantine
        )
        self._files.clean(raft.facts.snapshot)
        self.backups = BackupServing(
            group, store, raft, replica, self._taking, self._files, context, why_not=why_no_backups
        )
        """Gives snapshots to clients that write backups."""

    def close(self) -> None:
        """End what is under way."""
        self._files.close()
        self.backups.close()

    def perform(self, effect: LoadChunk | StoreChunk | RestoreMachine) -> None:
        """Carry out an effect of the protocol."""
        match effect:
            case LoadChunk():
                self._files.load(effect, self._raft.facts.snapshot, self._taking.renew)
            case StoreChunk():
                if effect.offset == 0:
                    self._taking.give_way()
                self._files.store(effect)
            case RestoreMachine():
                self._restoring.begin(effect.snapshot)

    def applied(self, entries: Sequence[Entry]) -> None:
        """Note that the machine has applied these entries."""
        self._taking.applied(entries)

    def advance(self) -> None:
        """Take a snapshot that is due, or report one that is confirmed. Call it between two entries."""
        self._taking.advance()

    def compacted(self, snapshot: SnapshotId | None) -> None:
        """Remove older snapshots: the durable register names this one."""
        self._files.remove_before(snapshot)

    @property
    def unconfirmed_index(self) -> LogIndex:
        """A snapshot waits for a checkpoint at this entry, or a later one; 0: none does."""
        return self._taking.unconfirmed_index

    @property
    def trouble(self) -> str | None:
        """Why no snapshot could be taken lately, so that the log grows; None: the last one could."""
        fetching = self._files.room.trouble if self._files.room.is_awaited else None
        return fetching or self._taking.room_trouble or self._taking.trouble

    @property
    def activity(self) -> str | None:
        """What is under way that an operator waits for: a snapshot that is restored, or fetched; None: nothing."""
        if self._restoring.progress is not None:
            done, size = self._restoring.progress
            return f"restoring its snapshot: {done / _MB:,.1f} of {size / _MB:,.1f} MB"
        if (fetch := self._raft.snapshot_fetch) is not None:
            snapshot, done = fetch
            return f"fetching the leader's snapshot: {done / _MB:,.1f} of {snapshot.size_bytes / _MB:,.1f} MB"
        return None

    def _restored(self, snapshot: SnapshotId) -> None:
        self._taking.restored(snapshot)
        self._answer(Applied(snapshot.position.index))
