"""`FullMailboxes`: logs which actors refuse messages because their mailboxes are full, and how many.

The first refusal of an actor is logged at once. Those that follow are counted, and the count is logged every `PERIOD_S`
until a period has had none. So a flood of messages makes few records, and each message is in one of them.
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

__all__ = ["FullMailboxes"]

PERIOD_S: Final = 10.0
"""The time between two records about one actor."""

ACTORS_MAX: Final = 100
"""The most actors that are told apart at a time; all others are one."""

OTHERS: Final = "other actors"

ADVICE: Final = "it cannot keep up: send less, use more workers (topology.pool), or see capacity= and overflow="


class FullMailboxes:
    """The actors of one system whose mailboxes have been full in the latest period."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._count_by_actor: dict[str, int] = {}  # of messages that are not logged yet
        self._capacity_by_actor: dict[str, int] = {}
        self._timer: asyncio.TimerHandle | None = None

    def note(self, actor: str, capacity: int, loop: asyncio.AbstractEventLoop) -> None:
        """Count one message that was refused by the mailbox of an actor, of that capacity (messages)."""
        known = self._count_by_actor
        if actor not in known and len(known) >= ACTORS_MAX:
            actor = OTHERS
        if actor in known:
            known[actor] += 1
            return
        known[actor], self._capacity_by_actor[actor] = 0, capacity
        self._report(actor, 1)
        if self._timer is None:
            self._start_timer(loop)

    def close(self) -> None:
        """Log what is not logged yet, and end the timer: the system stops."""
        if self._timer is not None:
            self._timer.cancel()
        self._report_all()

    def _start_timer(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(PERIOD_S, self._period_ended, loop, context=contextvars.Context())

    def _period_ended(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        self._report_all()
        if self._count_by_actor:
            self._start_timer(loop)

    def _report_all(self) -> None:
        """Log the counts, and forget the actors that have none."""
        counts, self._count_by_actor = self._count_by_actor, {}
        for actor, count in counts.items():
            if count:
                self._report(actor, count)
                self._count_by_actor[actor] = 0
            else:
                del self._capacity_by_actor[actor]

    def _report(self, actor: str, count: int) -> None:
        capacity = self._capacity_by_actor[actor]
        self._log.warning("mailbox.overflowed", actor=actor, capacity=capacity, count=count, advice=ADVICE)
