"""Actors in a circle who pass a message on: two of them play ping-pong, a thousand are a ring."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from benchmarks.bare import BareQueue, BareSwitch
from benchmarks.contest import Contest
from benchmarks.own_system import own_system
from benchmarks.results import Lap
from coterie import Actor, Ref, System, message

__all__ = ["circle", "coterie_circle", "floor_circle", "shared_floor_circle"]

COUNT = 500_000


def circle(name: str, size: int) -> Contest:
    """Return the contest of a circle of `size`."""
    floor, coterie = partial(floor_circle, size), partial(coterie_circle, size)
    shared = {"floor_shared": partial(shared_floor_circle, size)}
    return Contest(name, "messages/s", COUNT, floor, coterie, others=shared)


@message
class Ball:
    number: int


@dataclass(slots=True)
class Score:
    """How often the ball must still be passed; `over` is done when it has been."""

    left: int
    over: asyncio.Future[None]


class Player(Actor[Ball]):
    next: Callable[[Ball], None]

    def __init__(self, score: Score) -> None:
        self.score = score

    def receive(self, msg: Ball) -> None:
        self.score.left -= 1
        if self.score.left:
            self.next(msg)
        else:
            self.score.over.set_result(None)


class BarePlayer:
    next: Callable[[Ball], None]

    def __init__(self, score: Score) -> None:
        self.score = score

    def receive(self, ball: Ball) -> None:
        self.score.left -= 1
        if self.score.left:
            self.next(ball)
        else:
            self.score.over.set_result(None)


P = TypeVar("P", Player, BarePlayer)


async def floor_circle(size: int, count: int) -> Lap:
    """Pass a ball `count` times among `size` bare objects, each with a deque and a `call_soon` of its own."""
    score = Score(count, asyncio.get_running_loop().create_future())
    players = [BarePlayer(score) for _ in range(size)]
    tells = [BareQueue(player.receive).tell for player in players]
    return await _play(players, tells, score)


async def shared_floor_circle(size: int, count: int) -> Lap:
    """Pass a ball `count` times among `size` bare objects that share one deque and one `call_soon`."""
    score = Score(count, asyncio.get_running_loop().create_future())
    switch = BareSwitch()
    players = [BarePlayer(score) for _ in range(size)]
    tells = [partial(switch.tell, player.receive) for player in players]
    return await _play(players, tells, score)


async def coterie_circle(size: int, count: int) -> Lap:
    """Pass a ball `count` times among `size` actors."""
    async with own_system() as system:
        score = Score(count, system.loop.create_future())
        players = [Player(score) for _ in range(size)]
        tells = [_spawn(system, player).tell for player in players]
        return await _play(players, tells, score)


def _spawn(system: System, player: Player) -> Ref[Ball]:
    return system.spawn(lambda: player)


async def _play(players: Sequence[P], tells: Sequence[Callable[[Ball], None]], score: Score) -> Lap:
    for player, following in zip(players, [*tells[1:], tells[0]], strict=True):
        player.next = following
    count, ball = score.left, Ball(1)
    begin = time.perf_counter()
    tells[0](ball)
    await score.over
    return Lap(count / (time.perf_counter() - begin))
