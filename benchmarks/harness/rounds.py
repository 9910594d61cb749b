"""Message rounds: sends messages in rounds, each after the last one is handled, so that no mailbox overflows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from benchmarks.harness.results import Measurement

__all__ = ["in_rounds"]


async def in_rounds(send: Callable[[], None], each: int, handled: Callable[[], int], count: int) -> Measurement:
    """Call `send`, which sends `each` messages, until `count` are sent and handled; return messages per second."""
    sent = 0
    begin = time.perf_counter()
    while sent < count:
        send()
        sent += each
        while handled() < sent:  # noqa: ASYNC110 (an event would add cost to each message)
            await asyncio.sleep(0)
    return Measurement(sent / (time.perf_counter() - begin))
