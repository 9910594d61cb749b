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
import enum
import inspect
from typing import TYPE_CHECKING, Any, Final

from coterie.errors import InvariantViolated
from coterie.runtime.cells.sibling_restarts import Company, Rest
from coterie.runtime.cells.stash import unstash
from coterie.runtime.cells.supervision import Restart, RestartBudget

if TYPE_CHECKING:
    from coterie.runtime.cells.cell import Cell

__all__ = ["Call", "LifeCycle", "State"]

ERROR_CHARS_MAX: Final = 300
"""How much of an actor's last error is remembered."""


class State(enum.Enum):
    """Where in its life a cell is."""

    STARTING = enum.auto()
    RUNNING = enum.auto()
    RESTARTING = enum.auto()
    STOPPING = enum.auto()
    STOPPED = enum.auto()


class Call(enum.IntEnum):
    """What an actor is called to do between two messages; the greater goes before."""

    RESTART = 1  # it stopped itself, and is permanent
    REST = 2  # another one failed with which it is restarted
    STOP = 3


class LifeCycle:
    """Starts, restarts and stops the actor of one cell. Made when there is something to do."""

    __slots__ = ("_backoff", "_budget", "_cell", "_has_begun", "_rest", "is_killed", "last_error", "restarts")

    def __init__(self, cell: Cell) -> None:
        self.is_killed = False
        self.restarts = 0
        self.last_error: str | None = None
        self._cell = cell
        # Whether the present instance's start hook succeeded: only then it says goodbye.
        self._has_begun = cell.state is State.RUNNING
        self._budget: RestartBudget | None = None
        self._backoff: asyncio.Future[None] | None = None
        self._rest: Rest | None = None

    @property
    def is_ending(self) -> bool:
        """Whether the actor is stopping or has stopped."""
        return self._cell.state is State.STOPPING or self._cell.state is State.STOPPED

    def is_kill(self, error: BaseException) -> bool:
        """Whether `error` is the cancellation that `Cell.kill` sent: it goes on, any other is a failure like all."""
        return self.is_killed and isinstance(error, asyncio.CancelledError)

    # --- starting ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Call the start hook; a task awaits what it returns."""
        try:
            waits = self._cell.actor.on_start()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 (a hook's error is the supervisor's)
            self.fail(error)
            return
        if inspect.isawaitable(waits):
            self._cell.run(self._started(waits))
        else:
            self._begin("actor.started")
            self._cell.push_if_mail()

    async def _started(self, waits: Any) -> None:
        try:
            await waits
            self._begin("actor.started")
        except (Exception, asyncio.CancelledError) as error:  # a hook's error is the supervisor's
            self.fail(error)
            if self.is_kill(error):
                raise

    def _begin(self, event: str) -> None:
        """Be running: the present instance has started."""
        self._has_begun = True
        self._cell.state = State.RUNNING
        self._cell.settle()
        if self._cell.system.events.listeners:
            self._cell.system.events.publish(event, self._cell.path)

    # --- supervision ------------------------------------------------------------------------------------------------

    def fail(self, error: BaseException) -> None:
        """Tell the log that a hook or handler failed, and let supervision decide."""
        cell = self._cell
        self.last_error = f"{type(error).__name__}: {error}"[:ERROR_CHARS_MAX]
        cell.log.error("actor.failed", error=f"{type(error).__name__}: {error}", exc_info=error)
        cell.system.failures += 1
        if cell.system.events.listeners:
            cell.system.events.publish("actor.failed", cell.path, error=f"{type(error).__name__}: {error}")
        self.supervise(error)

    def supervise(self, error: BaseException) -> None:
        """Decide between restart and end."""
        policy = self._cell.plan.supervision
        cause = f"failed: {type(error).__name__}: {error}"
        if self.is_killed or isinstance(error, InvariantViolated) or policy.restart is Restart.TEMPORARY:
            self.begin_stop(cause)
            return
        if self._budget is None:
            self._budget = RestartBudget(policy)
        host = self._cell.system.host
        backoff_s = self._budget.next_backoff_s(host.clock.monotonic(), host.random)
        if backoff_s is None:
            self.begin_stop(cause, escalate=error)
        else:
            self._cell.state = State.RESTARTING
            self._cell.follow(self._restart(error, backoff_s))

    # --- restarting -------------------------------------------------------------------------------------------------

    async def _restart(self, error: BaseException, backoff_s: float) -> None:
        company = Company(self._cell)
        try:
            await company.rest_later_ones()
            await self._end_instance()
            await company.rest_earlier_ones()
            self._cell.forget_failed_children()
            await self._back_off(backoff_s)
            await company.resume_earlier_ones(error)
            await self._begin_again(error)
            await company.resume_later_ones(error)
        finally:
            company.release(error)

    async def _begin_again(self, error: BaseException) -> None:
        cell = self._cell
        if cell.call is Call.STOP:
            self._end("stopped")
            return
        try:
            cell.make_actor()
            cell.system.restarts += 1
            self.restarts += 1
            waits = cell.actor.on_restart(error)
            if inspect.isawaitable(waits):
                await waits
            unstash(cell)
            self._begin("actor.restarted")
        except (Exception, asyncio.CancelledError) as again:  # a hook's error is the supervisor's
            self.fail(again)
            if self.is_kill(again):
                raise

    async def _back_off(self, backoff_s: float) -> None:
        self._backoff = self._cell.system.loop.create_future()
        timer = self._cell.system.loop.call_later(backoff_s, self.cut_backoff)
        try:
            if self._cell.call is not Call.STOP:
                await self._backoff
        finally:
            timer.cancel()
            self._backoff = None

    def cut_backoff(self) -> None:
        """Wait no longer before the restart, if it is that what is waited for."""
        if self._backoff is not None and not self._backoff.done():
            self._backoff.set_result(None)

    # --- restarting for another one's sake --------------------------------------------------------------------------

    @property
    def can_rest(self) -> bool:
        """Whether it lives, and is not being restarted already."""
        return self._cell.state in (State.STARTING, State.RUNNING) and (self._rest is None or self._rest.is_over)

    def rest(self) -> asyncio.Future[None]:
        """End this instance after its present message, and wait for `resume`; the future is done when it has ended."""
        self._rest = Rest(self._cell.system.loop)
        self._cell.summon(Call.REST)
        return self._rest.ended

    def resume(self, error: BaseException) -> asyncio.Future[None]:
        """Begin again with a new instance; the future is done when it has begun, or never will."""
        if self._rest is None:
            raise RuntimeError(f"actor {self._cell.path!r} does not rest")
        if not self._rest.again.done():
            self._rest.again.set_result(error)
        return self._rest.begun

    def begin_rest(self) -> None:
        """Rest now: nothing is being handled."""
        self._cell.state = State.RESTARTING
        self._cell.follow(self._rest_and_return())

    async def _rest_and_return(self) -> None:
        rest = self._rest
        if rest is None:
            raise RuntimeError(f"actor {self._cell.path!r} was not asked to rest")
        try:
            await self._end_instance()
            rest.ended.set_result(None)
            self._cell.forget_failed_children()
            await self._begin_again(await rest.again)
        finally:
            rest.finish()

    # --- stopping ---------------------------------------------------------------------------------------------------

    def begin_stop(self, cause: str, escalate: BaseException | None = None) -> None:
        """Stop: at once if nobody must be waited for. `escalate` fails the parent when it is done."""
        if self.is_ending:
            return
        cell = self._cell
        cell.state = State.STOPPING
        cell.is_calm = False
        if not cell.children and not (cell.kind.has_stop and self._has_begun):
            self._end(cause, escalate)
        else:
            cell.follow(self._stop(cause, escalate))

    async def _stop(self, cause: str, escalate: BaseException | None) -> None:
        try:
            await self._end_instance()
        finally:
            self._end(cause, escalate)

    async def _end_instance(self) -> None:
        """Stop timers, pipes and children, then let the instance say goodbye if it ever began."""
        await self._cell.bonds.end_instance()
        if self._has_begun:
            self._has_begun = False
            await self._say_goodbye()
            # What the goodbye itself began does not outlive it.
            await self._cell.bonds.end_instance()

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
        self._cell.state = State.STOPPED
        if self._rest is not None:
            self._rest.finish()
        self._cell.vacate(cause, escalate)
