"""Pykka adapter: runs the local benchmarks on Pykka, where an actor is a thread with a queue.

Pykka has no timers, no bounded mailboxes and no remote messages.
"""

# An extra that need not be installed.
# pyright: reportMissingImports=false

from __future__ import annotations

import threading
import time
from typing import Any

import pykka

from benchmarks.harness.results import Measurement
from benchmarks.peers.peer_runs import RunRequest, Workload

__all__ = ["COUNT_MAX", "WORKLOADS"]

TIMEOUT_S = 5.0
RING = 1_000
SENDERS = 100
EACH = 50


class Counter(pykka.ThreadingActor):
    """Counts messages; lets `done` be set at the last one."""

    def __init__(self, expected: int, done: threading.Event) -> None:
        super().__init__()
        self.left = expected
        self.done = done

    def on_receive(self, message: Any) -> None:
        self.left -= 1
        if not self.left:
            self.done.set()


class Adder(pykka.ThreadingActor):
    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def on_receive(self, message: Any) -> int:
        self.total += message
        return self.total


class Player(pykka.ThreadingActor):
    next: pykka.ActorRef[Any]

    def __init__(self, done: threading.Event) -> None:
        super().__init__()
        self.done = done

    def on_receive(self, message: Any) -> None:
        if isinstance(message, pykka.ActorRef):
            self.next = message
        elif message > 1:
            self.next.tell(message - 1)
        else:
            self.done.set()


class Sender(pykka.ThreadingActor):
    def __init__(self, to: pykka.ActorRef[Any]) -> None:
        super().__init__()
        self.to = to

    def on_receive(self, message: Any) -> None:
        for number in range(EACH):
            self.to.tell(number)


def _stop_all(refs: list[pykka.ActorRef[Any]]) -> None:
    for ref in refs:
        ref.stop()


async def tell(request: RunRequest) -> Measurement:
    done = threading.Event()
    ref = Counter.start(request.count, done)
    begin = time.perf_counter()
    for number in range(request.count):
        ref.tell(number)
    done.wait()
    measurement = Measurement(request.count / (time.perf_counter() - begin))
    ref.stop()
    return measurement


async def ask_one(request: RunRequest) -> Measurement:
    ref = Adder.start()
    begin = time.perf_counter()
    for _ in range(request.count):
        ref.ask(1, timeout=TIMEOUT_S)
    measurement = Measurement(request.count / (time.perf_counter() - begin))
    ref.stop()
    return measurement


async def ask_many(request: RunRequest) -> Measurement:
    ref, rounds = Adder.start(), max(1, request.count // 64)
    begin = time.perf_counter()
    for _ in range(rounds):
        futures = [ref.ask(1, block=False) for _ in range(64)]
        for future in futures:
            future.get(timeout=TIMEOUT_S)
    measurement = Measurement(64 * rounds / (time.perf_counter() - begin))
    ref.stop()
    return measurement


async def _circle(request: RunRequest, size: int) -> Measurement:
    done = threading.Event()
    players = [Player.start(done) for _ in range(size)]
    for player, following in zip(players, [*players[1:], players[0]], strict=True):
        player.tell(following)
    begin = time.perf_counter()
    players[0].tell(request.count)
    done.wait()
    measurement = Measurement(request.count / (time.perf_counter() - begin))
    _stop_all(players)
    return measurement


async def ping_pong(request: RunRequest) -> Measurement:
    return await _circle(request, 2)


async def ring(request: RunRequest) -> Measurement:
    return await _circle(request, RING)


async def fan_in(request: RunRequest) -> Measurement:
    done, rounds = threading.Event(), max(1, request.count // (SENDERS * EACH))
    total = rounds * SENDERS * EACH
    counter = Counter.start(total, done)
    senders = [Sender.start(counter) for _ in range(SENDERS)]
    begin = time.perf_counter()
    for _ in range(rounds):
        for sender in senders:
            sender.tell(0)
    done.wait()
    measurement = Measurement(total / (time.perf_counter() - begin))
    _stop_all([*senders, counter])
    return measurement


async def spawn(request: RunRequest) -> Measurement:
    begin = time.perf_counter()
    refs: list[pykka.ActorRef[Any]] = [Adder.start() for _ in range(request.count)]
    refs[-1].ask(1, timeout=TIMEOUT_S)
    measurement = Measurement(request.count / (time.perf_counter() - begin))
    _stop_all(refs)
    return measurement


WORKLOADS: dict[str, Workload] = {
    "tell/sync": tell,
    "ask/1": ask_one,
    "ask/64": ask_many,
    "ping_pong": ping_pong,
    "ring": ring,
    "fan_in": fan_in,
    "spawn/100000": spawn,
}

COUNT_MAX = {"spawn/100000": 1_000}
"""Operations in one measurement: threads are scarce."""
