from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from coterie.runtime.transport.connection import READ_SLICE_S, Connection
from coterie.runtime.transport.framing.frames import FrameEncoder
from coterie.runtime.transport.handshake.identity import SystemIdentity
from coterie.runtime.transport.transport_config import TransportConfig
from coterie.runtime.transport.transport_state import TransportState

if TYPE_CHECKING:
    from collections.abc import Callable

virtual = pytest.mark.virtual


class Reader:
    """Owns a connection; each payload takes it some time."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.payloads: list[bytes] = []
        self.ended_after: int | None = None
        self.lost: list[str] = []
        self.on_payload: Callable[[Connection], None] = lambda connection: None

    def connection_opened(self, connection: Connection) -> None: ...

    def payload_received(self, connection: Connection, payload: bytes) -> None:
        self.payloads.append(payload)
        self.now_s += 0.6 * READ_SLICE_S
        self.on_payload(connection)

    def connection_ended(self, connection: Connection) -> None:
        self.ended_after = len(self.payloads)

    def connection_lost(self, connection: Connection, reason: str) -> None:
        self.lost.append(reason)


class Tap(asyncio.Transport):
    """A transport that only notes whether it is to read."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    def abort(self) -> None:
        self.calls.append("abort")

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...


def opened() -> tuple[Connection, Reader, Tap]:
    reader, tap = Reader(), Tap()
    shared = TransportState(
        asyncio.get_running_loop(),
        lambda: reader.now_s,
        SystemIdentity("c", "n", 1),
        TransportConfig(),
        random.Random(1),
    )
    connection = Connection(reader, shared)
    connection.connection_made(tap)
    return connection, reader, tap


def frames(count: int) -> tuple[list[bytes], bytes]:
    encoder: Any = FrameEncoder()
    payloads = [bytes([number]) for number in range(count)]
    return payloads, b"".join(map(encoder.encode, payloads))


@virtual
async def test_many_frames_of_one_read_are_handed_on_in_slices_and_nothing_is_read_meanwhile() -> None:
    connection, reader, tap = opened()
    payloads, data = frames(5)

    connection.data_received(data)

    assert reader.payloads == payloads[:2]
    assert tap.calls == ["pause"]
    for _ in range(4):
        await asyncio.sleep(0)
    assert reader.payloads == payloads
    assert tap.calls == ["pause", "resume"]
    connection.abort()


@virtual
async def test_frames_that_wait_are_handed_on_ahead_of_an_end_that_comes_although_reading_is_paused() -> None:
    connection, reader, tap = opened()
    payloads, data = frames(5)
    connection.data_received(data)

    connection.eof_received()  # TLS brings it in the same call as the last bytes

    assert reader.payloads == payloads
    assert reader.ended_after == 5
    await asyncio.sleep(0)
    assert reader.payloads == payloads
    assert tap.calls == ["pause", "resume"]
    connection.abort()


@virtual
async def test_a_frame_whose_end_has_not_come_is_waited_for_after_a_slice() -> None:
    connection, reader, tap = opened()
    payloads, data = frames(3)

    connection.data_received(data[:-1])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    connection.data_received(data[-1:])

    assert reader.payloads == payloads
    assert tap.calls == ["pause", "resume"]
    connection.abort()


@virtual
async def test_frames_that_wait_for_their_slice_are_lost_with_the_connection() -> None:
    connection, reader, tap = opened()
    payloads, data = frames(5)
    connection.data_received(data)

    connection.abort()
    for _ in range(4):
        await asyncio.sleep(0)

    assert reader.payloads == payloads[:2]
    assert "resume" not in tap.calls


@virtual
async def test_damage_behind_a_slice_breaks_the_connection_in_its_turn() -> None:
    connection, reader, tap = opened()
    payloads, data = frames(3)
    connection.data_received(data[:-1] + b"\xff")

    for _ in range(3):
        await asyncio.sleep(0)

    assert reader.payloads == payloads[:2]
    assert len(reader.lost) == 1
    assert "broken frame" in reader.lost[0]
    assert tap.calls == ["pause", "abort"]


@virtual
async def test_an_owner_that_closes_at_the_end_of_a_slice_hears_no_more() -> None:
    connection, reader, tap = opened()
    payloads, data = frames(5)

    def abort_at_second(connection: Connection) -> None:
        if len(reader.payloads) == 2:
            connection.abort()

    reader.on_payload = abort_at_second

    connection.data_received(data)
    await asyncio.sleep(0)

    assert reader.payloads == payloads[:2]
    assert tap.calls == ["abort"]
