"""Pykka: an actor is a thread with a queue. It has no timers, no bounds, and nothing across processes."""

# An extra that need not be installed.
# pyright: reportMissingImports=false

from __future__ import annotations

import threading
import time
from typing import Any

import pykka

from benchmarks.peers.lap import Order, Workload
from benchmarks.results import Lap

__all__ = ["MOST", "WORKLOADS"]

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


async def tell(order: Order) -> Lap:
    done = threading.Event()
    ref = Counter.start(order.count, done)
    begin = time.perf_counter()
    for number in range(order.count):
        ref.tell(number)
    done.wait()
    lap = Lap(order.count / (time.perf_counter() - begin))
    ref.stop()
    return lap


async def ask_one(order: Order) -> Lap:
    ref = Adder.start()
    begin = time.perf_counter()
    for _ in range(order.count):
        ref.ask(1, timeout=TIMEOUT_S)
    lap = Lap(order.count / (time.perf_counter() - begin))
    ref.stop()
    return lap


async def ask_many(order: Order) -> Lap:
    ref, rounds = Adder.start(), max(1, order.count // 64)
    begin = time.perf_counter()
    for _ in range(rounds):
        futures = [ref.ask(1, block=False) for _ in range(64)]
        for future in futures:
            future.get(timeout=TIMEOUT_S)
    lap = Lap(64 * rounds / (time.perf_counter() - begin))
    ref.stop()
    return lap


async def _circle(order: Order, size: int) -> Lap:
    done = threading.Event()
    players = [Player.start(done) for _ in range(size)]
    for player, following in zip(players, [*players[1:], players[0]], strict=True):
        player.tell(following)
    begin = time.perf_counter()
    players[0].tell(order.count)
    done.wait()
    lap = Lap(order.count / (time.perf_counter() - begin))
    _stop_all(players)
    return lap


async def ping_pong(order: Order) -> Lap:
    return await _circle(order, 2)


async def ring(order: Order) -> Lap:
    return await _circle(order, RING)


async def fan_in(order: Order) -> Lap:
    done, rounds = threading.Event(), max(1, order.count // (SENDERS * EACH))
    total = rounds * SENDERS * EACH
    counter = Counter.start(total, done)
    senders = [Sender.start(counter) for _ in range(SENDERS)]
    begin = time.perf_counter()
    for _ in range(rounds):
        for sender in senders:
            sender.tell(0)
    done.wait()
    lap = Lap(total / (time.perf_counter() - begin))
    _stop_all([*senders, counter])
    return lap


async def spawn(order: Order) -> Lap:
    begin = time.perf_counter()
    refs: list[pykka.ActorRef[Any]] = [Adder.start() for _ in range(order.count)]
    refs[-1].ask(1, timeout=TIMEOUT_S)
    lap = Lap(order.count / (time.perf_counter() - begin))
    _stop_all(refs)
    return lap


WORKLOADS: dict[str, Workload] = {
    "tell/sync": tell,
    "ask/1": ask_one,
    "ask/64": ask_many,
    "ping_pong": ping_pong,
    "ring": ring,
    "fan_in": fan_in,
    "spawn/100000": spawn,
}

MOST = {"spawn/100000": 1_000}
"""Operations in one lap: threads are scarce."""
