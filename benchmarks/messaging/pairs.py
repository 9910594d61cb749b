"""`Pair`: links the benchmark process with a receiver process, each on a CPU core of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.harness.bare_wire import BareWire
from benchmarks.harness.measured_system import check_nothing_lost
from benchmarks.harness.pinning import other_than_first
from benchmarks.harness.processes import Child
from benchmarks.messaging.receivers import CLUSTER, RECEIVER, Lost
from coterie import Address, System

__all__ = ["BarePair", "Pair", "bare_pair", "pair"]

LINK_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Pair:
    """The system of this process, linked with that of the `receiver` process."""

    system: System
    receiver: Child

    def at(self, name: str) -> Any:
        """Return a ref to the receiver's actor of that name."""
        return self.system.at(Address(RECEIVER, name))


@dataclass(slots=True)
class BarePair:
    """The sender of the floor: sockets to the receiver, and a future per numbered row that needs an answer."""

    receiver: Child
    bulk: BareWire
    control: BareWire
    _future_by_number: dict[int, asyncio.Future[Any]]
    _number: int = 0
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def ask(self, kind: int, *fields: object) -> asyncio.Future[Any]:
        """Send a row that is answered by its number; return the future of the answer."""
        self._number += 1
        future: asyncio.Future[Any] = self._loop.create_future()
        self._future_by_number[self._number] = future
        self.bulk.send([kind, self._number, *fields])
        return future


@contextlib.asynccontextmanager
async def pair() -> AsyncIterator[Pair]:
    """Run a linked pair within the block. RuntimeError at its end if either side dropped a message."""
    async with _receiver("coterie") as receiver, System("benchmark", cluster=CLUSTER) as system:
        await _link(system, _port(receiver))
        linked = Pair(system, receiver)
        yield linked
        check_nothing_lost(system.node, system.stats().dead_letters)
        lost = await linked.at("sink").ask(Lost())
        check_nothing_lost(RECEIVER, {"dead letters": lost} if lost else {})


@contextlib.asynccontextmanager
async def bare_pair() -> AsyncIterator[BarePair]:
    """Run the floor's pair within the block."""
    async with _receiver("floor") as receiver:
        loop = asyncio.get_running_loop()
        future_by_number: dict[int, asyncio.Future[Any]] = {}

        def answered(_: BareWire, row: list[Any]) -> None:
            future_by_number.pop(row[0]).set_result(row[1])

        def made() -> BareWire:
            return BareWire(answered)

        _, bulk = await loop.create_connection(made, "127.0.0.1", _port(receiver))
        _, control = await loop.create_connection(made, "127.0.0.1", _port(receiver))
        try:
            yield BarePair(receiver, bulk, control, future_by_number)
        finally:
            bulk.close()
            control.close()


@contextlib.asynccontextmanager
async def _receiver(kind: str) -> AsyncIterator[Child]:
    child = Child(["benchmarks.messaging.receivers", kind, str(other_than_first())])
    try:
        await child.start()
        yield child
    finally:
        await child.end()


def _port(receiver: Child) -> int:
    return int(receiver.first_line.split()[1])


async def _link(system: System, port: int) -> None:
    """Link with the receiver. TimeoutError if it does not answer."""
    up = asyncio.Event()
    ignore = system.on_link(lambda event: up.set() if event.kind == "up" else None)
    system.add_peer(RECEIVER, "127.0.0.1", port)
    async with asyncio.timeout(LINK_TIMEOUT_S):
        await up.wait()
    ignore()
