"""`coterie top`: shows the load of the nodes and actors of a running cluster, and refreshes it periodically.

    coterie top --connect 127.0.0.1:7401,127.0.0.1:7402 [--interval 2] [--once] [-o json]

For each node: actors, messages handled per second, waiting messages, restarts and failures, dead letters, and the
largest lag of the event loop. Then the classes of actors, busiest first: `busy` is their share of the node's loop
(only of `def` handlers; `async def` ones run in their own tasks). Then the actors with the deepest mailboxes. `-o json`
prints one envelope per interval.
"""

from __future__ import annotations

import argparse
import asyncio

from coterie.actors.inspection import ActorLine, ActorsReport, ReportActors, TypeLine
from coterie.actors.node_report import NODE_REPORT_PATH
from coterie.cli.cluster_connection import ClusterConnection, add_connect, connection_of
from coterie.cli.command_loop import WrongUsage, run_async
from coterie.cli.node_queries import ReportByNode, exit_code_of, query_nodes, silent_nodes
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.command_parser import add_output
from coterie.errors import CoterieError

__all__ = ["add_parser", "run", "table"]

ACTORS_SHOWN = 10
TYPES_SHOWN = 15
FIRST_INTERVAL_S = 1.0


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `top` to the command line."""
    parser = subparsers.add_parser(
        "top",
        help="watch the actors of a running cluster",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_connect(parser)
    parser.add_argument("--interval", type=float, default=2.0, help="seconds between two queries (default: 2)")
    parser.add_argument("--once", action="store_true", help="measure for one second, print, exit")
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie top`; return the exit code."""
    if not 0.1 <= args.interval <= 3600:
        raise WrongUsage(f"--interval {args.interval:g}: it must be 0.1 … 3600 s")
    return run_async(_watch(connection_of(args), args))


async def _watch(connection: ClusterConnection, args: argparse.Namespace) -> int:
    request = ReportActors(limit=ACTORS_SHOWN)
    out: CommandOutput = args.out
    async with connection.client_of_all() as client:
        before = await query_nodes(client, request)
        pause_s = FIRST_INTERVAL_S
        while True:
            await asyncio.sleep(pause_s)
            now = await query_nodes(client, request)
            out.show({"nodes": now}, table(before, now), errors=silent_nodes(now), is_live=not args.once)
            if args.once:
                return exit_code_of(now)
            before, pause_s = now, args.interval


def table(before: ReportByNode, now: ReportByNode) -> list[str]:
    """Return the lines of the table: the current state, and the rates between two queries."""
    counts = f"{'waiting':>9} {'deepest':>8} {'restarts':>8} {'failures':>8} {'dead':>8} {'lag ms':>7}"
    lines = [f"{'node':<12} {'actors':>9} {'handled/s':>11} {counts}"]
    reports = {node: report for node, report in now.items() if not isinstance(report, CoterieError)}
    for node, report in now.items():
        if isinstance(report, CoterieError):
            lines.append(f"{node:<12} {report}")
        else:
            lines.append(f"{node:<12} {_node(before.get(node), report)}")
    lines += ["", f"{'class':<28} {'node':<12} {'actors':>9} {'handled/s':>11} {'busy':>6} {'waiting':>9} {'high':>7}"]
    types = [(node, line) for node, report in reports.items() for line in report.types]
    types.sort(key=lambda pair: (-pair[1].busy, -pair[1].depth, pair[1].type, pair[0]))
    lines += [_type(before.get(node), reports[node], node, line) for node, line in types[:TYPES_SHOWN]]
    actors = [(node, actor) for node, report in reports.items() for actor in report.actors if _is_notable(actor)]
    actors.sort(key=lambda pair: (-pair[1].depth, -pair[1].restarts, pair[1].path))
    if actors:
        lines += ["", f"{'actor':<40} {'waiting':>9} {'high':>7} {'restarts':>8}  handling, last error"]
        lines += [_actor(node, actor) for node, actor in actors[:ACTORS_SHOWN]]
    return lines


def _node(before: ActorsReport | CoterieError | None, now: ActorsReport) -> str:
    earlier = before.handled if isinstance(before, ActorsReport) else None
    actors = sum(line.actors for line in now.types)
    waiting = sum(line.depth for line in now.types)
    deepest = max((line.high_water for line in now.types), default=0)
    restarts = sum(line.restarts for line in now.types)
    return (
        f"{actors:>9,} {_rate(before, now, earlier, now.handled):>11} {waiting:>9,} {deepest:>8,} {restarts:>8,} "
        f"{now.failures:>8,} {sum(now.dead_letters.values()):>8,} {now.lag_ms:>7.1f}"
    )


def _type(before: ActorsReport | CoterieError | None, now: ActorsReport, node: str, line: TypeLine) -> str:
    same = [one for one in before.types if one.type == line.type] if isinstance(before, ActorsReport) else []
    rate = _rate(before, now, same[0].handled if same else None, line.handled)
    return (
        f"{line.type:<28} {node:<12} {line.actors:>9,} {rate:>11} {line.busy:>6.0%} {line.depth:>9,} "
        f"{line.high_water:>7,}"
    )


def _rate(before: ActorsReport | CoterieError | None, now: ActorsReport, earlier: int | None, later: int) -> str:
    """Return the rate per second; "-" if the earlier query lacks it, or came before a restart of the node."""
    if earlier is None or not isinstance(before, ActorsReport) or now.at_s <= before.at_s or later < earlier:
        return "-"
    return f"{(later - earlier) / (now.at_s - before.at_s):,.0f}"


def _is_notable(actor: ActorLine) -> bool:
    is_this_query = actor.path == NODE_REPORT_PATH and actor.handling == "ReportActors"
    return bool(actor.depth or actor.restarts or actor.last_error or (actor.handling and not is_this_query))


def _actor(node: str, actor: ActorLine) -> str:
    notes = "; ".join(part for part in (actor.handling, actor.last_error) if part)
    return f"{actor.path + '@' + node:<40} {actor.depth:>9,} {actor.high_water:>7,} {actor.restarts:>8,}  {notes}"
