"""Actor inspection: reports the mailboxes, load and pending asks of a node's actors, for example to `coterie top`."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from coterie.runtime.cells.ask_cycles import described_waits
from coterie.runtime.cells.asks import Envelope
from coterie.runtime.cells.cell import Cell
from coterie.runtime.messages.message import Ask, message
from coterie.runtime.messages.speakers import Speaker
from coterie.runtime.observing.load_monitor import LoadMonitor
from coterie.runtime.system import System

__all__ = ["SORT_KEYS", "ActorLine", "ActorsReport", "ReportActors", "TypeLine", "WaitLine", "inspect_actors"]

SORT_KEYS: Final = ("depth", "busy", "handled", "restarts", "high_water")
LIMIT_MAX: Final = 1000
SLICE_ACTORS: Final = 5000
"""Actors inspected before the loop runs again: the inspection of a million must not delay heartbeats."""


@message(name="node.ActorLine")
class ActorLine:
    """One actor.

    `busy`: its share of the loop's time, 0 … 1; `handling`: the type of the message it handles now. `capacity`: the
    most messages that wait in one lane of its mailbox; `refused`: how many found no room there, or were dropped to make
    some, since the actor was spawned.
    """

    path: str
    type: str
    state: str
    depth: int
    high_water: int
    handled: int
    busy: float
    restarts: int
    last_error: str | None
    handling: str | None
    capacity: int = 0
    refused: int = 0


@message(name="node.TypeLine")
class TypeLine:
    """The totals of all actors of one class; `high_water` is that of the deepest mailbox."""

    type: str
    actors: int
    depth: int
    high_water: int
    handled: int
    busy: float
    restarts: int


@message(name="node.WaitLine")
class WaitLine:
    """A pending ask: a handler of `asker` waits for the reply of `target` to `message`, for `left_s` more seconds."""

    asker: str
    target: str
    message: str
    left_s: float


@message(name="node.ActorsReport")
class ActorsReport:
    """One inspection of a node. `at_s` is its monotonic clock: rates are differences of two inspections."""

    node: str
    at_s: float
    lag_ms: float
    handled: int
    failures: int
    dead_letters: Mapping[str, int]
    types: tuple[TypeLine, ...]
    actors: tuple[ActorLine, ...]
    waits: tuple[WaitLine, ...]


class UnknownOrder(ValueError):
    """The order asked for is not one of `SORT_KEYS`."""


@message(name="node.ReportActors", raises=(UnknownOrder,), speaker=Speaker.OPERATOR)
class ReportActors(Ask[ActorsReport]):
    """Inspect a node's actors: of those whose path or type contains `pattern`, the `limit` with the highest `order`."""

    pattern: str = ""
    order: str = "depth"
    limit: int = 100


@dataclass(slots=True)
class _TypeTotals:
    actors: int = 0
    depth: int = 0
    high_water: int = 0
    handled: int = 0
    busy: float = 0.0
    restarts: int = 0


async def inspect_actors(system: System, load_monitor: LoadMonitor, asked: ReportActors) -> ActorsReport:
    """Inspect all actors, a slice at a time, and renew the lease of the load monitor.

    Raises:
        UnknownOrder: `asked.order` is not one of `SORT_KEYS`.
    """
    if asked.order not in SORT_KEYS:
        raise UnknownOrder(f"actors cannot be sorted by {asked.order!r}: choose one of {', '.join(SORT_KEYS)}")
    load_monitor.renew()
    now = system.host.clock.monotonic()
    handled = system.registry.handled_by_ended  # what ends during the inspection is still among the cells below
    waits: list[WaitLine] = []
    sum_by_type: dict[str, _TypeTotals] = {}
    found: list[ActorLine] = []
    for at, cell in enumerate(system.registry.cells):
        if at % SLICE_ACTORS == SLICE_ACTORS - 1:
            await asyncio.sleep(0)
            found = _first(found, asked)
        handled += cell.handled
        waits += [WaitLine(wait.asker, wait.target, wait.message, wait.left_s) for wait in described_waits(cell, now)]
        line = _line(cell, load_monitor)
        _add(sum_by_type.setdefault(line.type, _TypeTotals()), line)
        if asked.pattern in line.path or asked.pattern in line.type:
            found.append(line)
    return ActorsReport(
        node=system.node,
        at_s=system.host.clock.monotonic(),
        lag_ms=1000 * load_monitor.take_lag_s(),
        handled=handled,
        failures=system.failures,
        dead_letters={reason.value: count for reason, count in system.dead_letters.counts.items() if count},
        types=tuple(_type_line(name, total) for name, total in sorted(sum_by_type.items())),
        actors=tuple(_first(found, asked)),
        waits=tuple(waits),
    )


def _line(cell: Cell, load_monitor: LoadMonitor) -> ActorLine:
    restarts, last_error = cell.failure_summary
    current = cell.current.message if isinstance(cell.current, Envelope) else cell.current
    return ActorLine(
        path=cell.path,
        type=type(cell.actor).__name__,
        state=cell.state.name.lower(),
        depth=cell.depth,
        high_water=cell.high_water,
        handled=cell.handled,
        busy=load_monitor.busy_share(cell),
        restarts=restarts,
        last_error=last_error,
        handling=None if current is None else type(current).__name__,
        capacity=cell.options.capacity,
        refused=cell.refused,
    )


def _add(total: _TypeTotals, line: ActorLine) -> None:
    total.actors += 1
    total.depth += line.depth
    total.high_water = max(total.high_water, line.high_water)
    total.handled += line.handled
    total.busy += line.busy
    total.restarts += line.restarts


def _type_line(name: str, total: _TypeTotals) -> TypeLine:
    return TypeLine(
        name, total.actors, total.depth, total.high_water, total.handled, min(1.0, total.busy), total.restarts
    )


def _first(lines: list[ActorLine], asked: ReportActors) -> list[ActorLine]:
    limit = max(0, min(asked.limit, LIMIT_MAX))
    return heapq.nsmallest(limit, lines, key=lambda line: (-getattr(line, asked.order), line.path))
