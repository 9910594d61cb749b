"""The cluster under attack: a replicated key-value store with lists beside it, on as many nodes as a plan has."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from coterie.actors.simulation.scenarios.list_store import STORE, Shelf
from coterie.actors.topology import Topology

__all__ = ["NODES_VARIABLE", "WHERE", "from_environment", "store_on"]

NODES_VARIABLE: Final = "COTERIE_NEMESIS_NODES"
"""The names of the nodes, with commas between them, in the environment of each."""

WHERE: Final = f"{__name__}:from_environment"
"""The topology for `coterie run`."""


def store_on(nodes: Sequence[str]) -> Topology:
    """Return the topology on these nodes."""
    topology = Topology("nemesis", nodes=list(nodes))
    topology.raft(STORE, machine=Shelf)
    return topology


def from_environment() -> Topology:
    """Return the topology on the nodes that the environment names. ValueError if it names none."""
    names = os.environ.get(NODES_VARIABLE, "")
    if not names:
        raise ValueError(f"set {NODES_VARIABLE} to the names of the nodes, such as n1,n2,n3")
    return store_on(names.split(","))
