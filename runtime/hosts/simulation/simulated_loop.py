"""The virtual loop of a world of lives: who runs first, and how late a sleeper wakes, is drawn from the seed."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

from coterie.errors import SimulationStuck
from coterie.runtime.hosts.simulation.process_life import Life
from coterie.runtime.hosts.simulation.step_trace import Trace
from coterie.runtime.hosts.virtual.handle_owners import NumberedTask, OwnedHandle, OwnedTimer, Owner
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop

__all__ = ["SimulatedLoop", "TracedLoop"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_LATE: Final = 0.1
_LATEST_S: Final = 0.0005
_COLLECT_EVERY: Final = 100_000
_LONGEST_STANDSTILL: Final = 10


class SimulatedLoop(VirtualLoop):
    """A `VirtualLoop` in which nobody may lean on more than asyncio promises.

    What one life schedules runs in its order, and timers by their time, as asyncio promises; but in each turn the lives
    take their turns in any order, and the loop may wake up a little late. Finalisers run at fixed steps: `collect` is
    called after every 100,000 handles.
    """

    def __init__(self, rng: random.Random, collect: Callable[[], object]) -> None:
        super().__init__()
        self.handled = 0
        """How many handles have run."""
        self.most_handled: int | None = None
        """How many may run in all, None: any number; looked at when finalisers run."""
        self._rng = rng
        self._collect = collect
        self._collect_at = _COLLECT_EVERY
        self._seen_at_s, self._stood_still = -1.0, 0

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run `func(*args)` inline at a step of its own, as the life's `Host.executor` does; no thread exists."""
        if isinstance(self.owner, Life):
            return self.owner.host.executor.run(lambda: func(*args))
        return super().run_in_executor(executor, func, *args)

    def interrupt(self) -> None:
        """Raise KeyboardInterrupt before the next step, out of `run_forever`. For signal handlers."""
        vars(self)["_run_once"] = self._be_interrupted  # whoever is not interrupted pays nothing

    def take_interrupt(self) -> bool:
        """Forget an interrupt that has not been raised; return whether there was one."""
        return vars(self).pop("_run_once", None) is not None

    def _be_interrupted(self) -> None:
        self.take_interrupt()
        raise KeyboardInterrupt

    def __del__(self) -> None:
        """Say nothing if it was not closed: it holds nothing of the system's."""

    def _wake_at(self, due_s: float) -> float:
        if self._rng.random() >= _LATE:
            return due_s
        return due_s + self._rng.random() * _LATEST_S

    def _run_once(self) -> None:
        self._wake_due()
        ready = len(self._queue)
        if ready > 1:
            self._shuffle_lives()
        self.handled += ready
        for _ in range(ready):
            if self._queue:  # a crash takes handles away
                self._run(self._queue.popleft())
        last, self.owner = self.owner, None
        self._stop_requested = False
        if self.handled >= self._collect_at:
            self._collect_at = self.handled + _COLLECT_EVERY
            self._check_progress(last)
            self._collect()

    def _check_progress(self, last: Owner | None) -> None:
        """Raise SimulationStuck if enough has run, or time has stood still while a million handles ran."""
        now = self.clock.monotonic()
        self._stood_still = self._stood_still + 1 if now == self._seen_at_s else 0
        self._seen_at_s = now
        busy = last.name if isinstance(last, Life) else "the observer"
        if self._stood_still >= _LONGEST_STANDSTILL:
            raise SimulationStuck(
                f"time stands still at {now:.6f} s: {self._stood_still * _COLLECT_EVERY} steps have run at one moment, "
                f"the last as {busy}: somebody goes round in circles without waiting"
            )
        if self.most_handled is not None and self.handled >= self.most_handled:
            raise SimulationStuck(f"{self.handled} steps have run by {now:.6f} s, {self.most_handled} are the most")

    def _shuffle_lives(self) -> None:
        by_owner: dict[Owner | None, list[OwnedHandle | OwnedTimer]] = {}
        for handle in self._queue:
            by_owner.setdefault(handle.owner, []).append(handle)
        if len(by_owner) > 1:
            turns = list(by_owner.values())
            self._rng.shuffle(turns)
            self._queue = deque(handle for turn in turns for handle in turn)

    def _asyncgen_firstiter_hook(self, agen: AsyncGenerator[Any, Any]) -> None:
        if isinstance(self.owner, Life):
            self.owner.generators.add(agen)  # not among the loop's own: those are closed at its end
        else:
            super()._asyncgen_firstiter_hook(agen)  # type: ignore[misc]  # asyncio's own, unknown to the stubs


class TracedLoop(SimulatedLoop):
    """A `SimulatedLoop` that takes down every handle that runs."""

    def __init__(self, rng: random.Random, collect: Callable[[], object], trace: Trace) -> None:
        super().__init__(rng, collect)
        self._trace = trace

    def _run(self, handle: OwnedHandle | OwnedTimer) -> None:
        if not handle.cancelled():
            kind = "timer" if isinstance(handle, OwnedTimer) else "soon"
            whose = handle.owner.name if isinstance(handle.owner, Life) else "-"
            self._trace.note(f"{self.clock.monotonic():.9f}", kind, whose, _called(handle))
        super()._run(handle)


def _called(handle: asyncio.Handle) -> str:
    """Name what a handle calls, the same way in every run."""
    callback: Any = handle._callback  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio keeps it to itself
    task = getattr(callback, "__self__", None)
    if isinstance(task, NumberedTask):
        return f"task-{task.number}"
    return str(getattr(callback, "__qualname__", type(callback).__name__))
