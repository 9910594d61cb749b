"""`coterie status`: shows the nodes, groups and leaders of a running cluster, as reported by the nodes.

    coterie status --connect 127.0.0.1:7401,127.0.0.1:7402 [--group store] [--json]

Name all nodes: a node that is not named, or does not answer, is not shown. Exit code 1 if a group has no leader.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from coterie.actors.groups.group_messages import GroupStatus
from coterie.actors.node_report import NodeReport, ReportNode
from coterie.cli.cluster_connection import ClusterConnection, add_connect, connection_of
from coterie.cli.command_loop import run_async
from coterie.cli.node_queries import query_nodes
from coterie.errors import CoterieError

__all__ = ["add_parser", "run"]

ASK_TIMEOUT_S = 2.0

NON_PARTICIPATION: Final = {
    "registering": "its store {store} is new, and waits until enough other voters are up to register it",
    "refused": "the other voters have registered another store than {store} under its name: this one stays refused "
    "(this release cannot replace a lost store)",
    "founders_differ": "the other voters have a group of this name with other founders: nodes= only says who founds a "
    "group, so take this node out of it, or give the group another name",
}
"""Explanation by role, for nodes that take no part in a group."""


@dataclass(frozen=True, slots=True)
class _ClusterStatus:
    """Reports by node, and statuses by group and node; an error in place of a missing answer."""

    nodes: dict[str, NodeReport | CoterieError]
    groups: dict[str, dict[str, GroupStatus | CoterieError]]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `status` to the command line."""
    parser = subparsers.add_parser(
        "status",
        help="show the nodes, groups and leaders of a running cluster",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_connect(parser)
    parser.add_argument("--group", action="append", default=[], dest="groups", help="only this group (may be repeated)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie status`; return the exit code."""
    seen = run_async(_query(connection_of(args), args.groups))
    if args.json:
        print(json.dumps(_facts(seen)))
    else:
        _show(seen)
    return 0 if all(_has_leader(statuses.values()) for statuses in seen.groups.values()) else 1


async def _query(connection: ClusterConnection, wanted: Sequence[str]) -> _ClusterStatus:
    async with connection.client_of_all() as client:
        nodes = await query_nodes(client, ReportNode(), ASK_TIMEOUT_S)
        known = {group for report in nodes.values() if isinstance(report, NodeReport) for group in report.groups}
        names = wanted or sorted(known)
        return _ClusterStatus(nodes, {name: await client.group(name).status(timeout_s=ASK_TIMEOUT_S) for name in names})


def _has_leader(statuses: Iterable[GroupStatus | CoterieError]) -> bool:
    return any(isinstance(status, GroupStatus) and status.role == "leader" for status in statuses)


def _show(seen: _ClusterStatus) -> None:
    for node, report in seen.nodes.items():
        if isinstance(report, NodeReport):
            parts = ", ".join([*report.groups, *report.synods, *report.pools, *report.balancers]) or "nothing"
            print(f"node {node} of {report.cluster}: runs {parts}; linked with {', '.join(report.links) or 'no node'}")
        else:
            print(f"node {node}: {report}")
    for group, statuses in seen.groups.items():
        print(f"\ngroup {group}")
        print(f"  {'node':<12} {'role':<12} {'term':>6} {'leader':<12} {'last':>10} {'commit':>10} {'applied':>10}")
        for node, status in statuses.items():
            print(f"  {node:<12} {_row(status)}")
        for node, status in statuses.items():
            if isinstance(status, GroupStatus) and status.role in NON_PARTICIPATION:
                print(f"  {node} takes no part: {NON_PARTICIPATION[status.role].format(store=status.store)}")


def _row(status: GroupStatus | CoterieError) -> str:
    if isinstance(status, CoterieError):
        return str(status)
    indexes = f"{status.last_index:>10} {status.commit_index:>10} {status.applied_index:>10}"
    return f"{status.role:<12} {status.term:>6} {status.leader or '-':<12} {indexes}"


def _facts(seen: _ClusterStatus) -> dict[str, object]:
    return {
        "nodes": {node: _fact(report) for node, report in seen.nodes.items()},
        "groups": {
            group: {node: _fact(status) for node, status in statuses.items()} for group, statuses in seen.groups.items()
        },
    }


def _fact(answer: NodeReport | GroupStatus | CoterieError) -> dict[str, object]:
    return {"error": str(answer)} if isinstance(answer, CoterieError) else dataclasses.asdict(answer)
