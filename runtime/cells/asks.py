"""Asks: an envelope that waits for its reply, and the wheel on which all of them run out of time.

An ask resolves exactly once: with a reply, an error, a timeout, a dead target, or *unknown* when a connection drops.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from coterie.errors import AskTimeout
from coterie.runtime.hosts.host import Clock
from coterie.runtime.messages.declared_errors import is_declared

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell

__all__ = ["ACTIVATION", "RESOLUTION_S", "DeadlineWheel", "Envelope", "Hop", "PendingAsk"]

ACTIVATION: Final[contextvars.ContextVar[Envelope | None]] = contextvars.ContextVar("coterie.activation", default=None)
"""The ask whose `async def` handler runs in this context: asks made by it inherit what is left of its time."""

RESOLUTION_S: Final = 0.02
TOLERANCE_S: Final = 0.001


class Hop(NamedTuple):
    """One link of the chain that an ask belongs to: `activation` of an actor waits for its own ask number `ask`.

    An activation is the handling of one message. The chain of an ask is a tuple of hops, the first asker first; it
    travels with the ask, so that whoever would ask back into it is refused.
    """

    node: str
    path: str
    uid: int
    activation: int
    ask: int


class Envelope:
    """A message in a mailbox that somebody waits for.

    `deadline`: monotonic seconds. `chain`: who waits for this ask, and for whose ask he handles, and so on.
    `is_handled`: its handler runs now. `is_taken`: its reply comes later, from whoever took it over.
    """

    __slots__ = ("chain", "deadline", "is_handled", "is_taken", "message")

    __lane__: ClassVar[None] = None  # no message: whoever handles mail looks what it is

    def __init__(self, message: object, deadline: float) -> None:
        self.message = message
        self.deadline = deadline
        self.chain: tuple[Hop, ...] = ()
        self.is_handled = False
        self.is_taken = False

    def open(self, cell: Cell, receive: Callable[[Any], object]) -> None:
        """Let `cell` handle the message by a plain `receive`, and answer with what that returns.

        Raises what `receive` raises, unless the message declares it.
        """
        if self.is_abandoned():
            cell.expire(self.message)
            return
        try:
            result = receive(self.message)
        except Exception as error:
            if not is_declared(error, self.message):
                raise
            self.reject(error)
        else:
            if cell.current is self:
                self.resolve(result)

    def is_abandoned(self) -> bool:
        """Whether nobody waits any more."""
        raise NotImplementedError

    def resolve(self, value: object) -> None:
        """Answer with a reply. Only the first answer counts."""
        raise NotImplementedError

    def reject(self, error: Exception) -> None:
        """Answer with an error: a `CoterieError`, or one that the message declares. Only the first answer counts."""
        raise NotImplementedError


class PendingAsk(Envelope):
    """An ask made in this process: it lies in a local mailbox, or in the table of asks that are out to other nodes.

    `bucket`: where on the wheel it waits.
    """

    __slots__ = ("bucket", "future", "target")

    def __init__(
        self,
        message: object,
        deadline: float,
        target: str,
        future: asyncio.Future[Any],
        bucket: dict[PendingAsk, None] | None = None,
    ) -> None:
        # The fields of Envelope stand here too: a call of its __init__ would cost a tenth of an ask.
        self.message = message
        self.deadline = deadline
        self.chain = ()
        self.is_handled = False
        self.is_taken = False
        self.target = target
        self.future = future
        self.bucket = bucket

    def is_abandoned(self) -> bool:
        """Whether it is over: answered, expired, or cancelled by the asker."""
        return self.future.done()

    def open(self, cell: Cell, receive: Callable[[Any], object]) -> None:
        """Do as any envelope does, but the whole way in this one call."""
        future = self.future
        if future.done():
            cell.expire(self.message)
            return
        try:
            result = receive(self.message)
        except Exception as error:
            if not is_declared(error, self.message):
                raise
            self.reject(error)
            return
        if cell.current is self and not future.done():
            if self.bucket is not None:
                del self.bucket[self]
                self.bucket = None
            future.set_result(result)

    def resolve(self, value: object) -> None:
        """Answer with a reply."""
        bucket = self.bucket
        if bucket is not None:
            self.bucket = None
            del bucket[self]
        future = self.future
        if not future.done():
            future.set_result(value)

    def reject(self, error: Exception) -> None:
        """Answer with an error; an asker who does not look is not warned."""
        if self.bucket is not None:
            self.bucket.pop(self, None)
            self.bucket = None
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # marks it as looked at

    def expire(self) -> None:
        """Answer that time is over."""
        self.bucket = None
        self.reject(AskTimeout(f"{type(self.message).__name__} to {self.target}: no reply in time; it may have run"))


class DeadlineWheel:
    """One coarse timer (20 ms) for all pending asks of a system: adding and removing are two dict operations."""

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self._loop = loop
        self._monotonic = clock.monotonic
        self.buckets: dict[int, dict[PendingAsk, None]] = {}
        self._order: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self._context = contextvars.Context()  # the timer must not keep the variables of whoever asked first
        self.is_closed = False

    def add(self, ask: PendingAsk) -> None:
        """Let `ask` expire at its deadline, or up to 20 ms later; soon if the system has stopped."""
        if self.is_closed:
            # Not now: a target that has stopped gives the better answer, that it was not handled.
            self._loop.call_soon(ask.reject, _stopped(ask))
            return
        ask.bucket = self.bucket(self.slot_of(ask.deadline))
        ask.bucket[ask] = None

    def slot_of(self, deadline: float) -> int:
        """Return the number of the bucket of asks with this deadline (monotonic, s)."""
        return int(deadline / RESOLUTION_S) + 1

    def bucket(self, slot: int) -> dict[PendingAsk, None]:
        """Return the asks that expire together at `slot * RESOLUTION_S`."""
        bucket = self.buckets.get(slot)
        if bucket is None:
            bucket = self.buckets[slot] = {}
            heapq.heappush(self._order, slot)
            if self._order[0] == slot:
                self._arm()
        return bucket

    def close(self) -> None:
        """Stop the timer and tell everybody who waits here still: there will be no reply."""
        self.is_closed = True
        self._disarm()
        for bucket in list(self.buckets.values()):
            for ask in list(bucket):
                ask.reject(_stopped(ask))
        self.buckets.clear()
        self._order.clear()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._disarm()
        if self._order:
            delay_s = self._order[0] * RESOLUTION_S - self._monotonic()
            self._timer = self._loop.call_later(max(delay_s, 0.0), self._turn, context=self._context)

    def _turn(self) -> None:
        # A timer may go off a rounding error early: without the tolerance it would be set again for no time at all.
        now = self._monotonic() + TOLERANCE_S
        while self._order and self._order[0] * RESOLUTION_S <= now:
            for ask in list(self.buckets.pop(heapq.heappop(self._order))):
                ask.expire()
        self._arm()


def _stopped(ask: PendingAsk) -> AskTimeout:
    name = type(ask.message).__name__
    return AskTimeout(f"{name} to {ask.target}: no reply before this system stopped; it may have run")
