"""Process resources: lists this process's tasks, timers, threads, open files, sockets and child processes.

Sources are asyncio's own lists, Python's threads and, on Linux, `/proc`. On other systems open files are found by
trying each descriptor number, and child processes are not found.
"""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import stat
import threading
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop

__all__ = ["Resource", "find_resources"]

_PROC: Final = Path("/proc/self")
_MAX_DESCRIPTORS: Final = 1024
_EXECUTORS: Final = ("asyncio_", "uvloop_")


class Resource(NamedTuple):
    """One resource: `identity`, if its id() is the key, is kept so that the id is not reused; `text` describes it."""

    identity: object
    text: str


def find_resources(loop: asyncio.AbstractEventLoop) -> dict[Hashable, Resource]:
    """Return all resources by key, except the calling task and the threads of the loop's default executor."""
    found: dict[Hashable, Resource] = {}
    for kind, resources in (("task", _tasks(loop)), ("timer", _timers(loop)), ("thread", _threads())):
        found |= {(kind, id(one.identity)): one for one in resources}
    return found | dict((*_descriptors(), *_children()))


def _tasks(loop: asyncio.AbstractEventLoop) -> Iterator[Resource]:
    for task in asyncio.all_tasks(loop) - {asyncio.current_task(loop)}:
        stack = task.get_stack(limit=1)
        where = f" at {stack[0].f_code.co_filename}:{stack[0].f_lineno}" if stack else ""
        yield Resource(task, f"task {task.get_name()!r}: {getattr(task.get_coro(), '__qualname__', '')}{where}")


def _threads() -> Iterator[Resource]:
    for thread in threading.enumerate():
        # The loop's default executor keeps its threads until the loop is closed: name look-ups start them.
        if not thread.name.startswith(_EXECUTORS):
            yield Resource(thread, f"thread {thread.name!r}")


# --- timers


def _timers(loop: asyncio.AbstractEventLoop) -> Iterator[Resource]:
    for handle in _pending(loop):
        if not handle.cancelled():
            yield Resource(handle, f"timer {handle!r}")


def _pending(loop: asyncio.AbstractEventLoop) -> list[asyncio.TimerHandle]:
    if isinstance(loop, VirtualLoop):
        return loop.timers
    scheduled: list[asyncio.TimerHandle] | None = getattr(loop, "_scheduled", None)
    return _timers_of_uvloop(loop) if scheduled is None else scheduled


def _timers_of_uvloop(loop: asyncio.AbstractEventLoop) -> list[Any]:
    """Find the timers of uvloop, which does not list them: a pending one refers to its loop and to a timer of libuv."""
    handles = [each for each in gc.get_objects() if type(each).__name__ == "TimerHandle"]
    return [handle for handle in handles if _is_pending(handle, loop)]


def _is_pending(handle: object, loop: asyncio.AbstractEventLoop) -> bool:
    parts = gc.get_referents(handle)
    return any(part is loop for part in parts) and any(type(part).__name__ == "UVTimer" for part in parts)


# --- descriptors


def _descriptors() -> Iterator[tuple[Hashable, Resource]]:
    """Yield the open files and sockets."""
    for number in _open_numbers():
        try:
            state = os.fstat(number)
            text, has_name = _described(number, state.st_mode)
        except OSError:
            continue  # the descriptor used for listing
        if text.endswith(os.devnull):
            continue  # libuv opens it once for each loop that listens
        # A number may be reused for another file, so the key includes the inode; except for a pair of unnamed sockets:
        # uvloop makes a new one whenever it starts to run.
        yield (number, state.st_ino if has_name else None), Resource(None, text)


def _open_numbers() -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(_PROC / "fd"))
    except OSError:
        return list(range(_MAX_DESCRIPTORS))


def _described(number: int, mode: int) -> tuple[str, bool]:
    """Return a description of a descriptor, and whether it has a name. OSError if it is not open."""
    if stat.S_ISSOCK(mode):
        ends = _ends(number)
        return f"socket {number}: {ends or 'of a pair'}", bool(ends)
    try:
        return f"file {number}: {os.readlink(_PROC / 'fd' / str(number))}", True
    except OSError:
        return f"file {number}", True


def _ends(number: int) -> str:
    with socket.socket(fileno=os.dup(number)) as probe:
        own = probe.getsockname()
        try:
            return f"{own} to {probe.getpeername()}" if own else ""
        except OSError:
            return f"{own}"


# --- processes


def _children() -> Iterator[tuple[Hashable, Resource]]:
    for children in _PROC.glob("task/*/children"):
        try:
            numbers = children.read_text().split()
        except OSError:
            continue  # that thread has ended since it was listed; its children now belong to another thread
        for number in numbers:
            yield ("process", number), Resource(None, f"process {number}: {_command(number)}")


def _command(number: str) -> str:
    try:
        return Path("/proc", number, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "ended just now"
