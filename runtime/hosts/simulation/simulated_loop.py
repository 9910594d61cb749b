"""`SimulatedLoop`: runs all simulated processes on one event loop; a seed decides their order and delays timers."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack

from coterie.errors import SimulationStuck
from coterie.runtime.hosts.simulation.process_life import Life
from coterie.runtime.hosts.simulation.step_trace import StepTrace
from coterie.runtime.hosts.virtual.handle_owners import NumberedTask, OwnedHandle, OwnedTimer, Owner
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop

__all__ = ["SimulatedLoop", "TracedLoop"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_LATE_PROBABILITY: Final = 0.1
_MAX_LATENESS_S: Final = 0.0005
_COLLECT_EVERY: Final = 100_000
_MAX_STALLED_CHECKS: Final = 10


class SimulatedLoop(VirtualLoop):
    """A `VirtualLoop` that guarantees no more than asyncio does.

    The handles of one life run in the order of their scheduling, and timers by their time, as in asyncio; but in each
    turn the lives run in random order, and the loop may wake up a little late. Finalisers run at fixed steps:
    `collect` is called after every 100,000 handles.
    """

    def __init__(self, rng: random.Random, collect: Callable[[], object]) -> None:
        super().__init__()
        self.handled = 0
        """Number of handles that have run."""
        self.max_handled: int | None = None
        """The most handles that may run, None: no limit; checked when finalisers run."""
        self._rng = rng
        self._collect = collect
        self._collect_at = _COLLECT_EVERY
        self._last_check_s, self._stalled_checks = -1.0, 0

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run `func(*args)` inline as its own step, as the life's `Host.executor` does; no thread is used."""
        if isinstance(self.owner, Life):
            return self.owner.host.executor.run(lambda: func(*args))
        return super().run_in_executor(executor, func, *args)

    def interrupt(self) -> None:
        """Make `run_forever` raise KeyboardInterrupt before the next step. For signal handlers."""
        vars(self)["_run_once"] = self._raise_interrupt  # no cost without an interrupt

    def take_interrupt(self) -> bool:
        """Clear an interrupt that has not been raised; return whether there was one."""
        return vars(self).pop("_run_once", None) is not None

    def _raise_interrupt(self) -> None:
        self.take_interrupt()
        raise KeyboardInterrupt

    def __del__(self) -> None:
        """Do not warn if it was not closed: it holds no resources of the operating system."""

    def _wake_at(self, due_s: float) -> float:
        if self._rng.random() >= _LATE_PROBABILITY:
            return due_s
        return due_s + self._rng.random() * _MAX_LATENESS_S

    def _run_once(self) -> None:
        self._wake_due()
        ready = len(self._queue)
        if ready > 1:
            self._shuffle_lives()
        self.handled += ready
        for _ in range(ready):
            if self._queue:  # a crash removes handles
                self._run(self._queue.popleft())
        last, self.owner = self.owner, None
        self._stop_requested = False
        if self.handled >= self._collect_at:
            self._collect_at = self.handled + _COLLECT_EVERY
            self._check_progress(last)
            self._collect()

    def _check_progress(self, last: Owner | None) -> None:
        """Raise SimulationStuck if `max_handled` is reached, or time has not moved while a million handles ran."""
        now = self.clock.monotonic()
        self._stalled_checks = self._stalled_checks + 1 if now == self._last_check_s else 0
        self._last_check_s = now
        last_name = last.name if isinstance(last, Life) else "the observer"
        if self._stalled_checks >= _MAX_STALLED_CHECKS:
            raise SimulationStuck(
                f"time stands still at {now:.6f} s: {self._stalled_checks * _COLLECT_EVERY} steps have run since, "
                f"the last as {last_name}: look for a loop that never waits for time to pass"
            )
        if self.max_handled is not None and self.handled >= self.max_handled:
            raise SimulationStuck(f"{self.handled} steps have run by {now:.6f} s: the limit is {self.max_handled}")

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
            self.owner.generators.add(agen)  # not in the loop's own set: those are closed at its end
        else:
            super()._asyncgen_firstiter_hook(agen)  # type: ignore[misc]  # asyncio's own, missing in the stubs


class TracedLoop(SimulatedLoop):
    """A `SimulatedLoop` that records every handle that runs in a trace."""

    def __init__(self, rng: random.Random, collect: Callable[[], object], trace: StepTrace) -> None:
        super().__init__(rng, collect)
        self._trace = trace

    def _run(self, handle: OwnedHandle | OwnedTimer) -> None:
        if not handle.cancelled():
            kind = "timer" if isinstance(handle, OwnedTimer) else "soon"
            owner_name = handle.owner.name if isinstance(handle.owner, Life) else "-"
            self._trace.record(f"{self.clock.monotonic():.9f}", kind, owner_name, _callback_name(handle))
        super()._run(handle)


def _callback_name(handle: asyncio.Handle) -> str:
    """Return the name of a handle's callback, the same in every run."""
    callback: Any = handle._callback  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio has no public access
    task = getattr(callback, "__self__", None)
    if isinstance(task, NumberedTask):
        return f"task-{task.number}"
    return str(getattr(callback, "__qualname__", type(callback).__name__))
