"""`DiskTasks`: reads old entries, marks a store that has lost promises, and sees whether its disk has room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from coterie.actors.groups.raft_records import entries_of
from coterie.protocols.raft.raft_effects import ShortOfSpace
from coterie.protocols.replicated_log import Load, Loaded
from coterie.runtime.storage.log_store import LogStore

__all__ = ["DiskTasks"]


class DiskTasks:
    """The tasks of one life of a replica.

    Args:
        group: the group's name in the store.
        store: where its log is.
        fail: called with an error after which the node must not go on.
    """

    def __init__(self, group: str, store: LogStore, fail: Callable[[BaseException], None]) -> None:
        self._group = group
        self._store = store
        self._fail = fail
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_short = False  # as the protocol was told

    def load(self, load: Load, done: Callable[[Loaded], None]) -> None:
        """Read entries, and call `done` with them. An unreadable log is fatal for the node."""
        self._begin(self._load(load, done))

    def mark_lost(self, evidence: str) -> None:
        """Mark the store; if it cannot keep that it would be believed again, so the node must not go on."""
        self._begin(self._mark_lost(evidence))

    def news_of_room(self) -> ShortOfSpace | None:
        """Return what the protocol is to be told of the disk's room for commands; None: it knows."""
        if self._store.is_short_of_space == self._is_short:
            return None
        self._is_short = not self._is_short
        return ShortOfSpace(self._is_short, self._store.waiting_bytes_max if self._is_short else None)

    def close(self) -> None:
        """Cancel what is under way; the next life of the protocol begins with room."""
        self._is_short = False
        for task in self._tasks:
            task.cancel()

    def _begin(self, operation: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(operation)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _mark_lost(self, evidence: str) -> None:
        try:
            await self._store.mark_lost(evidence)
        except Exception as error:  # noqa: BLE001 (see `mark_lost`)
            self._fail(error)

    async def _load(self, load: Load, done: Callable[[Loaded], None]) -> None:
        try:
            records = await self._store.read(self._group, load.first, load.last, load.max_bytes)
            entries = entries_of(self._group, load.first, records)
        except Exception as error:  # noqa: BLE001 (see `load`)
            self._fail(error)
            return
        done(Loaded(load.reader, load.first, entries))
