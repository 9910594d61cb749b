"""`LifeCycle`: starts and stops one actor, and restarts it after a failure as its `Supervision` prescribes.

    spawn ─▶ STARTING ─▶ RUNNING ◀──────── back-off over ────┐
                 │          │ a handler or hook raised       │
                 └──────────┴────────────▶ RESTARTING ───────┘
                            │ stop               │ budget spent, InvariantViolated, or stop
                            ▼                    ▼
                        STOPPING ◀───────────────┘
                            │ children stopped, on_stop done
                            ▼
                        STOPPED

A `def` hook runs inline; starting, restarting and stopping run in a task of the cell when a hook or a child must be
awaited.
"""

from __future__ import annotations

import asyncio
import enum
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from coterie.errors import ActorGaveUp, InvariantViolated
from coterie.runtime.cells.sibling_restarts import SiblingPause, SiblingRestarts
from coterie.runtime.cells.stash import unstash
from coterie.runtime.cells.supervision import Restart, RestartBudget
from coterie.runtime.observing.error_texts import error_line, type_name
from coterie.runtime.user_code import is_closing, is_exit, is_of

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell

__all__ = ["Failure", "LifeCycle", "LifeCycleSignal", "State"]

ERROR_CHARS_MAX: Final = 300
"""The most characters of an actor's last error that are kept."""

GAVE_UP_ADVICE: Final = (
    "it is gone until the node starts again: mend the cause (actor.failed has the traceback); "
    "Supervision(max_restarts=, within_s=) allows more, ends_system=True ends the node too"
)


class State(enum.Enum):
    """The state of a cell: see the diagram above."""

    STARTING = enum.auto()
    RUNNING = enum.auto()
    RESTARTING = enum.auto()
    STOPPING = enum.auto()
    STOPPED = enum.auto()


class LifeCycleSignal(enum.IntEnum):
    """A signal that an actor obeys between two messages; a greater one takes precedence."""

    RESTART = 1  # it stopped itself, and is permanent
    PAUSE = 2  # it restarts together with a sibling that failed
    STOP = 3


@dataclass(frozen=True, slots=True)
class Failure:
    """A failure that happened outside an actor's visits: of a child that gives up, or of a function of its own."""

    error: BaseException
    is_child: bool


