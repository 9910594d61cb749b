"""One life of one node: what it schedules is its own, and ends with it, at once.

      begin ──▶ RUNNING ◀──pause/resume──▶ PAUSED
                   │                          │
                   └────────── crash ─────────┴──▶ OVER

A crash runs nothing: no `finally`, no `except`, no hook. What the life had is kept out of the collector's reach until
the world ends, since freeing a suspended coroutine would run them.
"""

from __future__ import annotations

import asyncio
import enum
import random
import weakref
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from coterie.runtime.hosts.simulation.simulated_host import SimulatedHost
from coterie.runtime.hosts.virtual.handle_owners import NumberedTask, Owner

if TYPE_CHECKING:
    from coterie.runtime.hosts.simulation.simulated_world import SimulatedWorld

__all__ = ["Life", "LifeState", "owner_of"]

T = TypeVar("T")


class LifeState(enum.Enum):
    """Where a life stands."""

    RUNNING = "running"
    PAUSED = "paused"
    OVER = "over"


class Life:
    """A process of the world, made by `SimulatedWorld.begin`. Code that runs inside `with life:` runs as it.

        with life:
            task = asyncio.create_task(node())     # the task, and all that comes of it, is the life's

    No `await` inside the `with`. A task of another life that awaits one of this waits for ever once this is over.
    """

    def __init__(self, world: SimulatedWorld, name: str, number: int, host: SimulatedHost) -> None:
        self.name = name
        """The node's."""
        self.number = number
        """Of all lives of this world, from 1."""
        self.host = host
        """The outside world as this life sees it."""
        self.state = LifeState.RUNNING
        """Where it stands."""
        self.is_free = True
        """Whether its handles run as they come (the loop reads it)."""
        self.generators: weakref.WeakSet[AsyncGenerator[Any, Any]] = weakref.WeakSet()
        """The asynchronous generators that it began (the loop notes them)."""
        self.rng = random.Random(f"{world.seed}/life/{number}")
        """What user code draws from that asks for randomness without a seed."""
        self.ended: asyncio.Future[None] = world.loop.create_future()
        """Done when this life is over."""
        self._world = world
        self._loop = world.loop
        self._clock = host.clock
        self._turn_s = 0.0
        self._next_turn_at_s = 0.0
        self._held: deque[asyncio.Handle] = deque()
        self._waker: asyncio.Handle | None = None
        self._outer: list[Owner | None] = []
        host.clock.on_rate = lambda: world.loop.adjust_timers(self)

    def __repr__(self) -> str:
        return f"<Life {self.number} of {self.name}: {self.state.value}>"

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state is LifeState.OVER

    # --- to run as this life ----------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Let what is scheduled from here on be this life's."""
        self._outer.append(self._loop.owner)
        self._loop.owner = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Be who one was before. RuntimeError if the body awaited."""
        outer = self._outer.pop()
        if self._loop.owner is not self and kind is None:
            raise RuntimeError(f"`with {self!r}` must not await: others ran meanwhile; use create_task")
        self._loop.owner = outer

    def create_task(self, coro: Coroutine[Any, Any, T], *, name: str | None = None) -> asyncio.Task[T]:
        """Make a task of this life."""
        with self:
            return self._loop.create_task(coro, name=name)

    def call_soon(self, function: Callable[..., object], *args: object) -> None:
        """Call `function(*args)` as this life, in the next turn."""
        self._loop.call_soon_for(self, function, *args)

    # --- faults -----------------------------------------------------------------------------------------------------

    def crash(self, *, is_silent: bool = False, keeps_disk: bool = False) -> None:
        """End now, and let nothing of it run any more. Twice is harmless.

        What runs at this very moment, if this life calls it itself, comes to its next await without any effect.

        Args:
            is_silent: peers hear nothing until the node begins its next life (the machine is off); else their
                connections are reset.
            keeps_disk: what was written stays, synced or not (only the process ended); else the disk decides by its
                rules what was not synced (the power failed).
        """
        if self.is_over:
            return
        self.state, self.is_free = LifeState.OVER, False
        self._host_crashes(keeps_disk=keeps_disk)
        had: list[object] = [task for task in asyncio.all_tasks(self._loop) if owner_of(task) is self]
        had += self._loop.take_handles(self)
        had += self._held
        had += self.generators
        had += self._world.network.vanish(self, is_silent=is_silent)
        self._held.clear()
        self._world.bury(self, had)
        if not self.ended.done():
            self.ended.set_result(None)

    def _host_crashes(self, *, keeps_disk: bool) -> None:
        self._clock.on_rate = None
        if keeps_disk:
            self.host.disk.release()
        else:
            rng = self._world.rng(f"crash/{self.number}")
            self.host.executor.cut_short(self.host.disk, rng)
            self.host.disk.crash(rng)

    def pause(self) -> None:
        """Let nothing of it run, as SIGSTOP does. RuntimeError if it is over; paused already is harmless."""
        self._check("pause")
        self.state, self.is_free = LifeState.PAUSED, False

    def resume(self, *, timers_first: bool = False) -> None:
        """Go on: everything is due at once, first what has arrived (`timers_first`: those first, as some loops do).

        RuntimeError if it is over; resuming who is not paused is harmless.
        """
        self._check("resume")
        if self.state is LifeState.PAUSED:
            self.state = LifeState.RUNNING
            if not self._turn_s:
                self.is_free = True
            timers = [handle for handle in self._held if _is_own_timer(handle)]
            rest = [handle for handle in self._held if not _is_own_timer(handle)]
            self._release([*timers, *rest] if timers_first else [*rest, *timers])

    def slow_down(self, turn_s: float) -> None:
        """Let each turn (what the loop calls at once) take `turn_s` longer; 0: as fast as before. ValueError if < 0."""
        self._check("slow_down")
        if turn_s < 0:
            raise ValueError(f"slow_down({turn_s}): a time is not negative")
        self._turn_s = turn_s
        self._next_turn_at_s = self._loop.clock.monotonic()
        if self.state is LifeState.RUNNING:
            self.is_free = not turn_s
            self._release([*self._held])

    # --- what the loop calls ----------------------------------------------------------------------------------------

    def time(self) -> float:
        """Return what its own monotonic clock shows (s)."""
        return self._clock.monotonic()

    def world_time(self, when_s: float) -> float:
        """Return the first time (s) of the world at which its clock will show `when_s`."""
        return self._clock.world_time(when_s)

    def hold(self, handle: asyncio.Handle) -> bool:
        """Keep a handle back if this is paused, over, or slow and not yet free again; return whether it was."""
        if self.state is LifeState.OVER:
            self._world.bury(self, [handle])
            return True
        if self.state is LifeState.PAUSED:
            self._held.append(handle)
            return True
        return self._takes_its_time(handle)

    def _takes_its_time(self, handle: asyncio.Handle) -> bool:
        now = self._loop.clock.monotonic()
        if now < self._next_turn_at_s or self._held:
            self._held.append(handle)
            self._wake_at(self._next_turn_at_s)
            return True
        self._next_turn_at_s = now + self._turn_s
        return False

    def _wake_at(self, when_s: float) -> None:
        if self._waker is None:
            self._waker = self._loop.call_at_for(None, when_s, self._next_turn)

    def _next_turn(self) -> None:
        self._waker = None
        if self.state is not LifeState.RUNNING or not self._held:
            return
        handle = self._held.popleft()
        self._next_turn_at_s = self._loop.clock.monotonic() + self._turn_s
        self._loop.run_held(self, handle)
        if self._held:
            self._wake_at(self._next_turn_at_s)

    def _release(self, handles: list[asyncio.Handle]) -> None:
        self._held.clear()
        self._loop.give_back(handles)

    def _check(self, verb: str) -> None:
        if self.is_over:
            raise RuntimeError(f"{verb}: life {self.number} of {self.name} is over")


def owner_of(task: asyncio.Task[Any]) -> Owner | None:
    """Return whose a task is."""
    return task.owner if isinstance(task, NumberedTask) else None


def _is_own_timer(handle: asyncio.Handle) -> bool:
    """Whether it is one that the process set itself: a delivery is a timer of the network's."""
    return getattr(handle, "is_local", False)
