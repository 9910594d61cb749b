"""The life cycle of one actor: starting, restarting and stopping it, as supervision decides.

    spawn ─▶ STARTING ─▶ RUNNING ◀──────── back-off over ────┐
                 │          │ a handler or hook raised       │
                 └──────────┴────────────▶ RESTARTING ───────┘
                            │ stop               │ budget spent, InvariantViolated, or stop
                            ▼                    ▼
                        STOPPING ◀───────────────┘
                            │ children stopped, on_stop done
                            ▼
                        STOPPED

Hooks that return at once run at once; starting, restarting and stopping run in a task of the cell's where a hook or a
child must be waited for.
"""

from __future__ import annotations

import asyncio
import contextvars
import enum
import inspect
from typing import TYPE_CHECKING, Any

from coterie.errors import InvariantViolated
from coterie.runtime.supervision import RestartBudget

if TYPE_CHECKING:
    from coterie.runtime.cell import Cell

__all__ = ["LifeCycle", "State"]


class State(enum.Enum):
    """Where in its life a cell is."""

    STARTING = enum.auto()
    RUNNING = enum.auto()
    RESTARTING = enum.auto()
    STOPPING = enum.auto()
    STOPPED = enum.auto()


class LifeCycle:
    """Starts, restarts and stops the actor of one cell."""

    def __init__(self, cell: Cell) -> None:
        self.state = State.STARTING
        self.is_killed = False
        self._cell = cell
        self._has_begun = False  # whether the present instance's start hook succeeded: only then it says goodbye
        self._budget: RestartBudget | None = None
        self._backoff: asyncio.Future[None] | None = None

    @property
    def is_ending(self) -> bool:
        """Whether the actor takes no more mail."""
        return self.state is State.STOPPING or self.state is State.STOPPED

    def is_kill(self, error: BaseException) -> bool:
        """Whether `error` is the cancellation that `Cell.kill` sent: it goes on, any other is a failure like all."""
        return self.is_killed and isinstance(error, asyncio.CancelledError)

    # --- starting ---------------------------------------------------------------------------------------------------

    def start(self, scope: contextvars.Context) -> None:
        """Call the start hook in `scope`; a task awaits what it returns."""
        try:
            waits = scope.run(self._cell.actor.on_start)
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 (a hook's error is the supervisor's)
            self.fail(error)
            return
        if inspect.isawaitable(waits):
            self._cell.run(self._started(waits))
        else:
            self.begin()
            self._cell.push_if_mail()

    async def _started(self, waits: Any) -> None:
        try:
            await waits
            self.begin()
        except (Exception, asyncio.CancelledError) as error:  # a hook's error is the supervisor's
            self.fail(error)
            if self.is_kill(error):
                raise

    def begin(self) -> None:
        """Be running: the present instance has started."""
        self._has_begun = True
        self.state = State.RUNNING

    # --- supervision ------------------------------------------------------------------------------------------------

    def fail(self, error: BaseException) -> None:
        """Tell the log that a hook or handler failed, and let supervision decide."""
        self._cell.log.error("actor.failed", error=f"{type(error).__name__}: {error}", exc_info=error)
        self._cell.system.failures += 1
        self.supervise(error)

    def supervise(self, error: BaseException) -> None:
        """Decide between restart and end (one_for_one)."""
        if self.is_killed or isinstance(error, InvariantViolated):
            self.begin_stop(f"failed: {type(error).__name__}: {error}")
            return
        if self._budget is None:
            self._budget = RestartBudget(self._cell.plan.supervision)
        host = self._cell.system.host
        backoff_s = self._budget.next_backoff_s(host.clock.monotonic(), host.random)
        if backoff_s is None:
            self.begin_stop(f"failed: {type(error).__name__}: {error}", escalate=error)
        else:
            self.state = State.RESTARTING
            self._cell.follow(self._restart(error, backoff_s))

    # --- restarting -------------------------------------------------------------------------------------------------

    async def _restart(self, error: BaseException, backoff_s: float) -> None:
        cell = self._cell
        await self._end_instance()
        cell.forget_failed_children()
        await self._back_off(backoff_s)
        if cell.is_stop_requested:
            self._end("stopped")
            return
        try:
            cell.make_actor()
            cell.system.restarts += 1
            waits = cell.actor.on_restart(error)
            if inspect.isawaitable(waits):
                await waits
            self.begin()
        except (Exception, asyncio.CancelledError) as again:  # a hook's error is the supervisor's
            self.fail(again)
            if self.is_kill(again):
                raise

    async def _back_off(self, backoff_s: float) -> None:
        self._backoff = self._cell.system.loop.create_future()
        timer = self._cell.system.loop.call_later(backoff_s, self.cut_backoff)
        try:
            if not self._cell.is_stop_requested:
                await self._backoff
        finally:
            timer.cancel()
            self._backoff = None

    def cut_backoff(self) -> None:
        """Wait no longer before the restart, if it is that what is waited for."""
        if self._backoff is not None and not self._backoff.done():
            self._backoff.set_result(None)

    # --- stopping ---------------------------------------------------------------------------------------------------

    def begin_stop(self, cause: str, escalate: BaseException | None = None) -> None:
        """Stop: at once if nobody must be waited for. `escalate` fails the parent when it is done."""
        if self.is_ending:
            return
        self.state = State.STOPPING
        if not self._cell.children and not (self._cell.kind.has_stop and self._has_begun):
            self._end(cause, escalate)
        else:
            self._cell.follow(self._stop(cause, escalate))

    async def _stop(self, cause: str, escalate: BaseException | None) -> None:
        try:
            await self._end_instance()
        finally:
            self._end(cause, escalate)

    async def _end_instance(self) -> None:
        """Stop timers and children, then let the instance say goodbye if it ever began."""
        self._cell.cancel_timers()
        await self._cell.stop_children()
        if self._has_begun:
            self._has_begun = False
            await self._say_goodbye()
            # What the goodbye itself began does not outlive it.
            self._cell.cancel_timers()
            await self._cell.stop_children()

    async def _say_goodbye(self) -> None:
        try:
            waits = self._cell.actor.on_stop()
            if inspect.isawaitable(waits):
                await waits
        except (Exception, asyncio.CancelledError) as error:  # a goodbye that fails must not keep the actor alive
            self._cell.log.error("actor.stop_failed", error=f"{type(error).__name__}: {error}", exc_info=error)
            if self.is_kill(error):
                raise

    def _end(self, cause: str, escalate: BaseException | None = None) -> None:
        self.state = State.STOPPED
        self._cell.vacate(cause, escalate)
