"""`coterie schema`: writes the schemas of a topology's groups to a file, and checks code against such a file.

    coterie schema dump shop:topology --out schemas.json       once a release is deployed
    coterie schema check shop:topology --against schemas.json  before the next one is: in your CI
    coterie schema check shop:topology --against data/n1       the data directory of a node, which may run
    coterie schema check shop:topology --connect HOST:PORT,…   the running cluster: all its nodes

A group's log records the schema of its state machine: its commands, their fields and defaults, its replies and its
version. Code may add to it; a change that would give old entries another meaning is refused when a node starts, and so
is a group in its store that the topology does not declare there. `check` finds both before that. Nothing is started or
changed: of a data directory a copy is read.

Exit code: 0: the code is the same or adds to what is recorded. 1: it contradicts that, is older or lacks a group, or
something cannot be read. 2: wrong usage. 3: there is no such
group. 4: no node accepts the client. 5: nothing is wrong with what was compared, but a node did not answer.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final, TypeVar

from coterie.actors.groups.evolution.machine_schema import machine_schema
from coterie.actors.topology.parts import RaftPart
from coterie.actors.topology.topology import Topology
from coterie.cli.cluster_connection import add_connect, connection_of
from coterie.cli.command_loop import NameNotFound, WrongUsage
from coterie.cli.commands.evolving.recorded_schemas import Recorded, recorded_in_cluster, recorded_in_path
from coterie.cli.node_queries import DEGRADED
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.command_parser import add_output
from coterie.cli.output.json_envelope import Code, problems
from coterie.cli.topologies.topology_argument import add_topology, load_topology
from coterie.protocols.evolution.schema import Schema
from coterie.protocols.evolution.schema_comparison import Verdict
from coterie.protocols.evolution.schema_file import (
    GroupComparison,
    compare_groups,
    schema_file_text,
)
from coterie.terminal_output import print_document

__all__ = ["add_parser", "check", "dump", "schemas_of"]

T = TypeVar("T")

EXIT_CODE_BY_VERDICT: Final = {"passed": 0, "failed": 1, "degraded": DEGRADED}


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
        add_topology(action)
        add_output(action)
        action.add_argument("--group", action="append", default=[], dest="groups", help="only this group (repeat)")
        action.set_defaults(run=function)
        if function is dump:
            action.add_argument("--out", dest="file", metavar="FILE", help="the file to write (default: stdout)")
        else:
            where = "a file that `schema dump` wrote, or the data directory of a node; it may run: a copy is read"
            action.add_argument("--against", metavar="FILE|DATA", help=where)
            add_connect(action, required=False)


def dump(args: argparse.Namespace) -> int:
    """Carry out `coterie schema dump`; return the exit code."""
    topology = load_topology(args.topology)
    out: CommandOutput = args.out
    out.cluster = topology.name
    text = schema_file_text(_chosen(schemas_of(topology), args.groups, topology))
    if args.file is not None:
        Path(args.file).write_text(text, encoding="utf-8")
    if out.is_json:
        out.show({"file": args.file} if args.file is not None else json.loads(text))
    elif args.file is None:
        print_document(text)
    return 0


def check(args: argparse.Namespace) -> int:
    """Carry out `coterie schema check`; return the exit code."""
    if (args.against is None) == (not args.connect):
        raise WrongUsage("give either --against or --connect: what the code is compared with")
    topology = load_topology(args.topology)
    code = schemas_of(topology)
    if args.against is None:
        against, recorded = "the cluster", recorded_in_cluster(connection_of(args), topology)
    else:
        against, recorded = args.against, recorded_in_path(Path(args.against), topology)
    chosen = _chosen({**recorded.refusals, **code}, args.groups, topology)
    found = {one.group: one for one in compare_groups(recorded.schemas, code)}
    lines = {group: list(_group_lines(group, recorded, found.get(group), against)) for group in sorted(chosen)}
    silent = [f"node {node!r} does not answer: what only it holds was not compared" for node in recorded.silent_nodes]
    bad = [group for group in chosen if group in recorded.refusals or not found[group].may_start]
    verdict = "failed" if bad else "degraded" if silent else "passed"
    out: CommandOutput = args.out
    out.cluster = topology.name
    out.show(
        {"against": args.against, "groups": {g: _facts(recorded.refusals.get(g), found.get(g)) for g in lines}},
        [*itertools.chain.from_iterable(lines.values()), *silent],
        verdict=verdict,
        errors=problems(Code.FAILED, map(" ".join, (lines[group] for group in bad))) + problems(Code.DEGRADED, silent),
    )
    return EXIT_CODE_BY_VERDICT[verdict]


def _facts(refusal: str | None, one: GroupComparison | None) -> dict[str, object]:
    comparison = None if one is None else one.comparison
    changes = [] if comparison is None else comparison.changes
    return {
        "comparison": "new" if comparison is None else comparison.verdict.value,
        "refusal": refusal,
        "additions": [str(change) for change in changes if change.is_addition],
        "contradictions": [str(change) for change in changes if not change.is_addition],
    }


def schemas_of(topology: Topology) -> dict[str, Schema]:
    """Return the schema of each Raft group of a topology, by the group's name.

    Raises:
        TopologyError: the topology has mistakes.
        MessageTypeError: a machine cannot be described; it names the class.
    """
    topology.validate()
    return {part.name: machine_schema(type(part.machine())) for part in topology.parts if isinstance(part, RaftPart)}


def _chosen(schemas: Mapping[str, T], groups: list[str], topology: Topology) -> dict[str, T]:
    others = {part.name: part.summary for part in topology.parts}
    for group in groups:
        if group not in schemas:
            there_are = f"the groups are {', '.join(sorted(schemas)) or 'none'}"
            if group in others:
                raise NameNotFound(f"{group!r} is no Raft group, but {others[group]}: {there_are}")
            raise NameNotFound(f"there is no Raft group {group!r}: {there_are}")
    return {group: schema for group, schema in schemas.items() if not groups or group in groups}


def _group_lines(group: str, recorded: Recorded, one: GroupComparison | None, against: str) -> Iterator[str]:
    refusal = recorded.refusals.get(group)
    if refusal is not None:
        yield f"group {group!r}: {refusal}"
    if one is not None and (refusal is None or one.comparison is not None):
        yield from _lines(one, against)


def _lines(one: GroupComparison, against: str) -> Iterator[str]:
    label = f"group {one.group!r}"
    if one.comparison is None:
        yield f"{label}: it is new: {against} does not have it"
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
