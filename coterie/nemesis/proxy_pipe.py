"""`ProxyPipe`: carries the bytes of one direction of a proxied connection; delays, holds, corrupts or drops them.

    source socket ──push──▶ queue (bounded: a full one stops the reading) ──pump──▶ target socket
                              │ link conditions: when each chunk is due, and which of its bytes arrive
                              │ blocked link: all bytes wait
                              └ black hole: all bytes are dropped; the connection cannot continue after it

Bytes are delivered in order and without a gap.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Protocol

from coterie.runtime.hosts.host import Clock
from coterie.runtime.hosts.simulation.link_conditions import ConditionedLink
from coterie.runtime.hosts.virtual.virtual_link import Signal

__all__ = ["HELD_BYTES_MAX", "PipeEnd", "ProxyPipe"]

HELD_BYTES_MAX: Final = 256 * 1024
"""Bytes that one direction holds before it stops reading; one more read may exceed it."""

SEGMENT_BYTES: Final = 1400
"""Size of the pieces in which bytes are delivered on a link with limited bandwidth."""


class PipeEnd(Protocol):
    """A socket, as its pipes use it."""

    @property
    def is_full(self) -> bool:
        """Whether it accepts no more bytes for now."""
        ...

    def pause_reading(self) -> None:
        """Read no more until `resume_reading`."""
        ...

    def resume_reading(self) -> None:
        """Read again."""
        ...

    def deliver(self, item: bytes | Signal) -> None:
        """Write bytes, end the stream, or break."""
        ...


class ProxyPipe:
    """Carries bytes read by `source` to `target`, under the conditions of `link` (times by `clock`)."""

    def __init__(self, link: ConditionedLink, source: PipeEnd, target: PipeEnd, clock: Clock) -> None:
        self.link = link
        """The link conditions, shared by all connections of this direction."""
        self.has_lost_bytes = False
        """Whether bytes were dropped in a black hole."""
        self._source = source
        self._target = target
        self._now = clock.monotonic
        self._waiting: deque[tuple[float, bytes | Signal]] = deque()
        self._held_bytes = 0
        self._is_reading_paused = False
        self._is_closed = False
        self._latest_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def held_bytes(self) -> int:
        """The bytes that wait in it."""
        return self._held_bytes

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits in it."""
        return not self._waiting

    def push(self, item: bytes | Signal) -> None:
        """Accept bytes that were read, or the end of the reading."""
        if self._is_closed:
            return
        if self.link.is_black_hole:
            self.has_lost_bytes = True
            return
        narrow = self.link.bytes_per_s is not None
        step = SEGMENT_BYTES if narrow else HELD_BYTES_MAX
        pieces = [item[at : at + step] for at in range(0, len(item), step)] if isinstance(item, bytes) else [item]
        for piece in pieces:
            self._queue(piece)
        if self._held_bytes >= HELD_BYTES_MAX and not self._is_reading_paused:
            self._is_reading_paused = True
            self._source.pause_reading()
        self.pump()

    def pump(self) -> None:
        """Deliver what is due, unless the link is blocked or the target is full."""
        self._stop_timer()
        while self._waiting and not self.link.is_blocked and not self._target.is_full:
            due_s, item = self._waiting[0]
            late_s = due_s - self._now()
            if late_s > 0:
                self._timer = asyncio.get_running_loop().call_later(late_s, self.pump)
                break
            self._waiting.popleft()
            self._held_bytes -= _size(item)
            for piece in self.link.carry(item):
                self._deliver(piece)
        if self._is_reading_paused and self._held_bytes < HELD_BYTES_MAX // 2:
            self._is_reading_paused = False
            self._source.resume_reading()

    def deliver_now(self) -> None:
        """Make everything that waits due now."""
        self._latest_s = 0.0
        self._waiting = deque((0.0, item) for _, item in self._waiting)
        self.pump()

    def close(self) -> None:
        """Deliver nothing more, and drop what waits."""
        self._is_closed = True
        self._waiting.clear()
        self._held_bytes = 0
        self._stop_timer()

    def _queue(self, item: bytes | Signal) -> None:
        self._latest_s = max(self._latest_s, self._now() + self.link.delay_s(_size(item)))
        self._waiting.append((self._latest_s, item))
        self._held_bytes += _size(item)

    def _deliver(self, item: bytes | Signal) -> None:
        if self._is_closed:
            return
        if item is Signal.RESET:
            self.close()
        self._target.deliver(item)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _size(item: bytes | Signal) -> int:
    return len(item) if isinstance(item, bytes) else 0
