"""`coterie status`: shows the nodes, groups and leaders of a running cluster, as reported by the nodes.

    coterie status --connect 127.0.0.1:7401,127.0.0.1:7402 [--group store] [-o json]

Name the address of every node, or at least of one that is up: nodes that do not answer are shown, too.

    exit code  the cluster is
    0          healthy
    1          unavailable: a group has no leader, or commands wait in its log and none is committed, or it refuses all
               commands, since its leader has too little disk space, and no voter that could lead has more
    3          unknown: there is no such group
    4          unreachable: no node accepts the client, or none that answers has that group
    5          degraded: a node does not answer, has too little disk space, or takes no full part in a group; the last
               lines say which

In a cluster whose nodes come and go, a line about the view follows those of the nodes; see `coterie members`. A member
that is down, or that others do not hear, makes the cluster degraded.

A node that does not answer is no reason if it is a member of no group (any more) and serves nothing else.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from coterie.actors.client import Client
from coterie.actors.groups.group_messages import NOT_A_MEMBER, GroupStatus
from coterie.actors.node_report import NodeReport, ReportNode
from coterie.cli.cluster_connection import ClusterConnection, add_connect, connection_of
from coterie.cli.command_loop import run_async
from coterie.cli.commands.membership.view_reports import ClusterView, view_answers, view_of
from coterie.cli.commands.membership.view_rows import view_facts, view_head, view_troubles
from coterie.cli.inactive_members import explanations
from coterie.cli.node_queries import DEGRADED, NoAnswer, check_groups, query_nodes, refusals_of, silence, unlinked
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.command_parser import add_output
from coterie.cli.output.json_envelope import Code, problems
from coterie.errors import CoterieError

__all__ = ["add_parser", "run"]

ASK_TIMEOUT_S = 2.0

COMMIT_PAUSE_S = 1.0
"""How long a commit index may stand still while commands wait: a commit takes two writes and a round trip."""

Statuses = Mapping[str, GroupStatus | CoterieError]
"""The status of each node of a group, or the error in its place."""

OUT: Final = " (nothing is expected of it: it is a member of no group; take it out of Topology(nodes=…))"

_DISKS: Final = {
    "nearly_full": "nearly full (store.short_of_space in its log): it leads only if no other voter can; free some",
    "full": (
        "full (store.full in its log): it stores and acknowledges nothing{since} until there is space, or a snapshot "
        "lets go of its log: free some; if that is impossible: coterie raft replace, with an empty data directory"
    ),
}

FULL_PARTS: Final = ("leader", "follower", "pre_candidate", "candidate")
"""The roles of voters that do all that is asked of them."""


@dataclass(frozen=True, slots=True)
class _ClusterStatus:
    """Reports by node, and statuses by group and node; an error in place of a missing answer.

    `refusals`: a sentence for each address at which this client was refused. `stalled`: the groups whose leader has
    committed nothing between two looks, although commands wait, with their leader's status at the second look. `view`:
    that of a cluster whose nodes come and go.
    """

    nodes: dict[str, NodeReport | CoterieError]
    groups: dict[str, dict[str, GroupStatus | CoterieError]]
    refusals: tuple[str, ...] = ()
    stalled: Mapping[str, GroupStatus] = field(default_factory=dict)
    view: ClusterView | None = None


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
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie status`; return the exit code."""
    seen = run_async(_query(connection_of(args), args.groups))
    unavailable, degraded = list(_standstills(seen)), list(_troubles(seen))
    verdict = "unavailable" if unavailable else "degraded" if degraded else "healthy"
    lines = [*_lines(seen), "", verdict, *(f"  {reason}" for reason in unavailable + degraded)]
    errors = problems(Code.UNAVAILABLE, unavailable) + problems(Code.DEGRADED, degraded)
    out: CommandOutput = args.out
    data = {"nodes": seen.nodes, "groups": seen.groups, "view": view_facts(seen.view)}
    out.show(data, lines, verdict=verdict, errors=errors)
    return 1 if unavailable else DEGRADED if degraded else 0


