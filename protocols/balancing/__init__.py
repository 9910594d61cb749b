"""Load balancing: defines the policies that pick one of several targets for the next request, without I/O.

`balancer.py`: `Balancer`, the interface of a policy
`random_choice.py`: `RandomChoice`, picks at random, in proportion to the weights
`round_robin.py`: `RoundRobin`, picks each target in turn
`smooth_weighted.py`: `SmoothWeighted`, picks in proportion to the weights, evenly spread
"""

from coterie.protocols.balancing.balancer import Balancer, Candidate, PickOutcome
from coterie.protocols.balancing.random_choice import RandomChoice
from coterie.protocols.balancing.round_robin import RoundRobin
from coterie.protocols.balancing.smooth_weighted import SmoothWeighted

__all__ = ["Balancer", "Candidate", "PickOutcome", "RandomChoice", "RoundRobin", "SmoothWeighted"]
