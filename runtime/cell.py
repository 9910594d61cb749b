"""A cell: the actor's place in the system: its mailbox, and the visits in which it handles what came.

One message at a time. `def` handlers run inline in the run queue's turn; `async def` handlers run in a task that lives
while there is mail. Whether there is somebody to handle it, and what becomes of him, is `LifeCycle`'s to say.
"""

from __future__ import annotations

import asyncio
import collections
import contextvars
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from coterie.errors import ActorFailed, ActorStopped, MailboxFullError, MessageTypeError
from coterie.runtime.actor import Actor, Context, Terminated, Timer
from coterie.runtime.asks import ACTIVATION, Envelope
from coterie.runtime.dead_letters import Reason
from coterie.runtime.lanes import Lane
from coterie.runtime.life_cycle import LifeCycle, State
from coterie.runtime.mailbox import Mailbox
from coterie.runtime.refs import Ref
from coterie.runtime.run_queue import IDLE, NORMAL, URGENT
from coterie.runtime.supervision import Supervision

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from coterie.runtime.system import System

__all__ = ["BATCH", "Cell", "Plan", "State"]

BATCH: Final = 64
"""How many messages one visit handles at most."""

LOOK_AT_CLOCK: Final = 8
"""After how many messages a visit looks whether its slice is over: slow handlers must not add up to a long turn."""

BUSY: Final = URGENT + 1
"""`queued` while a task runs this cell: the run queue leaves it alone."""


@dataclass(frozen=True, slots=True)
class _ChildFailed:
    error: BaseException


@dataclass(frozen=True, slots=True)
class Plan:
    """What `spawn` was given."""

    factory: Callable[[], Actor[Any]]
    supervision: Supervision
    capacity: int
    exported: bool


