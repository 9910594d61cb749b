"""`coterie topology`: checks a topology that a Python module declares, and draws it as a diagram.

    coterie topology shop:topology                    as a tree
    coterie topology shop:topology --as mermaid       for a Markdown page
    coterie topology shop:topology --as dot | dot -Tsvg > shop.svg
    coterie topology shop:topology -o json            its nodes and parts, as data

Nothing is started. Exit code 2 if it has mistakes; all of them are printed at once, a line each.
"""

from __future__ import annotations

import argparse
from typing import Final

from coterie.actors.topology import Topology
from coterie.actors.topology.parts import (
    ActorPart,
    BalancerPart,
    DetectorPart,
    PoolPart,
    RaftPart,
    SingletonPart,
    SynodPart,
)
from coterie.actors.topology.topology_diagrams import where_text
from coterie.cli.output.command_output import CommandOutput
from coterie.cli.output.command_parser import add_output
from coterie.cli.topologies.topology_argument import add_topology, load_topology

__all__ = ["add_parser", "run"]

KIND_BY_CLASS: Final = {
    ActorPart: "actor",
    SingletonPart: "singleton",
    PoolPart: "pool",
    BalancerPart: "balancer",
    RaftPart: "raft",
    SynodPart: "synod",
    DetectorPart: "detector",
}


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `topology` to the command line."""
    parser = subparsers.add_parser(
        "topology",
        help="check and draw a topology",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_topology(parser)
    form = parser.add_mutually_exclusive_group()
    add_output(form)
    form.add_argument("--as", choices=["tree", "mermaid", "dot"], default="tree", dest="form", help="how it is drawn")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie topology`; return the exit code."""
    topology = load_topology(args.topology)
    out: CommandOutput = args.out
    out.cluster = topology.name
    topology.validate()
    text = str(topology) if args.form == "tree" else topology.diagram(args.form)
    out.show(_facts(topology), text.split("\n"))
    return 0


def _facts(topology: Topology) -> dict[str, object]:
    has_view = topology.members is not None
    parts = [
        {
            "name": part.name,
            "kind": KIND_BY_CLASS[type(part)],
            "nodes": part.nodes,
            "where": where_text(part, topology.nodes, has_view=has_view),
            "summary": part.summary,
        }
        for part in topology.parts
    ]
    return {"nodes": topology.nodes, "others_may_join": has_view, "operators": topology.operators, "parts": parts}
