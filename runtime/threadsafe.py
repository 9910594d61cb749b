"""`ThreadSafe`: sends messages to actors, and spawns actors, from threads other than that of the event loop.

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
    """The operations of a system for other threads. Each call runs on the system's loop, in the order of the calls.

    RuntimeError if that loop is closed, or if `ask` or `spawn` is called on the loop itself, which must not block.
    """

    def __init__(self, system: System) -> None:
        self._system = system

    def tell(self, ref: Ref[M], msg: M) -> None:
        """Schedule a tell: see `Ref.tell`. MessageTypeError if `msg` is not a message."""
        message_type(type(msg))
        self._system.loop.call_soon_threadsafe(ref.tell, msg)

    def ask(self, ref: Ref[M], msg: AskOf[M, R], *, timeout_s: float | None = None) -> concurrent.futures.Future[R]:
        """Schedule an ask: see `Ref.ask`. MessageTypeError if `msg` is not a message."""
        message_type(type(msg))

        async def ask() -> R:
            return await ref.ask(msg, timeout_s=timeout_s)

        return self._run(ask())

    def spawn(self, factory: Callable[[], Actor[M]], *, name: str | None = None) -> concurrent.futures.Future[Ref[M]]:
        """Schedule a spawn: see `System.spawn`. For its other arguments spawn on the loop."""

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
        raise RuntimeError(
            f"threadsafe of system {self._system.node!r} is for other threads: on the loop use the ref and the system"
        )
