"""What a node's actors are doing, for whoever wants to look: `coterie top` and `coterie actors` ask this."""

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
from coterie.runtime.observing.load_monitor import Lookout
from coterie.runtime.system import System

__all__ = ["ORDERS", "ActorLine", "ActorsReport", "ReportActors", "TypeLine", "WaitLine", "inspect_actors"]

ORDERS: Final = ("depth", "busy", "handled", "restarts", "high_water")
LIMIT_MAX: Final = 1000
SLICE: Final = 5000
"""After how many actors the loop gets its turn: a look at a million must not hold up their heartbeats."""


@message(name="node.ActorLine")
class ActorLine:
    """One actor. `busy`: its share of the loop, 0 … 1; `handling`: the type of the message in its hands."""

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


@message(name="node.TypeLine")
class TypeLine:
    """All actors of one class together; `high_water` is that of the deepest mailbox."""

    type: str
    actors: int
    depth: int
    high_water: int
    handled: int
    busy: float
    restarts: int


@message(name="node.WaitLine")
class WaitLine:
    """A handler of `asker` waits for the answer of `target` to `message`, for `left_s` seconds at most."""

    asker: str
    target: str
    message: str
    left_s: float


@message(name="node.ActorsReport")
class ActorsReport:
    """One look at a node. `at_s` is its monotonic clock: rates are differences of two looks."""

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
    """Actors can be sorted by one of `ORDERS` only."""


@message(name="node.ReportActors", raises=(UnknownOrder,))
class ReportActors(Ask[ActorsReport]):
    """Look at a node's actors: of those whose path or type contains `pattern` the first `limit`, most `order` first."""

    pattern: str = ""
    order: str = "depth"
    limit: int = 100


@dataclass(slots=True)
class _Sum:
    actors: int = 0
    depth: int = 0
    high_water: int = 0
    handled: int = 0
    busy: float = 0.0
    restarts: int = 0


async def inspect_actors(system: System, lookout: Lookout, asked: ReportActors) -> ActorsReport:
    """Look at all actors, a slice at a time, and keep the lookout looking.

    Raises:
        UnknownOrder: `asked.order` is none of `ORDERS`.
    """
    if asked.order not in ORDERS:
        raise UnknownOrder(f"actors cannot be sorted by {asked.order!r}: choose one of {', '.join(ORDERS)}")
    lookout.keep()
    now = system.host.clock.monotonic()
    handled = system.handled_by_ended  # who ends during the look is still among the cells below
    waits: list[WaitLine] = []
    sum_by_type: dict[str, _Sum] = {}
    found: list[ActorLine] = []
    for at, cell in enumerate(system.cells):
        if at % SLICE == SLICE - 1:
            await asyncio.sleep(0)
            found = _first(found, asked)
        handled += cell.handled
        waits += [WaitLine(wait.asker, wait.target, wait.message, wait.left_s) for wait in described_waits(cell, now)]
        line = _line(cell, lookout)
        _add(sum_by_type.setdefault(line.type, _Sum()), line)
        if asked.pattern in line.path or asked.pattern in line.type:
            found.append(line)
    return ActorsReport(
        node=system.node,
        at_s=system.host.clock.monotonic(),
        lag_ms=1000 * lookout.take_lag_s(),
        handled=handled,
        failures=system.failures,
        dead_letters={reason.value: count for reason, count in system.dead_letters.counts.items() if count},
        types=tuple(_type_line(name, total) for name, total in sorted(sum_by_type.items())),
        actors=tuple(_first(found, asked)),
        waits=tuple(waits),
    )


def _line(cell: Cell, lookout: Lookout) -> ActorLine:
    restarts, last_error = cell.troubles
    current = cell.current.message if isinstance(cell.current, Envelope) else cell.current
    return ActorLine(
        path=cell.path,
        type=type(cell.actor).__name__,
        state=cell.state.name.lower(),
        depth=cell.depth,
        high_water=cell.high_water,
        handled=cell.handled,
        busy=lookout.busy_share(cell),
        restarts=restarts,
        last_error=last_error,
        handling=None if current is None else type(current).__name__,
    )


def _add(total: _Sum, line: ActorLine) -> None:
    total.actors += 1
    total.depth += line.depth
    total.high_water = max(total.high_water, line.high_water)
    total.handled += line.handled
    total.busy += line.busy
    total.restarts += line.restarts


def _type_line(name: str, total: _Sum) -> TypeLine:
    return TypeLine(
        name, total.actors, total.depth, total.high_water, total.handled, min(1.0, total.busy), total.restarts
    )


def _first(lines: list[ActorLine], asked: ReportActors) -> list[ActorLine]:
    limit = max(0, min(asked.limit, LIMIT_MAX))
    return heapq.nsmallest(limit, lines, key=lambda line: (-getattr(line, asked.order), line.path))
