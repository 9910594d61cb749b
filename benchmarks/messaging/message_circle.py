"""Message circle: passes a message around actors in a circle: two for ping-pong, a thousand for the ring."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from benchmarks.harness.bare_queues import BareQueue, BareSwitch
from benchmarks.harness.comparison import Comparison
from benchmarks.harness.measured_system import measured_system
from benchmarks.harness.results import Measurement
from coterie import Actor, Ref, System, message

__all__ = ["circle_comparison", "coterie_circle", "floor_circle", "shared_floor_circle"]

COUNT = 500_000


def circle_comparison(name: str, size: int) -> Comparison:
    """Return the comparison for a circle of `size`."""
    floor, coterie = partial(floor_circle, size), partial(coterie_circle, size)
    shared = {"floor_shared": partial(shared_floor_circle, size)}
    return Comparison(name, "messages/s", COUNT, floor, coterie, others=shared)


@message
class Ball:
    number: int


@dataclass(slots=True)
class PassCounter:
    """Number of passes left; `over` is done when there are none."""

    left: int
    over: asyncio.Future[None]


class Player(Actor[Ball]):
    next: Callable[[Ball], None]

    def __init__(self, counter: PassCounter) -> None:
        self.counter = counter

    def receive(self, msg: Ball) -> None:
        self.counter.left -= 1
        if self.counter.left:
            self.next(msg)
        else:
            self.counter.over.set_result(None)


class BarePlayer:
    next: Callable[[Ball], None]

    def __init__(self, counter: PassCounter) -> None:
        self.counter = counter

    def receive(self, ball: Ball) -> None:
        self.counter.left -= 1
        if self.counter.left:
            self.next(ball)
        else:
            self.counter.over.set_result(None)


P = TypeVar("P", Player, BarePlayer)


async def floor_circle(size: int, count: int) -> Measurement:
    """Pass a ball `count` times among `size` bare objects, each with a deque and a `call_soon` of its own."""
    counter = PassCounter(count, asyncio.get_running_loop().create_future())
    players = [BarePlayer(counter) for _ in range(size)]
    tells = [BareQueue(player.receive).tell for player in players]
    return await _play(players, tells, counter)


async def shared_floor_circle(size: int, count: int) -> Measurement:
    """Pass a ball `count` times among `size` bare objects that share one deque and one `call_soon`."""
    counter = PassCounter(count, asyncio.get_running_loop().create_future())
    switch = BareSwitch()
    players = [BarePlayer(counter) for _ in range(size)]
    tells = [partial(switch.tell, player.receive) for player in players]
    return await _play(players, tells, counter)


async def coterie_circle(size: int, count: int) -> Measurement:
    """Pass a ball `count` times among `size` actors."""
    async with measured_system() as system:
        counter = PassCounter(count, system.loop.create_future())
        players = [Player(counter) for _ in range(size)]
        tells = [_spawn(system, player).tell for player in players]
        return await _play(players, tells, counter)


def _spawn(system: System, player: Player) -> Ref[Ball]:
    return system.spawn(lambda: player)


async def _play(players: Sequence[P], tells: Sequence[Callable[[Ball], None]], counter: PassCounter) -> Measurement:
    for player, following in zip(players, [*tells[1:], tells[0]], strict=True):
        player.next = following
    count, ball = counter.left, Ball(1)
    begin = time.perf_counter()
    tells[0](ball)
    await counter.over
    return Measurement(count / (time.perf_counter() - begin))
