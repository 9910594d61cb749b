"""`ReplyRoom`: limits the bytes of large replies that are on their way at once, so that they fit into their answers.

Replies that did not fit into an answer are asked for again. If all of that happened at once, they would not fit again,
and would fill the leader's outbound buffer, too.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

__all__ = ["ReplyRoom"]

REPLY_OVERHEAD_BYTES: Final = 16
"""The most that one reply takes in an answer in addition to its own bytes."""


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
