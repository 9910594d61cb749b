"""What is refused inside the fence, and what is only put in order."""

from __future__ import annotations

import _posixsubprocess
import _thread
import os
import socket
import subprocess
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from coterie.runtime.hosts.simulation.fence.patches import Patch, Senses, replaced
from coterie.runtime.hosts.virtual.escapes import trespass

__all__ = ["refusals", "sorted_names"]

_NO_THREADS: Final = "a world has one thread; use asyncio.to_thread() or context.run_blocking()"
_NO_WAIT: Final = "it would wait for another thread, and there is none; use asyncio's"
_NO_PROCESS: Final = "a world has no processes but its lives"
_NO_SOCKETS: Final = "use the Host's network"

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
)


def refusals() -> list[Patch]:
    """Return the patches that refuse threads, processes and sockets."""
    there = [each for each in _REFUSED if hasattr(each[0], each[1])]  # not every platform can fork
    refused = [replaced(owner, name, _refuse(call, advice)) for owner, name, call, advice in there]
    return [*refused, replaced(threading.Condition, "wait", _wait)]


def _wait(condition: threading.Condition, timeout: float | None = None) -> bool:
    del condition
    if timeout is not None and timeout <= 0.0:
        return False  # a pool of threads looks once like this whether one is idle
    raise trespass("Condition.wait()", _NO_WAIT)


def _refuse(call: str, advice: str) -> Callable[..., Any]:
    def refuse(*args: object, **options: object) -> Any:
        raise trespass(call, advice)

    return refuse


def sorted_names(senses: Senses) -> list[Patch]:
    """Return the patches by which directories list in order, and the machine is called as the node is."""
    listdir, scandir = os.listdir, os.scandir
    return [
        replaced(os, "listdir", lambda path=".": sorted(listdir(path))),
        replaced(os, "scandir", lambda path=".": _SortedScan(scandir(path))),
        replaced(socket, "gethostname", senses.name),
    ]


class _SortedScan:
    """What `os.scandir` returns, by name."""

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