async def _query(connection: ClusterConnection, wanted: Sequence[str]) -> _ClusterStatus:
    async with connection.client_of_all() as client:
        nodes = await query_nodes(client, ReportNode(), ASK_TIMEOUT_S)
        known = {group for report in nodes.values() if isinstance(report, NodeReport) for group in report.groups}
        check_groups(nodes, wanted)
        view = view_of(await view_answers(client, client.nodes, ASK_TIMEOUT_S))
        groups, stalled = await _look_twice(client, wanted or sorted(known))
        members = {name: _of_members(statuses, nodes) for name, statuses in groups.items()}
        return _ClusterStatus(nodes, members, refusals_of(client, connection.addresses), stalled, view)


async def _look_twice(client: Client, names: Sequence[str]) -> tuple[dict[str, Statuses], dict[str, GroupStatus]]:
    """Return the statuses of the groups, and the leaders that commit nothing for a while although entries wait.

    Where entries wait at the first look, the statuses are those of a second one: the leader may have stepped down.
    """
    first: dict[str, Statuses] = {name: await client.group(name).status(timeout_s=ASK_TIMEOUT_S) for name in names}
    waiting = {name: leader for name in names if (leader := _waiting_leader(first[name])) is not None}
    if not waiting:
        return first, {}
    await asyncio.sleep(COMMIT_PAUSE_S)
    second: dict[str, Statuses] = {name: await client.group(name).status(timeout_s=ASK_TIMEOUT_S) for name in waiting}
    stalled = {}
    for name, before in waiting.items():
        now = _waiting_leader(second[name])
        if now is not None and (now.term, now.commit_index) == (before.term, before.commit_index):
            stalled[name] = now
    return first | second, stalled


def _waiting_leader(statuses: Statuses) -> GroupStatus | None:
    """Return the leader of the newest term, if its log has entries that are not committed."""
    leaders = [status for status in statuses.values() if isinstance(status, GroupStatus) and _leads(status)]
    leader = max(leaders, key=lambda status: status.term, default=None)
    return leader if leader is not None and leader.last_index > leader.commit_index else None


def _of_members(
    statuses: Statuses, nodes: Mapping[str, NodeReport | CoterieError]
) -> dict[str, GroupStatus | CoterieError]:
    """Return the statuses of the members alone, those that do not answer with them; all, if the members are unknown."""
    reports = [status for status in statuses.values() if isinstance(status, GroupStatus)]
    members = dict.fromkeys(member.node for report in reports for member in report.members)
    if not members:
        return dict(statuses)
    found = {node: status for node, status in statuses.items() if node in members or isinstance(status, GroupStatus)}
    for node in members:
        if node not in found:
            report = nodes.get(node)
            found[node] = report if isinstance(report, CoterieError) else NoAnswer()
    return dict(sorted(found.items()))


# What is wrong.


def _standstills(seen: _ClusterStatus) -> Iterator[str]:
    for group, statuses in seen.groups.items():
        if not any(map(_leads, statuses.values())):
            yield f"group {group} has no leader that can be reached"
        elif group in seen.stalled:
            leader = seen.stalled[group]
            yield (
                f"group {group}: {leader.node} leads and has committed nothing for {COMMIT_PAUSE_S:g} s: its commit "
                f"index stays at {leader.commit_index}, and its log has entries up to {leader.last_index}"
            )
        yield from _refusals(group, statuses)


def _refusals(group: str, statuses: Statuses) -> Iterator[str]:
    """Yield why a group refuses commands: the leader of the newest term is short of disk space."""
    leaders = [each for each in statuses.values() if isinstance(each, GroupStatus) and _leads(each)]
    leader = max(leaders, key=lambda status: status.term, default=None)
    if leader is not None and leader.disk is not None:
        yield (
            f"group {group}: commands are refused, reads go on: {leader.node} leads with too little free disk space, "
            f"since no voter that is up to date has more"
        )


def _troubles(seen: _ClusterStatus) -> Iterator[str]:
    for node, report in seen.nodes.items():
        if isinstance(report, CoterieError):
            if not _is_out(node, seen):
                yield f"node {node} {silence(report)}"
        else:
            for name in report.ended:
                yield f"node {node}: {name} has ended for good (its log says why: actor.gave_up): start the node again"
    yield from unlinked(seen.nodes)
    yield from seen.refusals
    yield from () if seen.view is None else view_troubles(seen.view, silent=list(seen.nodes))
    yield from _member_troubles(seen)


