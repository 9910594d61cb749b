"""What a user writes: `Actor`, and what its handlers can do: `Context`.

class Counter(Actor[Add]):
    total = 0
    def receive(self, msg: Add) -> int:     # `def` runs inline; `async def` may await
        self.total += msg.amount
        return self.total                   # the return value is the reply
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from coterie.errors import ActorFailed, AskError
from coterie.runtime.cells.asks import Envelope
from coterie.runtime.cells.mailbox import Overflow
from coterie.runtime.cells.stash import become, stash, unstash
from coterie.runtime.cells.supervision import Supervision
from coterie.runtime.messages.message import Ask, message, message_type
from coterie.runtime.refs import Ref

if TYPE_CHECKING:
    import random

    from structlog.typing import FilteringBoundLogger

    from coterie.runtime.cells.cell import Cell
    from coterie.runtime.hosts.host import Clock
    from coterie.runtime.system import System

__all__ = ["Actor", "Context", "Later", "Terminated", "Timer"]

M = TypeVar("M")
N = TypeVar("N")
R = TypeVar("R")
T = TypeVar("T")


@message(name="coterie.Terminated")
class Terminated:
    """The actor of `ref`, which was watched, is no more: `cause` says why (`stopped`, `failed: …`)."""

    ref: Ref[Any]
    cause: str


class Actor(Generic[M]):
    """Somebody who handles messages of type M, one at a time.

    Override `receive`, and the hooks if needed. Hooks may be `def` or `async def`, but `on_visit_end`.
    """

    _cell: Cell | None = None
    _context: Context | None = None

    def receive(self, msg: M, /) -> object:
        """Handle one message; the return value is the reply if it was asked."""
        raise NotImplementedError(f"{type(self).__name__} has no receive")

    def on_start(self) -> object:
        """Begin: called once before the first message."""

    def on_stop(self) -> object:
        """End: called when this instance goes away, after a stop or a failure, unless its start failed."""

    def on_restart(self, error: BaseException) -> object:
        """Begin again, on the new instance, after `error` ended the old one. Calls `on_start` unless overridden."""
        return self.on_start()

    def on_visit_end(self) -> None:
        """Look back on what one visit of the run queue brought (up to 64 messages): a chance to do it in one batch.

        Also called after `Context.wake`.
        """

    @property
    def context(self) -> Context:
        """What this actor can do. RuntimeError before it is spawned."""
        if self._context is None:
            if self._cell is None:
                raise RuntimeError(f"{type(self).__name__} is not spawned yet: its context exists from on_start on")
            self._context = Context(self._cell)
        return self._context


class Timer:
    """A message to come, once or again and again. Dies with its actor."""

    __slots__ = ("_cell", "_handle", "interval_s", "is_cancelled", "is_pending", "message")

    def __init__(self, cell: Cell, message: object, delay_s: float, interval_s: float | None) -> None:
        self._cell = cell
        self.message = message
        self.interval_s = interval_s
        self.is_cancelled = False
        self.is_pending = False  # at most one tick of a timer waits in the mailbox
        self._handle: asyncio.TimerHandle = cell.system.loop.call_later(delay_s, self._fire)

    def cancel(self) -> None:
        """Stop it; a tick that waits in the mailbox is not delivered either. Twice is harmless."""
        self.is_cancelled = True
        self._handle.cancel()
        self._cell.bonds.timers.pop(self, None)

    def take(self) -> object | None:
        """Return the message of a tick whose turn has come; None if the timer was cancelled meanwhile."""
        self.is_pending = False
        if self.interval_s is None:
            self._cell.bonds.timers.pop(self, None)
        return None if self.is_cancelled else self.message

    def _fire(self) -> None:
        if self.interval_s is not None:
            self._handle = self._cell.system.loop.call_later(self.interval_s, self._fire)
        if not self.is_pending:
            self.is_pending = True
            self._cell.take_control(self)


class Later(Generic[R]):
    """A reply that is given later: by anybody, at any time, once."""

    __slots__ = ("_envelope",)

    def __init__(self, envelope: Envelope | None) -> None:
        self._envelope = envelope

    def reply(self, value: R) -> None:
        """Answer. The second answer is ignored; so is any if the message was told, not asked."""
        if self._envelope is not None:
            self._envelope.resolve(value)

    def fail(self, error: Exception) -> None:
        """Answer with an error: an `AskError`, or one that the message declares, as it is; others as `ActorFailed`."""
        if self._envelope is None:
            return
        declared = message_type(type(self._envelope.message)).raises.classes
        if isinstance(error, (AskError, *declared)):
            self._envelope.reject(error)
        else:
            self._envelope.reject(ActorFailed(f"{type(error).__name__}: {error}"))


class Context:
    """What one actor can do. Made for it; ends with it."""

    __slots__ = ("_cell", "self_ref")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self.self_ref: Ref[Any] = cell.ref

    @property
    def system(self) -> System:
        """The system this actor lives in."""
        return self._cell.system

    @property
    def clock(self) -> Clock:
        """The host's clocks."""
        return self._cell.system.host.clock

    @property
    def random(self) -> random.Random:
        """The host's generator."""
        return self._cell.system.host.random

    @property
    def log(self) -> FilteringBoundLogger:
        """A logger with this node's and this actor's names bound."""
        return self._cell.log

    @property
    def deadline(self) -> float | None:
        """When the asker of the present message gives up (monotonic, s); None if it was told."""
        current = self._cell.current
        return current.deadline if isinstance(current, Envelope) else None

    def spawn(
        self,
        factory: Callable[[], Actor[N]],
        *,
        name: str | None = None,
        supervision: Supervision | None = None,
        capacity: int | None = None,
        overflow: Overflow = Overflow.FAIL,
        exported: bool = False,
    ) -> Ref[N]:
        """Spawn a child: it stops when this actor stops or restarts. See `System.spawn`."""
        system = self._cell.system
        return system.spawn_under(self._cell, factory, name, system.plan_of(supervision, capacity, overflow, exported))

    def stop(self, ref: Ref[Any] | None = None, *, drain: bool = False) -> None:
        """Stop an actor of this system (default: this one) after its present message; see `System.stop`.

        A `permanent` actor that stops itself begins anew.
        """
        if ref is None:
            self._cell.stop_itself(drain=drain)
        else:
            self._cell.system.stop(ref, drain=drain)

    def watch(self, ref: Ref[Any]) -> None:
        """Let `Terminated(ref, cause)` come once when the actor of `ref` is no more; at once if it is so already.

        An actor on another node is no more, too, when its node is lost: the link to it was down, or silent, for
        `lost_after_s` (see `TransportConfig`), or it is back in another life. Watching twice is watching once.

        Raises:
            TypeError: this actor's message type does not include `Terminated`.
            ValueError: `ref` is an address: see `System.lookup`.
        """
        self._cell.watch(ref)

    def unwatch(self, ref: Ref[Any]) -> None:
        """Let no `Terminated` come of the actor of `ref` any more, not even one that waits in the mailbox."""
        self._cell.bonds.unwatch(ref)

    def after(self, delay_s: float, message: object) -> Timer:
        """Let `message` come to this actor after `delay_s` seconds, on the control lane.

        The timer dies with this instance of the actor: with its stop, and with its restart.

        Raises:
            MessageTypeError: `message` is no message.
        """
        return self._cell.bonds.start_timer(message, delay_s, None)

    def every(self, interval_s: float, message: object) -> Timer:
        """Let `message` come every `interval_s` seconds; ticks that are missed do not pile up.

        Raises:
            ValueError: the interval is not more than 0.
            MessageTypeError: `message` is no message.
        """
        if not interval_s > 0:
            raise ValueError(f"interval_s is {interval_s}: it must be more than 0")
        return self._cell.bonds.start_timer(message, interval_s, interval_s)

    def reply_later(self, message: Ask[R]) -> Later[R]:
        """Take over the reply to `message`, the one being handled: the handler's return value no longer counts.

        Raises:
            ValueError: another message is being handled.
        """
        return Later(self._cell.take_envelope(message))

    def pipe(
        self,
        awaitable: Awaitable[T],
        to_message: Callable[[T], object],
        on_error: Callable[[BaseException], object] | None = None,
    ) -> None:
        """Let the outcome of `awaitable` come as a message, in its turn: the handler need not wait for it.

        `to_message` makes the message of the result, `on_error` that of an exception (default: it is logged). A
        coroutine runs in a task that dies with this instance of the actor; an outcome after that goes nowhere.
        """
        self._cell.bonds.pipe(awaitable, to_message, on_error)

    def stash(self) -> None:
        """Put the present message aside, asked or told, until `unstash`; it is not answered meanwhile.

        Raises:
            MailboxFullError: as many lie there as the mailbox holds.
            ValueError: no message is being handled.
        """
        stash(self._cell)

    def unstash(self) -> None:
        """Let all that was put aside come next, in its order. A restart does the same; a stop refuses it."""
        unstash(self._cell)

    def become(self, receive: Callable[[Any], object]) -> None:
        """Let `receive` handle what comes after the present message, until the next `become` or restart.

        Raises:
            TypeError: it is `async def` and the actor's own is not, or the other way round.
        """
        become(self._cell, receive)

    def run_blocking(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run a blocking function on a worker thread; await the future."""
        return self._cell.system.host.executor.run(function)

    def wake(self) -> None:
        """Let `on_visit_end` be called soon, without a message: for answers that must not queue in a mailbox."""
        self._cell.wake()
