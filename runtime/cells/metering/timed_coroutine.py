"""`TimedCoroutine`: measures the time that the event loop spends in a coroutine, without the time that it waits."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any

__all__ = ["TimedCoroutine"]


class TimedCoroutine(Coroutine[Any, Any, None]):
    """A coroutine that does the same as `inner`.

    Args:
        inner: the coroutine.
        monotonic: the clock, s.
        used: is called after each step, from one suspension to the next, with the time that it took, s.
    """

    __slots__ = ("_inner", "_monotonic", "_used")

    def __init__(
        self, inner: Coroutine[Any, Any, None], monotonic: Callable[[], float], used: Callable[[float], None]
    ) -> None:
        self._inner = inner
        self._monotonic = monotonic
        self._used = used

    def send(self, value: Any, /) -> Any:
        """Run until the next suspension."""
        started_at = self._monotonic()
        try:
            return self._inner.send(value)
        finally:
            self._used(self._monotonic() - started_at)

    def throw(
        self,
        error: Any,
        value: BaseException | object = None,
        traceback: TracebackType | None = None,
        /,
    ) -> Any:
        """Raise `error` where the coroutine is suspended, and run until the next suspension."""
        del value, traceback  # of an old signature: asyncio passes the exception alone
        started_at = self._monotonic()
        try:
            return self._inner.throw(error)
        finally:
            self._used(self._monotonic() - started_at)

    def close(self) -> None:
        """End it where it is suspended."""
        self._inner.close()

    def __await__(self) -> Generator[Any, Any, None]:
        return self._inner.__await__()
