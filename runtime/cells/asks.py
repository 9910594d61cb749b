"""Asks: wraps a request in an envelope that delivers the reply, and fails requests that reach their deadline.

An ask resolves exactly once: with a reply, an error, a timeout, a stopped target, or *unknown* when a connection drops.

Deadlines are decided in `ask_deadlines` (timeout, default, inheritance from the enclosing ask) and, for asks from other
nodes, in `remote.incoming.incoming_rows`. They are carried out here: `DeadlineWheel` expires the asks made in this
system, and `Envelope.open` drops an ask that is already over before its turn.
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
from coterie.runtime.user_code import PLAIN_RESULTS, check_result

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell

__all__ = ["CURRENT_ASK", "RESOLUTION_S", "DeadlineWheel", "Envelope", "Hop", "PendingAsk"]

CURRENT_ASK: Final[contextvars.ContextVar[Envelope | None]] = contextvars.ContextVar("coterie.activation", default=None)
"""The ask whose `async def` handler runs in this context: asks that it makes inherit its deadline."""

RESOLUTION_S: Final = 0.02
"""The width of one bucket of the wheel, seconds: an ask expires at most that much after its deadline."""

TOLERANCE_S: Final = 0.001
"""How much before its time a timer may fire and still expire its bucket, seconds."""


class Hop(NamedTuple):
    """One hop of the chain of an ask: `activation` of an actor waits for its own ask number `ask`.

    An activation is the handling of one message. The chain of an ask is a tuple of hops, the first asker first; it
    travels with the ask, so that an ask back to an actor in the chain is refused.
    """

    node: str
    path: str
    uid: int
    activation: int
    ask: int


class Envelope:
    """An ask in a mailbox: the message, and where its reply goes.

    `deadline`: monotonic seconds. `chain`: the activations that wait for this ask, directly or not; see `Hop`.
    `is_handled`: its handler runs now. `is_reply_deferred`: `reply_later` has taken over the reply.
    """

    __slots__ = ("chain", "deadline", "is_handled", "is_reply_deferred", "message")

    __lane__: ClassVar[None] = None  # marks an item that is not a message itself: a visit must open it

    def __init__(self, message: object, deadline: float) -> None:
        self.message = message
        self.deadline = deadline
        self.chain: tuple[Hop, ...] = ()
        self.is_handled = False
        self.is_reply_deferred = False

    def open(self, cell: Cell, receive: Callable[[Any], object]) -> None:
        """Let `cell` handle the message with a `def` receive, and reply with its return value.

        Raises what `receive` raises, unless the message declares that error.
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
                if type(result) not in PLAIN_RESULTS:
                    check_result(cell, result)
                self.resolve(result)

    @property
    def asker(self) -> str | None:
        """The node or client that asks, by the name that its link has proved; None: an actor of this system."""
        return None

    def is_abandoned(self) -> bool:
        """Return True if the asker no longer waits for a reply."""
        raise NotImplementedError

    def resolve(self, value: object) -> None:
        """Complete with a reply. Only the first completion counts."""
        raise NotImplementedError

    def reject(self, error: Exception) -> None:
        """Complete with an error: a `CoterieError`, or one that the message declares. Only the first one counts."""
        raise NotImplementedError

    def send_load(self, load_for: Callable[[str], tuple[object, ...] | None]) -> None:
        """Send `load_for(node)`, a load report, ahead of the answer if the asker is on another node that gets one."""


class PendingAsk(Envelope):
    """An ask made in this process: it waits in a local mailbox, or in the table of unanswered asks to other nodes.

    `bucket`: its bucket on the wheel; None when it is on no wheel.
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
        # The fields of Envelope are set here too: calling its __init__ would cost a tenth of an ask.
        self.message = message
        self.deadline = deadline
        self.chain = ()
        self.is_handled = False
        self.is_reply_deferred = False
        self.target = target
        self.future = future
        self.bucket = bucket

    def is_abandoned(self) -> bool:
        """Return True if it is over: answered, expired, or cancelled by the asker."""
        return self.future.done()

    def open(self, cell: Cell, receive: Callable[[Any], object]) -> None:
        """Do the same as `Envelope.open`, with all steps inlined."""
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
            if type(result) not in PLAIN_RESULTS:
                check_result(cell, result)
            if self.bucket is not None:
                del self.bucket[self]
                self.bucket = None
            future.set_result(result)

    def resolve(self, value: object) -> None:
        """Complete with a reply."""
        bucket = self.bucket
        if bucket is not None:
            self.bucket = None
            del bucket[self]
        future = self.future
        if not future.done():
            future.set_result(value)

    def reject(self, error: Exception) -> None:
        """Complete with an error; asyncio does not warn an asker that ignores it."""
        if self.bucket is not None:
            self.bucket.pop(self, None)
            self.bucket = None
        if not self.future.done():
            self.future.set_exception(error)
            self.future.exception()  # marks it as retrieved

    def expire(self) -> None:
        """Complete with `AskTimeout`: the deadline has passed."""
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
        self._context = contextvars.Context()  # the timer must not keep the variables of the first asker
        self.is_closed = False

    def add(self, ask: PendingAsk) -> None:
        """Let `ask` expire at its deadline, or up to 20 ms later; soon if the system has stopped."""
        if self.is_closed:
            # Not at once: a stopped target gives the better error, that the message was not handled.
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
        """Stop the timer and fail every pending ask: the system has stopped."""
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
        # A timer may fire early by a rounding error: without the tolerance it would be set again for zero seconds.
        now = self._monotonic() + TOLERANCE_S
        while self._order and self._order[0] * RESOLUTION_S <= now:
            for ask in list(self.buckets.pop(heapq.heappop(self._order))):
                ask.expire()
        self._arm()


def _stopped(ask: PendingAsk) -> AskTimeout:
    name = type(ask.message).__name__
    return AskTimeout(f"{name} to {ask.target}: no reply before this system stopped; it may have run")
