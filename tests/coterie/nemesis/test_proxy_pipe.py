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


class PipeSetup:
    """A pipe between two such sockets."""

    def __init__(self) -> None:
        clock = VirtualLoop.running().clock
        self.link = ConditionedLink("a", "b", lambda: RandomDuration(0.0), clock, random.Random(1))
        self.source, self.target = End(), End()
        self.pipe = ProxyPipe(self.link, self.source, self.target, clock)


@pytest.mark.virtual
async def test_bytes_pass_at_once_under_good_link_conditions() -> None:
    setup = PipeSetup()

    setup.pipe.push(b"one")
    setup.pipe.push(b"two")
    setup.pipe.push(Signal.EOF)

    assert setup.target.given == [b"one", b"two", Signal.EOF]
    assert setup.pipe.is_idle


@pytest.mark.virtual
async def test_nothing_overtakes_when_delays_vary() -> None:
    setup = PipeSetup()
    setup.link.extra_delay = RandomDuration(0.01, tail=0.3, tail_s=0.05)
    sent = [bytes([number]) * 3 for number in range(200)]

    for chunk in sent:
        setup.pipe.push(chunk)
        await asyncio.sleep(0.002)
    setup.link.extra_delay = None
    setup.pipe.push(b"last")
    await asyncio.sleep(60)

    assert setup.target.given == [*sent, b"last"]
    assert setup.link.fired["delayed"] == 200


@pytest.mark.virtual
async def test_lost_segment_comes_late_and_all_behind_it_too() -> None:
    setup = PipeSetup()
    setup.link.loss = 1.0

    setup.pipe.push(b"lost")
    setup.link.loss = 0.0
    setup.pipe.push(b"behind")
    await asyncio.sleep(0.19)
    assert setup.target.given == []
    await asyncio.sleep(60)

    assert setup.target.given == [b"lost", b"behind"]
    assert setup.link.fired["lost"] > 0


@pytest.mark.virtual
async def test_segment_lost_for_good_breaks_the_connection_and_leaves_no_hole() -> None:
    setup = PipeSetup()
    setup.link.loss = 0.5
    sent = [b"%d" % number for number in range(1000)]

    for piece in sent:
        setup.pipe.push(piece)
        await asyncio.sleep(30)

    *arrived, last = setup.target.given
    assert last is Signal.RESET
    assert arrived == sent[: len(arrived)]
    assert setup.link.fired["broken"] == 1


@pytest.mark.virtual
async def test_corruption_flips_one_bit() -> None:
    setup = PipeSetup()
    setup.link.corruption = 1.0

    setup.pipe.push(bytes(100))

    assert sum(byte.bit_count() for byte in setup.target.data) == 1
    assert len(setup.target.data) == 100
    assert setup.link.fired["corrupted"] == 1


@pytest.mark.virtual
async def test_narrow_link_lets_its_bytes_through_and_no_more() -> None:
    setup = PipeSetup()
    setup.link.bytes_per_s = 10_000.0

    setup.pipe.push(bytes(100_000))
    await asyncio.sleep(1)

    assert 8_000 <= len(setup.target.data) <= 10_000
    await asyncio.sleep(10)
    assert len(setup.target.data) == 100_000
    assert setup.link.fired["throttled"] > 1


@pytest.mark.virtual
async def test_next_chunk_is_cut_and_then_the_connection_breaks() -> None:
    setup = PipeSetup()
    setup.link.cuts_next = True

    setup.pipe.push(b"whole frame")
    setup.pipe.push(b"never")

    assert setup.target.given[-1] is Signal.RESET
    assert b"whole frame".startswith(setup.target.data)
    assert 0 < len(setup.target.data) < len(b"whole frame")
    assert setup.link.fired["cut"] == 1


@pytest.mark.virtual
async def test_blocked_link_keeps_all_and_delivers_it_late() -> None:
    setup = PipeSetup()
    setup.link.is_blocked = True

    setup.pipe.push(b"one")
    setup.pipe.push(Signal.EOF)
    assert setup.target.given == []
    assert not setup.pipe.is_idle
    setup.link.is_blocked = False
    setup.pipe.pump()

    assert setup.target.given == [b"one", Signal.EOF]


@pytest.mark.virtual
async def test_black_hole_drops_bytes_and_notes_it() -> None:
    setup = PipeSetup()
    setup.pipe.push(b"before")
    setup.link.is_black_hole = True

    setup.pipe.push(b"gone")
    setup.pipe.push(Signal.RESET)

    assert setup.target.given == [b"before"]
    assert setup.pipe.has_lost_bytes


@pytest.mark.virtual
async def test_full_pipe_stops_the_reading_until_it_is_half_empty() -> None:
    setup = PipeSetup()
    setup.target.is_full = True
    pushed = 0
    while not setup.source.calls:
        setup.pipe.push(bytes(10_000))
        pushed += 10_000

    assert HELD_BYTES_MAX <= setup.pipe.held_bytes == pushed < HELD_BYTES_MAX + 10_000
    setup.target.is_full = False
    setup.pipe.pump()

    assert setup.source.calls == ["pause_reading", "go on"]
    assert setup.pipe.held_bytes == 0
    assert len(setup.target.data) == pushed


@pytest.mark.virtual
async def test_ended_pipe_holds_and_delivers_nothing() -> None:
    setup = PipeSetup()
    setup.link.extra_delay = RandomDuration(1.0)
    setup.pipe.push(b"under way")

    setup.pipe.close()
    setup.pipe.push(b"more")
    await asyncio.sleep(10)

    assert setup.target.given == []
    assert setup.pipe.held_bytes == 0


@pytest.mark.virtual
async def test_delayed_bytes_can_be_delivered_now() -> None:
    setup = PipeSetup()
    setup.link.extra_delay = RandomDuration(100.0)
    setup.pipe.push(b"one")
    setup.pipe.push(b"two")

    setup.link.clear_conditions()
    setup.pipe.deliver_now()

    assert setup.target.given == [b"one", b"two"]
