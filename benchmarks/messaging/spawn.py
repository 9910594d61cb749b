"""Spawn: measures actors started per second, and the memory of an idle actor, with up to a million in one process.

Each measurement runs in a separate process. An actor counts when it has started; memory is the growth of the resident
set after all of them have started. The floor makes bare objects: an actor, a cell, and a handle with its path, entered
in a dictionary.
"""

from __future__ import annotations

import os
import time
from functools import partial

from benchmarks.harness.comparison import Comparison
from benchmarks.harness.measured_system import measured_system
from benchmarks.harness.results import Measurement, Result
from benchmarks.harness.separate_process import in_separate_process
from benchmarks.harness.settings import Settings
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


async def floor(count: int) -> Measurement:
    """Make `count` bare objects."""
    cell_by_path: dict[str, BareCell] = {}
    before = _resident_bytes()
    begin = time.perf_counter()
    handles = []
    for number in range(count):
        path = f"idle-{number}"
        cell = cell_by_path[path] = BareCell(BareActor(), path)
        handles.append(cell.handle)
    return _measurement(count, begin, before)


async def coterie(count: int) -> Measurement:
    """Spawn `count` actors and wait until the last one answers: by then all have started."""
    async with measured_system() as system:
        before = _resident_bytes()
        begin = time.perf_counter()
        refs = [system.spawn(Idle) for _ in range(count)]
        await refs[-1].ask(Greet(1), timeout_s=600.0)
        measurement = _measurement(count, begin, before)
        if system.stats().actors != count:
            raise RuntimeError(f"the run is invalid: {system.stats().actors} of {count} actors exist")
        return measurement


def _measurement(count: int, begin: float, before: int) -> Measurement:
    rate = count / (time.perf_counter() - begin)
    return Measurement(rate, {"bytes_per_actor": (_resident_bytes() - before) / count})


def _resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * _PAGE_BYTES


async def run(settings: Settings) -> list[Result]:
    """Measure a hundred thousand and a million."""
    in_process = partial(in_separate_process, "benchmarks.messaging.spawn")
    floor, coterie = partial(in_process, "floor"), partial(in_process, "coterie")
    results = []
    for count in COUNTS:
        comparison = Comparison(f"spawn/{count}", "actors/s", count, floor, coterie, is_warmed=False)
        results += await comparison.run(settings)
    return results
