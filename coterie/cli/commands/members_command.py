"""`coterie members`: shows what the nodes of a running cluster think of each other: alive, suspected, failed, left.

    coterie members --connect 127.0.0.1:7401,127.0.0.1:7402 [--from n1] [--watch [SECONDS]] [-o json]

One row per member, merged from the opinions of all nodes that answer: the state that most of them report, the highest
suspicion (it is suspected from 1 on), the highest incarnation, the median round trip, and the nodes that suspect it.
`--from` shows the view of one node. Exit code 1 if no node that answers has a failure detector.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys

from coterie.actors.client import Client
from coterie.actors.detection.detector_messages import MembersReport, ReportMembers
from coterie.cli.cluster_connection import ClusterConnection, add_connect, connection_of
from coterie.cli.command_loop import run_async
from coterie.cli.member_rows import MemberRow, MembersByNode, member_rows, member_table
from coterie.cli.node_queries import query_node

__all__ = ["add_parser", "run"]

ASK_TIMEOUT_S = 2.0
WATCH_S = 1.0
CLEAR = "\x1b[H\x1b[2J"

NO_DETECTOR = (
    "no node that answers has a failure detector: add one to the topology, for example "
    "topology.detector(Swim.local()), and start the nodes again"
)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `members` to the command line."""
    parser = subparsers.add_parser(
        "members",
        help="show which nodes of a running cluster are alive, suspected or failed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_connect(parser)
    parser.add_argument("--from", dest="observer", metavar="NODE", help="show the opinions of this node alone")
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
    """Carry out `coterie members`; return the exit code."""
    if args.watch is not None and not 0.1 <= args.watch <= 3600:
        raise ValueError(f"--watch {args.watch:g}: it must be 0.1 … 3600 s")
    return run_async(_show(connection_of(args), args))


async def _show(connection: ClusterConnection, args: argparse.Namespace) -> int:
    async with connection.client_of_all() as client:
        while True:
            reports = await _query(client, args.observer)
            rows = member_rows(reports, is_view=args.observer is not None)
            _print(rows, args.form, has_detector=_has_detector(reports), is_live=args.watch is not None)
            if args.watch is None:
                return 0 if _has_detector(reports) else 1
            await asyncio.sleep(args.watch)


async def _query(client: Client, observer: str | None) -> MembersByNode:
    """Ask all linked nodes, or only `observer`. ValueError if that node is not linked."""
    nodes = client.nodes
    if observer is not None:
        if observer not in nodes:
            raise ValueError(f"--from {observer!r}: there is no link to it, only to {', '.join(nodes) or 'no node'}")
        nodes = [observer]
    answers = await asyncio.gather(*(query_node(client, node, ReportMembers(), ASK_TIMEOUT_S) for node in nodes))
    return dict(zip(nodes, answers, strict=True))


def _has_detector(reports: MembersByNode) -> bool:
    return any(isinstance(report, MembersReport) and report.detector is not None for report in reports.values())


def _print(rows: list[MemberRow], form: str, *, has_detector: bool, is_live: bool) -> None:
    if form == "json":
        print(json.dumps({"members": {row.member: dataclasses.asdict(row) for row in rows}}), flush=True)
        return
    lines = member_table(rows) if has_detector else [NO_DETECTOR]
    clear = CLEAR if is_live and sys.stdout.isatty() else ""
    print(clear + "\n".join(lines), flush=True)
