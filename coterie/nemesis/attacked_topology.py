"""Attacked topology: declares the cluster that nemesis attacks: a replicated key-value store with lists."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from coterie.actors.simulation.scenarios.list_store import STORE, ListStore
from coterie.actors.topology import Topology

__all__ = ["NODES_VARIABLE", "TOPOLOGY_PATH", "from_environment", "topology_on"]

NODES_VARIABLE: Final = "COTERIE_NEMESIS_NODES"
"""The environment variable of each node process with the names of all nodes, separated by commas."""

TOPOLOGY_PATH: Final = f"{__name__}:from_environment"
"""The topology for `coterie run`."""


def topology_on(nodes: Sequence[str]) -> Topology:
    """Return the topology on these nodes."""
    topology = Topology("nemesis", nodes=list(nodes))
    topology.raft(STORE, machine=ListStore)
    return topology


def from_environment() -> Topology:
    """Return the topology on the nodes named in the environment. ValueError if there are none."""
    names = os.environ.get(NODES_VARIABLE, "")
    if not names:
        raise ValueError(f"set {NODES_VARIABLE} to the names of the nodes, such as n1,n2,n3")
    return topology_on(names.split(","))
