"""`BackupServing`: lets one replica take a snapshot for a backup, and gives it away in chunks.

It is the same snapshot as those that the replica takes on its own: confirmed by a quorum before anybody gets it, and
in the end that of its register. So a backup holds the log back no more than any snapshot does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Final, TypeAlias

from coterie.actors.groups.backups.backup_messages import (
    BackupChunk,
    BackupPending,
    BackupReady,
    BackupRefused,
    ReadBackup,
    TakeBackup,
)
from coterie.actors.groups.compaction.group_snapshots import CHUNK_BYTES, SnapshotFiles
from coterie.actors.groups.compaction.snapshot_taking import SnapshotTaking
from coterie.actors.groups.replicas.replica import Replica
from coterie.errors import CoterieError
from coterie.protocols.raft.raft import Raft
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.replicated_log import LogIndex, Read, Reject
from coterie.runtime.actor import Context, Later
from coterie.runtime.storage.log_store import LogStore

__all__ = ["BackupServing"]

Taken: TypeAlias = BackupPending | BackupReady | BackupRefused

GONE: Final = "the snapshot is not there any more: a newer one has taken its place"


class BackupServing:
    """The backups of one life of a replica.

    Args:
        group: its name.
        store: where its snapshots are.
        raft: its node.
        replica: its state.
        taking: takes snapshots.
        files: keeps them while they are read.
        context: of the actor.
        why_not: returns why this replica has no state to give; None: it has.
    """

    def __init__(
        self,
        group: str,
        store: LogStore,
        raft: Raft,
        replica: Replica,
        taking: SnapshotTaking,
        files: SnapshotFiles,
        context: Context,
        *,
        why_not: Callable[[], str | None],
    ) -> None:
        self._group = group
        self._store = store
        self._raft = raft
        self._replica = replica
        self._taking = taking
        self._files = files
        self._context = context
        self._why_not = why_not
        self._beginning: dict[int, Later[Taken]] = {}

    def receive(self, msg: TakeBackup | ReadBackup, later: Later[Any], next_ref: Callable[[], int]) -> Read | None:
        """Answer a message, at once or later; return what is to be asked of the protocol for it, with a new reference.

        `next_ref`: draws one.
        """
        if isinstance(msg, TakeBackup):
            return self._take(msg, later, next_ref)
        self._give(msg, later)
        return None

    def ready(self, refs: Collection[int]) -> None:
        """Note that this replica has applied what reads must see."""
        for ref in refs:
            if (later := self._beginning.pop(ref, None)) is not None:
                # What follows the last entry that has changed the state need not be in the snapshot.
                later.reply(BackupPending(max(1, self._replica.changed_index), 0))

    def rejected(self, effect: Reject) -> None:
        """Note that no leader has said what reads must see."""
        if (later := self._beginning.pop(effect.ref, None)) is not None:
            later.reply(BackupRefused(f"it knows no leader that answers ({effect.reason.value})", self._leader()))

    def close(self) -> None:
        """Answer all that wait: this life ends."""
        for later in self._beginning.values():
            later.reply(BackupRefused("it stops", None))
        self._beginning.clear()

    def _take(self, msg: TakeBackup, later: Later[Taken], next_ref: Callable[[], int]) -> Read | None:
        if (reason := self._reason_against()) is not None:
            later.reply(BackupRefused(reason, self._leader()))
        elif msg.index > 0:
            later.reply(self._state(LogIndex(msg.index)))
        else:
            ref = next_ref()
            self._beginning[ref] = later
            return Read(ref)
        return None

    def _give(self, msg: ReadBackup, later: Later[BackupChunk | BackupRefused]) -> None:
        present = self._raft.facts.snapshot
        name = self._files.hold(msg.digest)
        if name is None or msg.offset < 0:
            later.reply(BackupRefused(GONE, self._leader(), is_gone=True))
        elif present is None or not _is_confirmed(name, present):
            later.reply(BackupRefused("no quorum has confirmed this snapshot yet", self._leader(), is_gone=True))
        else:
            self._files.begin(self._read(name, msg.offset, later))

    async def _read(self, name: str, offset: int, later: Later[BackupChunk | BackupRefused]) -> None:
        try:
            data = await self._store.snapshots.read(self._group, name, offset, CHUNK_BYTES)
        except CoterieError as error:
            later.reply(BackupRefused(str(error), self._leader(), is_gone=True))
            return
        later.reply(BackupRefused(GONE, self._leader(), is_gone=True) if data is None else BackupChunk(data))

    def _state(self, index: LogIndex) -> Taken:
        snapshot = self._raft.facts.snapshot
        if snapshot is None or snapshot.position.index < index:
            if index > self._raft.applied_index:  # of another node that is further
                return BackupPending(index, 0)
            failure = self._taking.demand(index)
            if failure is not None:
                return BackupRefused(failure, self._leader())
            return BackupPending(index, self._taking.written_bytes)
        if self._files.hold(snapshot.digest) is None:
            return BackupRefused(f"its snapshot at entry {snapshot.position.index} is missing", self._leader())
        return BackupReady(
            self._context.system.identity.cluster,
            self._context.system.node,
            self._raft.facts.incarnation,
            snapshot.position.index,
            snapshot.position.term,
            snapshot.stamp_ms,
            snapshot.size_bytes,
            snapshot.digest,
        )

    def _reason_against(self) -> str | None:
        if (reason := self._why_not()) is not None:
            return reason
        if self._replica.apart_at is not None:
            return f"it answered otherwise than a quorum, up to entry {self._replica.apart_at}"
        return "it is restoring its own snapshot" if self._replica.is_restoring else None

    def _leader(self) -> str | None:
        leader = self._raft.leader
        return None if leader is None else str(leader)


def _is_confirmed(name: str, present: SnapshotId) -> bool:
    """Return whether the snapshot of this name is the present one, or was it: a newer one may not be confirmed yet."""
    return int(name.split("-", maxsplit=1)[0]) <= present.position.index
