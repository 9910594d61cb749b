"""`BareWire`: sends MessagePack arrays over a raw socket, as the floor (least possible cost) of the remote benchmarks.

Each array has a length prefix. There is no handshake, checksum, sequence number, keep-alive, limit or name: one list
per item, one `write` per array.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import Any, cast

import msgpack

__all__ = ["BareWire"]

BATCH = 256

_LENGTH = struct.Struct(">I")
_pack: Callable[[object], bytes] = msgpack.Packer().pack


class BareWire(asyncio.Protocol):
    """Calls `receive(self, item)` for each item; sends the items of one loop tick together, up to 256 per array."""

    def __init__(self, receive: Callable[[BareWire, list[Any]], object]) -> None:
        self._receive = receive
        self._buffer = bytearray()
        self._out: list[list[Any]] = []
        self._is_armed = False
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(buffer, at)
            if len(buffer) - at - _LENGTH.size < size:
                break
            at += _LENGTH.size + size
            for item in msgpack.unpackb(bytes(buffer[at - size : at])):
                self._receive(self, item)
        del buffer[:at]

    def send(self, item: list[Any]) -> None:
        """Send `item` together with the others of this tick."""
        self._out.append(item)
        if len(self._out) >= BATCH:
            self._write()
        elif not self._is_armed:
            self._is_armed = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._is_armed = False
        if self._out:
            self._write()

    def _write(self) -> None:
        payload = _pack(self._out)
        self._out = []
        if self._transport is not None:
            self._transport.write(_LENGTH.pack(len(payload)) + payload)

    def close(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.close()
