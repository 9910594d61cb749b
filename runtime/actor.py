"""`Actor`: the base class that every actor extends; `Context`: offers the operations that a message handler may call.

class Counter(Actor[Add]):
    total = 0
    def receive(self, msg: Add) -> int:     # `def` runs inline; `async def` may await
        self.total += msg.amount
        return self.total                   # the return value is the reply
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from coterie.errors import AskError
from coterie.runtime.cells.asks import Envelope
from coterie.runtime.cells.mailbox import Overflow
from coterie.runtime.cells.stash import become, stash, unstash
from coterie.runtime.cells.supervision import Supervision
from coterie.runtime.messages.declared_errors import is_declared
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.observing.error_texts import type_name
from coterie.runtime.refs import Ref
from coterie.runtime.reply_task import start_reply_task
from coterie.runtime.user_code import actor_failed, check_reply, is_of

if TYPE_CHECKING:
    import random

    from structlog.typing import FilteringBoundLogger

    from coterie.runtime.cells.cell import Cell
    from coterie.runtime.cells.metering.request_meter import RequestMeter
    from coterie.runtime.cells.spawn_options import Exported
    from coterie.runtime.hosts.host import Clock
    from coterie.runtime.system import System

__all__ = ["Actor", "Context", "Later", "Terminated", "Timer"]

M = TypeVar("M")
N = TypeVar("N")
R = TypeVar("R")
T = TypeVar("T")


@message(name="coterie.Terminated")
class Terminated:
    """The notice that a watched actor, that of `ref`, has stopped; `cause` is the reason (`stopped`, `failed: …`)."""

    ref: Ref[Any]
    cause: str


class Actor(Generic[M]):
    """The base class of actors: an actor handles messages of type M, one at a time.

    Override `receive`, and the hooks if needed. Hooks may be `def` or `async def`, except `on_visit_end` (`def` only).
    """

    takes_any: ClassVar[bool] = False
    """True lets the actor handle any message of its own system, not only those that `Actor[…]` names."""

    _cell: Cell | None = None
    _context: Context | None = None

    def receive(self, msg: M, /) -> object:
        """Handle one message; the return value is the reply if the message is an ask."""
        raise NotImplementedError(f"{type(self).__name__} has no receive")

    def on_start(self) -> object:
        """Start hook: called once before the first message."""

    def on_stop(self) -> object:
        """Stop hook: called when this instance ends, by a stop or a failure, unless its start hook failed."""

    def on_restart(self, error: BaseException) -> object:
        """Restart hook: called on the new instance after `error` ended the old one; by default calls `on_start`."""
        return self.on_start()

    def on_visit_end(self) -> None:
        """Visit hook: called after each visit of the run queue (up to 64 messages), for work in batches.

        Also called after `Context.wake`.
        """

    @property
    def context(self) -> Context:
        """This actor's context. RuntimeError before it is spawned."""
        if self._context is None:
            if self._cell is None:
                raise RuntimeError(f"{type(self).__name__} is not spawned yet: its context exists from on_start on")
            self._context = Context(self._cell)
        return self._context


class Timer:
    """A timer that delivers a message to its actor, once or periodically. It ends with the actor's instance."""

    __slots__ = ("_cell", "_handle", "interval_s", "is_cancelled", "is_pending", "message")

    def __init__(self, cell: Cell, message: object, delay_s: float, interval_s: float | None) -> None:
        self._cell = cell
        self.message = message
        self.interval_s = interval_s
        self.is_cancelled = False
        self.is_pending = False  # at most one tick of a timer waits in the mailbox
        self._handle: asyncio.TimerHandle = cell.system.loop.call_later(max(0.0, delay_s), self._fire)

    def cancel(self) -> None:
        """Cancel the timer; a tick that waits in the mailbox is not delivered either. Calling it twice is harmless."""
        self.is_cancelled = True
        self._handle.cancel()
        self._cell.relations.timers.pop(self, None)

    def take(self) -> object | None:
        """Return the message of a tick that is to be handled now; None if the timer was cancelled meanwhile."""
        self.is_pending = False
        if self.interval_s is None:
            self._cell.relations.timers.pop(self, None)
        return None if self.is_cancelled else self.message

    def _fire(self) -> None:
        if self.interval_s is not None:
            self._handle = self._cell.system.loop.call_later(self.interval_s, self._fire)
        if not self.is_pending:
            self.is_pending = True
            self._cell.post_control(self)


class Later(Generic[R]):
    """A reply that is given later, once, from any code of this system."""

    __slots__ = ("_envelope",)

    def __init__(self, envelope: Envelope | None) -> None:
        self._envelope = envelope

    @property
    def asker(self) -> str | None:
        """The node or client that asks, by the name that its link has proved; None: an actor of this system."""
        return self._envelope.asker if self._envelope is not None else None

    @property
    def is_awaited(self) -> bool:
        """Whether anybody waits for the reply: not if it was told, was answered, has expired or was given up."""
        return self._envelope is not None and not self._envelope.is_abandoned()

    def reply(self, value: R) -> None:
        """Send the reply. A second one is ignored; so is every reply to a message sent by `tell`.

        Raises:
            MessageTypeError: it is a coroutine or a future.
        """
        check_reply(value)
        if self._envelope is not None:
            self._envelope.resolve(value)

    def fail(self, error: Exception) -> None:
        """Send an error: an `AskError`, or one that the message declares, unchanged; any other as `ActorFailed`.

        Clients get the type alone of what the message does not declare, and of an `ActorFailed` its `for_clients`.
        """
        if self._envelope is None:
            return
        if is_declared(error, self._envelope.message):
            self._envelope.reject(error)
        elif is_of(error, AskError):
            error.for_clients = error.for_clients or type_name(error)
            self._envelope.reject(error)
        else:
            self._envelope.reject(actor_failed(error))


