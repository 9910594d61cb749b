"""Load-balancing policies, pure.

`balancer.py`: `Balancer`, the interface of a policy
`random_choice.py`: `RandomChoice`, random in proportion to the weights
`round_robin.py`: `RoundRobin`, each candidate in turn
`smooth_weighted.py`: `SmoothWeighted`, in proportion to the weights and evenly spread
"""

from coterie.protocols.balancing.balancer import Balancer, Candidate, PickOutcome
from coterie.protocols.balancing.random_choice import RandomChoice
from coterie.protocols.balancing.round_robin import RoundRobin
from coterie.protocols.balancing.smooth_weighted import SmoothWeighted

__all__ = ["Balancer", "Candidate", "PickOutcome", "RandomChoice", "RoundRobin", "SmoothWeighted"]
