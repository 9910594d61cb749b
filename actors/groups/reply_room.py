"""`ReplyRoom`: limits the bytes of large replies that are on their way at once; remembers which commands have such.

Replies that did not fit into an answer are asked for again. If all of that happened at once, they would not fit again,
and would fill the leader's outbound buffer, too. So commands of a class whose latest two replies were large wait for
room before they are sent, and their batches are cut where a group would defer the rest.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

__all__ = ["LargeReplies", "ReplyRoom"]

REPLY_OVERHEAD_BYTES: Final = 16
"""The most that one reply takes in an answer in addition to its own bytes."""


LARGE_BYTES: Final = 64 * 1024
"""A reply that has so many bytes is large: fewer than 256 of them, a batch, fit into an answer."""

KINDS_MAX: Final = 1024
"""So many classes of commands are remembered; the oldest is forgotten."""


class LargeReplies:
    """The sizes of the latest two replies to each class of commands, if the last one was large.

    Of a class with some large replies two are seldom large in a row: its others do not wait.
    """

    def __init__(self) -> None:
        self._bytes_by_kind: dict[type[object], tuple[int, int]] = {}

    def note(self, kind: type[object] | None, reply_bytes: int) -> None:
        """Note a reply to a command of the class `kind` (None: unknown)."""
        if kind is None or (reply_bytes < LARGE_BYTES and not self._bytes_by_kind):
            return
        _, before = self._bytes_by_kind.pop(kind, (0, 0))
        if reply_bytes >= LARGE_BYTES:
            self._bytes_by_kind[kind] = before, reply_bytes
            if len(self._bytes_by_kind) > KINDS_MAX:
                del self._bytes_by_kind[next(iter(self._bytes_by_kind))]

    def expected(self, kind: type[object] | None) -> int:
        """Return how many bytes the next reply to such a command will probably have, if that is large; else 0."""
        return min(self._bytes_by_kind.get(kind, (0, 0))) if kind is not None and self._bytes_by_kind else 0


class ReplyRoom:
    """Room for replies of `max_bytes` together; a larger one gets all of it. First come, first served."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._taken_bytes = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    async def enter(self, reply_bytes: int) -> None:
        """Take room for a reply of `reply_bytes`; waits until there is some. Call `leave` with the same number."""
        size = self._size_of(reply_bytes)
        if not self._waiting and self._taken_bytes + size <= self._max_bytes:
            self._taken_bytes += size
            return
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, granted))
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled():
                self._taken_bytes -= size  # it was granted in the same moment
            self._grant()
            raise

    def leave(self, reply_bytes: int) -> None:
        """Give the room of a reply back: it has come, or failed."""
        self._taken_bytes -= self._size_of(reply_bytes)
        self._grant()

    def _size_of(self, reply_bytes: int) -> int:
        return min(reply_bytes + REPLY_OVERHEAD_BYTES, self._max_bytes)

    def _grant(self) -> None:
        """Give room to those that wait, in order; drop those that have given up."""
        while self._waiting:
            size, granted = self._waiting[0]
            if not granted.done():
                if self._taken_bytes + size > self._max_bytes:
                    return
                self._taken_bytes += size
                granted.set_result(None)
            self._waiting.popleft()
