"""Tell throughput: measures the messages per second that one actor handles from one sender.

Chunks of 5,000 messages (half a mailbox), built before; the next chunk follows when the last one is handled. The
floor is one deque drained by one `call_soon` into a plain method, or by one task that awaits a coroutine.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.harness.bare_queues import AwaitingQueue, BareQueue
from benchmarks.harness.comparison import Comparison
from benchmarks.harness.measured_system import measured_system
from benchmarks.harness.results import Measurement, Result
from benchmarks.harness.rounds import in_rounds
from benchmarks.harness.settings import Settings
from coterie import Actor, message

__all__ = ["BareCounter", "Counter", "Item", "run"]

COUNT = 1_000_000
CHUNK = 5_000


@message
class Item:
    number: int


class Counter(Actor[Item]):
    handled = 0

    def receive(self, msg: Item) -> None:
        self.handled += 1


class AsyncCounter(Actor[Item]):
    handled = 0

    async def receive(self, msg: Item) -> None:
        self.handled += 1


class BareCounter:
    def __init__(self) -> None:
        self.handled = 0

    def receive(self, _: object) -> None:
        self.handled += 1

    async def receive_async(self, _: object) -> None:
        self.handled += 1


async def pump(tell: Callable[[Item], None], handled: Callable[[], int], count: int) -> Measurement:
    """Tell about `count` messages in chunks, each when the one before is handled."""
    chunk = [Item(number) for number in range(min(CHUNK, count))]

    def send() -> None:
        for item in chunk:
            tell(item)

    return await in_rounds(send, len(chunk), handled, count)


async def floor_sync(count: int) -> Measurement:
    counter = BareCounter()
    return await pump(BareQueue(counter.receive).tell, lambda: counter.handled, count)


async def floor_async(count: int) -> Measurement:
    counter = BareCounter()
    return await pump(AwaitingQueue(counter.receive_async).tell, lambda: counter.handled, count)


async def coterie_sync(count: int) -> Measurement:
    async with measured_system() as system:
        counter = Counter()
        return await pump(system.spawn(lambda: counter).tell, lambda: counter.handled, count)


async def coterie_async(count: int) -> Measurement:
    async with measured_system() as system:
        counter = AsyncCounter()
        return await pump(system.spawn(lambda: counter).tell, lambda: counter.handled, count)


async def run(settings: Settings) -> list[Result]:
    """Measure a plain `receive` and an `async def` one."""
    return [
        *await Comparison("tell/sync", "tells/s", COUNT, floor_sync, coterie_sync).run(settings),
        *await Comparison("tell/async", "tells/s", COUNT, floor_async, coterie_async).run(settings),
    ]