def _member_troubles(seen: _ClusterStatus) -> Iterator[str]:
    for group, statuses in seen.groups.items():
        for node, status in statuses.items():
            if not isinstance(status, GroupStatus):
                yield f"group {group}: {node} {silence(status)}"
            elif (seats := _seats_of(node, statuses.values())) and status.store not in seats:
                yield f"group {group}: {node} runs with another store than the one that is a member"
            elif status.role not in (*FULL_PARTS, NOT_A_MEMBER):
                yield f"group {group}: {node} is {status.role}"
            elif (
                status.role != NOT_A_MEMBER
                and status.leader is None
                and any(_leads(other) for other in statuses.values())
            ):
                yield f"group {group}: {node} knows no leader, although there is one"
            if isinstance(status, GroupStatus):
                yield from _own_troubles(group, node, status)


def _own_troubles(group: str, node: str, status: GroupStatus) -> Iterator[str]:
    """Yield what a node says to be wrong."""
    if status.disk is not None:
        since = "" if status.full_for_s is None else f" (for {status.full_for_s:.0f} s so far)"
        text = _DISKS.get(status.disk, status.disk).replace("{since}", since)
        yield f"group {group}: the disk of {node} is {text}"
    if status.trouble is not None:
        yield f"group {group}: {node} has found that {status.trouble}"


def _is_out(node: str, seen: _ClusterStatus) -> bool:
    """Return whether nothing is expected of a node: it is a member of no group, for certain, and serves nothing else.

    Such a node was removed from its groups, or was never added to one.
    """
    reports = [report for report in seen.nodes.values() if isinstance(report, NodeReport)]
    groups = {group for report in reports for group in (*report.all_groups, *report.groups)}
    if not groups or any(node in report.serving for report in reports):
        return False
    for group in groups:
        leaders = [
            each for each in seen.groups.get(group, {}).values() if isinstance(each, GroupStatus) and _leads(each)
        ]
        if not leaders or any(member.node == node for leader in leaders for member in leader.members):
            return False
    return True


def _seats_of(node: str, statuses: Iterable[GroupStatus | CoterieError]) -> list[str]:
    """Return the stores of the members that the leader has on `node`, as far as they are known."""
    leaders = [each for each in statuses if isinstance(each, GroupStatus) and _leads(each)]
    return [member.store for each in leaders for member in each.members if member.node == node and member.store]


def _leads(status: GroupStatus | CoterieError) -> bool:
    return isinstance(status, GroupStatus) and status.role == "leader"


# Output.


def _lines(seen: _ClusterStatus) -> Iterator[str]:
    for node, report in seen.nodes.items():
        if isinstance(report, NodeReport):
            names = [*report.groups, *report.synods, *report.pools, *report.balancers, *report.actors]
            parts = ", ".join(names) or "nothing"
            yield f"node {node} of {report.cluster}: runs {parts}; linked with {', '.join(report.links) or 'no node'}"
        else:
            yield f"node {node}: {report}{OUT if _is_out(node, seen) else ''}"
    if seen.view is not None:
        yield from ("", view_head(seen.view))
    for group, statuses in seen.groups.items():
        yield from ("", f"group {group}")
        yield f"  {'node':<12} {'role':<12} {'term':>6} {'leader':<12} {'last':>10} {'commit':>10} {'applied':>10}"
        for node, status in statuses.items():
            yield f"  {node:<12} {_row(status)}"
        for status in statuses.values():
            if isinstance(status, GroupStatus):
                yield from (f"  {text}" for text in explanations(status))
                if status.activity is not None:
                    yield f"  {status.node} is {status.activity}"
                if status.change is not None:
                    yield f"  under way: {status.change}"


def _row(status: GroupStatus | CoterieError) -> str:
    if isinstance(status, CoterieError):
        return str(status)
    indexes = f"{status.last_index:>10} {status.commit_index:>10} {status.applied_index:>10}"
    return f"{status.role:<12} {status.term:>6} {status.leader or '-':<12} {indexes}"
