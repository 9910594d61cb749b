from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from coterie.runtime.hosts.virtual.virtual_connection import Pipe, VirtualTransport
from coterie.runtime.hosts.virtual.virtual_link import VirtualLink

LATENCY_S = 0.25  # a power of two: sums of it are exact

pytestmark = pytest.mark.virtual


class Peer(asyncio.Protocol):
    """Writes down what happens to it."""

    def __init__(self, on_data: Callable[[Peer, bytes], None] | None = None) -> None:
        self.happened: list[str] = []
        self.chunks: list[bytes] = []
        self.times_s: list[float] = []
        self.on_data = on_data
        self.keep_open_on_eof = False

    @property
    def received(self) -> bytes:
        return b"".join(self.chunks)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, VirtualTransport)
        self.transport = transport
        self.happened.append("made")

    def data_received(self, data: bytes) -> None:
        assert "made" in self.happened
        assert "lost" not in self.happened
        self.chunks.append(data)
        self.times_s.append(asyncio.get_running_loop().time())
        if self.on_data:
            self.on_data(self, data)

    def eof_received(self) -> bool:
        self.happened.append("eof")
        return self.keep_open_on_eof

    def pause_writing(self) -> None:
        self.happened.append("pause")

    def resume_writing(self) -> None:
        self.happened.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.happened.append("lost" if exc is None else f"lost: {type(exc).__name__}")


async def connected(
    *,
    latency_s: Callable[[str, str], float] = lambda source, target: LATENCY_S,
    window_bytes: int = 64 * 1024,
    max_segment_bytes: int = 64 * 1024,
) -> tuple[Peer, Peer]:
    """Connect two transports by two pipes; return both ends' peers."""

    def pipe(source: str, target: str) -> Pipe:
        return Pipe(VirtualLink(source, target, latency_s), window_bytes=window_bytes)

    def end(peer: Peer, outgoing: Pipe, incoming: Pipe) -> VirtualTransport:
        return VirtualTransport(
            peer, outgoing, incoming, names={}, max_segment_bytes=max_segment_bytes, on_lost=lambda transport: None
        )

    client, server, forth, back = Peer(), Peer(), pipe("c", "s"), pipe("s", "c")
    end(client, forth, back).start()
    end(server, back, forth).start()
    return client, server


async def turns(count: int = 4) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def now() -> float:
    return asyncio.get_running_loop().time()


# --- the stream


async def test_bytes_arrive_whole_in_order_and_after_the_latency() -> None:
    client, server = await connected()
    sent_at = now()
    for number in range(100):
        client.transport.write(bytes([number]))
    assert server.chunks == []
    await asyncio.sleep(1)
    assert server.received == bytes(range(100))
    assert server.times_s == [sent_at + LATENCY_S] * 100


async def test_a_latency_that_falls_lets_nothing_overtake() -> None:
    latencies_s = [LATENCY_S, 0.0, 0.0]
    client, server = await connected(latency_s=lambda source, target: latencies_s.pop(0))
    client.transport.write(b"slow")
    client.transport.write(b"fast")
    server.transport.write(b"back")
    await asyncio.sleep(0.125)
    assert (server.received, client.received) == (b"", b"back")
    await asyncio.sleep(1)
    assert server.received == b"slowfast"


async def test_without_latency_nothing_is_delivered_inside_write() -> None:
    client, server = await connected(latency_s=lambda source, target: 0.0)
    client.transport.write(b"later")
    assert server.received == b""
    await turns()
    assert server.received == b"later"


async def test_what_the_writer_changes_afterwards_is_not_what_arrives() -> None:
    client, server = await connected()
    data = bytearray(b"before")
    client.transport.write(data)
    data[:] = b"after!"
    await asyncio.sleep(1)
    assert server.received == b"before"


async def test_segments_are_cut_as_told() -> None:
    client, server = await connected(max_segment_bytes=3)
    client.transport.writelines([b"abcd", b"efgh"])
    await asyncio.sleep(1)
    assert server.chunks == [b"abc", b"def", b"gh"]


async def test_echo_of_a_megabyte_comes_back_whole() -> None:
    client, server = await connected()
    server.on_data = lambda peer, data: peer.transport.write(data)
    payload = bytes(range(256)) * 4096
    client.transport.write(payload)
    await asyncio.sleep(60)
    assert client.received == payload


