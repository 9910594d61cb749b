"""`SystemStats`: reports the current counters of one system: actors, messages, failures, restarts, dead letters."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coterie.runtime.system import System

__all__ = ["SystemStats", "stats_of"]


@dataclass(frozen=True, slots=True)
class SystemStats:
    """A snapshot of one system. Counts are since its start.

    `actors`: alive now. `handled`: messages handled. `waiting`: messages in mailboxes now. `deepest`: the most messages
    that ever waited in one mailbox. `asks_out`: unanswered asks to other nodes. `failures`: exceptions raised by
    handlers and hooks. `restarts`: of actors. `dead_letters`: by reason. `links`: names of linked systems. `transport`:
    counters of frames, bytes and items. `datagrams`: counters of datagrams, see `Datagrams.stats`; empty without a
    socket for datagrams.
    """

    actors: int
    handled: int
    waiting: int
    deepest: int
    asks_out: int
    failures: int
    restarts: int
    dead_letters: dict[str, int]
    links: tuple[str, ...]
    transport: dict[str, int]
    datagrams: dict[str, int] = field(default_factory=dict)


def stats_of(system: System) -> SystemStats:
    """Return a snapshot of a system."""
    cells = system.registry.cells
    transport = system.remoting.transport
    return SystemStats(
        actors=len(cells),
        handled=system.registry.handled_by_ended + sum(cell.handled for cell in cells),
        waiting=sum(cell.depth for cell in cells),
        deepest=max([system.registry.deepest_of_ended, *(cell.high_water for cell in cells)]),
        asks_out=system.remoting.asks_pending,
        failures=system.failures,
        restarts=system.restarts,
        dead_letters={reason.value: count for reason, count in system.dead_letters.counts.items() if count},
        links=tuple(peer.node for peer in system.remoting.linked),
        transport={} if transport is None else transport.stats(),
        datagrams=system.datagrams.stats() if system.datagrams.is_open else {},
    )
