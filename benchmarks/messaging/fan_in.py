"""Fan-in: measures the messages per second that one actor handles from 100 sending actors.

Each sender tells 50 messages, built before, when it gets a start message; the next round begins when all are handled.
The start messages are not counted. The floor is a deque and a `call_soon` for each sender and for the receiver.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.harness.bare_queues import BareQueue
from benchmarks.harness.comparison import Comparison
from benchmarks.harness.measured_system import measured_system
from benchmarks.harness.results import Measurement, Result
from benchmarks.harness.rounds import in_rounds
from benchmarks.harness.settings import Settings
from benchmarks.messaging.tell import BareCounter, Counter, Item
from coterie import Actor, Ref, message

__all__ = ["run"]

COUNT = 1_000_000
SENDERS = 100
EACH = 50


@message
class Begin:
    number: int


class Sender(Actor[Begin]):
    def __init__(self, to: Ref[Item], items: Sequence[Item]) -> None:
        self.to = to
        self.items = items

    def receive(self, msg: Begin) -> None:
        tell = self.to.tell
        for item in self.items:
            tell(item)


class BareSender:
    def __init__(self, to: Callable[[Item], None], items: Sequence[Item]) -> None:
        self.to = to
        self.items = items

    def receive(self, _: object) -> None:
        tell = self.to
        for item in self.items:
            tell(item)


async def floor(count: int) -> Measurement:
    counter, items = BareCounter(), [Item(number) for number in range(EACH)]
    to = BareQueue(counter.receive).tell
    senders = [BareQueue(BareSender(to, items).receive) for _ in range(SENDERS)]
    return await _rounds([sender.tell for sender in senders], lambda: counter.handled, count)


async def coterie(count: int) -> Measurement:
    async with measured_system() as system:
        counter, items = Counter(), [Item(number) for number in range(EACH)]
        to = system.spawn(lambda: counter)
        senders = [system.spawn(lambda: Sender(to, items)) for _ in range(SENDERS)]
        return await _rounds([sender.tell for sender in senders], lambda: counter.handled, count)


async def _rounds(tells: Sequence[Callable[[Begin], None]], handled: Callable[[], int], count: int) -> Measurement:
    word = Begin(1)

    def send() -> None:
        for tell in tells:
            tell(word)

    return await in_rounds(send, SENDERS * EACH, handled, count)


async def run(settings: Settings) -> list[Result]:
    """Measure rounds of 5,000 messages."""
    return await Comparison("fan_in", "tells/s", COUNT, floor, coterie).run(settings)
