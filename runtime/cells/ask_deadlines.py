"""`AskDeadlines`: creates asks and sets each one's deadline, never later than that of the ask being handled."""

from __future__ import annotations

import asyncio
import math
from asyncio.events import _get_running_loop as running_loop
from numbers import Real
from typing import TYPE_CHECKING, Final, TypeVar

from coterie.runtime.cells.ask_cycles import CURRENT_CELL, begin_wait
from coterie.runtime.cells.asks import CURRENT_ASK, RESOLUTION_S, DeadlineWheel, Envelope, PendingAsk
from coterie.runtime.cells.cell import Cell

if TYPE_CHECKING:
    from coterie.runtime.system import System

__all__ = ["AskDeadlines", "check_timeout"]

P = TypeVar("P", bound=PendingAsk)

_TIMEOUT_MAX_S: Final = 1e9
"""The longest timeout of an ask, seconds: about thirty years; infinity is reduced to it."""


class AskDeadlines:
    """Makes the asks of one system and starts their timeouts.

    Most asks are made outside handlers and have the system's default timeout: these share the wheel's bucket for the
    current 20 ms, so that an ask costs one reading of the clock and two dictionary operations.
    """

    __slots__ = (
        "_last_nested",
        "_run_queue",
        "_system",
        "bucket",
        "bucket_until_s",
        "default_timeout_s",
        "loop",
        "monotonic",
        "new_future",
        "wheel",
    )  # fmt: skip

    def __init__(self, system: System, loop: asyncio.AbstractEventLoop) -> None:
        self._system = system
        self.loop = loop
        self._run_queue = system.run_queue
        self.monotonic = system.host.clock.monotonic
        self.new_future = loop.create_future
        self.default_timeout_s = system.config.ask_timeout_s
        self._last_nested = 0
        self.wheel = DeadlineWheel(loop, system.host.clock)
        self.bucket: dict[PendingAsk, None] = {}
        self.bucket_until_s = -math.inf

    def begin_with_default_timeout(self, message: object, target: str, envelope_class: type[P]) -> P:
        """Make the envelope of an ask with the system's default timeout, and start the timeout.

        Raises:
            WrongThread: this is not the system's loop.
        """
        run_queue = self._run_queue
        if running_loop() is not self.loop:
            run_queue.check_loop()
        if run_queue.visiting is not None or CURRENT_CELL.get() is not None:
            return self.begin(message, None, target, envelope_class)
        now = self.monotonic()
        if now >= self.bucket_until_s and not self.renew_bucket(now):
            return self.begin(message, None, target, envelope_class)
        bucket = self.bucket
        pending = envelope_class(message, now + self.default_timeout_s, target, self.new_future(), bucket)
        bucket[pending] = None
        return pending

    def begin(self, message: object, timeout_s: float | None, target: str, envelope_class: type[P]) -> P:
        """Make the envelope of any ask; it inherits the deadline and the chain of the ask being handled, if any.

        Raises:
            TypeError, ValueError: `timeout_s` is not a number.
            WrongThread: this is not the system's loop.
        """
        self._run_queue.check_loop()
        deadline = self.monotonic() + self.timeout_of(timeout_s)
        pending = envelope_class(message, deadline, target, self.new_future(), None)
        visiting = self._run_queue.visiting
        if isinstance(visiting, Cell) and not visiting.actor_class.is_async:
            if isinstance(visiting.current, Envelope):
                pending.deadline = min(deadline, visiting.current.deadline)
        elif (handler := CURRENT_CELL.get()) is not None:
            self._nest(pending, handler)
        self.wheel.add(pending)
        return pending

    def timeout_of(self, timeout_s: float | None) -> float:
        """Return the timeout of an ask that was given `timeout_s` (None: the default); raises as `check_timeout`."""
        if timeout_s is None:
            return self.default_timeout_s
        check_timeout(timeout_s)
        return min(max(timeout_s, 0.0), _TIMEOUT_MAX_S)

    def inherited_deadline(self) -> float:
        """Return the deadline (monotonic, s) of the ask that is being handled; infinity if there is none."""
        visiting = self._run_queue.visiting
        handled = visiting.current if isinstance(visiting, Cell) else CURRENT_ASK.get()
        is_limiting = isinstance(handled, Envelope) and (isinstance(visiting, Cell) or handled.is_handled)
        return handled.deadline if isinstance(handled, Envelope) and is_limiting else math.inf

    def close(self) -> None:
        """Fail the pending asks, and those made from now on, with `AskTimeout`: the system has stopped."""
        self.wheel.close()
        self.bucket_until_s = -math.inf

    def renew_bucket(self, now: float) -> bool:
        """Take the bucket for asks made now; False if the wheel is closed or the default timeout is below 20 ms."""
        slot = self.wheel.slot_of(now + self.default_timeout_s)
        until_s = slot * RESOLUTION_S - self.default_timeout_s
        if self.wheel.is_closed or self.default_timeout_s < RESOLUTION_S:
            return False
        self.bucket, self.bucket_until_s = self.wheel.bucket(slot), until_s
        return True

    def _nest(self, pending: PendingAsk, handler: Cell) -> None:
        """Let an ask made in an actor's context inherit the deadline of the ask being handled, and record the wait."""
        asker = CURRENT_ASK.get()
        if asker is not None and asker.is_handled:
            pending.deadline = min(pending.deadline, asker.deadline)
        if handler.system is self._system:
            self._last_nested += 1
            begin_wait(handler, pending, self._last_nested)


def check_timeout(timeout_s: object) -> None:
    """Refuse what is no time limit in seconds. TypeError: it is not a real number; ValueError: it is NaN."""
    if type(timeout_s) is not float and not isinstance(timeout_s, Real):  # `isinstance` of an abstract class is slow
        raise TypeError(f"timeout_s is {timeout_s!r:.60}: it must be a number of seconds")
    if math.isnan(timeout_s):
        raise ValueError(f"timeout_s is {timeout_s}: it must be a number of seconds")
