"""`coterie pools`: shows how the callers on each node of a running cluster share requests among the targets of pools.

    coterie pools --connect 127.0.0.1:7401,127.0.0.1:7402 [PATTERN] [--watch [SECONDS]] [-o json]

One table for each balancer, and for each node that uses a pool: of each target its state, the share that the policy
wants it to have and its share so far, the requests in flight, failures and latency, and why the last pick fell as it
did. The targets of a lost node stay in the table, marked as lost. PATTERN is a part of a name. The pools of clients are
not shown: they pick in the client. With --watch into a file or a pipe each table is under the time. Exit code 3 if
no pool or balancer has PATTERN in its name, 4 if no node answers, 5 if only some do.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Sequence
from typing import TypeGuard

from coterie.actors.client import Client
from coterie.actors.node_report import NodeReport, ReportNode
from coterie.actors.pools.pool_reports import PoolsReport, ReportPools
from coterie.cli.caller_rows import PoolsByNode, pool_lines
from coterie.cli.cluster_connection import ClusterConnection, add_connect, connection_of
from coterie.cli.command_loop import NameNotFound, run_async
from coterie.cli.limit_option import add_limit
from coterie.cli.node_queries import exit_code_of, kinds_of, query_nodes, silent_nodes
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.command_parser import add_output
from coterie.cli.watch_option import add_watch, check_watch
from coterie.errors import CoterieError

__all__ = ["add_parser", "run"]

ANSWER_LIMIT_S = 1.0
NOTHING = "no pool has been used on these nodes, and there is no balancer"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `pools` to the command line."""
    parser = subparsers.add_parser(
        "pools",
        help="show how requests to pools are shared by their targets",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_connect(parser)
    parser.add_argument("pattern", nargs="?", default="", help="show only pools and balancers whose name contains this")
    add_limit(parser, "targets of each pool and balancer")
    add_watch(parser)
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie pools`; return the exit code."""
    check_watch(args.watch)
    return run_async(_show(connection_of(args), args))


async def _show(connection: ClusterConnection, args: argparse.Namespace) -> int:
    async with connection.client_of_all() as client:
        clock = client.system.host.clock
        names = await _names(client, args.pattern) if args.pattern else []
        while True:
            began_s = clock.monotonic()
            reports = await query_nodes(client, ReportPools(args.pattern, args.limit), ANSWER_LIMIT_S)
            _show_reports(args.out, reports, names, is_live=args.watch is not None)
            if args.watch is None:
                return exit_code_of(reports)
            await asyncio.sleep(max(0.0, began_s + args.watch - clock.monotonic()))


async def _names(client: Client, pattern: str) -> list[str]:
    """Return the names of the pools and balancers that contain `pattern`; NameNotFound lists all names if none does."""
    nodes = await query_nodes(client, ReportNode(), ANSWER_LIMIT_S)
    pools = await query_nodes(client, ReportPools(limit=0), ANSWER_LIMIT_S)
    declared = [report for report in nodes.values() if isinstance(report, NodeReport)]
    used = [report for report in pools.values() if _is_report(report)]
    names = {name for report in declared for name in (*report.pools, *report.balancers)}
    names |= {caller.name for report in used for caller in report.callers}
    found = sorted(name for name in names if pattern in name)
    if declared and not found:
        there_are = f"there are {', '.join(sorted(names))}" if names else "these nodes have neither"
        kinds = kinds_of(nodes, pattern)
        what = f"{pattern!r} is {kinds}, and no" if kinds else "no"
        raise NameNotFound(f"{what} pool or balancer has {pattern!r} in its name: {there_are}")
    return found


def _is_report(answer: PoolsReport | CoterieError) -> TypeGuard[PoolsReport]:
    return isinstance(answer, PoolsReport)


def _show_reports(out: CommandOutput, reports: PoolsByNode, names: Sequence[str], *, is_live: bool) -> None:
    nothing = f"not used yet by these nodes: {', '.join(names)}" if names else NOTHING
    is_used = any(report.callers for report in reports.values() if _is_report(report))
    lines = [*([] if is_used else [nothing]), *pool_lines(reports)]
    out.show({"nodes": reports}, lines, errors=silent_nodes(reports), is_live=is_live)