class Cell:
    """One actor's place. Made by `System.spawn`; it is its own actor's postbox and the run queue's `Runnable`."""

    def __init__(self, system: System, path: str, uid: int, plan: Plan, parent: Cell | None) -> None:
        self.system = system
        self.path = path
        self.plan = plan
        self.parent = parent
        self.mailbox = Mailbox(plan.capacity)
        self.queued = IDLE
        self.in_normal = False
        self.current: object = None  # the message, or the envelope of the ask, that is being handled
        self.handled = 0
        self.children: dict[str, Cell] = {}
        self.timers: dict[Timer, None] = {}
        self.ref: Ref[Any] = Ref(system.node, system.incarnation, path, uid, self)
        self.is_stop_requested = False
        self._life = LifeCycle(self)
        self._is_woken = False
        self._watchers: dict[Cell, None] = {}
        self._watched: dict[Cell, None] = {}
        self._ends: list[asyncio.Future[None]] = []
        self._task: asyncio.Task[None] | None = None
        self._scope: contextvars.Context | None = None
        self._log: FilteringBoundLogger | None = None
        self.make_actor()

    @property
    def state(self) -> State:
        """Where in its life it is."""
        return self._life.state

    def make_actor(self) -> None:
        """Put a new instance of the actor into this place. Raises what the factory raises."""
        actor = self.plan.factory()
        if not isinstance(actor, Actor):
            raise TypeError(f"spawn of {self.path!r}: the factory made a {type(actor).__name__}, which is no Actor")
        actor._context = Context(self)  # noqa: SLF001 (the one place that gives an actor its context)
        self.kind = self.system.kind_of(type(actor))
        self.actor = actor

    # --- the postbox: what a Ref calls ------------------------------------------------------------------------------

    def tell(self, item: object) -> None:
        """Take a message, or count it among the dead letters."""
        lane = getattr(item, "__lane__", None)
        if lane is None:
            raise _no_message(item)
        if self.mailbox.put(item, lane):
            if self.queued < (priority := NORMAL if lane is Lane.BULK else URGENT):
                self.system.run_queue.push(self, priority)
        else:
            self._refuse(item)

    def ask(self, item: object, timeout_s: float | None) -> asyncio.Future[Any]:
        """Take an ask; the future has the reply."""
        lane = getattr(item, "__lane__", None)
        if lane is None:
            raise _no_message(item)
        pending = self.system.pending_ask(item, timeout_s, self.path)
        self.post(pending, lane)
        return pending.future

    def offer(self, item: object) -> asyncio.Future[None]:
        """Take a message once there is room."""
        lane = getattr(item, "__lane__", None)
        if lane is None:
            raise _no_message(item)
        room: asyncio.Future[None] = self.system.loop.create_future()
        if self._life.is_ending:
            room.set_exception(self._stopped_error())
            room.exception()
        elif self.mailbox.put(item, lane):
            room.set_result(None)
            self._push()
        else:
            self.mailbox.wait_with(item, lane, room)
        return room

    def post(self, envelope: Envelope, lane: Lane) -> None:
        """Take an ask in its envelope, or reject it."""
        if self.mailbox.put(envelope, lane):
            self.system.run_queue.push(self, NORMAL if lane is Lane.BULK else URGENT)
        else:
            self._refuse(envelope)

    def control(self, item: object) -> None:
        """Take a timer tick or a notice; nothing if the actor is ending."""
        if not self._life.is_ending:
            self.mailbox.put_control(item)
            self.system.run_queue.push(self, URGENT)

    def _refuse(self, item: object) -> None:
        if isinstance(item, Envelope):
            item.reject(self._stopped_error() if self._life.is_ending else self._full_error())
        else:
            reason = Reason.STOPPED if self._life.is_ending else Reason.MAILBOX_FULL
            self.system.dead_letters.add(reason, self.path, item)

    def _full_error(self) -> MailboxFullError:
        limit = self.plan.capacity
        return MailboxFullError(
            f"mailbox of {self.path!r} is full ({limit} of {limit}): the ask was refused; see capacity= of spawn"
        )

    def _stopped_error(self) -> ActorStopped:
        return ActorStopped(f"actor {self.path!r} on {self.system.node!r} has stopped: it did not handle this message")

    # --- what the context calls -------------------------------------------------------------------------------------

    @property
    def log(self) -> FilteringBoundLogger:
        """A logger with the actor's name bound."""
        if self._log is None:
            self._log = self.system.log.bind(actor=self.path)
        return self._log

    def start_timer(self, message: object, delay_s: float, interval_s: float | None) -> Timer:
        """Start a timer that dies with this instance of the actor."""
        if getattr(message, "__lane__", None) is None:
            raise _no_message(message)
        timer = Timer(self, message, delay_s, interval_s)
        self.timers[timer] = None
        if self._life.state is State.STOPPED:
            timer.cancel()
        return timer

    def take_envelope(self, message: object) -> Envelope | None:
        """Take over the reply to the present message. None if it was told. ValueError if it is not the present one."""
        current = self.current
        if isinstance(current, Envelope) and current.message is message:
            self.current = message
            return current
        if current is message:
            return None
        raise ValueError(f"reply_later in {self.path!r}: {message!r:.60} is not the message being handled")

    def watch(self, ref: Ref[Any]) -> None:
        """Be told when the actor of `ref` ends."""
        if not self.kind.takes_terminated:
            raise TypeError(f"{type(self.actor).__name__} cannot watch: let it be an Actor[… | Terminated]")
        if ref.node != self.system.node or not ref.uid:
            raise ValueError(f"watch({ref!r}): only a living actor of this system can be watched, by its own ref")
        if isinstance(ref.postbox, Cell) and ref.postbox.state is not State.STOPPED:
            ref.postbox._watchers[self] = None  # noqa: SLF001 (another cell)
            self._watched[ref.postbox] = None
        else:
            self.control(Terminated(ref, "stopped"))

    def wake(self) -> None:
        """Be visited soon, mail or not."""
        self._is_woken = True
        self.system.run_queue.push(self, URGENT)

    # --- handling ---------------------------------------------------------------------------------------------------

    def visit(self, end: float) -> None:
        """Handle up to `BATCH` messages, about until `end` (the run queue calls this)."""
        if self._scope is None:
            self._scope = contextvars.Context()
        state = self._life.state
        if state is State.STARTING:
            self._life.start(self._scope)
        elif state is not State.RUNNING:
            pass  # a task runs this cell and pushes it again when it is done
        elif self.kind.is_async:
            self.run(self._drain())
        else:
            self._scope.run(self._visit_inline, end)

    def _visit_inline(self, end: float) -> None:
        self._begin_visit()
        receive = self.actor.receive
        item: object = None
        try:
            for count in range(1, BATCH + 1):
                item = self.current = self._next()
                if item is None:
                    break
                self.handled += 1
                if isinstance(item, Envelope):
                    self._answer(item, receive)
                else:
                    receive(item)
                if not count % LOOK_AT_CLOCK and self.system.host.clock.monotonic() >= end:
                    break
            self.current = item = None
            self._end_visit()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 (a handler's error is the supervisor's)
            self._fail(error, item)
        self.push_if_mail()

    def _begin_visit(self) -> None:
        self._is_woken = False
        self.mailbox.note_depth()

    def _end_visit(self) -> None:
        """Look back on the visit, and only then stop: what was handled in it belongs to this life."""
        if self._life.state is State.RUNNING:
            if self.kind.has_visit_end:
                self.actor.on_visit_end()
            if self.is_stop_requested:
                self._life.begin_stop("stopped")

    def _answer(self, envelope: Envelope, receive: Callable[[Any], object]) -> None:
        if envelope.is_abandoned:
            self.handled -= 1
            self.system.dead_letters.add(Reason.EXPIRED, self.path, envelope.message)
            return
        token = self._begin(envelope)
        try:
            result = receive(envelope.message)
        finally:
            envelope.is_handled = False
            ACTIVATION.reset(token)
        if self.current is envelope:
            envelope.resolve(result)

    async def _drain(self) -> None:
        """Handle mail with an `async def` receive, in a task of its own."""
        self._begin_visit()
        receive = self.actor.receive
        item: object = None
        try:
            for _ in range(BATCH):
                item = self.current = self._next()
                if item is None:
                    break
                self.handled += 1
                if isinstance(item, Envelope):
                    await self._answer_awaited(item, receive)
                else:
                    await receive(item)  # type: ignore[misc]
            self.current = item = None
            self._end_visit()
        except (Exception, asyncio.CancelledError) as error:  # a handler's error is the supervisor's
            self._fail(error, item)
            if self._life.is_kill(error):
                raise

    async def _answer_awaited(self, envelope: Envelope, receive: Callable[[Any], Any]) -> None:
        if envelope.is_abandoned:
            self.handled -= 1
            self.system.dead_letters.add(Reason.EXPIRED, self.path, envelope.message)
            return
        token = self._begin(envelope)
        try:
            result = await receive(envelope.message)
        finally:
            envelope.is_handled = False
            ACTIVATION.reset(token)
        if self.current is envelope:
            envelope.resolve(result)

    def _fail(self, error: BaseException, item: object) -> None:
        """Answer the asker, then let the life cycle decide."""
        if isinstance(item, Envelope) and self.current is item:
            blamed = f"{type(error).__name__}: {error}"
            item.reject(ActorFailed(f"actor {self.path!r} failed on {type(item.message).__name__}: {blamed}"))
        self.current = None
        self._life.fail(error)

    def _begin(self, envelope: Envelope) -> contextvars.Token[Envelope | None]:
        envelope.is_handled = True
        return ACTIVATION.set(envelope)

    def _next(self) -> object | None:
        """Return the next message or envelope; act on control mail; None: nothing, a stop, or the life has changed."""
        if self.is_stop_requested:
            return None
        mailbox = self.mailbox
        while mailbox.control:
            entry = mailbox.control.popleft()
            if type(entry) is Timer:
                if (tick := entry.take()) is not None:
                    return tick
            elif type(entry) is _ChildFailed:
                self._life.supervise(entry.error)  # fail in place of a child
                return None
            else:
                return entry
        return mailbox.take()

    def _push(self) -> None:
        self.system.run_queue.push(self, URGENT if self.mailbox.has_urgent else NORMAL)

    def push_if_mail(self) -> None:
        """Be visited again if there is a reason."""
        if self._life.state is State.RUNNING:
            if self.is_stop_requested or self._is_woken:
                self.system.run_queue.push(self, URGENT)
            elif self.mailbox.has_any:
                self._push()

    # --- tasks ------------------------------------------------------------------------------------------------------

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Let a task run this cell; the run queue leaves it alone until the task is done."""
        self.queued = BUSY
        self._task = self.system.loop.create_task(work, name=f"coterie:{self.path}", context=self._scope)
        self._task.add_done_callback(self._ran)

    def _ran(self, task: asyncio.Task[None]) -> None:
        if task is self._task:
            self._task = None
            self.queued = IDLE
        if task.cancelled():
            if not self._life.is_ending:
                self._life.begin_stop("killed")
        elif (error := task.exception()) is not None:
            self.system.fail(error)  # a defect of ours: no handler's error gets here
        else:
            self.push_if_mail()

    def follow(self, work: Coroutine[Any, Any, None]) -> None:
        """Let a task run `work` from the next turn of the loop on.

        Not now: this cell's scope is entered at this moment, and an eager task would enter it twice.
        """
        self.queued = BUSY
        self.system.loop.call_soon(self.run, work)

    # --- begin and end ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin: at once if there is no `on_start`, else at the first visit."""
        if self.kind.has_start:
            self.system.run_queue.push(self, URGENT)
        else:
            self._life.begin()

    def stop(self) -> asyncio.Future[None]:
        """Stop after the present message; the future is done when the actor has ended."""
        ended: asyncio.Future[None] = self.system.loop.create_future()
        if self._life.state is State.STOPPED:
            ended.set_result(None)
            return ended
        self._ends.append(ended)
        self.is_stop_requested = True
        self._life.cut_backoff()
        self.system.run_queue.push(self, URGENT)
        return ended

    def kill(self) -> None:
        """Cancel what runs: for a handler that does not return in time when the system stops."""
        self._life.is_killed = True
        if self._task is not None:
            self._task.cancel()

    def cancel_timers(self) -> None:
        """Let no tick come any more."""
        for timer in list(self.timers):
            timer.cancel()

    async def stop_children(self) -> None:
        """Stop the children, last spawned first, until there are none."""
        while self.children:
            for ended in [child.stop() for child in reversed(list(self.children.values()))]:
                await ended

    def forget_failed_children(self) -> None:
        """Children that failed while they were being stopped are gone: the new instance has none to answer for."""
        control = self.mailbox.control
        if control:
            self.mailbox.control = collections.deque(entry for entry in control if type(entry) is not _ChildFailed)

    def vacate(self, cause: str, escalate: BaseException | None) -> None:
        """Be no more: mail to the dead letters, notices to the watchers, the place free again."""
        self.cancel_timers()
        for item in self.mailbox.close(self._stopped_error()):
            self._refuse(item)
        self.system.forget(self)
        for watcher in self._watchers:
            watcher._watched.pop(self, None)  # noqa: SLF001 (another cell)
            watcher.control(Terminated(self.ref, cause))
        self._watchers.clear()
        for watched in self._watched:
            watched._watchers.pop(self, None)  # noqa: SLF001 (another cell)
        self._watched.clear()
        if self.parent is not None:
            self.parent.child_ended(self, escalate)
        elif escalate is not None:
            self.log.error("actor.gave_up", error=f"{type(escalate).__name__}: {escalate}")
        for ended in self._ends:
            if not ended.done():
                ended.set_result(None)
        self._ends.clear()

    def child_ended(self, child: Cell, escalate: BaseException | None) -> None:
        """Take note that a child is no more; fail in its place if its restart budget is spent."""
        self.children.pop(child.path, None)
        if escalate is not None:
            self.control(_ChildFailed(escalate))


def _no_message(item: object) -> MessageTypeError:
    return MessageTypeError(f"{type(item).__name__} is no message: decorate the class with @message")
