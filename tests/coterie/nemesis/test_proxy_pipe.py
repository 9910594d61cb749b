from __future__ import annotations

import asyncio
import random

import pytest

from coterie.nemesis.proxy_pipe import HELD_BYTES_MAX, ProxyPipe
from coterie.runtime.hosts.simulation.link_conditions import ConditionedLink
from coterie.runtime.hosts.simulation.random_durations import RandomDuration
from coterie.runtime.hosts.virtual.virtual_link import Signal
from coterie.runtime.hosts.virtual.virtual_loop import VirtualLoop


class End:
    """A socket that remembers what it was given."""

    def __init__(self) -> None:
        self.is_full = False
        self.calls: list[str] = []
        self.given: list[bytes | Signal] = []

    def pause_reading(self) -> None:
        self.calls.append("pause_reading")

    def resume_reading(self) -> None:
        self.calls.append("go on")

    def deliver(self, item: bytes | Signal) -> None:
        self.given.append(item)

    @property
    def data(self) -> bytes:
        return b"".join(item for item in self.given if isinstance(item, bytes))


class Stand:
    """A pipe between two such sockets."""

    def __init__(self) -> None:
        clock = VirtualLoop.running().clock
        self.link = ConditionedLink("a", "b", lambda: RandomDuration(0.0), clock, random.Random(1))
        self.source, self.target = End(), End()
        self.pipe = ProxyPipe(self.link, self.source, self.target, clock)


@pytest.mark.virtual
async def test_bytes_pass_at_once_under_good_link_conditions() -> None:
    stand = Stand()

    stand.pipe.push(b"one")
    stand.pipe.push(b"two")
    stand.pipe.push(Signal.EOF)

    assert stand.target.given == [b"one", b"two", Signal.EOF]
    assert stand.pipe.is_idle


@pytest.mark.virtual
async def test_nothing_overtakes_when_delays_vary() -> None:
    stand = Stand()
    stand.link.extra_delay = RandomDuration(0.01, tail=0.3, tail_s=0.05)
    sent = [bytes([number]) * 3 for number in range(200)]

    for chunk in sent:
        stand.pipe.push(chunk)
        await asyncio.sleep(0.002)
    stand.link.extra_delay = None
    stand.pipe.push(b"last")
    await asyncio.sleep(60)

    assert stand.target.given == [*sent, b"last"]
    assert stand.link.fired["delayed"] == 200


@pytest.mark.virtual
async def test_lost_segment_comes_late_and_all_behind_it_too() -> None:
    stand = Stand()
    stand.link.loss = 1.0

    stand.pipe.push(b"lost")
    stand.link.loss = 0.0
    stand.pipe.push(b"behind")
    await asyncio.sleep(0.19)
    assert stand.target.given == []
    await asyncio.sleep(60)

    assert stand.target.given == [b"lost", b"behind"]
    assert stand.link.fired["lost"] > 0


@pytest.mark.virtual
async def test_segment_lost_for_good_breaks_the_connection_and_leaves_no_hole() -> None:
    stand = Stand()
    stand.link.loss = 0.5
    sent = [b"%d" % number for number in range(1000)]

    for piece in sent:
        stand.pipe.push(piece)
        await asyncio.sleep(30)

    *arrived, last = stand.target.given
    assert last is Signal.RESET
    assert arrived == sent[: len(arrived)]
    assert stand.link.fired["broken"] == 1


@pytest.mark.virtual
async def test_corruption_flips_one_bit() -> None:
    stand = Stand()
    stand.link.corruption = 1.0

    stand.pipe.push(bytes(100))

    assert sum(byte.bit_count() for byte in stand.target.data) == 1
    assert len(stand.target.data) == 100
    assert stand.link.fired["corrupted"] == 1


@pytest.mark.virtual
async def test_narrow_link_lets_its_bytes_through_and_no_more() -> None:
    stand = Stand()
    stand.link.bytes_per_s = 10_000.0

    stand.pipe.push(bytes(100_000))
    await asyncio.sleep(1)

    assert 8_000 <= len(stand.target.data) <= 10_000
    await asyncio.sleep(10)
    assert len(stand.target.data) == 100_000
    assert stand.link.fired["throttled"] > 1


@pytest.mark.virtual
async def test_next_chunk_is_cut_and_then_the_connection_breaks() -> None:
    stand = Stand()
    stand.link.cuts_next = True

    stand.pipe.push(b"whole frame")
    stand.pipe.push(b"never")

    assert stand.target.given[-1] is Signal.RESET
    assert b"whole frame".startswith(stand.target.data)
    assert 0 < len(stand.target.data) < len(b"whole frame")
    assert stand.link.fired["cut"] == 1


@pytest.mark.virtual
async def test_blocked_link_keeps_all_and_delivers_it_late() -> None:
    stand = Stand()
    stand.link.is_blocked = True

    stand.pipe.push(b"one")
    stand.pipe.push(Signal.EOF)
    assert stand.target.given == []
    assert not stand.pipe.is_idle
    stand.link.is_blocked = False
    stand.pipe.pump()

    assert stand.target.given == [b"one", Signal.EOF]


@pytest.mark.virtual
async def test_black_hole_drops_bytes_and_notes_it() -> None:
    stand = Stand()
    stand.pipe.push(b"before")
    stand.link.is_black_hole = True

    stand.pipe.push(b"gone")
    stand.pipe.push(Signal.RESET)

    assert stand.target.given == [b"before"]
    assert stand.pipe.has_lost_bytes


@pytest.mark.virtual
async def test_full_pipe_stops_the_reading_until_it_is_half_empty() -> None:
    stand = Stand()
    stand.target.is_full = True
    pushed = 0
    while not stand.source.calls:
        stand.pipe.push(bytes(10_000))
        pushed += 10_000

    assert HELD_BYTES_MAX <= stand.pipe.held_bytes == pushed < HELD_BYTES_MAX + 10_000
    stand.target.is_full = False
    stand.pipe.pump()

    assert stand.source.calls == ["pause_reading", "go on"]
    assert stand.pipe.held_bytes == 0
    assert len(stand.target.data) == pushed


@pytest.mark.virtual
async def test_ended_pipe_holds_and_delivers_nothing() -> None:
    stand = Stand()
    stand.link.extra_delay = RandomDuration(1.0)
    stand.pipe.push(b"under way")

    stand.pipe.close()
    stand.pipe.push(b"more")
    await asyncio.sleep(10)

    assert stand.target.given == []
    assert stand.pipe.held_bytes == 0


@pytest.mark.virtual
async def test_delayed_bytes_can_be_delivered_now() -> None:
    stand = Stand()
    stand.link.extra_delay = RandomDuration(100.0)
    stand.pipe.push(b"one")
    stand.pipe.push(b"two")

    stand.link.clear_conditions()
    stand.pipe.deliver_now()

    assert stand.target.given == [b"one", b"two"]
