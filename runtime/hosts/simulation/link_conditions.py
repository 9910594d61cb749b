"""`ConditionedLink`: simulates delay, loss, corruption and bandwidth from one node to another in a `SimulatedNetwork`.

A byte stream has no gaps, duplicates or reordering: a lost segment arrives late, or the connection breaks. A datagram
is really lost or duplicated, and overtakes others if its delay is shorter.
"""

from __future__ import annotations

import random
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from coterie.runtime.hosts.host import Clock
from coterie.runtime.hosts.simulation.random_durations import NETWORK, RandomDuration
from coterie.runtime.hosts.simulation.step_trace import StepTrace
from coterie.runtime.hosts.virtual.virtual_link import Signal, VirtualLink
from coterie.runtime.hosts.virtual.virtual_network import VirtualNetwork

__all__ = ["ConditionedLink", "SimulatedNetwork"]

_RETRANSMIT_S: Final = 0.2
_MAX_RETRANSMITS: Final = 6
_BREAK_PROBABILITY: Final = 1 / 20
"""The fraction of lost segments that break the connection."""
_DATAGRAM_QUEUE_S: Final = 0.5
"""The longest queue of datagrams at a bandwidth limit: one that would wait longer is dropped, as routers do."""


class ConditionedLink(VirtualLink):
    """The link from `source` to `target`. The attributes are its conditions, and may be changed at any time.

    `fired` counts the effects by name: `delayed`, `lost`, `duplicated`, `broken`, `corrupted`, `throttled`, `cut`.
    """

    def __init__(
        self, source: str, target: str, base: Callable[[], RandomDuration], clock: Clock, rng: random.Random
    ) -> None:
        super().__init__(source, target, lambda *_: base().draw(rng))
        self.extra_delay: RandomDuration | None = None
        """Additional delay of every item."""
        self.loss = 0.0
        """The probability that a segment is lost: it is sent again after 0.2 s, then 0.4 s, and so on; or (one in
        twenty) the connection is reset. The received stream has no gap. A datagram is lost for good."""
        self.duplication = 0.0
        """The probability that a datagram arrives twice."""
        self.corruption = 0.0
        """The probability that one bit of a chunk arrives flipped."""
        self.bytes_per_s: float | None = None
        """The bandwidth limit; None: no limit."""
        self.cuts_next = False
        """Whether the next chunk arrives only in part, and then its connection is reset."""
        self.fired: Counter[str] = Counter()
        """Number of times each effect occurred."""
        self.carried = 0
        """Number of chunks delivered or cut; a chunk is the bytes of one write, or a datagram."""
        self._clock = clock
        self._rng = rng
        self._free_at_s = 0.0

    def clear_conditions(self) -> None:
        """Return to normal conditions. Items in flight keep their delay."""
        self.extra_delay = self.bytes_per_s = None
        self.loss = self.duplication = self.corruption = 0.0
        self.cuts_next = False

    def delay_s(self, size_bytes: int) -> float:
        """Return the delay of the next item (s)."""
        delay = self._propagation_s()
        if self.loss and size_bytes:
            delay += self._retransmissions_s()
        if self.bytes_per_s is not None and size_bytes:
            delay += self._transmission_s(size_bytes, self.bytes_per_s)
        return delay

    def _propagation_s(self) -> float:
        delay = self._latency_s(self.source, self.target)
        if self.extra_delay is not None:
            self.fired["delayed"] += 1
            delay += self.extra_delay.draw(self._rng)
        return delay

    def _retransmissions_s(self) -> float:
        delay = 0.0
        for attempt in range(_MAX_RETRANSMITS):
            if self._rng.random() >= self.loss:
                break
            self.fired["lost"] += 1
            delay += _RETRANSMIT_S * 2**attempt
        return delay

    def _transmission_s(self, size_bytes: int, bytes_per_s: float) -> float:
        """Return the queueing and sending time (s) of `size_bytes` at a bandwidth that all connections share."""
        self.fired["throttled"] += 1
        now = self._clock.monotonic()
        self._free_at_s = max(now, self._free_at_s) + size_bytes / bytes_per_s
        return self._free_at_s - now

    def carry(self, item: bytes | Signal) -> Iterable[bytes | Signal]:
        """Return the items that arrive for `item`."""
        if not isinstance(item, bytes):
            return (item,)
        self.carried += 1
        if self.cuts_next and len(item) > 1:
            self.cuts_next = False
            self.fired["cut"] += 1
            return (item[: self._rng.randrange(1, len(item))], Signal.RESET)
        if self.loss and self._rng.random() < self.loss * _BREAK_PROBABILITY:
            self.fired["lost"] += 1
            self.fired["broken"] += 1
            return (Signal.RESET,)
        return (self._damaged(item),)

    def _damaged(self, data: bytes) -> bytes:
        if self.corruption and data and self._rng.random() < self.corruption:
            self.fired["corrupted"] += 1
            return _flipped(data, self._rng.randrange(8 * len(data)))
        return data

    def deliveries(self, datagram: bytes) -> Sequence[tuple[float, bytes]]:
        """Return (delay in s, bytes) of each copy of `datagram` that arrives: none if it is lost."""
        if self.loss and self._rng.random() < self.loss:
            self.fired["lost"] += 1
            return ()
        copies = 1
        if self.duplication and self._rng.random() < self.duplication:
            self.fired["duplicated"] += 1
            copies = 2
        drawn = [(self._datagram_delay_s(len(datagram)), self._damaged(datagram)) for _ in range(copies)]
        return [(delay_s, data) for delay_s, data in drawn if delay_s is not None]

    def _datagram_delay_s(self, size_bytes: int) -> float | None:
        """Return the delay of a datagram (s); None if the queue at the bandwidth limit is full."""
        delay = self._propagation_s()
        if self.bytes_per_s is None:
            return delay
        if self._free_at_s - self._clock.monotonic() > _DATAGRAM_QUEUE_S:
            self.fired["throttled"] += 1
            return None
        return delay + self._transmission_s(size_bytes, self.bytes_per_s)

    def datagram_arrived(self, datagram: bytes) -> None:
        """Count a datagram that has arrived."""
        self.carried += 1


