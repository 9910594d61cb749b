"""Refused calls: raises an error when simulated code starts a thread or process, opens a socket, or really waits.

Directory listings are not refused but sorted, so that each run sees the same order.
"""

from __future__ import annotations

import _posixsubprocess
import _thread
import builtins
import os
import queue
import resource
import select
import signal
import socket
import subprocess
import threading
import time
import timeit
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from coterie.runtime.hosts.simulation.fence.patches import FencedEnvironment, FencePatch, function_patch
from coterie.runtime.hosts.virtual.fence_error import fence_error

__all__ = ["name_patches", "refusal_patches"]

_NO_THREADS: Final = "a world has one thread; use asyncio.to_thread() or context.run_blocking()"
_NO_WAIT: Final = "it would wait for another thread, but a world has only one; use asyncio's"
_NO_PROCESS: Final = "a world has no operating-system processes, only its simulated ones"
_NO_SOCKETS: Final = "use the Host's network"
_NO_MACHINE: Final = "it measures the real machine, which differs from run to run"
_NO_SIGNALS: Final = "it would wait for the real machine; use asyncio.sleep() or the Host's clock"
_NO_POLLING: Final = "it would wait for real files; use asyncio and the Host's network"
_NO_TERMINAL: Final = "it would wait for a person"

_WAITING_SIGNALS: Final = ("alarm", "setitimer", "pause", "sigwait", "sigwaitinfo", "sigtimedwait")

_REFUSED: Final[tuple[tuple[Any, str, str, str], ...]] = (
    (threading.Thread, "start", "Thread.start()", _NO_THREADS),
    (_thread, "start_new_thread", "_thread.start_new_thread()", _NO_THREADS),
    (subprocess.Popen, "__init__", "subprocess.Popen()", _NO_PROCESS),
    (_posixsubprocess, "fork_exec", "fork_exec()", _NO_PROCESS),
    (os, "fork", "os.fork()", _NO_PROCESS),
    (os, "forkpty", "os.forkpty()", _NO_PROCESS),
    (os, "posix_spawn", "os.posix_spawn()", _NO_PROCESS),
    (os, "posix_spawnp", "os.posix_spawnp()", _NO_PROCESS),
    (os, "system", "os.system()", _NO_PROCESS),
    (socket.socket, "__init__", "socket.socket()", _NO_SOCKETS),
    (socket, "getaddrinfo", "socket.getaddrinfo()", _NO_SOCKETS),
    (socket, "gethostbyname", "socket.gethostbyname()", _NO_SOCKETS),
    (socket, "gethostbyname_ex", "socket.gethostbyname_ex()", _NO_SOCKETS),
    (socket, "gethostbyaddr", "socket.gethostbyaddr()", _NO_SOCKETS),
    (socket, "getnameinfo", "socket.getnameinfo()", _NO_SOCKETS),
    (socket, "getfqdn", "socket.getfqdn()", _NO_SOCKETS),
    *((os, name, f"os.{name}()", _NO_PROCESS) for name in ("wait", "wait3", "wait4", "waitid", "waitpid")),
    (os, "getloadavg", "os.getloadavg()", _NO_MACHINE),
    (resource, "getrusage", "resource.getrusage()", _NO_MACHINE),
    (timeit.Timer, "timeit", "Timer.timeit()", _NO_MACHINE),
    *((signal, name, f"signal.{name}()", _NO_SIGNALS) for name in _WAITING_SIGNALS),
    *((select, name, f"select.{name}()", _NO_POLLING) for name in ("select", "poll", "epoll", "kqueue")),
    (time, "clock_settime", "time.clock_settime()", _NO_MACHINE),
    (time, "clock_settime_ns", "time.clock_settime_ns()", _NO_MACHINE),
    (builtins, "input", "input()", _NO_TERMINAL),
)


def refusal_patches() -> list[FencePatch]:
    """Return the patches that refuse threads, processes and sockets."""
    available = [each for each in _REFUSED if hasattr(each[0], each[1])]  # not every platform can fork
    refused = [function_patch(owner, name, _refuse(call, advice)) for owner, name, call, advice in available]
    pure_queue: Any = vars(queue)["_PySimpleQueue"]  # it waits with a Condition, which is refused
    return [
        *refused,
        function_patch(threading.Condition, "wait", _wait),
        function_patch(queue, "SimpleQueue", pure_queue),
    ]


def _wait(condition: threading.Condition, timeout: float | None = None) -> bool:
    del condition
    if timeout is not None and timeout <= 0.0:
        return False  # a thread pool checks for an idle thread in this way
    raise fence_error("Condition.wait()", _NO_WAIT)


def _refuse(call: str, advice: str) -> Callable[..., Any]:
    def refuse(*args: object, **options: object) -> Any:
        raise fence_error(call, advice)

    return refuse


def name_patches(environment: FencedEnvironment) -> list[FencePatch]:
    """Return the patches that sort directory listings and return the node's name as host name."""
    listdir, scandir = os.listdir, os.scandir
    return [
        function_patch(os, "listdir", lambda path=".": sorted(listdir(path))),
        function_patch(os, "scandir", lambda path=".": _SortedScan(scandir(path))),
        function_patch(socket, "gethostname", environment.name),
    ]


class _SortedScan:
    """The result of `os.scandir`, sorted by name."""

    def __init__(self, scan: Any) -> None:
        with scan:
            self._entries = iter(sorted(scan, key=lambda entry: entry.name))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return next(self._entries)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Yield no more."""
        self._entries = iter(())
