"""`coterie waits`: draws the wait-for graph of a running cluster: which actor waits for a reply of which other.

    coterie waits --connect 127.0.0.1:7401,127.0.0.1:7402 [--as text|mermaid|dot | -o json]

Each line is a handler that takes no other message until its ask is answered or times out. Exit code 4 if no node
answers, 5 if only some do: those that do not are the last lines.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Final

from coterie.actors.inspection import ReportActors, WaitLine
from coterie.actors.topology.topology_diagrams import dot_text, mermaid_text
from coterie.cli.cluster_connection import ClusterConnection, add_connect, connection_of
from coterie.cli.command_loop import run_async
from coterie.cli.node_queries import ReportByNode, exit_code_of, query_nodes, silent_lines, silent_nodes
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.command_parser import add_output
from coterie.errors import CoterieError

__all__ = ["add_parser", "run"]


COMMENT_BY_FORM: Final = {"text": "", "mermaid": "%% ", "dot": "// "}
"""What begins a line that is not part of the graph, by the form in which it is drawn."""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `waits` to the command line."""
    parser = subparsers.add_parser(
        "waits",
        help="show which actors wait for a reply, and from which actor",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_connect(parser)
    form = parser.add_mutually_exclusive_group()
    add_output(form)
    form.add_argument("--as", choices=["text", "mermaid", "dot"], default="text", dest="form", help="how it is drawn")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie waits`; return the exit code."""
    reports = run_async(_query(connection_of(args)))
    waits = list(_waits(reports))
    out: CommandOutput = args.out
    mark = COMMENT_BY_FORM[args.form]
    lines = [*draw(waits, args.form), *(f"{mark}{line}" for line in silent_lines(reports))]
    out.show({"waits": waits}, lines, errors=silent_nodes(reports))
    return exit_code_of(reports)


async def _query(connection: ClusterConnection) -> ReportByNode:
    async with connection.client_of_all() as client:
        return await query_nodes(client, ReportActors(limit=0))


def _waits(reports: ReportByNode) -> Iterator[WaitLine]:
    for node, report in reports.items():
        if not isinstance(report, CoterieError):
            for wait in report.waits:
                yield WaitLine(_at(wait.asker, node), _at(wait.target, node), wait.message, wait.left_s)


def _at(path: str, node: str) -> str:
    return path if "@" in path else f"{path}@{node}"


def draw(waits: Sequence[WaitLine], form: str) -> list[str]:
    """Return the graph as lines of text, of Mermaid or of Graphviz' language."""
    names = list(dict.fromkeys(name for wait in waits for name in (wait.asker, wait.target)))
    key = {name: f"a{number}" for number, name in enumerate(names)}
    if form == "mermaid":
        boxes = [f'  {key[name]}["{mermaid_text(name)}"]' for name in names]
        edges = [f"  {key[wait.asker]} -->|{mermaid_text(wait.message)}| {key[wait.target]}" for wait in waits]
        return ["flowchart LR", *boxes, *edges]
    if form == "dot":
        edges = [
            f"  {dot_text(wait.asker)} -> {dot_text(wait.target)} [label={dot_text(wait.message)}];" for wait in waits
        ]
        return ["digraph waits {", *edges, "}"]
    width = max((len(wait.asker) for wait in waits), default=0)
    lines = [f"{w.asker:<{width}} waits for {w.target} ({w.message}, {w.left_s:.1f} s left)" for w in waits]
    return lines or ["no actor waits for a reply"]
