"""Whom to pick: policies of load balancing, pure. `Balancer` is their shape."""

from coterie.protocols.balancing.balancer import Balancer, Candidate, Verdict
from coterie.protocols.balancing.random_choice import RandomChoice
from coterie.protocols.balancing.round_robin import RoundRobin
from coterie.protocols.balancing.smooth_weighted import SmoothWeighted

__all__ = ["Balancer", "Candidate", "RandomChoice", "RoundRobin", "SmoothWeighted", "Verdict"]
