"""`ClientReads`: bounds what the frames of all clients together take of one turn of the event loop.

A loop handles every socket that has data before it looks again. Each connection stops after a slice, but a hundred
connections of clients would still keep heartbeats and votes of nodes waiting for a hundred slices. So clients share a
time: when it is used up, their connections wait in line, unread, for the next turn. Those of nodes never wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from coterie.runtime.transport.connection import Connection

__all__ = ["CLIENTS_TURN_S", "ClientReads"]

CLIENTS_TURN_S: Final = 0.005
"""The time for frames of clients in one turn of the loop; the frame that uses it up is handled to its end."""


class ClientReads:
    """The connections of clients that have frames, in line.

    Args:
        loop: the running loop.
        monotonic: the host's clock (s).
    """

    __slots__ = ("_left_s", "_loop", "_monotonic", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop, monotonic: Callable[[], float]) -> None:
        self._loop = loop
        self._monotonic = monotonic
        self._left_s = CLIENTS_TURN_S
        self._waiting: deque[Connection] = deque()

    def take(self, connection: Connection) -> None:
        """Let `connection` hand on its frames: at once, or behind those that wait for a later turn."""
        if self._waiting or self._left_s <= 0:
            connection.hold()
            self._waiting.append(connection)
        else:
            self._take_now(connection)

    def _take_now(self, connection: Connection) -> None:
        began_s = self._monotonic()
        try:
            connection.take_frames()
        finally:
            self._left_s -= self._monotonic() - began_s
            if self._left_s <= 0:
                self._loop.call_soon(self._begin_turn)

    def _begin_turn(self) -> None:
        self._left_s = CLIENTS_TURN_S
        try:
            while self._waiting and self._left_s > 0:
                self._take_now(self._waiting.popleft())
        finally:
            if self._waiting and self._left_s > 0:  # an exception ended the loop above
                self._loop.call_soon(self._begin_turn)
