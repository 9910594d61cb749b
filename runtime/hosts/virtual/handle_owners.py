"""Whose a handle is: in a world of several processes each callback, timer and task belongs to the process that made it.

A handle belongs to whoever scheduled it, a task's steps to whoever made the task, whoever completed what it waited for,
and a future's callback to whoever added it. Contextvars cannot carry this: actors run in contexts created empty.
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
    """A process of the virtual world, as the loop sees it."""

    is_free: bool
    """Whether its handles run as they come; if not, `hold` is asked for each."""

    def time(self) -> float:
        """Return the monotonic time (s) that its own clock shows."""
        ...

    def world_time(self, when_s: float) -> float:
        """Return the first time (s) of the world at which its own clock will show `when_s` or more, as things are."""
        ...

    def hold(self, handle: asyncio.Handle) -> bool:
        """Keep `handle` for later, or for ever, and return True; False: it is to run now."""
        ...


class OwnedHandle(asyncio.Handle):
    """A callback and whose it is (None: the world's own).

    It fills asyncio's slots itself: a world makes a hundred thousand handles a minute, and asyncio's own way takes
    twice the time. Where it was made is not kept, in debug mode neither.
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
    """A timer and whose it is; `is_local`: its time is meant on its owner's clock, not on the world's."""

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
    """A future's callback and whose it is. Equal to the callback itself: `remove_done_callback` compares."""

    __slots__ = ("function", "owner")

    def __init__(self, function: Callable[..., object], owner: Owner | None) -> None:
        self.function = function
        self.owner = owner

    def __eq__(self, other: object) -> bool:
        return bool(self.function == other)

    def __hash__(self) -> int:
        return hash(self.function)

    def __call__(self, *args: object) -> object:
        """Call it, as a loop does that knows of no owners."""
        return self.function(*args)


class NumberedFuture(asyncio.Future[T]):
    """asyncio keeps futures in sets: ordered by address, they would come out differently in every run."""

    def __init__(self, number: int, loop: VirtualLoop) -> None:
        self.number = number
        self._world = loop
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self.number

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context | None = None) -> None:
        """Call `fn(self)` once this is done, as whoever is adding it."""
        super().add_done_callback(_owned(fn, self._world), context=context)


class NumberedTask(asyncio.Task[T]):
    """As `NumberedFuture`: `asyncio.wait`, a TaskGroup's cancellations and `all_tasks` go through sets of tasks."""

    def __init__(
        self,
        number: int,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        loop: VirtualLoop,
        owner: Owner | None,
        **options: Any,
    ) -> None:
        self.number = number  # first: the base class puts itself into a set, and schedules itself
        self.owner = owner
        self._world = loop
        super().__init__(coro, loop=loop, **options)

    def __hash__(self) -> int:
        return self.number

    def add_done_callback(self, fn: Callable[[Any], object], /, *, context: Context | None = None) -> None:
        """Call `fn(self)` once this is done, as whoever is adding it."""
        super().add_done_callback(_owned(fn, self._world), context=context)


def _owned(fn: Callable[[Any], object], loop: VirtualLoop) -> Callable[[Any], object]:
    # A task's wake-up carries its task, and that its owner.
    return fn if type(getattr(fn, "__self__", None)) is NumberedTask else OwnedCallback(fn, loop.owner)
