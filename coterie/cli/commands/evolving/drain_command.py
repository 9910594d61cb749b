"""`coterie drain`: lets a node hand over the leadership of every Raft group that it leads, before it is stopped.

    coterie drain n1 --connect 127.0.0.1:7401,127.0.0.1:7402

Clients then wait some round trips instead of an election time-out. SIGTERM and Ctrl-C do the same. The node goes on as
a follower, and may come to lead again: stop it soon.

Exit code: 0 if it leads no group now; 1 if it leads one still, with the reason; 3 if there is no such node.
"""

from __future__ import annotations

import argparse
from typing import Any

from coterie.actors.client import Client
from coterie.actors.groups.group_messages import GroupStatus
from coterie.actors.node_report import ReportNode
from coterie.cli.cluster_connection import ClusterConnection, add_connect, connection_of
from coterie.cli.command_loop import NameNotFound, run_async
from coterie.cli.node_queries import query_nodes
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.command_parser import add_output
from coterie.cli.output.json_envelope import Code, problems
from coterie.errors import CoterieError

__all__ = ["add_parser", "run"]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `drain` to the command line."""
    parser = subparsers.add_parser(
        "drain",
        help="let a node hand over the leadership of its groups",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("node", help="the node")
    add_connect(parser)
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie drain`; return the exit code."""
    return run_async(_drain(connection_of(args), args.node, args.out))


async def _drain(connection: ClusterConnection, node: str, out: CommandOutput) -> int:
    async with connection.client_of_all() as client:
        report = (await query_nodes(client, ReportNode())).get(node)
        if report is None:
            raise NameNotFound(f"there is no node {node!r}")
        if isinstance(report, CoterieError):
            raise report
        leader_by_group, failures = {}, []
        for group in report.groups:
            try:
                leader_by_group[group] = await _leader_after(client, group, node)
            except CoterieError as error:
                failures.append(str(error))
    lines = [f"group {group!r}: {leader} leads" for group, leader in leader_by_group.items()]
    out.show(
        {"node": node, "leaders": leader_by_group},
        [*lines, *failures] or [f"{node} has no groups"],
        verdict="failed" if failures else "healthy",
        errors=problems(Code.FAILED, failures),
    )
    return 1 if failures else 0


async def _leader_after(client: Client, group: str, node: str) -> str | None:
    """Return who leads the group once `node` does not. CoterieError if it leads on."""
    handle: Any = client.group(group)
    status = (await handle.status()).get(node)
    if isinstance(status, CoterieError):
        raise status
    if isinstance(status, GroupStatus) and status.role == "leader":
        leader: str = (await handle.transfer()).leader
        return leader
    return status.leader if isinstance(status, GroupStatus) else None