async def test_a_reader_that_pauses_holds_the_writer_up_and_lets_it_go_on() -> None:
    client, server = await connected(window_bytes=1000)
    client.transport.set_write_buffer_limits(high=500, low=100)
    server.transport.pause_reading()
    client.transport.write(b"x" * 1400)
    assert client.happened == ["made"]
    client.transport.write(b"x" * 200)
    assert client.happened == ["made", "pause"]
    await asyncio.sleep(100)
    assert server.received == b""
    assert client.transport.get_write_buffer_size() == 600
    server.transport.resume_reading()
    await asyncio.sleep(10)
    assert server.received == b"x" * 1600
    assert client.happened == ["made", "pause", "resume"]


async def test_a_paused_reader_bounds_what_flies_and_waits_by_the_window() -> None:
    client, server = await connected(window_bytes=1000)
    server.transport.pause_reading()
    for _ in range(100):
        client.transport.write(b"x" * 100)
        await asyncio.sleep(0.1)
    assert server.transport.unread_bytes == 1000
    assert client.transport.get_write_buffer_size() == 9000


async def test_a_reader_may_pause_between_two_chunks_that_arrive_together() -> None:
    client, server = await connected()
    server.on_data = lambda peer, data: peer.transport.pause_reading()
    client.transport.write(b"first")
    client.transport.write(b"second")
    await asyncio.sleep(1)
    assert server.received == b"first"
    server.transport.resume_reading()
    assert server.received == b"first"
    await turns()
    assert server.received == b"firstsecond"


async def test_write_buffer_limits_are_checked() -> None:
    client, _ = await connected()
    client.transport.set_write_buffer_limits(low=10)
    assert client.transport.get_write_buffer_limits() == (10, 40)
    client.transport.set_write_buffer_limits()
    assert client.transport.get_write_buffer_limits() == (16384, 65536)
    with pytest.raises(ValueError, match="high"):
        client.transport.set_write_buffer_limits(high=1, low=2)


# --- ending


async def test_close_delivers_everything_written_before_it() -> None:
    client, server = await connected(window_bytes=100)
    client.transport.write(b"x" * 1000)
    client.transport.close()
    assert client.transport.is_closing()
    client.transport.write(b"ignored")
    await asyncio.sleep(60)
    assert server.received == b"x" * 1000
    assert server.happened == ["made", "eof", "lost"]
    assert client.happened == ["made", "lost"]


async def test_connection_lost_is_never_called_inside_close_or_abort() -> None:
    client, server = await connected()
    client.transport.close()
    server.transport.abort()
    assert client.happened == server.happened == ["made"]
    await asyncio.sleep(1)
    assert client.happened == server.happened == ["made", "lost"]


async def test_abort_drops_what_is_buffered_and_resets_the_peer() -> None:
    client, server = await connected(window_bytes=100)
    client.transport.write(b"x" * 1000)
    client.transport.abort()
    client.transport.abort()
    await asyncio.sleep(60)
    assert client.happened == ["made", "lost"]
    assert server.happened == ["made", "lost: ConnectionResetError"]
    assert server.received == b"x" * 100


async def test_write_eof_closes_one_half_only() -> None:
    client, server = await connected()
    server.keep_open_on_eof = True
    client.transport.write(b"question")
    client.transport.write_eof()
    with pytest.raises(RuntimeError, match="write_eof"):
        client.transport.write(b"more")
    await asyncio.sleep(1)
    server.transport.write(b"answer")
    await asyncio.sleep(1)
    assert (server.received, client.received) == (b"question", b"answer")
    assert server.happened == ["made", "eof"]
    server.transport.close()
    await asyncio.sleep(1)
    assert client.happened == ["made", "eof", "lost"]


async def test_writing_to_a_peer_that_is_gone_is_answered_with_a_reset() -> None:
    client, server = await connected()
    server.keep_open_on_eof = True
    client.transport.close()
    await asyncio.sleep(1)
    server.transport.write(b"anybody?")
    await asyncio.sleep(1)
    assert server.happened == ["made", "eof", "lost: ConnectionResetError"]


async def test_an_error_in_the_protocol_is_heard_of_and_ends_the_connection() -> None:
    errors: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: errors.append(context["exception"]))
    client, server = await connected()

    def fail(peer: Peer, data: bytes) -> None:
        raise ZeroDivisionError

    server.on_data = fail
    client.transport.write(b"boom")
    client.transport.write(b"never seen")
    await asyncio.sleep(1)
    assert [type(error) for error in errors] == [ZeroDivisionError]
    assert server.chunks == [b"boom"]
    assert server.happened == ["made", "lost"]
    assert client.happened == ["made", "lost: ConnectionResetError"]
