"""`SnapshotFiles`: reads a group's snapshots for others, receives the leader's, and removes old ones.

The name of a file says its position and the head of its digest. The register of the group names the present one; older
ones stay for a while if a follower has read from them lately.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from typing import Any, Final

from coterie.actors.groups.compaction.snapshot_content import MANIFEST, FrameReader, Manifest, decode_manifest
from coterie.actors.groups.compaction.snapshot_room import SnapshotRoom
from coterie.errors import CoterieError, StorageDamaged, StorageFailed
from coterie.protocols.raft.membership.group_facts import GroupFacts
from coterie.protocols.raft.snapshots.snapshot_id import SnapshotId
from coterie.protocols.raft.snapshots.snapshot_messages import (
    ChunkLoaded,
    ChunkStored,
    LoadChunk,
    SnapshotStored,
    StoreChunk,
)
from coterie.runtime.actor import Context
from coterie.runtime.storage.log_store import LogStore
from coterie.runtime.storage.snapshots.snapshot_store import NoRoomForSnapshot, SnapshotWriter

__all__ = ["CHUNK_BYTES", "SnapshotFiles", "damage_text", "read_manifest", "snapshot_name"]

CHUNK_BYTES: Final = 256 * 1024
"""The most that one message carries of a snapshot. A few thousand of them make a gigabyte."""

IN_USE_S: Final = 10.0
"""For so long after a follower has read from it a snapshot is kept, and no new one is taken, if that can wait."""

RETRY_S: Final = 1.0
"""After so long a snapshot that could not be received is fetched again."""

ROOM_LOOKS: Final = 10
"""So often, every `RETRY_S`, it is looked for room, before the leader's snapshot is asked for anew."""

POSITION_CHARACTERS: Final = 41
"""So many characters of a snapshot's name say its position."""


def snapshot_name(snapshot: SnapshotId) -> str:
    """Return the name of a snapshot in its store."""
    index, term = snapshot.position
    return f"{index:020d}-{term:020d}-{snapshot.digest[:8].hex()}"


async def read_manifest(store: LogStore, group: str, snapshot: SnapshotId) -> Manifest:
    """Return what a snapshot of `group` says of itself.

    Raises:
        StorageDamaged: it is missing, or its beginning does not read back.
        StorageFailed: the disk cannot read it.
    """
    reader, offset, name = FrameReader(), 0, snapshot_name(snapshot)
    path = store.snapshots.path_of(group, name)
    try:
        while data := await store.snapshots.read(group, name, offset, CHUNK_BYTES):
            offset += len(data)
            for section, body in reader.feed(data):
                if section == MANIFEST:
                    return decode_manifest(body)
                break
    except ValueError as error:
        raise StorageDamaged(path, offset, damage_text(group, snapshot, error)) from error
    raise StorageDamaged(path, offset, damage_text(group, snapshot, "it is missing, or empty"))


def damage_text(group: str, snapshot: SnapshotId, error: object) -> str:
    """Return the reason for a `StorageDamaged`."""
    return f"the snapshot at entry {snapshot.position.index} of group {group!r} does not read back ({error})"


