"""`VirtualLoop`: runs asyncio code in virtual time: when nothing is ready, the time jumps to the next timer.

    ready queue ──▶ one turn: everything that was ready when the turn began, in order
         ▲                                   │
         └── timers that are due ◀── time jumps only if nothing is ready

Virtual time is decided here, in `_wake_due`, and carried out by `VirtualClock.advance_to` (`virtual_clock.py`).
`simulation/simulated_loop.py` adds late wake-ups, and `simulation/node_clock.py` a drifting clock for each node, whose
timers this loop converts to the world's time (`call_at`, `adjust_timers`).

Tasks, futures, async generators, task groups, `asyncio.sleep` and `asyncio.timeout` are asyncio's own: this loop
inherits from `asyncio.BaseEventLoop` and replaces everything that touches the machine. Sockets, signals, processes
and threads are refused by name: a virtual program uses its `VirtualHost` instead.
"""

from __future__ import annotations

import asyncio
import gc
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from concurrent.futures import Executor
from contextvars import Context
from typing import Any, NoReturn, Self, TypeVar, TypeVarTuple, Unpack

from coterie.errors import VirtualDeadlock
from coterie.runtime.hosts.virtual.fence_error import fence_error
from coterie.runtime.hosts.virtual.handle_owners import (
    NumberedFuture,
    NumberedTask,
    OwnedCallback,
    OwnedHandle,
    OwnedTimer,
    Owner,
)
from coterie.runtime.hosts.virtual.virtual_clock import VirtualClock

