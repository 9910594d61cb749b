"""`coterie members`: shows the view of a cluster whose nodes come and go, and what its nodes think of each other.

    coterie members --connect 127.0.0.1:7401,127.0.0.1:7402 [--from n1] [--watch [SECONDS]] [-o json]

If the topology has `nodes=Members(…)`, the view comes first: its number, and of each member the state that the cluster
has decided (joining, up, leaving, down), since which view it has that, its incarnation, its stand (act: it takes part
in everything), its address, roles and labels, the members that do not hear it now, and the singletons that it holds.

If the topology has a failure detector, its opinions follow, or stand alone: one row per member, merged from those of
all nodes that answer: the state that most of them report, the highest suspicion (it is suspected from 1 on), the
highest incarnation, the median round trip, and the nodes that suspect it. A node that has not answered within 1 s (with
--watch, within the interval) is marked `no`; one whose address was not given is not asked: `-`.

`--from` shows what one node knows. Nodes that answer and have no link with each other are told below: one with a wrong
key or certificate is locked out, and answers clients all the same.

Exit code 1 if no node that answers has a view or a failure detector, 3 if there is no node NAME, 4 if none answers; 5
(degraded) if a member is down, not heard, suspected, failed or does not answer, a voter of the group `membership` is
not up in the view, nodes have no link with each other, or this client is refused.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator, Sequence

from coterie.actors.detection.detector_messages import MembersReport
from coterie.cli.cluster_connection import ClusterConnection, add_connect, connection_of
from coterie.cli.command_loop import UNREACHABLE, NameNotFound, run_async
from coterie.cli.commands.membership.member_seats import view_voters, voter_troubles
from coterie.cli.commands.membership.view_reports import ClusterView, with_view
from coterie.cli.commands.membership.view_rows import view_facts, view_table, view_troubles
from coterie.cli.member_reports import MemberReports, has_detector, names_in
from coterie.cli.member_rows import MemberRow, MembersByNode, member_rows, member_table
from coterie.cli.node_queries import DEGRADED
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.command_parser import add_output
from coterie.cli.output.json_envelope import Code, problems
from coterie.cli.watch_option import add_watch, check_watch

__all__ = ["add_parser", "run"]

ANSWER_LIMIT_S = 1.0
"""How long a node has to answer; with --watch no longer than the interval, but ANSWER_LIMIT_MIN_S at least."""

ANSWER_LIMIT_MIN_S = 0.5

NO_ANSWER = "no node answers"

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
    add_watch(parser)
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie members`; return the exit code."""
    check_watch(args.watch)
    return run_async(_show(connection_of(args), args))


async def _show(connection: ClusterConnection, args: argparse.Namespace) -> int:
    async with connection.client() as client:
        members = MemberReports(client, connection.addresses)
        if args.observer is not None:  # a name that does not exist is refused without waiting for silent nodes
            await _check_observer(members, args.observer, is_complete=False)
        await client.all_linked()
        if args.observer is not None and args.observer not in client.nodes:
            await _check_observer(members, args.observer, is_complete=True)
        clock, said = client.system.host.clock, ""
        while True:
            began_s = clock.monotonic()
            limit_s = _limit_s(args.watch)
            nodes = client.nodes if args.observer is None else [args.observer]
            asked = members.collect_with_troubles(limit_s, args.observer)
            (reports, troubles), view = await with_view(asked, client, nodes, limit_s)
            voters = None if view is None or args.observer is not None else await view_voters(client, limit_s)
            problem = _problem(reports, args.observer)
            rows = member_rows(reports, never_linked=0 if args.observer else members.never_linked)
            if view is not None and problem == NO_DETECTOR:
                problem, rows = "", []
            if view is not None:
                told = [row.member for row in rows]
                of_view = view_troubles(view, silent=told, is_alone=args.observer is not None)
                troubles = [*of_view, *voter_troubles(view.report.view, voters), *troubles]
            if args.out.is_json or not problem or problem != said:
                _print(args.out, rows, problem, troubles, view, is_live=args.watch is not None)
            said = problem
            if args.watch is None or problem == NO_DETECTOR:
                return _exit_code_of(problem, rows, troubles)
            await asyncio.sleep(max(0.0, began_s + args.watch - clock.monotonic()))


def _limit_s(watch_s: float | None) -> float:
    """Return how long each node has to answer: what the others say must not become old meanwhile."""
    return ANSWER_LIMIT_S if watch_s is None else min(ANSWER_LIMIT_S, max(ANSWER_LIMIT_MIN_S, watch_s))


async def _check_observer(members: MemberReports, observer: str, *, is_complete: bool) -> None:
    """Refuse a name that no node knows, by NameNotFound.

    `is_complete`: all nodes that answer are linked; otherwise only the report of a detector, which names all nodes,
    decides.
    """
    reports = await members.collect(ANSWER_LIMIT_S)
    names = names_in(reports)
    if observer not in names and (is_complete or has_detector(reports)):
        raise NameNotFound(f"--from {observer!r}: there is no node {observer!r}; the nodes are {', '.join(names)}")


def _problem(reports: MembersByNode, observer: str | None) -> str:
    """Return the sentence that is shown instead of a table; empty if there is a table."""
    if not any(isinstance(report, MembersReport) for report in reports.values()):
        return NO_ANSWER if observer is None else f"node {observer!r} does not answer"
    return "" if has_detector(reports) else NO_DETECTOR


def _exit_code_of(problem: str, rows: Sequence[MemberRow], troubles: Sequence[str]) -> int:
    if problem:
        return 1 if problem == NO_DETECTOR else UNREACHABLE
    return DEGRADED if troubles or any(_worries(rows)) else 0


def _worries(rows: Sequence[MemberRow]) -> Iterator[str]:
    """Yield a sentence for each member that is not well."""
    for row in rows:
        if row.state in ("suspected", "failed"):
            yield f"member {row.member} is {row.state}" + (f": {row.reason}" if row.reason else "")
        elif row.suspected_by:
            yield f"member {row.member} is suspected by {', '.join(row.suspected_by)}"
        elif row.answers is False:
            yield f"member {row.member} does not answer" + (f": {row.error}" if row.error else "")


def _print(
    out: CommandOutput,
    rows: Sequence[MemberRow],
    problem: str,
    troubles: Sequence[str],
    view: ClusterView | None = None,
    *,
    is_live: bool,
) -> None:
    errors = problems(Code.DEGRADED, [*_worries(rows), *troubles])
    if problem:
        errors = problems(Code.FAILED if problem == NO_DETECTOR else Code.UNREACHABLE, [problem])
    verdict = None if problem else "degraded" if errors else "healthy"
    lines = [] if view is None or problem else view_table(view)
    if problem or rows:
        lines += ([""] if lines else []) + ([problem] if problem else member_table(rows))
    lines += ["", *troubles] if troubles else []
    data = {"members": {row.member: row for row in rows}, "troubles": troubles, "view": view_facts(view)}
    out.show(data, lines, verdict=verdict, errors=errors, is_live=is_live)
