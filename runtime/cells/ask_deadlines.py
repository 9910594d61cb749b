"""Asking: how the envelopes of a system's own asks are made: with their time, never more than the asker himself has."""

from __future__ import annotations

import asyncio
import math
from asyncio.events import _get_running_loop as running_loop
from typing import TYPE_CHECKING, Final, TypeVar

from coterie.runtime.cells.ask_cycles import HANDLER, begin_wait
from coterie.runtime.cells.asks import ACTIVATION, RESOLUTION_S, DeadlineWheel, Envelope, PendingAsk
from coterie.runtime.cells.cell import Cell

if TYPE_CHECKING:
    from coterie.runtime.system import System

__all__ = ["Asking"]

P = TypeVar("P", bound=PendingAsk)

_FOR_EVER_S: Final = 1e9
"""The longest patience of an ask: some thirty years."""


class Asking:
    """Makes the asks of one system and lets them run out of time.

    Most asks are made by no handler and wait as long as the system says: these share the wheel's bucket of the present
    20 ms, so that an ask costs one look at the clock and two at a dictionary.
    """

    __slots__ = (
        "_last_nested", "_run_queue", "_system", "bucket", "bucket_until_s", "loop", "monotonic", "new_future",
        "patience_s", "wheel",
    )  # fmt: skip

    def __init__(self, system: System, loop: asyncio.AbstractEventLoop) -> None:
        self._system = system
        self.loop = loop
        self._run_queue = system.run_queue
        self.monotonic = system.host.clock.monotonic
        self.new_future = loop.create_future
        self.patience_s = system.config.ask_timeout_s
        self._last_nested = 0
        self.wheel = DeadlineWheel(loop, system.host.clock)
        self.bucket: dict[PendingAsk, None] = {}
        self.bucket_until_s = -math.inf

    def begin_plain(self, message: object, target: str, kind: type[P]) -> P:
        """Make the envelope of an ask that waits as long as the system says, and let its time run.

        Raises:
            WrongThread: this is not the system's loop.
        """
        run_queue = self._run_queue
        if running_loop() is not self.loop:
            run_queue.check_loop()
        if run_queue.visiting is not None or HANDLER.get() is not None:
            return self.begin(message, None, target, kind)
        now = self.monotonic()
        if now >= self.bucket_until_s and not self.renew_bucket(now):
            return self.begin(message, None, target, kind)
        bucket = self.bucket
        pending = kind(message, now + self.patience_s, target, self.new_future(), bucket)
        bucket[pending] = None
        return pending

    def begin(self, message: object, timeout_s: float | None, target: str, kind: type[P]) -> P:
        """Make the envelope of any ask: with the time and the chain of the ask that is being handled, if one is.

        Raises:
            ValueError: `timeout_s` is no number.
            WrongThread: this is not the system's loop.
        """
        self._run_queue.check_loop()
        deadline = self.monotonic() + self.patience_of(timeout_s)
        pending = kind(message, deadline, target, self.new_future(), None)
        visiting = self._run_queue.visiting
        if isinstance(visiting, Cell) and not visiting.kind.is_async:
            if isinstance(visiting.current, Envelope):
                pending.deadline = min(deadline, visiting.current.deadline)
        elif (handler := HANDLER.get()) is not None:
            self._nest(pending, handler)
        self.wheel.add(pending)
        return pending

    def patience_of(self, timeout_s: float | None) -> float:
        """Return for how long an ask waits that was given `timeout_s`. ValueError if it is no number."""
        if timeout_s is None:
            return self.patience_s
        if math.isnan(timeout_s):
            raise ValueError(f"the timeout of an ask is {timeout_s}: it must be a number of seconds")
        return min(timeout_s, _FOR_EVER_S)

    def close(self) -> None:
        """Tell everybody who waits, and who will ask from now on, that there will be no reply."""
        self.wheel.close()
        self.bucket_until_s = -math.inf

    def renew_bucket(self, now: float) -> bool:
        """Take the bucket of asks that begin now; False if the wheel has stopped, or turns faster than they wait."""
        slot = self.wheel.slot_of(now + self.patience_s)
        until_s = slot * RESOLUTION_S - self.patience_s
        if self.wheel.is_closed or self.patience_s < RESOLUTION_S:
            return False
        self.bucket, self.bucket_until_s = self.wheel.bucket(slot), until_s
        return True

    def _nest(self, pending: PendingAsk, handler: Cell) -> None:
        """Let an ask made in an actor's scope inherit from the ask it is made for, and note who waits for it."""
        asker = ACTIVATION.get()
        if asker is not None and asker.is_handled:
            pending.deadline = min(pending.deadline, asker.deadline)
        if handler.system is self._system:
            self._last_nested += 1
            begin_wait(handler, pending, self._last_nested)
