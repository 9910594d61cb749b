"""`coterie topology`: checks a topology that a Python module declares, and draws it as a diagram.

    coterie topology shop:topology                    as a tree
    coterie topology shop:topology --as mermaid       for a Markdown page
    coterie topology shop:topology --as dot | dot -Tsvg > shop.svg

Nothing is started. Exit code 1 if it has mistakes; all of them are printed at once.
"""

from __future__ import annotations

import argparse

from coterie.cli.commands.run_command import load_topology
from coterie.terminal_output import print_text

__all__ = ["add_parser", "run"]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command `topology` to the command line."""
    parser = subparsers.add_parser(
        "topology",
        help="check and draw a topology",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("topology", metavar="module:topology", help="where the topology is declared")
    parser.add_argument(
        "--as", choices=["tree", "mermaid", "dot"], default="tree", dest="form", help="the output format"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry out `coterie topology`; return the exit code."""
    topology = load_topology(args.topology)
    topology.validate()
    print_text(str(topology) if args.form == "tree" else topology.diagram(args.form))
    return 0