class LifeCycle:
    """Starts, restarts and stops the actor of one cell. Made at the first use."""

    __slots__ = ("_backoff", "_budget", "_cell", "_has_started", "_pause", "is_killed", "last_error", "restarts")

    def __init__(self, cell: Cell) -> None:
        self.is_killed = False
        self.restarts = 0
        self.last_error: str | None = None
        self._cell = cell
        # True once the current instance's start hook has succeeded: only then is its stop hook called.
        self._has_started = cell.state is State.RUNNING
        self._budget: RestartBudget | None = None
        self._backoff: asyncio.Future[None] | None = None
        self._pause: SiblingPause | None = None

    @property
    def is_ending(self) -> bool:
        """True when the actor is stopping or has stopped."""
        return self._cell.state is State.STOPPING or self._cell.state is State.STOPPED

    def is_kill(self, error: BaseException) -> bool:
        """Return True if `error` is the cancellation sent by `Cell.kill`: that propagates; any other is a failure."""
        return self.is_killed and is_of(error, asyncio.CancelledError)

    def skip_stop_hook(self) -> None:
        """Do not call the stop hook of this instance: it may not act any more."""
        self._has_started = False

    # --- starting ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Call the start hook; if it is `async def`, a task awaits it."""
        try:
            result = self._cell.actor.on_start()
        except BaseException as error:  # noqa: BLE001 (a hook's error is the supervisor's)
            self.fail(error)
            return
        if inspect.isawaitable(result):
            self._cell.run(self._started(result))
        else:
            self._enter_running("actor.started")
            self._cell.push_if_needed()

    async def _started(self, result: Any) -> None:
        try:
            await result
            self._enter_running("actor.started")
        except BaseException as error:  # a hook's error is the supervisor's
            if is_closing(error):
                raise
            self.fail(error)
            if self.is_kill(error):
                raise

    def _enter_running(self, event: str) -> None:
        """Enter RUNNING: the current instance has started."""
        self._has_started = True
        self._cell.state = State.RUNNING
        self._cell.update_bulk_only()
        if self._cell.system.events.listeners:
            self._cell.system.events.publish(event, self._cell.path)

    # --- supervision ------------------------------------------------------------------------------------------------

    def fail(self, error: BaseException, message: object = None) -> None:
        """Log that a hook or handler failed, and let supervision decide. An exit is raised again instead.

        `message`: what was being handled, if anything was.
        """
        if is_exit(error):
            raise error
        cell = self._cell
        text = error_line(error)
        self.last_error = text[:ERROR_CHARS_MAX]
        facts = {} if message is None else {"message": type_name(message)}
        cell.log.error("actor.failed", error=text, **facts, exc_info=error)
        cell.system.failures += 1
        if cell.system.events.listeners:
            cell.system.events.publish("actor.failed", cell.path, error=text)
        self.supervise(error)

    def supervise(self, error: BaseException) -> None:
        """Decide between restart and stop: see `Supervision`."""
        policy = self._cell.options.supervision
        cause = f"failed: {error_line(error)}"
        if self.is_killed or is_of(error, InvariantViolated) or policy.restart is Restart.TEMPORARY:
            why = "it must not be restarted"
            self._cell.system.registry.note_failed(self._cell, why)
            if policy.ends_system and not self.is_killed:
                self._cell.system.fail(self._gave_up(error, why))
            self.begin_stop(cause)
            return
        if self._budget is None:
            self._budget = RestartBudget(policy)
        host = self._cell.system.host
        backoff_s = self._budget.next_backoff_s(host.clock.monotonic(), host.random)
        if backoff_s is None:
            spent = f"it has spent its restart budget ({policy.max_restarts} in {policy.within_s:g} s)"
            self._cell.system.registry.note_failed(self._cell, spent)
            if policy.ends_system:
                self._cell.system.fail(self._gave_up(error, spent))
            self.begin_stop(cause, escalate=error if policy.escalates else None)
        else:
            self._cell.state = State.RESTARTING
            self._cell.run_soon(self._restart(error, backoff_s))

    def _gave_up(self, error: BaseException, why: str) -> ActorGaveUp:
        path, node = self._cell.path, self._cell.system.node
        gave_up = ActorGaveUp(f"actor {path!r} has ended node {node!r}: {why}: {error_line(error)}")
        gave_up.__cause__ = error
        return gave_up

    def log_giving_up(self, error: BaseException) -> None:
        """Log that the actor has ended for good, and that no parent fails in its place."""
        policy = self._cell.options.supervision
        facts = {"restarts": policy.max_restarts, "within_s": policy.within_s, "advice": GAVE_UP_ADVICE}
        self._cell.log.error("actor.gave_up", error=error_line(error), **facts)

    # --- restarting -------------------------------------------------------------------------------------------------

    async def _restart(self, error: BaseException, backoff_s: float) -> None:
        siblings = SiblingRestarts(self._cell)
        try:
            await siblings.pause_later()
            await self._end_instance()
            await siblings.pause_earlier()
            self._cell.discard_child_failures()
            await self._back_off(backoff_s)
            await siblings.resume_earlier(error)
            await self._restart_instance(error)
            await siblings.resume_later(error)
        finally:
            siblings.resume_all(error)

    async def _restart_instance(self, error: BaseException) -> None:
        cell = self._cell
        if cell.pending_signal is LifeCycleSignal.STOP:
            self._finish_stop("stopped")
            return
        try:
            cell.make_actor()
            cell.system.restarts += 1
            self.restarts += 1
            result = cell.actor.on_restart(error)
            if inspect.isawaitable(result):
                await result
            unstash(cell)
            self._enter_running("actor.restarted")
        except BaseException as again:  # a hook's error is the supervisor's
            if is_closing(again):
                raise
            self.fail(again)
            if self.is_kill(again):
                raise

    async def _back_off(self, backoff_s: float) -> None:
        self._backoff = self._cell.system.loop.create_future()
        timer = self._cell.system.loop.call_later(backoff_s, self.end_backoff)
        try:
            if self._cell.pending_signal is not LifeCycleSignal.STOP:
                await self._backoff
        finally:
            timer.cancel()
            self._backoff = None

    def end_backoff(self) -> None:
        """End the back-off now, if one is in progress."""
        if self._backoff is not None and not self._backoff.done():
            self._backoff.set_result(None)

    # --- restarting together with a sibling -------------------------------------------------------------------------

    @property
    def can_pause(self) -> bool:
        """True if the actor is starting or running and is not already restarting."""
        return self._cell.state in (State.STARTING, State.RUNNING) and (self._pause is None or self._pause.is_over)

    def pause(self) -> asyncio.Future[None]:
        """End this instance after its current message, then wait for `resume`; the future is done when it has ended."""
        self._pause = SiblingPause(self._cell.system.loop)
        self._cell.signal(LifeCycleSignal.PAUSE)
        return self._pause.ended

    def resume(self, error: BaseException) -> asyncio.Future[None]:
        """Start a new instance; the future is done when it has started, or when the actor has stopped instead."""
        if self._pause is None:
            raise RuntimeError(f"actor {self._cell.path!r} is not paused: call pause first")
        if not self._pause.resumed.done():
            self._pause.resumed.set_result(error)
        return self._pause.restarted

    def begin_pause(self) -> None:
        """Obey the signal PAUSE; no message is being handled."""
        self._cell.state = State.RESTARTING
        self._cell.run_soon(self._pause_and_restart())

    async def _pause_and_restart(self) -> None:
        pause = self._pause
        if pause is None:
            raise RuntimeError(f"actor {self._cell.path!r} is not paused: call pause first")
        try:
            await self._end_instance()
            pause.ended.set_result(None)
            self._cell.discard_child_failures()
            await self._restart_instance(await pause.resumed)
        finally:
            pause.finish()

    # --- stopping ---------------------------------------------------------------------------------------------------

    def begin_stop(self, cause: str, escalate: BaseException | None = None) -> None:
        """Stop: at once if no child or stop hook must be awaited. `escalate`: the error that then fails the parent."""
        if self.is_ending:
            return
        cell = self._cell
        cell.state = State.STOPPING
        cell.is_bulk_only = False
        if not cell.children and not (cell.actor_class.has_stop and self._has_started):
            self._finish_stop(cause, escalate)
        else:
            cell.run_soon(self._stop(cause, escalate))

    async def _stop(self, cause: str, escalate: BaseException | None) -> None:
        try:
            await self._end_instance()
        finally:
            self._finish_stop(cause, escalate)

    async def _end_instance(self) -> None:
        """Stop timers, pipes and children, then call the stop hook if the instance has started."""
        await self._cell.relations.end_instance()
        if self._has_started:
            self._has_started = False
            await self._run_stop_hook()
            # Timers, pipes and children that the stop hook itself created end with it.
            await self._cell.relations.end_instance()

    async def _run_stop_hook(self) -> None:
        try:
            result = self._cell.actor.on_stop()
            if inspect.isawaitable(result):
                await result
        except BaseException as error:  # a failing stop hook must not keep the actor alive
            if is_exit(error) or is_closing(error):
                raise
            self._cell.log.error("actor.stop_failed", error=error_line(error), exc_info=error)
            if self.is_kill(error):
                raise

    def _finish_stop(self, cause: str, escalate: BaseException | None = None) -> None:
        self._cell.state = State.STOPPED
        if self._pause is not None:
            self._pause.finish()
        self._cell.terminate(cause, escalate)
