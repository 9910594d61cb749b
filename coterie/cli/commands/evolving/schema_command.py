"""`coterie schema`: writes the schemas of a topology's groups to a file, and checks code against such a file.

    coterie schema dump shop:topology --out schemas.json       once a release is deployed
    coterie schema check shop:topology --against schemas.json  before the next one is: in your CI
    coterie schema check shop:topology --against data/n1       the data directory of a node that does not run
    coterie schema check shop:topology --connect HOST:PORT     the running cluster

A group's log records the schema of its state machine: its commands, their fields and defaults, its replies and its
version. Code may add to it; a change that would give old entries another meaning is refused when a node starts. `check`
finds it before that. Nothing is started.

Exit code: 0: the code is the same or adds to what is recorded. 1: it contradicts that, is older or lacks a group, or
something cannot be read. 2: wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from coterie.actors.groups.evolution.machine_schema import machine_schema
from coterie.actors.topology.parts import RaftPart
from coterie.actors.topology.topology import Topology
from coterie.cli.cluster_connection import add_connect, connection_of
from coterie.cli.commands.evolving.recorded_schemas import schemas_in_cluster, schemas_in_path
from coterie.cli.commands.run_command import load_topology
from coterie.protocols.evolution.schema import Schema
from coterie.protocols.evolution.schema_comparison import Verdict
from coterie.protocols.evolution.schema_file import (
    GroupComparison,
    compare_groups,
    schema_file_text,
)

__all__ = ["add_parser", "check", "dump", "schemas_of"]

T = TypeVar("T")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `schema` to the command line."""
    parser = subparsers.add_parser(
        "schema",
        help="record what the state machines of a topology understand, and check that code still does",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(metavar="action", required=True)
    for name, function, text in (
        ("dump", dump, "write the schemas"),
        ("check", check, "compare the code with what is recorded"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("topology", metavar="module:topology", help="where the topology is declared")
        action.add_argument("--group", action="append", default=[], dest="groups", help="only this group (repeat)")
        action.set_defaults(run=function)
        if function is dump:
            action.add_argument("--out", metavar="FILE", help="the file to write (default: standard output)")
        else:
            where = "a file that `schema dump` wrote, or the data directory of a node that does not run"
            action.add_argument("--against", metavar="FILE|DATA", help=where)
            add_connect(action, required=False)


def dump(args: argparse.Namespace) -> int:
    """Carry out `coterie schema dump`; return the exit code."""
    text = schema_file_text(_chosen(schemas_of(load_topology(args.topology)), args.groups))
    if args.out is None:
        sys.stdout.write(text)
    else:
        Path(args.out).write_text(text, encoding="utf-8")
    return 0


def check(args: argparse.Namespace) -> int:
    """Carry out `coterie schema check`; return the exit code."""
    if (args.against is None) == (not args.connect):
        raise ValueError("give either --against or --connect: what the code is compared with")
    code = schemas_of(load_topology(args.topology))
    if args.against is None:
        against, recorded = "the cluster", schemas_in_cluster(connection_of(args), code)
    else:
        against, recorded = args.against, schemas_in_path(Path(args.against), code)
    both = _chosen({**recorded, **code}, args.groups)
    found = [one for one in compare_groups(recorded, code) if one.group in both]
    for one in found:
        print("\n".join(_lines(one, against)))
    return 0 if all(one.may_start for one in found) else 1


def schemas_of(topology: Topology) -> dict[str, Schema]:
    """Return the schema of each Raft group of a topology, by the group's name.

    Raises:
        TopologyError: the topology has mistakes.
        MessageTypeError: a machine cannot be described; it names the class.
    """
    topology.validate()
    return {part.name: machine_schema(type(part.machine())) for part in topology.parts if isinstance(part, RaftPart)}


def _chosen(schemas: Mapping[str, T], groups: list[str]) -> dict[str, T]:
    for group in groups:
        if group not in schemas:
            raise ValueError(f"there is no Raft group {group!r}: the groups are {', '.join(sorted(schemas)) or 'none'}")
    return {group: schema for group, schema in schemas.items() if not groups or group in groups}


def _lines(one: GroupComparison, against: str) -> Iterator[str]:
    label = f"group {one.group!r}"
    if one.comparison is None and one.is_in_code:
        yield f"{label}: it is new: {against} does not have it"
        return
    if one.comparison is None:
        yield f"{label}: {against} has it, and the topology does not: a node whose store holds it would not start"
        return
    yield f"{label}: {_VERDICTS[one.comparison.verdict]}"
    for change in one.comparison.changes:
        yield f"  {'+' if change.is_addition else '!'} {change}"


_VERDICTS = {
    Verdict.SAME: "the same",
    Verdict.NEWER: "the code is newer; it runs in the recorded version until it is activated",
    Verdict.OLDER: "the code is older; a node would store and vote, and apply nothing",
    Verdict.CONTRADICTS: "the code contradicts what is recorded; a node would not start",
}
