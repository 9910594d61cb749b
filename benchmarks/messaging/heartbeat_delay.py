"""Heartbeat delay: measures how late heartbeats arrive among 10,000 busy actors, and beside saturating bulk traffic.

A beat is due every 5 ms, independent of the last one (open loop): its timer ticks on the control lane, and a message
on the consensus lane goes to a watcher, in the other process in the second setting. The delay counts from the due
time. The value is the p99 of a measurement. The floors: `call_at` and a plain call beside bare objects that keep the
loop equally busy, 1 ms at a time; and a second raw socket beside a saturated one. Peers have no lanes to compare.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.harness.comparison import Comparison
from benchmarks.harness.measured_system import measured_system
from benchmarks.harness.results import Measurement, Result, percentile
from benchmarks.harness.settings import Settings
from benchmarks.messaging.pairs import bare_pair, pair
from benchmarks.messaging.receivers import BEAT, DELAYS, MARK, Beat, Delays, Large, Mark, Small, Watcher
from benchmarks.messaging.receivers import COUNT as COUNT_ROW
from benchmarks.messaging.remote_tell import pump, small_messages
from coterie import Actor, Ref, message

__all__ = ["run"]

BEATS = 1_000
INTERVAL_S = 0.005
BUSY = 10_000
SLICE_S = 0.001
BURST = 100
"""Messages that the saturating sender tells at once; more would block its own loop for too long."""


@message
class Work:
    number: int


@message
class Tick:
    number: int


@dataclass(slots=True)
class BackgroundLoad:
    """State of the load that keeps the loop busy: `handled` messages so far; it ends when `is_on` is False."""

    is_on: bool = True
    handled: int = 0


class Busy(Actor[Work]):
    """Always has one message to handle."""

    def __init__(self, load: BackgroundLoad) -> None:
        self.load = load

    def receive(self, msg: Work) -> None:
        if self.load.is_on:
            self.load.handled += 1
            self.context.self_ref.tell(msg)


class Heart(Actor[Tick]):
    """Beats `beats` times, each when it is due."""

    def __init__(self, watcher: Ref[Beat], beats: int, over: asyncio.Future[None]) -> None:
        self.watcher = watcher
        self.left = beats
        self.over = over

    def on_start(self) -> None:
        self.due_s = time.monotonic()
        self._wait()

    def receive(self, msg: Tick) -> None:
        self.watcher.tell(Beat(self.due_s))
        self.left -= 1
        if self.left:
            self._wait()
        elif not self.over.done():
            self.over.set_result(None)

    def _wait(self) -> None:
        self.due_s += INTERVAL_S
        self.context.after(max(0.0, self.due_s - time.monotonic()), Tick(self.left))


class BareHeart:
    """The floor's heart: a timer of the loop, and a call."""

    def __init__(self, beat: Callable[[float], object], beats: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._beat = beat
        self._left = beats
        self._due_s = time.monotonic()
        self.over: asyncio.Future[None] = self._loop.create_future()
        self._wait()

    def _wait(self) -> None:
        self._due_s += INTERVAL_S
        self._loop.call_later(max(0.0, self._due_s - time.monotonic()), self._fire)

    def _fire(self) -> None:
        self._beat(self._due_s)
        self._left -= 1
        if self._left:
            self._wait()
        else:
            self.over.set_result(None)


class BareBackgroundLoad:
    """10,000 bare objects, each always with one message, on one deque, 1 ms at a time."""

    def __init__(self, load: BackgroundLoad) -> None:
        self._load = load
        self._queue = deque((self._receive, number) for number in range(BUSY))
        self._loop = asyncio.get_running_loop()
        self._loop.call_soon(self._turn)

    def _receive(self, number: int) -> None:
        self._load.handled += 1
        self._queue.append((self._receive, number))

    def _turn(self) -> None:
        end_s = time.monotonic() + SLICE_S
        while time.monotonic() < end_s:
            for _ in range(64):
                receive, number = self._queue.popleft()
                receive(number)
        if self._load.is_on:
            self._loop.call_soon(self._turn)


async def floor_busy(beats: int) -> Measurement:
    load, delays_s = BackgroundLoad(), list[float]()
    BareBackgroundLoad(load)
    begin = time.perf_counter()
    await BareHeart(lambda due_s: delays_s.append(time.monotonic() - due_s), beats).over
    load.is_on = False
    return _measurement(delays_s, beats, load.handled / (time.perf_counter() - begin))


async def coterie_busy(beats: int) -> Measurement:
    async with measured_system() as system:
        load = BackgroundLoad()
        for busy in [system.spawn(partial(Busy, load)) for _ in range(BUSY)]:
            busy.tell(Work(1))
        watcher = system.spawn(Watcher)
        over: asyncio.Future[None] = system.loop.create_future()
        begin = time.perf_counter()
        system.spawn(partial(Heart, watcher, beats, over))
        await over
        load.is_on = False
        rate = load.handled / (time.perf_counter() - begin)
        return _measurement(await watcher.ask(Delays()), beats, rate)


async def floor_saturated(beats: int) -> Measurement:
    async with bare_pair() as linked:
        send = linked.bulk.send
        heart = BareHeart(lambda due_s: linked.control.send([BEAT, due_s]), beats)

        def tell(item: Small | Large) -> None:
            send([COUNT_ROW, item.number])

        rate = await _saturated(partial(pump, tell, partial(linked.ask, MARK)), heart.over)
        return _measurement(await linked.ask(DELAYS), beats, rate)


async def coterie_saturated(beats: int) -> Measurement:
    async with pair() as linked:
        sink, watcher = linked.at("sink"), linked.at("watcher")
        over: asyncio.Future[None] = linked.system.loop.create_future()
        linked.system.spawn(partial(Heart, watcher, beats, over))
        rate = await _saturated(partial(pump, sink.tell, lambda: sink.ask(Mark())), over)
        return _measurement(await watcher.ask(Delays()), beats, rate)


async def _saturated(pumped: Callable[..., Awaitable[int]], over: asyncio.Future[None]) -> float:
    """Pump small messages until `over`; return their rate."""
    begin = time.perf_counter()
    sent = await pumped(small_messages(BURST), lambda _: not over.done())
    return sent / (time.perf_counter() - begin)


def _measurement(delays_s: Sequence[float], beats: int, load_per_s: float) -> Measurement:
    if len(delays_s) != beats:
        raise RuntimeError(f"the run is invalid: {len(delays_s)} of {beats} beats were handled")
    p50, p99 = (1000 * percentile(delays_s, share) for share in (0.50, 0.99))
    return Measurement(p99, {"p50_ms": p50, "max_ms": 1000 * max(delays_s), "load_per_s": load_per_s})


async def run(settings: Settings) -> list[Result]:
    """Measure both settings."""
    settings_by_name = {"busy": (floor_busy, coterie_busy), "saturated": (floor_saturated, coterie_saturated)}
    results = []
    for name, (floor, coterie) in settings_by_name.items():
        comparison = Comparison(f"heartbeat_delay/{name}", "ms (p99)", BEATS, floor, coterie, has_peers=False)
        results += await comparison.run(settings)
    return results