class TracedLink(ConditionedLink):
    """A `ConditionedLink` that records each arriving item in a trace."""

    trace: StepTrace

    def carry(self, item: bytes | Signal) -> Iterable[bytes | Signal]:
        """Return the items that arrive for `item`."""
        for piece in super().carry(item):
            what = f"{len(piece)} {zlib.crc32(piece):08x}" if isinstance(piece, bytes) else piece.value
            self.trace.record("arrived", self.source, self.target, what)
            yield piece

    def datagram_arrived(self, datagram: bytes) -> None:
        """Count and record a datagram that has arrived."""
        super().datagram_arrived(datagram)
        what = f"datagram {len(datagram)} {zlib.crc32(datagram):08x}"
        self.trace.record("arrived", self.source, self.target, what)


class SimulatedNetwork(VirtualNetwork):
    """A `VirtualNetwork` whose links have conditions: `link(source, target)` is one direction's.

    Args:
        clock: the world's clock.
        rng: the source of all random choices of links.
        trace: records arrivals; None: not recorded.
        latency: latency of a link in normal conditions; may be replaced at any time.
    """

    def __init__(
        self, clock: Clock, rng: random.Random, *, trace: StepTrace | None = None, latency: RandomDuration = NETWORK
    ) -> None:
        super().__init__()
        self.latency = latency
        """One-way latency in normal conditions."""
        self._clock = clock
        self._rng = rng
        self._trace = trace
        self._conditioned_links: dict[tuple[str, str], ConditionedLink] = {}

    def link(self, source: str, target: str) -> ConditionedLink:
        """Return the link from `source` to `target`, which all their connections share."""
        link = self._conditioned_links.get((source, target))
        if link is None:
            link = self._conditioned_links[source, target] = self._add(self._make_link(source, target))
        return link

    def _make_link(self, source: str, target: str) -> ConditionedLink:
        rng = random.Random(self._rng.getrandbits(64))
        if self._trace is None:
            return ConditionedLink(source, target, lambda: self.latency, self._clock, rng)
        link = TracedLink(source, target, lambda: self.latency, self._clock, rng)
        link.trace = self._trace
        return link

    def fired(self) -> Counter[str]:
        """Return how often each effect occurred, on all links."""
        return sum((link.fired for link in self._conditioned_links.values()), Counter())

    def carried(self) -> int:
        """Return how many chunks of bytes all links have carried."""
        return sum(link.carried for link in self._conditioned_links.values())


def _flipped(data: bytes, bit: int) -> bytes:
    flipped = bytearray(data)
    flipped[bit // 8] ^= 1 << bit % 8
    return bytes(flipped)
