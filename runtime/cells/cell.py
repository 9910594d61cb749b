"""`Cell`: runs one actor: queues incoming messages, and calls the actor's handler when the scheduler gives it a turn.

An actor handles one message at a time. `def` handlers run inline in the run queue's turn; `async def` handlers run in
a task that exists while messages wait. Starting, restarting and stopping are in `LifeCycle`; children, watches,
timers and pipes are in `ChildrenAndWatches`.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, TypeVar

from coterie.runtime.actor import Actor, Terminated, Timer
from coterie.runtime.actor_task import start_task
from coterie.runtime.cells.actor_classes import check_instance
from coterie.runtime.cells.ask_cycles import CURRENT_CELL, chain_cycle, crossing_cycle
from coterie.runtime.cells.asks import Envelope, PendingAsk
from coterie.runtime.cells.children_and_watches import ChildrenAndWatches, Watched, Watcher, refusal_of_watch
from coterie.runtime.cells.life_cycle import Failure, LifeCycle, LifeCycleSignal, State
from coterie.runtime.cells.mailbox import Mailbox, Overflow
from coterie.runtime.cells.run_queue import BUSY, IDLE, NORMAL, URGENT, VISIT_COUNTS
from coterie.runtime.cells.slow_path import fail, visit_slowly
from coterie.runtime.cells.spawn_options import SpawnOptions
from coterie.runtime.cells.stash import unstash
from coterie.runtime.cells.supervision import Restart
from coterie.runtime.cells.undeliverable import full_error, not_taken_error, refuse, stopped_error
from coterie.runtime.local_ref import LocalRef
from coterie.runtime.messages.delivery_options import DeliveryOptions, WrappedMessage
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.observing.dead_letters import Reason
from coterie.runtime.refs import Ref
from coterie.runtime.user_code import check_result, is_exit

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from coterie.runtime.system import System

__all__ = ["Cell", "LocalRef", "State", "cell_of"]

M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")

BULK: Final = Lane.BULK


class Cell(Mailbox):
    """One actor at one path, made by `System.spawn`. It is the `Delivery` of its refs and the run queue's `Runnable`.

    `is_bulk_only`: only bulk messages need attention: no signal, wake-up, control message or offer. `is_receive_only`:
    handling a message is one call of a `def` receive. If both are true a visit takes the fast path in `visit`, else the
    slow one in `slow_path`. `main`: as in `ActorClass`.
    """

    __slots__ = (
        "_life_cycle", "_log", "_relations", "actor", "actor_class", "ask_deadlines", "current", "factory", "handled",
        "in_normal", "is_bulk_only", "is_draining", "is_receive_only", "is_woken", "main", "options", "parent", "path",
        "pending_signal", "queued", "ref", "run_queue", "scope", "stashed", "state", "system", "task", "waits",
    )  # fmt: skip

    def __init__(
        self,
        system: System,
        path: str,
        uid: int,
        factory: Callable[[], Actor[Any]],
        options: SpawnOptions,
        parent: Cell | None,
    ) -> None:
        super().__init__(options.capacity)
        self.system = system
        self.run_queue = system.run_queue
        self.ask_deadlines = system.registry.ask_deadlines
        self.path = path
        self.factory = factory
        self.options = options
        self.parent = parent
        self.queued = IDLE
        self.in_normal = False
        self.current: object = None  # the message, or the envelope of the ask, that is being handled
        self.handled = 0
        self.state = State.STARTING
        self.pending_signal: LifeCycleSignal | None = None
        self.is_bulk_only = False
        self.is_draining = False
        self.is_woken = False
        self.task: asyncio.Task[None] | None = None
        self.scope: contextvars.Context | None = None
        self.waits: dict[int, PendingAsk] | None = None
        self.stashed: list[object] | None = None
        self.ref: Ref[Any] = LocalRef(system.node, system.incarnation, path, uid, self)
        self._life_cycle: LifeCycle | None = None
        self._relations: ChildrenAndWatches | None = None
        self._log: FilteringBoundLogger | None = None
        self.make_actor()
        self.is_receive_only = self.actor_class.is_receive_only

    def make_actor(self) -> None:
        """Make a new instance of the actor. Raises what the factory raises."""
        actor = self.factory()
        if not isinstance(actor, Actor):
            raise TypeError(f"spawn of {self.path!r}: the factory made a {type(actor).__name__}, which is no Actor")
        self.actor_class = self.system.registry.actor_class_of(type(actor))
        self.main = self.actor_class.main
        actor._cell = self  # noqa: SLF001 (the one place that gives an actor its cell)
        check_instance(actor, self.actor_class)
        self.actor = actor

    @property
    def life_cycle(self) -> LifeCycle:
        """Starts, restarts and stops the actor; made at the first use."""
        if self._life_cycle is None:
            self._life_cycle = LifeCycle(self)
        return self._life_cycle

    @property
    def failure_summary(self) -> tuple[int, str | None]:
        """The number of restarts and the last error."""
        return (0, None) if self._life_cycle is None else (self._life_cycle.restarts, self._life_cycle.last_error)

    @property
    def relations(self) -> ChildrenAndWatches:
        """The actor's children, watches, timers and pipes; made at the first use."""
        if self._relations is None:
            self._relations = ChildrenAndWatches(self)
        return self._relations

    @property
    def children(self) -> tuple[Cell, ...]:
        """The living children, in spawn order."""
        return () if self._relations is None else tuple(self._relations.children.values())

    @property
    def is_ending(self) -> bool:
        """True when the actor accepts no more messages."""
        return self.state is State.STOPPING or self.state is State.STOPPED or self.is_draining

    # --- delivery: called by a Ref ----------------------------------------------------------------------------------

    def tell(self, item: object) -> None:
        """Enqueue a message, or count it as a dead letter."""
        lane = getattr(item, "__lane__", None)
        if lane is BULK and len(self.bulk) < self.capacity and type(item) in self.actor_class.taken:
            self.bulk.append(item)
            if not self.queued:
                self.run_queue.push_idle(self)
        elif (placed := self._placement(item, lane)) is not None and not self._enqueue(*placed):
            refuse(self, item)

    def ask(self, item: object, timeout_s: float | None) -> asyncio.Future[Any]:
        """Enqueue an ask; return the future of its reply."""
        lane = getattr(item, "__lane__", None)
        if lane is None or type(item) not in self.actor_class.taken:
            raise not_taken_error(self, item)
        if type(lane) is DeliveryOptions:
            timeout_s = self.ask_deadlines.timeout_of(timeout_s)
            timeout_s = timeout_s if lane.ttl_s is None else min(timeout_s, lane.ttl_s)
            lane = lane.lane
        pending = self.ask_deadlines.begin(item, timeout_s, self.path, PendingAsk)
        self.post_own(pending, lane)
        return pending.future

    def post_own(self, pending: PendingAsk, lane: Lane) -> None:
        """Enqueue an ask made in this system, or reject it."""
        if pending.chain and (cycle := chain_cycle(self, pending) or crossing_cycle(self, pending)) is not None:
            pending.reject(cycle)
        else:
            self.post(pending, lane)

    def post(self, envelope: Envelope, lane: Lane) -> None:
        """Enqueue the envelope of an ask, or reject it."""
        if envelope.chain and (cycle := chain_cycle(self, envelope)) is not None:
            envelope.reject(cycle)
        elif lane is BULK and len(self.bulk) < self.capacity:
            self.bulk.append(envelope)
            if not self.queued:
                self.run_queue.push_idle(self)
        elif not self._enqueue(envelope, lane):
            refuse(self, envelope)

    def offer(self, item: object) -> asyncio.Future[None]:
        """Enqueue a message once its lane has room."""
        room: asyncio.Future[None] = self.system.loop.create_future()
        placed = self._placement(item, getattr(item, "__lane__", None))
        if placed is None or self._enqueue(*placed):
            room.set_result(None)
        elif not self.is_sealed and self.queue_offer(*placed, room):
            self.is_bulk_only = False
        else:
            room.set_exception(stopped_error(self) if self.is_sealed else full_error(self, "offer"))
            room.exception()  # marks it as retrieved: asyncio must not warn a caller that ignores the future
        return room

    def post_control(self, item: object) -> None:
        """Enqueue a timer tick or a notice; ignored if the actor is stopping."""
        if self.state is not State.STOPPING and self.state is not State.STOPPED:
            self.put_control(item)
            self._schedule(Lane.CONTROL)

    def _placement(self, item: object, lane: object) -> tuple[object, Lane] | None:
        """Return the item to enqueue and its lane; None if it has replaced a waiting message with the same key."""
        if type(item) not in self.actor_class.taken:
            raise not_taken_error(self, item)
        if not isinstance(lane, DeliveryOptions):
            return item, lane  # type: ignore[return-value]
        if self.is_sealed:
            return item, lane.lane  # it will be refused: waiting messages are no longer replaced
        wrapped = self.wrap(item, lane, self.system.host.clock.monotonic())
        return None if wrapped is None else (wrapped, lane.lane)

    def _enqueue(self, item: object, lane: Lane) -> bool:
        """Enqueue `item` in its lane, dropping the oldest one if that is the policy; return True if it is enqueued."""
        self.run_queue.check_loop()
        if not self.put(item, lane):
            if self.is_sealed or self.options.overflow is not Overflow.DROP_OLD:
                return False
            refuse(self, self.drop_oldest(lane))
            self.put(item, lane)
        if type(item) is WrappedMessage:
            self.remember_latest(item)
        self._schedule(lane)
        return True

    def _schedule(self, lane: Lane) -> None:
        if lane is BULK:
            self.run_queue.push(self, NORMAL)
        else:
            self.is_bulk_only = False
            self.run_queue.push(self, URGENT)

    # --- called by the Context --------------------------------------------------------------------------------------

    @property
    def log(self) -> FilteringBoundLogger:
        """A logger with the actor's path bound."""
        if self._log is None:
            self._log = self.system.log.bind(actor=self.path)
        return self._log

    def expire(self, message: object) -> None:
        """Count a message that expired before its turn as a dead letter, not as handled."""
        self.handled -= 1  # the visit has counted it already
        self.system.dead_letters.add(Reason.EXPIRED, self.path, message)

    def defer_reply(self, message: object) -> Envelope | None:
        """Return the envelope of the current message, to be answered later; None if it is not an ask.

        Raises:
            ValueError: `message` is not the current message.
        """
        current = self.current
        if isinstance(current, Envelope) and current.message is message:
            self.current = message
            current.is_reply_deferred = True
            return current
        if current is message:
            return None
        raise ValueError(f"reply_later in {self.path!r}: {message!r:.60} is not the message being handled")

    def watch(self, ref: Ref[Any]) -> None:
        """Watch the actor of `ref`: see `Context.watch`."""
        if not self.actor_class.takes_terminated:
            raise TypeError(f"{type(self.actor).__name__} cannot watch: declare it as Actor[… | Terminated]")
        cell = cell_of(self.system, ref) if ref.node == self.system.node else None
        if (refusal := refusal_of_watch(ref, cell)) is not None:
            self.post_control(Terminated(ref, refusal))
        elif ref.node != self.system.node:
            self.relations.watched[self.system.remoting.watches.watch(self, ref)] = None
        elif cell is not None and cell.state is not State.STOPPED:
            cell.add_watcher(self)
            self.relations.watched[cell] = None
        else:
            self.post_control(Terminated(ref, "stopped"))

    def add_watcher(self, watcher: Watcher) -> None:
        """Notify `watcher` when this actor stops."""
        self.relations.watchers[watcher] = None

    def drop_watcher(self, watcher: Watcher, /) -> None:
        """Remove a watcher: it gets no notice."""
        self.relations.watchers.pop(watcher, None)

    def watched_ended(self, watched: Watched, notice: Terminated) -> None:
        """Enqueue the notice that a watched actor has stopped."""
        self.relations.watched.pop(watched, None)
        self.post_control(notice)

    def wake(self) -> None:
        """Request a visit, even without messages."""
        self.is_woken = True
        self.is_bulk_only = False
        self.run_queue.push(self, URGENT)

    # --- handling ---------------------------------------------------------------------------------------------------

    def visit(self, end: float) -> None:
        """Handle up to `VISIT_MESSAGES_MAX` messages, until about `end`. Called by the run queue."""
        if not (self.is_bulk_only and self.is_receive_only):
            visit_slowly(self, end)
            return
        queue = self.bulk
        if not queue:
            return
        if len(queue) > self.high_water:
            self.high_water = len(queue)
        receive = self.actor.receive
        main = self.main
        count = 0
        item: Any = None
        try:
            for count, is_clock_check in VISIT_COUNTS:  # noqa: B007 (used below)
                item = self.current = queue.popleft()
                if type(item) is main or item.__lane__ is not None:
                    if (result := receive(item)) is not None:
                        check_result(self, result)
                else:
                    item.open(self, receive)
                if not queue or not self.is_bulk_only:
                    break
                if is_clock_check and self.run_queue.is_over(end):
                    break
        except BaseException as error:  # noqa: BLE001 (a handler's error is the supervisor's)
            fail(self, error, item)
        self.current = item = None
        self.handled += count
        if queue or not self.is_bulk_only:
            self.push_if_needed()

    def update_bulk_only(self) -> None:
        """Recompute `is_bulk_only`."""
        self.is_bulk_only = (
            self.state is State.RUNNING
            and self.pending_signal is None
            and not (self.is_draining or self.is_woken or self.control or self.consensus or self.has_offers)
        )

    def next_item(self) -> object | None:
        """Process control messages, then return the next item to handle: a message, an envelope or a wrapped message.

        Returns None if no item waits, if a signal is pending, or if the state has changed.
        """
        while self.pending_signal is None:
            if not self.control:
                return self.take()
            entry = self.control.popleft()
            if type(entry) is Timer:
                if (tick := entry.take()) is not None:
                    return tick
            elif type(entry) is Failure:
                # Escalation: the failure of a child counts as this actor's own, but is logged already.
                (self.life_cycle.supervise if entry.is_child else self.life_cycle.fail)(entry.error)
                return None
            else:
                return entry
        return None

    def push_if_needed(self) -> None:
        """Request another visit if anything needs one."""
        if self.state is State.RUNNING:
            if self.pending_signal is not None or self.is_woken or self.is_draining or self.has_urgent:
                self.run_queue.push(self, URGENT)
            elif self.bulk:
                self.run_queue.push(self, NORMAL)

    # --- tasks ------------------------------------------------------------------------------------------------------

    def own_scope(self) -> contextvars.Context:
        """Return this actor's own context (contextvars), made at the first use."""
        if self.scope is None:
            # Variables that a hook has set in this visit belong to the actor: its task inherits them.
            self.scope = contextvars.copy_context() if self.run_queue.visiting is self else contextvars.Context()
            self.scope.run(CURRENT_CELL.set, self)
        return self.scope

    def adopt(self, context: contextvars.Context) -> None:
        """Keep `context`, in which this actor has set a variable, as its own."""
        self.is_receive_only = False
        if self.scope is None:
            self.scope = context
            CURRENT_CELL.set(self)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in a task; the run queue does not visit this cell until the task is done."""
        self.queued = BUSY
        self.task = start_task(self.system.loop, work, f"coterie:{self.path}", self.own_scope())
        self.task.add_done_callback(self._on_task_done)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        if task is self.task:
            self.task = None
            self.queued = IDLE
        if task.cancelled():
            if self.state is not State.STOPPING and self.state is not State.STOPPED:
                self.life_cycle.begin_stop("killed")
        elif (error := task.exception()) is not None:
            if not is_exit(error):  # which the loop has raised already
                self.system.fail(error)  # a defect of the runtime: errors of handlers are caught before this
        else:
            self.push_if_needed()

    def run_soon(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in a task, starting in the next iteration of the loop.

        Not at once: this cell's scope may be entered now, and an eager task would enter it a second time.
        """
        self.queued = BUSY
        self.is_bulk_only = False
        self.system.loop.call_soon(self.run, work)

    # --- start and stop ---------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the actor: at once if it has no `on_start`, else at the first visit."""
        if self.actor_class.has_start:
            self.run_queue.push(self, URGENT)
        else:
            self.state = State.RUNNING
            self.is_bulk_only = True
            if self.system.events.listeners:
                self.system.events.publish("actor.started", self.path)

    def signal(self, signal: LifeCycleSignal) -> None:
        """Set the signal that the actor obeys after its current message; the greatest pending one wins."""
        self.pending_signal = signal if self.pending_signal is None else max(self.pending_signal, signal)
        self.is_bulk_only = False
        self.run_queue.push(self, URGENT)

    def stop(self, *, drain: bool = False) -> asyncio.Future[None]:
        """Stop after the current message, or with `drain` after all waiting ones; the future is done when stopped."""
        stopped: asyncio.Future[None] = self.system.loop.create_future()
        if self.state is State.STOPPED:
            stopped.set_result(None)
            return stopped
        self.relations.stop_futures.append(stopped)
        if drain:
            self._begin_drain()
        else:
            self.signal(LifeCycleSignal.STOP)
            self.life_cycle.end_backoff()
        return stopped

    def stop_itself(self, *, drain: bool) -> None:
        """Stop at the actor's own request; a `permanent` one is restarted instead."""
        if self.options.supervision.restart is Restart.PERMANENT:
            self.signal(LifeCycleSignal.RESTART)
        else:
            self.stop(drain=drain)

    def _begin_drain(self) -> None:
        self.is_draining = True
        self.is_bulk_only = False
        self.relations.cancel_timers()
        self.seal(stopped_error(self))
        self.run_queue.push(self, URGENT)

    def kill(self) -> None:
        """Cancel the running task: for a handler that does not return in time when the system stops."""
        self.life_cycle.is_killed = True
        if self.task is not None:
            self.task.cancel()

    def discard_child_failures(self) -> None:
        """Discard failures of children that were stopped with the old instance: they do not concern the new one."""
        self.filter_control(lambda entry: type(entry) is not Failure)

    def terminate(self, cause: str, escalate: BaseException | None) -> None:
        """Release everything: waiting messages become dead letters, watchers are notified, the path is free again."""
        unstash(self)
        for item in self.close(stopped_error(self)):
            refuse(self, item)
        self.system.registry.remove_cell(self)
        if self._relations is not None:
            self._relations.close(self.ref, cause)
        if self.parent is not None:
            self.parent.child_ended(self, escalate)
        elif escalate is not None:
            self.life_cycle.log_giving_up(escalate)
        if self.system.events.listeners:
            self.system.events.publish("actor.stopped", self.path, cause=cause)
        if self._relations is not None:
            self._relations.resolve_stop_futures()

    def child_ended(self, child: Cell, escalate: BaseException | None) -> None:
        """Remove a child that has stopped; fail in its place if its restart budget is spent (`escalate`)."""
        self.relations.children.pop(child.path, None)
        if escalate is not None:
            self.post_control(Failure(escalate, is_child=True))


def cell_of(system: System, ref: Ref[Any]) -> Cell | None:
    """Return the cell of the actor that `ref` means; None if that is no actor of `system`, or is gone."""
    if isinstance(ref.delivery, Cell):
        return ref.delivery
    cell = system.registry.cell_at(ref.path) if ref.node == system.node else None
    if cell is None or (ref.uid and (ref.incarnation, ref.uid) != (cell.ref.incarnation, cell.ref.uid)):
        return None
    return cell
