"""One direction of one connection through a proxy: bytes go in at one end and come out late, spoilt or not at all.

    near socket ──push──▶ queue (bounded: a full one stops the reading) ──pump──▶ far socket
                            │ weather: when each chunk is due, and what of it arrives
                            │ blocked link: everything waits
                            └ hole: everything vanishes, and the connection is never whole again

What is delivered is in order and without a gap.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Protocol

from coterie.runtime.hosts.host import Clock
from coterie.runtime.hosts.simulation.link_conditions import WeatherLink
from coterie.runtime.hosts.virtual.virtual_link import Signal

__all__ = ["HELD_BYTES_MAX", "Pipe", "PipeEnd"]

HELD_BYTES_MAX: Final = 256 * 1024
"""How much one direction holds before it stops reading; one read more may come on top."""

SEGMENT_BYTES: Final = 1400
"""On a narrow link bytes trickle in pieces of this size."""


class PipeEnd(Protocol):
    """A socket, as its pipes see it."""

    @property
    def is_full(self) -> bool:
        """Whether it takes nothing more for now."""
        ...

    def hold(self) -> None:
        """Read nothing more until `go_on`."""
        ...

    def go_on(self) -> None:
        """Read again."""
        ...

    def deliver(self, item: bytes | Signal) -> None:
        """Write bytes, end the stream, or break."""
        ...


class Pipe:
    """Carries what `source` reads to `target`, in the weather of `link`, whose times are those of `clock`."""

    def __init__(self, link: WeatherLink, source: PipeEnd, target: PipeEnd, clock: Clock) -> None:
        self.link = link
        """The weather, which all connections of this direction share."""
        self.has_hole = False
        """Whether something vanished in it."""
        self._source = source
        self._target = target
        self._now = clock.monotonic
        self._waiting: deque[tuple[float, bytes | Signal]] = deque()
        self._held_bytes = 0
        self._is_holding = False
        self._is_over = False
        self._latest_s = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def held_bytes(self) -> int:
        """How much waits in it (bytes)."""
        return self._held_bytes

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits in it."""
        return not self._waiting

    def push(self, item: bytes | Signal) -> None:
        """Take what was read, or how the reading ended."""
        if self._is_over:
            return
        if self.link.is_hole:
            self.has_hole = True
            return
        narrow = self.link.bytes_per_s is not None
        step = SEGMENT_BYTES if narrow else HELD_BYTES_MAX
        pieces = [item[at : at + step] for at in range(0, len(item), step)] if isinstance(item, bytes) else [item]
        for piece in pieces:
            self._queue(piece)
        if self._held_bytes >= HELD_BYTES_MAX and not self._is_holding:
            self._is_holding = True
            self._source.hold()
        self.pump()

    def pump(self) -> None:
        """Deliver what is due, as far as the link and the target let it."""
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
        if self._is_holding and self._held_bytes < HELD_BYTES_MAX // 2:
            self._is_holding = False
            self._source.go_on()

    def hurry(self) -> None:
        """Let everything that waits be due now."""
        self._latest_s = 0.0
        self._waiting = deque((0.0, item) for _, item in self._waiting)
        self.pump()

    def end(self) -> None:
        """Carry nothing more, and forget what waits."""
        self._is_over = True
        self._waiting.clear()
        self._held_bytes = 0
        self._stop_timer()

    def _queue(self, item: bytes | Signal) -> None:
        self._latest_s = max(self._latest_s, self._now() + self.link.delay_s(_size(item)))
        self._waiting.append((self._latest_s, item))
        self._held_bytes += _size(item)

    def _deliver(self, item: bytes | Signal) -> None:
        if self._is_over:
            return
        if item is Signal.RESET:
            self.end()
        self._target.deliver(item)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _size(item: bytes | Signal) -> int:
    return len(item) if isinstance(item, bytes) else 0
