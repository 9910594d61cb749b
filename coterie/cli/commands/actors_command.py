"""`coterie actors`: lists the actors of a running cluster, one line each.

    coterie actors --connect 127.0.0.1:7401,127.0.0.1:7402 [PATTERN] [--sort busy] [--limit 20] [-o json]

PATTERN is a part of a path or of a class name. `busy` is measured only between two queries: run the command twice.
Exit code 3 if all nodes answer, and no actor has PATTERN in its path or class; 4 if none answers, 5 if only some do.
"""

from __future__ import annotations

import argparse

from coterie.actors.inspection import SORT_KEYS, ActorLine, ActorsReport, ReportActors
from coterie.cli.cluster_connection import ClusterConnection, add_connect, connection_of
from coterie.cli.command_loop import NameNotFound, run_async
from coterie.cli.limit_option import add_limit
from coterie.cli.node_queries import ReportByNode, exit_code_of, query_nodes, silent_nodes
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.command_parser import add_output
from coterie.errors import CoterieError

__all__ = ["add_parser", "run"]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `actors` to the command line."""
    parser = subparsers.add_parser(
        "actors",
        help="list the actors of a running cluster",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_connect(parser)
    parser.add_argument("pattern", nargs="?", default="", help="a part of a path or of a class name")
    parser.add_argument(
        "--sort", choices=SORT_KEYS, default="depth", help="the sort key, largest first (default: depth)"
    )
    add_limit(parser, "actors per node")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie actors`; return the exit code."""
    request = ReportActors(args.pattern, args.sort, args.limit)
    reports = run_async(_query(connection_of(args), request))
    exit_code = exit_code_of(reports)
    if not exit_code and args.pattern and args.limit and _is_empty(reports):
        raise NameNotFound(f"no actor has {args.pattern!r} in its path or class")
    out: CommandOutput = args.out
    out.show({"nodes": reports}, _lines(reports), errors=silent_nodes(reports))
    return exit_code


async def _query(connection: ClusterConnection, request: ReportActors) -> ReportByNode:
    async with connection.client_of_all() as client:
        return await query_nodes(client, request)


def _is_empty(reports: ReportByNode) -> bool:
    return not any(report.actors for report in reports.values() if isinstance(report, ActorsReport))


def _lines(reports: ReportByNode) -> list[str]:
    lines = [f"{'actor':<40} {'class':<20} {'state':<10} {'depth':>7} {'high':>7} {'handled':>11} {'restarts':>8}"]
    for node, report in reports.items():
        if isinstance(report, CoterieError):
            lines.append(f"node {node}: {report}")
            continue
        lines += [_line(node, actor) for actor in report.actors]
        total = sum(line.actors for line in report.types)
        if total > len(report.actors):
            lines.append(f"node {node}: {len(report.actors)} of {total} actors")
    return lines


def _line(node: str, actor: ActorLine) -> str:
    marks = f"{actor.depth:>7} {actor.high_water:>7} {actor.handled:>11,} {actor.restarts:>8}"
    line = f"{actor.path + '@' + node:<40} {actor.type:<20} {actor.state:<10} {marks}"
    line += f"  handling {actor.handling}" if actor.handling else ""
    return line + (f"  last error: {actor.last_error}" if actor.last_error else "")
