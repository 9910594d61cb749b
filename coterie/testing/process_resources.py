"""What there is in this process now: tasks and timers of the loop, threads, open files and sockets, child processes.

Everything is found by looking: at asyncio's own lists, at Python's threads, and, where the system tells (Linux), at
`/proc`. Elsewhere open files are found by asking for each number, and child processes not at all.
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

__all__ = ["Found", "census"]

_PROC: Final = Path("/proc/self")
_MOST_DESCRIPTORS: Final = 1024
_EXECUTORS: Final = ("asyncio_", "uvloop_")


class Found(NamedTuple):
    """One thing that is there: `thing`, if told by its id, is kept for that not to be used again; `text` names it."""

    thing: object
    text: str


def census(loop: asyncio.AbstractEventLoop) -> dict[Hashable, Found]:
    """Return all there is, by identity; without the task that asks, and without the loop's own executor's threads."""
    found: dict[Hashable, Found] = {}
    for kind, things in (("task", _tasks(loop)), ("timer", _timers(loop)), ("thread", _threads())):
        found |= {(kind, id(one.thing)): one for one in things}
    return found | dict((*_descriptors(), *_children()))


def _tasks(loop: asyncio.AbstractEventLoop) -> Iterator[Found]:
    for task in asyncio.all_tasks(loop) - {asyncio.current_task(loop)}:
        stack = task.get_stack(limit=1)
        where = f" at {stack[0].f_code.co_filename}:{stack[0].f_lineno}" if stack else ""
        yield Found(task, f"task {task.get_name()!r}: {getattr(task.get_coro(), '__qualname__', '')}{where}")


def _threads() -> Iterator[Found]:
    for thread in threading.enumerate():
        # The loop's default executor keeps its threads until the loop is closed: name look-ups make them.
        if not thread.name.startswith(_EXECUTORS):
            yield Found(thread, f"thread {thread.name!r}")


# --- timers


def _timers(loop: asyncio.AbstractEventLoop) -> Iterator[Found]:
    for handle in _pending(loop):
        if not handle.cancelled():
            yield Found(handle, f"timer {handle!r}")


def _pending(loop: asyncio.AbstractEventLoop) -> list[asyncio.TimerHandle]:
    if isinstance(loop, VirtualLoop):
        return loop.timers
    scheduled: list[asyncio.TimerHandle] | None = getattr(loop, "_scheduled", None)
    return _timers_of_uvloop(loop) if scheduled is None else scheduled


def _timers_of_uvloop(loop: asyncio.AbstractEventLoop) -> list[Any]:
    """Find the timers of a loop that keeps them to itself: a pending one refers to its loop and to a timer of libuv."""
    handles = [thing for thing in gc.get_objects() if type(thing).__name__ == "TimerHandle"]
    return [handle for handle in handles if _is_pending(handle, loop)]


def _is_pending(handle: object, loop: asyncio.AbstractEventLoop) -> bool:
    parts = gc.get_referents(handle)
    return any(part is loop for part in parts) and any(type(part).__name__ == "UVTimer" for part in parts)


# --- descriptors


def _descriptors() -> Iterator[tuple[Hashable, Found]]:
    """Yield the open files and sockets."""
    for number in _open_numbers():
        try:
            state = os.fstat(number)
            text, has_name = _described(number, state.st_mode)
        except OSError:
            continue  # it was what listed them
        if text.endswith(os.devnull):
            continue  # libuv opens it once for each loop that listens
        # The same number may be another file later: it is told by its inode too. But not a pair of sockets without
        # names: uvloop makes itself a new one whenever it begins to run.
        yield (number, state.st_ino if has_name else None), Found(None, text)


def _open_numbers() -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(_PROC / "fd"))
    except OSError:
        return list(range(_MOST_DESCRIPTORS))


def _described(number: int, mode: int) -> tuple[str, bool]:
    """Return what a descriptor is, in words, and whether it has a name. OSError if it is not open."""
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


def _children() -> Iterator[tuple[Hashable, Found]]:
    for children in _PROC.glob("task/*/children"):
        try:
            numbers = children.read_text().split()
        except OSError:
            continue  # that thread has ended since it was listed, and its children are another one's now
        for number in numbers:
            yield ("process", number), Found(None, f"process {number}: {_command(number)}")


def _command(number: str) -> str:
    try:
        return Path("/proc", number, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "ended just now"
