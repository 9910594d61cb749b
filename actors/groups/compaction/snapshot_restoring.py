"""`SnapshotRestoring`: lets a replica begin from a snapshot in its store, in slices."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from coterie.actors.groups.compaction.group_snapshots import CHUNK_BYTES, SnapshotFiles, damage_text, snapshot_name
from coterie.actors.groups.compaction.snapshot_content import MANIFEST, FrameReader
from coterie.actors.groups.evolution.group_schemas import CannotFollow
from coterie.actors.groups.replicas.replica import Replica
from coterie.actors.groups.replicas.replica_snapshot import Section
from coterie.errors import CoterieError, SnapshotFailed, StorageDamaged, UnsupportedFormat
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.replicated_log import LogIndex
from coterie.runtime.actor import Context
from coterie.runtime.storage.log_store import LogStore

__all__ = ["SnapshotRestoring"]


class SnapshotRestoring:
    """The restoring of one life of a replica.

    Args:
        group: its name.
        store: where its snapshots are.
        replica: begins from them.
        files: runs what is under way.
        context: of the actor.
        adopt_at: lets the machine follow the schema that was active at an index; may raise `CannotFollow`.
        done: called with the snapshot once the machine has begun from it.
        quarantine: called with the reason if the machine cannot begin from it.
    """

    def __init__(
        self,
        group: str,
        store: LogStore,
        replica: Replica,
        files: SnapshotFiles,
        context: Context,
        *,
        adopt_at: Callable[[LogIndex], None],
        done: Callable[[SnapshotId], None],
        quarantine: Callable[[str], None],
    ) -> None:
        self._group = group
        self._store = store
        self._replica = replica
        self._files = files
        self._context = context
        self._adopt_at = adopt_at
        self._done = done
        self._quarantine = quarantine
        self.progress: tuple[int, int] | None = None
        """How many bytes of how many have been restored; None: nothing is under way."""

    def begin(self, snapshot: SnapshotId) -> None:
        """Let the replica begin from `snapshot`, whatever it is now."""
        self.progress = (0, snapshot.size_bytes)
        self._files.begin(self._restore(snapshot))

    async def _restore(self, snapshot: SnapshotId) -> None:
        name, index = snapshot_name(snapshot), snapshot.position.index
        try:
            self._replica.begin_restore(index, lambda: self._adopt_at(index))
            await self._read(snapshot, name)
            self._replica.end_restore()
        except (CannotFollow, SnapshotFailed) as error:
            self._quarantine(f"it cannot begin from its snapshot at entry {index}: {error}")
            self._context.wake()
            return
        except UnsupportedFormat as error:
            self._context.system.fail(error)
            return
        except (CoterieError, ValueError) as error:
            path, (offset, _) = self._store.snapshots.path_of(self._group, name), self.progress or (0, 0)
            self._context.system.fail(StorageDamaged(path, offset, damage_text(self._group, snapshot, error)))
            return
        except BaseException as error:  # of this node: a MemoryError in the machine's restore
            self._context.system.fail(error)
            raise
        self.progress = None
        self._done(snapshot)

    async def _read(self, snapshot: SnapshotId, name: str) -> None:
        reader, digest, offset = FrameReader(), hashlib.sha256(), 0
        while offset < snapshot.size_bytes:
            data = await self._store.snapshots.read(self._group, name, offset, CHUNK_BYTES)
            if not data:
                raise ValueError("it is missing" if data is None else f"{snapshot.size_bytes} bytes were written")
            offset += len(data)
            digest.update(data)
            for section, body in reader.feed(data):
                if section != MANIFEST:
                    self._replica.restore(Section(section), body)
            self.progress = (offset, snapshot.size_bytes)
        if not reader.is_complete or digest.digest() != snapshot.digest:
            raise ValueError("it is not what was written")
