"""An asyncio event loop in virtual time: when nothing is ready, time jumps to the next timer.

    ready queue ──▶ one turn: everything that was ready when the turn began, in order
         ▲                                   │
         └── timers that are due ◀── time jumps only if nothing is ready

Tasks, futures, async generators, task groups, `asyncio.sleep` and `asyncio.timeout` are asyncio's own: this loop
inherits what does not touch the world from `asyncio.BaseEventLoop` and replaces the rest. Sockets, signals, processes
and threads are refused by name: the world of a virtual program is its `VirtualHost`.
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
from coterie.runtime.hosts.virtual.escapes import trespass
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

    `ExceptionGroup` if `main` returned but a callback or an abandoned task failed and no exception handler was set.
    """
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        result = runner.run(main())
    gc.collect()  # a failed task that nobody awaited speaks up when it is freed, and it may sit in a cycle
    if isinstance(loop, VirtualLoop) and loop.unhandled:
        raise BaseExceptionGroup("unhandled errors on the virtual loop", loop.unhandled)
    return result


def _refused(name: str) -> Any:
    """Make a method that refuses to touch the real world. (Any: it stands in for methods of many types.)"""

    def refuse(self: VirtualLoop, *args: object, **kwargs: object) -> NoReturn:
        raise trespass(f"loop.{name}()", "virtual programs reach the world through their Host")

    refuse.__name__ = name
    refuse.__doc__ = f"Refuse: `{name}` would leave the virtual world (FenceError)."
    return refuse


