"""Clusters declared in code: `Topology`, its parts, their validation, diagrams and start.

`node_start.py`: opens a node's store and spawns the parts of the topology on it
`parts.py`: the parts that a topology consists of, as data
`topology.py`: `Topology`, the declaration of a cluster
`topology_diagrams.py`: a topology as a text tree, a Mermaid diagram or a Graphviz graph
`validation.py`: all mistakes in a topology, found before anything runs
"""

from coterie.actors.topology.topology import Bootstrap, Topology

__all__ = ["Bootstrap", "Topology"]
