"""The way into a system from other threads: a worker thread, a web framework's thread pool, a signal's watcher.

total = system.threadsafe.ask(counter, Add(2)).result()     # blocks this thread, not the loop
"""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from coterie.errors import WrongThread
from coterie.runtime.messages.message import AskOf, message_type
from coterie.runtime.refs import Ref

if TYPE_CHECKING:
    from coterie.runtime.actor import Actor
    from coterie.runtime.system import System

__all__ = ["ThreadSafe"]

M = TypeVar("M")
R = TypeVar("R")


class ThreadSafe:
    """What other threads may do with a system. Each call is carried out on the system's loop, in the order of calls.

    RuntimeError if that loop is closed, or if a result is asked for on the loop itself, which must not wait for it.
    """

    def __init__(self, system: System) -> None:
        self._system = system

    def tell(self, ref: Ref[M], msg: M) -> None:
        """Send `msg` soon: see `Ref.tell`. MessageTypeError if it is no message."""
        message_type(type(msg))
        self._system.loop.call_soon_threadsafe(ref.tell, msg)

    def ask(self, ref: Ref[M], msg: AskOf[M, R], *, timeout: float | None = None) -> concurrent.futures.Future[R]:
        """Ask soon: see `Ref.ask`. MessageTypeError if `msg` is no message."""
        message_type(type(msg))

        async def ask() -> R:
            return await ref.ask(msg, timeout=timeout)

        return self._run(ask())

    def spawn(self, factory: Callable[[], Actor[M]], *, name: str | None = None) -> concurrent.futures.Future[Ref[M]]:
        """Spawn soon: see `System.spawn`. For its other arguments spawn from the loop."""

        async def spawn() -> Ref[M]:
            return self._system.spawn(factory, name=name)

        return self._run(spawn())

    def _run(self, work: Coroutine[Any, Any, R]) -> concurrent.futures.Future[R]:
        loop = self._system.loop
        try:
            self._system.run_queue.check_loop()
        except WrongThread:
            return asyncio.run_coroutine_threadsafe(work, loop)
        work.close()
        raise RuntimeError(f"threadsafe of system {self._system.node!r} is for other threads: await the ask here")