__all__ = ["VirtualLoop", "fulfil", "run_virtual"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_MIN_CANCELLED_TO_COMPACT = 64


def run_virtual(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `main()` on a new `VirtualLoop` and return its result.

    `ExceptionGroup` if `main` returned but a callback or an unawaited task failed and no exception handler was set.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        result = runner.run(main())
    gc.collect()  # a failed task that was never awaited reports its error when it is freed, and it may be in a cycle
    if isinstance(loop, VirtualLoop) and loop.unhandled:
        raise BaseExceptionGroup("unhandled errors on the virtual loop", loop.unhandled)
    return result


def _refused(name: str) -> Any:
    """Make a method that refuses to touch the real world. (Any: it replaces methods of many types.)"""

    def refuse(self: VirtualLoop, *args: object, **kwargs: object) -> NoReturn:
        raise fence_error(f"loop.{name}()", "use the Host of the virtual program instead")

    refuse.__name__ = name
    refuse.__doc__ = f"Refuse: `{name}` would leave the virtual world (FenceError)."
    return refuse


class VirtualLoop(asyncio.BaseEventLoop):
    """One virtual world's event loop: `asyncio.Runner(loop_factory=VirtualLoop)`.

    Callbacks run in the order in which they became ready; timers of equal time in the order in which they were set.
    Time stands still while anything is ready. When nothing is ready and no timer is set, `run_until_complete` raises
    `VirtualDeadlock`, which lists the waiting tasks. Tasks and futures hash by number, so that sets of them have the
    same order in every run. The loop belongs to one thread.

    `clock` is moved by this loop; `loop.time()` is its monotonic time. If the world has several processes, each is an
    `Owner`: it owns the handles that it schedules, and its `loop.time()` is the time of its own clock.
    """

    def __init__(self, clock: VirtualClock | None = None) -> None:
        super().__init__()
        self.clock = clock or VirtualClock()
        """The clock that this loop moves: the world's time."""
        self.owner: Owner | None = None
        """Owner of the running handle; None: no handle runs, or it belongs to the world itself."""
        self.unhandled: list[BaseException] = []
        """Errors that no exception handler took, in order; `default_exception_handler` logs them too."""
        self._queue: deque[OwnedHandle | OwnedTimer] = deque()
        self._timers: list[tuple[float, int, OwnedTimer]] = []
        self._timers_set = 0
        self._timers_cancelled = 0
        self._stop_requested = False
        self._is_over = False
        self._created = 0

    @classmethod
    def running(cls) -> Self:
        """Return the running loop. TypeError if it is not of this class."""
        loop = asyncio.get_running_loop()
        if not isinstance(loop, cls):
            raise TypeError(f"the running loop must be a {cls.__name__}, not a {type(loop).__name__}")
        return loop

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future that hashes by its number, not by its address."""
        self._created += 1
        return NumberedFuture(self._created, self)

    def create_task(
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: object = None,
        context: Context | None = None,
        **options: Any,
    ) -> asyncio.Task[T]:
        """Make a task that hashes by its number, not by its address; a task factory, if set, makes its own."""
        if self._is_over:
            self._refuse()
        if self.get_task_factory() is not None:
            return super().create_task(coro, name=name, context=context, **options)
        self._created += 1
        options["name"] = f"Task-{self._created}" if name is None else name  # asyncio would number them per process
        return NumberedTask(self._created, coro, loop=self, owner=self.owner, context=context, **options)

    def time(self) -> float:
        """Return the virtual monotonic time in seconds, by the clock of the running handle's owner."""
        owner = self.owner
        return self.clock.now_s if owner is None else owner.time()

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Run `callback(*args)` in the next turn."""
        owner, function = self.owner, callback
        bound_to: Any = getattr(callback, "__self__", callback)
        kind = type(bound_to)
        if kind is NumberedTask:
            owner = bound_to.owner  # a task's step or wake-up is a method of the task
        elif kind is OwnedCallback:
            owner, function = bound_to.owner, bound_to.function
        return self._append(owner, function, args, context)

    def call_soon_for(
        self, owner: Owner | None, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.Handle:
        """Do as `call_soon`, with `owner` as the handle's owner: a network delivers to the owner of a connection."""
        return self._append(owner, callback, args, context)

    def _append(
        self, owner: Owner | None, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> asyncio.Handle:
        if self._is_over:
            self._refuse()
        handle = OwnedHandle(owner, callback, args, self, context)
        self._queue.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Do as `call_soon`. RuntimeError from another thread: its timing would not be reproducible."""
        if self.is_running() and not _is_running_here(self):
            raise RuntimeError(
                "VirtualLoop refuses call_soon_threadsafe() from another thread: its timing is not reproducible"
            )
        return self.call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run `callback(*args)` when virtual time reaches `when` (s), on the clock that `time()` shows."""
        owner = self.owner
        timer = OwnedTimer(owner, when, callback, args, self, context, is_local=True)
        self._set(when if owner is None else owner.world_time(when), timer)
        return timer

    def call_at_for(
        self, owner: Owner | None, when: float, callback: Callable[..., object], *args: object
    ) -> asyncio.TimerHandle:
        """Run `callback(*args)`, owned by `owner`, when the world's time reaches `when` (s)."""
        timer = OwnedTimer(owner, when, callback, args, self, None, is_local=False)
        self._set(when, timer)
        return timer

    def _set(self, when: float, timer: OwnedTimer) -> None:
        if self._is_over:
            self._refuse()
        self._timers_set += 1
        heapq.heappush(self._timers, (when, self._timers_set, timer))

    def remove_handles(self, owner: Owner) -> list[asyncio.Handle]:
        """Remove and return all handles of `owner`; dropping them may free the objects that they refer to."""
        removed: list[asyncio.Handle] = [handle for handle in self._queue if handle.owner is owner]
        removed += [timer for _, _, timer in sorted(self._timers) if timer.owner is owner]
        self._queue = deque(handle for handle in self._queue if handle.owner is not owner)
        self._timers = [entry for entry in self._timers if entry[2].owner is not owner]
        heapq.heapify(self._timers)
        return removed

    def adjust_timers(self, owner: Owner) -> None:
        """Recompute when the timers of `owner` are due, after the rate of its clock has changed."""
        self._timers = [
            (owner.world_time(timer.when()), number, timer)
            if timer.owner is owner and timer.is_local
            else (at, number, timer)
            for at, number, timer in self._timers
        ]
        heapq.heapify(self._timers)

    def requeue_first(self, handles: list[asyncio.Handle]) -> None:
        """Put `handles`, which their owner held back, at the front of the queue in this order."""
        self._queue.extendleft(each for each in reversed(handles) if isinstance(each, (OwnedHandle, OwnedTimer)))

    def run_held(self, owner: Owner, handle: asyncio.Handle) -> None:
        """Run `handle`, which `owner` held back, now."""
        self.owner = owner
        if not handle.cancelled():
            handle._run()  # noqa: SLF001 - as in `_run`

    @property
    def timers(self) -> list[asyncio.TimerHandle]:
        """The pending timers, in no particular order."""
        return [timer for _, _, timer in self._timers if not timer.cancelled()]

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run `func(*args)` inline in the next turn; `executor` is ignored, and no thread is used."""
        future: asyncio.Future[T] = self.create_future()
        self.call_soon(fulfil, future, lambda: func(*args))
        return future

    def stop(self) -> None:
        """Stop `run_forever` after the current turn."""
        self._stop_requested = True
        super().stop()

    def close(self) -> None:
        """Drop all scheduled handles. The loop must not be running."""
        super().close()
        self._is_over = True
        self._queue.clear()
        self._timers.clear()

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Log as asyncio does, and keep the error in `unhandled`."""
        self.unhandled.append(context.get("exception") or RuntimeError(context.get("message")))
        super().default_exception_handler(context)

    def _run_once(self) -> None:
        """Run one turn (called by `run_forever` until the loop is stopped)."""
        self._wake_due()
        for _ in range(len(self._queue)):  # handles that become ready during this turn run in the next one
            if self._queue:  # a crash removes handles
                self._run(self._queue.popleft())
        self.owner = None
        self._stop_requested = False

    def _run(self, handle: OwnedHandle | OwnedTimer) -> None:
        # A separate function, so that no local variable keeps a handle, and a failed task, alive after its turn.
        if handle._cancelled:  # noqa: SLF001 - faster than `cancelled()`
            return
        owner = self.owner = handle.owner
        if owner is None or owner.is_free or not owner.hold(handle):
            handle._run()  # noqa: SLF001 - the only way to run a handle with its context and exception handler

    def _wake_due(self) -> None:
        """Move due timers to the ready queue; if nothing is ready, first advance the clock to the next timer."""
        timers, queue, clock = self._timers, self._queue, self.clock
        if not queue and not self._stop_requested:
            while timers and timers[0][2]._cancelled:  # noqa: SLF001 - as in `_run`
                heapq.heappop(timers)
            if not timers:
                raise VirtualDeadlock(tuple(map(_description, _pending(self))))
            wake_at = self._wake_at(timers[0][0])
            if wake_at > clock.now_s:
                clock.advance_to(wake_at)
        while timers and timers[0][0] <= clock.now_s:
            queue.append(heapq.heappop(timers)[2])

    def _wake_at(self, due_s: float) -> float:
        """Return when to wake up for a timer due at `due_s`: never earlier; a simulated loop may be late."""
        return due_s

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        # Each ask sets and cancels a timer: without this the heap would keep them until they are due.
        self._timers_cancelled += 1
        if self._timers_cancelled > max(_MIN_CANCELLED_TO_COMPACT, len(self._timers) // 2):
            self._timers = [entry for entry in self._timers if not (entry[2] is handle or entry[2].cancelled())]
            heapq.heapify(self._timers)
            self._timers_cancelled = 0

    def _refuse(self) -> NoReturn:
        raise RuntimeError("Event loop is closed")

    add_reader = _refused("add_reader")
    add_signal_handler = _refused("add_signal_handler")
    add_writer = _refused("add_writer")
    connect_accepted_socket = _refused("connect_accepted_socket")
    connect_read_pipe = _refused("connect_read_pipe")
    connect_write_pipe = _refused("connect_write_pipe")
    create_connection = _refused("create_connection")
    create_datagram_endpoint = _refused("create_datagram_endpoint")
    create_server = _refused("create_server")
    create_unix_connection = _refused("create_unix_connection")
    create_unix_server = _refused("create_unix_server")
    getaddrinfo = _refused("getaddrinfo")
    getnameinfo = _refused("getnameinfo")
    remove_reader = _refused("remove_reader")
    remove_signal_handler = _refused("remove_signal_handler")
    remove_writer = _refused("remove_writer")
    sendfile = _refused("sendfile")
    set_default_executor = _refused("set_default_executor")
    sock_accept = _refused("sock_accept")
    sock_connect = _refused("sock_connect")
    sock_recv = _refused("sock_recv")
    sock_recv_into = _refused("sock_recv_into")
    sock_recvfrom = _refused("sock_recvfrom")
    sock_recvfrom_into = _refused("sock_recvfrom_into")
    sock_sendall = _refused("sock_sendall")
    sock_sendfile = _refused("sock_sendfile")
    sock_sendto = _refused("sock_sendto")
    start_tls = _refused("start_tls")
    subprocess_exec = _refused("subprocess_exec")
    subprocess_shell = _refused("subprocess_shell")


def _is_running_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def fulfil(future: asyncio.Future[T], function: Callable[[], T]) -> None:
    """Run `function` and set its result or error on `future`; do nothing if `future` is cancelled."""
    if future.cancelled():
        return
    try:
        result = function()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - passed on to the future
        future.set_exception(error)
    else:
        future.set_result(result)


def _pending(loop: VirtualLoop) -> list[asyncio.Task[Any]]:
    # asyncio keeps tasks in a set; sorted, the report is the same in every run, with "Task-9" before "Task-10".
    return sorted(asyncio.all_tasks(loop), key=lambda task: (len(task.get_name()), task.get_name()))


def _description(task: asyncio.Task[Any]) -> str:
    """Return the name of `task` and the line of its innermost await."""
    awaited: Any = task.get_coro()
    line = ""
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is None:
            break
        line = f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    return f"{task.get_name()} waits at {line}"
