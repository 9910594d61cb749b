"""A cell: the actor's place in the system: its mailbox, and the visits in which it handles what came.

One message at a time. `def` handlers run inline in the run queue's turn; `async def` handlers run in a task that lives
while there is mail. Whether there is somebody to handle it, and what becomes of him, is `LifeCycle`'s to say; what ties
him to others is in `Bonds`.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from coterie.runtime.actor import Actor, Terminated, Timer
from coterie.runtime.cells.ask_cycles import HANDLER, close_cycle, crossing
from coterie.runtime.cells.asks import Envelope, PendingAsk
from coterie.runtime.cells.children_and_watches import Bonds, Watched, Watcher
from coterie.runtime.cells.life_cycle import Call, LifeCycle, State
from coterie.runtime.cells.mailbox import Mailbox, Overflow
from coterie.runtime.cells.run_queue import BUSY, COUNTS, IDLE, NORMAL, URGENT
from coterie.runtime.cells.slow_path import fail, visit_with_care
from coterie.runtime.cells.spawn_options import Plan
from coterie.runtime.cells.stash import unstash
from coterie.runtime.cells.supervision import Restart
from coterie.runtime.cells.undeliverable import full_error, no_message, refuse, stopped_error
from coterie.runtime.local_ref import LocalRef
from coterie.runtime.messages.delivery_options import Delivery, Parcel
from coterie.runtime.messages.lanes import Lane
from coterie.runtime.observing.dead_letters import Reason
from coterie.runtime.refs import Ref

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from coterie.runtime.system import System

__all__ = ["Cell", "LocalRef", "State"]

M_contra = TypeVar("M_contra", contravariant=True)
R = TypeVar("R")

BULK: Final = Lane.BULK


@dataclass(frozen=True, slots=True)
class _ChildFailed:
    error: BaseException


class Cell(Mailbox):
    """One actor's place. Made by `System.spawn`; it is its own actor's postbox and the run queue's `Runnable`.

    `is_calm`: bulk mail is all there is to look after. `is_direct`: its kind and context ask for nothing special. Where
    both are so, a visit takes the short way. `main`: that of its kind.
    """

    __slots__ = (
        "_bonds", "_life", "_log", "actor", "asking", "call", "current", "factory", "handled", "in_normal", "is_calm",
        "is_direct", "is_draining", "is_woken", "kind", "main", "parent", "path", "plan", "queued", "ref", "run_queue",
        "scope", "stashed", "state", "system", "task", "waits",
    )  # fmt: skip

    def __init__(
        self, system: System, path: str, uid: int, factory: Callable[[], Actor[Any]], plan: Plan, parent: Cell | None
    ) -> None:
        super().__init__(plan.capacity)
        self.system = system
        self.run_queue = system.run_queue
        self.asking = system.asking
        self.path = path
        self.factory = factory
        self.plan = plan
        self.parent = parent
        self.queued = IDLE
        self.in_normal = False
        self.current: object = None  # the message, or the envelope of the ask, that is being handled
        self.handled = 0
        self.state = State.STARTING
        self.call: Call | None = None
        self.is_calm = False
        self.is_draining = False
        self.is_woken = False
        self.task: asyncio.Task[None] | None = None
        self.scope: contextvars.Context | None = None
        self.waits: dict[int, PendingAsk] | None = None
        self.stashed: list[object] | None = None
        self.ref: Ref[Any] = LocalRef(system.node, system.incarnation, path, uid, self)
        self._life: LifeCycle | None = None
        self._bonds: Bonds | None = None
        self._log: FilteringBoundLogger | None = None
        self.make_actor()
        self.is_direct = self.kind.is_direct

    def make_actor(self) -> None:
        """Put a new instance of the actor into this place. Raises what the factory raises."""
        actor = self.factory()
        if not isinstance(actor, Actor):
            raise TypeError(f"spawn of {self.path!r}: the factory made a {type(actor).__name__}, which is no Actor")
        self.kind = self.system.kind_of(type(actor))
        self.main = self.kind.main
        actor._cell = self  # noqa: SLF001 (the one place that gives an actor its cell)
        self.actor = actor

    @property
    def life(self) -> LifeCycle:
        """Who starts, restarts and stops the actor."""
        if self._life is None:
            self._life = LifeCycle(self)
        return self._life

    @property
    def troubles(self) -> tuple[int, str | None]:
        """How often the actor was restarted, and its last error."""
        return (0, None) if self._life is None else (self._life.restarts, self._life.last_error)

    @property
    def bonds(self) -> Bonds:
        """What ties the actor to others."""
        if self._bonds is None:
            self._bonds = Bonds(self)
        return self._bonds

    @property
    def children(self) -> tuple[Cell, ...]:
        """The living children, in the order of their spawning."""
        return () if self._bonds is None else tuple(self._bonds.children.values())

    @property
    def is_ending(self) -> bool:
        """Whether the actor takes no more mail."""
        return self.state is State.STOPPING or self.state is State.STOPPED or self.is_draining

    # --- the postbox: what a Ref calls ------------------------------------------------------------------------------

    def tell(self, item: object) -> None:
        """Take a message, or count it among the dead letters."""
        lane = getattr(item, "__lane__", None)
        if lane is BULK and len(self.bulk) < self.capacity:
            self.bulk.append(item)
            if not self.queued:
                self.run_queue.push_idle(self)
        elif (packed := self._pack(item, lane)) is not None and not self._take_in(*packed):
            refuse(self, item)

    def ask(self, item: object, timeout_s: float | None) -> asyncio.Future[Any]:
        """Take an ask; the future has the reply."""
        lane = getattr(item, "__lane__", None)
        if lane is None:
            raise no_message(item)
        if type(lane) is Delivery:
            timeout_s = self.asking.patience_of(timeout_s)
            timeout_s = timeout_s if lane.ttl_s is None else min(timeout_s, lane.ttl_s)
            lane = lane.lane
        pending = self.asking.begin(item, timeout_s, self.path, PendingAsk)
        self.post_own(pending, lane)
        return pending.future

    def post_own(self, pending: PendingAsk, lane: Lane) -> None:
        """Take an ask made in this system, or reject it."""
        if pending.chain and (cycle := close_cycle(self, pending) or crossing(self, pending)) is not None:
            pending.reject(cycle)
        else:
            self.post(pending, lane)

    def post(self, envelope: Envelope, lane: Lane) -> None:
        """Take an ask in its envelope, or reject it."""
        if envelope.chain and (cycle := close_cycle(self, envelope)) is not None:
            envelope.reject(cycle)
        elif lane is BULK and len(self.bulk) < self.capacity:
            self.bulk.append(envelope)
            if not self.queued:
                self.run_queue.push_idle(self)
        elif not self._take_in(envelope, lane):
            refuse(self, envelope)

    def offer(self, item: object) -> asyncio.Future[None]:
        """Take a message once there is room."""
        room: asyncio.Future[None] = self.system.loop.create_future()
        packed = self._pack(item, getattr(item, "__lane__", None))
        if packed is None or self._take_in(*packed):
            room.set_result(None)
        elif not self.is_sealed and self.wait_with(*packed, room):
            self.is_calm = False
        else:
            room.set_exception(stopped_error(self) if self.is_sealed else full_error(self, "offer"))
            room.exception()  # an offerer who does not look is not warned
        return room

    def take_control(self, item: object) -> None:
        """Take a timer tick or a notice; nothing if the actor is ending."""
        if self.state is not State.STOPPING and self.state is not State.STOPPED:
            self.put_control(item)
            self._be_visited(Lane.CONTROL)

    def _pack(self, item: object, lane: object) -> tuple[object, Lane] | None:
        """Return what is to be put, and where; None if it has replaced an earlier message of its key."""
        if isinstance(lane, Lane):
            return item, lane
        if not isinstance(lane, Delivery):
            raise no_message(item)
        if self.is_sealed:
            return item, lane.lane  # to be refused: what waits is not replaced any more
        parcel = self.parcel(item, lane, self.system.host.clock.monotonic())
        return None if parcel is None else (parcel, lane.lane)

    def _take_in(self, item: object, lane: Lane) -> bool:
        """Put `item` into its lane, in place of the oldest if that is the policy; return whether it is inside."""
        self.run_queue.check_loop()
        if not self.put(item, lane):
            if self.is_sealed or self.plan.overflow is not Overflow.DROP_OLD:
                return False
            refuse(self, self.drop_oldest(lane))
            self.put(item, lane)
        if type(item) is Parcel:
            self.note_latest(item)
        self._be_visited(lane)
        return True

    def _be_visited(self, lane: Lane) -> None:
        if lane is BULK:
            self.run_queue.push(self, NORMAL)
        else:
            self.is_calm = False
            self.run_queue.push(self, URGENT)

    # --- what the context calls -------------------------------------------------------------------------------------

    @property
    def log(self) -> FilteringBoundLogger:
        """A logger with the actor's name bound."""
        if self._log is None:
            self._log = self.system.log.bind(actor=self.path)
        return self._log

    def expire(self, message: object) -> None:
        """Count a message that was taken out to be handled, but for which it is too late, among the dead letters."""
        self.handled -= 1  # it was counted before it was looked at
        self.system.dead_letters.add(Reason.EXPIRED, self.path, message)

    def take_envelope(self, message: object) -> Envelope | None:
        """Take over the reply to the present message. None if it was told. ValueError if it is not the present one."""
        current = self.current
        if isinstance(current, Envelope) and current.message is message:
            self.current = message
            current.is_taken = True
            return current
        if current is message:
            return None
        raise ValueError(f"reply_later in {self.path!r}: {message!r:.60} is not the message being handled")

    def watch(self, ref: Ref[Any]) -> None:
        """Be told when the actor of `ref` ends."""
        if not self.kind.takes_terminated:
            raise TypeError(f"{type(self.actor).__name__} cannot watch: let it be an Actor[… | Terminated]")
        if not ref.uid:
            raise ValueError(f"watch({ref!r}): an address has no end; watch the ref of who lives there: System.lookup")
        if ref.node != self.system.node:
            self.bonds.watched[self.system.remoting.watches.watch(self, ref)] = None
        elif isinstance(ref.postbox, Cell) and ref.postbox.state is not State.STOPPED:
            ref.postbox.add_watcher(self)
            self.bonds.watched[ref.postbox] = None
        else:
            self.take_control(Terminated(ref, "stopped"))

    def add_watcher(self, watcher: Watcher) -> None:
        """Tell `watcher` of this actor's end."""
        self.bonds.watchers[watcher] = None

    def drop_watcher(self, watcher: Watcher, /) -> None:
        """Tell `watcher` nothing."""
        self.bonds.watchers.pop(watcher, None)

    def watched_ended(self, watched: Watched, notice: Terminated) -> None:
        """Take the notice that somebody is no more."""
        self.bonds.watched.pop(watched, None)
        self.take_control(notice)

    def wake(self) -> None:
        """Be visited soon, mail or not."""
        self.is_woken = True
        self.is_calm = False
        self.run_queue.push(self, URGENT)

    # --- handling ---------------------------------------------------------------------------------------------------

    def visit(self, end: float) -> None:
        """Handle up to `BATCH` messages, about until `end` (the run queue calls this)."""
        if not (self.is_calm and self.is_direct):
            visit_with_care(self, end)
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
            for count, is_look in COUNTS:  # noqa: B007 (used below)
                item = self.current = queue.popleft()
                if type(item) is main or item.__lane__ is not None:
                    receive(item)
                else:
                    item.open(self, receive)
                if not queue or not self.is_calm:
                    break
                if is_look and self.run_queue.is_over(end):
                    break
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 (a handler's error is the supervisor's)
            fail(self, error, item)
        self.current = item = None
        self.handled += count
        if queue or not self.is_calm:
            self.push_if_mail()

    def settle(self) -> None:
        """Take note whether bulk mail is all there is to look after."""
        self.is_calm = (
            self.state is State.RUNNING
            and self.call is None
            and not (self.is_draining or self.is_woken or self.control or self.consensus or self.has_offers)
        )

    def next_item(self) -> object | None:
        """Return the next message, envelope or parcel; act on control mail; None: nothing, a call, a new state."""
        while self.call is None:
            if not self.control:
                return self.take()
            entry = self.control.popleft()
            if type(entry) is Timer:
                if (tick := entry.take()) is not None:
                    return tick
            elif type(entry) is _ChildFailed:
                self.life.supervise(entry.error)  # fail in place of a child
                return None
            else:
                return entry
        return None

    def push_if_mail(self) -> None:
        """Be visited again if there is a reason."""
        if self.state is State.RUNNING:
            if self.call is not None or self.is_woken or self.is_draining or self.has_urgent:
                self.run_queue.push(self, URGENT)
            elif self.bulk:
                self.run_queue.push(self, NORMAL)

    # --- tasks ------------------------------------------------------------------------------------------------------

    def own_scope(self) -> contextvars.Context:
        """Return the context of this actor's own, made when it is first needed."""
        if self.scope is None:
            # What a hook has set in this very visit is the actor's: it goes on with it in a task.
            is_visited = self.run_queue.visiting is self
            self.scope = contextvars.copy_context() if is_visited else contextvars.Context()
            self.scope.run(HANDLER.set, self)
        return self.scope

    def adopt(self, context: contextvars.Context) -> None:
        """Keep the present context, in which a variable was set by this actor, as its own."""
        self.is_direct = False
        if self.scope is None:
            self.scope = context
            HANDLER.set(self)

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Let a task run this cell; the run queue leaves it alone until the task is done."""
        self.queued = BUSY
        self.task = self.system.loop.create_task(work, name=f"coterie:{self.path}", context=self.own_scope())
        self.task.add_done_callback(self._ran)

    def _ran(self, task: asyncio.Task[None]) -> None:
        if task is self.task:
            self.task = None
            self.queued = IDLE
        if task.cancelled():
            if self.state is not State.STOPPING and self.state is not State.STOPPED:
                self.life.begin_stop("killed")
        elif (error := task.exception()) is not None:
            self.system.fail(error)  # a defect of ours: no handler's error gets here
        else:
            self.push_if_mail()

    def follow(self, work: Coroutine[Any, Any, None]) -> None:
        """Let a task run `work` from the next turn of the loop on.

        Not now: this cell's scope may be entered at this moment, and an eager task would enter it twice.
        """
        self.queued = BUSY
        self.is_calm = False
        self.system.loop.call_soon(self.run, work)

    # --- begin and end ----------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin: at once if there is no `on_start`, else at the first visit."""
        if self.kind.has_start:
            self.run_queue.push(self, URGENT)
        else:
            self.state = State.RUNNING
            self.is_calm = True
            if self.system.events.listeners:
                self.system.events.publish("actor.started", self.path)

    def summon(self, call: Call) -> None:
        """Call the actor to do something after its present message."""
        self.call = call if self.call is None else max(self.call, call)
        self.is_calm = False
        self.run_queue.push(self, URGENT)

    def stop(self, *, drain: bool = False) -> asyncio.Future[None]:
        """Stop after the present message, or, to `drain`, after all that wait; the future is done when it has ended."""
        ended: asyncio.Future[None] = self.system.loop.create_future()
        if self.state is State.STOPPED:
            ended.set_result(None)
            return ended
        self.bonds.ends.append(ended)
        if drain:
            self._begin_drain()
        else:
            self.summon(Call.STOP)
            self.life.cut_backoff()
        return ended

    def stop_itself(self, *, drain: bool) -> None:
        """Stop because the actor wants to: a permanent one begins anew."""
        if self.plan.supervision.restart is Restart.PERMANENT:
            self.summon(Call.RESTART)
        else:
            self.stop(drain=drain)

    def _begin_drain(self) -> None:
        self.is_draining = True
        self.is_calm = False
        self.bonds.cancel_timers()
        self.seal(stopped_error(self))
        self.run_queue.push(self, URGENT)

    def kill(self) -> None:
        """Cancel what runs: for a handler that does not return in time when the system stops."""
        self.life.is_killed = True
        if self.task is not None:
            self.task.cancel()

    def forget_failed_children(self) -> None:
        """Children that failed while they were being stopped are gone: the new instance has none to answer for."""
        self.keep_control(lambda entry: type(entry) is not _ChildFailed)

    def vacate(self, cause: str, escalate: BaseException | None) -> None:
        """Be no more: mail to the dead letters, notices to the watchers, the place free again."""
        unstash(self)
        for item in self.close(stopped_error(self)):
            refuse(self, item)
        self.system.forget(self)
        if self._bonds is not None:
            self._bonds.cut(self.ref, cause)
        if self.parent is not None:
            self.parent.child_ended(self, escalate)
        elif escalate is not None:
            self.log.error("actor.gave_up", error=f"{type(escalate).__name__}: {escalate}")
        if self.system.events.listeners:
            self.system.events.publish("actor.stopped", self.path, cause=cause)
        if self._bonds is not None:
            self._bonds.tell_ends()

    def child_ended(self, child: Cell, escalate: BaseException | None) -> None:
        """Take note that a child is no more; fail in its place if its restart budget is spent."""
        self.bonds.children.pop(child.path, None)
        if escalate is not None:
            self.take_control(_ChildFailed(escalate))
