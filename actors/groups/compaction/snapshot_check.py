"""`SnapshotCheck`: reads a snapshot back, and tries it on a new machine, before the log behind it is dropped.

    written ─▶ read back, digest ─▶ restored into a twin of the machine ─▶ saved again: the same? ─▶ usable

The digest of the file is compared each time. A twin is a second copy of the state, so it is made for the first snapshot
of each schema that the machine follows in this life, and again once snapshots have become twice as large; never beyond
`TRIED_BYTES_MAX`. All is done in slices; the machine itself, and the log, go on meanwhile.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any, Final

from coterie.actors.groups.compaction.group_snapshots import CHUNK_BYTES, damage_text, snapshot_name
from coterie.actors.groups.compaction.snapshot_content import FrameReader
from coterie.actors.groups.replicas.replica_snapshot import Section
from coterie.errors import SnapshotFailed
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.runtime.storage.log_store import LogStore
from coterie.runtime.storage.snapshots.snapshot_store import SnapshotNotWritten

__all__ = ["SnapshotCheck", "SnapshotUnusable"]

TRIED_BYTES_MAX: Final = 8 * 1024 * 1024
"""Of a larger snapshot only the digest is compared. Too high: memory for a second copy of a large state, for a moment,
and a pause when that is freed; too low: a machine that does not restore what it saves is found when it is too late."""

DIGEST_BYTES: Final = 4 * 1024 * 1024
"""So much is read at once to compare the digest. Lower: it takes longer. Higher: the log's writes wait for it."""

SLICE_S: Final = 0.003
"""For so long the loop is held at once while a machine is saved again."""


class SnapshotUnusable(SnapshotFailed):
    """A snapshot that was written cannot be restored, or is another one once it was: the log is kept."""


class SnapshotCheck:
    """The checks of one life of a replica.

    Args:
        group: its name.
        store: where its snapshots are.
        monotonic: the clock (s).
    """

    def __init__(self, group: str, store: LogStore, monotonic: Callable[[], float]) -> None:
        self._group = group
        self._store = store
        self._monotonic = monotonic
        self._tried_bytes_by_schema: dict[object, int] = {}

    async def run(self, snapshot: SnapshotId, twin: Any) -> None:
        """Check a snapshot that is complete; `twin`: a new machine for it, None: it has none.

        Raises:
            SnapshotUnusable: the machine does not restore it.
            StorageFailed: it does not read back.
        """
        schema = None if twin is None else twin.follows
        tried_bytes = self._tried_bytes_by_schema.get(schema, 0)
        if twin is None or snapshot.size_bytes > TRIED_BYTES_MAX or snapshot.size_bytes < 2 * tried_bytes:
            await self._read(snapshot, None)
            return
        saved = await self._read(snapshot, twin)
        try:
            twin.end_restore()
            restored = await self._saved_again(twin)
        except SnapshotFailed as error:
            raise SnapshotUnusable(f"a new machine does not take it: {error}") from error
        except MemoryError as error:
            raise SnapshotUnusable("there is no memory to try it on a new machine") from error
        if not saved.is_equal_to(restored, in_bytes=twin.has_own_snapshot):
            cls, sizes = type(twin.machine).__name__, f"{restored.size_bytes} bytes, not {saved.size_bytes}"
            raise SnapshotUnusable(
                f"{cls}, restored from it and saved again, gives another one ({sizes}): does `restore` lose something, "
                "or does `snapshot` add something?"
            )
        self._tried_bytes_by_schema[schema] = snapshot.size_bytes

    async def _read(self, snapshot: SnapshotId, twin: Any) -> _Saved:
        """Read it to its end, into the twin if there is one; return what is the machine's in it."""
        name, digest, saved, reader = snapshot_name(snapshot), hashlib.sha256(), _Saved(), FrameReader()
        offset, at_once = 0, DIGEST_BYTES if twin is None else CHUNK_BYTES
        try:
            while offset < snapshot.size_bytes:
                data = await self._store.snapshots.read(self._group, name, offset, at_once, digest)
                if not data:
                    raise ValueError("it is missing" if data is None else f"{snapshot.size_bytes} bytes were written")
                offset += len(data)
                if twin is not None:
                    _restore(twin, reader, data, saved)
            if digest.digest() != snapshot.digest:
                raise ValueError("it is not what was written")
        except SnapshotFailed:  # it is a ValueError, too
            raise
        except ValueError as error:
            raise SnapshotNotWritten(
                self._store.snapshots.path_of(self._group, name), damage_text(self._group, snapshot, error)
            ) from error
        return saved

    async def _saved_again(self, twin: Any) -> _Saved:
        saved, until_s = _Saved(), self._monotonic() + SLICE_S
        for piece in twin.snapshot():
            saved.add(piece)
            if self._monotonic() >= until_s:
                await asyncio.sleep(0)
                until_s = self._monotonic() + SLICE_S
        return saved


def _restore(twin: Any, reader: FrameReader, data: bytes, saved: _Saved) -> None:
    for section, body in reader.feed(data):
        if section == Section.MACHINE:
            saved.add(body)
            try:
                twin.restore(body)
            except SnapshotFailed as error:
                raise SnapshotUnusable(f"a new machine does not take it: {error}") from error
            except MemoryError as error:
                raise SnapshotUnusable("there is no memory to try it on a new machine") from error


class _Saved:
    """What a machine has saved. Its pieces may be cut elsewhere, and what a set holds may come in another order."""

    def __init__(self) -> None:
        self.size_bytes = 0
        self._pieces = 0
        self._sum = 0
        self._digest = hashlib.sha256()

    def add(self, piece: bytes) -> None:
        self.size_bytes += len(piece)
        self._pieces += 1
        self._sum += sum(piece)
        self._digest.update(piece)

    def is_equal_to(self, other: _Saved, *, in_bytes: bool) -> bool:
        """Return whether both are the same, but for an order. `in_bytes`: the class has its own `snapshot`.

        Else the bytes may differ with the order in which classes come, and each piece has one byte of its own.
        """
        if self._digest.digest() == other._digest.digest():
            return True
        if in_bytes:
            return (self.size_bytes, self._sum) == (other.size_bytes, other._sum)
        return self.size_bytes - self._pieces == other.size_bytes - other._pieces
