"""Resources: weights that follow the remaining capacity of the targets' nodes.

`resource_weights.py`: `ResourceWeights`, picks by weights from the nodes' reports, and probes silent nodes
`node_capacity.py`: `NodeCapacity`, the smoothed capacity of one node, from its last report until it expires
`capacity_formulas.py`: `RemainingCapacity` and `OrleansScore`, compute capacities from resources
"""

from coterie.protocols.balancing.resources.capacity_formulas import CapacityFormula, OrleansScore, RemainingCapacity
from coterie.protocols.balancing.resources.resource_weights import ResourceWeights

__all__ = ["CapacityFormula", "OrleansScore", "RemainingCapacity", "ResourceWeights"]
