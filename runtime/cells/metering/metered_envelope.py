"""`MeteredEnvelope`: wraps one ask, local or remote, and tells a meter when it arrives, is handled and ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from coterie.runtime.cells.asks import Envelope
from coterie.runtime.messages.declared_errors import is_declared

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell
    from coterie.runtime.cells.metering.request_meter import RequestMeter

__all__ = ["MeteredEnvelope"]


class MeteredEnvelope(Envelope):
    """An ask in the mailbox of a metered actor. The answer goes to `inner`, behind the actor's load report."""

    __slots__ = ("_is_over", "_is_running", "_meter", "_monotonic", "_number", "inner")

    def __init__(self, inner: Envelope, meter: RequestMeter, monotonic: Callable[[], float]) -> None:
        # The remaining fields of Envelope are the properties below.
        self.message = inner.message
        self.deadline = inner.deadline
        self.chain = inner.chain
        self.inner = inner
        self._meter = meter
        self._monotonic = monotonic
        self._number = 0
        self._is_running = False
        self._is_over = False

    def enter(self) -> None:
        """Count its arrival, now that it is in the mailbox; no effect if the mailbox has refused it."""
        if not self._is_over:
            self._number = self._meter.arrived(self.deadline, now=self._monotonic())

    @property
    def is_handled(self) -> bool:
        """As in `Envelope`. Each change tells the meter that a handler begins or has ended."""
        return self._is_running

    @is_handled.setter
    def is_handled(self, value: bool) -> None:
        self._is_running = value
        if value:
            self._meter.started(self._number, now=self._monotonic())
        else:
            self._meter.returned(self._number, now=self._monotonic())

    @property
    def is_reply_deferred(self) -> bool:
        """As in `Envelope`. The search for ask cycles looks at the wrapped ask."""
        return self.inner.is_reply_deferred

    @is_reply_deferred.setter
    def is_reply_deferred(self, value: bool) -> None:
        self.inner.is_reply_deferred = value

    @property
    def asker(self) -> str | None:
        """As in `Envelope`."""
        return self.inner.asker

    def open(self, cell: Cell, receive: Callable[[Any], object]) -> None:
        """Do as `Envelope.open`; the time that the handler takes is time of the event loop."""
        meter, number, started_at = self._meter, self._number, self._monotonic()
        meter.started(number, now=started_at)
        try:
            super().open(cell, receive)
        finally:
            now = self._monotonic()
            meter.returned(number, now=now)
            meter.used_loop(now - started_at)

    def is_abandoned(self) -> bool:
        """Whether the asker no longer waits, asked before the handler is called: then the request is over."""
        if not self.inner.is_abandoned():
            return False
        self._is_over = True
        self._meter.abandoned(self._number)
        return True

    def resolve(self, value: object) -> None:
        """Complete with a reply."""
        self._complete(is_failure=False)
        self.inner.resolve(value)

    def reject(self, error: Exception) -> None:
        """Complete with an error."""
        self._complete(is_failure=not is_declared(error, self.message))
        self.inner.reject(error)

    def _complete(self, *, is_failure: bool) -> None:
        if self._is_over:
            return
        self._is_over = True
        now = self._monotonic()
        self._meter.completed(self._number, is_failure=is_failure, now=now)
        self.inner.send_load(lambda node: self._meter.load_for(node, now=now))
