"""User code: decides what its exceptions and results mean, and calls functions that must not disturb their caller.

An exception out of a handler or hook is a failure of that actor, whatever its class: also a `BaseException` of one's
own, a `GeneratorExit`, or a `CancelledError` that nobody asked for. Two are no failures: `SystemExit` and
`KeyboardInterrupt` end the program, as anywhere in Python.

The text of an exception is code of its class, too: see `error_texts.py`. So are its attributes, `__class__` among them:
`isinstance` may raise, `is_of` does not.
"""

from __future__ import annotations

import asyncio
import inspect
import types
from asyncio.events import _get_running_loop
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, TypeGuard, TypeVar

from coterie.errors import ActorFailed, CoterieError, MessageTypeError
from coterie.runtime.observing.error_texts import CHARS_MAX, FACT_CHARS_MAX, error_line, error_text, type_name

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from coterie.runtime.cells.cell import Cell

__all__ = [
    "PLAIN_RESULTS",
    "actor_failed",
    "awaiting",
    "check_reply",
    "check_result",
    "is_closing",
    "is_exit",
    "is_of",
    "notify",
]


E = TypeVar("E", bound=BaseException)

PLAIN_RESULTS: Final = frozenset((type(None), bool, int, float, str, bytes, tuple, list, dict))
"""Classes of which no value is awaitable: the usual replies."""

_AWAITABLE: Final = (types.CoroutineType, types.AsyncGeneratorType, asyncio.Future)


def is_of(error: BaseException, kind: type[E]) -> TypeGuard[E]:
    """Return whether `error` is an instance of `kind`; never raises."""
    return issubclass(type(error), kind)


def is_exit(error: BaseException) -> bool:
    """Return whether `error` ends the program instead of an actor."""
    return issubclass(type(error), (SystemExit, KeyboardInterrupt))


def is_closing(error: BaseException) -> bool:
    """Return whether a coroutine gets `error` because it is closed: the end of its loop, or world, has left it behind.

    A `GeneratorExit` that a handler raises comes out of a task that runs.
    """
    if type(error) is not GeneratorExit:
        return False
    return _get_running_loop() is None or asyncio.current_task() is None


def actor_failed(error: BaseException, where: str = "") -> ActorFailed:
    """Return what an asker hears of `error`, which is its cause; a client hears the class alone, and `where` it was."""
    named = f"{where}: {type_name(error)}" if where else type_name(error)
    chars_max = FACT_CHARS_MAX if is_of(error, CoterieError) else CHARS_MAX  # it may have passed many actors
    failed = ActorFailed(f"{named}: {error_text(error, chars_max)}", for_clients=named)
    failed.__cause__ = error
    return failed


def notify(log: FilteringBoundLogger, listeners: Iterable[Callable[..., object]], *news: Any) -> None:
    """Call each listener with `news`. What one raises is logged, and the others are called all the same.

    Raises:
        SystemExit, KeyboardInterrupt: a listener raised it.
    """
    for listener in listeners:
        try:
            listener(*news)
        except BaseException as error:
            if is_exit(error):
                raise
            log.error("listener.failed", listener=listener_name(listener), error=error_line(error), exc_info=error)


def listener_name(listener: Callable[..., object]) -> str:
    """Return the name of a listener for a log; never raises."""
    name = getattr(listener, "__qualname__", None)
    return name if type(name) is str else type(listener).__qualname__


def check_result(cell: Cell, result: object) -> None:
    """Raise a MessageTypeError if a `def` receive of the actor of `cell` has returned what must be awaited."""
    if _must_be_awaited(result):
        where = f"{type(cell.actor).__qualname__}.receive is a `def` and returned"
        advice = "make it an `async def`, or give the reply with reply_from or reply_later of its context"
        raise MessageTypeError(f"{where} a {type(result).__name__}: {advice}")


def check_reply(reply: object) -> None:
    """Raise a MessageTypeError if `reply`, which is given later, is what must be awaited."""
    if _must_be_awaited(reply):
        raise MessageTypeError(f"the reply is a {type(reply).__name__}: await it first")


def _must_be_awaited(value: object) -> bool:
    """Return whether a value is a coroutine, which is closed then, or a future."""
    if type(value) in PLAIN_RESULTS or not issubclass(type(value), _AWAITABLE):
        return False
    if isinstance(value, types.CoroutineType):
        value.close()
    return True


def awaiting(receive: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return an `async def` that calls `receive`, and awaits what it returns if that is to be awaited."""

    async def receive_awaited(msg: Any, /) -> object:
        result = receive(msg)
        return await result if inspect.isawaitable(result) else result

    return receive_awaited
