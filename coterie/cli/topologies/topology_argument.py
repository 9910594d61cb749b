"""Topology argument: adds the argument `module:topology` to a command, and loads the topology that it names."""

from __future__ import annotations

import argparse
import os
from types import ModuleType

from coterie.actors.topology import Topology
from coterie.cli.command_loop import NameNotFound, WrongUsage
from coterie.import_order import hidden_hint
from coterie.module_loading import import_module, naming_user_lines

__all__ = ["add_topology", "add_traceback", "check_node", "load_topology"]


def add_topology(parser: argparse.ArgumentParser) -> None:
    """Add the argument `topology` and the option `--traceback`."""
    parser.add_argument("topology", metavar="module:topology", help="where the topology is declared")
    add_traceback(parser)


def add_traceback(parser: argparse.ArgumentParser) -> None:
    """Add the option `--traceback`; `main` obeys it."""
    parser.add_argument(
        "--traceback", action="store_true", help="if it fails, print the whole traceback on stderr, before the error"
    )


def check_node(option: str, node: str, topology: Topology) -> None:
    """Raise NameNotFound, which names the option, unless the topology has the node, or lets others join."""
    if topology.members is None and node not in topology.nodes:
        raise NameNotFound(f"{option} {node!r}: the topology has {', '.join(topology.nodes)}")


def load_topology(where: str) -> Topology:
    """Import the topology that `module:name` names.

    Raises:
        WrongUsage: the text is malformed, there is no such name, or it is no topology; the message says which.
        ModuleFailed: there is no such module, or it has raised or exited; the message has its file and line.
        KeyboardInterrupt: Ctrl-C.
    """
    module_name, colon, name = where.partition(":")
    if module_name.endswith(".py") or "/" in module_name:
        written = os.path.relpath(module_name).removesuffix(".py").replace("/", ".")
        raise WrongUsage(f"{where!r} names a file: write the module, {written}:{name or 'topology'}")
    if not (module_name and colon and name):
        raise WrongUsage(f"{where!r} does not name a topology: write module:name")
    module = import_module(module_name, where)
    with naming_user_lines(where):
        found = getattr(module, name, None)
        topology = found if isinstance(found, Topology) or not callable(found) else found()
    if isinstance(topology, Topology):
        return topology
    if found is None:
        raise WrongUsage(f"{where!r} is not a Topology: {_missing(module, name)}")
    what = "it is" if topology is found else f"{name}() returned what is"
    raise WrongUsage(f"{where!r} is not a Topology: {what} of type {type(topology).__name__}")


def _missing(module: ModuleType, name: str) -> str:
    declared = [other for other, value in vars(module).items() if isinstance(value, Topology)]
    has = f": its topologies are {', '.join(map(repr, declared))}" if declared else ""
    return f"module {module.__name__!r} has no {name!r}{has}{hidden_hint(module)}"
