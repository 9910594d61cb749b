"""`Life`: simulates one process from start to crash: owns the process's tasks and timers, and drops them in a crash.

      begin ──▶ RUNNING ◀──pause/resume──▶ PAUSED
                   │                          │
                   └────────── crash ─────────┴──▶ OVER

A crash is decided by a fault (`protocols/faults/kinds/node_kinds.py`) that `actors/simulation/faults/node_faults.py`
injects through `SimulatedNode.crash`. It is carried out here, in `Life.crash`: the loop drops the life's handles
(`VirtualLoop.remove_handles`), the disk loses unsynced data (`VirtualDisk.crash`) and the network ends its connections
(`VirtualNetwork.crash_process`). No `finally`, `except` or hook of the process runs: `CrashCleanup` retains its objects
until the world ends, since freeing a suspended coroutine would run them.
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
    """State of a life."""

    RUNNING = "running"
    PAUSED = "paused"
    OVER = "over"


class Life:
    """A process of the world, made by `SimulatedWorld.begin`. Code inside `with life:` runs as this process.

        with life:
            task = asyncio.create_task(node())     # the life owns the task and everything that the task schedules

    No `await` inside the `with`. A task of another life that awaits a task of this one never wakes up after a crash.
    """

    def __init__(self, world: SimulatedWorld, name: str, number: int, host: SimulatedHost) -> None:
        self.name = name
        """Name of its node."""
        self.number = number
        """Number among all lives of this world, from 1."""
        self.host = host
        """The host that this life uses."""
        self.state = LifeState.RUNNING
        """Current state."""
        self.is_free = True
        """Whether its handles run without restriction (the loop reads it)."""
        self.generators: weakref.WeakSet[AsyncGenerator[Any, Any]] = weakref.WeakSet()
        """The asynchronous generators that it started (recorded by the loop)."""
        self.rng = random.Random(f"{world.seed}/life/{number}")
        """Random generator for user code that asks for random numbers without a seed."""
        self.ended: asyncio.Future[None] = world.loop.create_future()
        """Done when this life has ended."""
        self._world = world
        self._loop = world.loop
        self._clock = host.clock
        self._turn_s = 0.0
        self._next_turn_at_s = 0.0
        self._held: deque[asyncio.Handle] = deque()
        self._wake_timer: asyncio.Handle | None = None
        self._outer: list[Owner | None] = []
        host.clock.on_rate_changed = lambda: world.loop.adjust_timers(self)

    def __repr__(self) -> str:
        return f"<Life {self.number} of {self.name}: {self.state.value}>"

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self.state is LifeState.OVER

    # --- running as this life ---------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Make this life the owner of everything scheduled from here on."""
        self._outer.append(self._loop.owner)
        self._loop.owner = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Restore the previous owner. RuntimeError if the body awaited."""
        outer = self._outer.pop()
        if self._loop.owner is not self and kind is None:
            raise RuntimeError(f"`with {self!r}` must not await: other lives ran meanwhile; use create_task")
        self._loop.owner = outer

    def create_task(self, coro: Coroutine[Any, Any, T], *, name: str | None = None) -> asyncio.Task[T]:
        """Create a task that this life owns."""
        with self:
            return self._loop.create_task(coro, name=name)

    def call_soon(self, function: Callable[..., object], *args: object) -> None:
        """Call `function(*args)` in the next turn, owned by this life."""
        self._loop.call_soon_for(self, function, *args)

    # --- faults -----------------------------------------------------------------------------------------------------

    def crash(self, *, is_silent: bool = False, keeps_disk: bool = False) -> None:
        """End this life now: none of its code runs any more. Idempotent.

        If the life crashes itself, the running code continues to its next await, without effect.

        Args:
            is_silent: peers receive nothing until the node begins its next life (the machine is off); else their
                connections are reset.
            keeps_disk: written data stays, synced or not (only the process ended); else unsynced data is lost or
                retained by the rules of `VirtualDisk.crash` (the power failed).
        """
        if self.is_over:
            return
        self.state, self.is_free = LifeState.OVER, False
        self._crash_host(keeps_disk=keeps_disk)
        owned: list[object] = [task for task in asyncio.all_tasks(self._loop) if owner_of(task) is self]
        owned += self._loop.remove_handles(self)
        owned += self._held
        owned += self.generators
        owned += self._world.network.crash_process(self, is_silent=is_silent)
        self._held.clear()
        self._world.retain_after_crash(self, owned)
        if not self.ended.done():
            self.ended.set_result(None)

    def _crash_host(self, *, keeps_disk: bool) -> None:
        self._clock.on_rate_changed = None
        if keeps_disk:
            self.host.disk.release()
        else:
            rng = self._world.rng(f"crash/{self.number}")
            self.host.executor.cut_power(self.host.disk, rng)
            self.host.disk.crash(rng)

    def pause(self) -> None:
        """Stop running its handles, as SIGSTOP does. RuntimeError if it is over; idempotent."""
        self._check("pause")
        self.state, self.is_free = LifeState.PAUSED, False

    def resume(self, *, timers_first: bool = False) -> None:
        """Continue: all held handles are due at once, arrivals first (`timers_first`: timers first, as in some loops).

        RuntimeError if it is over; no effect if it is not paused.
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
        """Make each handle take `turn_s` longer; 0: normal speed. ValueError if negative."""
        self._check("slow_down")
        if turn_s < 0:
            raise ValueError(f"slow_down({turn_s}): the time must not be negative")
        self._turn_s = turn_s
        self._next_turn_at_s = self._loop.clock.monotonic()
        if self.state is LifeState.RUNNING:
            self.is_free = not turn_s
            self._release([*self._held])

    # --- called by the loop -----------------------------------------------------------------------------------------

    def time(self) -> float:
        """Return the time of its own monotonic clock (s)."""
        return self._clock.monotonic()

    def world_time(self, when_s: float) -> float:
        """Return the first time (s) of the world at which its clock shows `when_s`."""
        return self._clock.world_time(when_s)

    def hold(self, handle: asyncio.Handle) -> bool:
        """Hold a handle back if this life is paused, over, or slow and still busy; return whether it was held back."""
        if self.state is LifeState.OVER:
            self._world.retain_after_crash(self, [handle])
            return True
        if self.state is LifeState.PAUSED:
            self._held.append(handle)
            return True
        return self._hold_if_busy(handle)

    def _hold_if_busy(self, handle: asyncio.Handle) -> bool:
        now = self._loop.clock.monotonic()
        if now < self._next_turn_at_s or self._held:
            self._held.append(handle)
            self._wake_at(self._next_turn_at_s)
            return True
        self._next_turn_at_s = now + self._turn_s
        return False

    def _wake_at(self, when_s: float) -> None:
        if self._wake_timer is None:
            self._wake_timer = self._loop.call_at_for(None, when_s, self._next_turn)

    def _next_turn(self) -> None:
        self._wake_timer = None
        if self.state is not LifeState.RUNNING or not self._held:
            return
        handle = self._held.popleft()
        self._next_turn_at_s = self._loop.clock.monotonic() + self._turn_s
        self._loop.run_held(self, handle)
        if self._held:
            self._wake_at(self._next_turn_at_s)

    def _release(self, handles: list[asyncio.Handle]) -> None:
        self._held.clear()
        self._loop.requeue_first(handles)

    def _check(self, verb: str) -> None:
        if self.is_over:
            raise RuntimeError(f"{verb}: life {self.number} of {self.name} is over")


def owner_of(task: asyncio.Task[Any]) -> Owner | None:
    """Return the owner of a task."""
    return task.owner if isinstance(task, NumberedTask) else None


def _is_own_timer(handle: asyncio.Handle) -> bool:
    """Return whether the process set this timer itself: a delivery is a timer of the network."""
    return getattr(handle, "is_local", False)
