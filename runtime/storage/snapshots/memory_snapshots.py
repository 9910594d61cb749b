"""`MemorySnapshots`: stores snapshots in memory only; they are lost when the process ends."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection

from coterie.errors import StorageFailed
from coterie.runtime.storage.snapshots.snapshot_store import (
    RunningDigest,
    SnapshotNotWritten,
    SnapshotWriter,
    check_name,
    check_range,
)

__all__ = ["MemorySnapshots"]

_PLACE = "memory"


class MemorySnapshots:
    """A `SnapshotStore` without a disk, of one `MemoryLog`."""

    def __init__(self) -> None:
        self._content: dict[str, dict[str, bytes]] = {}
        self._writers: list[_MemoryWriter] = []
        self._is_closed = False

    async def create(self, group: str) -> SnapshotWriter:
        """Begin a snapshot."""
        await self._turn()
        self._writers = [each for each in self._writers if each.is_open]
        writer = _MemoryWriter(self, group)
        self._writers.append(writer)
        return writer

    @property
    def room_bytes(self) -> int | None:
        """None: memory does not say."""
        return None

    def names(self, group: str) -> tuple[str, ...]:
        """Return the names of the complete snapshots of `group`, sorted."""
        return tuple(sorted(self._content.get(group, ())))

    def path_of(self, group: str, name: str) -> str:
        """Return a text instead of a path: there is no file."""
        return f"{_PLACE}: {group}/{name}"

    async def size_bytes(self, group: str, name: str) -> int | None:
        """Return the size of a complete snapshot, or None."""
        await self._turn()
        content = self._content.get(group, {}).get(name)
        return None if content is None else len(content)

    async def read(
        self, group: str, name: str, offset: int, max_bytes: int, digest: RunningDigest | None = None
    ) -> bytes | None:
        """Return up to `max_bytes` bytes from `offset`, or None if there is no such snapshot; `digest` takes them."""
        check_range(offset, max_bytes)
        await self._turn()
        content = self._content.get(group, {}).get(name)
        if content is None:
            return None
        data = content[offset : offset + max_bytes]
        if digest is not None:
            digest.update(data)
        return data

    async def remove(self, group: str, name: str) -> None:
        """Remove a complete snapshot."""
        await self._turn()
        self._content.get(group, {}).pop(name, None)

    async def keep(self, group: str, names: Collection[str]) -> None:
        """Remove all other complete snapshots of `group`."""
        kept = frozenset(names)
        await self._turn()
        held = self._content.get(group, {})
        self._content[group] = {name: content for name, content in held.items() if name in kept}

    async def forget(self, group: str) -> None:
        """Remove all snapshots of `group`, those that are being written included."""
        await self._turn()
        self._content.pop(group, None)
        self._end_writers("its group was forgotten", group)

    def close(self) -> None:
        """Accept no more calls."""
        self._is_closed = True
        self._end_writers("the store was closed")

    def put(self, group: str, name: str, content: bytes) -> None:
        """Store a complete snapshot."""
        self._content.setdefault(group, {})[name] = content

    def check(self) -> None:
        """`StorageFailed` once closed."""
        if self._is_closed:
            raise StorageFailed(_PLACE, "it was closed")

    async def _turn(self) -> None:
        self.check()
        await asyncio.sleep(0)
        self.check()

    def _end_writers(self, reason: str, group: str | None = None) -> None:
        for each in self._writers:
            if group in {None, each.group}:
                each.end(reason)


class _MemoryWriter:
    """A `SnapshotWriter`."""

    def __init__(self, store: MemorySnapshots, group: str) -> None:
        self.group = group
        self._store = store
        self._parts: list[bytes] = []
        self._size_bytes = 0
        self._digest = hashlib.sha256()
        self._end: str | None = None
        self._is_complete = False

    @property
    def is_open(self) -> bool:
        """Whether it is still being written."""
        return self._end is None

    @property
    def size_bytes(self) -> int:
        """How many bytes were appended so far."""
        return self._size_bytes

    async def append(self, data: bytes) -> None:
        """Append `data`."""
        await self._turn()
        self._check()
        self._parts.append(bytes(data))
        self._digest.update(data)
        self._size_bytes += len(data)

    async def digest(self) -> bytes:
        """Return the SHA-256 of everything appended so far."""
        await self._turn()
        if not self._is_complete:
            self._check()
        return self._digest.digest()

    async def finish(self, name: str) -> None:
        """Make the snapshot complete, as `name`."""
        check_name(name)
        await self._turn()
        self._check()
        self._store.put(self.group, name, b"".join(self._parts))
        self._is_complete = True
        self.end("it is complete")

    async def abandon(self) -> None:
        """Drop what was appended."""
        self.end("it was abandoned")

    def end(self, reason: str) -> None:
        """Accept no more calls; the first reason stays."""
        if self._end is None:
            self._end = reason
            self._parts.clear()

    async def _turn(self) -> None:
        self._store.check()
        await asyncio.sleep(0)
        self._store.check()

    def _check(self) -> None:
        if self._end is not None:
            raise SnapshotNotWritten(_PLACE, self._end)
