"""`coterie pools`: shows how the callers on each node of a running cluster share requests among the targets of pools.

    coterie pools --connect 127.0.0.1:7401,127.0.0.1:7402 [PATTERN] [--watch [SECONDS]] [-o json]

One table for each balancer, and for each node that uses a pool: of each target its state, the share that the policy
wants it to have and its share so far, the requests in flight, failures and latency, and why the last pick fell as it
did. PATTERN selects by name. The pools of clients are not shown: they pick in the client. Exit code 1 if no node
answers.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys

from coterie.actors.client import Client
from coterie.actors.pools.pool_reports import PoolsReport, ReportPools
from coterie.cli.caller_rows import PoolsByNode, pool_lines
from coterie.cli.cluster_connection import ClusterConnection, add_connect, connection_of
from coterie.cli.command_loop import run_async
from coterie.cli.node_queries import query_node
from coterie.errors import CoterieError

__all__ = ["add_parser", "run"]

ANSWER_LIMIT_S = 1.0
WATCH_S = 1.0
CLEAR = "\x1b[H\x1b[2J"
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
    parser.add_argument("--limit", type=int, default=50, help="the most targets of each (default 50, up to 1000)")
    parser.add_argument(
        "--watch",
        type=float,
        nargs="?",
        const=WATCH_S,
        metavar="SECONDS",
        help=f"show it again and again, every so many seconds (default: {WATCH_S:g})",
    )
    parser.add_argument("-o", choices=["table", "json"], default="table", dest="form", help="the output format")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie pools`; return the exit code."""
    if args.watch is not None and not 0.1 <= args.watch <= 3600:
        raise ValueError(f"--watch {args.watch:g}: it must be 0.1 … 3600 s")
    return run_async(_show(connection_of(args), args))


async def _show(connection: ClusterConnection, args: argparse.Namespace) -> int:
    async with connection.client_of_all() as client:
        clock = client.system.host.clock
        while True:
            began_s = clock.monotonic()
            reports = await _collect(client, ReportPools(args.pattern, args.limit))
            _print(reports, args.form, is_live=args.watch is not None)
            if args.watch is None:
                return 0 if any(isinstance(report, PoolsReport) for report in reports.values()) else 1
            await asyncio.sleep(max(0.0, began_s + args.watch - clock.monotonic()))


async def _collect(client: Client, asked: ReportPools) -> PoolsByNode:
    nodes = client.nodes
    answers = await asyncio.gather(*(query_node(client, node, asked, ANSWER_LIMIT_S) for node in nodes))
    return dict(zip(nodes, answers, strict=True))


def _print(reports: PoolsByNode, form: str, *, is_live: bool) -> None:
    if form == "json":
        print(json.dumps({node: _facts(report) for node, report in reports.items()}), flush=True)
        return
    lines = list(pool_lines(reports)) or [NOTHING]
    clear = CLEAR if is_live and sys.stdout.isatty() else ""
    print(clear + "\n".join(lines), flush=True)


def _facts(report: PoolsReport | CoterieError) -> dict[str, object]:
    return {"error": str(report)} if isinstance(report, CoterieError) else dataclasses.asdict(report)