class Context:
    """The operations available to one instance of an actor."""

    __slots__ = ("_cell", "self_ref")

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        self.self_ref: Ref[Any] = cell.ref

    @property
    def system(self) -> System:
        """The system that runs this actor."""
        return self._cell.system

    @property
    def clock(self) -> Clock:
        """The host's clocks."""
        return self._cell.system.host.clock

    @property
    def random(self) -> random.Random:
        """The host's random number generator."""
        return self._cell.system.host.random

    @property
    def log(self) -> FilteringBoundLogger:
        """A logger with the node's name and the actor's path bound."""
        return self._cell.log

    @property
    def deadline(self) -> float | None:
        """The deadline of the ask being handled (monotonic, s); None if the message was sent by `tell`."""
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
        exported: Exported = False,
        meter: RequestMeter | None = None,
    ) -> Ref[N]:
        """Spawn a child: it stops when this actor stops or restarts. See `System.spawn`."""
        system = self._cell.system
        return system.registry.spawn_under(
            self._cell, factory, name, system.registry.spawn_options(supervision, capacity, overflow, exported, meter)
        )

    def stop(self, ref: Ref[Any] | None = None, *, drain: bool = False) -> None:
        """Stop an actor of this system (default: this one) after its current message; see `System.stop`.

        A `permanent` actor that stops itself is restarted.
        """
        if ref is None:
            self._cell.stop_itself(drain=drain)
        else:
            self._cell.system.stop(ref, drain=drain)

    def watch(self, ref: Ref[Any]) -> None:
        """Watch the actor of `ref`: one `Terminated(ref, cause)` is delivered when it stops, or now if it has stopped.

        An actor on another node also counts as stopped when its node is lost: the link to it was down or silent for
        `lost_after_s` (see `TransportConfig`), or the node has restarted. Watching twice has no further effect.

        Raises:
            TypeError: this actor's message type does not include `Terminated`.
            ValueError: `ref` is an address: see `System.lookup`.
        """
        self._cell.watch(ref)

    def unwatch(self, ref: Ref[Any]) -> None:
        """Stop watching the actor of `ref`; a `Terminated` that already waits in the mailbox is removed too."""
        self._cell.relations.unwatch(ref)

    def after(self, delay_s: float, message: object) -> Timer:
        """Deliver `message` to this actor after `delay_s` seconds (below 0: at once), on the control lane.

        The timer ends with this instance of the actor: at its stop or restart.

        Raises:
            MessageTypeError: `message` is not a message.
            ValueError: the delay is not a finite number.
        """
        if not math.isfinite(delay_s):
            raise ValueError(f"delay_s is {delay_s}: it must be a finite number of seconds")
        return self._cell.relations.start_timer(message, delay_s, None)

    def every(self, interval_s: float, message: object) -> Timer:
        """Deliver `message` to this actor every `interval_s` seconds; at most one tick waits in the mailbox.

        Raises:
            ValueError: the interval is not more than 0, or infinite.
            MessageTypeError: `message` is not a message.
        """
        if not 0 < interval_s < math.inf:
            raise ValueError(f"interval_s is {interval_s}: it must be a finite number of seconds, more than 0")
        return self._cell.relations.start_timer(message, interval_s, interval_s)

    def reply_later(self, message: Ask[R]) -> Later[R]:
        """Take over the reply to `message`, the one being handled: the handler's return value is then ignored.

        Raises:
            ValueError: another message is being handled.
        """
        return Later(self._cell.defer_reply(message))

    def reply_from(self, message: Ask[R], work: Coroutine[Any, Any, R]) -> None:
        """Let `work` make the reply to `message`, the one being handled, in a task: the handler need not await it.

        Its result, or its error as it is, becomes the reply; another error than a `CoterieError` or a declared one
        becomes `ActorFailed`; clients get the type alone of what is not declared. What it asks inherits the deadline of
        `message` and counts for ask cycles, as if the handler had awaited it. The task is cancelled with this instance
        of the actor.

        Raises:
            ValueError: another message is being handled.
        """
        start_reply_task(self._cell, self._cell.defer_reply(message), work)

    def pipe(
        self,
        awaitable: Awaitable[T],
        to_message: Callable[[T], object],
        on_error: Callable[[BaseException], object] | None = None,
    ) -> None:
        """Send the outcome of `awaitable` to this actor as a message: the handler need not await it.

        `to_message` makes the message from the result, `on_error` from an exception (default: it is logged). A
        coroutine runs in a task that is cancelled with this instance of the actor; a later outcome is dropped.
        """
        self._cell.relations.pipe(awaitable, to_message, on_error)

    def stash(self) -> None:
        """Set the current message aside until `unstash`; an ask is not answered meanwhile.

        Raises:
            MailboxFullError: the stash already holds as many messages as one lane of the mailbox may.
            ValueError: no message is being handled.
        """
        stash(self._cell)

    def unstash(self) -> None:
        """Handle the stashed messages next, in their order. A restart does the same; a stop refuses them."""
        unstash(self._cell)

    def become(self, receive: Callable[[Any], object]) -> None:
        """Let `receive` handle the messages after the current one, until the next `become` or restart.

        Raises:
            TypeError: only one of `receive` and the actor's own is `async def`.
        """
        become(self._cell, receive)

    def run_blocking(self, function: Callable[[], T]) -> asyncio.Future[T]:
        """Run a blocking function on a worker thread; await the future."""
        return self._cell.system.host.executor.run(function)

    def wake(self) -> None:
        """Request a call of `on_visit_end` without a message: for completions that must not queue in the mailbox."""
        self._cell.wake()