class VirtualLoop(asyncio.BaseEventLoop):
    """One virtual world's event loop: `asyncio.Runner(loop_factory=VirtualLoop)`.

    Callbacks run in the order in which they became ready; timers of equal time in the order in which they were set.
    Time stands still while anything is ready. When nothing is ready and no timer is set, `VirtualDeadlock` comes out
    of `run_until_complete` and lists the tasks that wait. Tasks and futures hash by number, so that sets of them have
    one order in every run. The loop belongs to one thread.

    `clock` is moved by this loop; `loop.time()` is its monotonic time. If the world has several processes, each is an
    `Owner`: what it schedules is its own, and `loop.time()` is what its own clock shows.
    """

    def __init__(self, clock: VirtualClock | None = None) -> None:
        super().__init__()
        self.clock = clock or VirtualClock()
        """The clock that this loop moves: the world's time."""
        self.owner: Owner | None = None
        """Whose handle runs; None: nobody's, or the world's own."""
        self.unhandled: list[BaseException] = []
        """What no exception handler took, in order; `default_exception_handler` logs it too."""
        self._queue: deque[OwnedHandle | OwnedTimer] = deque()
        self._timers: list[tuple[float, int, OwnedTimer]] = []
        self._timers_set = 0
        self._timers_cancelled = 0
        self._stop_requested = False
        self._is_over = False
        self._births = 0

    @classmethod
    def running(cls) -> Self:
        """Return the running loop. TypeError if it is none of this class."""
        loop = asyncio.get_running_loop()
        if not isinstance(loop, cls):
            raise TypeError(f"this needs a running {cls.__name__}, not a {type(loop).__name__}")
        return loop

    def create_future(self) -> asyncio.Future[Any]:
        """Make a future that hashes by its number, not by its address."""
        self._births += 1
        return NumberedFuture(self._births, self)

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
        self._births += 1
        options["name"] = f"Task-{self._births}" if name is None else name  # asyncio counts them for the whole process
        return NumberedTask(self._births, coro, loop=self, owner=self.owner, context=context, **options)

    def time(self) -> float:
        """Return the virtual monotonic time in seconds, as the owner of the present handle sees it."""
        owner = self.owner
        return self.clock.now_s if owner is None else owner.time()

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Run `callback(*args)` in the next turn."""
        owner, function = self.owner, callback
        whose: Any = getattr(callback, "__self__", callback)
        kind = type(whose)
        if kind is NumberedTask:
            owner = whose.owner  # a task's step or wake-up carries its task
        elif kind is OwnedCallback:
            owner, function = whose.owner, whose.function
        return self._append(owner, function, args, context)

    def call_soon_for(
        self, owner: Owner | None, callback: Callable[..., object], *args: object, context: Context | None = None
    ) -> asyncio.Handle:
        """Do as `call_soon`, as `owner`: a network delivers to whom a connection belongs."""
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
        """Do as `call_soon`. RuntimeError from another thread: its timing could not be replayed."""
        if self.is_running() and not _is_running_here(self):
            raise RuntimeError("VirtualLoop refuses call_soon_threadsafe() from another thread: it cannot be replayed")
        return self.call_soon(callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run `callback(*args)` when virtual time reaches `when` (s), on the clock that `time()` reads."""
        owner = self.owner
        timer = OwnedTimer(owner, when, callback, args, self, context, is_local=True)
        self._set(when if owner is None else owner.world_time(when), timer)
        return timer

    def call_at_for(
        self, owner: Owner | None, when: float, callback: Callable[..., object], *args: object
    ) -> asyncio.TimerHandle:
        """Run `callback(*args)` as `owner` when the world's time reaches `when` (s)."""
        timer = OwnedTimer(owner, when, callback, args, self, None, is_local=False)
        self._set(when, timer)
        return timer

    def _set(self, when: float, timer: OwnedTimer) -> None:
        if self._is_over:
            self._refuse()
        self._timers_set += 1
        heapq.heappush(self._timers, (when, self._timers_set, timer))

    def take_handles(self, owner: Owner) -> list[asyncio.Handle]:
        """Forget what is scheduled for `owner`, and return it: whoever lets go of it may free what it holds."""
        taken: list[asyncio.Handle] = [handle for handle in self._queue if handle.owner is owner]
        taken += [timer for _, _, timer in sorted(self._timers) if timer.owner is owner]
        self._queue = deque(handle for handle in self._queue if handle.owner is not owner)
        self._timers = [entry for entry in self._timers if entry[2].owner is not owner]
        heapq.heapify(self._timers)
        return taken

    def adjust_timers(self, owner: Owner) -> None:
        """Set the timers of `owner` anew, after its clock was changed."""
        self._timers = [
            (owner.world_time(timer.when()), number, timer)
            if timer.owner is owner and timer.is_local
            else (at, number, timer)
            for at, number, timer in self._timers
        ]
        heapq.heapify(self._timers)

    def give_back(self, handles: list[asyncio.Handle]) -> None:
        """Let `handles`, which their owner held, run next and in this order: all that waits came later."""
        self._queue.extendleft(each for each in reversed(handles) if isinstance(each, (OwnedHandle, OwnedTimer)))

    def run_held(self, owner: Owner, handle: asyncio.Handle) -> None:
        """Run `handle`, which `owner` held, now."""
        self.owner = owner
        if not handle.cancelled():
            handle._run()  # noqa: SLF001 - as in `_run`

    @property
    def timers(self) -> list[asyncio.TimerHandle]:
        """The timers that are set, in no order."""
        return [timer for _, _, timer in self._timers if not timer.cancelled()]

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run `func(*args)` inline in the next turn; `executor` is never used, no thread exists."""
        future: asyncio.Future[T] = self.create_future()
        self.call_soon(fulfil, future, lambda: func(*args))
        return future

    def stop(self) -> None:
        """Stop `run_forever` after the present turn."""
        self._stop_requested = True
        super().stop()

    def close(self) -> None:
        """Forget everything that was scheduled. The loop must not be running."""
        super().close()
        self._is_over = True
        self._queue.clear()
        self._timers.clear()

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Log as asyncio does, and keep the error in `unhandled`."""
        self.unhandled.append(context.get("exception") or RuntimeError(context.get("message")))
        super().default_exception_handler(context)

    def _run_once(self) -> None:
        """Run one turn (called by `run_forever` until it is stopped)."""
        self._wake_due()
        for _ in range(len(self._queue)):  # what becomes ready during this turn belongs to the next one
            if self._queue:  # a crash takes handles away
                self._run(self._queue.popleft())
        self.owner = None
        self._stop_requested = False

    def _run(self, handle: OwnedHandle | OwnedTimer) -> None:
        # In a frame of its own: a handle that outlived its turn would keep tasks alive, and their lost errors silent.
        if handle._cancelled:  # noqa: SLF001 - as it was set there, in fewer steps
            return
        owner = self.owner = handle.owner
        if owner is None or owner.is_free or not owner.hold(handle):
            handle._run()  # noqa: SLF001 - the one way to run a handle with its context and exception handler

    def _wake_due(self) -> None:
        """Let what is due be ready; if nothing else is, it is due when the next timer is, or a little later."""
        timers, queue, clock = self._timers, self._queue, self.clock
        if not queue and not self._stop_requested:
            while timers and timers[0][2]._cancelled:  # noqa: SLF001 - as in `_run`
                heapq.heappop(timers)
            if not timers:
                raise VirtualDeadlock(tuple(map(_where, _pending(self))))
            wake_at = self._wake_at(timers[0][0])
            if wake_at > clock.now_s:
                clock.advance_to(wake_at)
        while timers and timers[0][0] <= clock.now_s:
            queue.append(heapq.heappop(timers)[2])

    def _wake_at(self, due_s: float) -> float:
        """Return when to wake up for a timer due at `due_s`: not before; a simulator may oversleep."""
        return due_s

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        # Asks set and cancel a timer each: without this the heap would keep them until their time comes.
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
    """Run `function` and give its result or error to `future`, unless somebody cancelled that meanwhile."""
    if future.cancelled():
        return
    try:
        result = function()
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - it belongs to whoever awaits the future
        future.set_exception(error)
    else:
        future.set_result(result)


def _pending(loop: VirtualLoop) -> list[asyncio.Task[Any]]:
    # asyncio keeps tasks in a set: sorted, the report is the same in every run. "Task-9" comes before "Task-10".
    return sorted(asyncio.all_tasks(loop), key=lambda task: (len(task.get_name()), task.get_name()))


def _where(task: asyncio.Task[Any]) -> str:
    """Say what `task` waits for: its name and the line of its innermost await."""
    awaited: Any = task.get_coro()
    line = ""
    while awaited is not None:
        frame = getattr(awaited, "cr_frame", None) or getattr(awaited, "gi_frame", None)
        if frame is None:
            break
        line = f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_qualname}"
        awaited = getattr(awaited, "cr_await", None) or getattr(awaited, "gi_yieldfrom", None)
    return f"{task.get_name()} waits at {line}"
