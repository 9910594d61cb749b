"""How many asks a second, one after the other and 64 at a time, each with its time-out?

Each asker asks again when it has its reply; the message is always the same one. The floor is a future per ask, resolved
through one deque, with a time-out of the cheapest kind: a dictionary of pending futures per 20 ms, one timer each.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from benchmarks.bare import BareAsks
from benchmarks.contest import Contest
from benchmarks.own_system import own_system
from benchmarks.results import Lap, Result
from benchmarks.settings import Settings
from coterie import Actor, Ask, message

__all__ = ["ask_in_turn", "run"]

COUNT = 200_000


@message
class Add(Ask[int]):
    amount: int


class Adder(Actor[Add]):
    total = 0

    def receive(self, msg: Add) -> int:
        self.total += msg.amount
        return self.total


class BareAdder:
    def __init__(self) -> None:
        self.total = 0

    def receive(self, msg: Add) -> int:
        self.total += msg.amount
        return self.total


async def ask_in_turn(ask: Callable[[], Awaitable[object]], count: int, in_flight: int) -> Lap:
    """Let `in_flight` askers do about `count` asks together."""
    each = max(1, count // in_flight)

    async def asker() -> None:
        for _ in range(each):
            await ask()

    begin = time.perf_counter()
    await asyncio.gather(*(asker() for _ in range(in_flight)))
    return Lap(each * in_flight / (time.perf_counter() - begin))


async def floor(in_flight: int, count: int) -> Lap:
    adder, add = BareAdder(), Add(1)
    ask = BareAsks(adder.receive).ask
    lap = await ask_in_turn(lambda: ask(add), count, in_flight)
    _check(adder.total, count, in_flight)
    return lap


async def coterie(in_flight: int, count: int) -> Lap:
    async with own_system() as system:
        adder, add = Adder(), Add(1)
        ask = system.spawn(lambda: adder).ask
        lap = await ask_in_turn(lambda: ask(add), count, in_flight)
        _check(adder.total, count, in_flight)
        return lap


def _check(total: int, count: int, in_flight: int) -> None:
    if total != max(1, count // in_flight) * in_flight:
        raise RuntimeError(f"the run does not count: {total} asks were handled")


async def run(settings: Settings) -> list[Result]:
    """Measure one asker, and 64."""
    results = []
    for in_flight in (1, 64):
        contest = Contest(f"ask/{in_flight}", "asks/s", COUNT, partial(floor, in_flight), partial(coterie, in_flight))
        results += await contest.run(settings)
    return results
