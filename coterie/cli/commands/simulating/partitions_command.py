"""`coterie sim partial-partitions`: cuts single links of Raft groups, and prints in how many time-outs they recover."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict

from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.json_envelope import Code, problems
from coterie.errors import CoterieError
from coterie.exploring.run_jobs import worker_pool, worker_settings
from coterie.protocols.faults.nearest_name import hint
from coterie.protocols.simulation.partitions.partial_partition import PARTITIONS, SIZES
from coterie.protocols.simulation.partitions.partition_run import OBSERVED
from coterie.protocols.simulation.partitions.recovery_report import RecoveryReport, report_recovery

__all__ = ["PARTIAL_PARTITIONS", "PartitionError", "run_partial_partitions"]

PARTIAL_PARTITIONS = "partial-partitions"
"""The name of this run on the command line."""

DEFAULT_SEEDS = 20

TITLES = ("partition", "nodes", "recovers", "p50", "max", "limit", "leaders", "left", "healed")
WIDTHS = (max(map(len, PARTITIONS)), 5, 8, 6, 6, 6, 7, 6, 6)


class PartitionError(CoterieError, ValueError):
    """There is no such partial partition, or no such size: the error names the ones that exist."""


def run_partial_partitions(
    out: CommandOutput, *, only: Sequence[str], nodes: int | None, first_seed: int, seeds: int | None, jobs: int
) -> int:
    """Run all partial partitions (or `only` these), print a line for each; return the exit code: 1 if one fails.

    Args:
        out: where it is printed.
        only: names of partitions; empty: all.
        nodes: the size of the groups; None: all sizes.
        first_seed: the first seed.
        seeds: how many seeds for each line; None: `DEFAULT_SEEDS`.
        jobs: how many processes.

    Raises:
        PartitionError: there is no such partition or size.
    """
    cases = [(name, size) for name in _checked_names(only) for size in _checked_sizes(nodes)]
    seed_range = range(first_seed, first_seed + (seeds or DEFAULT_SEEDS))
    out.say([f"in election time-outs, at the longest of each of {len(seed_range)} seeds", _line(TITLES)])
    reports = _run_all(cases, seed_range, jobs, lambda report: out.say([_line(_row(report))]))
    found = [problem for report in reports for problem in report.problems]
    never = [f"{report.partition} with {report.size} nodes" for report in reports if report.limit is None]
    lines = [f"does not recover before it heals: {case}" for case in never] + found
    out.show(
        {"partitions": [asdict(report) | {"median": report.median} for report in reports], "does_not_recover": never},
        [*lines, f"{len(reports)} partitions, {len(found)} problems"],
        verdict="failed" if found else "passed",
        errors=problems(Code.FAILED, found),
    )
    return 1 if found else 0


def _checked_names(only: Sequence[str]) -> Sequence[str]:
    for name in only:
        if name not in PARTITIONS:
            raise PartitionError(f"there is no partial partition {name!r}{hint(name, list(PARTITIONS))}")
    return only or list(PARTITIONS)


def _checked_sizes(nodes: int | None) -> Sequence[int]:
    if nodes is not None and nodes not in SIZES:
        raise PartitionError(f"partial partitions are for {' or '.join(map(str, SIZES))} nodes, not for {nodes}")
    return SIZES if nodes is None else (nodes,)


def _run_all(
    cases: Sequence[tuple[str, int]], seeds: range, jobs: int, on_report: Callable[[RecoveryReport], None]
) -> list[RecoveryReport]:
    reports: list[RecoveryReport] = []
    for report in _run_here(cases, seeds) if jobs == 1 else _run_in_workers(cases, seeds, jobs):
        reports.append(report)
        on_report(report)
    return reports


def _run_here(cases: Sequence[tuple[str, int]], seeds: range) -> Iterator[RecoveryReport]:
    with worker_settings():
        for name, size in cases:
            yield report_recovery(name, size, seeds)


def _run_in_workers(cases: Sequence[tuple[str, int]], seeds: range, jobs: int) -> Iterator[RecoveryReport]:
    with worker_pool(jobs) as pool:
        for pending in [pool.submit(report_recovery, name, size, seeds) for name, size in cases]:
            yield pending.result()


def _row(report: RecoveryReport) -> tuple[str, ...]:
    total = len(report.recoveries) + len(report.not_recovered)
    slowest = report.recoveries[-1] if report.recoveries else None
    return (
        report.partition,
        str(report.size),
        "never" if not report.recoveries else f"{len(report.recoveries)}/{total}",
        _number(report.median),
        _number(slowest),
        _number(report.limit),
        str(report.leader_changes),
        _number(report.old_leader_left, missing="led on"),
        _number(report.healed, missing=f"> {OBSERVED:.0f}"),
    )


def _number(value: float | None, *, missing: str = "-") -> str:
    return missing if value is None else f"{value:.2f}"


def _line(cells: Sequence[str]) -> str:
    name, *numbers = cells
    return " ".join(
        [f"{name:<{WIDTHS[0]}}", *(f"{cell:>{width}}" for cell, width in zip(numbers, WIDTHS[1:], strict=True))]
    )
