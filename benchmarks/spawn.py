"""How fast are actors made, and what does an idle one cost in memory, up to a million in one process?

Each lap runs in a process of its own. An actor counts when it has started; memory is the growth of the resident set
after all of them have. The floor makes the bare objects: an actor, a place for it, and a handle with its name, entered
in a dictionary.
"""

from __future__ import annotations

import os
import time
from functools import partial

from benchmarks.contest import Contest
from benchmarks.own_process import in_own_process
from benchmarks.own_system import own_system
from benchmarks.results import Lap, Result
from benchmarks.settings import Settings
from coterie import Actor, Ask, message

__all__ = ["run"]

COUNTS = (100_000, 1_000_000)

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@message
class Greet(Ask[int]):
    number: int


class Idle(Actor[Greet]):
    def receive(self, msg: Greet) -> int:
        return msg.number


class BareActor:
    def receive(self, number: int) -> int:
        return number


class BareCell:
    __slots__ = ("actor", "handle", "handled", "mailbox")

    def __init__(self, actor: BareActor, path: str) -> None:
        self.actor = actor
        self.mailbox = None
        self.handled = 0
        self.handle = BareHandle(self, path)


class BareHandle:
    __slots__ = ("cell", "path")

    def __init__(self, cell: BareCell, path: str) -> None:
        self.cell = cell
        self.path = path


async def floor(count: int) -> Lap:
    """Make `count` bare objects."""
    cell_by_path: dict[str, BareCell] = {}
    before = _resident_bytes()
    begin = time.perf_counter()
    handles = []
    for number in range(count):
        path = f"idle-{number}"
        cell = cell_by_path[path] = BareCell(BareActor(), path)
        handles.append(cell.handle)
    return _lap(count, begin, before)


async def coterie(count: int) -> Lap:
    """Spawn `count` actors and wait until the last one answers: by then all have started."""
    async with own_system() as system:
        before = _resident_bytes()
        begin = time.perf_counter()
        refs = [system.spawn(Idle) for _ in range(count)]
        await refs[-1].ask(Greet(1), timeout=600.0)
        lap = _lap(count, begin, before)
        if system.stats().actors != count:
            raise RuntimeError(f"the run does not count: {system.stats().actors} of {count} actors live")
        return lap


def _lap(count: int, begin: float, before: int) -> Lap:
    rate = count / (time.perf_counter() - begin)
    return Lap(rate, {"bytes_per_actor": (_resident_bytes() - before) / count})


def _resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * _PAGE_BYTES


async def run(settings: Settings) -> list[Result]:
    """Measure a hundred thousand and a million."""
    in_process = partial(in_own_process, "benchmarks.spawn")
    floor, coterie = partial(in_process, "floor"), partial(in_process, "coterie")
    results = []
    for count in COUNTS:
        contest = Contest(f"spawn/{count}", "actors/s", count, floor, coterie, is_warmed=False)
        results += await contest.run(settings)
    return results
