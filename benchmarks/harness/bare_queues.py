"""Bare queues: delivers local messages through a plain deque, without actors, as the floor (least possible cost).

Nothing here has bounds, supervision, a life cycle, lanes, counters or types: only a deque, one `call_soon` to drain it,
and one call per message.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

__all__ = ["AwaitingQueue", "BareAsks", "BareQueue", "BareSwitch"]

T = TypeVar("T")
R = TypeVar("R")

ASK_TIMEOUT_S = 5.0
RESOLUTION_S = 0.02


class BareQueue(Generic[T]):
    """One deque, drained by one `call_soon` into a plain method."""

    def __init__(self, receive: Callable[[T], object]) -> None:
        self._receive = receive
        self._queue: deque[T] = deque()
        self._is_armed = False
        self._loop = asyncio.get_running_loop()

    def tell(self, item: T) -> None:
        self._queue.append(item)
        if not self._is_armed:
            self._is_armed = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        queue, receive = self._queue, self._receive
        while queue:
            receive(queue.popleft())
        self._is_armed = False


class AwaitingQueue(Generic[T]):
    """One deque, drained by one task that awaits a coroutine for each message; it ends when the deque is empty."""

    def __init__(self, receive: Callable[[T], Awaitable[object]]) -> None:
        self._receive = receive
        self._queue: deque[T] = deque()
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    def tell(self, item: T) -> None:
        self._queue.append(item)
        if self._task is None:
            self._task = self._loop.create_task(self._drain())

    async def _drain(self) -> None:
        queue, receive = self._queue, self._receive
        while queue:
            await receive(queue.popleft())
        self._task = None


class BareSwitch:
    """One deque for several receivers: each item is a method and its argument."""

    def __init__(self) -> None:
        self._queue: deque[tuple[Callable[[Any], object], Any]] = deque()
        self._is_armed = False
        self._loop = asyncio.get_running_loop()

    def tell(self, receive: Callable[[T], object], item: T) -> None:
        self._queue.append((receive, item))
        if not self._is_armed:
            self._is_armed = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        queue = self._queue
        while queue:
            receive, item = queue.popleft()
            receive(item)
        self._is_armed = False


class BareAsks(Generic[T, R]):
    """A future per ask, resolved through one deque; time-outs share one timer per 20 ms."""

    def __init__(self, receive: Callable[[T], R]) -> None:
        self._receive = receive
        self._queue: deque[tuple[T, asyncio.Future[R], dict[asyncio.Future[R], None]]] = deque()
        self._is_armed = False
        self._loop = asyncio.get_running_loop()
        self._bucket_by_slot: dict[int, dict[asyncio.Future[R], None]] = {}

    def ask(self, item: T) -> asyncio.Future[R]:
        future: asyncio.Future[R] = self._loop.create_future()
        slot = int((time.monotonic() + ASK_TIMEOUT_S) / RESOLUTION_S)
        bucket = self._bucket_by_slot.get(slot)
        if bucket is None:
            bucket = self._bucket_by_slot[slot] = {}
            self._loop.call_later(ASK_TIMEOUT_S + RESOLUTION_S, self._expire, slot)
        bucket[future] = None
        self._queue.append((item, future, bucket))
        if not self._is_armed:
            self._is_armed = True
            self._loop.call_soon(self._drain)
        return future

    def _drain(self) -> None:
        queue, receive = self._queue, self._receive
        while queue:
            item, future, bucket = queue.popleft()
            value = receive(item)
            if not future.done():
                del bucket[future]
                future.set_result(value)
        self._is_armed = False

    def _expire(self, slot: int) -> None:
        for future in self._bucket_by_slot.pop(slot):
            future.set_exception(TimeoutError("no reply in time"))
