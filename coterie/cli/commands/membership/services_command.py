"""`coterie services`: shows which actors provide which services, as the cluster has registered them.

    coterie services --connect 127.0.0.1:7401 [NAME] [-o json]

One row for each actor. Only those on up members are found by callers: the column `state` is that of the member. A
service that is registered as unique has one provider at most. NAME shows one service alone.

Exit code 1 if the cluster has no view, and so no services, 3 if no actor provides NAME, 4 if no node answers.
"""

from __future__ import annotations

import argparse

from coterie.cli.cluster_connection import ClusterConnection, add_connect, connection_of
from coterie.cli.command_loop import NameNotFound, run_async
from coterie.cli.commands.membership.view_reports import ClusterView, cluster_view
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.command_parser import add_output

__all__ = ["add_parser", "run"]

NOTHING = "no actor is registered as a provider of a service"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `services` to the command line."""
    parser = subparsers.add_parser(
        "services",
        help="show which actors provide which services",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("service", nargs="?", metavar="name", help="only this service")
    add_connect(parser)
    add_output(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie services`; return the exit code."""
    return run_async(_show(connection_of(args), args.service, args.out))


async def _show(connection: ClusterConnection, service: str | None, out: CommandOutput) -> int:
    async with connection.client_of_all() as client:
        found = await cluster_view(client)
    rows = [row for row in _rows(found) if service in (None, row["service"])]
    if service is not None and not rows:
        names = ", ".join(dict.fromkeys(str(row["service"]) for row in _rows(found))) or "none"
        raise NameNotFound(f"no actor provides a service {service!r}: the services are {names}")
    head = f"{'service':<24} {'node':<12} {'path':<24} {'state':<8} unique"
    lines = [
        f"{row['service']:<24} {row['node']:<12} {row['path']:<24} {row['state']:<8} {'yes' if row['unique'] else 'no'}"
        for row in rows
    ]
    out.show({"services": rows}, [head, *lines] if rows else [NOTHING])
    return 0


def _rows(found: ClusterView) -> list[dict[str, object]]:
    view = found.report.view
    states = {member.identity: member.state.value for member in view}
    return [
        {
            "service": entry.service,
            "node": entry.member.name,
            "path": entry.path,
            "state": states.get(entry.member, "gone"),
            "unique": entry.unique,
        }
        for entry in found.report.registry.services
    ]
