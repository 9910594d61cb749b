"""Handle owners: records which virtual process created each callback, timer and task of the event loop.

A handle belongs to the process that scheduled it; a task's steps to the process that made the task, even if another
process completed what it waited for; a future's callback to the process that added it. Contextvars cannot carry this:
actors run in contexts created empty.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop

__all__ = ["NumberedFuture", "NumberedTask", "OwnedCallback", "OwnedHandle", "OwnedTimer", "Owner"]

T = TypeVar("T")


class Owner(Protocol):
    """A process of the virtual world, as the loop uses it."""

    is_free: bool
    """Whether its handles run without restriction; if not, the loop calls `hold` for each."""

    def time(self) -> float:
        """Return the monotonic time (s) of its own clock."""
        ...

    def world_time(self, when_s: float) -> float:
        """Return the first time (s) of the world at which its own clock shows `when_s` or more, at its current rate."""
        ...

    def hold(self, handle: asyncio.Handle) -> bool:
        """Hold `handle` back, temporarily or permanently, and return True; return False to let it run now."""
        ...


class OwnedHandle(asyncio.Handle):
    """A callback and its owner (None: the world itself).

    It sets asyncio's slots itself: a world makes a hundred thousand handles a minute, and asyncio's constructor takes
    twice the time. The place of its creation is not recorded, not even in debug mode.
    """

    __slots__ = ("owner",)

    def __init__(
        self,
        owner: Owner | None,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: VirtualLoop,
        context: Context | None,
    ) -> None:
        self.owner = owner
        self._callback = callback
        self._args = args
        self._loop = loop
        self._context = copy_context() if context is None else context
        self._cancelled = False
        self._repr = self._source_traceback = None


class OwnedTimer(asyncio.TimerHandle):
    """A timer and its owner; `is_local`: its time is on its owner's clock, not on the world's."""

    __slots__ = ("is_local", "owner")

    def __init__(
        self,
        owner: Owner | None,
        when: float,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: VirtualLoop,
        context: Context | None,
        *,
        is_local: bool,
    ) -> None:
        self.owner = owner
        self.is_local = is_local
        self._when = when
        self._callback = callback
        self._args = args
        self._loop = loop
        self._context = copy_context() if context is None else context
        self._cancelled = self._scheduled = False
        self._repr = self._source_traceback = None


class OwnedCallback:
    """A future's callback and its owner. Equal to the callback itself: `remove_done_callback` compares."""

    __slots__ = ("function", "owner")

    def __init__(self, function: Callable[..., object], owner: Owner | None) -> None:
        self.function = function
        self.owner = owner

    def __eq__(self, other: object) -> bool:
        return bool(self.function == other)

    def __hash__(self) -> int:
        return hash(self.function)

    def __call__(self, *args: object) -> object:
        """Call the function; used by loops that do not support owners."""
        return self.function(*args)


class NumberedFuture(asyncio.Future[T]):
    """A future that hashes by its number: asyncio keeps futures in sets, whose order by address differs per run."""

    def __init__(self, number: int, loop: VirtualLoop) -> None:
        self.number = number
        self._virtual_loop = loop
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self.number

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context | None = None) -> None:
        """Call `fn(self)` once this is done, as the process that adds it."""
        super().add_done_callback(_owned(fn, self._virtual_loop), context=context)


class NumberedTask(asyncio.Task[T]):
    """A task that hashes by its number: `asyncio.wait`, TaskGroup cancellations and `all_tasks` iterate over sets."""

    def __init__(
        self,
        number: int,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        loop: VirtualLoop,
        owner: Owner | None,
        **options: Any,
    ) -> None:
        self.number = number  # first: the base class adds the task to a set, and schedules it
        self.owner = owner
        self._virtual_loop = loop
        super().__init__(coro, loop=loop, **options)

    def __hash__(self) -> int:
        return self.number

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context | None = None) -> None:
        """Call `fn(self)` once this is done, as the process that adds it."""
        super().add_done_callback(_owned(fn, self._virtual_loop), context=context)


def _owned(fn: Callable[[Any], object], loop: VirtualLoop) -> Callable[[Any], object]:
    # A task's wake-up refers to its task, and the task to its owner.
    return fn if type(getattr(fn, "__self__", None)) is NumberedTask else OwnedCallback(fn, loop.owner)
