"""Raft floor: does the work of `raft_put` in bare Python, without Raft, actors or checks: the least possible cost.

Bare protocols on uvloop; one MessagePack array per loop tick; a leader that appends with one fdatasync in flight on a
thread; two followers that only answer. A command is acknowledged when it is on the leader's disk and a follower has
answered. It has no elections, terms, checksums, sessions or state machine.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import struct
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, cast

import msgpack
import uvloop

from benchmarks.harness.processes import Child, cpu_seconds, free_ports

__all__ = ["FloorClient", "FloorCluster"]

_LENGTH = struct.Struct(">I")
_pack: Callable[[object], bytes] = msgpack.Packer().pack


class Wire(asyncio.Protocol):
    """Frames of MessagePack arrays; the items sent in one tick of the loop form one frame."""

    def __init__(self, receive: Callable[[Wire, list[Any]], None]) -> None:
        self._receive = receive
        self._buffer = bytearray()
        self._out: list[object] = []
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= 4:
            (size,) = _LENGTH.unpack_from(buffer, at)
            if len(buffer) - at - 4 < size:
                break
            self._receive(self, msgpack.unpackb(bytes(buffer[at + 4 : at + 4 + size])))
            at += 4 + size
        del buffer[:at]

    def send(self, item: object) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(item)

    def _flush(self) -> None:
        payload = _pack(self._out)
        self._out = []
        if self._transport is not None:
            self._transport.write(_LENGTH.pack(len(payload)) + payload)


class Leader:
    """The leader: appends, replicates and acknowledges."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        self._loop = asyncio.get_running_loop()
        self._followers: list[Wire] = []
        self._appending: list[bytes] = []
        self._is_syncing = False
        self._count = self._synced = self._answered = self._done = 0
        self._waiting: deque[tuple[Wire, int]] = deque()

    async def connect(self, port: int) -> None:
        _, wire = await self._loop.create_connection(lambda: Wire(self._answer), "127.0.0.1", port)
        self._followers.append(wire)

    def commands(self, client: Wire, items: list[Any]) -> None:
        for number, value in items:
            self._waiting.append((client, number))
            self._appending.append(value)
            for follower in self._followers:
                follower.send(value)
        self._count += len(items)
        if not self._is_syncing:
            self._sync()

    def _sync(self) -> None:
        batch, self._appending = b"".join(self._appending), []
        count, self._is_syncing = self._count, True
        future = self._loop.run_in_executor(None, self._write, batch)
        future.add_done_callback(lambda _: self._durable(count))

    def _write(self, batch: bytes) -> None:
        os.write(self._file, batch)
        os.fdatasync(self._file)

    def _durable(self, count: int) -> None:
        self._synced, self._is_syncing = count, False
        if self._appending:
            self._sync()
        self._acknowledge()

    def _answer(self, _: Wire, items: list[Any]) -> None:
        self._answered = max(self._answered, items[-1])
        self._acknowledge()

    def _acknowledge(self) -> None:
        committed = min(self._synced, self._answered)
        while self._done < committed:
            client, number = self._waiting.popleft()
            client.send(number)
            self._done += 1


class Follower:
    """A follower: only answers."""

    def __init__(self) -> None:
        self._count = 0

    def entries(self, leader: Wire, items: list[Any]) -> None:
        self._count += len(items)
        leader.send(self._count)


class FloorClient:
    """A client of the floor: `put` returns when the command is acknowledged."""

    def __init__(self) -> None:
        self._futures: dict[int, asyncio.Future[None]] = {}
        self._number = 0
        self._wire: Wire | None = None
        self._loop = asyncio.get_running_loop()

    async def connect(self, port: int) -> Self:
        """Connect to the leader."""
        _, self._wire = await self._loop.create_connection(lambda: Wire(self._acknowledged), "127.0.0.1", port)
        return self

    def put(self, _key: bytes, value: bytes) -> asyncio.Future[None]:
        """Send a command."""
        if self._wire is None:
            raise RuntimeError("connect first")
        self._number += 1
        future = self._futures[self._number] = self._loop.create_future()
        self._wire.send((self._number, value))
        return future

    def _acknowledged(self, _: Wire, items: list[Any]) -> None:
        for number in items:
            self._futures.pop(number).set_result(None)


class FloorCluster:
    """The three processes of the floor."""

    def __init__(self) -> None:
        self._data = tempfile.mkdtemp(prefix="coterie-floor-")
        self._ports = free_ports(3)
        leader, *followers = self._ports
        log = os.path.join(self._data, "log")
        self._children = [
            *(Child(["benchmarks.raft.raft_floor", "follower", str(port)]) for port in followers),
            Child(["benchmarks.raft.raft_floor", "leader", str(leader), log, *map(str, followers)]),
        ]

    async def __aenter__(self) -> Self:
        """Start them, followers first."""
        for child in self._children:
            await child.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them."""
        for child in self._children:
            await child.end()
        shutil.rmtree(self._data, ignore_errors=True)

    async def client(self) -> FloorClient:
        """Return a connected client."""
        return await FloorClient().connect(self._ports[0])

    def cpu_seconds(self) -> float:
        """Return the processor time that the processes have taken so far."""
        return cpu_seconds([child.pid for child in self._children])


async def _serve(role: str, port: int, rest: list[str]) -> None:
    loop = asyncio.get_running_loop()
    if role == "leader":
        leader = Leader(rest[0])
        for follower in rest[1:]:
            await leader.connect(int(follower))
        receive: Callable[[Wire, list[Any]], None] = leader.commands
    else:
        receive = Follower().entries
    await loop.create_server(lambda: Wire(receive), "127.0.0.1", port)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)  # ends when the benchmark does


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
