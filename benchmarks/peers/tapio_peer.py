"""tapio adapter: runs the benchmarks on tapio (typed asyncio actors); remote ones use two systems over TCP.

An actor is one task; the loop is uvloop.
As the second process: `python -m benchmarks.peers.tapio_peer <core>` prints `ready <port>`; it ends with its input.
"""

# An extra that need not be installed.
# pyright: reportMissingImports=false

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import uvloop
from tapio import ActorRef, ActorSystem, Behavior, Behaviors, Message, RemoteSettings, TapioSettings, register_message

from benchmarks.harness.pinning import pin
from benchmarks.harness.processes import Child
from benchmarks.harness.results import Measurement
from benchmarks.harness.rounds import in_rounds
from benchmarks.messaging.ask import ask_in_turn
from benchmarks.messaging.remote_tell import pump
from benchmarks.peers.peer_runs import RunRequest, Workload

__all__ = ["COUNT_MAX", "WORKLOADS"]

CHUNK = 5_000
REMOTE_CHUNK = 1_000
RING = 1_000
SENDERS = 100
EACH = 50
PAYLOAD = "x" * 1024


@register_message("benchmark.Item")
class Item(Message):
    number: int
    payload: str = ""


@register_message("benchmark.Total")
class Total(Message):
    value: int


@register_message("benchmark.Add")
class Add(Message):
    amount: int
    reply_to: ActorRef[Total]


@register_message("benchmark.Mark")
class Mark(Message):
    reply_to: ActorRef[Total]


class Begin(Message):
    number: int


class Counts:
    """The count of an actor, shared with the benchmark."""

    def __init__(self) -> None:
        self.handled = 0


def _sink(counts: Counts) -> Behavior[Any]:
    async def on_message(message: Item | Mark) -> Behavior[Any]:
        if isinstance(message, Item):
            counts.handled += 1
        else:
            message.reply_to.tell(Total(value=counts.handled))
        return Behaviors.same()

    return Behaviors.receive_message(on_message)


def _adder() -> Behavior[Any]:
    total = 0

    async def on_message(message: Add) -> Behavior[Any]:
        nonlocal total
        total += message.amount
        message.reply_to.tell(Total(value=total))
        return Behaviors.same()

    return Behaviors.receive_message(on_message)


async def tell(request: RunRequest) -> Measurement:
    async with ActorSystem("benchmark") as system:
        counts, chunk = Counts(), [Item(number=number) for number in range(CHUNK)]
        ref = system.spawn(_sink(counts), name="sink")

        def send() -> None:
            for item in chunk:
                ref.tell(item)

        return await in_rounds(send, CHUNK, lambda: counts.handled, request.count)


async def ask(in_flight: int, request: RunRequest) -> Measurement:
    async with ActorSystem("benchmark") as system:
        ref = system.spawn(_adder(), name="adder")
        return await ask_in_turn(lambda: ref.ask(_add, expect=Total), request.count, in_flight)


def _add(reply_to: ActorRef[Total]) -> Add:
    return Add(amount=1, reply_to=reply_to)


async def circle(size: int, request: RunRequest) -> Measurement:
    async with ActorSystem("benchmark") as system:
        left, over = request.count, asyncio.get_running_loop().create_future()
        refs: list[ActorRef[Item]] = []

        def player(place: int) -> Behavior[Any]:
            async def on_message(message: Item) -> Behavior[Any]:
                nonlocal left
                left -= 1
                if left:
                    refs[(place + 1) % size].tell(message)
                else:
                    over.set_result(None)
                return Behaviors.same()

            return Behaviors.receive_message(on_message)

        refs += [system.spawn(player(place), name=f"player-{place}") for place in range(size)]
        begin = time.perf_counter()
        refs[0].tell(Item(number=1))
        await over
        return Measurement(request.count / (time.perf_counter() - begin))


async def fan_in(request: RunRequest) -> Measurement:
    async with ActorSystem("benchmark") as system:
        counts, items = Counts(), [Item(number=number) for number in range(EACH)]
        to, word = system.spawn(_sink(counts), name="sink"), Begin(number=1)

        async def on_message(_message: Begin) -> Behavior[Any]:
            for item in items:
                to.tell(item)
            return Behaviors.same()

        senders = [
            system.spawn(Behaviors.receive_message(on_message), name=f"sender-{number}") for number in range(SENDERS)
        ]

        def send() -> None:
            for sender in senders:
                sender.tell(word)

        return await in_rounds(send, SENDERS * EACH, lambda: counts.handled, request.count)


async def spawn(request: RunRequest) -> Measurement:
    async with ActorSystem("benchmark") as system:
        begin = time.perf_counter()
        refs = [system.spawn_anonymous(_adder()) for _ in range(request.count)]
        await refs[-1].ask(_add, expect=Total)
        return Measurement(request.count / (time.perf_counter() - begin))


async def remote_tell(payload: str, request: RunRequest) -> Measurement:
    async with _pair(request.other_core) as (system, port):
        sink = await system.resolve(f"tapio://receiver@127.0.0.1:{port}/user/sink", expect=Item | Mark)
        chunk = [Item(number=number, payload=payload) for number in range(REMOTE_CHUNK)]

        async def ask_mark() -> int:
            total = await sink.ask(lambda reply_to: Mark(reply_to=reply_to), expect=Total)
            return int(total.value)

        def mark() -> asyncio.Future[int]:
            return asyncio.ensure_future(ask_mark())

        begin = time.perf_counter()
        sent = await pump(sink.tell, mark, chunk, lambda sent: sent < request.count)
        return Measurement(sent / (time.perf_counter() - begin))


async def remote_ask(request: RunRequest) -> Measurement:
    async with _pair(request.other_core) as (system, port):
        adder = await system.resolve(f"tapio://receiver@127.0.0.1:{port}/user/adder", expect=Add)
        await adder.ask(_add, expect=Total)
        return await ask_in_turn(lambda: adder.ask(_add, expect=Total), request.count, 64)


def _settings() -> TapioSettings:
    return TapioSettings(remote=RemoteSettings(bind_port=0))


@contextlib.asynccontextmanager
async def _pair(core: int) -> AsyncIterator[tuple[ActorSystem, int]]:
    receiver = Child(["benchmarks.peers.tapio_peer", str(core)])
    try:
        await receiver.start()
        async with ActorSystem("sender", _settings()) as system:
            yield system, int(receiver.first_line.split()[1])
    finally:
        await receiver.end()


async def _receive() -> None:
    async with ActorSystem("receiver", _settings()) as system:
        for ref in (system.spawn(_sink(Counts()), name="sink"), system.spawn(_adder(), name="adder")):
            system.refs.register_well_known(ref)
        print(f"ready {system.address.port}", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


WORKLOADS: dict[str, Workload] = {
    "tell/async": tell,
    "ask/1": functools.partial(ask, 1),
    "ask/64": functools.partial(ask, 64),
    "ping_pong": functools.partial(circle, 2),
    "ring": functools.partial(circle, RING),
    "fan_in": fan_in,
    "spawn/100000": spawn,
    "remote_tell/small": functools.partial(remote_tell, ""),
    "remote_tell/1KiB": functools.partial(remote_tell, PAYLOAD),
    "remote_ask/64": remote_ask,
}

COUNT_MAX = {"spawn/100000": 10_000}
"""Operations in one measurement: an actor is a task of some 15 KB, and all of them must stop again."""

if __name__ == "__main__":
    logging.disable()
    pin(int(sys.argv[1]))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_receive())
