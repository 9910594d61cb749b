"""The network of a simulated world: each direction of each pair of nodes has a weather of its own.

On a stream nothing is lost, doubled or overtaken: a lost segment is one that comes late, or a connection that breaks.
"""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from coterie.runtime.hosts.host import Clock
from coterie.runtime.hosts.simulation.random_durations import NETWORK, Duration
from coterie.runtime.hosts.simulation.step_trace import Trace
from coterie.runtime.hosts.virtual.virtual_link import Link, Signal
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork

__all__ = ["SimulatedNetwork", "WeatherLink"]

_RETRANSMIT_S: Final = 0.2
_MOST_RETRANSMITS: Final = 6
_BREAKS: Final = 1 / 20
"""Of the segments that are lost, how many are lost for good: then the connection breaks."""


class WeatherLink(Link):
    """The way from `source` to `target`. The attributes are its weather, and may be changed at any time.

    `fired` counts what took effect, by name: `delayed`, `lost`, `broken`, `corrupted`, `throttled`, `cut`.
    """

    def __init__(
        self, source: str, target: str, base: Callable[[], Duration], clock: Clock, rng: random.Random
    ) -> None:
        super().__init__(source, target, lambda *_: base().draw(rng))
        self.extra: Duration | None = None
        """What everything takes longer."""
        self.loss = 0.0
        """The probability that a segment is lost: it is sent again after 0.2 s, then 0.4 s, and so on; or its sender
        gives up (one in twenty), and the connection is reset. What arrives has no hole."""
        self.corruption = 0.0
        """The probability that one bit of a chunk arrives flipped."""
        self.bytes_per_s: float | None = None
        """The bandwidth; None: no limit."""
        self.cuts_next = False
        """Whether the next chunk arrives in part, and then its connection breaks."""
        self.fired: Counter[str] = Counter()
        """How often each kind of weather took effect."""
        self.carried = 0
        """How many chunks of bytes arrived, or would have if they had not been cut: each the frames of one write."""
        self._clock = clock
        self._rng = rng
        self._free_at_s = 0.0

    def calm(self) -> None:
        """End all bad weather. What is under way stays late."""
        self.extra = self.bytes_per_s = None
        self.loss = self.corruption = 0.0
        self.cuts_next = False

    def delay_s(self, size_bytes: int) -> float:
        """Return how long the next item takes (s)."""
        delay = self._latency_s(self.source, self.target)
        if self.extra is not None:
            self.fired["delayed"] += 1
            delay += self.extra.draw(self._rng)
        if self.loss and size_bytes:
            delay += self._retransmissions_s()
        if self.bytes_per_s is not None and size_bytes:
            delay += self._transmission_s(size_bytes, self.bytes_per_s)
        return delay

    def _retransmissions_s(self) -> float:
        late = 0.0
        for attempt in range(_MOST_RETRANSMITS):
            if self._rng.random() >= self.loss:
                break
            self.fired["lost"] += 1
            late += _RETRANSMIT_S * 2**attempt
        return late

    def _transmission_s(self, size_bytes: int, bytes_per_s: float) -> float:
        """Return how long `size_bytes` queue for and take on a narrow link, which all connections share."""
        self.fired["throttled"] += 1
        now = self._clock.monotonic()
        self._free_at_s = max(now, self._free_at_s) + size_bytes / bytes_per_s
        return self._free_at_s - now

    def carry(self, item: bytes | Signal) -> Iterable[bytes | Signal]:
        """Return what arrives of `item`."""
        if not isinstance(item, bytes):
            return (item,)
        self.carried += 1
        if self.cuts_next and len(item) > 1:
            self.cuts_next = False
            self.fired["cut"] += 1
            return (item[: self._rng.randrange(1, len(item))], Signal.RESET)
        if self.loss and self._rng.random() < self.loss * _BREAKS:
            self.fired["lost"] += 1
            self.fired["broken"] += 1
            return (Signal.RESET,)
        if self.corruption and self._rng.random() < self.corruption:
            self.fired["corrupted"] += 1
            return (_flipped(item, self._rng.randrange(8 * len(item))),)
        return (item,)


class TracedLink(WeatherLink):
    """A `WeatherLink` that takes down what arrives."""

    trace: Trace

    def carry(self, item: bytes | Signal) -> Iterable[bytes | Signal]:
        """Return what arrives of `item`."""
        for piece in super().carry(item):
            what = f"{len(piece)} {zlib.crc32(piece):08x}" if isinstance(piece, bytes) else piece.value
            self.trace.note("arrived", self.source, self.target, what)
            yield piece


class SimulatedNetwork(VirtualNetwork):
    """A `VirtualNetwork` with weather: `link(source, target)` is one direction's. Its verbs are those of its base.

    Args:
        clock: the world's.
        rng: what all weather is drawn from.
        trace: where arrivals are taken down, if they are.
        latency: of a link in good weather; may be replaced at any time.
    """

    def __init__(
        self, clock: Clock, rng: random.Random, *, trace: Trace | None = None, latency: Duration = NETWORK
    ) -> None:
        super().__init__()
        self.latency = latency
        """How long one way takes in good weather."""
        self._clock = clock
        self._rng = rng
        self._trace = trace
        self._weather: dict[tuple[str, str], WeatherLink] = {}

    def link(self, source: str, target: str) -> WeatherLink:
        """Return the way from `source` to `target`, which all their connections share."""
        link = self._weather.get((source, target))
        if link is None:
            link = self._weather[source, target] = self._add(self._made(source, target))
        return link

    def _made(self, source: str, target: str) -> WeatherLink:
        rng = random.Random(self._rng.getrandbits(64))
        if self._trace is None:
            return WeatherLink(source, target, lambda: self.latency, self._clock, rng)
        link = TracedLink(source, target, lambda: self.latency, self._clock, rng)
        link.trace = self._trace
        return link

    def fired(self) -> Counter[str]:
        """Return how often each kind of weather took effect, on all links."""
        return sum((link.fired for link in self._weather.values()), Counter())

    def carried(self) -> int:
        """Return how many chunks of bytes all links have carried."""
        return sum(link.carried for link in self._weather.values())


def _flipped(data: bytes, bit: int) -> bytes:
    spoilt = bytearray(data)
    spoilt[bit // 8] ^= 1 << bit % 8
    return bytes(spoilt)
