"""xoscar adapter: runs the benchmarks on xoscar (actors are objects in a pool); remote ones use a sub-process.

Actors are called by method; the loop is uvloop. A tell is a coroutine too. Local actors are in the main pool, the
remote ones in the sub-pool, on the other core.
"""

# An extra that need not be installed.
# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from collections.abc import AsyncIterator
from typing import Any

import xoscar

from benchmarks.harness.pinning import pin
from benchmarks.harness.processes import free_ports
from benchmarks.harness.results import Measurement
from benchmarks.messaging.ask import ask_in_turn
from benchmarks.peers.peer_runs import RunRequest, Workload

__all__ = ["COUNT_MAX", "WORKLOADS"]

CHUNK = 5_000
REMOTE_CHUNK = 1_000
RING = 1_000
SENDERS = 100
EACH = 50
PAYLOAD = b"x" * 1024


class Counter(xoscar.Actor):
    """Counts messages. `core`: the core to which its process is pinned."""

    def __init__(self, core: int) -> None:
        self.handled = 0
        pin(core)

    async def count(self, _number: int, _payload: bytes = b"") -> None:
        self.handled += 1

    async def mark(self) -> int:
        return self.handled


class Adder(xoscar.Actor):
    def __init__(self, core: int) -> None:
        self.total = 0
        pin(core)

    async def add(self, amount: int) -> int:
        self.total += amount
        return self.total


class Player(xoscar.Actor):
    def __init__(self) -> None:
        self.next: Any = None
        self.over: Any = None

    async def meet(self, following: Any, over: Any) -> None:
        self.next, self.over = following, over

    async def play(self, left: int) -> None:
        if left > 1:
            await self.next.play.tell(left - 1)
        else:
            await self.over.done.tell()


class Referee(xoscar.Actor):
    """Waits for the end of a game."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    async def done(self) -> None:
        self.over.set()

    @xoscar.no_lock
    async def wait(self) -> None:
        await self.over.wait()


class Sender(xoscar.Actor):
    def __init__(self, to: Any) -> None:
        self.to = to

    async def begin(self) -> None:
        for number in range(EACH):
            await self.to.count.tell(number)


@contextlib.asynccontextmanager
async def _pool(processes: int) -> AsyncIterator[tuple[str, str]]:
    """Run a pool; yield its address and that of the remote actors (the same without sub-processes)."""
    pool = await xoscar.create_actor_pool(f"127.0.0.1:{free_ports(1)[0]}", n_process=processes)
    async with pool:
        subs = list(pool.sub_processes) if processes else []
        yield pool.external_address, subs[0] if subs else pool.external_address


async def _handled(counter: Any, sent: int) -> None:
    """Wait until all tells are handled: tells and calls may overtake each other."""
    while await counter.mark() < sent:  # noqa: ASYNC110 (the counter may be in another process)
        await asyncio.sleep(0)


async def _tells(counter: Any, fields: tuple[object, ...], chunk: int, count: int) -> Measurement:
    """Tell in chunks, each when the one before is handled."""
    sent = 0
    begin = time.perf_counter()
    while sent < count:
        for _ in range(chunk):
            await counter.count.tell(*fields)
        sent += chunk
        await _handled(counter, sent)
    return Measurement(sent / (time.perf_counter() - begin))


async def tell(request: RunRequest) -> Measurement:
    async with _pool(0) as (address, _):
        return await _tells(await xoscar.create_actor(Counter, -1, address=address), (1,), CHUNK, request.count)


async def ask(in_flight: int, request: RunRequest) -> Measurement:
    async with _pool(0) as (address, _):
        adder = await xoscar.create_actor(Adder, -1, address=address)
        return await ask_in_turn(lambda: adder.add(1), request.count, in_flight)


async def circle(size: int, request: RunRequest) -> Measurement:
    async with _pool(0) as (address, _):
        over = await xoscar.create_actor(Referee, address=address)
        players = [await xoscar.create_actor(Player, address=address) for _ in range(size)]
        for player, following in zip(players, [*players[1:], players[0]], strict=True):
            await player.meet(following, over)
        begin = time.perf_counter()
        await players[0].play.tell(request.count)
        await over.wait()
        return Measurement(request.count / (time.perf_counter() - begin))


async def fan_in(request: RunRequest) -> Measurement:
    async with _pool(0) as (address, _):
        counter = await xoscar.create_actor(Counter, -1, address=address)
        senders = [await xoscar.create_actor(Sender, counter, address=address) for _ in range(SENDERS)]
        sent = 0
        begin = time.perf_counter()
        while sent < request.count:
            for sender in senders:
                await sender.begin.tell()
            sent += SENDERS * EACH
            await _handled(counter, sent)
        return Measurement(sent / (time.perf_counter() - begin))


async def spawn(request: RunRequest) -> Measurement:
    async with _pool(0) as (address, _):
        begin = time.perf_counter()
        for _ in range(request.count):
            await xoscar.create_actor(Adder, -1, address=address)
        return Measurement(request.count / (time.perf_counter() - begin))


async def remote_tell(payload: bytes, request: RunRequest) -> Measurement:
    async with _pool(1) as (_, remote):
        counter = await xoscar.create_actor(Counter, request.other_core, address=remote)
        return await _tells(counter, (1, payload), REMOTE_CHUNK, request.count)


async def remote_ask(request: RunRequest) -> Measurement:
    async with _pool(1) as (_, remote):
        adder = await xoscar.create_actor(Adder, request.other_core, address=remote)
        return await ask_in_turn(lambda: adder.add(1), request.count, 64)


WORKLOADS: dict[str, Workload] = {
    "tell/async": tell,
    "ask/1": functools.partial(ask, 1),
    "ask/64": functools.partial(ask, 64),
    "ping_pong": functools.partial(circle, 2),
    "ring": functools.partial(circle, RING),
    "fan_in": fan_in,
    "spawn/100000": spawn,
    "remote_tell/small": functools.partial(remote_tell, b""),
    "remote_tell/1KiB": functools.partial(remote_tell, PAYLOAD),
    "remote_ask/64": remote_ask,
}

COUNT_MAX: dict[str, int] = {"spawn/100000": 100_000}
"""Operations in one measurement."""
