"""Caller rows: formats what the callers of pools know of their targets, for `coterie pools`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from coterie.actors.pools.pool_reports import CallerReport, PoolsReport, TargetLine
from coterie.cli.node_queries import silent_lines
from coterie.errors import CoterieError

__all__ = ["PoolsByNode", "pool_lines"]

PoolsByNode = Mapping[str, PoolsReport | CoterieError]
"""The report of each node, or the error in its place."""

HEAD = (
    f"  {'target':<24} {'state':<28} {'wanted':>7} {'seen':>7} {'picks':>9} {'in flight':>9} {'failures':>9} "
    f"{'latency':>10}"
)


def pool_lines(reports: PoolsByNode) -> Iterator[str]:
    """Yield the lines of the output: a table for each pool's caller and each balancer, sorted by name, then by node."""
    found = [
        (caller, node)
        for node, report in reports.items()
        if isinstance(report, PoolsReport)
        for caller in report.callers
    ]
    for caller, node in sorted(found, key=lambda each: (each[0].name, each[1])):
        yield f"{caller.kind} {caller.name}, as {node} sees it: {caller.policy}{_repeated(caller)}"
        if not caller.explanation:
            yield "  not used yet: it looks for its targets at the first request"
            continue
        yield HEAD
        yield from map(_line, caller.targets)
        if caller.targets_total > len(caller.targets):
            yield f"  … {len(caller.targets)} of {caller.targets_total} targets"
        yield f"  last pick: {caller.explanation}"
    for node, report in reports.items():
        if isinstance(report, PoolsReport) and report.callers_total > len(report.callers):
            yield f"node {node}: {len(report.callers)} of {report.callers_total} callers"
    yield from silent_lines(reports)


def _repeated(caller: CallerReport) -> str:
    """Return how many requests were repeated, if any were."""
    counts = (
        (caller.retries, "retry", "retries"),
        (caller.retries_refused, "retry refused by the budget", "retries refused by the budget"),
        (caller.hedges, "hedged request", "hedged requests"),
    )
    return "".join(f", {count} {one if count == 1 else more}" for count, one, more in counts if count)


def _line(line: TargetLine) -> str:
    wanted = "-" if line.wanted_share is None else f"{line.wanted_share:.1%}"
    latency = "-" if line.latency_s is None else f"{1000 * line.latency_s:.2f} ms"
    return (
        f"  {line.target:<24} {line.state:<28} {wanted:>7} {line.seen_share:>7.1%} {line.picks:>9} "
        f"{line.in_flight:>9} {line.failures:>9} {latency:>10}"
    )
