"""Clusters declared in code: `Topology`."""

from coterie.actors.topology.topology import Bootstrap, Topology

__all__ = ["Bootstrap", "Topology"]
