"""`WaitingTells`: keeps the messages that were told to a pool before its targets are known, and sends them in order."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from coterie.protocols.balancing import RoutingKey
from coterie.runtime.observing.dead_letters import Reason
from coterie.runtime.observing.error_texts import error_line
from coterie.runtime.system import System

__all__ = ["WaitingTells"]

LIMIT: Final = 1000
"""The most messages that wait; the next ones are dead letters."""


class WaitingTells:
    """The messages that wait until `is_known` returns; then `send` gets each.

    Args:
        system: counts those that do not fit among its dead letters.
        name: the pool's name.
        known: waits until the targets are known. If it raises, the messages that wait are dead letters.
        send: sends a message. If it raises, this message is a dead letter; the others are sent.
    """

    def __init__(
        self,
        system: System,
        name: str,
        *,
        known: Callable[[], Awaitable[None]],
        send: Callable[[object, RoutingKey | None], None],
    ) -> None:
        self._system = system
        self._name = name
        self._known = known
        self._send = send
        self._waiting: deque[tuple[object, RoutingKey | None]] = deque()
        self._task: asyncio.Task[None] | None = None

    @property
    def is_waiting(self) -> bool:
        """True while messages wait; those that follow must wait behind them."""
        return bool(self._waiting)

    def add(self, msg: object, key: RoutingKey | None) -> None:
        """Keep a message, behind those that wait already."""
        if len(self._waiting) >= LIMIT:
            detail = f"{LIMIT} messages wait until the targets are known"
            self._system.dead_letters.add(Reason.MAILBOX_FULL, self._name, msg, detail)
            return
        self._waiting.append((msg, key))
        if self._task is None:
            self._task = self._system.loop.create_task(
                self._flush(), name=f"coterie:pool {self._name}", context=contextvars.Context()
            )

    def close(self) -> None:
        """Drop the messages: they are dead letters."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._drop("the pool was closed")

    async def _flush(self) -> None:
        try:
            await self._known()
            while self._waiting:
                self._send_next()
        except Exception as error:
            self._system.log.error("pool.tells_lost", pool=self._name, count=len(self._waiting), exc_info=error)
            self._drop(f"the targets are not known: {error_line(error)}")
        finally:
            self._task = None

    def _send_next(self) -> None:
        msg, key = self._waiting.popleft()
        try:
            self._send(msg, key)
        except Exception as error:
            self._system.log.error("pool.tell_failed", pool=self._name, exc_info=error)
            detail = f"it could not be sent: {error_line(error)}"
            self._system.dead_letters.add(Reason.UNREACHABLE, self._name, msg, detail)

    def _drop(self, detail: str) -> None:
        while self._waiting:
            msg, _ = self._waiting.popleft()
            self._system.dead_letters.add(Reason.UNREACHABLE, self._name, msg, detail)