class SnapshotFiles:
    """The files of one life of a replica.

    Args:
        group: its name.
        store: where its log is.
        incarnation: of the group: a snapshot of another one is refused.
        context: of the actor.
        answer: hands an event to the protocol, and requests a visit.
    """

    def __init__(
        self,
        group: str,
        store: LogStore,
        incarnation: bytes,
        context: Context,
        answer: Callable[[ChunkLoaded | ChunkStored | SnapshotStored], None],
    ) -> None:
        self._group = group
        self._store = store
        self._incarnation = incarnation
        self._context = context
        self._answer = answer
        self._arriving: SnapshotWriter | None = None
        self._last_store: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._read_at_s: dict[str, float] = {}
        self._given_whole: dict[str, bytes] = {}  # by reader: the digest of the snapshot of which it has the last chunk
        self._damaged: set[bytes] = set()
        self.room = SnapshotRoom(group, "the leader's", store, context)
        """Whether what the leader sends can be stored."""

    @property
    def is_in_use(self) -> bool:
        """Whether a follower has read from a snapshot lately."""
        now_s = self._context.clock.monotonic()
        return any(now_s - read_at_s < IN_USE_S for read_at_s in self._read_at_s.values())

    def close(self) -> None:
        """End what is under way. The store removes what is incomplete when it is opened again."""
        for task in self._tasks:
            task.cancel()

    def begin(self, operation: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run an operation until it ends, or this life does."""
        task = asyncio.ensure_future(operation)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def load(self, effect: LoadChunk, present: SnapshotId | None, damaged: Callable[[SnapshotId], None]) -> None:
        """Read a chunk of an own snapshot for a follower.

        `damaged` is called if it is of `present`, the snapshot that the register names, and that does not read back.
        """
        if present is not None and effect.digest == present.digest:
            if present.digest in self._damaged:
                damaged(present)
            elif 0 <= effect.offset < present.size_bytes:
                self._read_at_s[snapshot_name(present)] = self._context.clock.monotonic()
                self.begin(self._load_present(effect, present, damaged))
        elif effect.offset >= 0 and (name := self.hold(effect.digest)) is not None:
            self.begin(self._load(effect, name))

    def hold(self, digest: bytes) -> str | None:
        """Keep the own snapshot with this digest for a while, because it is being read; return its name.

        None: there is no such one (any more), or it is damaged.
        """
        head = digest[:8].hex()
        names = [name for name in self._store.snapshots.names(self._group) if name.endswith(f"-{head}")]
        if len(names) != 1 or digest in self._damaged:
            return None
        self._read_at_s[names[0]] = self._context.clock.monotonic()
        return names[0]

    def replaced(self, snapshot: SnapshotId) -> None:
        """Note that the file of `snapshot` was written anew."""
        self._damaged.discard(snapshot.digest)

    def store(self, effect: StoreChunk) -> None:
        """Append a chunk to the snapshot that arrives, after those before it."""
        self._last_store = self.begin(self._store_chunk(effect, self._last_store))

    def clean(self, present: SnapshotId | None) -> None:
        """Remove what an earlier life left behind: all snapshots but the one that the register names."""
        self._keep_only(set() if present is None else {snapshot_name(present)})

    def remove_before(self, present: SnapshotId | None) -> None:
        """Remove snapshots that are older than the one that the register names, unless followers read them.

        A newer one, or another one at the same position, may be complete already: the register does not name it yet.
        """
        if present is None:
            return
        now_s = self._context.clock.monotonic()
        self._read_at_s = {name: at_s for name, at_s in self._read_at_s.items() if now_s - at_s < IN_USE_S}
        name = snapshot_name(present)
        position = name[:POSITION_CHARACTERS]
        newer = {each for each in self._store.snapshots.names(self._group) if each >= position}
        self._keep_only({name, *newer, *self._read_at_s})

    async def remove(self, snapshot: SnapshotId) -> None:
        """Remove a snapshot that cannot be used."""
        try:
            await self._store.snapshots.remove(self._group, snapshot_name(snapshot))
        except CoterieError as error:
            self._context.log.warning("group.snapshots_not_removed", group=self._group, error=str(error))

    def _keep_only(self, names: set[str]) -> None:
        if not names.issuperset(self._store.snapshots.names(self._group)):
            self.begin(self._keep(names))

    async def _keep(self, names: set[str]) -> None:
        try:
            await self._store.snapshots.keep(self._group, names)
        except CoterieError as error:
            self._context.log.warning("group.snapshots_not_removed", group=self._group, error=str(error))

    async def _load(self, effect: LoadChunk, name: str) -> None:
        try:
            data = await self._store.snapshots.read(self._group, name, effect.offset, CHUNK_BYTES)
        except CoterieError as error:
            self._context.log.warning("group.snapshot_unreadable", group=self._group, snapshot=name, error=str(error))
            return
        if data:
            self._answer(ChunkLoaded(effect.reader, effect.digest, effect.offset, data))

    async def _load_present(
        self, effect: LoadChunk, present: SnapshotId, damaged: Callable[[SnapshotId], None]
    ) -> None:
        name, offset = snapshot_name(present), effect.offset
        try:
            if offset == 0 and self._given_whole.pop(effect.reader, None) == present.digest:
                await self._check(name, present)  # a reader that begins again has found it wrong, or has lost it
            data = await self._store.snapshots.read(self._group, name, offset, CHUNK_BYTES)
            if not data:
                raise StorageDamaged(self._path_of(name), offset, f"{present.size_bytes} bytes were written")
        except CoterieError as error:
            self._context.log.warning("group.snapshot_unreadable", group=self._group, snapshot=name, error=str(error))
            self._damaged.add(present.digest)
            damaged(present)
            return
        if offset + len(data) >= present.size_bytes:
            self._given_whole[effect.reader] = present.digest
        self._answer(ChunkLoaded(effect.reader, effect.digest, offset, data))

    async def _check(self, name: str, snapshot: SnapshotId) -> None:
        """Read a whole snapshot. `StorageDamaged` if it is not what was written."""
        digest, offset = hashlib.sha256(), 0
        while data := await self._store.snapshots.read(self._group, name, offset, CHUNK_BYTES):
            digest.update(data)
            offset += len(data)
        if digest.digest() != snapshot.digest:
            raise StorageDamaged(self._path_of(name), 0, "the snapshot is not what was written")

    def _path_of(self, name: str) -> str:
        return self._store.snapshots.path_of(self._group, name)

    async def _store_chunk(self, effect: StoreChunk, before: asyncio.Task[None] | None) -> None:
        if before is not None and not before.done():
            await asyncio.wait([before])
        try:
            answer = await self._append(effect)
        except NoRoomForSnapshot as error:
            self.room.none_for(effect.snapshot.size_bytes, error)
            for _ in range(ROOM_LOOKS):
                await asyncio.sleep(RETRY_S)
                if self.room.is_there:
                    break
            answer = SnapshotStored(effect.snapshot, None, is_damaged=False)
        except (CoterieError, ValueError) as error:
            name = snapshot_name(effect.snapshot)
            self._context.log.warning("group.snapshot_not_received", group=self._group, snapshot=name, error=str(error))
            await asyncio.sleep(RETRY_S)
            answer = SnapshotStored(effect.snapshot, None, is_damaged=isinstance(error, ValueError | StorageDamaged))
        self._answer(answer)

    async def _append(self, effect: StoreChunk) -> ChunkStored | SnapshotStored:
        if effect.offset == 0:
            if self._arriving is not None:
                await self._arriving.abandon()
            self._arriving = await self._store.snapshots.create(self._group)
        writer, snapshot = self._arriving, effect.snapshot
        if writer is None or writer.size_bytes != effect.offset:
            raise StorageFailed(f"group {self._group!r}", f"a chunk at {effect.offset} does not continue the file")
        await writer.append(effect.data)
        if writer.size_bytes < snapshot.size_bytes:
            return ChunkStored(snapshot.digest, writer.size_bytes)
        self._arriving = None
        if await writer.digest() != snapshot.digest:
            await writer.abandon()
            return SnapshotStored(snapshot, None)
        await writer.finish(snapshot_name(snapshot))
        self.room.found()
        return SnapshotStored(snapshot, await self._facts_of(snapshot))

    async def _facts_of(self, snapshot: SnapshotId) -> GroupFacts:
        manifest = await read_manifest(self._store, self._group, snapshot)
        facts = manifest.facts
        found = (manifest.group, facts.incarnation, facts.base)
        if found != (self._group, self._incarnation, snapshot.position):
            raise ValueError(f"it is of {found}")
        return facts
