"""Cluster topologies: declares a cluster in code; checks the declaration, draws it as a diagram, and starts the nodes.

`balanced_messages.py`: finds which messages a balancer accepts
`membership_start.py`: makes a node of a topology with `Members` a member of its cluster's view
`node_start.py`: opens a node's store, and spawns the actors that the topology declares for it
`parts.py`: defines the data classes of what a cluster runs: actor, pool, Raft group, synod
`start_checks.py`: finds what is wrong with how a node is to start
`stopped_parts.py`: stops a node's parts while its partition policy says so
`stored_groups.py`: compares the groups in a node's store with the topology, and forgets groups
`stored_schemas.py`: checks that the code of the topology's machines does not contradict the schemas in a node's store
`topology.py`: `Topology`, declares a cluster
`topology_diagrams.py`: draws a topology as a text tree, a Mermaid diagram or a Graphviz graph
`validation.py`: finds all mistakes in a topology before anything runs
"""

from coterie.actors.topology.topology import Bootstrap, Topology

__all__ = ["Bootstrap", "Topology"]
