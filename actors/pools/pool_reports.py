"""Pool reports: what the callers of pools on one node know of their targets, for example for `coterie pools`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from coterie.runtime.messages.message import Ask, message
from coterie.runtime.messages.speakers import Speaker

if TYPE_CHECKING:
    from coterie.actors.pools.pool import Pool
    from coterie.runtime.system import System

__all__ = ["CallerReport", "PoolCallers", "PoolsReport", "ReportPools", "TargetLine", "shortened"]

TARGETS_MAX: Final = 1000
CALLERS_MAX: Final = 100
TEXT_CHARS_MAX: Final = 400


@message(name="pool.TargetLine")
class TargetLine:
    """One target, as its caller sees it.

    `state`: `serving`, or why it is not treated as usual; targets of lost nodes are listed until the link is up again.
    `in_flight`, `picks`, `failures`: this caller's requests. `wanted_share`: the share that the policy means it to have
    (0 … 1); None if the policy sets none. `seen_share`: its part of the caller's picks so far. `latency_s`: the average
    of answered requests; None before the first.
    """

    target: str
    node: str
    state: str
    weight: float
    in_flight: int
    picks: int
    failures: int
    wanted_share: float | None
    seen_share: float
    latency_s: float | None


@message(name="pool.CallerReport")
class CallerReport:
    """One caller of a pool, or a balancer: `kind` is `pool` or `balancer`.

    `policy`: its settings, as far as they differ from the defaults. `explanation`: why its last pick fell as it did;
    empty if it has not been used yet. `retries`, `hedges`: the requests that it repeated and sent twice;
    `retries_refused`: those that the budget did not allow. `targets_total`: above the number of lines if cut.
    """

    name: str
    kind: str
    policy: str
    explanation: str
    retries: int
    retries_refused: int
    hedges: int
    targets_total: int
    targets: tuple[TargetLine, ...]


@message(name="pool.PoolsReport")
class PoolsReport:
    """The callers of pools, and the balancers, on one node. `callers_total`: above the number of reports if cut."""

    node: str
    callers_total: int
    callers: tuple[CallerReport, ...]


@message(name="pool.ReportPools", speaker=Speaker.OPERATOR)
class ReportPools(Ask[PoolsReport]):
    """Ask a node for the callers of those pools, and the balancers, whose name contains `pattern`.

    `limit`: the most targets that are listed for each, up to 1000.
    """

    pattern: str = ""
    limit: int = 100


class PoolCallers:
    """The pool handles of one system, in the order in which they were made. `system.extension(PoolCallers)`."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._pools: dict[Pool, None] = {}

    def __iter__(self) -> Iterator[Pool]:
        return iter(list(self._pools))

    def add(self, pool: Pool) -> None:
        """Report this pool from now on."""
        self._pools[pool] = None

    def remove(self, pool: Pool) -> None:
        """Report it no longer."""
        self._pools.pop(pool, None)

    def report(self, asked: ReportPools) -> PoolsReport:
        """Return the report that was asked for."""
        found = [pool for pool in self if asked.pattern in pool.name]
        limit = max(0, min(asked.limit, TARGETS_MAX))
        callers = tuple(pool.report(limit) for pool in found[:CALLERS_MAX])
        return PoolsReport(self._system.node, len(found), callers)


def shortened(text: str) -> str:
    """Return a text that is not longer than a report may contain."""
    return text if len(text) <= TEXT_CHARS_MAX else text[:TEXT_CHARS_MAX] + "…"
