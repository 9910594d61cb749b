"""Remote tells: measures messages per second from one process to another, small messages and messages of 1 KiB.

Each process has its own core. The sender builds 1,000 messages before, tells them repeatedly, and asks after each
thousand for the number handled; at most 8,000 are in flight, so that no mailbox overflows. The floor is a raw socket
with MessagePack arrays of up to 256 messages, with one list and one method call per message.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from benchmarks.harness.comparison import Comparison
from benchmarks.harness.results import Measurement, Result
from benchmarks.harness.settings import Settings
from benchmarks.messaging.pairs import bare_pair, pair
from benchmarks.messaging.receivers import COUNT as COUNT_ROW
from benchmarks.messaging.receivers import MARK, Large, Mark, Small

__all__ = ["pump", "run", "small_messages"]

T = TypeVar("T")

COUNT = 500_000
CHUNK = 1_000
WINDOW = 8_000
PAYLOAD = b"x" * 1024


async def pump(
    tell: Callable[[T], object],
    mark: Callable[[], asyncio.Future[int]],
    chunk: Sequence[T],
    more: Callable[[int], bool],
) -> int:
    """Send chunks while `more(sent)`; return the number sent, when all are handled. RuntimeError if one is not."""
    marks: deque[asyncio.Future[int]] = deque()
    window_chunks = WINDOW // len(chunk)
    sent = handled = 0
    while more(sent):
        for item in chunk:
            tell(item)
        sent += len(chunk)
        marks.append(mark())
        if len(marks) >= window_chunks:
            handled = await marks.popleft()
        await asyncio.sleep(0)  # always: with answers at hand the sender would block its own loop
    while marks:
        handled = await marks.popleft()
    if handled != sent:
        raise RuntimeError(f"the run is invalid: {handled} of {sent} messages were handled")
    return sent


def small_messages(count: int) -> list[Small | Large]:
    """Return a chunk of messages of one number."""
    return [Small(number) for number in range(min(CHUNK, count))]


def _large_messages(count: int) -> list[Small | Large]:
    return [Large(number, PAYLOAD) for number in range(min(CHUNK, count))]


async def floor(make: Callable[[int], list[Small | Large]], count: int) -> Measurement:
    chunk = make(count)
    async with bare_pair() as linked:
        send = linked.bulk.send

        def tell_small(item: Small | Large) -> None:
            send([COUNT_ROW, item.number])

        def tell_large(item: Small | Large) -> None:
            send([COUNT_ROW, item.number, item.payload])  # type: ignore[union-attr]

        tell = tell_small if isinstance(chunk[0], Small) else tell_large
        return await _timed(partial(pump, tell, partial(linked.ask, MARK), chunk), count)


async def coterie(make: Callable[[int], list[Small | Large]], count: int) -> Measurement:
    chunk = make(count)
    async with pair() as linked:
        sink = linked.at("sink")
        return await _timed(partial(pump, sink.tell, lambda: sink.ask(Mark()), chunk), count)


async def _timed(pumped: Callable[[Callable[[int], bool]], Awaitable[int]], count: int) -> Measurement:
    begin = time.perf_counter()
    sent = await pumped(lambda sent: sent < count)
    return Measurement(sent / (time.perf_counter() - begin))


async def run(settings: Settings) -> list[Result]:
    """Measure both sizes."""
    results = []
    for name, make in (("small", small_messages), ("1KiB", _large_messages)):
        comparison = Comparison(f"remote_tell/{name}", "tells/s", COUNT, partial(floor, make), partial(coterie, make))
        results += await comparison.run(settings)
    return results
