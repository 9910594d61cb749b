"""Receivers: runs the process that receives the messages of the remote benchmarks, for coterie and for the floor.

    python -m benchmarks.messaging.receivers coterie|floor <core>

Prints `ready <port>`; ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

import uvloop

from benchmarks.harness.bare_wire import BareWire
from benchmarks.harness.pinning import pin
from coterie import Actor, Ask, System, message
from coterie.runtime.messages.lanes import Lane

__all__ = ["ADD", "BEAT", "CLUSTER", "COUNT", "DELAYS", "MARK", "RECEIVER"]

CLUSTER = "benchmark"
RECEIVER = "receiver"


@message(name="benchmark.Small")
class Small:
    number: int


@message(name="benchmark.Large")
class Large:
    number: int
    payload: bytes


@message(name="benchmark.Mark")
class Mark(Ask[int]):
    """Asks for the number of messages handled before this one."""


@message(name="benchmark.Lost")
class Lost(Ask[int]):
    """Asks for the number of messages that this node has dropped."""


@message(name="benchmark.Add")
class Add(Ask[int]):
    amount: int


@message(name="benchmark.Beat", lane=Lane.CONSENSUS)
class Beat:
    due_s: float


@message(name="benchmark.Delays")
class Delays(Ask[tuple[float, ...]]):
    """Asks for the delays of the beats since the last such ask (s)."""


class Sink(Actor[Small | Large | Mark | Lost]):
    """Counts messages."""

    handled = 0

    def receive(self, msg: Small | Large | Mark | Lost) -> int | None:
        if isinstance(msg, (Small, Large)):
            self.handled += 1
            return None
        return self.handled if isinstance(msg, Mark) else sum(self.context.system.stats().dead_letters.values())


class Adder(Actor[Add]):
    """Adds amounts."""

    total = 0

    def receive(self, msg: Add) -> int:
        self.total += msg.amount
        return self.total


class Watcher(Actor[Beat | Delays]):
    """Records the delays of beats, by a clock that all processes of a machine share."""

    def __init__(self) -> None:
        self.delays_s: list[float] = []

    def receive(self, msg: Beat | Delays) -> tuple[float, ...] | None:
        if isinstance(msg, Beat):
            self.delays_s.append(time.monotonic() - msg.due_s)
            return None
        delays_s, self.delays_s = tuple(self.delays_s), []
        return delays_s


COUNT, MARK, ADD, BEAT, DELAYS = range(5)
"""The kinds of rows of the floor; the first element of a row."""


class BareReceiver:
    """The floor's receiver: a method call for each message."""

    def __init__(self) -> None:
        self.handled = 0
        self.total = 0
        self.delays_s: list[float] = []

    def receive(self, wire: BareWire, row: list[Any]) -> None:
        kind = row[0]
        if kind == COUNT:
            self.handled += 1
        elif kind == ADD:
            self.total += row[2]
            wire.send([row[1], self.total])
        elif kind == BEAT:
            self.delays_s.append(time.monotonic() - row[1])
        elif kind == MARK:
            wire.send([row[1], self.handled])
        else:
            wire.send([row[1], self.delays_s])
            self.delays_s = []


async def _floor(until: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    receiver = BareReceiver()
    server = await loop.create_server(lambda: BareWire(receiver.receive), "127.0.0.1", 0)
    print(f"ready {server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, until)


async def _coterie(until: Callable[[], object]) -> None:
    async with System(RECEIVER, cluster=CLUSTER) as system:
        system.spawn(Sink, name="sink")
        system.spawn(Adder, name="adder")
        system.spawn(Watcher, name="watcher")
        _, port = await system.listen()
        print(f"ready {port}", flush=True)
        await system.loop.run_in_executor(None, until)


if __name__ == "__main__":
    pin(int(sys.argv[2]))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run({"floor": _floor, "coterie": _coterie}[sys.argv[1]](sys.stdin.read))
